//! What becomes of pages: free readers, payers, conditional requests, HEAD, and what is never touched.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it cannot go on"
)]

mod kit;

use http::Method;
use kit::{
    Setup,
    origin::{AD, BIG, Origin, article},
};

static LARGE: [u8; 8 << 20] = [b'y'; 8 << 20];

fn setup() -> Setup {
    Setup::new(Origin::router().0)
}

#[tokio::test]
async fn a_free_page_without_calls_is_the_origins_to_the_byte() {
    let kit = setup().without_calls().start().await;
    for path in ["/article", "/tagged", "/big-page"] {
        let answer = kit.visit(path, "").await;
        assert_eq!(answer.status, 200);
        assert!(
            answer.text().starts_with(&article()) && answer.text().trim_end() == article().trim_end(),
            "{path}"
        );
    }
    let answer = kit.visit("/tagged", "").await;
    assert_eq!(answer.header("etag"), Some("\"v1\""));
    assert_eq!(
        answer.header("cache-control"),
        Some("private, no-cache"),
        "a browser must not show it from memory after paying"
    );
    assert_eq!(answer.header("vary"), Some("Cookie"));
    assert_eq!(answer.header("surrogate-control"), None);
    assert_eq!(answer.header("set-cookie"), None, "an origin cannot set a pass");
}

#[tokio::test]
async fn an_unchanged_page_that_a_browser_holds_already_stays_as_private_as_the_page() {
    let kit = setup().without_calls().start().await;
    let again = kit.revisit("/tagged", "", "\"v1\"").await;
    assert_eq!((again.status.as_u16(), again.header("etag")), (304, Some("\"v1\"")));
    assert_eq!(
        again.header("cache-control"),
        Some("private, no-cache"),
        "the origin's `public, max-age=600` would be stored with the page, and shown after paying"
    );
    assert_eq!(again.header("vary"), Some("Cookie"));
    assert_eq!(again.header("surrogate-control"), None);
}

#[tokio::test]
async fn a_free_reader_is_called_on_and_a_payer_is_thanked_without_ads() {
    let kit = setup().start().await;
    let free = kit.visit("/article?x=1", "").await.text();
    assert!(free.contains(AD) && free.contains("latchkey-call"), "{free}");
    assert!(
        free.contains("http://account.localhost:8080/support?site=sit_news&amp;to=%2Farticle%3Fx%3D1"),
        "{free}"
    );
    let paid = kit.visit("/article", &kit.payer()).await;
    let text = paid.text();
    assert!(!text.contains("adsbygoogle") && !text.contains("/support?"), "{text}");
    assert!(text.contains("The first paragraph of it.") && text.contains("The second paragraph of it."));
    assert!(text.contains("Thank you for supporting"), "{text}");
    assert_eq!(paid.header("content-length"), Some(text.len().to_string().as_str()));
    let guard = text
        .split("/.latchkey/assets/guard-")
        .nth(1)
        .unwrap()
        .split(".js")
        .next()
        .unwrap()
        .to_owned();
    let script = kit.get(&format!("/.latchkey/assets/guard-{guard}.js"), &[]).await;
    assert_eq!(
        (script.status.as_u16(), script.header("cache-control")),
        (200, Some("public, max-age=31536000, immutable"))
    );
    let older = kit.get("/.latchkey/assets/guard-older.js", &[]).await;
    assert_eq!(
        (older.status.as_u16(), older.header("cache-control")),
        (200, Some("no-cache"))
    );
}

#[tokio::test]
async fn nothing_is_stripped_on_excepted_paths() {
    let mut setup = setup();
    setup.policy.strip.except_paths = vec!["/advertise/*".to_owned()];
    let kit = setup.start().await;
    assert!(kit.visit("/advertise/rates", &kit.payer()).await.text().contains(AD));
    assert!(!kit.visit("/article", &kit.payer()).await.text().contains(AD));
}

#[tokio::test]
async fn a_page_in_a_frame_gets_no_call_but_is_stripped() {
    let kit = setup().start().await;
    let cookie = kit.payer();
    let framed = [
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
        ("accept", "text/html"),
    ];
    assert_eq!(kit.get("/article", &framed).await.text(), article());
    let text = kit
        .get("/article", &[framed.as_slice(), &[("cookie", &cookie)]].concat())
        .await
        .text();
    assert!(!text.contains(AD) && !text.contains("Thank you"), "{text}");
}

#[tokio::test]
async fn an_error_page_has_no_ads_for_payers_and_no_call_for_anyone() {
    let kit = setup().start().await;
    let paid = kit.visit("/gone", &kit.payer()).await;
    assert_eq!(paid.status, 410);
    let text = paid.text();
    assert!(
        !text.contains(AD) && text.contains("The second paragraph") && !text.contains("Thank you"),
        "{text}"
    );
    let free = kit.visit("/gone", "").await;
    assert_eq!((free.status.as_u16(), free.text()), (410, article()));
}

#[tokio::test]
async fn what_is_no_whole_page_is_never_touched() {
    let kit = setup().start().await;
    for path in ["/coded", "/attachment", "/no-transform", "/plain"] {
        let text = kit.visit(path, &kit.payer()).await.text();
        assert!(text.contains(AD) && !text.contains("guard"), "{path}: {text}");
    }
    let large = kit.visit("/big-page", &kit.payer()).await;
    assert!(large.text().starts_with(&article()));
    assert_eq!((kit.edge.counts().coded, kit.edge.counts().too_large), (1, 1));
}

