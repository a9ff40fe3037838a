use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use latchkey_billing::{Invoice, Next, Subscription, SubscriptionStatus, format_money};
use latchkey_entitlement::{Grant, SessionId, Source};
use latchkey_store::Session;
use serde::Deserialize;

use super::account_plan;
use crate::{
    Problem,
    browser::Browser,
    doubles::{self, DoubleView},
    extract::Query,
    reader::{self, Reader},
    server::App,
    view::{self, Page},
};

/// Invoices that are shown.
const MAX_INVOICES: usize = 12;

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// Back from the portal: read what was changed there.
    back: Option<String>,
    /// Wanted to pay for what is already there.
    already: Option<String>,
    /// A change of plan waits for its payment.
    waiting: Option<String>,
}

struct GrantView {
    what: String,
    why: String,
    /// When it begins, if it has not yet.
    begins: Option<String>,
    until: String,
    because: String,
}

struct SubscriptionView {
    id: String,
    plan: String,
    price: String,
    card: Option<String>,
    /// What comes next, and when, if there is a day for it.
    next: &'static str,
    day: Option<String>,
    may_cancel: bool,
    may_resume: bool,
    owed: bool,
    /// Whether there is another price to change to.
    may_change: bool,
    /// Why it gives nothing although it goes on.
    rests: Option<&'static str>,
}

struct InvoiceView {
    day: String,
    amount: String,
    /// What became of it, in a word.
    state: &'static str,
    owed: bool,
    number: Option<String>,
    /// Stripe's page of it.
    url: Option<String>,
}

struct DeviceView {
    id: String,
    label: String,
    place: String,
    used: String,
    this: bool,
    of_site: bool,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    page: Page,
    email: Option<String>,
    proven: bool,
    already: bool,
    waiting: bool,
    stale: bool,
    grants: Vec<GrantView>,
    /// What begins later, the next first.
    queued: Vec<GrantView>,
    /// The last day of what is over, if there is nothing now.
    ended: Option<String>,
    /// Whether the portal is to be opened for one subscription apart from the others.
    several_customers: bool,
    /// Whether more than one subscription will be charged again.
    paid_twice: bool,
    /// Whether one of them is about to be stopped and paid back.
    settling: bool,
    /// Subscriptions that were stopped because there was another one.
    stopped: Vec<DoubleView>,
    subscriptions: Vec<SubscriptionView>,
    has_customer: bool,
    invoices: Vec<InvoiceView>,
    /// Whether there are older ones, which the portal shows.
    more_invoices: bool,
    devices: Vec<DeviceView>,
    sites: Vec<(String, String)>,
    /// Whether a site was entered from this browser.
    reads_here: bool,
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
    let all = subscriptions(&app, &reader).await?;
    let notes = notes(&app, &reader).await?;
    let ended = all.iter().filter_map(|own| own.ended_at).max().map(view::day);
    let bought: Vec<Subscription> = all.into_iter().filter(|own| own.ended_at.is_none()).collect();
    let charged_again = bought.iter().filter(|own| matches!(own.next(), Some(Next::Renews(_))));
    let devices = devices(&app, &reader).await?;
    let invoices = invoices(&app, &reader).await?;
    let (grants, queued) = grants(&app, &reader, &bought).await?;
    let view = AccountPage {
        page: Page::new(&app, &browser),
        email: reader.email().map(|(email, _)| view::masked(email)),
        proven: reader.email().is_some_and(|(_, proven)| proven),
        already: asked.already.is_some(),
        waiting: asked.waiting.is_some() || bought.iter().any(|own| own.pending_update),
        stale,
        grants,
        queued,
        ended,
        paid_twice: charged_again.count() > 1,
        settling: app.sync.settles_doubles(&bought),
        stopped: doubles::stopped(&app, &reader).await?,
        subscriptions: bought
            .iter()
            .filter_map(|own| subscription(&app, own, notes.get(&own.id).map(String::as_str)))
            .collect(),
        has_customer: !customers.is_empty(),
        more_invoices: invoices.len() > MAX_INVOICES,
        invoices: invoices.into_iter().take(MAX_INVOICES).collect(),
        several_customers: {
            let mut paying: Vec<&str> = bought.iter().map(|own| own.customer.as_str()).collect();
            paying.sort_unstable();
            paying.dedup();
            paying.len() > 1
        },
        reads_here: devices.iter().any(|device| device.this && device.of_site),
        devices,
        sites: sites(&app),
    };
    view::show(&browser, StatusCode::OK, &view)
}

