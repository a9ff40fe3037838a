//! Customers.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::{Metadata, Params};
use crate::state::State;

const MAX_EMAIL_CHARS: usize = 512;
const FIELDS: [&str; 9] = [
    "email",
    "name",
    "phone",
    "description",
    "metadata",
    "metadata[*]",
    "preferred_locales",
    "preferred_locales[#]",
    "invoice_settings[default_payment_method]",
];

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) deleted: bool,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) preferred_locales: Vec<String>,
    pub(crate) currency: Option<String>,
    /// What the customer owes (positive) or has to its credit (negative), in minor units.
    pub(crate) balance: i64,
    pub(crate) delinquent: bool,
    pub(crate) default_payment_method: Option<String>,
    pub(crate) next_invoice: u32,
}

impl Customer {
    pub(crate) fn render(&self) -> Value {
        if self.deleted {
            return json!({ "id": self.id, "object": "customer", "deleted": true });
        }
        self.render_whole()
    }

    fn render_whole(&self) -> Value {
        json!({
            "id": self.id,
            "object": "customer",
            "address": null,
            "balance": self.balance,
            "created": self.created,
            "currency": self.currency,
            "customer_account": null,
            "default_source": null,
            "delinquent": self.delinquent,
            "description": self.description,
            "discount": null,
            "email": self.email,
            "invoice_prefix": self.invoice_prefix(),
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": self.default_payment_method,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": self.metadata,
            "name": self.name,
            "next_invoice_sequence": self.next_invoice + 1,
            "phone": self.phone,
            "preferred_locales": self.preferred_locales,
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": null,
        })
    }

    pub(crate) fn invoice_prefix(&self) -> String {
        let tail: String = self.id.chars().rev().take(8).collect();
        tail.to_ascii_uppercase()
    }
}

fn change(state: &State, customer: &mut Customer, params: &Params) -> Result<(), ApiError> {
    if let Some(email) = params.text("email")
        && !is_email(email)
    {
        return Err(
            ApiError::invalid(format!("Invalid email address: {email}"), Some("email")).with_code("email_invalid"),
        );
    }
    params.change_text("email", &mut customer.email);
    params.change_text("name", &mut customer.name);
    params.change_text("phone", &mut customer.phone);
    params.change_text("description", &mut customer.description);
    params.change_metadata("metadata", &mut customer.metadata)?;
    let locales = params.list("preferred_locales");
    if !locales.is_empty() {
        customer.preferred_locales = locales.into_iter().map(str::to_owned).collect();
    }
    let card = "invoice_settings[default_payment_method]";
    if let Some(id) = params.text(card) {
        state.card_of(id, &customer.id, card)?;
    }
    params.change_text(card, &mut customer.default_payment_method);
    Ok(())
}

/// Whether the text could be an e-mail address: one `@` with something on both sides, no blanks.
pub(crate) fn is_email(text: &str) -> bool {
    text.len() <= MAX_EMAIL_CHARS
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && (domain.contains('.') || domain == "localhost") && !domain.contains('@')
        })
}

impl State {
    /// Adds a customer and emits its event.
    pub(crate) fn add_customer(&mut self, mut customer: Customer) -> String {
        customer.id = self.new_id("cus", 8);
        customer.created = self.now;
        let (id, shown) = (customer.id.clone(), customer.render());
        self.customers.insert(id.clone(), customer);
        self.emit("customer.created", shown);
        id
    }

    /// Changes a customer and emits its event if anything differs.
    pub(crate) fn edit_customer(&mut self, id: &str, edit: impl FnOnce(&mut Customer)) {
        if let Some(customer) = self.customers.get_mut(id) {
            let before = customer.render();
            edit(customer);
            let after = customer.render();
            self.emit_change("customer.updated", before, after);
        }
    }
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&FIELDS)?;
    let mut customer = Customer::default();
    change(state, &mut customer, params)?;
    let id = state.add_customer(customer);
    Ok(state.customer(&id)?.render())
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    Ok(state.customer(id)?.render())
}

pub(crate) fn update(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&FIELDS)?;
    let mut customer = state.customer(id)?.clone();
    if customer.deleted {
        return Err(ApiError::no_such("customer", id));
    }
    change(state, &mut customer, params)?;
    state.edit_customer(id, |stored| *stored = customer);
    Ok(state.customer(id)?.render())
}

/// Deletes a customer and cancels its subscriptions at once.
pub(crate) fn delete(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    if state.customer(id)?.deleted {
        return Err(ApiError::no_such("customer", id));
    }
    let ids: Vec<String> = state
        .subscriptions_of(id)
        .map(|subscription| subscription.id.clone())
        .collect();
    for subscription in ids {
        state.cancel_subscription(&subscription, "cancellation_requested");
    }
    let open: Vec<String> = state
        .sessions
        .values()
        .filter(|s| s.is_open() && s.customer.as_deref() == Some(id))
        .map(|s| s.id.clone())
        .collect();
    for session in open {
        state.expire_session(&session);
    }
    let whole = state.customer(id)?.render_whole();
    if let Some(customer) = state.customers.get_mut(id) {
        customer.deleted = true;
    }
    state.emit("customer.deleted", whole);
    Ok(state.customer(id)?.render())
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["email"])?;
    let email = params.text("email");
    list::page(
        "customer",
        "/v1/customers",
        params,
        &state.customers,
        |customer| !customer.deleted && email.is_none_or(|email| customer.email.as_deref() == Some(email)),
        |customer| customer.created,
        Customer::render,
    )
}
