//! Disputes: a reader's bank takes a payment back, or asks about it first.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::card::Behaviour;
use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::Params;
use crate::state::State;

/// How long Stripe gives for evidence, in seconds.
const DUE_AFTER_SECONDS: i64 = 7 * 86_400;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisputeStatus {
    WarningNeedsResponse,
    WarningUnderReview,
    WarningClosed,
    NeedsResponse,
    UnderReview,
    Won,
    Lost,
}

impl DisputeStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::WarningNeedsResponse => "warning_needs_response",
            Self::WarningUnderReview => "warning_under_review",
            Self::WarningClosed => "warning_closed",
            Self::NeedsResponse => "needs_response",
            Self::UnderReview => "under_review",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    /// Whether the bank only asks; no money has moved.
    pub(crate) const fn is_inquiry(self) -> bool {
        matches!(
            self,
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed
        )
    }

    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::WarningClosed | Self::Won | Self::Lost)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) charge: String,
    pub(crate) intent: String,
    pub(crate) brand: String,
    pub(crate) status: DisputeStatus,
    pub(crate) submissions: u32,
}

impl Dispute {
    /// Whether the charge cannot be refunded, because the bank has taken the money itself.
    pub(crate) const fn blocks_refunds(&self) -> bool {
        matches!(
            self.status,
            DisputeStatus::NeedsResponse | DisputeStatus::UnderReview | DisputeStatus::Lost
        )
    }

    fn transaction(&self, prefix: &str, amount: i64, kind: &str) -> Value {
        json!({
            "id": self.id.replacen("du_", prefix, 1),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": self.created,
            "balance_type": "payments",
            "created": self.created,
            "currency": self.currency,
            "description": format!("Chargeback {kind} for {}", self.charge),
            "exchange_rate": null,
            "fee": 0,
            "fee_details": [],
            "net": amount,
            "reporting_category": kind,
            "source": self.id,
            "status": "pending",
            "type": "adjustment",
        })
    }

    pub(crate) fn render(&self) -> Value {
        let inquiry = self.status.is_inquiry();
        let mut transactions = vec![];
        if !inquiry {
            transactions.push(self.transaction("txn_w", -self.amount, "dispute"));
        }
        if self.status == DisputeStatus::Won {
            transactions.push(self.transaction("txn_r", self.amount, "dispute_reversal"));
        }
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": transactions,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": evidence(),
            "evidence_details": {
                "due_by": self.created + DUE_AFTER_SECONDS,
                "enhanced_eligibility": {},
                "has_evidence": self.submissions > 0,
                "past_due": false,
                "submission_count": self.submissions,
            },
            "is_charge_refundable": inquiry,
            "livemode": false,
            "metadata": {},
            "payment_intent": self.intent,
            "payment_method_details": {
                "card": {
                    "brand": self.brand,
                    "case_type": if inquiry { "inquiry" } else { "chargeback" },
                    "network": self.brand,
                    "network_reason_code": "10.4",
                },
                "type": "card",
            },
            "reason": "fraudulent",
            "status": self.status.as_str(),
        })
    }
}

/// What an owner would fill in; here nobody does.
fn evidence() -> Value {
    let names = [
        "access_activity_log",
        "billing_address",
        "cancellation_policy",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "customer_communication",
        "customer_email_address",
        "customer_name",
        "customer_purchase_ip",
        "customer_signature",
        "duplicate_charge_documentation",
        "duplicate_charge_explanation",
        "duplicate_charge_id",
        "product_description",
        "receipt",
        "refund_policy",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
        "service_date",
        "service_documentation",
        "shipping_address",
        "shipping_carrier",
        "shipping_date",
        "shipping_documentation",
        "shipping_tracking_number",
        "uncategorized_file",
        "uncategorized_text",
    ];
    let fields = names.iter().map(|name| ((*name).to_owned(), Value::Null));
    let whole = fields.chain([("enhanced_evidence".to_owned(), json!({}))]);
    Value::Object(whole.collect())
}

