//! The control panel's rows of charges, refunds and disputes, and their buttons.

use super::control::MAX_ROWS;
use crate::config::SandboxError;
use crate::dispute::DisputeStatus;
use crate::params::Metadata;
use crate::price::show_money;
use crate::refund::{NewRefund, RefundStatus};
use crate::sandbox::Sandbox;
use crate::state::State;

/// What can be done about a row: the action's name in the address, and the button's words.
type Button = (&'static str, &'static str);

/// A charge, a refund or a dispute.
pub(super) struct MoneyRow {
    pub(super) id: String,
    pub(super) about: String,
    pub(super) amount: String,
    pub(super) status: String,
    pub(super) created: String,
    pub(super) buttons: Vec<Button>,
}

/// The charges, the newest first.
pub(super) fn charges(state: &State) -> Vec<MoneyRow> {
    let row = |one: &crate::charge::Charge| {
        let refunded = state.refunded_of(&one.id);
        let disputed = state.disputes.values().any(|dispute| dispute.charge == one.id);
        let open = one.is_paid() && refunded < one.amount;
        let mut buttons = vec![];
        if open {
            buttons.push(("refund", "Refund"));
        }
        if one.is_paid() && !disputed {
            buttons.extend([("dispute", "Dispute"), ("inquire", "Inquire")]);
        }
        MoneyRow {
            id: one.id.clone(),
            about: one.customer.clone().unwrap_or_default(),
            amount: show_money(one.amount, &one.currency),
            status: match (one.is_paid(), refunded) {
                (false, _) => "failed".to_owned(),
                (true, 0) => "paid".to_owned(),
                (true, back) if back == one.amount => "refunded".to_owned(),
                (true, back) => format!("{} refunded", show_money(back, &one.currency)),
            },
            created: crate::clock::show(one.created),
            buttons,
        }
    };
    state.charges.values().rev().take(MAX_ROWS).map(row).collect()
}

/// The refunds, the newest first.
pub(super) fn refunds(state: &State) -> Vec<MoneyRow> {
    let row = |one: &crate::refund::Refund| MoneyRow {
        id: one.id.clone(),
        about: one.charge.clone(),
        amount: show_money(one.amount, &one.currency),
        status: one.status.as_str().to_owned(),
        created: crate::clock::show(one.created),
        buttons: match one.status {
            RefundStatus::Pending => vec![("refund_settle", "Let it arrive"), ("refund_fail", "Let it fail")],
            RefundStatus::Succeeded => vec![("refund_fail", "Let it fail")],
            RefundStatus::Failed | RefundStatus::Canceled => vec![],
        },
    };
    state.refunds.values().rev().take(MAX_ROWS).map(row).collect()
}

/// The disputes, the newest first.
pub(super) fn disputes(state: &State) -> Vec<MoneyRow> {
    let row = |one: &crate::dispute::Dispute| MoneyRow {
        id: one.id.clone(),
        about: one.charge.clone(),
        amount: show_money(one.amount, &one.currency),
        status: one.status.as_str().to_owned(),
        created: crate::clock::show(one.created),
        buttons: match one.status {
            DisputeStatus::WarningNeedsResponse | DisputeStatus::WarningUnderReview => {
                vec![("dispute_close", "Close"), ("dispute_escalate", "Becomes a dispute")]
            }
            DisputeStatus::NeedsResponse => vec![
                ("dispute_review", "Send evidence"),
                ("dispute_win", "Win"),
                ("dispute_lose", "Lose"),
            ],
            DisputeStatus::UnderReview => vec![("dispute_win", "Win"), ("dispute_lose", "Lose")],
            DisputeStatus::WarningClosed | DisputeStatus::Won | DisputeStatus::Lost => vec![],
        },
    };
    state.disputes.values().rev().take(MAX_ROWS).map(row).collect()
}

/// Does what a button of these rows says; false if there is no such button.
pub(super) fn perform(sandbox: &Sandbox, act: &str, id: &str) -> Result<bool, SandboxError> {
    let control = sandbox.control();
    match act {
        "refund" => {
            let new = NewRefund {
                charge: id.to_owned(),
                amount: None,
                reason: Some("requested_by_customer".to_owned()),
                metadata: Metadata::new(),
            };
            sandbox.edit(|state| state.refund(new).map_err(crate::control::refused))?;
        }
        "dispute" | "inquire" => drop(control.open_dispute(id, act == "inquire")?),
        "refund_settle" => control.settle_refund(id)?,
        "refund_fail" => control.fail_refund(id)?,
        "dispute_review" => control.review_dispute(id)?,
        "dispute_win" => control.win_dispute(id)?,
        "dispute_lose" => control.lose_dispute(id)?,
        "dispute_close" => control.close_inquiry(id)?,
        "dispute_escalate" => control.escalate_inquiry(id)?,
        _ => return Ok(false),
    }
    Ok(true)
}
