//! Invoices, their lines and their payments: the objects. What happens to them is in `collect`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::list;
use crate::params::Metadata;
use crate::state::State;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InvoiceStatus {
    Draft,
    Open,
    Paid,
    Uncollectible,
    Void,
}

impl InvoiceStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Uncollectible => "uncollectible",
            Self::Void => "void",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) description: String,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) price: String,
    pub(crate) quantity: i64,
    pub(crate) subscription: Option<String>,
    pub(crate) item: Option<String>,
    pub(crate) proration: bool,
    /// Discounts and what they take off.
    #[serde(default)]
    pub(crate) discounts: Vec<(String, i64)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subscription: Option<String>,
    pub(crate) subscription_metadata: Metadata,
    pub(crate) reason: String,
    pub(crate) status: InvoiceStatus,
    pub(crate) currency: String,
    pub(crate) number: Option<String>,
    pub(crate) lines: Vec<Line>,
    pub(crate) period_start: i64,
    pub(crate) period_end: i64,
    pub(crate) starting_balance: i64,
    pub(crate) ending_balance: Option<i64>,
    pub(crate) amount_due: i64,
    pub(crate) amount_paid: i64,
    pub(crate) attempts: u32,
    pub(crate) next_attempt: Option<i64>,
    /// When a draft finalises itself.
    pub(crate) finalise_at: Option<i64>,
    pub(crate) finalised_at: Option<i64>,
    pub(crate) paid_at: Option<i64>,
    pub(crate) voided_at: Option<i64>,
    pub(crate) uncollectible_at: Option<i64>,
    pub(crate) intent: Option<String>,
    pub(crate) metadata: Metadata,
}

/// How an invoice is paid by a payment intent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InvoicePayment {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) invoice: String,
    pub(crate) intent: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) paid_at: Option<i64>,
    pub(crate) canceled_at: Option<i64>,
}

impl InvoicePayment {
    pub(crate) fn status(&self) -> &'static str {
        match (self.paid_at, self.canceled_at) {
            (Some(_), _) => "paid",
            (None, Some(_)) => "canceled",
            (None, None) => "open",
        }
    }

    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "invoice_payment",
            "amount_paid": self.paid_at.map(|_| self.amount),
            "amount_requested": self.amount,
            "created": self.created,
            "currency": self.currency,
            "invoice": self.invoice,
            "is_default": true,
            "livemode": false,
            "payment": { "payment_intent": self.intent, "type": "payment_intent" },
            "status": self.status(),
            "status_transitions": { "canceled_at": self.canceled_at, "paid_at": self.paid_at },
        })
    }
}

impl Line {
    /// A proration line; `of` is price, quantity, subscription and item.
    pub(crate) fn proration(
        state: &mut State,
        amount: i64,
        description: String,
        (start, end): (i64, i64),
        (price, quantity, subscription, item): (&str, i64, &str, &str),
    ) -> Self {
        Self {
            id: state.new_id("il", 10),
            amount,
            description,
            start,
            end,
            price: price.to_owned(),
            quantity,
            subscription: Some(subscription.to_owned()),
            item: Some(item.to_owned()),
            proration: true,
            discounts: Vec::new(),
        }
    }

    /// What discounts take off it.
    pub(crate) fn off(&self) -> i64 {
        self.discounts.iter().map(|discount| discount.1).sum()
    }

    fn render(&self, invoice: &Invoice, state: &State) -> Value {
        let price = state.prices.get(&self.price);
        let parent = self.item.as_ref().map(|item| {
            json!({
                "invoice_item_details": null,
                "subscription_item_details": {
                    "invoice_item": null,
                    "proration": self.proration,
                    "proration_details": { "credited_items": null },
                    "subscription": self.subscription,
                    "subscription_item": item,
                },
                "type": "subscription_item_details",
            })
        });
        json!({
            "id": self.id,
            "object": "line_item",
            "amount": self.amount,
            "currency": invoice.currency,
            "description": self.description,
            "discount_amounts": self.discounts.iter().map(|(id, amount)| json!({ "amount": amount, "discount": id })).collect::<Vec<_>>(),
            "discountable": !self.proration,
            "discounts": self.discounts.iter().map(|(id, _)| id).collect::<Vec<_>>(),
            "invoice": invoice.id,
            "livemode": false,
            "metadata": if self.item.is_some() { json!(invoice.subscription_metadata) } else { json!({}) },
            "parent": parent,
            "period": { "end": self.end, "start": self.start },
            "pretax_credit_amounts": [],
            "pricing": {
                "price_details": { "price": self.price, "product": price.map(|price| price.product.clone()) },
                "type": "price_details",
                "unit_amount_decimal": price.and_then(|price| price.amount_in(&invoice.currency)).map(|amount| amount.to_string()),
            },
            "quantity": self.quantity,
            "quantity_decimal": self.quantity.to_string(),
            "subscription": null,
            "subtotal": self.amount,
            "taxes": [],
        })
    }
}

