use axum::{extract::State, http::StatusCode, response::Response};
use latchkey_store::CodeOutcome;
use serde::Deserialize;

use super::sign_in::code_form;
use crate::{
    Problem,
    browser::SameOrigin,
    extract::Form,
    server::App,
    sign_in::{self, CODE_TRIES},
};

#[derive(Debug, Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    token: String,
    #[serde(default)]
    code: String,
}

/// A code counts only in the browser that asked for it.
pub(crate) async fn try_code(
    State(app): State<App>,
    same: SameOrigin,
    Form(form): Form<Typed>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    let hash = sign_in::code_hash(&browser, &form.code);
    match app
        .store
        .try_login_code(&browser.hash(), &hash, app.clock.now(), CODE_TRIES)
        .await?
    {
        CodeOutcome::Accepted(login) => sign_in::finish(&app, &browser, &login).await,
        CodeOutcome::Wrong { left } => code_form(&app, &browser, StatusCode::FORBIDDEN, Some(left)),
        CodeOutcome::Spent => code_form(&app, &browser, StatusCode::FORBIDDEN, Some(0)),
    }
}
