use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use crate::{Problem, server::App};

/// A program that showed the edge token.
#[derive(Debug)]
pub(crate) struct Edge;

impl FromRequestParts<App> for Edge {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let shown = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = shown
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .unwrap_or_default();
        if app.config.edge_token.is(token) {
            Ok(Self)
        } else {
            Err(Problem::unauthorized())
        }
    }
}
