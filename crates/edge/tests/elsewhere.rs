//! A site that believes to be elsewhere, and knows nothing of the edge before it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod kit;

use std::{collections::BTreeMap, net::SocketAddr};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, Method, Response, StatusCode},
    routing::get,
};
use kit::Setup;
use latchkey_edge::{ProbeError, probe};

const HOME: &str = "http://www.harbour.example/";

/// An answer of the site, of that media type and with another header.
fn says(media: &'static str, more: (&'static str, &'static str), body: &'static str) -> axum::routing::MethodRouter {
    get(move || async move {
        Response::builder()
            .header("content-type", media)
            .header(more.0, more.1)
            .body(Body::from(body))
            .unwrap()
    })
}

fn setup(origin: Router) -> Setup {
    let mut setup = Setup::new(origin).without_calls();
    setup.elsewhere = Some(HOME);
    setup
}

#[tokio::test]
async fn the_origin_hears_its_own_scheme_and_host() {
    // As bytes, since the edge would rewrite the addresses in JSON.
    let heard = async |request: Request| {
        let headers = request.headers().iter();
        let heard: BTreeMap<&str, &str> = headers
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        serde_json::to_vec(&heard).unwrap()
    };
    let mut setup = setup(Router::new().fallback(heard));
    // Even a proxy in front, whose word counts otherwise, speaks of this host.
    setup.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let kit = setup.start().await;
    let here = format!("http://{}", kit.host);
    let (page, longer) = (format!("{here}/town/"), format!("{here}0/town/"));
    let heard = async |sent: &[(&str, &str)]| {
        let answer = kit.send(Method::POST, "/letter", sent, "Ahoy").await;
        serde_json::from_slice::<BTreeMap<String, String>>(&answer.body).unwrap()
    };
    let headers = heard(&[
        ("origin", &here),
        ("referer", &page),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "443"),
    ])
    .await;
    for (name, value) in [
        ("host", "www.harbour.example"),
        ("x-forwarded-host", "www.harbour.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-for", "127.0.0.1"),
        ("origin", "http://www.harbour.example"),
        ("referer", "http://www.harbour.example/town/"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(!headers.contains_key("x-forwarded-port"), "{headers:?}");
    let headers = heard(&[("origin", "https://other.example"), ("referer", &longer)]).await;
    assert_eq!(headers["origin"], "https://other.example");
    assert_eq!(headers["referer"], longer, "another port is another site");
}

#[tokio::test]
async fn redirects_and_cookies_stay_here() {
    let origin = Router::new().route(
        "/go",
        get(|| async {
            (
                StatusCode::FOUND,
                [
                    ("location", "https://harbour.example/next"),
                    ("set-cookie", "a=1; Domain=harbour.example; Secure"),
                ],
            )
        }),
    );
    let kit = setup(origin).start().await;
    let go = kit.visit("/go", "").await;
    assert_eq!(go.location(), format!("http://{}/next", kit.host));
    assert_eq!(go.header("set-cookie"), Some("a=1"));
}

#[tokio::test]
async fn every_text_that_names_the_site_names_this_host() {
    const TEXT: &str = "<https://www.harbour.example/a> \"https:\\/\\/harbour.example\\/b\" //img.harbour.example/c";
    let ranges = ("accept-ranges", "bytes");
    let attachment = ("content-disposition", "attachment; filename=a.json");
    let origin = Router::new()
        .route("/page", says("text/html; charset=utf-8", ranges, TEXT))
        .route("/style", says("text/css", ranges, TEXT))
        .route("/script", says("text/javascript; charset=utf-8", ranges, TEXT))
        .route("/old-script", says("Application/X-JavaScript", ranges, TEXT))
        .route("/json", says("application/json", ranges, TEXT))
        .route("/manifest", says("application/manifest+json", ranges, TEXT))
        .route("/feed", says("application/rss+xml", ranges, TEXT))
        .route("/sitemap.xml", says("application/xml", ranges, TEXT))
        .route("/robots.txt", says("text/plain", ranges, TEXT))
        .route("/picture", says("image/svg+xml", ranges, TEXT))
        .route("/saved", says("application/json", attachment, TEXT))
        .route("/bytes", says("application/octet-stream", ranges, TEXT))
        .route("/events", says("text/event-stream", ranges, TEXT));
    let kit = setup(origin).start().await;
    let host = &kit.host;
    let moved = format!("<http://{host}/a> \"http:\\/\\/{host}\\/b\" //img.harbour.example/c");
    for path in [
        "/page",
        "/style",
        "/script",
        "/old-script",
        "/json",
        "/manifest",
        "/feed",
        "/sitemap.xml",
        "/robots.txt",
        "/picture",
    ] {
        let answer = kit.get(path, &[]).await;
        assert_eq!(answer.text(), moved, "{path}");
        assert_eq!(answer.header("accept-ranges"), None, "{path}: parts are of other bytes");
        assert_eq!(answer.header("content-length"), Some(moved.len().to_string().as_str()));
    }
    for path in ["/saved", "/bytes", "/events"] {
        assert_eq!(kit.get(path, &[]).await.text(), TEXT, "{path}");
    }
}

#[tokio::test]
async fn a_text_larger_than_the_limit_is_passed_on_as_it_is() {
    const TEXT: &str = "\"https://www.harbour.example/a\"";
    let streamed = get(|| async {
        let body = Body::from_stream(futures::stream::iter([Ok::<_, std::io::Error>(TEXT)]));
        Response::builder()
            .header("content-type", "text/javascript")
            .body(body)
            .unwrap()
    });
    let origin = Router::new()
        .route("/whole", says("text/javascript", ("x-a", "a"), TEXT))
        .route("/streamed", streamed);
    for (limit, moved) in [(TEXT.len(), true), (TEXT.len() - 1, false)] {
        let mut setup = setup(origin.clone());
        setup.limits.max_page_bytes = limit;
        let kit = setup.start().await;
        for path in ["/whole", "/streamed"] {
            let answer = kit.get(path, &[]).await.text();
            assert_eq!(answer != TEXT, moved, "{path} with {limit}: {answer}");
        }
    }
}

#[tokio::test]
async fn policies_allow_here_what_they_allow_at_home_and_send_nobody_to_https() {
    const POLICY: &str = "default-src 'self'; script-src 'nonce-a' https://www.harbour.example; style-src www.harbour.example; \
        img-src https: data:; connect-src *.harbour.example wss:; upgrade-insecure-requests";
    const PAGE: &str = "<!DOCTYPE html><html><head>\
        <meta http-equiv=\"Content-Security-Policy\" content=\"upgrade-insecure-requests; img-src https:\">\
        <script src=\"/app.js\" integrity=\"sha256-a\"></script></head><body><p>Words.</p></body></html>";
    let origin = Router::new().route("/", says("text/html", ("content-security-policy", POLICY), PAGE));
    let kit = setup(origin).start().await;
    let here = format!("http://{}", kit.host);
    for cookies in [String::new(), kit.payer()] {
        let answer = kit.visit("/", &cookies).await;
        let (policy, text) = (answer.header("content-security-policy").unwrap(), answer.text());
        let directives: Vec<&str> = policy.split("; ").collect();
        let want = [
            "default-src 'self'".to_owned(),
            format!("script-src 'nonce-a' {here}"),
            format!("style-src www.harbour.example {here}"),
            format!("img-src https: data: {here}"),
            format!("connect-src *.harbour.example wss: {here} ws://{}", kit.host),
        ];
        assert_eq!(directives, want);
        assert!(text.contains(&format!("content=\"img-src https: {here}\"")), "{text}");
        assert!(
            !text.contains("upgrade-insecure") && !text.contains("integrity"),
            "{text}"
        );
    }
}

/// A site that sends every path of a host to where `rule` says.
async fn leading(rule: fn(&str) -> (StatusCode, &'static str)) -> SocketAddr {
    kit::serve(Router::new().fallback(move |headers: HeaderMap| async move {
        let (status, to) = rule(headers["host"].to_str().unwrap());
        (status, [("location", to)])
    }))
    .await
}

#[tokio::test]
async fn a_site_is_found_behind_its_bare_host_and_nowhere_else() {
    const MOVED: StatusCode = StatusCode::MOVED_PERMANENTLY;
    let bare = "http://harbour.example/".parse().unwrap();
    let at = async |rule| probe(&bare, None, Some(leading(rule).await)).await;

    let found = at(|host| match host {
        "harbour.example" => (MOVED, "http://www.harbour.example/welcome?a=1"),
        _ => (StatusCode::FOUND, "/en/"),
    });
    assert_eq!(found.await.unwrap().as_str(), HOME);
    let found = at(|_| (StatusCode::FORBIDDEN, "http://www.harbour.example/"));
    assert_eq!(found.await.unwrap(), bare, "only a redirect leads on");

    let elsewhere = at(|_| (MOVED, "https://www.gazette.example/x")).await.unwrap_err();
    assert!(matches!(elsewhere, ProbeError::Elsewhere { .. }), "{elsewhere}");
    assert!(
        elsewhere
            .to_string()
            .contains("sends its readers to https://www.gazette.example/: begin")
    );
    let endless = at(|host| match host {
        "harbour.example" => (MOVED, "http://www.harbour.example/"),
        _ => (MOVED, "http://harbour.example/"),
    });
    assert!(matches!(endless.await, Err(ProbeError::Endless { .. })));
    let failing = at(|_| (StatusCode::SERVICE_UNAVAILABLE, "/")).await;
    assert!(matches!(failing, Err(ProbeError::Failing { status: 503, .. })));
    let nobody = probe(&bare, None, Some(([127, 0, 0, 1], 1).into())).await.unwrap_err();
    assert!(matches!(nobody, ProbeError::Unreachable { .. }));
    assert!(nobody.to_string().contains("does not answer") && nobody.to_string().contains("help:"));
}
