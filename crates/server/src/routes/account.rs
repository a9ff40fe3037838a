use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use latchkey_billing::Subscription;
use latchkey_entitlement::{Source, Timestamp};
use latchkey_store::Session;
use serde::Deserialize;

use crate::{
    Problem,
    browser::Browser,
    reader::{self, Reader},
    server::App,
    view::{self, Page},
};

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// Back from the portal: read what was changed there.
    back: Option<String>,
    /// Wanted to pay for what is already there.
    already: Option<String>,
}

struct GrantView {
    what: String,
    why: String,
    until: String,
    because: String,
}

struct SubscriptionView {
    id: String,
    plan: String,
    price: String,
    card: Option<String>,
    ends: bool,
    day: String,
    trouble: bool,
}

struct DeviceView {
    id: String,
    label: String,
    place: String,
    used: String,
    this: bool,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    page: Page,
    email: Option<String>,
    proven: bool,
    already: bool,
    stale: bool,
    grants: Vec<GrantView>,
    subscriptions: Vec<SubscriptionView>,
    has_customer: bool,
    devices: Vec<DeviceView>,
    sites: Vec<(String, String)>,
}

pub(crate) async fn show(
    State(app): State<App>,
    browser: Browser,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let reader = match reader::need(&app, &browser, "/account").await? {
        Ok(reader) => reader,
        Err(sign_in) => return Ok(sign_in),
    };
    let customers = app.store.customers_of(&reader.account.id).await?;
    let mut stale = false;
    if asked.back.is_some() {
        for customer in &customers {
            if let Err(error) = app.sync.sync_customer(&customer.id).await {
                tracing::warn!(%error, "what was changed in the portal will be read later");
                stale = true;
            }
        }
        if !stale {
            return Ok(Redirect::to("/account").into_response());
        }
    }
    let view = AccountPage {
        page: Page::new(&app, &browser),
        email: reader.email().map(|(email, _)| view::masked(email)),
        proven: reader.email().is_some_and(|(_, proven)| proven),
        already: asked.already.is_some(),
        stale,
        grants: grants(&app, &reader).await?,
        subscriptions: subscriptions(&app, &reader).await?,
        has_customer: !customers.is_empty(),
        devices: devices(&app, &reader).await?,
        sites: sites(&app),
    };
    view::show(&browser, StatusCode::OK, &view)
}

async fn grants(app: &App, reader: &Reader) -> Result<Vec<GrantView>, Problem> {
    let now = app.clock.now();
    let live = app
        .store
        .grants_of(&reader.account.id)
        .await?
        .into_iter()
        .filter(|grant| grant.is_live(now));
    Ok(live
        .map(|grant| GrantView {
            what: grant
                .entitlements
                .iter()
                .map(|name| in_words(name.as_str()))
                .collect::<Vec<_>>()
                .join(", "),
            why: reason(grant.source).to_owned(),
            until: grant.until.map_or_else(|| "no end".to_owned(), view::day),
            because: grant.because,
        })
        .collect())
}

fn in_words(entitlement: &str) -> String {
    match entitlement {
        "ad_free" => "pages without ads".to_owned(),
        "articles" => "all articles".to_owned(),
        "comments" => "writing comments".to_owned(),
        other => other.replace('_', " "),
    }
}

fn reason(source: Source) -> &'static str {
    match source {
        Source::Subscription => "your subscription",
        Source::Pass => "time that you bought",
        Source::Gift => "a gift",
        Source::Comp => "given by us",
        Source::Seat => "a seat in a group",
        Source::Institution => "your institution",
        Source::Import => "taken over from our old system",
        Source::External => "another of our systems",
    }
}

async fn subscriptions(app: &App, reader: &Reader) -> Result<Vec<SubscriptionView>, Problem> {
    let rows = app.store.subscriptions_of(&reader.account.id).await?;
    let read = rows
        .iter()
        .filter_map(|row| serde_json::from_str::<Subscription>(&row.body).ok());
    Ok(read
        .filter(|s| s.ended_at.is_none())
        .filter_map(|s| subscription(app, &s))
        .collect())
}

fn subscription(app: &App, subscription: &Subscription) -> Option<SubscriptionView> {
    let item = subscription.items.first()?;
    let sold = app.config.plans.iter().find_map(|plan| {
        let price = plan.prices.iter().find(|price| price.stripe_price == item.price_id)?;
        Some((plan.name.clone(), view::price(price)))
    });
    let (plan, price) = sold.unwrap_or_else(|| ("An earlier plan".to_owned(), String::new()));
    let end: Timestamp = subscription.cancel_at.unwrap_or(item.current_period_end);
    Some(SubscriptionView {
        id: subscription.id.clone(),
        plan,
        price,
        card: subscription.default_payment_method.clone(),
        ends: subscription.cancel_at_period_end || subscription.cancel_at.is_some(),
        day: view::day(end),
        trouble: matches!(subscription.status.as_str(), "past_due" | "unpaid" | "incomplete"),
    })
}

async fn devices(app: &App, reader: &Reader) -> Result<Vec<DeviceView>, Problem> {
    let place = |session: &Session| match &session.site {
        Some(site) => app
            .config
            .site(site)
            .map_or_else(|| site.to_string(), |policy| policy.name.clone()),
        None => "account pages".to_owned(),
    };
    let view = |session: Session| DeviceView {
        place: place(&session),
        this: session.id == reader.session.id || session.parent.as_ref() == Some(&reader.session.id),
        used: view::day(session.used_at),
        label: session.label,
        id: session.id.to_string(),
    };
    Ok(app
        .store
        .sessions_of(&reader.account.id)
        .await?
        .into_iter()
        .map(view)
        .collect())
}

fn sites(app: &App) -> Vec<(String, String)> {
    let link = |site: &latchkey_entitlement::policy::SitePolicy| {
        (format!("/account/continue?site={}&to=/", site.id), site.name.clone())
    };
    app.config.sites.iter().map(link).collect()
}
