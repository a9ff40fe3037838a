//! The operator's own programs, such as whoever collects metrics.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
};

use crate::{Problem, server::App};

/// A program that showed the operator's token. Without a token in the configuration nobody is the operator.
#[derive(Debug)]
pub(crate) struct Operator;

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let shown = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .unwrap_or_default();
        // Compared in constant time.
        match &app.config.api_token {
            Some(token) if token.is(shown) => Ok(Self),
            _ => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "api-token",
                "The token does not hold",
                "Send `Authorization: Bearer …` with the value of LATCHKEY_API_TOKEN that this server was started with.",
            )
            .json()),
        }
    }
}
