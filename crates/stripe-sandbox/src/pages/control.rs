//! The control panel: everything there is, and buttons for what a real Stripe does not let one do.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Form, Path, State as Extract};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::money::{self, MoneyRow};
use super::{Link, is_cross_site, message, page, see_other};
use crate::clock::show as show_time;
use crate::config::SandboxError;
use crate::delivery::Twist;
use crate::fault::Fault;
use crate::mode::DeliveryMode;
use crate::price::show_money;
use crate::sandbox::Sandbox;
use crate::state::State;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Rows of each table; older ones are in the API.
pub(super) const MAX_ROWS: usize = 50;
const MAX_DELAY_MS: i64 = 30 * DAY_MS;
const MAX_FAULTS: usize = 100;

struct CustomerRow {
    id: String,
    email: String,
    created: String,
    failing: u32,
}

struct SubscriptionRow {
    id: String,
    customer: String,
    plan: String,
    status: &'static str,
    period_end: String,
    ends: bool,
}

struct InvoiceRow {
    id: String,
    customer: String,
    amount: String,
    status: &'static str,
    created: String,
    next: String,
    draft: bool,
}

struct EventRow {
    id: String,
    kind: String,
    object: String,
    created: String,
    deliveries: String,
}

#[derive(Template)]
#[template(path = "control.html")]
struct Panel {
    token: String,
    now: String,
    ahead: String,
    next_renewal: Option<String>,
    mode: &'static str,
    modes: [&'static str; 7],
    paused: bool,
    webhook: Option<String>,
    secret: String,
    faults: usize,
    customers: Vec<CustomerRow>,
    subscriptions: Vec<SubscriptionRow>,
    invoices: Vec<InvoiceRow>,
    /// Title, name of what the second column holds, rows.
    money: Vec<(&'static str, &'static str, Vec<MoneyRow>)>,
    events: Vec<EventRow>,
}

fn ahead(ms: i64) -> String {
    match ms / HOUR_MS {
        0 => "with the system's clock".to_owned(),
        hours if hours < 48 => format!("{hours} h ahead of the system's clock"),
        hours => format!("{} days {} h ahead of the system's clock", hours / 24, hours % 24),
    }
}

fn deliveries(state: &State, event: &str) -> String {
    let shown: Vec<String> = state
        .deliveries
        .values()
        .filter(|one| one.event == event)
        .map(|one| {
            let answer = one
                .status
                .map(|status| status.to_string())
                .or_else(|| one.error.clone())
                .unwrap_or_default();
            let tries = if one.tries == 1 {
                "1 try".to_owned()
            } else {
                format!("{} tries", one.tries)
            };
            let comma = if answer.is_empty() { "" } else { ", " };
            format!("{} ({tries}{comma}{answer})", one.progress.as_str())
        })
        .collect();
    if shown.is_empty() {
        "nobody to send it to".to_owned()
    } else {
        shown.join("; ")
    }
}

fn subscription_row(state: &State, one: &crate::subscription::Subscription) -> SubscriptionRow {
    let price = one.items.first().and_then(|item| state.prices.get(&item.price));
    SubscriptionRow {
        id: one.id.clone(),
        customer: one.customer.clone(),
        plan: price
            .map(|price| format!("{}, {}", state.product_name(&price.product), price.show()))
            .unwrap_or_default(),
        status: one.status.as_str(),
        period_end: show_time(one.period_end),
        ends: one.cancel_at.is_some() && !one.status.is_over(),
    }
}

fn panel(state: &State, sandbox: &Sandbox) -> Panel {
    use crate::invoice::InvoiceStatus;
    let endpoint = state.endpoints.get(crate::endpoint::CONFIGURED);
    let customers = state.customers.values().rev().filter(|one| !one.deleted).take(MAX_ROWS);
    Panel {
        token: sandbox.form_token().to_owned(),
        now: show_time(state.now),
        ahead: ahead(sandbox.clock().offset_ms()),
        next_renewal: state.next_renewal().map(show_time),
        mode: state.modes.delivery.as_str(),
        modes: [
            "normal",
            "drop",
            "double",
            "delay",
            "reorder",
            "bad_signature",
            "old_timestamp",
        ],
        paused: state.modes.paused,
        webhook: endpoint.map(|one| one.url.clone()),
        secret: endpoint.map(|one| one.secret.clone()).unwrap_or_default(),
        faults: state.faults.len(),
        customers: customers
            .map(|one| CustomerRow {
                id: one.id.clone(),
                email: one.email.clone().unwrap_or_default(),
                created: show_time(one.created),
                failing: state.failing.get(&one.id).copied().unwrap_or_default(),
            })
            .collect(),
        subscriptions: state
            .subscriptions
            .values()
            .rev()
            .take(MAX_ROWS)
            .map(|one| subscription_row(state, one))
            .collect(),
        invoices: state
            .invoices
            .values()
            .rev()
            .take(MAX_ROWS)
            .map(|one| InvoiceRow {
                id: one.id.clone(),
                customer: one.customer.clone(),
                amount: show_money(one.amount_due, &one.currency),
                status: one.status.as_str(),
                created: show_time(one.created),
                next: one.next_attempt.or(one.finalise_at).map(show_time).unwrap_or_default(),
                draft: one.status == InvoiceStatus::Draft,
            })
            .collect(),
        money: vec![
            ("Charges", "Customer", money::charges(state)),
            ("Refunds", "Charge", money::refunds(state)),
            ("Disputes", "Charge", money::disputes(state)),
        ],
        events: state
            .events
            .values()
            .rev()
            .take(MAX_ROWS)
            .map(|one| EventRow {
                id: one.id.clone(),
                kind: one.kind.clone(),
                object: one.object_id().to_owned(),
                created: show_time(one.created),
                deliveries: deliveries(state, &one.id),
            })
            .collect(),
    }
}

/// `GET /control`
pub(super) async fn show(Extract(sandbox): Extract<Arc<Sandbox>>) -> Response {
    let panel = sandbox.edit(|state| panel(state, &sandbox));
    page(StatusCode::OK, &panel)
}

#[derive(Template)]
#[template(path = "event.html")]
struct Shown {
    id: String,
    kind: String,
    json: String,
    deliveries: String,
}

/// `GET /control/event/{id}`
pub(super) async fn event(Extract(sandbox): Extract<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    sandbox.edit(|state| {
        let Some(event) = state.events.get(&id) else {
            return message(
                StatusCode::NOT_FOUND,
                "Nothing here",
                "There is no such event.",
                Some(back()),
            );
        };
        let json = serde_json::to_string_pretty(&state.render_event(event)).unwrap_or_default();
        page(
            StatusCode::OK,
            &Shown {
                id: id.clone(),
                kind: event.kind.clone(),
                json,
                deliveries: deliveries(state, &id),
            },
        )
    })
}

fn back() -> Link {
    Link {
        href: "/control".to_owned(),
        label: "Back to the control panel".to_owned(),
    }
}

/// `POST /control/{act}`: each form carries the panel's token, because pages with scripts of others run beside it.
pub(super) async fn act(
    Extract(sandbox): Extract<Arc<Sandbox>>,
    Path(act): Path<String>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let token = form.get("token").map(String::as_str).unwrap_or_default();
    if is_cross_site(&headers) || verify_slices_are_equal(token.as_bytes(), sandbox.form_token().as_bytes()).is_err() {
        let text =
            "The form is from another site, or older than this run of the sandbox. Reload the panel and try again.";
        return message(StatusCode::FORBIDDEN, "Refused", text, Some(back()));
    }
    match perform(&sandbox, &act, &form) {
        Ok(true) => see_other("/control"),
        Ok(false) => message(
            StatusCode::NOT_FOUND,
            "Nothing here",
            "The panel has no such action.",
            Some(back()),
        ),
        Err(error) => message(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Not done",
            &error.to_string(),
            Some(back()),
        ),
    }
}

fn perform(sandbox: &Sandbox, act: &str, form: &HashMap<String, String>) -> Result<bool, SandboxError> {
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let number = |name: &str| text(name).trim().parse::<i64>().unwrap_or_default();
    let control = sandbox.control();
    match act {
        "advance" => return Ok(advance(sandbox, text("by"))),
        "mode" => match read_mode(text("mode"), number("delay_seconds")) {
            Some(mode) => control.set_delivery_mode(mode),
            None => return Ok(false),
        },
        "pause" => control.pause_deliveries(text("paused") == "true"),
        "resend" => return resend(sandbox, text("event"), text("how")),
        "roll" => drop(control.roll_secret()?),
        "fail" => control.fail_next_payments(text("customer"), u32::try_from(number("times")).unwrap_or_default())?,
        "faults" if number("times") == 0 => control.forget_faults(),
        "faults" => {
            let fault = match text("fault") {
                "server_error" => Fault::ServerError,
                "unavailable" => Fault::Unavailable,
                "rate_limited" => Fault::RateLimited { retry_after_seconds: 2 },
                "timeout" => Fault::TimeoutAfterEffect { hold_ms: 60_000 },
                "bad_gateway" => Fault::BadGateway,
                _ => return Ok(false),
            };
            control.fail_next_calls(
                usize::try_from(number("times")).unwrap_or_default().min(MAX_FAULTS),
                fault,
            );
        }
        "cancel" | "end" | "resume" => return change_subscription(sandbox, act, text("subscription")),
        other => return money::perform(sandbox, other, text("id")),
    }
    Ok(true)
}

fn advance(sandbox: &Sandbox, by: &str) -> bool {
    let step = match by {
        "hour" => HOUR_MS,
        "day" => DAY_MS,
        "week" => 7 * DAY_MS,
        "month" => {
            let now = sandbox.clock().now_ms();
            crate::clock::add_intervals(now.div_euclid(1000), crate::clock::Interval::Month, 1) * 1000 - now
        }
        "renewal" => {
            let _ = sandbox.control().advance_to_next_renewal();
            return true;
        }
        _ => return false,
    };
    sandbox.advance(step);
    true
}

fn read_mode(name: &str, delay_seconds: i64) -> Option<DeliveryMode> {
    Some(match name {
        "normal" => DeliveryMode::Normal,
        "drop" => DeliveryMode::Drop,
        "double" => DeliveryMode::Double,
        "delay" => DeliveryMode::Delay(delay_seconds.saturating_mul(1000).clamp(0, MAX_DELAY_MS)),
        "reorder" => DeliveryMode::Reorder,
        "bad_signature" => DeliveryMode::BadSignature,
        "old_timestamp" => DeliveryMode::OldTimestamp,
        _ => return None,
    })
}

fn resend(sandbox: &Sandbox, event: &str, how: &str) -> Result<bool, SandboxError> {
    let twist = match how {
        "bad_signature" => Some(Twist::BadSignature),
        "old_timestamp" => Some(Twist::OldTimestamp),
        _ => None,
    };
    let now_ms = sandbox.clock().now_ms();
    let known = sandbox.edit(|state| state.resend(event, now_ms, twist));
    if known {
        Ok(true)
    } else {
        Err(SandboxError::NoSuch {
            what: "event",
            id: event.to_owned(),
        })
    }
}

fn change_subscription(sandbox: &Sandbox, act: &str, id: &str) -> Result<bool, SandboxError> {
    sandbox.edit(|state| {
        if state.subscriptions.get(id).is_none_or(|one| one.status.is_over()) {
            return Err(SandboxError::NoSuch {
                what: "live subscription",
                id: id.to_owned(),
            });
        }
        match act {
            "end" => state.cancel_subscription(id, "cancellation_requested"),
            _ => state.set_cancel_at_period_end(id, act == "cancel"),
        }
        state.changed = true;
        Ok(true)
    })
}
