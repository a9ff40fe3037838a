//! Charges: one for each time a card was asked for money, whether it gave any.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::card::{Behaviour, Card};
use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::{Metadata, Params};
use crate::refund::Refund;
use crate::state::State;

/// How long after the payment the card numbers that dispute it do so, in seconds.
const DISPUTED_AFTER_SECONDS: i64 = 60;
/// The newest refunds that an expanded charge shows.
const MAX_SHOWN_REFUNDS: usize = 10;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    pub(crate) intent: String,
    pub(crate) method: Option<String>,
    pub(crate) card: Card,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    /// Stripe's code, the bank's code and the sentence, if no money moved.
    pub(crate) failure: Option<(String, Option<String>, String)>,
    /// When its owner disputes it, by the card's number.
    pub(crate) dispute_at: Option<i64>,
}

impl Charge {
    pub(crate) const fn is_paid(&self) -> bool {
        self.failure.is_none()
    }

    pub(crate) fn render(&self, state: &State) -> Value {
        let (captured, refunded) = (
            if self.is_paid() { self.amount } else { 0 },
            state.refunded_of(&self.id),
        );
        let failure = self.failure.as_ref();
        json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": captured,
            "amount_refunded": refunded,
            "application": null,
            "application_fee": null,
            "application_fee_amount": null,
            "balance_transaction": self.is_paid().then(|| self.id.replacen("ch_", "txn_", 1)),
            "billing_details": {
                "address": { "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null },
                "email": null,
                "name": null,
                "phone": null,
                "tax_id": null,
            },
            "calculated_statement_descriptor": "STRIPE SANDBOX",
            "captured": self.is_paid(),
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": self.description,
            "disputed": state.disputes.values().any(|one| one.charge == self.id),
            "failure_balance_transaction": null,
            "failure_code": failure.map(|(code, ..)| code),
            "failure_message": failure.map(|(.., message)| message),
            "fraud_details": {},
            "livemode": false,
            "metadata": self.metadata,
            "on_behalf_of": null,
            "outcome": self.render_outcome(),
            "paid": self.is_paid(),
            "payment_intent": self.intent,
            "payment_method": self.method,
            "payment_method_details": self.render_card(),
            "receipt_email": null,
            "receipt_number": null,
            "receipt_url": null,
            "refunded": self.is_paid() && refunded == self.amount,
            "review": null,
            "shipping": null,
            "source": null,
            "source_transfer": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": if self.is_paid() { "succeeded" } else { "failed" },
            "transfer_data": null,
            "transfer_group": null,
        })
    }

    fn render_outcome(&self) -> Value {
        let decline = self
            .failure
            .as_ref()
            .map(|(code, decline, _)| decline.clone().unwrap_or_else(|| code.clone()));
        json!({
            "advice_code": null,
            "network_advice_code": null,
            "network_decline_code": null,
            "network_status": if self.is_paid() { "approved_by_network" } else { "declined_by_network" },
            "reason": decline,
            "risk_level": "normal",
            "seller_message": if self.is_paid() { "Payment complete." } else { "The bank did not accept the payment." },
            "type": if self.is_paid() { "authorized" } else { "issuer_declined" },
        })
    }

    fn render_card(&self) -> Value {
        let card = &self.card;
        json!({
            "card": {
                "amount_authorized": self.is_paid().then_some(self.amount),
                "authorization_code": null,
                "brand": card.brand,
                "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
                "country": "US",
                "exp_month": card.exp_month,
                "exp_year": card.exp_year,
                "extended_authorization": { "status": "disabled" },
                "fingerprint": format!("sandbox{}{}", card.brand, card.last4),
                "funding": "credit",
                "incremental_authorization": { "status": "unavailable" },
                "installments": null,
                "last4": card.last4,
                "mandate": null,
                "multicapture": { "status": "unavailable" },
                "network": card.brand,
                "network_token": { "used": false },
                "network_transaction_id": null,
                "overcapture": { "maximum_amount_capturable": self.amount, "status": "unavailable" },
                "regulated_status": "unregulated",
                "three_d_secure": null,
                "transaction_link_id": null,
                "wallet": null,
            },
            "type": "card",
        })
    }
}

impl State {
    pub(crate) fn render_charge(&self, id: &str) -> Value {
        self.charges.get(id).map_or(Value::Null, |charge| charge.render(self))
    }

    /// The charge that moved an intent's money, if one did.
    pub(crate) fn paid_charge_of(&self, intent: &str) -> Option<&Charge> {
        self.charges
            .values()
            .find(|charge| charge.intent == intent && charge.is_paid())
    }

    /// The refunds of a charge as the charge shows them when they are asked for.
    pub(crate) fn render_refunds_of(&self, charge: &str) -> Value {
        let own: Vec<&Refund> = self
            .refunds
            .values()
            .rev()
            .filter(|refund| refund.charge == charge)
            .collect();
        let shown: Vec<Value> = own
            .iter()
            .take(MAX_SHOWN_REFUNDS)
            .map(|refund| refund.render())
            .collect();
        let more = own.len() > MAX_SHOWN_REFUNDS;
        json!({ "object": "list", "data": shown, "has_more": more, "url": format!("/v1/charges/{charge}/refunds") })
    }

    /// Records that a card was charged for an intent, and whether it paid.
    pub(crate) fn add_charge(&mut self, intent: &str, card: &Card, method: Option<&str>, failure: Option<&ApiError>) {
        let id = self.new_id("ch", 10);
        let Some(paying) = self.payment_intents.get_mut(intent) else {
            return;
        };
        paying.latest_charge = Some(id.clone());
        let disputes = matches!(card.behaviour, Behaviour::Disputed | Behaviour::Inquired) && failure.is_none();
        let charge = Charge {
            id: id.clone(),
            created: self.now,
            amount: paying.amount,
            currency: paying.currency.clone(),
            customer: paying.customer.clone(),
            intent: intent.to_owned(),
            method: method.map(str::to_owned),
            card: card.clone(),
            description: paying.description.clone(),
            metadata: paying.metadata.clone(),
            failure: failure.map(|error| {
                let code = error.code.unwrap_or("card_declined").to_owned();
                (code, error.decline_code.map(str::to_owned), error.message.clone())
            }),
            dispute_at: disputes.then_some(self.now + DISPUTED_AFTER_SECONDS),
        };
        let kind = if charge.is_paid() {
            "charge.succeeded"
        } else {
            "charge.failed"
        };
        self.charges.insert(id.clone(), charge);
        let shown = self.render_charge(&id);
        self.emit(kind, shown);
    }
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    state
        .charges
        .get(id)
        .map(|charge| charge.render(state))
        .ok_or_else(|| ApiError::no_such("charge", id))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["customer", "payment_intent"])?;
    let (customer, intent) = (params.text("customer"), params.text("payment_intent"));
    list::page(
        "charge",
        "/v1/charges",
        params,
        &state.charges,
        |one| customer.is_none_or(|id| one.customer.as_deref() == Some(id)) && intent.is_none_or(|id| one.intent == id),
        |one| one.created,
        |one| one.render(state),
    )
}
