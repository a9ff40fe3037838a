//! `/v1/invoices` and `/v1/invoice_payments`.

use serde_json::Value;

use crate::error::{ApiError, ApiResult};
use crate::invoice::{InvoicePayment, InvoiceStatus};
use crate::list;
use crate::params::Params;
use crate::state::State;

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    Ok(state.invoice(id)?.render(state))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["customer", "subscription", "status", "collection_method"])?;
    let status = params.choice("status", &["draft", "open", "paid", "uncollectible", "void"])?;
    params.choice("collection_method", &["charge_automatically"])?;
    let (customer, subscription) = (params.text("customer"), params.text("subscription"));
    list::page(
        "invoice",
        "/v1/invoices",
        params,
        &state.invoices,
        |one| {
            customer.is_none_or(|customer| one.customer == customer)
                && subscription.is_none_or(|id| one.subscription.as_deref() == Some(id))
                && status.is_none_or(|status| one.status.as_str() == status)
        },
        |one| one.created,
        |one| -> Value { one.render(state) },
    )
}

pub(crate) fn pay(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&["off_session", "paid_out_of_band"])?;
    match state.invoice(id)?.status {
        InvoiceStatus::Paid => {
            return Err(ApiError::invalid("Invoice is already paid", None).with_code("invoice_already_paid"));
        }
        InvoiceStatus::Void => {
            return Err(
                ApiError::invalid("This invoice can no longer be paid.", None).with_code("invoice_not_editable")
            );
        }
        InvoiceStatus::Draft => state.finalise(id),
        InvoiceStatus::Open | InvoiceStatus::Uncollectible => {}
    }
    if params.boolean("paid_out_of_band")? == Some(true) {
        state.mark_paid(id, None);
    } else {
        state.collect(id)?;
    }
    Ok(state.render_invoice(id))
}

pub(crate) fn void(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    if !matches!(
        state.invoice(id)?.status,
        InvoiceStatus::Open | InvoiceStatus::Uncollectible
    ) {
        return Err(ApiError::invalid(
            "You can only pass in open or uncollectible invoices. This invoice isn't.",
            None,
        ));
    }
    state.void_invoice(id);
    Ok(state.render_invoice(id))
}

pub(crate) fn get_payment(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    state
        .invoice_payments
        .get(id)
        .map(InvoicePayment::render)
        .ok_or_else(|| ApiError::no_such("invoice_payment", id))
}

pub(crate) fn list_payments(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["invoice", "payment[type]", "payment[payment_intent]", "status"])?;
    params.choice("payment[type]", &["payment_intent"])?;
    let status = params.choice("status", &["canceled", "open", "paid"])?;
    let (invoice, intent) = (params.text("invoice"), params.text("payment[payment_intent]"));
    list::page(
        "invoice_payment",
        "/v1/invoice_payments",
        params,
        &state.invoice_payments,
        |one| {
            invoice.is_none_or(|invoice| one.invoice == invoice)
                && intent.is_none_or(|intent| one.intent == intent)
                && status.is_none_or(|status| one.status() == status)
        },
        |one| one.created,
        InvoicePayment::render,
    )
}
