use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use latchkey_billing::{ATTEMPT_KEY, CheckoutSession, CustomerState, StripeError};
use latchkey_entitlement::{
    EventId,
    time::{MINUTE, SECOND},
};
use latchkey_store::Attempt;
use latchkey_sync::SyncError;
use serde::Deserialize;

use crate::{
    Problem,
    browser::{self, Browser},
    effects,
    extract::Query,
    network::{Limit, Network},
    reader, secrets,
    server::App,
    view::{self, Page},
};

const PER_NETWORK: Limit = Limit {
    name: "return-network",
    window_ms: 5 * MINUTE,
    most: 120,
};
/// How soon the waiting page looks again, in seconds.
const LOOK_AGAIN_SECONDS: u32 = 4;
/// Longest Stripe identifier that is looked at.
const MAX_STRIPE_ID: usize = 255;

#[derive(Debug, Deserialize)]
pub(crate) struct Arrival {
    session_id: Option<String>,
    /// An attempt that could not be settled at once.
    wait: Option<String>,
    state: Option<String>,
}

/// What the payment has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Paid,
    /// Paid by a way that takes days, or asked for and not yet confirmed.
    Processing,
    /// Not paid yet; the payment page is still open.
    Open(Option<String>),
    Expired,
    /// Stripe or the database does not answer.
    Down,
}

#[derive(Template)]
#[template(path = "return.html")]
struct ReturnPage<'a> {
    page: Page,
    state: &'a str,
    pay_url: Option<&'a str>,
    again: Option<&'a str>,
    support: String,
}

pub(crate) async fn arrive(
    State(app): State<App>,
    browser: Browser,
    network: Network,
    Query(arrival): Query<Arrival>,
) -> Result<Response, Problem> {
    if let Some(id) = arrival.session_id {
        network
            .limit(&app, PER_NETWORK, "This page was opened very often from your network.")
            .await?;
        return first_look(&app, &browser, &id).await;
    }
    if let Some(id) = arrival.wait.and_then(|id| EventId::parse(&id).ok()) {
        network
            .limit(&app, PER_NETWORK, "This page was opened very often from your network.")
            .await?;
        return look_again(&app, &browser, &id).await;
    }
    let state = if arrival.state.as_deref() == Some("mailed") {
        "mailed"
    } else {
        "unknown"
    };
    page(&app, &browser, state, None, None)
}

/// Straight from the payment page. Every answer is a redirect: the address bar does not keep the session id.
async fn first_look(app: &App, browser: &Browser, id: &str) -> Result<Response, Problem> {
    let unknown = || Redirect::to("/return?state=unknown").into_response();
    if !id.starts_with("cs_") || id.len() > MAX_STRIPE_ID || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return Ok(unknown());
    }
    let attempt = match app.store.attempt_by_stripe_session(id).await? {
        Some(attempt) => attempt,
        None => match found_at_stripe(app, id).await? {
            Some(attempt) => attempt,
            None => return Ok(unknown()),
        },
    };
    // The page that was paid, which need not be the one that is stored with the attempt.
    match settle(app, &attempt, id).await? {
        Outcome::Paid => paid(app, browser, &attempt).await,
        _ => Ok(waiting(&attempt)),
    }
}

async fn look_again(app: &App, browser: &Browser, id: &EventId) -> Result<Response, Problem> {
    let Some(attempt) = app.store.attempt(id).await? else {
        return page(app, browser, "unknown", None, None);
    };
    let again = format!("/return?wait={id}");
    let Some(page_id) = attempt.stripe_session.as_deref() else {
        return page(app, browser, "expired", None, None);
    };
    match settle(app, &attempt, page_id).await? {
        Outcome::Paid => paid(app, browser, &attempt).await,
        Outcome::Processing => page(app, browser, "processing", None, Some(&again)),
        Outcome::Open(url) => page(app, browser, "open", url.as_deref(), None),
        Outcome::Expired => page(app, browser, "expired", None, None),
        Outcome::Down => page(app, browser, "down", None, Some(&again)),
    }
}

fn waiting(attempt: &Attempt) -> Response {
    Redirect::to(&format!("/return?wait={}", attempt.id)).into_response()
}

