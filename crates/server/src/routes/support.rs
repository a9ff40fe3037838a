use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use latchkey_billing::{Currency, Plan, PlanPrice, TrialFor, format_money, format_number, period};
use latchkey_entitlement::Source;
use serde::Deserialize;

use crate::{
    Problem,
    browser::{self, Browser},
    buyer::{self, Visitor},
    extract::Query,
    network::Network,
    reader, secrets,
    server::App,
    target::Target,
    view::{self, Page},
};

/// Which page of which site the reader came from, and what they wish to see.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct From {
    pub(crate) site: Option<String>,
    pub(crate) to: Option<String>,
    currency: Option<String>,
    code: Option<String>,
}

/// What was typed before, when the page comes again with an error.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    pub(crate) email: String,
    /// An error over the form.
    pub(crate) error: Option<String>,
    /// Whether the error is the address's.
    pub(crate) of_email: bool,
    /// The price that the error is about, with what was typed for it.
    pub(crate) price: Option<TypedPrice>,
    pub(crate) currency: Option<String>,
    pub(crate) code: Option<String>,
}

/// What was typed for one price.
#[derive(Debug, Default)]
pub(crate) struct TypedPrice {
    pub(crate) id: String,
    pub(crate) amount: String,
    pub(crate) word: String,
    pub(crate) statement: bool,
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
    name: Option<String>,
    /// What the button says; empty where something has to be confirmed first.
    button: String,
    /// Sentences on what is paid when.
    terms: Vec<String>,
    /// What is said about a trial or a code that does not apply.
    note: Option<String>,
    /// What this page showed of the price, so that nothing else is sold.
    digest: String,
    statement: Option<String>,
    statement_given: bool,
    needs_word: bool,
    word: String,
    /// How the address ends that has to be confirmed first.
    address: Option<String>,
    /// What it costs, where there is no button yet.
    listed: String,
    chosen: Option<ChosenView>,
    /// Whether the error over the form is about this price.
    wrong: bool,
}

struct ChosenView {
    bounds: String,
    sign: String,
    amount: String,
    /// Minor units, and the button.
    suggestions: Vec<(i64, String)>,
}

struct CurrencyView {
    code: String,
    name: String,
    chosen: bool,
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
    /// The sign-in that confirms an address and leads back here.
    confirm_address: String,
    needs_email: bool,
    email: String,
    signed_in: bool,
    supporting: bool,
    sells_passes: bool,
    /// Whether the reader has something now, behind which a pass would wait.
    has_something: bool,
    error: Option<String>,
    email_error: bool,
    /// The choice, if there is one.
    currencies: Vec<CurrencyView>,
    currency: String,
    /// The currency that the reader is bound to, where there would be others.
    bound: Option<String>,
    takes_codes: bool,
    code: String,
    code_fault: Option<&'static str>,
    code_does: Option<String>,
    /// Whether a trial or a price waits for an address to be confirmed.
    confirm: bool,
}

pub(crate) async fn show(
    State(app): State<App>,
    browser: Browser,
    network: Network,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let target = Target::read(&app.config, from.site.as_deref(), from.to.as_deref());
    let typed = Typed {
        currency: from.currency.clone(),
        code: from.code,
        ..Typed::default()
    };
    let answer = page(&app, &browser, &network, &target, StatusCode::OK, typed).await?;
    // Remembered only if it was asked for and something is sold in it.
    let sold = crate::currency::sold(&app.config.plans);
    let asked = from.currency.and_then(|code| Currency::parse(&code).ok());
    Ok(match asked.filter(|asked| sold.contains(asked)) {
        Some(asked) => {
            let cookie = browser.set(browser::CURRENCY, asked.as_str(), browser::BROWSER_SECONDS);
            (cookie, answer).into_response()
        }
        None => answer,
    })
}

