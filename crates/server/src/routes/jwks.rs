use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::server::App;

/// Shorter than the time for which a key is published before it signs; a stale set is better than none while this server is away.
const CACHING: &str = "public, max-age=300, stale-while-revalidate=300, stale-if-error=86400";

pub(crate) async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let ring = app.keys.ring();
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|tags| holds(tags.as_bytes(), &ring.etag));
    let about = [
        (header::CACHE_CONTROL, CACHING.to_owned()),
        (header::ETAG, ring.etag.clone()),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (
        [(header::CONTENT_TYPE, "application/jwk-set+json")],
        about,
        ring.jwks_json.clone(),
    )
        .into_response()
}

/// Whether `If-None-Match` names the tag (weak comparison, RFC 9110 section 13.1.2).
pub(crate) fn holds(tags: &[u8], tag: &str) -> bool {
    let tags = String::from_utf8_lossy(tags);
    tags.split(',')
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == tag || one == "*")
}
