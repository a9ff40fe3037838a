//! Ending a subscription without signing in: a link to the address, a page, a button. Nobody learns whether an address pays.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use latchkey_billing::{IdempotencyKey, Next, Subscription, SubscriptionChange};
use latchkey_entitlement::time::{HOUR, MINUTE};
use serde::Deserialize;

use crate::{
    Problem,
    browser::{Browser, SameOrigin},
    extract::{Form, Query},
    network::{Limit, Network},
    notice, reader, secrets,
    server::App,
    sign_in,
    view::{self, Page},
};

/// How long a link holds, in hours.
const LINK_HOURS: i64 = 24;
/// Most accounts that are looked at under one address: its owner's, and those that claim it and have paid.
const MAX_PAYERS: u32 = 20;

/// Letters to one address asked for from one network.
const PER_ADDRESS_HERE: Limit = Limit {
    name: "leave-address-network",
    window_ms: 15 * MINUTE,
    most: 5,
};
/// Letters to one address, whoever asks: wider, so that a stranger does not easily keep its owner from asking.
const PER_ADDRESS: Limit = Limit {
    name: "leave-address",
    window_ms: 15 * MINUTE,
    most: 20,
};
const PER_NETWORK: Limit = Limit {
    name: "leave-network",
    window_ms: 15 * MINUTE,
    most: 30,
};
const PER_INSTANCE: Limit = Limit {
    name: "leave-instance",
    window_ms: HOUR,
    most: 2000,
};

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    sent: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    #[serde(default)]
    token: String,
    #[serde(default)]
    email: String,
}

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
    #[serde(default)]
    subscription: String,
}

#[derive(Template)]
#[template(path = "cancel.html")]
struct CancelPage {
    page: Page,
    signed_in: bool,
    sent: bool,
    email: String,
    error: Option<String>,
}

struct One {
    id: String,
    plan: String,
    price: String,
    day: Option<String>,
}

#[derive(Template)]
#[template(path = "cancel_link.html")]
struct LinkPage {
    page: Page,
    link: String,
    holds: bool,
    hours: i64,
    stale: bool,
    ending: Vec<One>,
    going_on: Vec<One>,
}

pub(crate) async fn show(
    State(app): State<App>,
    browser: Browser,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let view = CancelPage {
        page: Page::new(&app, &browser),
        signed_in: reader::load(&app, &browser).await?.is_some(),
        sent: asked.sent.is_some(),
        email: String::new(),
        error: None,
    };
    view::show(&browser, StatusCode::OK, &view)
}

/// Sends a letter to whatever address it is; only the letter says whether something is paid for under it.
pub(crate) async fn ask(
    State(app): State<App>,
    same: SameOrigin,
    network: Network,
    Form(form): Form<Request>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    match send(&app, &network, &form.email).await {
        Ok(()) => Ok(Redirect::to("/cancel?sent=1").into_response()),
        Err(problem) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
            let view = CancelPage {
                page: Page::new(&app, &browser),
                signed_in: reader::load(&app, &browser).await?.is_some(),
                sent: false,
                email: form.email,
                error: Some(problem.detail),
            };
            view::show(&browser, status, &view)
        }
    }
}

async fn send(app: &App, network: &Network, email: &str) -> Result<(), Problem> {
    let email = sign_in::address(email)?;
    network
        .limit(app, PER_NETWORK, "Too many letters were asked for from your network.")
        .await?;
    let too_many = "Too many letters were asked for to this address.";
    network.limit_for(app, PER_ADDRESS_HERE, &email, too_many).await?;
    PER_ADDRESS.hit(app, &email, too_many).await?;
    PER_INSTANCE.hit(app, "all", "Very many letters are asked for.").await?;
    let secret = secrets::encode(&app.ids.secret());
    let now = app.clock.now();
    app.store
        .create_leave_link(&secrets::hash(&secret), &email, now, now.plus(LINK_HOURS * HOUR))
        .await?;
    let pays = !subscriptions(app, &email).await?.is_empty();
    let origin = &app.config.account_origin;
    let link = format!("{origin}/cancel/link?token={secret}");
    let letter = notice::leave(
        &email,
        pays.then_some(link.as_str()),
        LINK_HOURS,
        &app.config.publication,
        &format!("{origin}/account"),
    )?;
    app.mailer
        .send(letter)
        .await
        .map_err(|error| sign_in::LetterError::Mail(error).into())
}

