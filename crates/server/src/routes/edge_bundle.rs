use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{edge_token::Edge, jwks::holds};
use crate::{Problem, feed, server::App};

pub(crate) async fn give(State(app): State<App>, _edge: Edge, headers: HeaderMap) -> Result<Response, Problem> {
    let published = feed::bundle(&app).await.map_err(Problem::json)?;
    let etag = format!("\"{}\"", published.version);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|tags| holds(tags.as_bytes(), &etag));
    let about = [
        (header::ETAG, etag),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    Ok(([(header::CONTENT_TYPE, "application/jose")], about, published.jws).into_response())
}
