//! The hosted invoice page.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State as Extract};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::{is_cross_site, message, page, see_other};
use crate::clock::show as show_time;
use crate::invoice::InvoiceStatus;
use crate::price::show_money;
use crate::sandbox::Sandbox;
use crate::state::State;

struct Row {
    text: String,
    amount: String,
}

#[derive(Template)]
#[template(path = "invoice.html")]
struct Hosted {
    id: String,
    number: String,
    date: String,
    status: &'static str,
    rows: Vec<Row>,
    total: String,
    due: String,
    open: bool,
    fault: Option<String>,
}

fn render(state: &State, id: &str, fault: Option<String>) -> Response {
    let Some(invoice) = state.invoices.get(id).filter(|one| one.status != InvoiceStatus::Draft) else {
        return message(
            StatusCode::NOT_FOUND,
            "Something went wrong",
            "There is no such invoice.",
            None,
        );
    };
    let money = |amount| show_money(amount, &invoice.currency);
    let status = if fault.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let hosted = Hosted {
        id: id.to_owned(),
        number: invoice.number.clone().unwrap_or_default(),
        date: show_time(invoice.created),
        status: invoice.status.as_str(),
        rows: invoice
            .lines
            .iter()
            .map(|line| Row {
                text: line.description.clone(),
                amount: money(line.amount),
            })
            .collect(),
        total: money(invoice.total()),
        due: money(invoice.amount_due),
        open: invoice.status == InvoiceStatus::Open,
        fault,
    };
    page(status, &hosted)
}

/// `GET /i/{id}`
pub(super) async fn show(Extract(sandbox): Extract<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    sandbox.edit(|state| render(state, &id, None))
}

/// `POST /i/{id}`: pays with the card on file, its owner being there to authenticate.
pub(super) async fn pay(
    Extract(sandbox): Extract<Arc<Sandbox>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if is_cross_site(&headers) {
        return message(
            StatusCode::FORBIDDEN,
            "Refused",
            "This form was sent from another site.",
            None,
        );
    }
    sandbox.edit(|state| match state.pay_in_person(&id) {
        Ok(()) => see_other(&format!("/i/{id}")),
        Err(error) => render(state, &id, Some(error.message)),
    })
}
