use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use latchkey_billing::{CheckoutSession, Discounted, Offer, PlanPrice, StripeError, Subscription};
use latchkey_entitlement::{AccountId, EventId, time::MINUTE};
use latchkey_store::{Attempt, NewAttempt};
use latchkey_sync::{Purchase, SyncError};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    checkout_offer::take,
    support::{self, Typed, TypedPrice},
};
use crate::{
    Problem,
    browser::{self, Browser, SameOrigin},
    buyer::Visitor,
    extract::Form,
    network::{Limit, Network},
    reader::{self, Reader},
    secrets,
    server::App,
    sign_in,
    target::Target,
};

const PER_NETWORK: Limit = Limit {
    name: "checkout-network",
    window_ms: 15 * MINUTE,
    most: 60,
};
/// Most open payment pages of an account that are closed when it opens another one.
const MAX_CLOSED: usize = 3;

#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    token: String,
    #[serde(default)]
    price: String,
    #[serde(default)]
    attempt: String,
    #[serde(default)]
    attempt_proof: String,
    email: Option<String>,
    site: Option<String>,
    to: Option<String>,
    pub(super) currency: Option<String>,
    promotion_code: Option<String>,
    /// What belongs to one price: `amount.prc_…`, `statement.prc_…`, `word.prc_…`, `shown.prc_…`.
    #[serde(flatten)]
    more: BTreeMap<String, String>,
}

impl Choice {
    /// What was sent for one price under this name.
    pub(super) fn of(&self, field: &str, price: &PlanPrice) -> &str {
        let name = format!("{field}.{}", price.id);
        self.more.get(&name).map_or("", String::as_str)
    }

    /// What was typed, for the page that says what is wrong with it.
    fn typed(&self, price: &PlanPrice, error: String) -> Typed {
        Typed {
            email: self.email.clone().unwrap_or_default(),
            error: Some(error),
            of_email: false,
            price: Some(TypedPrice {
                id: price.id.to_string(),
                amount: self.of("amount", price).to_owned(),
                word: self.of("word", price).to_owned(),
                statement: !self.of("statement", price).is_empty(),
            }),
            currency: self.currency.clone(),
            code: self.promotion_code.clone(),
        }
    }
}

pub(crate) async fn begin(
    State(app): State<App>,
    same: SameOrigin,
    network: Network,
    Form(form): Form<Choice>,
) -> Result<Response, Problem> {
    let browser = same.form(&form.token)?;
    let target = Target::read(&app.config, form.site.as_deref(), form.to.as_deref());
    let (price, button) = find_price(&app, &form.price)?;
    let uuid = own_attempt(&browser, &form)?;
    network
        .limit(&app, PER_NETWORK, "Many payments were begun from your network.")
        .await?;
    let reader = reader::load(&app, &browser).await?;
    // Time that is bought once adds to what is there; a second subscription would only be paid twice.
    if let Some(reader) = &reader
        && price.once.is_none()
        && supports_already(&app, reader).await?
    {
        return Ok(Redirect::to("/account?already=1").into_response());
    }
    let email = match wanted_email(reader.as_ref(), form.email.as_deref()) {
        Ok(email) => email,
        Err(error) => {
            let typed = Typed {
                of_email: true,
                ..form.typed(&price, error.to_owned())
            };
            return again(&app, &browser, &network, &target, typed).await;
        }
    };
    let (asked, code) = (form.currency.as_deref(), form.promotion_code.as_deref());
    let visitor = Visitor::load(&app, &browser, &network, reader.as_ref(), asked, code).await?;
    let offer = match take(&app, &browser, &visitor, &form, &price, button) {
        Ok(offer) => offer,
        Err(error) => return again(&app, &browser, &network, &target, form.typed(&price, error)).await,
    };
    // An account of this attempt alone until its address is proven; a doubled click comes to the same one.
    let account = match reader {
        Some(reader) => reader.account.id,
        None => account_of_attempt(&app, uuid).await?,
    };
    let now = app.clock.now();
    app.store.create_account(&account, now).await?;
    if let Some(email) = email {
        app.store.set_unproven_email(&account, &email, now).await?;
    }
    let sale = Sale {
        account: &account,
        price: &price,
        target: &target,
    };
    let (attempt, offer) = stored_attempt(&app, &browser, uuid, &sale, offer).await?;
    if let Some(id) = &attempt.stripe_session {
        let session = app.stripe.checkout_session(id).await?;
        match session.status.as_deref() {
            Some("open") => return to_payment(&browser, &attempt, &session),
            Some("complete") => return Ok(Redirect::to(&format!("/return?session_id={id}")).into_response()),
            _ => {}
        }
        let (anew, offer) = stored_attempt(&app, &browser, app.ids.uuid(), &sale, offer).await?;
        return pay(&app, &browser, &network, &anew, &offer, (&target, &form, &price)).await;
    }
    pay(&app, &browser, &network, &attempt, &offer, (&target, &form, &price)).await
}

