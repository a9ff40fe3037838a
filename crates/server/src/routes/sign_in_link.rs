use askama::Template;
use axum::{extract::State, response::Response};
use serde::Deserialize;

use crate::{
    Problem,
    browser::{Browser, SameOrigin},
    extract::{Form, Query},
    secrets,
    server::App,
    sign_in,
    view::{self, Page},
};

#[derive(Debug, Deserialize)]
pub(crate) struct Link {
    #[serde(default)]
    token: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Confirmed {
    #[serde(default)]
    token: String,
    #[serde(default)]
    link: String,
}

#[derive(Template)]
#[template(path = "sign_in_link.html")]
struct LinkPage {
    page: Page,
    link: String,
    /// Whose link it is, masked; `None` for one that no longer holds.
    address: Option<String>,
    device: String,
}

/// Shows whose link it is, and changes nothing: mail scanners open links too.
pub(crate) async fn show(
    State(app): State<App>,
    browser: Browser,
    Query(link): Query<Link>,
) -> Result<Response, Problem> {
    let login = app
        .store
        .login_by_link(&secrets::hash(&link.token), app.clock.now())
        .await?;
    let view = LinkPage {
        page: Page::new(&app, &browser),
        address: login.map(|login| view::masked(&login.email)),
        link: link.token.chars().take(secrets::MAX_SECRET_LENGTH).collect(),
        device: browser.device(),
    };
    view::show_secret(&browser, &view)
}

/// Signs in the browser in which the button was pressed.
pub(crate) async fn confirm(
    State(app): State<App>,
    same: SameOrigin,
    Form(form): Form<Confirmed>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    if let Some(login) = app
        .store
        .consume_login_link(&secrets::hash(&form.link), app.clock.now())
        .await?
    {
        return sign_in::finish(&app, &browser, &login).await;
    }
    let view = LinkPage {
        page: Page::new(&app, &browser),
        address: None,
        link: String::new(),
        device: browser.device(),
    };
    view::show_secret(&browser, &view)
}
