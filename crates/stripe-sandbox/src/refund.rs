//! Refunds: money that goes back to the card it came from, and sometimes does not arrive.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::card::Behaviour;
use crate::charge::Charge;
use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::{Metadata, Params};
use crate::price::show_money;
use crate::state::State;

/// How long a refund that does not arrive at once takes, in seconds.
const SETTLES_AFTER_SECONDS: i64 = 3600;
const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
    Canceled,
}

impl RefundStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Whether the money is back, or on its way.
    pub(crate) const fn counts(self) -> bool {
        matches!(self, Self::Pending | Self::Succeeded)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) charge: String,
    pub(crate) intent: String,
    pub(crate) customer: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) status: RefundStatus,
    /// When it settles or fails by itself, and which of the two it is.
    pub(crate) settles: Option<(i64, RefundStatus)>,
}

impl Refund {
    pub(crate) fn render(&self) -> Value {
        let failed = self.status == RefundStatus::Failed;
        let mut shown = json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": self.id.replacen("re_", "txn_", 1),
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "destination_details": { "card": { "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" }, "type": "card" },
            "metadata": self.metadata,
            "payment_intent": self.intent,
            "payment_method": self.method,
            "reason": self.reason,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": self.status.as_str(),
            "transfer_reversal": null,
        });
        if let (true, Some(fields)) = (failed, shown.as_object_mut()) {
            fields.insert("failure_balance_transaction".to_owned(), Value::Null);
            fields.insert("failure_reason".to_owned(), json!("expired_or_canceled_card"));
        }
        if let (RefundStatus::Pending, Some(fields)) = (self.status, shown.as_object_mut()) {
            fields.insert("pending_reason".to_owned(), json!("processing"));
        }
        shown
    }
}

/// A refund as it is asked for.
pub(crate) struct NewRefund {
    pub(crate) charge: String,
    /// All that is left of the charge if absent.
    pub(crate) amount: Option<i64>,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: Metadata,
}

impl State {
    /// What is back of a charge, or on its way back.
    pub(crate) fn refunded_of(&self, charge: &str) -> i64 {
        let own = self
            .refunds
            .values()
            .filter(|one| one.charge == charge && one.status.counts());
        own.map(|one| one.amount).sum()
    }

    /// Sends money back, never more than was captured and not while the charge is disputed.
    pub(crate) fn refund(&mut self, new: NewRefund) -> Result<String, ApiError> {
        let charge = self
            .charges
            .get(&new.charge)
            .cloned()
            .ok_or_else(|| ApiError::no_such_param("charge", &new.charge, "charge"))?;
        let amount = self.refundable(&charge, new.amount)?;
        let id = self.new_id("re", 10);
        let (status, settles) = match charge.card.behaviour {
            Behaviour::RefundFails => (RefundStatus::Succeeded, Some(RefundStatus::Failed)),
            Behaviour::RefundPends => (RefundStatus::Pending, Some(RefundStatus::Succeeded)),
            _ => (RefundStatus::Succeeded, None),
        };
        let refund = Refund {
            id: id.clone(),
            created: self.now,
            amount,
            currency: charge.currency,
            charge: charge.id.clone(),
            intent: charge.intent,
            customer: charge.customer,
            method: charge.method,
            reason: new.reason,
            metadata: new.metadata,
            status,
            settles: settles.map(|to| (self.now + SETTLES_AFTER_SECONDS, to)),
        };
        let shown = refund.render();
        self.refunds.insert(id.clone(), refund);
        self.emit("refund.created", shown);
        let shown = self.render_charge(&charge.id);
        self.emit("charge.refunded", shown);
        Ok(id)
    }

    /// How much may go back, or Stripe's refusal.
    fn refundable(&self, charge: &Charge, wanted: Option<i64>) -> Result<i64, ApiError> {
        if !charge.is_paid() {
            let message = format!("Charge {} was not successful; there is nothing to refund.", charge.id);
            return Err(ApiError::invalid(message, None));
        }
        if self
            .disputes
            .values()
            .any(|one| one.charge == charge.id && one.blocks_refunds())
        {
            let message = format!("Charge {} has been charged back; cannot issue a refund.", charge.id);
            return Err(ApiError::invalid(message, None).with_code("charge_disputed"));
        }
        let left = charge.amount - self.refunded_of(&charge.id);
        if left == 0 {
            let message = format!("Charge {} has already been refunded.", charge.id);
            return Err(ApiError::invalid(message, None).with_code("charge_already_refunded"));
        }
        let amount = wanted.unwrap_or(left);
        if amount < 1 {
            let error = ApiError::invalid("This value must be greater than or equal to 1.", Some("amount"));
            return Err(error.with_code("parameter_invalid_integer"));
        }
        if amount > left {
            let message = format!(
                "Refund amount ({}) is greater than unrefunded amount on charge ({})",
                show_money(amount, &charge.currency),
                show_money(left, &charge.currency)
            );
            return Err(ApiError::invalid(message, Some("amount")));
        }
        Ok(amount)
    }

    /// A refund comes to its end; false if it has come to one already. One that succeeded can still fail: the reader's bank sends it back.
    pub(crate) fn end_refund(&mut self, id: &str, status: RefundStatus) -> bool {
        let Some(refund) = self.refunds.get_mut(id) else {
            return false;
        };
        let open = refund.status == RefundStatus::Pending
            || (refund.status == RefundStatus::Succeeded && status == RefundStatus::Failed);
        if !open {
            return false;
        }
        let before = refund.render();
        refund.status = status;
        refund.settles = None;
        let after = refund.render();
        self.changed = true;
        if status == RefundStatus::Failed {
            self.emit("refund.failed", after.clone());
        }
        self.emit_change("refund.updated", before, after);
        true
    }
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&["charge", "payment_intent", "amount", "reason", "metadata[*]"])?;
    let charge = match (params.text("charge"), params.text("payment_intent")) {
        (Some(_), Some(_)) => {
            let message = "You may only specify one of these parameters: charge, payment_intent.";
            return Err(ApiError::invalid(message, None));
        }
        (Some(charge), None) => charge.to_owned(),
        (None, Some(intent)) => {
            if !state.payment_intents.contains_key(intent) {
                return Err(ApiError::no_such_param("payment_intent", intent, "payment_intent"));
            }
            let paid = state.paid_charge_of(intent).map(|charge| charge.id.clone());
            paid.ok_or_else(|| {
                let message = format!("This PaymentIntent ({intent}) does not have a successful charge to refund.");
                ApiError::invalid(message, Some("payment_intent"))
            })?
        }
        (None, None) => {
            let message = "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(ApiError::invalid(message, None).with_code("parameter_missing"));
        }
    };
    let id = state.refund(NewRefund {
        charge,
        amount: params.integer("amount")?,
        reason: params.choice("reason", &REASONS)?.map(str::to_owned),
        metadata: params.metadata("metadata")?,
    })?;
    Ok(state.refunds.get(&id).map_or(Value::Null, Refund::render))
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    state
        .refunds
        .get(id)
        .map(Refund::render)
        .ok_or_else(|| ApiError::no_such("refund", id))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["charge", "payment_intent"])?;
    let (charge, intent) = (params.text("charge"), params.text("payment_intent"));
    list::page(
        "refund",
        "/v1/refunds",
        params,
        &state.refunds,
        |one| charge.is_none_or(|id| one.charge == id) && intent.is_none_or(|id| one.intent == id),
        |one| one.created,
        Refund::render,
    )
}
