//! Payment intents: one per invoice, or one per Checkout session.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::card::Card;
use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::{Metadata, Params};
use crate::state::State;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntentStatus {
    RequiresPaymentMethod,
    RequiresAction,
    Processing,
    Succeeded,
    Canceled,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PaymentIntent {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    pub(crate) payment_method: Option<String>,
    pub(crate) status: IntentStatus,
    pub(crate) last_error: Option<Value>,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) client_secret: String,
    /// The session whose page collects it.
    pub(crate) session: Option<String>,
    #[serde(default)]
    pub(crate) latest_charge: Option<String>,
    /// Where authentication happens, while it is asked for.
    pub(crate) auth_url: Option<String>,
    /// Whether a bank account is debited.
    #[serde(default)]
    pub(crate) debit: bool,
}

impl PaymentIntent {
    pub(crate) fn render(&self) -> Value {
        let next_action = (self.status == IntentStatus::RequiresAction).then(
            || json!({ "type": "redirect_to_url", "redirect_to_url": { "return_url": null, "url": self.auth_url } }),
        );
        json!({
            "id": self.id,
            "object": "payment_intent",
            "allowed_payment_method_types": null,
            "amount": self.amount,
            "amount_capturable": 0,
            "amount_details": { "tip": {} },
            "amount_received": if self.status == IntentStatus::Succeeded { self.amount } else { 0 },
            "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": null,
            "canceled_at": self.canceled_at,
            "cancellation_reason": null,
            "capture_method": "automatic",
            "client_secret": self.client_secret,
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "description": self.description,
            "excluded_payment_method_types": null,
            "last_payment_error": self.last_error,
            "latest_charge": self.latest_charge,
            "livemode": false,
            "managed_payments": null,
            "metadata": self.metadata,
            "next_action": next_action,
            "on_behalf_of": null,
            "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": { "card": { "installments": null, "mandate_options": null, "network": null, "request_three_d_secure": "automatic" } },
            "payment_method_types": [if self.debit { "sepa_debit" } else { "card" }],
            "processing": null,
            "receipt_email": null,
            "review": null,
            "setup_future_usage": "off_session",
            "shipping": null,
            "source": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": self.status,
            "transfer_data": null,
            "transfer_group": null,
        })
    }
}

impl State {
    pub(crate) fn add_intent(&mut self, amount: i64, currency: &str, customer: Option<&str>) -> String {
        let id = self.new_id("pi", 10);
        let client_secret = format!("{id}_secret_{}", self.scatter(&id, 25));
        let intent = PaymentIntent {
            id: id.clone(),
            created: self.now,
            amount,
            currency: currency.to_owned(),
            customer: customer.map(str::to_owned),
            payment_method: None,
            status: IntentStatus::RequiresPaymentMethod,
            last_error: None,
            canceled_at: None,
            description: None,
            metadata: Metadata::new(),
            client_secret,
            session: None,
            latest_charge: None,
            auth_url: None,
            debit: false,
        };
        let shown = intent.render();
        self.payment_intents.insert(id.clone(), intent);
        self.emit("payment_intent.created", shown);
        id
    }

    fn edit_intent(&mut self, id: &str, event: &str, edit: impl FnOnce(&mut PaymentIntent)) {
        let Some(intent) = self.payment_intents.get_mut(id) else {
            return;
        };
        edit(intent);
        let shown = intent.render();
        self.emit(event, shown);
    }

    pub(crate) fn intent_succeeded(&mut self, id: &str, method: &str) {
        if let Some(card) = self.payment_methods.get(method).map(|method| method.card.clone()) {
            self.add_charge(id, &card, Some(method), None);
        }
        self.edit_intent(id, "payment_intent.succeeded", |intent| {
            intent.status = IntentStatus::Succeeded;
            intent.payment_method = Some(method.to_owned());
            intent.last_error = None;
        });
    }

    pub(crate) fn intent_processing(&mut self, id: &str, method: &str, customer: &str) {
        self.edit_intent(id, "payment_intent.processing", |intent| {
            intent.status = IntentStatus::Processing;
            intent.payment_method = Some(method.to_owned());
            intent.customer = Some(customer.to_owned());
            intent.last_error = None;
            intent.debit = true;
        });
    }

    /// A payment did not succeed. `card` is the one that a bank was asked about, if one was.
    pub(crate) fn intent_failed(&mut self, id: &str, method: Option<&str>, card: Option<&Card>, error: &ApiError) {
        if let Some(card) = card {
            self.add_charge(id, card, method, Some(error));
        }
        let mut object = error.object();
        if let (Some(fields), Some(method)) = (
            object.as_object_mut(),
            method.and_then(|id| self.payment_methods.get(id)),
        ) {
            fields.insert("payment_method".into(), method.render());
        }
        self.edit_intent(id, "payment_intent.payment_failed", |intent| {
            intent.status = IntentStatus::RequiresPaymentMethod;
            intent.payment_method = None;
            intent.last_error = Some(object);
        });
    }

    pub(crate) fn intent_asks(&mut self, id: &str, method: &str) {
        let url = format!("{}/c/auth/{id}", self.public_url);
        self.edit_intent(id, "payment_intent.requires_action", |intent| {
            intent.status = IntentStatus::RequiresAction;
            intent.payment_method = Some(method.to_owned());
            intent.auth_url = Some(url);
        });
    }

    pub(crate) fn cancel_intent(&mut self, id: &str) {
        let now = self.now;
        if self
            .payment_intents
            .get(id)
            .is_some_and(|intent| intent.status != IntentStatus::Succeeded)
        {
            self.edit_intent(id, "payment_intent.canceled", |intent| {
                intent.status = IntentStatus::Canceled;
                intent.canceled_at = Some(now);
            });
        }
    }
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&["client_secret"])?;
    state
        .payment_intents
        .get(id)
        .map(PaymentIntent::render)
        .ok_or_else(|| ApiError::no_such("payment_intent", id))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["customer"])?;
    let customer = params.text("customer");
    list::page(
        "payment_intent",
        "/v1/payment_intents",
        params,
        &state.payment_intents,
        |intent| customer.is_none() || intent.customer.as_deref() == customer,
        |intent| intent.created,
        PaymentIntent::render,
    )
}
