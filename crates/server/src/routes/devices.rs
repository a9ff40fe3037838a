use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    Problem,
    browser::{self, SameOrigin},
    extract::Form,
    reader,
    server::App,
};

#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    token: String,
    /// One session, or `everywhere`.
    #[serde(default)]
    session: String,
}

/// Signs one device out, or all of them.
pub(crate) async fn sign_out(
    State(app): State<App>,
    same: SameOrigin,
    Form(form): Form<Which>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    let reader = match reader::need(&app, &browser, "/account").await? {
        Ok(reader) => reader,
        Err(sign_in) => return Ok(sign_in),
    };
    let now = app.clock.now();
    if form.session == "everywhere" {
        app.store.end_sessions_of(&reader.account.id, now).await?;
        app.revoked.notify_waiters();
        return Ok((browser.clear(browser::ACCOUNT), Redirect::to("/sign-in")).into_response());
    }
    let own = app.store.sessions_of(&reader.account.id).await?;
    if let Some(session) = own.into_iter().find(|session| session.id.as_str() == form.session) {
        app.store.end_session(&session.id, now).await?;
        app.revoked.notify_waiters();
    }
    Ok(Redirect::to("/account").into_response())
}
