//! Checkout sessions: the object.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::debit::Debit;
use crate::discount::Chosen;
use crate::list;
use crate::params::Metadata;
use crate::state::State;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionStatus {
    Open,
    Complete,
    Expired,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LineItem {
    pub(crate) id: String,
    pub(crate) price: String,
    pub(crate) quantity: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) expires_at: i64,
    pub(crate) status: SessionStatus,
    /// `subscription` or `payment`.
    pub(crate) mode: String,
    /// `unpaid`, `paid` or `no_payment_required`.
    pub(crate) payment_status: String,
    pub(crate) customer: Option<String>,
    /// Whether the customer was made by this session.
    pub(crate) customer_email: Option<String>,
    /// What was typed on the page.
    pub(crate) typed_email: Option<String>,
    pub(crate) typed_name: Option<String>,
    pub(crate) client_reference_id: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) subscription_metadata: Metadata,
    pub(crate) subscription_description: Option<String>,
    pub(crate) trial_days: Option<i64>,
    pub(crate) trial_end: Option<i64>,
    pub(crate) intent_metadata: Metadata,
    pub(crate) line_items: Vec<LineItem>,
    pub(crate) currency: String,
    pub(crate) amount_total: i64,
    pub(crate) locale: Option<String>,
    pub(crate) allow_promotion_codes: Option<bool>,
    #[serde(default)]
    pub(crate) discount: Option<Chosen>,
    /// What the discount takes off the first payment.
    #[serde(default)]
    pub(crate) amount_discount: i64,
    /// Whether the page does without a card where nothing is due.
    #[serde(default)]
    pub(crate) card_if_required: bool,
    /// What becomes of a trial that ends without a card.
    #[serde(default)]
    pub(crate) missing_payment_method: Option<String>,
    pub(crate) success_url: String,
    pub(crate) cancel_url: Option<String>,
    pub(crate) subscription: Option<String>,
    pub(crate) invoice: Option<String>,
    /// The payment intent that the page works on; shown only in payment mode.
    pub(crate) intent: Option<String>,
    /// Ways to pay that the page offers.
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    /// Whether a payment gets an invoice.
    #[serde(default)]
    pub(crate) invoice_creation: bool,
    /// A bank debit that has not settled yet.
    #[serde(default)]
    pub(crate) debit: Option<Debit>,
}

impl Session {
    pub(crate) fn is_open(&self) -> bool {
        self.status == SessionStatus::Open
    }

    /// Where the browser goes after payment.
    pub(crate) fn success_address(&self) -> String {
        self.success_url
            .replace("{CHECKOUT_SESSION_ID}", &self.id)
            .replace("%7BCHECKOUT_SESSION_ID%7D", &self.id)
    }

    fn details(&self, state: &State) -> Value {
        let customer = self.customer.as_ref().and_then(|id| state.customers.get(id));
        let email = self.typed_email.clone().or_else(|| self.customer_email.clone());
        let email = email.or_else(|| customer.and_then(|customer| customer.email.clone()));
        if email.is_none() && self.is_open() {
            return Value::Null;
        }
        json!({
            "address": null,
            "business_name": null,
            "email": email,
            "individual_name": null,
            "name": self.typed_name.clone().or_else(|| customer.and_then(|customer| customer.name.clone())),
            "phone": null,
            "tax_exempt": "none",
            "tax_ids": null,
        })
    }

