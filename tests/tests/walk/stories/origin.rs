//! The demo before a real site: it knows nothing of us, believes to be elsewhere, and one can click around in it all the same.

use std::{collections::HashSet, fs};

use reqwest::{Client, Response, StatusCode, header};
use scraper::{Html, node::Node};

use crate::{
    browser::Browser,
    demo::Demo,
    equipment::is_there,
    real_site::{RealSite, real_pages},
    steps::{Reader, card},
};

const CALL: &str = ".latchkey-call[data-place=top] a";

async fn before(site: &RealSite) -> Demo {
    let arguments = ["--origin", &site.url(), "--origin-ca", &site.authority()].map(str::to_owned);
    Demo::start_with(None, arguments.to_vec()).await
}

/// What a browser sends when its reader goes to a page.
async fn visit(http: &Client, url: &str, cookie: &str) -> Response {
    let request = http
        .get(url)
        .header("accept", "text/html,*/*;q=0.8")
        .header("accept-encoding", "gzip")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header("cookie", cookie);
    request.send().await.expect("an answer")
}

fn head<'a>(answer: &'a Response, name: &str) -> &'a str {
    let value = answer.headers().get(name);
    value.map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_site_is_brought_here_whole() {
    if !is_there() {
        return;
    }
    let site = RealSite::start().await;
    let demo = before(&site).await;
    let (http, here) = (demo.http_that_stays(), demo.url("news", ""));
    let bare = here.trim_start_matches("http:");

    // Every address of the page itself is one of here; others stay.
    let front = visit(&http, &demo.url("news", "/"), "").await;
    assert_eq!(front.status(), StatusCode::OK);
    for gone in ["strict-transport-security", "alt-svc", "content-encoding"] {
        assert_eq!(head(&front, gone), "", "{gone} would lead away or cannot be read");
    }
    assert_eq!(head(&front, "set-cookie"), "seen=1; Path=/; HttpOnly");
    let policy = head(&front, "content-security-policy");
    assert!(
        !policy.contains("upgrade") && policy.contains(&format!("default-src {here} ")),
        "{policy}"
    );
    let text = front.text().await.expect("text");
    let elsewhere = format!("https://{}.elsewhere.example/", site.host());
    assert!(!text.replace(&elsewhere, "").contains(&site.host()), "{text}");
    for kept in [
        format!("<base href=\"{here}/\">"),
        format!("href=\"{bare}/site.css\""),
        here.replace('/', "\\/"),
        format!("srcset=\"{here}/a.png 1x, {here}/b.png 2x\""),
        elsewhere,
        "adsbygoogle".to_owned(),
    ] {
        assert!(text.contains(&kept), "no {kept} in {text}");
    }

    // Redirects, refreshes and forms stay here.
    for (path, status, name, want) in [
        ("/moved", 301, "location", format!("{here}/story.html")),
        ("/moved-too", 302, "location", format!("{bare}/story.html")),
        ("/refresh", 200, "refresh", format!("0; url={here}/story.html")),
    ] {
        let answer = visit(&http, &demo.url("news", path), "").await;
        assert_eq!(
            (answer.status().as_u16(), head(&answer, name)),
            (status, want.as_str()),
            "{path}"
        );
    }
    let sent = http
        .post(demo.url("news", "/form"))
        .body("a=1")
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        (sent.status().as_u16(), head(&sent, "location")),
        (303, format!("{here}/story.html").as_str())
    );

    // Parts, what is held already, stylesheets, and errors.
    let digits = http.get(demo.url("news", "/digits.txt"));
    let part = digits
        .header(header::RANGE, "bytes=2-5")
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        (part.status().as_u16(), part.text().await.expect("text").as_str()),
        (206, "2345")
    );
    let whole = http
        .get(demo.url("news", "/digits.txt"))
        .send()
        .await
        .expect("an answer");
    let held = http
        .get(demo.url("news", "/digits.txt"))
        .header(header::IF_NONE_MATCH, head(&whole, "etag"));
    assert_eq!(held.send().await.expect("an answer").status(), StatusCode::NOT_MODIFIED);
    let style = demo.text("news", "/site.css").await;
    assert!(style.contains(&format!("url({here}/a.png)")), "{style}");
    assert_eq!(
        visit(&http, &demo.url("news", "/broken"), "").await.status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_click_around_in_a_real_site_pay_and_read_it_whole_without_ads() {
    if !is_there() {
        return;
    }
    let mut site = RealSite::start().await;
    let demo = before(&site).await;
    let ada = Reader::ada(&demo, Browser::open().await);
    let story = demo.url("news", "/story.html");
    for link in ["#absolute", "#relative", "#protocol", "#moved", "#latest", "#send"] {
        ada.browser.goto(&demo.url("news", "/")).await;
        ada.browser.press(link).await;
        ada.browser.arrives(&story).await;
    }
    ada.browser.press(CALL).await;
    ada.chooses("prc_monthly").await;
    ada.pays_with(card::PAYS).await;
    ada.browser.arrives(&story).await;
    ada.browser.reads("Thank you for supporting The Harbour Post.").await;
    ada.browser.reads("The gauge at the pier has a needle.").await;
    let pass = ada.browser.cookie(&story, "latchkey_pass").await.expect("a pass");
    let cookie = format!("latchkey_pass={pass}");
    ada.browser.close().await;

    let http = demo.http_that_stays();
    let paid = visit(&http, &story, &cookie).await.text().await.expect("text");
    assert!(!paid.contains("adsbygoogle"), "{paid}");
    for (name, folder) in real_pages() {
        let answer = visit(&http, &demo.url("news", &format!("/{name}.html")), &cookie).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        let read = |file: &str| fs::read_to_string(folder.join(file)).expect("a page");
        let (source, expected) = (sequences(&read("source.html")), sequences(&read("expected.html")));
        let kept = sequences(&answer.text().await.expect("text"));
        let lost: Vec<_> = expected
            .intersection(&source)
            .filter(|words| !kept.contains(*words))
            .collect();
        assert!(
            lost.is_empty(),
            "{name} lost {} of {}: {lost:#?}",
            lost.len(),
            expected.len()
        );
    }

    // The site goes away and comes back: a page of ours in between, for her as for anybody, and nothing of hers is lost.
    site.stop();
    for cookie in [cookie.as_str(), ""] {
        let away = visit(&http, &story, cookie).await;
        assert_eq!(away.status(), StatusCode::BAD_GATEWAY);
        let text = away.text().await.expect("text");
        assert!(
            text.contains("The site cannot be reached") && !text.contains("adsbygoogle"),
            "{text}"
        );
    }
    site.run().await;
    let again = visit(&http, &story, &cookie).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert!(!again.text().await.expect("text").contains("adsbygoogle"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_whose_certificate_nobody_vouches_for_is_not_shown() {
    if !is_there() {
        return;
    }
    let site = RealSite::start().await;
    let demo = Demo::start_with(None, vec!["--origin".to_owned(), site.url()]).await;
    let answer = visit(&demo.http_that_stays(), &demo.url("news", "/"), "").await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let text = answer.text().await.expect("text");
    assert!(
        text.contains("The site cannot be reached") && !text.contains("Gazette"),
        "{text}"
    );
}

/// Every five words in a row that a reader of the page sees.
fn sequences(html: &str) -> HashSet<Vec<String>> {
    let page = Html::parse_document(html);
    let mut text = String::new();
    for node in page.tree.nodes() {
        let hidden = |name: &str| ["script", "style", "noscript", "template"].contains(&name);
        let in_script = node
            .parent()
            .and_then(|parent| parent.value().as_element())
            .is_some_and(|parent| hidden(parent.name()));
        if let (Node::Text(words), false) = (node.value(), in_script) {
            text.push_str(words);
            text.push(' ');
        }
    }
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.windows(5).map(<[String]>::to_vec).collect()
}
