//! Credit notes: the paper that takes back a part of a paid invoice, and the money with it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::invoice::{Invoice, InvoiceStatus};
use crate::list;
use crate::params::{Metadata, Params};
use crate::price::show_money;
use crate::refund::NewRefund;
use crate::state::State;

const REASONS: [&str; 4] = ["duplicate", "fraudulent", "order_change", "product_unsatisfactory"];

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CreditNote {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) invoice: String,
    pub(crate) customer: String,
    pub(crate) currency: String,
    pub(crate) number: String,
    pub(crate) amount: i64,
    /// What goes back to the card, by a refund.
    pub(crate) refund: Option<(String, i64)>,
    /// What was given back outside of Stripe.
    pub(crate) out_of_band: i64,
    pub(crate) memo: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: Metadata,
}

impl CreditNote {
    pub(crate) fn render(&self) -> Value {
        let refunds: Vec<Value> = self
            .refund
            .iter()
            .map(|(id, amount)| {
                json!({ "amount_refunded": amount, "payment_record_refund": null, "refund": id, "type": "refund" })
            })
            .collect();
        let line = json!({
            "id": self.id.replacen("cn_", "cnli_", 1),
            "object": "credit_note_line_item",
            "amount": self.amount,
            "description": "Credit",
            "discount_amount": 0,
            "discount_amounts": [],
            "livemode": false,
            "metadata": {},
            "pretax_credit_amounts": [],
            "quantity": 1,
            "tax_rates": [],
            "taxes": [],
            "type": "custom_line_item",
            "unit_amount": self.amount,
            "unit_amount_decimal": self.amount.to_string(),
        });
        json!({
            "id": self.id,
            "object": "credit_note",
            "amount": self.amount,
            "amount_shipping": 0,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "customer_balance_transaction": null,
            "discount_amount": 0,
            "discount_amounts": [],
            "effective_at": self.created,
            "invoice": self.invoice,
            "lines": list::whole(&format!("/v1/credit_notes/{}/lines", self.id), &[line]),
            "livemode": false,
            "memo": self.memo,
            "metadata": self.metadata,
            "number": self.number,
            "out_of_band_amount": (self.out_of_band > 0).then_some(self.out_of_band),
            "pdf": "",
            "post_payment_amount": self.amount,
            "pre_payment_amount": 0,
            "pretax_credit_amounts": [],
            "reason": self.reason,
            "refunds": refunds,
            "shipping_cost": null,
            "status": "issued",
            "subtotal": self.amount,
            "subtotal_excluding_tax": self.amount,
            "total": self.amount,
            "total_excluding_tax": self.amount,
            "total_taxes": [],
            "type": "post_payment",
            "voided_at": null,
        })
    }
}

impl State {
    /// What credit notes have taken back of a paid invoice.
    pub(crate) fn credited_of(&self, invoice: &str) -> i64 {
        let own = self.credit_notes.values().filter(|note| note.invoice == invoice);
        own.map(|note| note.amount).sum()
    }
}

/// How much the note is over, and how much of it goes back to the card and by other ways.
fn amounts(state: &State, params: &Params, invoice: &Invoice) -> Result<(i64, i64, i64), ApiError> {
    let given = |name: &str| match params.integer(name)? {
        Some(amount) if amount < 0 => {
            let message = "This value must be greater than or equal to 0.";
            Err(ApiError::invalid(message, Some(name)).with_code("parameter_invalid_integer"))
        }
        other => Ok(other),
    };
    let (refund, elsewhere) = (given("refund_amount")?, given("out_of_band_amount")?);
    let parts = refund.unwrap_or(0).saturating_add(elsewhere.unwrap_or(0));
    let amount = given("amount")?.unwrap_or(parts);
    if amount < 1 {
        return Err(ApiError::missing("amount"));
    }
    if parts != amount {
        let message = format!(
            "The sum of refund_amount, credit_amount and out_of_band_amount ({parts}) must equal the credit note amount ({amount})."
        );
        return Err(ApiError::invalid(message, Some("amount")));
    }
    let left = invoice.amount_paid - state.credited_of(&invoice.id);
    if amount > left {
        let message = format!(
            "The sum of credit note amount ({}) and previous credit notes is greater than the amount paid on the invoice; {} is left.",
            show_money(amount, &invoice.currency),
            show_money(left, &invoice.currency)
        );
        return Err(ApiError::invalid(message, Some("amount")));
    }
    Ok((amount, refund.unwrap_or(0), elsewhere.unwrap_or(0)))
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&[
        "invoice",
        "amount",
        "refund_amount",
        "out_of_band_amount",
        "memo",
        "reason",
        "metadata[*]",
    ])?;
    let id = params.required("invoice")?;
    let invoice = state
        .invoices
        .get(id)
        .cloned()
        .ok_or_else(|| ApiError::no_such_param("invoice", id, "invoice"))?;
    if invoice.status != InvoiceStatus::Paid {
        let message = "The sandbox writes credit notes on paid invoices only.";
        return Err(ApiError::invalid(message, Some("invoice")));
    }
    let (amount, refund, out_of_band) = amounts(state, params, &invoice)?;
    let reason = params.choice("reason", &REASONS)?.map(str::to_owned);
    let metadata = params.metadata("metadata")?;
    let refund = if refund > 0 {
        let intent = invoice.intent.as_deref().unwrap_or_default();
        let charge = state.paid_charge_of(intent).map(|charge| charge.id.clone());
        let charge = charge.ok_or_else(|| {
            ApiError::invalid(
                "The invoice was paid by no charge that could be refunded.",
                Some("refund_amount"),
            )
        })?;
        let new = NewRefund {
            charge,
            amount: Some(refund),
            reason: None,
            metadata: Metadata::new(),
        };
        Some((state.refund(new)?, refund))
    } else {
        None
    };
    let number = state.credit_notes.values().filter(|note| note.invoice == id).count() + 1;
    let note = CreditNote {
        id: state.new_id("cn", 10),
        created: state.now,
        invoice: invoice.id.clone(),
        customer: invoice.customer,
        currency: invoice.currency,
        number: format!("{}-CN-{number:02}", invoice.number.as_deref().unwrap_or("DRAFT")),
        amount,
        refund,
        out_of_band,
        memo: params.text("memo").map(str::to_owned),
        reason,
        metadata,
    };
    let shown = note.render();
    state.credit_notes.insert(note.id.clone(), note);
    state.emit("credit_note.created", shown.clone());
    state.emit_invoice("invoice.updated", &invoice.id);
    Ok(shown)
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    state
        .credit_notes
        .get(id)
        .map(CreditNote::render)
        .ok_or_else(|| ApiError::no_such("credit_note", id))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["customer", "invoice"])?;
    let (customer, invoice) = (params.text("customer"), params.text("invoice"));
    list::page(
        "credit_note",
        "/v1/credit_notes",
        params,
        &state.credit_notes,
        |one| customer.is_none_or(|id| one.customer == id) && invoice.is_none_or(|id| one.invoice == id),
        |one| one.created,
        CreditNote::render,
    )
}
