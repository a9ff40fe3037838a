//! Hosted Checkout.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Path, State as Extract};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::{Link, is_cross_site, message, page, see_other};
use crate::checkout::SessionStatus;
use crate::clock::show as show_time;
use crate::pay::{CardForm, Outcome};
use crate::price::show_money;
use crate::sandbox::Sandbox;
use crate::state::State;

struct Item {
    name: String,
    price: String,
    quantity: i64,
}

#[derive(Template)]
#[template(path = "checkout.html")]
struct Checkout {
    id: String,
    items: Vec<Item>,
    total: String,
    trial: Option<String>,
    recurring: bool,
    debit: bool,
    email: Option<String>,
    typed: CardForm,
    cancel_url: Option<String>,
    /// Whether a code can be typed.
    takes_code: bool,
    /// What is taken off, and how much of it now.
    discount: Option<(String, String)>,
    /// Whether the page does without a card.
    without_card: bool,
    fault_field: &'static str,
    fault: Option<String>,
}

impl Checkout {
    fn of(state: &State, id: &str, typed: CardForm, fault: Option<(&'static str, String)>) -> Option<Self> {
        let session = state.sessions.get(id)?;
        let items = session.line_items.iter().filter_map(|item| {
            let price = state.prices.get(&item.price)?;
            Some(Item {
                name: state.product_name(&price.product),
                price: price.show_in(&session.currency),
                quantity: item.quantity,
            })
        });
        let trial = session
            .trial_end
            .or_else(|| session.trial_days.map(|days| state.now + days * 86_400));
        let (fault_field, fault) = fault.map_or(("", None), |(field, text)| (field, Some(text)));
        Some(Self {
            id: id.to_owned(),
            items: items.collect(),
            total: show_money(session.amount_total, &session.currency),
            trial: trial.map(show_time),
            recurring: session.mode == "subscription",
            debit: session.methods.iter().any(|kind| kind == "sepa_debit"),
            email: state.session_email(session),
            typed,
            cancel_url: session.cancel_url.clone(),
            takes_code: session.allow_promotion_codes == Some(true) && session.discount.is_none(),
            discount: session.discount.as_ref().and_then(|chosen| {
                let coupon = state.coupons.get(&chosen.coupon)?;
                Some((coupon.show(), show_money(session.amount_discount, &session.currency)))
            }),
            without_card: session.card_if_required && session.amount_total == 0,
            fault_field,
            fault,
        })
    }
}

fn unknown() -> Response {
    let text = "There is no such Checkout session. Its link may be from other data of this sandbox.";
    message(StatusCode::NOT_FOUND, "Something went wrong", text, None)
}

fn closed(cancel_url: Option<String>) -> Response {
    let link = cancel_url.map(|href| Link {
        href,
        label: "Go back".to_owned(),
    });
    message(
        StatusCode::GONE,
        "This page has expired",
        "The Checkout session is over. Nothing was charged.",
        link,
    )
}

/// `GET /c/pay/{id}`
pub(super) async fn show(Extract(sandbox): Extract<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    sandbox.edit(|state| match state.sessions.get(&id) {
        None => unknown(),
        Some(session) if session.status == SessionStatus::Complete => {
            let link = Link {
                href: session.success_address(),
                label: "Continue".to_owned(),
            };
            message(
                StatusCode::OK,
                "You're all done here",
                "This payment is complete. It was taken once.",
                Some(link),
            )
        }
        Some(session) if session.status == SessionStatus::Expired => closed(session.cancel_url.clone()),
        Some(_) => form(state, &id, CardForm::default(), None),
    })
}

fn form(state: &State, id: &str, typed: CardForm, fault: Option<(&'static str, String)>) -> Response {
    let status = if fault.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    Checkout::of(state, id, typed, fault).map_or_else(unknown, |checkout| page(status, &checkout))
}

/// `POST /c/pay/{id}`
pub(super) async fn submit(
    Extract(sandbox): Extract<Arc<Sandbox>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(typed): Form<CardForm>,
) -> Response {
    if is_cross_site(&headers) {
        return message(
            StatusCode::FORBIDDEN,
            "Refused",
            "This form was sent from another site.",
            None,
        );
    }
    sandbox.edit(|state| {
        let outcome = state.submit_payment(&id, &typed);
        conclude(state, outcome, &id, typed)
    })
}

#[derive(serde::Deserialize)]
pub(super) struct CodeForm {
    #[serde(default)]
    promotion_code: String,
}

/// `POST /c/pay/{id}/code`
pub(super) async fn code(
    Extract(sandbox): Extract<Arc<Sandbox>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(typed): Form<CodeForm>,
) -> Response {
    if is_cross_site(&headers) {
        return message(
            StatusCode::FORBIDDEN,
            "Refused",
            "This form was sent from another site.",
            None,
        );
    }
    sandbox.edit(|state| {
        let outcome = state.submit_code(&id, &typed.promotion_code);
        conclude(state, outcome, &id, CardForm::default())
    })
}

fn conclude(state: &State, outcome: Outcome, id: &str, typed: CardForm) -> Response {
    match outcome {
        Outcome::Done(address) => see_other(&address),
        Outcome::Authenticate(intent) => see_other(&format!("/c/auth/{intent}")),
        // The number and the code are typed anew, as with Stripe.
        Outcome::Refused { field, message } => {
            let typed = CardForm {
                number: String::new(),
                cvc: String::new(),
                ..typed
            };
            form(state, id, typed, Some((field, message)))
        }
        Outcome::Closed => closed(state.sessions.get(id).and_then(|session| session.cancel_url.clone())),
        Outcome::Unknown => unknown(),
    }
}

#[derive(Template)]
#[template(path = "auth.html")]
struct Ask {
    id: String,
    amount: String,
    card: String,
}

/// `GET /c/auth/{intent}`: the bank's page.
pub(super) async fn ask(Extract(sandbox): Extract<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    sandbox.edit(|state| {
        let Some(intent) = state.payment_intents.get(&id).filter(|intent| intent.session.is_some()) else {
            return unknown();
        };
        let session = intent.session.as_ref().and_then(|id| state.sessions.get(id));
        if let Some(session) = session.filter(|session| !session.is_open()) {
            return see_other(&format!("/c/pay/{}", session.id));
        }
        let card = intent
            .payment_method
            .as_ref()
            .and_then(|id| state.payment_methods.get(id));
        let card = card.map(|method| method.card.show()).unwrap_or_default();
        page(
            StatusCode::OK,
            &Ask {
                id: id.clone(),
                amount: show_money(intent.amount, &intent.currency),
                card,
            },
        )
    })
}

#[derive(serde::Deserialize)]
pub(super) struct AnswerForm {
    answer: String,
}

/// `POST /c/auth/{intent}`
pub(super) async fn answer(
    Extract(sandbox): Extract<Arc<Sandbox>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<AnswerForm>,
) -> Response {
    if is_cross_site(&headers) {
        return message(
            StatusCode::FORBIDDEN,
            "Refused",
            "This form was sent from another site.",
            None,
        );
    }
    sandbox.edit(|state| {
        let (outcome, session) = state.authenticate(&id, form.answer == "complete");
        conclude(
            state,
            outcome,
            session.as_deref().unwrap_or_default(),
            CardForm::default(),
        )
    })
}
