use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{Problem, browser::SameOrigin, extract::Form, network::Network, reader, server::App, sign_in};

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    token: String,
}

/// Sends a link and a code to the reader's own address, which is proven once one of them is used.
pub(crate) async fn ask(
    State(app): State<App>,
    same: SameOrigin,
    network: Network,
    Form(form): Form<Asked>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    let reader = match reader::need(&app, &browser, "/account").await? {
        Ok(reader) => reader,
        Err(sign_in) => return Ok(sign_in),
    };
    if let Some((email, false)) = reader.email() {
        sign_in::ask(&app, &browser, &network, email, "/account").await?;
        return Ok(Redirect::to("/sign-in/sent").into_response());
    }
    Ok(Redirect::to("/account").into_response())
}
