use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use latchkey_sync::Status;

use crate::{Problem, operator::Operator, server::App};

/// How the instance stands.
pub(crate) async fn show(State(app): State<App>, _operator: Operator) -> Result<Response, Problem> {
    let status = read(&app).await?;
    Ok(Json(status).into_response())
}

/// The same as metrics for Prometheus.
pub(crate) async fn metrics(State(app): State<App>, _operator: Operator) -> Result<Response, Problem> {
    let text = read(&app).await?.prometheus();
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, text).into_response())
}

async fn read(app: &App) -> Result<Status, Problem> {
    let status = Status::read(&app.store, app.clock.now()).await;
    status.map_err(|error| Problem::from(error).json())
}
