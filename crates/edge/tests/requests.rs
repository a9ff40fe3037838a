//! What the origin gets to see of a request, and what never reaches it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it cannot go on"
)]

mod kit;

use kit::{
    Setup,
    origin::{Origin, seen, values},
};

fn setup() -> Setup {
    Setup::new(Origin::router().0)
}

#[tokio::test]
async fn the_origin_sees_our_headers_and_never_a_clients() {
    let kit = setup().start().await;
    let answer = kit
        .get(
            "/echo?q=1",
            &[
                ("latchkey-class", "ad_free"),
                ("Latchkey_Class", "ad_free"),
                ("LATCHKEY-SUBJECT", "someone"),
                ("latchkey-class", "articles"),
                ("connection", "keep-alive, Latchkey-Class, x-drop"),
                ("x-drop", "1"),
                ("x-forwarded-for", "6.6.6.6"),
                ("x-forwarded-proto", "https"),
                ("x-original-url", "/admin"),
                ("proxy", "http://evil.example"),
                ("te", "trailers"),
            ],
        )
        .await;
    let seen = seen(&answer.text());
    assert_eq!(values(&seen, "latchkey-class"), ["free"]);
    assert_eq!(values(&seen, "latchkey-subject"), [""]);
    assert_eq!(values(&seen, "latchkey-reason"), ["no_pass"]);
    assert_eq!(values(&seen, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(values(&seen, "x-forwarded-proto"), ["http"]);
    assert_eq!(
        (values(&seen, "x-forwarded-host"), values(&seen, "host")),
        (vec![kit.host.as_str()], vec![kit.host.as_str()])
    );
    for gone in [
        "latchkey_class",
        "x-drop",
        "connection",
        "te",
        "x-original-url",
        "proxy",
        "keep-alive",
    ] {
        assert!(values(&seen, gone).is_empty(), "{gone}");
    }
    let hop = kit.get("/hop", &[]).await;
    for gone in ["x-hop", "keep-alive", "latchkey-class"] {
        assert_eq!(hop.header(gone), None, "{gone}");
    }
}

#[tokio::test]
async fn the_origin_gets_the_publishers_cookies_and_none_of_ours() {
    let kit = setup().start().await;
    let cookie = format!(
        "a=1; {}; __Host-latchkey_pass=x; latchkey_refresh=r; b=2; latchkey_meter=m; __Secure-latchkey_refresh=r; latchkey_gift=g; latchkey_nonce=n",
        kit.payer()
    );
    let answer = kit.get("/echo", &[("cookie", &cookie)]).await;
    let seen = seen(&answer.text());
    assert_eq!(values(&seen, "cookie"), ["a=1; b=2"]);
    assert_eq!(
        (values(&seen, "latchkey-class"), values(&seen, "latchkey-subject")),
        (vec!["ad_free"], vec!["pseudonym"])
    );
}

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_never_reach_the_origin() {
    let (router, origin) = Origin::router();
    let kit = Setup::new(router).start().await;
    let long = "x".repeat(9000);
    let many = "x-one: 1\r\n".repeat(120);
    let table: &[(&str, String, &[&str])] = &[
        ("no host", "GET / HTTP/1.1\r\n\r\n".to_owned(), &["400"]),
        ("two hosts", "GET / HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n".to_owned(), &["400"]),
        ("unknown host", "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n".to_owned(), &["421"]),
        ("a host with a user", "GET / HTTP/1.1\r\nHost: a@HOST\r\n\r\n".to_owned(), &["400"]),
        ("a host list", "GET / HTTP/1.1\r\nHost: HOST, other.example\r\n\r\n".to_owned(), &["400"]),
        ("an absolute target of another host", "GET http://other.example/ HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), &["421"]),
        ("a coding beside chunked", "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(), &["501"]),
        ("chunked twice", "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), &["400", "501"]),
        ("an unknown coding", "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(), &["400", "501"]),
        ("two lengths", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(), &["400"]),
        ("a length with a sign", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: +1\r\n\r\na".to_owned(), &["400"]),
        ("space before a colon", "GET / HTTP/1.1\r\nHost: HOST\r\nA : b\r\n\r\n".to_owned(), &["400"]),
        ("a folded line", "GET / HTTP/1.1\r\nHost: HOST\r\nA: b\r\n c\r\n\r\n".to_owned(), &["400"]),
        ("TRACE", "TRACE / HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), &["405"]),
        ("CONNECT", "CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), &["405"]),
        ("dot segments", "GET //a/../b/%2e%2e/c HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), &["400"]),
        ("encoded dot segments", "GET /a/%2E%2e/b HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), &["400"]),
        ("two slashes", "GET //other.example/ HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), &["400"]),
        ("a backslash", "GET /a%5Cb HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), &["400"]),
        ("a disguised path of ours", "GET /%2elatchkey/auth HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), &["400"]),
        ("a long target", format!("GET /{long} HTTP/1.1\r\nHost: HOST\r\n\r\n"), &["414"]),
        ("many headers", format!("GET / HTTP/1.1\r\nHost: HOST\r\n{many}\r\n"), &["431"]),
        ("an asterisk", "OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), &["400"]),
    ];
    let answers = futures::future::join_all(table.iter().map(|(_, request, _)| kit.raw(request))).await;
    for ((what, _, statuses), answer) in table.iter().zip(answers) {
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(statuses.contains(&status), "{what}: {answer}");
    }
    assert_eq!(origin.hits(), 0);
    let fine = kit
        .raw("GET http://HOST/ HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        fine.starts_with("HTTP/1.1 200"),
        "the host of an absolute target counts: {fine}"
    );
}