#[tokio::test]
async fn conditional_requests_are_mapped_to_the_variant() {
    let kit = setup().start().await;
    let payer = kit.payer();
    let first = kit.visit("/tagged", &payer).await;
    let tag = first.header("etag").unwrap().to_owned();
    assert!(tag.starts_with("W/\"v1-ad_free-"), "{tag}");
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    for gone in ["last-modified", "accept-ranges", "link", "surrogate-control"] {
        assert_eq!(first.header(gone), None, "{gone}");
    }
    let second = kit.revisit("/tagged", &payer, &tag).await;
    assert_eq!(
        (second.status.as_u16(), second.header("etag")),
        (304, Some(tag.as_str()))
    );
    let cached = kit.raw(&format!("GET /tagged HTTP/1.1\r\nHost: HOST\r\nAccept: text/html\r\nCookie: {payer}\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n")).await;
    assert!(
        cached.starts_with("HTTP/1.1 304") && !cached.to_lowercase().contains("content-length"),
        "{cached}"
    );
    let fetched = [
        ("sec-fetch-dest", "empty"),
        ("accept", "*/*"),
        ("cookie", payer.as_str()),
        ("if-none-match", tag.as_str()),
    ];
    let fetched = kit.get("/tagged", &fetched).await;
    assert_eq!(
        (fetched.status.as_u16(), fetched.header("etag")),
        (304, Some(tag.as_str()))
    );
    // The same browser, after its pass is gone, must get the page anew; and so must a payer who holds the free page.
    let free = kit.revisit("/tagged", "", &tag).await;
    assert_eq!(free.status, 200);
    let free_tag = free.header("etag").unwrap().to_owned();
    assert_ne!(free_tag, tag);
    for held in [free_tag.as_str(), "\"v1\"", "W/\"v1\"", "*"] {
        assert_eq!(kit.revisit("/tagged", &payer, held).await.status, 200, "{held}");
    }
    let part = kit
        .get(
            "/tagged",
            &[("accept", "text/html"), ("range", "bytes=0-3"), ("cookie", &payer)],
        )
        .await;
    assert_eq!(part.status, 200, "a part of a changed page makes no sense");
}

#[tokio::test]
async fn new_rules_make_a_new_variant() {
    let kit = setup().start().await;
    let payer = kit.payer();
    let tag = kit.visit("/tagged", &payer).await.header("etag").unwrap().to_owned();
    let mut policy = Setup::new(Origin::router().0).policy;
    policy.hosts = vec![kit.host.clone()];
    policy.call.thanks = "Thanks a lot.".to_owned();
    kit.account.set_policy(policy);
    kit.account.version.store(2, std::sync::atomic::Ordering::SeqCst);
    kit.until("the new bundle", |kit| kit.edge.bundle_version() == 2).await;
    let answer = kit.revisit("/tagged", &payer, &tag).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("Thanks a lot."));
}

#[tokio::test]
async fn head_says_what_get_says() {
    let kit = setup().start().await;
    for cookie in [String::new(), kit.payer()] {
        let headers = [("accept", "text/html"), ("cookie", cookie.as_str())];
        let get = kit.get("/tagged", &headers).await;
        let head = kit.send(Method::HEAD, "/tagged", &headers, "").await;
        assert!(head.body.is_empty());
        for name in ["etag", "cache-control", "vary", "content-type", "link"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        assert!(
            head.header("content-length")
                .is_none_or(|length| Some(length) == get.header("content-length"))
        );
    }
}

#[tokio::test]
async fn the_same_page_is_not_parsed_three_times_and_never_with_authorization() {
    let kit = setup().start().await;
    let payer = kit.payer();
    let first = kit.visit("/article", &payer).await;
    for _ in 0..3 {
        assert_eq!(kit.visit("/article", &payer).await.body, first.body);
    }
    let counts = kit.edge.counts();
    assert_eq!((counts.changed, counts.remembered), (2, 2));
    let headers = [
        ("accept", "text/html"),
        ("cookie", payer.as_str()),
        ("authorization", "Basic eDp5"),
    ];
    assert_eq!(kit.get("/article", &headers).await.body, first.body);
    assert_eq!(kit.edge.counts().remembered, 2);
}

#[tokio::test]
async fn a_large_body_streams_both_ways() {
    let kit = setup().start().await;
    let answer = kit.get("/big", &[("cookie", &kit.payer())]).await;
    assert_eq!(answer.body.len(), BIG);
    let answer = kit
        .send(Method::POST, "/upload", &[], std::str::from_utf8(&LARGE).unwrap())
        .await;
    assert_eq!(answer.text(), LARGE.len().to_string());
}

#[tokio::test]
async fn an_origin_that_is_away_or_slow_has_a_page_of_ours() {
    let mut away = setup();
    away.origin_url = Some("http://127.0.0.1:1/".to_owned());
    let kit = away.start().await;
    let answer = kit.visit("/article", "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (502, Some("text/html; charset=utf-8"))
    );
    assert!(answer.text().contains("<h1>") && answer.header("cache-control") == Some("no-store"));
    let mut slow = setup();
    slow.limits.origin_timeout = std::time::Duration::from_millis(200);
    let kit = slow.start().await;
    assert_eq!(kit.visit("/slow", "").await.status, 504);
}
