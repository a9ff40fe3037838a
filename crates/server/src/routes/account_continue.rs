use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};

use super::support::From;
use crate::{Problem, browser::Browser, extract::Query, reader, server::App, target::Target};

/// Leads a signed-in reader on to a page of a site, which begins the hand-over there.
pub(crate) async fn onward(
    State(app): State<App>,
    browser: Browser,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let target = Target::read(&app.config, from.site.as_deref(), from.to.as_deref());
    if let Err(sign_in) = reader::need(&app, &browser, &target.onward()).await? {
        return Ok(sign_in);
    }
    let url = target.enter_url(&app.config).unwrap_or_else(|| "/account".to_owned());
    Ok(Redirect::to(&url).into_response())
}