/// The support page with what is wrong.
async fn again(
    app: &App,
    browser: &Browser,
    network: &Network,
    target: &Target,
    typed: Typed,
) -> Result<Response, Problem> {
    support::page(app, browser, network, target, StatusCode::UNPROCESSABLE_ENTITY, typed).await
}

/// The account of an attempt that nobody is signed in for. One that was proven meanwhile is somebody's: this browser is not known
/// to be theirs, and gets another.
async fn account_of_attempt(app: &App, uuid: Uuid) -> Result<AccountId, Problem> {
    let own = AccountId::from_uuid(uuid);
    let taken = app
        .store
        .account(&own)
        .await?
        .is_some_and(|known| known.email_proven.is_some() || known.merged_into.is_some());
    Ok(if taken {
        AccountId::from_uuid(app.ids.uuid())
    } else {
        own
    })
}

/// The price of a button, and the amount that stands on it: `prc_…`, or `prc_…/500`.
fn find_price(app: &App, button: &str) -> Result<(PlanPrice, Option<i64>), Problem> {
    let (id, amount) = match button.split_once('/') {
        Some((id, amount)) => (id, amount.parse().ok()),
        None => (button, None),
    };
    let mut prices = app.config.plans.iter().flat_map(|plan| plan.prices.iter());
    let found = prices.find(|price| price.id.as_str() == id).cloned();
    let found = found.ok_or_else(|| {
        Problem::bad_input("This plan is no longer offered. Go back, reload the page, and choose again.")
    })?;
    Ok((found, amount))
}

/// What is sold to whom, and where they go afterwards.
struct Sale<'a> {
    account: &'a AccountId,
    price: &'a PlanPrice,
    target: &'a Target,
}

/// The attempt's number, if this browser was given it.
fn own_attempt(browser: &Browser, form: &Choice) -> Result<Uuid, Problem> {
    let right = support::attempt_proof(browser, &form.attempt);
    let uuid = Uuid::parse_str(&form.attempt).ok();
    uuid.filter(|_| secrets::same(right.as_bytes(), form.attempt_proof.as_bytes()))
        .ok_or_else(Problem::form_token)
}

/// The address to keep: none where the reader has one.
fn wanted_email(reader: Option<&Reader>, typed: Option<&str>) -> Result<Option<String>, &'static str> {
    if reader.is_some_and(|reader| reader.email().is_some()) {
        return Ok(None);
    }
    match typed.map(str::trim) {
        None | Some("") => Err("Please give your e-mail address: with it you sign in on your other devices."),
        Some(typed) => sign_in::address(typed)
            .map(Some)
            .map_err(|_| "This does not look like an e-mail address. Please check it for typing mistakes."),
    }
}

/// Whether the reader has a live subscription, asking Stripe too: a payment of a minute ago must not be made twice.
async fn supports_already(app: &App, reader: &Reader) -> Result<bool, Problem> {
    if support::is_supporting(app, reader).await? {
        return Ok(true);
    }
    for customer in app.store.customers_of(&reader.account.id).await? {
        app.sync.sync_customer(&customer.id).await?;
    }
    support::is_supporting(app, reader).await
}

/// Stores the attempt and the offer before Stripe hears of it. If the same one is there for the same choice, that one is used; a click
/// on another price, or another amount, gets an attempt of its own.
async fn stored_attempt(
    app: &App,
    browser: &Browser,
    uuid: Uuid,
    sale: &Sale<'_>,
    offer: Offer,
) -> Result<(Attempt, Offer), Problem> {
    let Sale { account, price, target } = *sale;
    let mut id = EventId::from_uuid(uuid);
    if let Some(known) = app.store.attempt(&id).await? {
        let taken = app.store.offer(&id).await?.map(|row| row.offer);
        if let Some(taken) = taken.filter(|taken| taken.is_same_choice(&offer))
            && known.account == *account
        {
            return Ok((known, taken));
        }
        id = app.ids.event();
    }
    let now = app.clock.now();
    app.store.keep_offer(&id, account, &offer, None, now).await?;
    let new = NewAttempt {
        id: id.clone(),
        account: account.clone(),
        nonce_hash: secrets::hash(&nonce(browser, &id)),
        price: price.id.clone(),
        site: target.site.clone(),
        return_to: target.to.as_str().to_owned(),
        now,
    };
    // The other half of a doubled click may have stored it just now; then it is there.
    let stored = app.store.create_attempt(new).await;
    // The other half may have taken the offer a moment before, too.
    let offer = app.store.offer(&id).await?.map_or(offer, |row| row.offer);
    match (app.store.attempt(&id).await?, stored) {
        (Some(attempt), _) => Ok((attempt, offer)),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(())) => Err(Problem::internal(&"an attempt was not stored")),
    }
}