/// The page, with what was typed before.
pub(crate) async fn page(
    app: &App,
    browser: &Browser,
    network: &Network,
    target: &Target,
    status: StatusCode,
    typed: Typed,
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
    let (currency, code) = (typed.currency.as_deref(), typed.code.as_deref());
    let visitor = Visitor::load(app, browser, network, reader.as_ref(), currency, code).await?;
    let attempt = app.ids.uuid().to_string();
    let plans = plans(app, &visitor, typed.price.as_ref(), supporting);
    let confirm = visitor.buyer.proven.is_none()
        && app
            .config
            .plans
            .iter()
            .flat_map(|plan| &plan.prices)
            .any(|price| price.terms.trial.is_some());
    let view = SupportPage {
        page: Page::new(app, browser),
        sells_passes: app
            .config
            .plans
            .iter()
            .flat_map(|plan| &plan.prices)
            .any(|price| price.once.is_some()),
        has_something,
        confirm: confirm && !supporting,
        plans,
        site: target.site.as_ref().map(ToString::to_string).unwrap_or_default(),
        to: target.to.as_str().to_owned(),
        attempt_proof: attempt_proof(browser, &attempt),
        attempt,
        back: target.page_url(&app.config),
        sign_in: sign_in(&target.onward()),
        confirm_address: confirm_address(target, &visitor),
        needs_email: reader.as_ref().is_none_or(|reader| reader.email().is_none()),
        email: typed.email,
        signed_in: reader.is_some(),
        supporting,
        email_error: typed.of_email,
        error: typed.error,
        currencies: currencies(&visitor),
        currency: visitor.currency.as_ref().map(ToString::to_string).unwrap_or_default(),
        bound: visitor
            .bound
            .as_ref()
            .filter(|_| visitor.currencies.len() > 1)
            .map(|bound| bound.as_str().to_ascii_uppercase()),
        takes_codes: app
            .config
            .plans
            .iter()
            .flat_map(|plan| &plan.prices)
            .any(|price| price.terms.promotion_codes),
        code_fault: visitor.code.fault(),
        code_does: code_does(&visitor),
        code: visitor.code.typed().to_owned(),
    };
    view::show(browser, status, &view)
}

fn sign_in(next: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("next", next)
        .finish();
    format!("/sign-in?{query}")
}

/// The sign-in that leads back here, with the code that was brought.
fn confirm_address(target: &Target, visitor: &Visitor) -> String {
    let mut query = url::form_urlencoded::Serializer::new(target.query());
    let code = visitor.code.typed();
    if !code.is_empty() {
        query.append_pair("code", code);
    }
    sign_in(&format!("/support?{}", query.finish()))
}

fn code_does(visitor: &Visitor) -> Option<String> {
    let code = visitor.buyer.code.as_ref()?;
    let off = buyer::off_in_words(&code.reduction.off, visitor.currency.as_ref()?);
    Some(format!("{} takes {off} off.", code.code))
}

