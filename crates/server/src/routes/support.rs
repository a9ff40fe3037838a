use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use latchkey_billing::PlanPrice;
use latchkey_entitlement::Source;
use serde::Deserialize;

use crate::{
    Problem,
    browser::Browser,
    extract::Query,
    reader, secrets,
    server::App,
    target::Target,
    view::{self, Page},
};

/// Which page of which site the reader came from.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct From {
    pub(crate) site: Option<String>,
    pub(crate) to: Option<String>,
}

struct PlanView {
    name: String,
    description: String,
    /// Those that renew; none for a reader who has such a one already.
    prices: Vec<PriceView>,
    /// Those that are paid once.
    passes: Vec<PassView>,
}

struct PassView {
    id: String,
    price: String,
    /// How much time, such as `7 days`.
    span: String,
}

struct PriceView {
    id: String,
    price: String,
    rhythm: String,
}

#[derive(Template)]
#[template(path = "support.html")]
struct SupportPage {
    page: Page,
    plans: Vec<PlanView>,
    site: String,
    to: String,
    attempt: String,
    attempt_proof: String,
    back: Option<String>,
    sign_in: String,
    needs_email: bool,
    email: String,
    signed_in: bool,
    supporting: bool,
    sells_passes: bool,
    /// Whether the reader has something now, behind which a pass would wait.
    has_something: bool,
    error: Option<&'static str>,
}

pub(crate) async fn show(
    State(app): State<App>,
    browser: Browser,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let target = Target::read(&app.config, from.site.as_deref(), from.to.as_deref());
    page(&app, &browser, &target, StatusCode::OK, "", None).await
}

/// The page, with an error over the form if there is one.
pub(crate) async fn page(
    app: &App,
    browser: &Browser,
    target: &Target,
    status: StatusCode,
    email: &str,
    error: Option<&'static str>,
) -> Result<Response, Problem> {
    let reader = reader::load(app, browser).await?;
    let supporting = match &reader {
        Some(reader) => is_supporting(app, reader).await?,
        None => false,
    };
    let has_something = match &reader {
        Some(reader) => has_something_now(app, reader).await?,
        None => false,
    };
    let attempt = app.ids.uuid().to_string();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("next", &target.onward())
        .finish();
    let view = SupportPage {
        page: Page::new(app, browser),
        plans: plans(app, supporting),
        sells_passes: app
            .config
            .plans
            .iter()
            .flat_map(|plan| &plan.prices)
            .any(|price| price.once.is_some()),
        has_something,
        site: target.site.as_ref().map(ToString::to_string).unwrap_or_default(),
        to: target.to.as_str().to_owned(),
        attempt_proof: attempt_proof(browser, &attempt),
        attempt,
        back: target.page_url(&app.config),
        sign_in: format!("/sign-in?{query}"),
        needs_email: reader.as_ref().is_none_or(|reader| reader.email().is_none()),
        email: email.to_owned(),
        signed_in: reader.is_some(),
        supporting,
        error,
    };
    view::show(browser, status, &view)
}

/// Shows that this browser was given this attempt, so that nobody can send another's.
pub(crate) fn attempt_proof(browser: &Browser, attempt: &str) -> String {
    secrets::encode(&secrets::derive(
        browser.secret.as_bytes(),
        &["latchkey attempt", attempt],
    ))
}

/// Whether a subscription gives the reader something now.
pub(crate) async fn is_supporting(app: &App, reader: &reader::Reader) -> Result<bool, Problem> {
    let now = app.clock.now();
    let grants = app.store.grants_of(&reader.account.id).await?;
    Ok(grants
        .iter()
        .any(|grant| grant.source == Source::Subscription && grant.is_live(now)))
}

/// Whether the reader has something now that a pass may wait behind.
async fn has_something_now(app: &App, reader: &reader::Reader) -> Result<bool, Problem> {
    let now = app.clock.now();
    let grants = app.store.grants_of(&reader.account.id).await?;
    Ok(grants.iter().any(|grant| grant.is_live(now)))
}

fn plans(app: &App, supporting: bool) -> Vec<PlanView> {
    let view = |plan: &latchkey_billing::Plan| PlanView {
        name: plan.name.clone(),
        description: plan.description.clone(),
        prices: plan
            .prices
            .iter()
            .filter(|price| price.once.is_none() && !supporting)
            .map(|price| PriceView {
                id: price.id.to_string(),
                price: view::price(price),
                rhythm: view::rhythm(price),
            })
            .collect(),
        passes: plan.prices.iter().filter_map(pass).collect(),
    };
    app.config
        .plans
        .iter()
        .map(view)
        .filter(|plan| !(plan.prices.is_empty() && plan.passes.is_empty()))
        .collect()
}

fn pass(price: &PlanPrice) -> Option<PassView> {
    Some(PassView {
        id: price.id.to_string(),
        price: view::price(price),
        span: price.once.as_ref()?.span.to_string(),
    })
}