/// Follows from the browser's secret, so that both halves of a doubled click set the same cookie.
fn nonce(browser: &Browser, attempt: &EventId) -> String {
    secrets::encode(&secrets::derive(
        browser.secret.as_bytes(),
        &["latchkey checkout", attempt.as_str()],
    ))
}

async fn pay(
    app: &App,
    browser: &Browser,
    network: &Network,
    attempt: &Attempt,
    offer: &Offer,
    (target, form, price): (&Target, &Choice, &PlanPrice),
) -> Result<Response, Problem> {
    if let Some(elsewhere) = close_others(app, attempt, price).await? {
        return Ok(elsewhere);
    }
    let origin = &app.config.account_origin;
    let purchase = Purchase {
        account: attempt.account.clone(),
        attempt: attempt.id.clone(),
        price: offer.stripe_price.clone(),
        success_url: format!("{origin}/return?session_id={{CHECKOUT_SESSION_ID}}"),
        cancel_url: format!("{origin}/support?{}", target.query()),
    };
    let session = match app.sync.open_checkout_on(&purchase, &offer.checkout).await {
        // Judged as good before: the last use was somebody else's, or Stripe knows more of this customer.
        Err(SyncError::Stripe(StripeError::Refused { status: 400, .. }))
            if matches!(offer.checkout.discount, Some(Discounted::PromotionCode(_))) =>
        {
            let told = "The promotion code cannot be used for this any more. Nothing was charged; the prices below are without it.";
            let typed = Typed {
                code: None,
                ..form.typed(price, told.to_owned())
            };
            return again(app, browser, network, target, typed).await;
        }
        other => other?,
    };
    if app.store.attach_stripe_session(&attempt.id, &session.id).await? {
        return to_payment(browser, attempt, &session);
    }
    // The other half of a doubled click was faster, and led to another page: one of the two must not be paid.
    app.stripe.expire_checkout_session(&session.id).await?;
    let first = app
        .store
        .attempt(&attempt.id)
        .await?
        .and_then(|known| known.stripe_session);
    let first = first.ok_or_else(|| Problem::internal(&"an attempt has no page"))?;
    to_payment(browser, attempt, &app.stripe.checkout_session(&first).await?)
}

/// Closes payment pages that the same account left open, so that two tabs cannot both be paid. Gives where to go instead if one of
/// them was paid already, and what it bought is in force or on its way.
async fn close_others(app: &App, attempt: &Attempt, price: &PlanPrice) -> Result<Option<Response>, Problem> {
    let others = app.store.open_attempts(&attempt.account).await?;
    for other in others.into_iter().filter(|o| o.id != attempt.id).take(MAX_CLOSED) {
        let Some(id) = other.stripe_session else { continue };
        if let Err(error) = app.stripe.expire_checkout_session(&id).await {
            tracing::info!(%error, attempt = %other.id, "an older payment page cannot be closed");
            let page = match app.stripe.checkout_session(&id).await {
                Ok(page) => page,
                Err(StripeError::NotFound) => continue,
                Err(error) => return Err(error.into()),
            };
            match page.status.as_deref() {
                Some("open") => return Err(error.into()),
                // Neither a subscription nor time bought once stands in the other's way.
                Some("complete") if (page.mode == "payment") != price.once.is_some() => {}
                Some("complete") if is_on_its_way(app, &attempt.account, &page).await? => {
                    return Ok(Some(Redirect::to(&format!("/return?session_id={id}")).into_response()));
                }
                _ => {}
            }
        }
    }
    Ok(None)
}

/// Whether a page that was completed has led to something: a payment that takes days, or a subscription that is not over.
async fn is_on_its_way(app: &App, account: &AccountId, page: &CheckoutSession) -> Result<bool, Problem> {
    let Some(bought) = &page.subscription else {
        return Ok(page.payment_status == "unpaid");
    };
    for customer in app.store.customers_of(account).await? {
        app.sync.sync_customer(&customer.id).await?;
    }
    let rows = app.store.subscriptions_of(account).await?;
    let known = rows.iter().filter(|row| row.id == *bought);
    let mut read = known.filter_map(|row| serde_json::from_str::<Subscription>(&row.body).ok());
    Ok(read.any(|own| !own.status.is_terminal()))
}

fn to_payment(browser: &Browser, attempt: &Attempt, session: &CheckoutSession) -> Result<Response, Problem> {
    let url = session
        .url
        .as_deref()
        .ok_or_else(|| Problem::internal(&"Stripe gave no address for the payment page"))?;
    let cookie = browser.set(browser::ATTEMPT, &nonce(browser, &attempt.id), browser::ATTEMPT_SECONDS);
    Ok((cookie, Redirect::to(url)).into_response())
}
