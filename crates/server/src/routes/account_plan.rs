//! Changing plan or price: a choice, what it costs, and only then the change.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use latchkey_billing::{
    Buyer, Currency, IdempotencyKey, NoChange, Plan, PlanPrice, PriceChange, Subscription, SubscriptionChange, choices,
    format_money, may_change, period,
};
use latchkey_entitlement::{EventId, Timestamp, time::MINUTE};
use latchkey_store::PriceChangeRow;
use serde::Deserialize;

use super::account;
use crate::{
    Problem,
    browser::{Browser, SameOrigin},
    extract::{Form, Query},
    reader::{self, Reader},
    server::App,
    view::{self, Page},
};

/// How long what was shown can be confirmed: the amount is counted from the moment at which it was shown.
const SHOWN_FOR: i64 = 15 * MINUTE;

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    subscription: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Chosen {
    #[serde(default)]
    token: String,
    #[serde(default)]
    subscription: String,
    #[serde(default)]
    price: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Confirmed {
    #[serde(default)]
    token: String,
    #[serde(default)]
    change: String,
}

struct ChoiceView {
    id: String,
    plan: String,
    description: String,
    name: Option<String>,
    price: String,
}

#[derive(Template)]
#[template(path = "account_plan.html")]
struct PlanPage {
    page: Page,
    subscription: String,
    now: String,
    /// Why nothing can be changed here.
    barred: Option<&'static str>,
    choices: Vec<ChoiceView>,
    /// The currency that all of them are in, if others are sold.
    currency: Option<String>,
}

#[derive(Template)]
#[template(path = "account_plan_preview.html")]
struct PreviewPage {
    page: Page,
    change: String,
    plan: String,
    price: String,
    was: String,
    /// What is charged today; `None` if nothing is.
    today: Option<String>,
    credit: Option<String>,
    from: String,
    back: String,
}

/// The choice.
pub(crate) async fn show(
    State(app): State<App>,
    browser: Browser,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let reader = match reader::need(&app, &browser, "/account").await? {
        Ok(reader) => reader,
        Err(sign_in) => return Ok(sign_in),
    };
    let own = subscription(&app, &reader, &asked.subscription).await?;
    let barred = may_change(&own).err().map(in_words);
    let found = if barred.is_some() {
        vec![]
    } else {
        choices(&own, &app.config.plans)
    };
    let several = crate::currency::sold(&app.config.plans).len() > 1;
    let view = PlanPage {
        page: Page::new(&app, &browser),
        now: current(&app, &own),
        choices: found
            .into_iter()
            .map(|(plan, price, amount)| ChoiceView {
                id: price.id.to_string(),
                plan: plan.name.clone(),
                description: plan.description.clone(),
                name: price.terms.name.clone(),
                price: priced(price, amount, &own.currency),
            })
            .collect(),
        barred,
        currency: several.then(|| own.currency.to_ascii_uppercase()),
        subscription: own.id,
    };
    view::show(&browser, StatusCode::OK, &view)
}

/// What the chosen one costs.
pub(crate) async fn preview(
    State(app): State<App>,
    same: SameOrigin,
    Form(form): Form<Chosen>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    let reader = match reader::need(&app, &browser, "/account").await? {
        Ok(reader) => reader,
        Err(sign_in) => return Ok(sign_in),
    };
    let own = subscription(&app, &reader, &form.subscription).await?;
    let back = format!("/account/plan?subscription={}", own.id);
    let found = choices(&own, &app.config.plans);
    let wanted = found.iter().find(|(_, price, _)| price.id.as_str() == form.price);
    let (Some((plan, price, amount)), Ok(()), Some(item)) = (wanted, may_change(&own), own.items.first()) else {
        return Ok(Redirect::to(&back).into_response());
    };
    let now = app.clock.now();
    let change = PriceChange {
        subscription: own.id.clone(),
        customer: own.customer.clone(),
        item: item.id.clone(),
        price: price.stripe_price.clone(),
        // Stripe counts in whole seconds, and the change must count from the same one.
        proration_date: Timestamp::from_seconds(now.seconds()),
    };
    let preview = app.stripe.preview_price_change(&change).await?;
    let currency = Currency::parse(&own.currency).map_err(|error| Problem::internal(&error))?;
    let offer = Buyer::default().offer(&without_beginning(price), &currency, None, now);
    let row = PriceChangeRow {
        id: app.ids.event(),
        account: reader.account.id.clone(),
        change,
        offer: offer.ok_or_else(|| Problem::internal(&"a price has no offer"))?,
        created_at: now,
        preview,
    };
    app.store.keep_price_change(&row).await?;
    let money = |minor| format_money(minor, &row.preview.currency);
    let view = PreviewPage {
        page: Page::new(&app, &browser),
        change: row.id.to_string(),
        plan: named(plan, price),
        price: priced(price, *amount, &own.currency),
        was: current(&app, &own),
        today: (row.preview.due_minor > 0).then(|| money(row.preview.due_minor)),
        credit: (row.preview.credit_minor > 0).then(|| money(row.preview.credit_minor)),
        from: view::day(row.preview.renews_at),
        back,
    };
    view::show(&browser, StatusCode::OK, &view)
}

/// Makes the change that was shown. Twice is once: the key follows from what was shown.
pub(crate) async fn confirm(
    State(app): State<App>,
    same: SameOrigin,
    Form(form): Form<Confirmed>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    let reader = match reader::need(&app, &browser, "/account").await? {
        Ok(reader) => reader,
        Err(sign_in) => return Ok(sign_in),
    };
    let unknown = || {
        Problem::bad_input("This change is not known any more. Choose again on your account page. Nothing was charged.")
    };
    let id = EventId::parse(&form.change).map_err(|_| unknown())?;
    let row = app
        .store
        .price_change(&id, &reader.account.id)
        .await?
        .ok_or_else(unknown)?;
    let now = app.clock.now();
    let own = subscription(&app, &reader, &row.change.subscription).await?;
    // What was confirmed before is asked once more under its key, and gives the same.
    let made = own.items.iter().any(|item| item.price_id == row.change.price);
    if made {
        return Ok(Redirect::to("/account").into_response());
    }
    if now.since(row.created_at) > SHOWN_FOR || may_change(&own).is_err() {
        return Ok(Redirect::to(&format!("/account/plan?subscription={}", own.id)).into_response());
    }
    let offers = &app.store;
    offers
        .keep_offer(&row.id, &reader.account.id, &row.offer, Some(&own.id), now)
        .await?;
    app.store.confirm_price_change(&row.id, now).await?;
    let key = IdempotencyKey::new(format!("price-change.{}", row.id));
    let change = SubscriptionChange::PriceAsShown(row.change.clone());
    let changed = app.stripe.update_subscription(&key, &own.id, change).await?;
    // Stripe has taken the change. If it cannot be read back now, the account page tries again and says so.
    let next = match app.sync.sync_customer(&own.customer).await {
        Ok(_) if changed.pending_update => "/account?waiting=1",
        Ok(_) => "/account",
        Err(error) if error.is_transient() => "/account?back=1",
        Err(error) => return Err(error.into()),
    };
    Ok(Redirect::to(next).into_response())
}

/// The price as it is for somebody who is here already: trial and introduction were at the beginning.
fn without_beginning(price: &PlanPrice) -> PlanPrice {
    let mut price = price.clone();
    price.terms.trial = None;
    price.terms.introduction = None;
    price
}

async fn subscription(app: &App, reader: &Reader, id: &str) -> Result<Subscription, Problem> {
    let all = account::subscriptions(app, reader).await?;
    all.into_iter()
        .find(|own| own.id == id && own.ended_at.is_none())
        .ok_or_else(|| Problem::bad_input("This subscription is not yours or has ended. Reload your account page."))
}

fn named(plan: &Plan, price: &PlanPrice) -> String {
    match &price.terms.name {
        Some(name) => format!("{} – {name}", plan.name),
        None => plan.name.clone(),
    }
}

fn priced(price: &PlanPrice, amount_minor: i64, currency: &str) -> String {
    let per = period::per(price.interval, price.interval_count);
    format!("{} {per}", format_money(amount_minor, currency))
}

/// What the subscription is now, such as `Supporter, €5.00 a month`.
fn current(app: &App, own: &Subscription) -> String {
    let Some(item) = own.items.first() else {
        return String::new();
    };
    let sold = app.config.plans.iter().find_map(|plan| {
        let price = plan
            .prices
            .iter()
            .find(|price| price.sold(&item.price_id, &item.product_id))?;
        Some(format!(
            "{}, {}",
            named(plan, price),
            view::paid(own, price, &app.config.plans)
        ))
    });
    sold.unwrap_or_else(|| "an earlier plan".to_owned())
}

fn in_words(why: NoChange) -> &'static str {
    match why {
        NoChange::Scheduled => {
            "What you pay already follows a plan for the time to come, which a change here would break. Write to us, and we change it together."
        }
        NoChange::NotInForce => {
            "Your subscription is not in force just now: a payment is open, or it is paused. Put that right first, on your account page."
        }
        NoChange::Ending => "Your subscription is set to end. Choose “Go on supporting” on your account page first.",
        NoChange::Waiting => {
            "A change before this one still waits for its payment. Open “Card, invoices, change of plan” on your account page to pay it."
        }
        NoChange::SeveralItems => "Your subscription has several parts. Write to us, and we change it together.",
    }
}

/// Whether there is anything to change to, or something to say about why not.
pub(super) fn is_offered(app: &App, own: &Subscription) -> bool {
    match may_change(own) {
        Ok(()) => !choices(own, &app.config.plans).is_empty(),
        Err(why) => matches!(why, NoChange::Scheduled | NoChange::Waiting),
    }
}