    pub(crate) fn render(&self, state: &State) -> Value {
        let subscription_mode = self.mode == "subscription";
        json!({
            "id": self.id,
            "object": "checkout.session",
            "adaptive_pricing": null,
            "after_expiration": null,
            "allow_promotion_codes": self.allow_promotion_codes,
            "amount_subtotal": self.amount_total + self.amount_discount,
            "amount_total": self.amount_total,
            "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
            "billing_address_collection": null,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.client_reference_id,
            "client_secret": null,
            "collected_information": null,
            "consent": null,
            "consent_collection": null,
            "created": self.created,
            "currency": self.currency,
            "currency_conversion": null,
            "custom_fields": [],
            "custom_text": {
                "after_submit": null,
                "shipping_address": null,
                "submit": null,
                "terms_of_service_acceptance": null,
            },
            "customer": self.customer,
            "customer_account": null,
            "customer_creation": if subscription_mode { Value::Null } else { json!("always") },
            "customer_details": self.details(state),
            "customer_email": self.customer_email,
            "discounts": self.discount.iter().map(|one| json!({ "coupon": one.coupon, "promotion_code": one.promotion_code })).collect::<Vec<_>>(),
            "expires_at": self.expires_at,
            "integration_identifier": null,
            "invoice": self.invoice,
            "invoice_creation": if subscription_mode { Value::Null } else {
                json!({
                    "enabled": self.invoice_creation,
                    "invoice_data": {
                        "account_tax_ids": null,
                        "custom_fields": null,
                        "description": null,
                        "footer": null,
                        "issuer": null,
                        "metadata": {},
                        "rendering_options": null,
                    },
                })
            },
            "livemode": false,
            "locale": self.locale,
            "managed_payments": { "enabled": false },
            "metadata": self.metadata,
            "mode": self.mode,
            "origin_context": null,
            "payment_intent": if subscription_mode { None } else { self.intent.clone() },
            "payment_link": null,
            "payment_method_collection": if subscription_mode && !self.card_if_required { "always" } else { "if_required" },
            "payment_method_configuration_details": null,
            "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
            "payment_method_types": self.methods,
            "payment_status": self.payment_status,
            "permissions": null,
            "phone_number_collection": { "enabled": false },
            "recovered_from": null,
            "saved_payment_method_options": if subscription_mode {
                json!({ "allow_redisplay_filters": ["always"], "payment_method_remove": "disabled", "payment_method_save": null })
            } else { Value::Null },
            "setup_intent": null,
            "shipping_address_collection": null,
            "shipping_cost": null,
            "shipping_options": [],
            "status": self.status,
            "submit_type": null,
            "subscription": self.subscription,
            "success_url": self.success_url,
            "total_details": { "amount_discount": self.amount_discount, "amount_shipping": 0, "amount_tax": 0 },
            "ui_mode": "hosted_page",
            "url": self.is_open().then(|| format!("{}/c/pay/{}", state.public_url, self.id)),
            "wallet_options": null,
        })
    }

    pub(crate) fn render_items(&self, state: &State) -> Value {
        let amounts = state.line_amounts(self);
        let off = match &self.discount {
            Some(chosen) => state.off_lines(&chosen.coupon, &self.currency, &amounts),
            None => vec![0; amounts.len()],
        };
        let items = self
            .line_items
            .iter()
            .zip(amounts.iter().zip(off))
            .filter_map(|(item, ((_, amount), off))| {
                let price = state.prices.get(&item.price)?;
                Some(json!({
                    "id": item.id,
                    "object": "item",
                    "adjustable_quantity": null,
                    "amount_discount": off,
                    "amount_subtotal": amount,
                    "amount_tax": 0,
                    "amount_total": amount - off,
                    "currency": self.currency,
                    "description": state.product_name(&price.product),
                    "metadata": {},
                    "price": price.render(),
                    "quantity": item.quantity,
                }))
            });
        list::whole(
            &format!("/v1/checkout/sessions/{}/line_items", self.id),
            &items.collect::<Vec<_>>(),
        )
    }
}

impl State {
    /// What is due at once for each line of a session, with its product.
    pub(crate) fn line_amounts(&self, session: &Session) -> Vec<(String, i64)> {
        let trial = session.trial_days.is_some() || session.trial_end.is_some();
        let one = |item: &LineItem| {
            let Some(price) = self.prices.get(&item.price) else {
                return (String::new(), 0);
            };
            let unit = price.amount_in(&session.currency).unwrap_or(price.unit_amount);
            let due = !trial || price.recurring.is_none();
            (price.product.clone(), if due { unit * item.quantity } else { 0 })
        };
        session.line_items.iter().map(one).collect()
    }

    /// Counts again what a session comes to.
    pub(crate) fn total_session(&self, session: &mut Session) {
        let amounts = self.line_amounts(session);
        let whole: i64 = amounts.iter().map(|line| line.1).sum();
        session.amount_discount = match &session.discount {
            Some(chosen) => self.off_lines(&chosen.coupon, &session.currency, &amounts).iter().sum(),
            None => 0,
        };
        session.amount_total = whole - session.amount_discount;
    }

    pub(crate) fn render_session(&self, id: &str) -> Value {
        self.sessions
            .get(id)
            .map_or(Value::Null, |session| session.render(self))
    }

    pub(crate) fn render_line_items(&self, id: &str) -> Value {
        self.sessions
            .get(id)
            .map_or(Value::Null, |session| session.render_items(self))
    }

    pub(crate) fn expire_session(&mut self, id: &str) {
        let Some(session) = self.sessions.get_mut(id).filter(|session| session.is_open()) else {
            return;
        };
        session.status = SessionStatus::Expired;
        if let Some(intent) = session.intent.clone() {
            self.cancel_intent(&intent);
        }
        let shown = self.render_session(id);
        self.emit("checkout.session.expired", shown);
    }
}
