//! The origin's answer on its way to the reader: passed on as it is, or, if it is a page that is to be changed, changed.

use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_TYPE, ETAG, EXPIRES, HeaderName, LAST_MODIFIED, LINK, VARY,
    },
    response::Parts,
};
use latchkey_page::{Call, Change, Outcome, Verdict};
use tokio::time::{Instant, timeout_at};

use crate::{
    Edge, edge::Visit, limits::BLOCKING_PAGE_BYTES, memo::PageKey, origin_rewrite::OriginRewrite, pages, plan::Plan,
    reader::Reader, sites::Site,
};

/// What speaks of bytes that are no longer those of the origin (RFC 9530, RFC 9110 section 14.3).
const ABOUT_BYTES: [HeaderName; 6] = [
    ACCEPT_RANGES,
    LAST_MODIFIED,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("content-digest"),
];
/// What would let a cache in between keep a page for other readers.
const SHARED_CACHING: [HeaderName; 4] = [
    AGE,
    EXPIRES,
    HeaderName::from_static("cdn-cache-control"),
    HeaderName::from_static("surrogate-control"),
];

fn has_word(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name);
    lines
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|one| one.trim().eq_ignore_ascii_case(word))
}

fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn media_type(headers: &HeaderMap) -> &str {
    content_type(headers).split(';').next().unwrap_or_default().trim()
}

fn is_type(headers: &HeaderMap, media: &str) -> bool {
    media_type(headers).eq_ignore_ascii_case(media)
}

/// Whether a body is text with addresses in it: pages, stylesheets, scripts, JSON, XML, SVG. Not a stream of events, nor a file that
/// the reader saves.
fn has_addresses(headers: &HeaderMap) -> bool {
    let media = media_type(headers).to_ascii_lowercase();
    let (kind, name) = media.split_once('/').unwrap_or_default();
    let is_text = kind == "text" && name != "event-stream"
        || ["+json", "+xml"].iter().any(|syntax| name.ends_with(syntax))
        || kind == "application" && ["ecmascript", "javascript", "json", "x-javascript", "xml"].contains(&name);
    is_text && !is_attachment(headers)
}

