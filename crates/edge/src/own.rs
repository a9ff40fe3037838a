//! The edge's own paths on a site's host: `/.latchkey/…`.

use std::{borrow::Cow, sync::Arc};

use axum::body::Body;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ORIGIN},
};
use serde_json::json;
use url::form_urlencoded;

use crate::{
    Edge,
    cookies::{Cookies, Name},
    edge::Visit,
    enter,
    headers::{CLASS, REASON, SUBJECT},
    pages::{self, CLEAR_SITE_DATA},
    reader::Reader,
    renewal, wellformed,
};

const READ: &str = "GET, HEAD";
/// A guard's name is its version, so that it never changes under that name.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The query of a request; of a parameter that is given twice, the first counts.
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self(form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_ref())
    }
}

/// Where a reader goes on to: `to` if it may be followed, else the front page.
pub(crate) fn to<'a>(query: &'a Query<'_>) -> &'a str {
    query.get("to").and_then(wellformed::to_path).unwrap_or("/")
}

/// Answers a request under `/.latchkey/`.
pub(crate) async fn serve(edge: &Arc<Edge>, visit: &Visit, request: Request<Body>) -> Response<Body> {
    let request = request.map(|_| ());
    let path = request.uri().path().strip_prefix(wellformed::OWN).unwrap_or_default();
    let method = request.method();
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let response = match path {
        "auth" => auth(edge, visit, &request),
        "me" if reads => me(edge, visit, &request),
        "enter" if *method == Method::GET => enter::serve(edge, visit, &request).await,
        "renew" if *method == Method::GET => renewal::serve(edge, visit, &request).await,
        "leave" if *method == Method::GET => ask_to_leave(visit, &request),
        "leave" if *method == Method::POST => leave(edge, visit, &request).await,
        "assets/forget" if *method == Method::GET => forget(&request),
        "enter" | "renew" | "assets/forget" => pages::wrong_method("GET"),
        "leave" => pages::wrong_method("GET, POST"),
        "me" => pages::wrong_method(READ),
        other => match other
            .strip_prefix("assets/guard-")
            .and_then(|rest| rest.strip_suffix(".js"))
        {
            Some(version) if reads => guard(visit, version),
            Some(_) => pages::wrong_method(READ),
            None => pages::not_found(),
        },
    };
    if *method == Method::HEAD {
        pages::head_only(response)
    } else {
        response
    }
}

/// Writes the three headers that are always there, so that no proxy that copies them keeps a client's own.
pub(crate) fn describe(headers: &mut HeaderMap, reader: &Reader) {
    let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    headers.insert(CLASS, value(&reader.class.to_string()));
    headers.insert(SUBJECT, value(reader.subject()));
    headers.insert(REASON, HeaderValue::from_static(reader.reason.as_str()));
}

/// Forward-auth: 200 with the class, or with `?require=NAME` 401 (sign in) or 403 (signed in, but not entitled).
fn auth(edge: &Edge, visit: &Visit, request: &Request<()>) -> Response<Body> {
    let (reader, _) = edge.reader(visit, request);
    let query = Query::of(request);
    let required = query.get("require").filter(|name| !name.is_empty());
    let status = match required {
        Some(names) if !names.split([' ', ',']).all(|name| reader.scope.contains(name)) => {
            if reader.reason.honours() {
                StatusCode::FORBIDDEN
            } else {
                StatusCode::UNAUTHORIZED
            }
        }
        _ => StatusCode::OK,
    };
    let mut response = pages::answer(status, "text/plain; charset=utf-8", Body::empty());
    describe(response.headers_mut(), &reader);
    response
}