/// What the reader has now, and what begins later.
async fn grants(
    app: &App,
    reader: &Reader,
    bought: &[Subscription],
) -> Result<(Vec<GrantView>, Vec<GrantView>), Problem> {
    let now = app.clock.now();
    let all = app.store.grants_of(&reader.account.id).await?;
    let (live, others): (Vec<Grant>, Vec<Grant>) = all.into_iter().partition(|grant| grant.is_live(now));
    let queued = others.into_iter().filter(|grant| now < grant.from);
    let view = |grant: Grant| {
        let names: Vec<String> = grant.entitlements.iter().map(|name| in_words(name.as_str())).collect();
        GrantView {
            what: view::sentence(&names.join(", ")),
            why: match &grant.bought {
                Some(bought) => format!("{}: {}", reason(grant.source), bought.span),
                None => reason(grant.source).to_owned(),
            },
            begins: (now < grant.from).then(|| begin(&grant)),
            until: until(&grant, bought),
            because: grant.because,
        }
    };
    Ok((live.into_iter().map(view).collect(), queued.map(view).collect()))
}

fn begin(grant: &Grant) -> String {
    if grant.waits() {
        "when what you have ends; that has no end yet".to_owned()
    } else {
        view::minute(grant.from)
    }
}

/// Until when, as a reader understands it: the slack after a renewal is ours to know, not theirs to count on.
fn until(grant: &Grant, bought: &[Subscription]) -> String {
    let id = grant.source_ref.split('/').next().unwrap_or_default();
    let own = bought
        .iter()
        .find(|own| grant.source == Source::Subscription && own.id == id);
    match (own.and_then(Subscription::next), grant.until) {
        (Some(Next::Renews(at)), _) => format!("for as long as you support us; next payment on {}", view::day(at)),
        (Some(Next::Owed), Some(until)) => format!("{}, unless the payment goes through before", view::day(until)),
        (_, Some(_)) if grant.waits() => "as long as you bought".to_owned(),
        (_, Some(until)) if grant.bought.is_some() => view::minute(until),
        (_, Some(until)) => view::day(until),
        (_, None) => "no end".to_owned(),
    }
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

/// The reader's subscriptions, as Stripe told them last.
pub(crate) async fn subscriptions(app: &App, reader: &Reader) -> Result<Vec<Subscription>, Problem> {
    let rows = app.store.subscriptions_of(&reader.account.id).await?;
    let read = rows.iter().filter_map(|row| serde_json::from_str(&row.body).ok());
    Ok(read.collect())
}

/// Why subscriptions that live give nothing, by their ids.
async fn notes(app: &App, reader: &Reader) -> Result<BTreeMap<String, String>, Problem> {
    let rows = app.store.subscriptions_of(&reader.account.id).await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.id, row.note?))).collect())
}

