//! The demo's ad server: it answers as ad networks do and counts every request, so that "no ads" can be proven.

mod banners;
mod counts;

use super::hosts::DemoHosts;
use super::html::{each, escape, fill, tool_page, uncached};
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, any, get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
pub(crate) use counts::AdCounts;
use counts::Seen;
use std::sync::{Arc, Mutex, PoisonError};

/// The smallest GIF that there is: one transparent pixel.
pub(crate) const PIXEL: &[u8] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\
\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// Where the pixel is.
const PIXEL_PATH: &str = "/pixel.gif";

const COMMON: &str = include_str!("assets/ad_scripts/common.js");
const ADSENSE: &str = include_str!("assets/ad_scripts/adsbygoogle.js");
const GPT: &str = include_str!("assets/ad_scripts/gpt.js");
const PREBID: &str = include_str!("assets/ad_scripts/prebid.js");
const TABOOLA: &str = include_str!("assets/ad_scripts/taboola.js");
const AD_TAG: &str = include_str!("assets/ad_scripts/adtag.js");

/// How long a reader of the ads is known by the `adv` cookie: one year, as is usual.
const READER_COOKIE_SECONDS: u32 = 31_536_000;

/// The ad server. Clones share one count.
#[derive(Debug, Clone)]
pub(crate) struct AdServer {
    hosts: DemoHosts,
    counts: Arc<Mutex<AdCounts>>,
}

impl AdServer {
    /// An ad server that has seen nobody.
    pub(crate) fn new(hosts: &DemoHosts) -> Self {
        Self {
            hosts: hosts.clone(),
            counts: Arc::default(),
        }
    }

