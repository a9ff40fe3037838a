use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use latchkey_billing::explain::{Answer, unknown_reader};
use serde::{Deserialize, Serialize};

use crate::{
    ExplainConfig, ExplainError, Problem, explain_reader,
    extract::{Json, Query},
    operator::Operator,
    server::App,
};

/// Longest name of a reader that is looked for, in bytes: the longest e-mail address.
const MAX_READER: usize = 254;

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    at: Option<String>,
    site: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Answers {
    readers: Vec<Answer>,
}

/// Why a reader may do what they may, at a moment.
pub(crate) async fn show(
    State(app): State<App>,
    _operator: Operator,
    Path(reader): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Answers>, Problem> {
    if reader.len() > MAX_READER {
        return Err(Problem::bad_input(format!("A reader's name has at most {MAX_READER} bytes.")).json());
    }
    let config = ExplainConfig {
        publication: &app.config.publication,
        time_zone: &app.config.time_zone,
        sites: &app.config.sites,
        plans: &app.config.plans,
        site_secrets: &app.config.site_secrets,
    };
    let (at, site) = (asked.at.as_deref(), asked.site.as_deref());
    let told = explain_reader(&app.store, &config, &reader, at, site, app.clock.now()).await;
    let told = told.map_err(|error| match error {
        ExplainError::Store(error) => Problem::from(error).json(),
        error => Problem::bad_input(error.to_string()).json(),
    })?;
    if told.is_empty() {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "unknown-reader",
            "Nobody is known by that name",
            unknown_reader(&app.config.publication, &reader),
        )
        .json());
    }
    let readers = told.into_iter().map(|told| told.json).collect();
    Ok(Json(Answers { readers }))
}