impl State {
    /// The bank disputes a charge, or asks about it. One that moved no money, or has an open dispute, is refused.
    pub(crate) fn open_dispute(&mut self, charge: &str, inquiry: bool) -> Result<String, ApiError> {
        let charge = self
            .charges
            .get(charge)
            .filter(|one| one.is_paid())
            .cloned()
            .ok_or_else(|| ApiError::no_such_param("charge", charge, "charge"))?;
        if self
            .disputes
            .values()
            .any(|one| one.charge == charge.id && !(one.status.is_over() && one.status.is_inquiry()))
        {
            return Err(ApiError::invalid("The charge was disputed before.", Some("charge")));
        }
        let id = self.new_id("du", 10);
        let status = if inquiry {
            DisputeStatus::WarningNeedsResponse
        } else {
            DisputeStatus::NeedsResponse
        };
        let dispute = Dispute {
            id: id.clone(),
            created: self.now,
            amount: charge.amount,
            currency: charge.currency,
            charge: charge.id.clone(),
            intent: charge.intent,
            brand: charge.card.brand,
            status,
            submissions: 0,
        };
        let shown = dispute.render();
        self.disputes.insert(id.clone(), dispute);
        if let Some(charge) = self.charges.get_mut(&charge.id) {
            charge.dispute_at = None;
        }
        self.emit("charge.dispute.created", shown.clone());
        if !inquiry {
            self.emit("charge.dispute.funds_withdrawn", shown);
        }
        Ok(id)
    }

    /// The dispute that a card's number stands for.
    pub(crate) fn dispute_by_card(&mut self, charge: &str) {
        let Some(one) = self.charges.get_mut(charge) else {
            return;
        };
        one.dispute_at = None;
        let inquiry = one.card.behaviour == Behaviour::Inquired;
        let _ = self.open_dispute(charge, inquiry);
    }

    /// Moves an open dispute on; refused if it is over, or if no dispute goes that way.
    pub(crate) fn move_dispute(&mut self, id: &str, to: DisputeStatus) -> Result<(), ApiError> {
        use DisputeStatus::{Lost, NeedsResponse, UnderReview, WarningClosed, WarningUnderReview, Won};
        let dispute = self
            .disputes
            .get_mut(id)
            .ok_or_else(|| ApiError::no_such("dispute", id))?;
        let from = dispute.status;
        // An inquiry is closed or becomes a dispute; a dispute is won or lost and never an inquiry again.
        let fits = match to {
            WarningUnderReview | WarningClosed | NeedsResponse => from.is_inquiry(),
            UnderReview | Won | Lost => !from.is_inquiry(),
            DisputeStatus::WarningNeedsResponse => false,
        };
        if from.is_over() || !fits || from == to {
            let message = format!("This dispute is {} and cannot become {}.", from.as_str(), to.as_str());
            return Err(ApiError::invalid(message, None));
        }
        if matches!(to, UnderReview | WarningUnderReview) {
            dispute.submissions += 1;
        }
        let before = dispute.render();
        dispute.status = to;
        let after = dispute.render();
        self.emit_change("charge.dispute.updated", before, after.clone());
        if to == NeedsResponse {
            self.emit("charge.dispute.funds_withdrawn", after.clone());
        }
        if to.is_over() {
            self.emit("charge.dispute.closed", after.clone());
        }
        if to == Won {
            self.emit("charge.dispute.funds_reinstated", after);
        }
        Ok(())
    }
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    state
        .disputes
        .get(id)
        .map(Dispute::render)
        .ok_or_else(|| ApiError::no_such("dispute", id))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["charge", "payment_intent"])?;
    let (charge, intent) = (params.text("charge"), params.text("payment_intent"));
    list::page(
        "dispute",
        "/v1/disputes",
        params,
        &state.disputes,
        |one| charge.is_none_or(|id| one.charge == id) && intent.is_none_or(|id| one.intent == id),
        |one| one.created,
        Dispute::render,
    )
}

/// The account's owner gives in: the dispute is lost, an inquiry is left alone.
pub(crate) fn close(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    let inquiry = state.disputes.get(id).is_some_and(|one| one.status.is_inquiry());
    if inquiry {
        return Err(ApiError::invalid("An inquiry cannot be closed by its merchant.", None));
    }
    state.move_dispute(id, DisputeStatus::Lost)?;
    Ok(state.disputes.get(id).map_or(Value::Null, Dispute::render))
}