/// What a page's own script may know of its reader. No pseudonym: third-party scripts run here.
fn me(edge: &Edge, visit: &Visit, request: &Request<()>) -> Response<Body> {
    let (reader, _) = edge.reader(visit, request);
    let marked = Cookies::of(request.headers(), visit.host.plain).is_marked(Name::Mark);
    let claims = reader.claims.as_deref();
    let body = json!({
        "class": reader.class.to_string(),
        "scope": reader.scope.to_string(),
        "ad_free": reader.class.ad_free(),
        "signed_in": marked || reader.reason.honours(),
        "reason": reader.reason.as_str(),
        "until": claims.and_then(|claims| claims.until),
        "standing": claims.and_then(|claims| claims.standing.as_deref()),
        "account": format!("{}/account", edge.config.account_base()),
    });
    let mut response = pages::answer(StatusCode::OK, "application/json", body.to_string());
    response
        .headers_mut()
        .insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

/// The script that refuses late ads. An older version, asked for by a page from before, is answered with today's.
fn guard(visit: &Visit, version: &str) -> Response<Body> {
    if version.is_empty()
        || !version
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    {
        return pages::not_found();
    }
    let mut response = pages::answer(
        StatusCode::OK,
        "text/javascript; charset=utf-8",
        visit.site.guard.clone(),
    );
    let current = version == visit.site.rules.version();
    let caching = if current {
        IMMUTABLE
    } else {
        HeaderValue::from_static("no-cache")
    };
    response.headers_mut().insert(CACHE_CONTROL, caching);
    response
}

/// Makes the browser forget pages of this site that it kept, those in its back-forward cache too. The guard asks for it in a
/// tab's first page without ads: the page before it may be one that was opened, with ads, before the reader paid.
fn forget(request: &Request<()>) -> Response<Body> {
    let mut response = pages::answer(StatusCode::NO_CONTENT, "text/plain; charset=utf-8", Body::empty());
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    // Other sites may not empty this one's cache.
    if request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes) == Some(b"same-origin") {
        headers.insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""));
    }
    response
}

fn ask_to_leave(visit: &Visit, request: &Request<()>) -> Response<Body> {
    let query = Query::of(request);
    let to = to(&query);
    let action: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("to", to)
        .finish();
    let name = pages::escape(&visit.site.policy.name);
    let content = format!(
        "<p>You will be signed out of {name} on this device. What you paid for stays yours: sign in again at any time.</p>\n\
         <form method=\"post\" action=\"/.latchkey/leave?{}\"><p><button type=\"submit\">Sign out</button></p></form>\n\
         <p><a href=\"{}\">Back to the page</a></p>",
        pages::escape(&action),
        pages::escape(to),
    );
    pages::page(StatusCode::OK, "Sign out on this device?", &content)
}

/// Whether a page of this very origin sent the request.
fn is_same_origin(headers: &HeaderMap, base: &str) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    match (site, origin) {
        (Some(b"same-origin"), None | Some(b"null")) => true,
        (Some(b"same-origin") | None, Some(origin)) => origin == base.as_bytes(),
        _ => false,
    }
}

async fn leave(edge: &Arc<Edge>, visit: &Visit, request: &Request<()>) -> Response<Body> {
    if !is_same_origin(request.headers(), &visit.host.base()) {
        return pages::refusal(
            StatusCode::FORBIDDEN,
            "Signing out must be asked for on this site itself.",
        );
    }
    let plain = visit.host.plain;
    if let Some(refresh) = Cookies::of(request.headers(), plain).get(Name::Refresh)
        && let Err(why) = edge.server.end(&visit.host.host, refresh).await
    {
        tracing::warn!(%why, "a session was forgotten by its browser, but not ended at the server");
    }
    let query = Query::of(request);
    let mut response = pages::see_other(to(&query), renewal::signed_out(plain));
    response
        .headers_mut()
        .insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""));
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_this_origin_may_sign_a_reader_out() {
        let base = "https://news.example";
        for (site, origin, want) in [
            (Some("same-origin"), Some("https://news.example"), true),
            (Some("same-origin"), None, true),
            (None, Some("https://news.example"), true),
            (None, None, false),
            (Some("cross-site"), Some("https://news.example"), false),
            (Some("same-site"), None, false),
            (None, Some("null"), false),
            (Some("same-origin"), Some("https://evil.example"), false),
        ] {
            let mut headers = HeaderMap::new();
            site.map(|v| headers.insert("sec-fetch-site", HeaderValue::from_static(v)));
            origin.map(|v| headers.insert(ORIGIN, HeaderValue::from_static(v)));
            assert_eq!(is_same_origin(&headers, base), want, "{site:?} {origin:?}");
        }
    }
}
