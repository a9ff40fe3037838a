//! The operator's own programs: whoever shows the API token.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
};

use crate::{Problem, server::App};

/// A program that showed the operator's token.
#[derive(Debug)]
pub(crate) struct Operator;

impl FromRequestParts<App> for Operator {
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
        match &app.config.api_token {
            Some(own) if own.is(token) => Ok(Self),
            Some(_) => Err(refused(
                "Send `Authorization: Bearer …` with the value of LATCHKEY_API_TOKEN that this server was started with.",
            )),
            None => Err(refused(
                "This server was started without LATCHKEY_API_TOKEN, so that nobody may use the operator's API.",
            )),
        }
    }
}

fn refused(detail: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "api-token", "The token does not hold", detail).json()
}
