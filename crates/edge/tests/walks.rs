//! Walks over several requests: the hand-over, leaving, upgrades, events; forward-auth.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it cannot go on"
)]

mod kit;

use std::time::Duration;

use http::Method;
use kit::{
    Setup,
    origin::{Origin, seen, values},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn setup() -> Setup {
    Setup::new(Origin::router().0)
}

fn parameter(location: &str, name: &str) -> String {
    let url = url::Url::parse(location).unwrap();
    url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
}

#[tokio::test]
async fn the_hand_over_signs_in_the_browser_that_holds_the_nonce_and_no_other() {
    let kit = setup().start().await;
    let begun = kit.visit("/.latchkey/enter?to=/article", "").await;
    assert_eq!(begun.status, 303);
    assert!(
        begun
            .location()
            .starts_with("http://account.localhost:8080/account/enter?"),
        "{}",
        begun.location()
    );
    assert_eq!(
        (parameter(begun.location(), "host"), parameter(begun.location(), "to")),
        (kit.host.clone(), "/article".to_owned())
    );
    let nonce = begun.cookie("latchkey_nonce").unwrap();
    let hash = parameter(begun.location(), "nonce");
    kit.account
        .codes
        .lock()
        .unwrap()
        .insert("code-1".to_owned(), hash.clone());
    // Another browser, with a nonce of its own or with none, gets nowhere; neither does a code that was used.
    let none = kit.visit("/.latchkey/enter?code=code-1&to=/article", "").await;
    assert!(none.status == 303 && none.cookie("latchkey_pass").is_none());
    assert_eq!(none.location(), "/.latchkey/enter?failed=refused&to=%2Farticle");
    let done = kit
        .visit(
            "/.latchkey/enter?code=code-1&to=/article",
            &format!("latchkey_nonce={nonce}"),
        )
        .await;
    assert_eq!((done.status.as_u16(), done.location()), (303, "/article"));
    assert_eq!(done.header("clear-site-data"), Some("\"cache\""));
    assert_eq!(
        (
            done.cookie("latchkey_s").as_deref(),
            done.cookie("latchkey_nonce").as_deref()
        ),
        (Some("1"), Some(""))
    );
    assert_eq!(done.cookie("latchkey_refresh").as_deref(), Some("refresh-1"));
    let pass = format!("latchkey_pass={}", done.cookie("latchkey_pass").unwrap());
    assert!(!kit.visit("/article", &pass).await.text().contains("adsbygoogle"));
    let again = kit
        .visit(
            "/.latchkey/enter?code=code-1&to=/article",
            &format!("latchkey_nonce={nonce}"),
        )
        .await;
    let told = kit.visit(again.location(), "").await;
    assert_eq!((again.status.as_u16(), told.status.as_u16()), (303, 403));
    assert!(
        told.text().contains("/.latchkey/enter?to=%2Farticle"),
        "{}",
        told.text()
    );
    let reloaded = kit
        .visit(
            "/.latchkey/enter?code=code-1&to=/article",
            &format!("latchkey_nonce={nonce}; {pass}"),
        )
        .await;
    assert_eq!((reloaded.status.as_u16(), reloaded.location()), (303, "/article"));
}

#[tokio::test]
async fn on_https_the_cookies_carry_their_prefixes() {
    let mut setup = setup();
    setup.https_host = Some("www.publisher.example");
    let kit = setup.start().await;
    let begun = kit.visit("/.latchkey/enter?to=/article", "").await;
    let nonce = begun.cookie("__Host-latchkey_nonce").unwrap();
    kit.account
        .codes
        .lock()
        .unwrap()
        .insert("code-1".to_owned(), parameter(begun.location(), "nonce"));
    let done = kit
        .visit(
            "/.latchkey/enter?code=code-1&to=/article",
            &format!("__Host-latchkey_nonce={nonce}"),
        )
        .await;
    let lines: Vec<&str> = done
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|line| line.to_str().unwrap())
        .collect();
    for (start, path) in [
        ("__Host-latchkey_pass=", "Path=/;"),
        ("__Secure-latchkey_refresh=refresh-1;", "Path=/.latchkey/;"),
        ("__Host-latchkey_s=1;", "Path=/;"),
    ] {
        let line = lines
            .iter()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("{start} in {lines:?}"));
        assert!(
            line.contains(path) && line.contains("HttpOnly; SameSite=Lax; Secure") && !line.contains("Domain"),
            "{line}"
        );
    }
    let pass = done.cookie("__Host-latchkey_pass").unwrap();
    assert!(
        !kit.visit("/article", &format!("__Host-latchkey_pass={pass}"))
            .await
            .text()
            .contains("adsbygoogle")
    );
    assert!(
        kit.visit("/article", &format!("latchkey_pass={pass}"))
            .await
            .text()
            .contains("adsbygoogle"),
        "a name that any sub-domain could set"
    );
    let origin = [("origin", "http://www.publisher.example")];
    assert_eq!(
        kit.send(Method::POST, "/.latchkey/leave", &origin, "").await.status,
        403
    );
    let seen = seen(&kit.get("/echo", &[]).await.text());
    assert_eq!(values(&seen, "x-forwarded-proto"), ["https"]);
}