fn is_attachment(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_DISPOSITION).is_some_and(|value| {
        value
            .as_bytes()
            .trim_ascii_start()
            .get(..10)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"attachment"))
    })
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    let value = headers.get(CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

fn charset(headers: &HeaderMap) -> Option<String> {
    content_type(headers).split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn is_coded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|line| !line.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// Whether an answer is the page of an error. Publishers put ads on those too.
fn is_error(parts: &Parts) -> bool {
    parts.status.is_client_error() || parts.status.is_server_error()
}

/// Whether an answer is a whole page that may be changed.
fn is_page(parts: &Parts) -> bool {
    let headers = &parts.headers;
    (parts.status == StatusCode::OK || is_error(parts))
        && is_type(headers, "text/html")
        && !headers.contains_key(CONTENT_RANGE)
        && !has_word(headers, CACHE_CONTROL, "no-transform")
        && !is_attachment(headers)
}

/// Pages differ by reader, so that browsers ask again and shared caches keep nothing.
fn forbid_sharing(headers: &mut HeaderMap) {
    let secret = has_word(headers, CACHE_CONTROL, "no-store");
    let caching = if secret {
        "private, no-store"
    } else {
        "private, no-cache"
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    for name in &SHARED_CACHING {
        headers.remove(name);
    }
    if !has_word(headers, VARY, "cookie") && !has_word(headers, VARY, "*") {
        headers.append(VARY, HeaderValue::from_static("Cookie"));
    }
}

/// Writes the headers of a page that is changed by `plan`.
fn describe_changed(headers: &mut HeaderMap, plan: &Plan, site: &Site) {
    for name in &ABOUT_BYTES {
        headers.remove(name);
    }
    if let Some(tag) = headers.remove(ETAG).and_then(|tag| plan.variant_tag(&tag)) {
        headers.insert(ETAG, tag);
    }
    forbid_sharing(headers);
    if plan.strip {
        let hints: Vec<HeaderValue> = headers.get_all(LINK).iter().cloned().collect();
        headers.remove(LINK);
        for hint in hints {
            let kept = match hint.to_str() {
                Ok(text) => latchkey_page::link_header(&site.rules, text, &plan.url)
                    .and_then(|text| HeaderValue::from_str(&text).ok()),
                Err(_) => Some(hint),
            };
            if let Some(kept) = kept {
                headers.append(LINK, kept);
            }
        }
    }
}

/// A body that was read as far as it may be.
enum Collected {
    Whole(Bytes),
    /// Larger than allowed: what was read, and the rest.
    Larger(Body),
    Broken,
    Late,
}

async fn collect(body: Body, length: Option<usize>, max: usize, until: Instant) -> Collected {
    let mut stream = body.into_data_stream();
    let mut read = BytesMut::with_capacity(length.unwrap_or_default().min(max));
    loop {
        match timeout_at(until, stream.next()).await {
            Err(_) => return Collected::Late,
            Ok(None) => return Collected::Whole(read.freeze()),
            Ok(Some(Err(_))) => return Collected::Broken,
            Ok(Some(Ok(chunk))) => {
                read.extend_from_slice(&chunk);
                if read.len() > max {
                    let first = stream::iter([Ok::<_, axum::Error>(read.freeze())]);
                    return Collected::Larger(Body::from_stream(first.chain(stream)));
                }
            }
        }
    }
}

/// Gives the origin's answer its final form.
pub(crate) async fn finish(
    edge: &Edge,
    visit: &Visit,
    reader: &Reader,
    mut plan: Plan,
    method: &Method,
    answer: Response<Body>,
) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    if is_error(&parts) {
        plan.for_error_page();
    }
    let elsewhere = edge.config.origin_rewrite.then(|| OriginRewrite::new(&visit.host));
    if let Some(elsewhere) = &elsewhere {
        elsewhere.headers(&mut parts.headers);
    }
    let html = is_type(&parts.headers, "text/html");
    let coded = is_coded(&parts.headers);
    let length = content_length(&parts.headers);
    let too_large = length.is_some_and(|length| length > edge.config.limits.max_page_bytes);
    let change = plan.active && is_page(&parts) && !coded && !too_large;
    let text =
        elsewhere.filter(|_| has_addresses(&parts.headers) && !coded && parts.status != StatusCode::PARTIAL_CONTENT);
    if too_large && text.is_some() {
        warn_of_addresses(&plan);
    }
    if plan.active && is_page(&parts) {
        if coded {
            edge.counters.coded();
        } else if too_large {
            edge.counters.too_large();
        }
    }
    if parts.status == StatusCode::NOT_MODIFIED && plan.mapped {
        describe_changed(&mut parts.headers, &plan, &visit.site);
        return Response::from_parts(parts, Body::empty());
    }
    if !change && (text.is_none() || too_large) {
        // A 304 says nothing of its type, and would give the browser's copy of a page the origin's caching.
        if html || parts.status == StatusCode::NOT_MODIFIED && plan.asks_for_page {
            forbid_sharing(&mut parts.headers);
        }
        let answer = Response::from_parts(parts, body);
        return if *method == Method::HEAD {
            pages::head_only(answer)
        } else {
            answer
        };
    }
    if *method == Method::HEAD {
        parts.headers.remove(CONTENT_LENGTH);
        if change {
            describe_changed(&mut parts.headers, &plan, &visit.site);
        }
        return pages::head_only(Response::from_parts(parts, Body::empty()));
    }
    let until = Instant::now() + edge.config.limits.page_timeout;
    let original = match collect(body, length, edge.config.limits.max_page_bytes, until).await {
        Collected::Whole(bytes) => bytes,
        Collected::Larger(body) => {
            edge.counters.too_large();
            if text.is_some() {
                warn_of_addresses(&plan);
            }
            if html {
                forbid_sharing(&mut parts.headers);
            }
            return Response::from_parts(parts, body);
        }
        Collected::Broken => {
            edge.counters.origin_failed();
            tracing::warn!(origin = %visit.host.origin, "the origin's answer broke off in the middle of a page");
            return pages::origin_failed(StatusCode::BAD_GATEWAY);
        }
        Collected::Late => {
            edge.counters.origin_late();
            tracing::warn!(origin = %visit.host.origin, "the origin did not send a whole page in time");
            return pages::origin_failed(StatusCode::GATEWAY_TIMEOUT);
        }
    };
    let original = match text {
        Some(elsewhere) => brought_here(elsewhere, html, original, &mut parts.headers).await,
        None => original,
    };
    let body = if change {
        let charset = charset(&parts.headers);
        describe_changed(&mut parts.headers, &plan, &visit.site);
        rewritten(edge, &visit.site, reader, plan, charset, original).await
    } else {
        if html {
            forbid_sharing(&mut parts.headers);
        }
        original
    };
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    Response::from_parts(parts, Body::from(body))
}

fn warn_of_addresses(plan: &Plan) {
    tracing::warn!(
        url = plan.url,
        "too large to be rewritten: addresses of the origin in it lead away from here"
    );
}

/// A body whose addresses are those of this host.
async fn brought_here(elsewhere: OriginRewrite, html: bool, original: Bytes, headers: &mut HeaderMap) -> Bytes {
    let large = original.len() > BLOCKING_PAGE_BYTES;
    let work = {
        let original = original.clone();
        move || {
            if html {
                elsewhere.page(&original)
            } else {
                elsewhere.text(&original)
            }
        }
    };
    let moved = if large {
        tokio::task::spawn_blocking(work).await.ok().map(Bytes::from)
    } else {
        Some(work().into())
    };
    let Some(moved) = moved.filter(|moved| *moved != original) else {
        return original;
    };
    for name in ABOUT_BYTES.iter().filter(|name| *name != LAST_MODIFIED) {
        headers.remove(name);
    }
    moved
}

/// The changed page, from memory or from `page`.
async fn rewritten(
    edge: &Edge,
    site: &Arc<Site>,
    reader: &Reader,
    plan: Plan,
    charset: Option<String>,
    original: Bytes,
) -> Bytes {
    let key = PageKey {
        variant: site.variant.clone(),
        class: format!("{} {}", site.policy.id, reader.class),
        url: plan.url.clone(),
        charset,
        framed: plan.framed,
    };
    let remembered = plan.may_remember.then(|| edge.memo.get(&key, &original)).flatten();
    if let Some(changed) = remembered {
        edge.counters.remembered();
        return changed;
    }
    let may_remember = plan.may_remember;
    let large = original.len() > BLOCKING_PAGE_BYTES;
    let work = {
        let (site, key, original) = (site.clone(), key.clone(), original.clone());
        move || rewrite(&site, &plan, key.charset.as_deref(), &original)
    };
    let outcome = if large {
        tokio::task::spawn_blocking(work).await.ok()
    } else {
        Some(work())
    };
    let Some(outcome) = outcome else { return original };
    match outcome.verdict {
        Verdict::Changed => edge.counters.changed(),
        Verdict::Unchanged => {}
        Verdict::Original { reason, rule, offset } => {
            edge.counters.kept_original();
            tracing::warn!(
                url = key.url,
                reason,
                rule,
                offset,
                "a page was left as the origin made it"
            );
        }
    }
    let changed = Bytes::from(outcome.html);
    if may_remember {
        edge.memo.offer(key, &original, &changed);
    }
    changed
}

fn rewrite(site: &Site, plan: &Plan, charset: Option<&str>, original: &[u8]) -> Outcome {
    let change = Change {
        strip: plan.strip,
        guard_src: (plan.strip && site.policy.strip.guard_script).then_some(site.guard_src.as_str()),
        call: plan.words.as_ref().map(|words| Call {
            html_top: &words.top,
            html_bottom: &words.bottom,
        }),
        nonce_from_page: true,
    };
    latchkey_page::rewrite(&site.rules, original, charset, &plan.url, &change)
}
