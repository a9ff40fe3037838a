//! What must come of a demo before a site that is not its own.

use std::collections::BTreeSet;

use reqwest::{StatusCode, header};

use crate::{
    demo::Demo,
    equipment::free_port,
    publisher::{FILM_BYTES, Publisher},
    reader::Page,
};

const SITE: &str = "https://www.harbour.example";
const CALL: &str = "go ad-free!";
async fn before(publisher: &Publisher) -> Demo {
    Demo::before(SITE, publisher.address(), Some(&publisher.authority())).await
}

#[tokio::test]
async fn a_reader_clicks_around_and_never_leaves_the_demo() {
    let Some(publisher) = Publisher::start().await else {
        return;
    };
    let demo = before(&publisher).await;
    let reader = demo.reader();
    let (mut seen, mut next, mut outside) = (BTreeSet::new(), vec![demo.url("/")], BTreeSet::new());
    while let Some(mut url) = next.pop() {
        url.set_fragment(None);
        if url.host_str() != Some("news.localhost") {
            outside.insert(url.host_str().unwrap_or(url.scheme()).to_owned());
        } else if seen.insert(url.clone()) {
            let page = reader.goes_to(url).await;
            assert_eq!(page.status, StatusCode::OK, "{page:?}");
            assert_eq!(page.url.host_str(), Some("news.localhost"), "{page:?}");
            names_no_other_home(&page);
            next.extend(page.addresses());
        }
    }
    let paths: Vec<&str> = seen.iter().map(url::Url::path).collect();
    for path in [
        "/town/",
        "/town/tides.html",
        "/old",
        "/plain",
        "/bare",
        "/no-scheme",
        "/refresh",
        "/members",
        "/site.css",
        "/app.js",
        "/boat.svg",
    ] {
        assert!(paths.contains(&path), "nothing leads to {path}: {paths:?}");
    }
    let known = [
        "account.localhost",
        "mailto",
        "pagead2.googlesyndication.com",
        "securepubads.g.doubleclick.net",
        "www.elsewhere.example",
    ];
    assert_eq!(outside.iter().map(String::as_str).collect::<Vec<_>>(), known);
    for path in ["/robots.txt", "/sitemap.xml", "/latest.json"] {
        let page = reader.opens(path).await;
        names_no_other_home(&page);
        assert!(page.body.contains(&demo.host()), "{page:?}");
    }
    let front = reader.opens("/").await;
    assert!(
        front.body.contains("letters@harbour.example") && front.body.contains("img.harbour.example"),
        "words were changed, not addresses: {front:?}"
    );
    assert!(front.body.contains(CALL), "{front:?}");
    assert!(!demo.said().contains("does not answer"), "{}", demo.said());
}

/// Fails if an address of the publisher's host is left in a page or in its headers.
#[track_caller]
fn names_no_other_home(page: &Page) {
    let lines = page.headers.values().map(|line| line.to_str().expect("text"));
    for text in lines.chain([page.body.as_str()]) {
        for home in [
            "//www.harbour.example",
            "//harbour.example",
            "\\/www.harbour.example",
            "\\/harbour.example",
        ] {
            assert!(!text.contains(home), "{} still names {home}: {text}", page.url);
        }
    }
}

#[tokio::test]
async fn nothing_sends_the_browser_to_https() {
    let Some(publisher) = Publisher::start().await else {
        return;
    };
    let demo = before(&publisher).await;
    let front = demo.reader().opens("/").await;
    assert!(front.header("strict-transport-security").is_empty(), "{front:?}");
    assert!(front.header("alt-svc").is_empty(), "{front:?}");
    let here = format!("http://{}", demo.host());
    let policy = front.header("content-security-policy");
    for directive in [
        "default-src 'self'".to_owned(),
        format!("script-src 'nonce-r4nd0m' {here}"),
        format!("style-src www.harbour.example {here}"),
        format!("img-src https: data: {here}"),
        format!("connect-src *.harbour.example {here}"),
    ] {
        assert!(
            policy.split("; ").any(|one| one == directive),
            "no `{directive}` in {policy}"
        );
    }
    assert!(!policy.contains("upgrade-insecure-requests"), "{policy}");
    assert!(!front.body.contains("upgrade-insecure-requests"), "{front:?}");
    assert!(front.body.contains("base-uri 'self'"), "{front:?}");
    assert_eq!(
        front.header("link"),
        format!("<{here}/site.css>; rel=preload; as=style")
    );
    let cookie = front.header("set-cookie");
    assert_eq!(cookie, "visitor=7; Path=/; HttpOnly; Max-Age=3600");
}

#[tokio::test]
async fn what_a_browser_asks_for_beside_pages_works_too() {
    let Some(publisher) = Publisher::start().await else {
        return;
    };
    let demo = before(&publisher).await;
    let reader = demo.reader();
    let front = reader.opens("/").await;
    assert!(front.header("content-encoding").is_empty(), "{front:?}");
    let thanks = reader
        .sends(&front, "form[action$='/letter']", &[("text", "Ahoy")])
        .await;
    assert_eq!(thanks.url, demo.url("/thanks.html?bytes=9"), "{thanks:?}");
    assert!(thanks.body.contains("Your letter has come in"), "{thanks:?}");

    let again = reader.asks("/", header::IF_NONE_MATCH, front.header("etag")).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{again:?}");
    assert!(again.body.is_empty() && again.header("strict-transport-security").is_empty());

    let part = reader.plays("/film.mp4", "bytes=10-19").await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{part:?}");
    assert_eq!(part.header("content-range"), format!("bytes 10-19/{FILM_BYTES}"));
    assert_eq!(part.body.len(), 10);
}

#[tokio::test]
async fn the_bare_host_and_plain_http_lead_to_where_the_site_is() {
    let Some(publisher) = Publisher::start().await else {
        return;
    };
    for named in [
        "http://harbour.example",
        "https://harbour.example/some/page",
        "http://www.harbour.example",
    ] {
        let demo = Demo::before(named, publisher.address(), Some(&publisher.authority())).await;
        demo.says("leads to https://www.harbour.example/").await;
        let front = demo.reader().opens("/").await;
        assert_eq!(
            (front.status, front.url.clone()),
            (StatusCode::OK, demo.url("/")),
            "{named}: {front:?}"
        );
        names_no_other_home(&front);
    }
}

#[track_caller]
fn is_our_own_error(page: &Page) {
    assert!(
        page.body.contains("Nothing is wrong with your device or your account"),
        "{page:?}"
    );
    assert!(!page.body.contains(CALL), "{page:?}");
    assert_eq!(page.header("cache-control"), "no-store", "{page:?}");
}

#[tokio::test]
async fn a_site_that_does_not_answer_is_named_at_the_start_and_the_demo_starts_all_the_same() {
    let Some(publisher) = Publisher::start().await else {
        return;
    };
    let authority = publisher.authority();
    let nowhere = ([127, 0, 0, 1], free_port()).into();
    for (site, address, authority, said) in [
        (
            SITE,
            nowhere,
            Some(authority.as_path()),
            "https://www.harbour.example/ does not answer",
        ),
        (SITE, publisher.address(), None, "invalid peer certificate"),
        (
            "https://other.example",
            publisher.address(),
            Some(authority.as_path()),
            "not valid for name",
        ),
    ] {
        let demo = Demo::before(site, address, authority).await;
        demo.says(said).await;
        demo.says("help:").await;
        let page = demo.reader().opens("/").await;
        assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{page:?}");
        is_our_own_error(&page);
        demo.says("the origin cannot be reached").await;
    }
}
