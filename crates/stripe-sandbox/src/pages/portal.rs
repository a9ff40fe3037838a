//! The customer portal.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Path, State as Extract};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::{Link, is_cross_site, message, page, see_other};
use crate::clock::show as show_time;
use crate::error::ApiError;
use crate::invoice::InvoiceStatus;
use crate::pay::CardForm;
use crate::price::show_money;
use crate::sandbox::Sandbox;
use crate::state::State;
use crate::subscription::Subscription;

struct Choice {
    id: String,
    label: String,
}

struct Plan {
    id: String,
    name: String,
    price: String,
    status: &'static str,
    line: String,
    live: bool,
    ends: bool,
    choices: Vec<Choice>,
}

struct Bill {
    id: String,
    date: String,
    amount: String,
    status: &'static str,
    number: String,
}

#[derive(Template)]
#[template(path = "portal.html")]
struct Portal {
    secret: String,
    email: String,
    card: Option<String>,
    return_url: Option<String>,
    plans: Vec<Plan>,
    bills: Vec<Bill>,
    notice: Option<String>,
    failed: bool,
}

fn plan(state: &State, one: &Subscription) -> Plan {
    let price = one.items.first().and_then(|item| state.prices.get(&item.price));
    let live = !one.status.is_over();
    let line = match (live, one.cancel_at) {
        (false, _) => format!("Ended on {}", show_time(one.ended_at.unwrap_or(one.period_end))),
        (true, Some(at)) => format!("Ends on {}", show_time(at)),
        (true, None) => format!("Renews on {}", show_time(one.period_end)),
    };
    let choices = state.portal_choices(one).into_iter().map(|price| Choice {
        id: price.id.clone(),
        label: format!("{}: {}", state.product_name(&price.product), price.show()),
    });
    Plan {
        id: one.id.clone(),
        name: price
            .map(|price| state.product_name(&price.product))
            .unwrap_or_default(),
        price: price.map(crate::price::Price::show).unwrap_or_default(),
        status: one.status.as_str(),
        line,
        live,
        ends: one.cancel_at.is_some(),
        choices: choices.collect(),
    }
}

fn render(state: &State, secret: &str, notice: Option<(bool, String)>) -> Response {
    let Some(session) = state.portal(secret) else {
        return gone();
    };
    let Some(customer) = state.customers.get(&session.customer) else {
        return gone();
    };
    let mine = state
        .subscriptions
        .values()
        .rev()
        .filter(|one| one.customer == customer.id);
    let card = state
        .subscriptions_of(&customer.id)
        .find_map(|one| state.paying_card(one));
    let card = card
        .or_else(|| customer.default_payment_method.clone())
        .and_then(|id| state.payment_methods.get(&id));
    let bills = state
        .invoices
        .values()
        .rev()
        .filter(|one| one.customer == customer.id && one.status != InvoiceStatus::Draft);
    let failed = notice.as_ref().is_some_and(|(failed, _)| *failed);
    let portal = Portal {
        secret: secret.to_owned(),
        email: customer.email.clone().unwrap_or_default(),
        card: card.map(|method| method.card.show()),
        return_url: session.return_url.clone(),
        plans: mine.map(|one| plan(state, one)).collect(),
        bills: bills
            .map(|one| Bill {
                id: one.id.clone(),
                date: show_time(one.created),
                amount: show_money(one.total(), &one.currency),
                status: one.status.as_str(),
                number: one.number.clone().unwrap_or_default(),
            })
            .collect(),
        notice: notice.map(|(_, text)| text),
        failed,
    };
    page(
        if failed {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        },
        &portal,
    )
}

fn gone() -> Response {
    let text = "Portal links work for an hour. Go back to the site and open the portal again.";
    message(StatusCode::GONE, "This link has expired", text, None)
}

/// `GET /p/session/{secret}`
pub(super) async fn show(Extract(sandbox): Extract<Arc<Sandbox>>, Path(secret): Path<String>) -> Response {
    sandbox.edit(|state| render(state, &secret, None))
}

/// `POST /p/session/{secret}/{act}`
pub(super) async fn act(
    Extract(sandbox): Extract<Arc<Sandbox>>,
    Path((secret, act)): Path<(String, String)>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
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
        let Some(customer) = state.portal(&secret).map(|session| session.customer.clone()) else {
            return gone();
        };
        state.changed = true;
        match perform(state, &customer, &act, &form) {
            Ok(true) => see_other(&format!("/p/session/{secret}")),
            Ok(false) => {
                let link = Link {
                    href: format!("/p/session/{secret}"),
                    label: "Back to the portal".to_owned(),
                };
                message(
                    StatusCode::NOT_FOUND,
                    "Nothing here",
                    "The portal has no such action.",
                    Some(link),
                )
            }
            Err(error) => render(state, &secret, Some((true, error.message))),
        }
    })
}

/// Does what a form asks for; false if there is no such form.
fn perform(state: &mut State, customer: &str, act: &str, form: &HashMap<String, String>) -> Result<bool, ApiError> {
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    match act {
        "cancel" | "resume" => {
            let id = state.portal_subscription(customer, text("subscription"))?.id.clone();
            state.set_cancel_at_period_end(&id, act == "cancel");
        }
        "plan" => state.portal_change_plan(customer, text("subscription"), text("price"))?,
        "email" => state.portal_change_email(customer, text("email"))?,
        "card" => {
            let owned = |name: &str| text(name).to_owned();
            let form = CardForm {
                email: String::new(),
                number: owned("number"),
                expiry: owned("expiry"),
                cvc: owned("cvc"),
                name: owned("name"),
                ..CardForm::default()
            };
            state.portal_change_card(customer, &form)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