fn currencies(visitor: &Visitor) -> Vec<CurrencyView> {
    if visitor.currencies.len() < 2 || visitor.bound.is_some() {
        return vec![];
    }
    let view = |currency: &Currency| CurrencyView {
        code: currency.to_string(),
        name: currency.as_str().to_ascii_uppercase(),
        chosen: visitor.currency.as_ref() == Some(currency),
    };
    visitor.currencies.iter().map(view).collect()
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

fn plans(app: &App, visitor: &Visitor, typed: Option<&TypedPrice>, supporting: bool) -> Vec<PlanView> {
    let Some(currency) = &visitor.currency else {
        return vec![];
    };
    let view = |plan: &Plan| {
        let renewing = plan.prices.iter().filter(|price| price.once.is_none() && !supporting);
        let prices = renewing.filter_map(|price| {
            let typed = typed.filter(|typed| typed.id == price.id.as_str());
            price_view(app, visitor, price, currency, typed)
        });
        PlanView {
            name: plan.name.clone(),
            description: plan.description.clone(),
            prices: prices.collect(),
            passes: plan
                .prices
                .iter()
                .filter(|price| price.currency == *currency)
                .filter_map(pass)
                .collect(),
        }
    };
    let plans = app.config.plans.iter().map(view);
    plans
        .filter(|plan| !(plan.prices.is_empty() && plan.passes.is_empty()))
        .collect()
}

/// A price as this visitor has it; `None` if it is not sold in the currency.
fn price_view(
    app: &App,
    visitor: &Visitor,
    price: &PlanPrice,
    currency: &Currency,
    typed: Option<&TypedPrice>,
) -> Option<PriceView> {
    let now = app.clock.now();
    let offer = visitor.buyer.offer(price, currency, None, now)?;
    let quote = &offer.quote;
    let needs = &price.terms.needs;
    let fits = needs.fits_address(visitor.buyer.proven.as_deref());
    let endings: Vec<String> = needs
        .mail_domains
        .iter()
        .map(latchkey_billing::MailDomain::ending)
        .collect();
    let money = |minor| format_money(minor, currency.as_str());
    let per = period::per(price.interval, price.interval_count);
    let button = match quote.trial {
        _ if !fits => String::new(),
        Some(trial) => format!(
            "Try {} days free – then {} {per}",
            trial.days,
            money(quote.first_minor())
        ),
        None => format!(
            "Support {} – {} {per}{}",
            period::rhythm(price.interval, price.interval_count),
            money(quote.first_minor()),
            if quote.first_minor() < quote.lasting_minor() {
                " at first"
            } else {
                ""
            }
        ),
    };
    Some(PriceView {
        id: price.id.to_string(),
        name: price.terms.name.clone(),
        button,
        terms: quote.sentences(view::day),
        note: note(visitor, price, currency, quote.regular_minor, now),
        digest: digest(&offer.quote),
        statement: needs.statement.clone(),
        statement_given: typed.is_some_and(|typed| typed.statement),
        needs_word: !needs.codes.is_empty(),
        word: typed.map(|typed| typed.word.clone()).unwrap_or_default(),
        address: (!fits).then(|| endings.join(" or ")),
        listed: format!("{} {per}", money(quote.first_minor())),
        chosen: price.terms.chosen.as_ref().map(|chosen| ChosenView {
            bounds: format!(
                "{} to {} {per}",
                money(chosen.minimum_minor),
                money(chosen.maximum_minor)
            ),
            sign: currency.as_str().to_ascii_uppercase(),
            amount: typed.map_or_else(
                || format_number(price.amount_minor, currency.as_str()),
                |typed| typed.amount.clone(),
            ),
            suggestions: chosen.suggestions.iter().map(|minor| (*minor, money(*minor))).collect(),
        }),
        wrong: typed.is_some(),
    })
}

/// What is said where a trial or a code does not apply.
fn note(
    visitor: &Visitor,
    price: &PlanPrice,
    currency: &Currency,
    amount_minor: i64,
    now: latchkey_entitlement::Timestamp,
) -> Option<String> {
    let trial = match visitor.buyer.trial(price) {
        TrialFor::Had(_) => {
            Some("You have had a free trial already, so that this begins with the first payment.".to_owned())
        }
        TrialFor::Unconfirmed(trial) => Some(format!(
            "The first {} days can be free, once for each person: confirm your e-mail address first, above.",
            trial.days
        )),
        TrialFor::Nobody | TrialFor::Them(_) => None,
    };
    let code = match visitor.buyer.reduction(price, currency, amount_minor, now) {
        Some(Err(fault)) => Some(buyer::in_words(fault).to_owned()),
        _ => None,
    };
    trial.or(code)
}

/// What a page shows of a price: today's amount, the lasting one, and the days of a trial.
pub(crate) fn digest(quote: &latchkey_billing::Quote) -> String {
    let days = quote.trial.map_or(0, |trial| trial.days);
    format!("{}.{}.{days}", quote.first_minor(), quote.lasting_minor())
}

fn pass(price: &PlanPrice) -> Option<PassView> {
    Some(PassView {
        id: price.id.to_string(),
        price: view::price(price),
        span: price.once.as_ref()?.span.to_string(),
    })
}