    /// What was asked for since the start or the last reset.
    pub(crate) fn counts(&self) -> AdCounts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets every count.
    pub(crate) fn reset(&self) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = AdCounts::default();
    }

    /// What `ads.localhost` serves. `/`, `/_counts` and `/_counts/reset` are not counted; all else is, known or not.
    pub(crate) fn router(&self) -> Router {
        let counted = Router::new()
            .route("/pagead/js/adsbygoogle.js", script(ADSENSE, &self.hosts))
            .route("/tag/js/gpt.js", script(GPT, &self.hosts))
            .route("/prebid.js", script(PREBID, &self.hosts))
            .route("/libtrc/{publisher}/loader.js", script(TABOOLA, &self.hosts))
            .route("/adtag.js", script(AD_TAG, &self.hosts))
            .route("/frame", get(frame))
            .route("/banner/{product}/{size}", get(banner))
            .route("/click/{product}", get(click))
            .route(PIXEL_PATH, get(async || uncached("image/gif", PIXEL)))
            .route("/bid", any(async || uncached("application/json", r#"{"bids":[]}"#)))
            .fallback(async || (StatusCode::NOT_FOUND, "no such advertisement\n"))
            .layer(middleware::from_fn_with_state(self.clone(), count))
            .with_state(self.clone());
        Router::new()
            .route("/", get(overview))
            .route(
                "/_counts",
                get(async |State(server): State<AdServer>| json(&server.counts())),
            )
            .route("/_counts/reset", post(reset))
            .with_state(self.clone())
            .merge(counted)
    }

    fn record(&self, seen: &Seen<'_>) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(seen);
    }
}

fn script(text: &'static str, hosts: &DemoHosts) -> MethodRouter<AdServer> {
    let common = fill(COMMON, &hosts.values());
    let text = fill(text, &[("common", &common)]);
    get(async move || uncached("text/javascript; charset=utf-8", text.clone()))
}

/// A count as JSON, for tests and for the demo's front page.
pub(crate) fn json(counts: &impl serde::Serialize) -> Response {
    let text = serde_json::to_string_pretty(counts).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    uncached("application/json", text)
}

async fn reset(State(server): State<AdServer>, headers: HeaderMap) -> Response {
    server.reset();
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if wants_page {
        Redirect::to("/").into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// Counts the request by the page that made it and by the reader's cookie. Only the pixel gives a cookie to who has
/// none: a page asks for it once, whereas a dozen requests at the same moment would make a dozen readers of one.
async fn count(State(server): State<AdServer>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let reader = reader_cookie(headers).map(str::to_owned);
    let page = page_of(
        request.uri(),
        headers.get(header::REFERER).and_then(|value| value.to_str().ok()),
    );
    server.record(&Seen {
        path: request.uri().path(),
        page: &page,
        reader: reader.as_deref(),
    });
    let gives_cookie = reader.is_none() && request.uri().path() == PIXEL_PATH;
    let mut response = next.run(request).await;
    if gives_cookie && let Some(cookie) = new_reader_cookie() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn reader_cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies
        .split(';')
        .find_map(|cookie| cookie.trim().strip_prefix("adv="))
        .filter(|value| {
            value.len() <= 32
                && value
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

/// A third party's cookie must be `SameSite=None; Secure`, which browsers take from `*.localhost` without TLS, and
/// `Partitioned` where they refuse other third parties' cookies.
fn new_reader_cookie() -> Option<HeaderValue> {
    let mut random = [0_u8; 9];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    let reader = URL_SAFE_NO_PAD.encode(random);
    let cookie =
        format!("adv={reader}; Path=/; Max-Age={READER_COOKIE_SECONDS}; SameSite=None; Secure; HttpOnly; Partitioned");
    HeaderValue::from_str(&cookie).ok()
}

/// The news site's path that an ad was asked for from: `page=` of the request, else `page=` of the ad frame that
/// asked, else the path of the page that asked.
fn page_of(uri: &Uri, referer: Option<&str>) -> String {
    if let Some(page) = uri.query().and_then(page_parameter) {
        return page;
    }
    let Some(referer) = referer.and_then(|value| value.parse::<Uri>().ok()) else {
        return "(not told)".to_owned();
    };
    referer
        .query()
        .and_then(page_parameter)
        .unwrap_or_else(|| referer.path().to_owned())
}

fn page_parameter(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("page="))?;
    let page = percent_decode(value);
    page.starts_with('/').then_some(page)
}

/// `%2F` and the like made plain; what is not valid stays as it is.
pub(crate) fn percent_decode(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let decoded = (first == b'%')
            .then(|| tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() {
            tail.get(2..).unwrap_or_default()
        } else {
            tail
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The document inside an ad's frame: one linked banner of the size that was asked for.
async fn frame(uri: Uri, headers: HeaderMap) -> Response {
    let query = uri.query().unwrap_or_default();
    let parameter = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name))
            .unwrap_or_default()
    };
    let slot = percent_decode(parameter("slot="));
    let (width, height) = banners::size(parameter("size="));
    let product = banners::product_for(&slot);
    let page = page_of(&uri, headers.get(header::REFERER).and_then(|value| value.to_str().ok()));
    let page = page
        .replace('%', "%25")
        .replace('&', "%26")
        .replace('#', "%23")
        .replace(' ', "%20");
    let page = escape(&page);
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Advertisement</title>\
         <style>html,body{{margin:0;height:100%;overflow:hidden}}img{{width:100%;height:100vh;display:block}}</style>\
         <a href=\"/click/{product}?page={page}\" target=\"_blank\" rel=\"sponsored noopener\">\
         <img src=\"/banner/{product}/{width}x{height}.svg?page={page}\" alt=\"Advertisement\"></a></html>"
    );
    uncached("text/html; charset=utf-8", body)
}

async fn banner(Path((product, size)): Path<(usize, String)>) -> Response {
    let (width, height) = banners::size(&size);
    uncached("image/svg+xml", banners::svg(product, width, height))
}

async fn click(State(server): State<AdServer>, Path(product): Path<usize>) -> Response {
    let body = format!(
        "<h1>{}</h1><p class=\"lead\">{}</p><p>This product does not exist. You followed an advertisement of the demo.</p>",
        escape(banners::name(product)),
        escape(banners::line(product))
    );
    tool_page("Advertisement", &server.hosts.front, &body)
}

async fn overview(State(server): State<AdServer>) -> Response {
    let counts = server.counts();
    let rows = each(&counts.by_page, |(page, of_page)| {
        format!(
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(page),
            of_page.total,
            of_page.readers()
        )
    });
    let kinds = each(&counts.by_kind, |(kind, number)| {
        format!("<div class=\"number\"><b>{number}</b><span>{kind}</span></div>")
    });
    let body = format!(
        "<h1>Ad server</h1><p class=\"lead\">Every script, frame, picture, pixel and bid that a browser asks this host for \
         is counted. A page without ads asks for none.</p>\
         <div class=\"numbers\"><div class=\"number\"><b id=\"total\">{}</b><span>requests in all</span></div>{kinds}</div>\
         <form method=\"post\" action=\"/_counts/reset\"><button>Start counting afresh</button></form>\
         <h2>By page</h2><div class=\"table\"><table><tr><th>Page</th><th class=\"n\">Requests</th><th class=\"n\">Readers\
         </th></tr>{rows}</table></div><p class=\"soft\">The same as JSON: <a href=\"/_counts\">/_counts</a></p>",
        counts.total
    );
    tool_page("Ad server – Latchkey demo", &server.hosts.front, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(address: &str, referer: Option<&str>) -> String {
        page_of(&address.parse().unwrap(), referer)
    }

    #[test]
    fn a_request_belongs_to_the_page_that_asked() {
        assert_eq!(
            page("/pixel.gif", Some("http://news.localhost:8080/town/x?y=1")),
            "/town/x"
        );
        assert_eq!(
            page(
                "/frame?slot=a&page=%2Fscience%2Fbees",
                Some("http://news.localhost:8080/")
            ),
            "/science/bees"
        );
        let frame = "http://ads.localhost:8080/frame?size=1x1&page=%2Ftown%2Fx";
        assert_eq!(page("/banner/1/300x250.svg", Some(frame)), "/town/x");
        assert_eq!(page("/pixel.gif", None), "(not told)");
    }

    #[test]
    fn a_reader_is_known_by_a_cookie_of_our_own_making_only() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=1; adv=abc-DEF_1; b=2"));
        assert_eq!(reader_cookie(&headers), Some("abc-DEF_1"));
        headers.insert(header::COOKIE, HeaderValue::from_static("adv=<script>"));
        assert_eq!(reader_cookie(&headers), None);
    }

    #[test]
    fn broken_percent_signs_do_no_harm() {
        assert_eq!(percent_decode("%2Fa%2"), "/a%2");
        assert_eq!(percent_decode("%zz%"), "%zz%");
        assert_eq!(percent_decode("%é"), "%é");
    }

    #[test]
    fn a_reset_forgets_everything() {
        let server = AdServer::new(&DemoHosts::on_port(8080));
        server.record(&Seen {
            path: "/frame",
            page: "/",
            reader: Some("r"),
        });
        assert_eq!(server.counts().total, 1);
        server.reset();
        assert_eq!(server.counts().total, 0);
    }
}
