//! A publisher's own web server.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
    routing::{any, get},
};
use futures::{StreamExt, stream};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub const AD: &str = "<ins class=\"adsbygoogle\">AD</ins>";

/// An article with an ad between its paragraphs.
pub fn article() -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><title>News</title></head>\n<body>\n<article><h1>News of the day</h1>\n<p>The first paragraph of it.</p>\n{AD}\n<p>The second paragraph of it.</p></article>\n</body></html>\n"
    )
}

/// Method, target and headers of a request, as the origin saw them.
async fn echo(request: Request) -> Json<Value> {
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Json(json!({ "method": request.method().as_str(), "target": request.uri().to_string(), "headers": headers }))
}

/// The same article in the hands of a server that knows conditional requests, ranges and hints.
async fn tagged(headers: HeaderMap) -> Response<Body> {
    let fixed = [
        (header::ETAG, "\"v1\""),
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=600"),
        (header::LAST_MODIFIED, "Wed, 21 Oct 2015 07:28:00 GMT"),
        (header::ACCEPT_RANGES, "bytes"),
        (
            header::LINK,
            "<https://securepubads.g.doubleclick.net/tag/js/gpt.js>; rel=preload; as=script",
        ),
        (header::SET_COOKIE, "latchkey_pass=stolen"),
        (header::HeaderName::from_static("surrogate-control"), "max-age=600"),
    ];
    let tags = headers.get_all(header::IF_NONE_MATCH);
    if tags
        .iter()
        .any(|tag| tag.to_str().unwrap().split(", ").any(|tag| tag == "\"v1\""))
    {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    if headers.contains_key(header::RANGE) {
        return (
            StatusCode::PARTIAL_CONTENT,
            fixed,
            [(header::CONTENT_RANGE, "bytes 0-3/400")],
            "<!DO",
        )
            .into_response();
    }
    (fixed, article()).into_response()
}

async fn upgrade(mut request: Request) -> Response<Body> {
    let asked = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(asked.await.unwrap());
        let mut bytes = [0; 64];
        while let Ok(n @ 1..) = stream.read(&mut bytes).await {
            stream.write_all(&bytes[..n]).await.unwrap();
        }
    });
    (
        StatusCode::SWITCHING_PROTOCOLS,
        [(header::CONNECTION, "Upgrade"), (header::UPGRADE, "websocket")],
    )
        .into_response()
}

/// Two events, far apart.
async fn events() -> Response<Body> {
    let first = stream::iter([Ok::<_, Infallible>("data: one\n\n")]);
    let second = stream::once(async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Ok("data: two\n\n")
    });
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(first.chain(second)),
    )
        .into_response()
}

pub const BIG: usize = 64 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

async fn big() -> Response<Body> {
    let chunk = bytes::Bytes::from(vec![b'x'; CHUNK]);
    let chunks = stream::iter((0..BIG / CHUNK).map(move |_| Ok::<_, Infallible>(chunk.clone())));
    (
        [(header::CONTENT_TYPE, "application/octet-stream")],
        Body::from_stream(chunks),
    )
        .into_response()
}

async fn big_page() -> Response<Body> {
    let mut page = article();
    page.push_str(&" ".repeat(5 * 1024 * 1024));
    html(page)
}

async fn upload(request: Request) -> String {
    let mut stream = request.into_body().into_data_stream();
    let mut read = 0;
    while let Some(chunk) = stream.next().await {
        read += chunk.unwrap().len();
    }
    read.to_string()
}

pub fn html(body: String) -> Response<Body> {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}

fn page_with(name: header::HeaderName, value: &'static str) -> Response<Body> {
    let mut response = html(article());
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

pub struct Origin {
    pub hits: Arc<AtomicUsize>,
}

impl Origin {
    pub fn router() -> (Router, Self) {
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = hits.clone();
        let router = Router::new()
            .route("/", get(|| async { html(article()) }))
            .route("/article", get(|| async { html(article()) }))
            .route("/advertise/rates", get(|| async { html(article()) }))
            .route("/gone", get(|| async { (StatusCode::GONE, html(article())) }))
            .route("/tagged", get(tagged))
            .route("/echo", any(echo))
            .route("/ws", get(upgrade))
            .route("/events", get(events))
            .route("/big", get(big))
            .route("/big-page", get(big_page))
            .route("/upload", any(upload))
            .route("/coded", get(|| async { page_with(header::CONTENT_ENCODING, "gzip") }))
            .route(
                "/attachment",
                get(|| async { page_with(header::CONTENT_DISPOSITION, "attachment; filename=a.html") }),
            )
            .route(
                "/no-transform",
                get(|| async { page_with(header::CACHE_CONTROL, "no-transform") }),
            )
            .route("/plain", get(|| async { "plain <ins class=\"adsbygoogle\">AD</ins>" }))
            .route(
                "/hop",
                get(|| async {
                    (
                        [
                            ("connection", "x-hop"),
                            ("x-hop", "1"),
                            ("keep-alive", "timeout=5"),
                            ("latchkey-class", "evil"),
                        ],
                        "hop",
                    )
                }),
            )
            .route(
                "/slow",
                get(|| async { tokio::time::sleep(Duration::from_mins(1)).await }),
            )
            .layer(axum::middleware::map_request(move |request: Request| {
                counted.fetch_add(1, Ordering::SeqCst);
                async move { request }
            }));
        (router, Self { hits })
    }

    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

/// The headers in an answer of `/echo`.
pub fn seen(body: &str) -> Vec<(String, String)> {
    let body: Value = serde_json::from_str(body).unwrap();
    serde_json::from_value(body["headers"].clone()).unwrap()
}

pub fn values<'a>(seen: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    seen.iter()
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
        .collect()
}