#[tokio::test]
async fn two_tabs_walk_with_one_nonce() {
    let kit = setup().start().await;
    let first = kit.visit("/.latchkey/enter?to=/a", "").await;
    let nonce = first.cookie("latchkey_nonce").unwrap();
    let second = kit
        .visit("/.latchkey/enter?to=/b", &format!("latchkey_nonce={nonce}"))
        .await;
    assert_eq!(
        parameter(first.location(), "nonce"),
        parameter(second.location(), "nonce")
    );
}

#[tokio::test]
async fn a_to_that_leads_elsewhere_leads_to_the_front_page() {
    let kit = setup().start().await;
    for to in [
        "//evil.example",
        "https://evil.example/",
        "/%5Cevil.example",
        "/%0d%0aX:1",
        "%2F%2Fevil.example",
        "/.latchkey/leave",
        "x",
    ] {
        let answer = kit.visit(&format!("/.latchkey/renew?to={to}"), "").await;
        assert_eq!(answer.location(), "/", "{to}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_does_not_lose_the_reader() {
    let kit = setup().start().await;
    kit.account.set_down(true);
    let nonce = "n".repeat(43);
    let answer = kit
        .visit(
            "/.latchkey/enter?code=c&to=/article",
            &format!("latchkey_nonce={nonce}"),
        )
        .await;
    assert_eq!(answer.location(), "/.latchkey/enter?failed=away&to=%2Farticle");
    let told = kit.visit(answer.location(), "").await;
    assert_eq!(told.status, 503);
    assert!(told.text().contains("Try again"));
}

#[tokio::test]
async fn a_code_never_stays_in_the_address_of_a_page() {
    let kit = setup().start().await;
    let huge = format!("padding={}", "x".repeat(40 * 1024));
    for cookies in ["", "latchkey_nonce=short", huge.as_str()] {
        let answer = kit.visit("/.latchkey/enter?code=secret&to=/article", cookies).await;
        assert_eq!(answer.status, 303, "{} bytes of cookies", cookies.len());
        assert!(!answer.location().contains("secret"), "{}", answer.location());
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
    // Without a code nothing is at stake, and what is wrong is said on the spot.
    assert_eq!(kit.visit("/.latchkey/enter?failed=refused", &huge).await.status, 431);
}

#[tokio::test]
async fn leaving_asks_first_and_must_be_asked_for_here() {
    let kit = setup().start().await;
    kit.account
        .sessions
        .lock()
        .unwrap()
        .insert("refresh-1".to_owned(), "ad_free".to_owned());
    let page = kit.visit("/.latchkey/leave?to=/article", "").await;
    assert!(
        page.status == 200
            && page
                .text()
                .contains("<form method=\"post\" action=\"/.latchkey/leave?to=%2Farticle\">"),
        "{}",
        page.text()
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("frame-ancestors 'none'")
    );
    let cookie = format!("{}; latchkey_refresh=refresh-1", kit.payer());
    let foreign = [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("cookie", cookie.as_str()),
    ];
    assert_eq!(
        kit.send(Method::POST, "/.latchkey/leave?to=/article", &foreign, "")
            .await
            .status,
        403
    );
    assert!(kit.account.ended.lock().unwrap().is_empty());
    let origin = format!("http://{}", kit.host);
    let own = [
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("cookie", cookie.as_str()),
    ];
    let left = kit.send(Method::POST, "/.latchkey/leave?to=/article", &own, "").await;
    assert_eq!((left.status.as_u16(), left.location()), (303, "/article"));
    assert_eq!(left.cookie("latchkey_pass").as_deref(), Some(""));
    assert_eq!(left.header("clear-site-data"), Some("\"cache\""));
    assert_eq!(*kit.account.ended.lock().unwrap(), ["refresh-1"]);
}

#[tokio::test]
async fn only_a_page_of_this_site_makes_a_browser_forget_its_pages() {
    let kit = setup().start().await;
    for (site, cleared) in [
        ("same-origin", Some("\"cache\"")),
        ("cross-site", None),
        ("same-site", None),
        ("none", None),
    ] {
        let answer = kit.get("/.latchkey/assets/forget", &[("sec-fetch-site", site)]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("clear-site-data")),
            (204, cleared),
            "{site}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn our_paths_end_here() {
    let (router, origin) = Origin::router();
    let kit = Setup::new(router).start().await;
    for (path, status) in [
        ("/.latchkey/", 404),
        ("/.latchkey", 404),
        ("/.latchkey/other", 404),
        ("/.latchkey/assets/x.js", 404),
        ("/.latchkey/assets/guard-<.js", 404),
    ] {
        let answer = kit.get(&path.replace('<', "%3C"), &[]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(kit.send(Method::POST, "/.latchkey/renew", &[], "").await.status, 405);
    assert_eq!(origin.hits(), 0);
}

#[tokio::test]
async fn an_edge_for_forward_auth_alone_serves_nothing_else() {
    let mut setup = setup();
    setup.auth_only = true;
    setup.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let kit = setup.start().await;
    assert_eq!(kit.visit("/article", "").await.status, 404);
    let asked = kit.get("/.latchkey/auth", &[("cookie", &kit.payer())]).await;
    assert_eq!(
        (asked.status.as_u16(), asked.header("latchkey-class")),
        (200, Some("ad_free"))
    );
    // A trusted proxy may say which host its sub-request is about.
    let request = format!(
        "GET /.latchkey/auth HTTP/1.1\r\nHost: edge:8301\r\nX-Forwarded-Host: HOST\r\nConnection: close\r\nCookie: {}\r\n\r\n",
        kit.payer()
    );
    assert!(kit.raw(&request).await.contains("latchkey-class: ad_free"));
    assert!(
        kit.raw(&request.replace("/.latchkey/auth", "/.latchkey/me"))
            .await
            .starts_with("HTTP/1.1 421")
    );
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut out = vec![];
    let read = async {
        let mut byte = [0; 1];
        while !String::from_utf8_lossy(&out).ends_with(end) {
            if stream.read(&mut byte).await.unwrap() == 0 {
                break;
            }
            out.push(byte[0]);
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), read).await;
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn a_web_socket_passes_once_the_origin_agreed() {
    let kit = setup().start().await;
    let mut stream = TcpStream::connect(kit.address).await.unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
        kit.host
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 101") && head.to_lowercase().contains("upgrade: websocket"),
        "{head}"
    );
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(read_until(&mut stream, "hello").await, "hello");
    // An origin that does not agree answers, and what follows is a request like any other.
    let refused = kit.raw("GET /article HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /.latchkey/other HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n").await;
    assert!(
        refused.starts_with("HTTP/1.1 200") && refused.contains("HTTP/1.1 404"),
        "{refused}"
    );
}

#[tokio::test]
async fn events_come_when_they_happen() {
    let kit = setup().start().await;
    let mut stream = TcpStream::connect(kit.address).await.unwrap();
    let request = format!(
        "GET /events HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n",
        kit.host
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let text = read_until(&mut stream, "data: one\n\n").await;
    assert!(text.ends_with("data: one\n\n"), "{text}");
}