impl Invoice {
    pub(crate) fn subtotal(&self) -> i64 {
        self.lines.iter().map(|line| line.amount).sum()
    }

    pub(crate) fn total(&self) -> i64 {
        self.subtotal() - self.lines.iter().map(Line::off).sum::<i64>()
    }

    /// What each discount takes off all lines.
    fn discount_amounts(&self) -> Vec<(&str, i64)> {
        let mut sums: Vec<(&str, i64)> = Vec::new();
        for (id, amount) in self.lines.iter().flat_map(|line| &line.discounts) {
            match sums.iter_mut().find(|(known, _)| known == id) {
                Some((_, sum)) => *sum += amount,
                None => sums.push((id, *amount)),
            }
        }
        sums
    }

    fn render_transitions(&self) -> Value {
        json!({
            "finalized_at": self.finalised_at,
            "marked_uncollectible_at": self.uncollectible_at,
            "paid_at": self.paid_at,
            "voided_at": self.voided_at,
        })
    }

    fn render_parent(&self) -> Value {
        self.subscription.as_ref().map_or(Value::Null, |subscription| {
            json!({
                "quote_details": null,
                "subscription_details": { "metadata": self.subscription_metadata, "subscription": subscription },
                "type": "subscription_details",
            })
        })
    }

    fn render_lines(&self, state: &State) -> Value {
        let lines: Vec<Value> = self.lines.iter().map(|line| line.render(self, state)).collect();
        list::whole(&format!("/v1/invoices/{}/lines", self.id), &lines)
    }

    pub(crate) fn render(&self, state: &State) -> Value {
        let total = self.total();
        let shown = self.status != InvoiceStatus::Draft;
        let url = shown.then(|| format!("{}/i/{}", state.public_url, self.id));
        let remaining = if self.status == InvoiceStatus::Paid {
            0
        } else {
            self.amount_due - self.amount_paid
        };
        json!({
            "id": self.id,
            "object": "invoice",
            "account_country": "US",
            "account_name": "Stripe sandbox",
            "account_tax_ids": null,
            "amount_due": self.amount_due,
            "amount_overpaid": 0,
            "amount_paid": self.amount_paid,
            "amount_remaining": remaining,
            "amount_shipping": 0,
            "application": null,
            "attempt_count": self.attempts,
            "attempted": self.attempts > 0 || self.status == InvoiceStatus::Paid,
            "auto_advance": self.finalise_at.is_some() || self.next_attempt.is_some(),
            "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null },
            "automatically_finalizes_at": self.finalise_at,
            "billing_reason": self.reason,
            "collection_method": "charge_automatically",
            "created": self.created,
            "currency": self.currency,
            "custom_fields": null,
            "customer": self.customer,
            "customer_account": null,
            "customer_address": null,
            "customer_email": self.email,
            "customer_name": self.name,
            "customer_phone": null,
            "customer_shipping": null,
            "customer_tax_exempt": "none",
            "customer_tax_ids": [],
            "default_payment_method": null,
            "default_source": null,
            "default_tax_rates": [],
            "description": null,
            "discounts": self.discount_amounts().iter().map(|(id, _)| *id).collect::<Vec<_>>(),
            "due_date": null,
            "effective_at": self.finalised_at,
            "ending_balance": self.ending_balance,
            "footer": null,
            "from_invoice": null,
            "hosted_invoice_url": url,
            "invoice_pdf": null,
            "issuer": { "type": "self" },
            "last_finalization_error": null,
            "latest_revision": null,
            "lines": self.render_lines(state),
            "livemode": false,
            "metadata": self.metadata,
            "next_payment_attempt": self.next_attempt.or(self.finalise_at),
            "number": self.number,
            "on_behalf_of": null,
            "parent": self.render_parent(),
            "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
            "period_end": self.period_end,
            "period_start": self.period_start,
            "post_payment_credit_notes_amount": state.credited_of(&self.id),
            "pre_payment_credit_notes_amount": 0,
            "receipt_number": null,
            "rendering": null,
            "shipping_cost": null,
            "shipping_details": null,
            "starting_balance": self.starting_balance,
            "statement_descriptor": null,
            "status": self.status.as_str(),
            "status_transitions": self.render_transitions(),
            "subscription": null,
            "subtotal": self.subtotal(),
            "subtotal_excluding_tax": self.subtotal(),
            "test_clock": null,
            "total": total,
            "total_discount_amounts": self.discount_amounts().iter().map(|(id, amount)| json!({ "amount": amount, "discount": id })).collect::<Vec<_>>(),
            "total_excluding_tax": total,
            "total_pretax_credit_amounts": [],
            "total_taxes": [],
            "webhooks_delivered_at": self.finalised_at,
        })
    }
}