fn subscription(app: &App, own: &Subscription, note: Option<&str>) -> Option<SubscriptionView> {
    let item = own.items.first()?;
    let sold = app.config.plans.iter().find_map(|plan| {
        let price = plan
            .prices
            .iter()
            .find(|price| price.sold(&item.price_id, &item.product_id))?;
        Some((plan.name.clone(), view::paid(own, price, &app.config.plans)))
    });
    let (plan, price) = sold.unwrap_or_else(|| ("An earlier plan".to_owned(), String::new()));
    let next = own.next()?;
    let (word, day) = match next {
        Next::Renews(at) if own.status == SubscriptionStatus::Trialing => {
            // Without a card nothing can be charged then.
            let has_card = own.default_payment_method.is_some();
            (
                if has_card {
                    "Free until the first payment on"
                } else {
                    "Free without a card until"
                },
                Some(at),
            )
        }
        Next::Renews(at) => ("Renews", Some(at)),
        Next::Ends(at) => ("Ends", Some(at)),
        Next::Owed => ("Waits for a payment", None),
        Next::Paused => ("Paused", None),
        Next::Over => return None,
    };
    Some(SubscriptionView {
        id: own.id.clone(),
        plan,
        price,
        card: own.default_payment_method.clone(),
        next: word,
        day: day.map(view::day),
        may_cancel: !matches!(next, Next::Ends(_)),
        may_resume: matches!(next, Next::Ends(_)),
        owed: next == Next::Owed,
        may_change: account_plan::is_offered(app, own),
        rests: note.and_then(|note| match note {
            "refunded" => Some("The last payment was paid back to you, so pages come with ads until the next one."),
            "disputed" => Some(
                "Your bank has taken the last payment back, so pages come with ads until that is settled or the next one is made.",
            ),
            _ => None,
        }),
    })
}

/// What was or is to be paid, newest first.
async fn invoices(app: &App, reader: &Reader) -> Result<Vec<InvoiceView>, Problem> {
    let all = app.store.invoices_of(&reader.account.id).await?;
    let view = |invoice: Invoice| {
        let (state, owed) = match invoice.status.as_deref()? {
            "paid" if invoice.papers.credited_minor >= invoice.amount_paid_minor => ("given back", false),
            "paid" if invoice.papers.credited_minor > 0 => ("given back in part", false),
            "paid" => ("paid", false),
            "open" => ("to be paid", true),
            "uncollectible" => ("not paid", false),
            "void" => ("cancelled", false),
            _ => return None,
        };
        (invoice.papers.total_minor > 0).then(|| InvoiceView {
            day: view::day(invoice.created),
            amount: format_money(invoice.papers.total_minor, &invoice.currency),
            state,
            owed,
            number: invoice.number,
            url: invoice.hosted_invoice_url,
        })
    };
    Ok(all.into_iter().filter_map(view).collect())
}

/// One entry for each browser: a site is entered through a session on this origin, and ends with it.
async fn devices(app: &App, reader: &Reader) -> Result<Vec<DeviceView>, Problem> {
    let sessions = app.store.sessions_of(&reader.account.id).await?;
    let is_live = |id: &SessionId| sessions.iter().any(|session| session.id == *id);
    let is_root = |session: &&Session| session.parent.as_ref().is_none_or(|parent| !is_live(parent));
    let view = |root: &Session| {
        let own: Vec<&Session> = sessions
            .iter()
            .filter(|session| session.id == root.id || session.parent.as_ref() == Some(&root.id))
            .collect();
        let mut places: Vec<String> = own
            .iter()
            .filter_map(|session| session.site.as_ref())
            .map(|site| {
                let policy = app.config.site(site);
                policy.map_or_else(|| site.to_string(), |policy| policy.name.clone())
            })
            .collect();
        places.sort();
        places.dedup();
        DeviceView {
            of_site: !places.is_empty(),
            place: if places.is_empty() {
                "account pages only".to_owned()
            } else {
                places.join(", ")
            },
            this: own.iter().any(|session| session.id == reader.session.id),
            used: view::day(own.iter().map(|session| session.used_at).max().unwrap_or(root.used_at)),
            label: root.label.clone(),
            id: root.id.to_string(),
        }
    };
    Ok(sessions.iter().filter(is_root).map(view).collect())
}

fn sites(app: &App) -> Vec<(String, String)> {
    let link = |site: &latchkey_entitlement::policy::SitePolicy| {
        (format!("/account/continue?site={}&to=/", site.id), site.name.clone())
    };
    app.config.sites.iter().map(link).collect()
}