/// A payment page that was opened and whose answer was lost before it could be stored: Stripe knows the attempt.
async fn found_at_stripe(app: &App, id: &str) -> Result<Option<Attempt>, Problem> {
    let session = match app.stripe.checkout_session(id).await {
        Ok(session) => session,
        Err(StripeError::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(attempt) = session.metadata.get(ATTEMPT_KEY).and_then(|id| EventId::parse(id).ok()) else {
        return Ok(None);
    };
    app.store.attach_stripe_session(&attempt, id).await?;
    Ok(app.store.attempt(&attempt).await?)
}

/// Syncs the customer, and says what the payment has come to. Nothing waits for a webhook.
async fn settle(app: &App, attempt: &Attempt, id: &str) -> Result<Outcome, Problem> {
    let (session, synced) = tokio::join!(app.stripe.checkout_session(id), sync_all(app, attempt));
    let session = match session {
        Ok(session) => session,
        Err(StripeError::NotFound) => return Err(StripeError::NotFound.into()),
        // Whatever hinders us, a key that Stripe refuses too: who has paid waits here, and is led on once it is mended.
        Err(error) => {
            tracing::error!(%error, attempt = %attempt.id, "a payment cannot be looked up yet");
            return Ok(Outcome::Down);
        }
    };
    let state = state_of(&session);
    if state != Outcome::Paid {
        return Ok(state);
    }
    // The two were read at once: a payment that ended in between is in the session and not yet in the customer's state.
    let synced = match synced {
        Ok(seen) if !is_among(&session, &seen) => sync_all(app, attempt).await,
        other => other,
    };
    if let Err(error) = synced {
        tracing::error!(%error, attempt = %attempt.id, "what was paid cannot be recorded yet");
        return Ok(Outcome::Down);
    }
    app.store.complete_attempt(&attempt.id, app.clock.now()).await?;
    Ok(Outcome::Paid)
}

/// Syncs every customer of the account; gives what Stripe said of each.
async fn sync_all(app: &App, attempt: &Attempt) -> Result<Vec<CustomerState>, SyncError> {
    let mut seen = vec![];
    for customer in app.store.customers_of(&attempt.account).await? {
        seen.push(app.sync.sync_customer(&customer.id).await?.state);
    }
    Ok(seen)
}

/// Whether what the session bought is in what was read of its customer.
fn is_among(session: &CheckoutSession, seen: &[CustomerState]) -> bool {
    let mut subscriptions = seen.iter().flat_map(|state| &state.subscriptions);
    let mut purchases = seen.iter().flat_map(|state| &state.purchases);
    match &session.subscription {
        Some(bought) => subscriptions.any(|own| own.id == *bought),
        None => !session.is_paid_once() || purchases.any(|own| own.id == session.id && own.is_paid_once()),
    }
}

fn state_of(session: &CheckoutSession) -> Outcome {
    match (session.status.as_deref(), session.payment_status.as_str()) {
        (Some("complete"), "paid" | "no_payment_required") => Outcome::Paid,
        (Some("complete"), _) => Outcome::Processing,
        (Some("open"), _) => Outcome::Open(session.url.clone()),
        _ => Outcome::Expired,
    }
}

/// Signs in the browser that began the payment, once. Anyone else gets a page, and the payer a letter.
async fn paid(app: &App, browser: &Browser, attempt: &Attempt) -> Result<Response, Problem> {
    let target = effects::target(attempt);
    let onward = || target.enter_url(&app.config).unwrap_or_else(|| "/account".to_owned());
    let max_age = browser::ATTEMPT_SECONDS * SECOND;
    if let Some(nonce) = &browser.attempt {
        let hash = secrets::hash(nonce);
        let (session, cookies) = reader::new_session(app, browser, &attempt.account);
        if app
            .store
            .sign_in_by_attempt(&attempt.id, &hash, &session, max_age)
            .await?
        {
            let cookies = cookies.and(browser, browser::ATTEMPT, "", 0);
            return Ok((cookies, Redirect::to(&onward())).into_response());
        }
    }
    if reader::load(app, browser)
        .await?
        .is_some_and(|reader| reader.account.id == attempt.account)
    {
        return Ok(Redirect::to(&onward()).into_response());
    }
    effects::letter_after_payment(app, &attempt.id).await?;
    Ok(Redirect::to("/return?state=mailed").into_response())
}

fn page(
    app: &App,
    browser: &Browser,
    state: &str,
    pay_url: Option<&str>,
    again: Option<&str>,
) -> Result<Response, Problem> {
    let view = ReturnPage {
        page: Page::new(app, browser),
        state,
        pay_url,
        again,
        support: "/support".to_owned(),
    };
    let mut answer = view::show(browser, StatusCode::OK, &view)?;
    if again.is_some() {
        answer
            .headers_mut()
            .insert(header::REFRESH, HeaderValue::from(LOOK_AGAIN_SECONDS));
    }
    Ok(answer)
}
