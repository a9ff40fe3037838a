//! An answer that is the same for everyone, with its validators.

use super::articles::Date;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

/// How many bytes of the content's digest make its entity tag.
const TAG_BYTES: usize = 12;

/// A body, its type, its validators, and how long it may be kept.
pub(super) struct Stored {
    content_type: &'static str,
    body: Bytes,
    tag: String,
    modified: String,
    cache_control: String,
}

impl Stored {
    pub(super) fn new(content_type: &'static str, body: Vec<u8>, date: Date, max_age_seconds: u32) -> Self {
        let digest = digest(&SHA256, &body);
        let start = digest.as_ref().get(..TAG_BYTES).unwrap_or_default();
        Self {
            content_type,
            body: body.into(),
            tag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(start)),
            modified: date.http(),
            cache_control: format!("public, max-age={max_age_seconds}"),
        }
    }

    pub(super) fn is_page(&self) -> bool {
        self.content_type.starts_with("text/html")
    }

    /// The body, or 304 where the request shows that the client has it (RFC 9110 section 13.2.2: an entity tag, if
    /// there is one, decides alone).
    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let text = |name| request.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let held = match text(header::IF_NONE_MATCH) {
            Some(tags) => tags
                .split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == "*" || tag == self.tag),
            None => text(header::IF_MODIFIED_SINCE) == Some(&self.modified),
        };
        let mut response = if held {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Response::new(Body::from(self.body.clone()))
        };
        let headers = response.headers_mut();
        if !held {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        let own = [
            (header::ETAG, &self.tag),
            (header::LAST_MODIFIED, &self.modified),
            (header::CACHE_CONTROL, &self.cache_control),
        ];
        for (name, value) in own {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}
