//! The site's one video, with single byte ranges, because players seek.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::ops::RangeInclusive;

const VIDEO: &[u8] = include_bytes!("../assets/harbour.webm");

/// The video as it stands in an article.
pub(super) const MARKUP: &str = include_str!("../assets/video.html");

pub(super) async fn serve(request: HeaderMap) -> Response {
    let wanted = request
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(range);
    let mut response = match wanted {
        None => Response::new(Body::from(Bytes::from_static(VIDEO))),
        Some(None) => (StatusCode::RANGE_NOT_SATISFIABLE, ()).into_response(),
        Some(Some(ref range)) => {
            let part = VIDEO.get(range.clone()).unwrap_or_default();
            (StatusCode::PARTIAL_CONTENT, Bytes::from_static(part)).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/webm"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    let content_range = match wanted {
        None => return response,
        Some(None) => format!("bytes */{}", VIDEO.len()),
        Some(Some(range)) => format!("bytes {}-{}/{}", range.start(), range.end(), VIDEO.len()),
    };
    if let Ok(value) = HeaderValue::from_str(&content_range) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    response
}

/// None: no range that is understood, so the whole; `Some(None)`: a range beyond the end (RFC 9110 section 14.1.2).
#[expect(
    clippy::option_option,
    reason = "no range and an impossible range are answered differently"
)]
fn range(header: &str) -> Option<Option<RangeInclusive<usize>>> {
    let last = VIDEO.len() - 1;
    let (start, end) = header.strip_prefix("bytes=")?.split_once('-')?;
    if start.is_empty() {
        let length: usize = end.parse().ok()?;
        return Some((length > 0).then(|| VIDEO.len().saturating_sub(length)..=last));
    }
    let start: usize = start.parse().ok()?;
    let end: usize = if end.is_empty() { usize::MAX } else { end.parse().ok()? };
    if end < start {
        return None;
    }
    Some((start <= last).then(|| start..=end.min(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let last = VIDEO.len() - 1;
        assert_eq!(range("bytes=0-9"), Some(Some(0..=9)));
        assert_eq!(range("bytes=5-"), Some(Some(5..=last)));
        assert_eq!(range("bytes=-4"), Some(Some(last - 3..=last)));
        assert_eq!(range("bytes=0-99999999"), Some(Some(0..=last)));
        assert_eq!(range("bytes=99999999-"), Some(None));
        for whole in ["bytes=9-5", "bytes=0-1,3-4", "pages=1-2", "bytes=a-b"] {
            assert_eq!(range(whole), None, "{whole}");
        }
    }
}