/// What is paid for under an address and not over, as Stripe told it last.
async fn subscriptions(app: &App, email: &str) -> Result<Vec<Subscription>, Problem> {
    let mut all: Vec<Subscription> = vec![];
    for account in app.store.payers_under(email, MAX_PAYERS).await? {
        let rows = app.store.subscriptions_of(&account).await?;
        all.extend(rows.iter().filter_map(|row| serde_json::from_str(&row.body).ok()));
    }
    all.retain(|own| own.next().is_some_and(|next| next != Next::Over));
    Ok(all)
}

/// Shows what can be ended, and changes nothing: mail scanners open links too.
pub(crate) async fn show_link(
    State(app): State<App>,
    browser: Browser,
    Query(link): Query<Link>,
) -> Result<Response, Problem> {
    page(&app, &browser, &link.token, false).await
}

/// Ends one subscription with its period. Pressed twice it is ended once.
pub(crate) async fn confirm(
    State(app): State<App>,
    same: SameOrigin,
    Form(form): Form<Confirmed>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    let hash = secrets::hash(&form.link);
    let Some(email) = app.store.leave_link(&hash, app.clock.now()).await? else {
        return page(&app, &browser, &form.link, false).await;
    };
    let own = subscriptions(&app, &email).await?;
    let Some(own) = own.into_iter().find(|own| own.id == form.subscription) else {
        return page(&app, &browser, &form.link, false).await;
    };
    let mut stale = false;
    if !is_ending(&own) {
        stale = end(&app, &own).await?;
    }
    if stale {
        return page(&app, &browser, &form.link, true).await;
    }
    Ok(Redirect::to(&format!("/cancel/link?token={}", form.link)).into_response())
}

/// True if Stripe does not answer.
async fn end(app: &App, own: &Subscription) -> Result<bool, Problem> {
    let key = IdempotencyKey::new(format!("cancel.{}", app.ids.uuid().simple()));
    let changed = app
        .stripe
        .update_subscription(&key, &own.id, SubscriptionChange::CancelAtPeriodEnd(true))
        .await;
    match changed {
        Ok(_) => {}
        Err(error) if error.retry() => return Ok(true),
        Err(error) => return Err(error.into()),
    }
    if let Err(error) = app.sync.sync_customer(&own.customer).await {
        tracing::warn!(%error, "what was ended will be read later");
        return Ok(error.is_transient());
    }
    Ok(false)
}

async fn page(app: &App, browser: &Browser, token: &str, stale: bool) -> Result<Response, Problem> {
    let email = app.store.leave_link(&secrets::hash(token), app.clock.now()).await?;
    let own = match &email {
        Some(email) => subscriptions(app, email).await?,
        None => vec![],
    };
    let view = LinkPage {
        page: Page::new(app, browser),
        link: token.chars().take(secrets::MAX_SECRET_LENGTH).collect(),
        holds: email.is_some(),
        hours: LINK_HOURS,
        stale,
        ending: own
            .iter()
            .filter(|own| is_ending(own))
            .map(|own| one(app, own))
            .collect(),
        going_on: own
            .iter()
            .filter(|own| !is_ending(own))
            .map(|own| one(app, own))
            .collect(),
    };
    view::show_secret(browser, &view)
}

/// Also where a payment is owed, of which what comes next says nothing else.
const fn is_ending(own: &Subscription) -> bool {
    own.cancel_at_period_end || own.cancel_at.is_some()
}

fn one(app: &App, own: &Subscription) -> One {
    let sold = own.items.iter().find_map(|item| {
        app.config.plans.iter().find_map(|plan| {
            let price = plan
                .prices
                .iter()
                .find(|price| price.sold(&item.price_id, &item.product_id))?;
            Some((plan.name.clone(), view::paid(own, price, &app.config.plans)))
        })
    });
    let (plan, price) = sold.unwrap_or_else(|| ("An earlier plan".to_owned(), String::new()));
    let day = match own.next() {
        Some(Next::Renews(at) | Next::Ends(at)) => Some(at),
        _ => own.cancel_at,
    };
    let day = day.map(view::day);
    One {
        id: own.id.clone(),
        plan,
        price,
        day,
    }
}
