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
pub(crate) struct Leaving {
    #[serde(default)]
    token: String,
}

/// Ends this browser's session, and those of the sites that were entered through it.
pub(crate) async fn leave(
    State(app): State<App>,
    same: SameOrigin,
    Form(form): Form<Leaving>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    if let Some(reader) = reader::load(&app, &browser).await? {
        app.store.end_session(&reader.session.id, app.clock.now()).await?;
        app.revoked.notify_waiters();
    }
    Ok((
        browser.clear(browser::ACCOUNT).and(&browser, browser::ATTEMPT, "", 0),
        Redirect::to("/sign-in"),
    )
        .into_response())
}
