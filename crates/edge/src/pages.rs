//! The edge's own pages and answers: plain, without scripts, readable by every browser and screen reader, in light and dark.

use axum::body::Body;
use http::{
    HeaderValue, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION,
        REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};
use http_body::Body as _;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// `same-origin`, since with `no-referrer` browsers send `Origin: null` from our own form.
const REFERRER: HeaderValue = HeaderValue::from_static("same-origin");
/// Tells a browser to forget the pages that it holds from before (W3C Clear Site Data).
pub(crate) const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto 0;padding:0 1.2rem;color:#1b1b1b;background:#fff}\
h1{font-size:1.5rem;line-height:1.25}a{color:#0b57d0}button{font:inherit;padding:.6rem 1.2rem;border:2px solid #0b57d0;border-radius:.4rem;\
background:#0b57d0;color:#fff;cursor:pointer}:focus-visible{outline:3px solid #d97706;outline-offset:2px}\
@media(prefers-color-scheme:dark){body{color:#ececec;background:#161616}a{color:#9cc2ff}button{background:#9cc2ff;border-color:#9cc2ff;color:#111}}";

/// Text for HTML, in content and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Adds what every answer of our own carries.
pub(crate) fn secure(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, REFERRER);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

/// An answer of our own.
pub(crate) fn answer(status: StatusCode, media: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media));
    secure(response)
}

/// A page with a heading; `content` is HTML.
pub(crate) fn page(status: StatusCode, title: &str, content: &str) -> Response<Body> {
    let title = escape(title);
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{content}\n</main>\n</body>\n</html>\n"
    );
    answer(status, "text/html; charset=utf-8", html)
}

/// The answer to a request that is not served.
pub(crate) fn refusal(status: StatusCode, why: &str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", format!("{why}\n"))
}

pub(crate) fn not_found() -> Response<Body> {
    refusal(StatusCode::NOT_FOUND, "There is nothing here.")
}

pub(crate) fn unavailable(why: &str) -> Response<Body> {
    page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Not ready yet",
        &format!("<p>{} Please try again in a moment.</p>", escape(why)),
    )
}

pub(crate) fn wrong_method(allowed: &'static str) -> Response<Body> {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "This address is not for that method.");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// 502 or 504: the publisher's own server has no answer.
pub(crate) fn origin_failed(status: StatusCode) -> Response<Body> {
    let (title, text) = if status == StatusCode::GATEWAY_TIMEOUT {
        (
            "The site takes too long to answer",
            "The site's server did not answer in time.",
        )
    } else {
        (
            "The site cannot be reached",
            "The site's server cannot be reached just now.",
        )
    };
    page(
        status,
        title,
        &format!("<p>{text} Please try again in a moment. Nothing is wrong with your device or your account.</p>"),
    )
}

/// The answer to HEAD: the headers alone. Without a known length none is written, where an empty body would write 0.
pub(crate) fn head_only(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if let (false, Some(length)) = (
        parts.headers.contains_key(CONTENT_LENGTH),
        body.size_hint().exact().filter(|length| *length > 0),
    ) {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(
        parts,
        Body::from_stream(futures::stream::empty::<Result<bytes::Bytes, std::convert::Infallible>>()),
    )
}

/// 303 to `location`, with cookies.
pub(crate) fn see_other(location: &str, cookies: impl IntoIterator<Item = Option<HeaderValue>>) -> Response<Body> {
    let Ok(location) = HeaderValue::from_str(location) else {
        return refusal(StatusCode::BAD_REQUEST, "The address to go on to cannot be used.");
    };
    let mut response = secure(Response::new(Body::empty()));
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, location);
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
