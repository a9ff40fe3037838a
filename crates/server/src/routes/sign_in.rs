use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    Problem,
    browser::{Browser, SameOrigin},
    extract::{Form, Query},
    network::Network,
    reader,
    server::App,
    sign_in::{self, CODE_TRIES, LOGIN_MINUTES},
    target::{self, Target},
    view::{self, Page},
};

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    next: Option<String>,
    site: Option<String>,
    to: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    #[serde(default)]
    token: String,
    #[serde(default)]
    email: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    page: Page,
    /// Whether this browser holds a session that is over.
    signed_out: bool,
    next: String,
    email: String,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in_sent.html")]
struct SentPage {
    page: Page,
    minutes: i64,
    error: Option<String>,
}

pub(crate) async fn show(
    State(app): State<App>,
    browser: Browser,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let next = match asked.next {
        Some(next) => target::next_path(Some(&next)),
        None if asked.site.is_some() => Target::read(&app.config, asked.site.as_deref(), asked.to.as_deref()).onward(),
        None => target::next_path(None),
    };
    if reader::load(&app, &browser).await?.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let view = SignInPage {
        page: Page::new(&app, &browser),
        signed_out: browser.account.is_some(),
        next,
        email: String::new(),
        error: None,
    };
    view::show(&browser, StatusCode::OK, &view)
}

pub(crate) async fn ask(
    State(app): State<App>,
    same: SameOrigin,
    network: Network,
    Form(form): Form<Request>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    let next = target::next_path(form.next.as_deref());
    match sign_in::ask(&app, &browser, &network, &form.email, &next).await {
        Ok(()) => Ok(Redirect::to("/sign-in/sent").into_response()),
        Err(problem) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
            let view = SignInPage {
                page: Page::new(&app, &browser),
                signed_out: false,
                next,
                email: form.email,
                error: Some(problem.detail),
            };
            view::show(&browser, status, &view)
        }
    }
}

/// What everybody reads who asked, whether or not the address is known.
pub(crate) async fn sent(State(app): State<App>, browser: Browser) -> Result<Response, Problem> {
    code_form(&app, &browser, StatusCode::OK, None)
}

/// The form for the code, after `left` more tries if one was wrong.
pub(crate) fn code_form(
    app: &App,
    browser: &Browser,
    status: StatusCode,
    left: Option<u32>,
) -> Result<Response, Problem> {
    let error = left.map(|left| match left {
        0 => format!("That code does not hold. After {CODE_TRIES} tries or {LOGIN_MINUTES} minutes a new one is needed: ask for it below."),
        1 => "That code is wrong. You can try once more.".to_owned(),
        left => format!("That code is wrong. You can try {left} more times."),
    });
    view::show(
        browser,
        status,
        &SentPage {
            page: Page::new(app, browser),
            minutes: LOGIN_MINUTES,
            error,
        },
    )
}
