//! Money that goes back: what Stripe says of it, and how it is sent.

use std::collections::HashMap;

use latchkey_billing::{
    Charge, CustomerState, Dispute, IdempotencyKey, Invoice, InvoicePayment, NewRefund, ParseError, Refund,
    RefundReason, StripeError, Subscription, parse_charge, parse_dispute, parse_invoice, parse_invoice_payment,
    parse_page, parse_refund, parse_subscription,
};
use serde_json::Value;
use stripe_billing::{invoice, invoice_payment, subscription as sub};
use stripe_checkout::checkout_session as checkout;
use stripe_client_core::StripeRequest;
use stripe_core::{charge, dispute, refund};
use stripe_types::RangeQueryTs;

use crate::gateway::{Gateway, PAGE, checked};

/// How long before the earliest running period charges are read, in seconds: Checkout takes the money before the period begins.
const CHARGE_LEAD: i64 = 86_400;
/// Longest comment that goes with a cancellation, in characters; Stripe takes no more in metadata either.
const MAX_COMMENT_CHARS: usize = 500;

/// A charge and the refunds that it shows; whether there are more.
struct Shown {
    charge: Charge,
    refunds: Vec<Refund>,
    more: bool,
}

fn shown(json: &Value) -> Result<Shown, ParseError> {
    let charge = parse_charge(json)?;
    let (refunds, more) = match json.get("refunds").filter(|list| !list.is_null()) {
        Some(list) => {
            let page = parse_page(list, parse_refund)?;
            (page.items, page.has_more)
        }
        None => (vec![], charge.refunded_minor > 0),
    };
    Ok(Shown { charge, refunds, more })
}

/// When the first of the running periods began, in seconds.
fn earliest_start(subscriptions: &[Subscription]) -> Option<i64> {
    let live = subscriptions.iter().filter(|it| !it.status.is_terminal());
    let items = live.flat_map(|it| &it.items);
    items.map(|item| item.current_period_start.seconds()).min()
}

impl Gateway {
    /// Reads what went back of what the running periods were paid with: one call for a customer of whom nothing did, and none for one
    /// without a subscription that lives.
    pub(crate) async fn read_reversals(&self, state: &mut CustomerState) -> Result<(), StripeError> {
        let Some(start) = earliest_start(&state.subscriptions) else {
            return Ok(());
        };
        let request = |after: Option<String>| {
            let list = charge::ListCharge::new()
                .customer(&state.id)
                .created(RangeQueryTs::gte(start.saturating_sub(CHARGE_LEAD)))
                .expand(vec!["data.refunds".to_owned()])
                .limit(PAGE);
            match after {
                Some(after) => list.starting_after(after).build(),
                None => list.build(),
            }
        };
        let pages = self
            .whole(request, shown, |page| page.last().map(|last| last.charge.id.clone()))
            .await?;
        for mut one in pages.into_iter().flat_map(|page| page.items) {
            if one.refunds.is_empty() && !one.more && !one.charge.disputed {
                continue;
            }
            if one.more {
                one.refunds = self.refunds(&one.charge.id).await?;
            }
            if one.charge.disputed {
                state.disputes.extend(self.disputes(&one.charge.id).await?);
            }
            if let Some(intent) = &one.charge.payment_intent {
                one.charge.invoice = self.invoice_paid_by(intent).await?;
            }
            state.refunds.append(&mut one.refunds);
            state.charges.push(one.charge);
        }
        Ok(())
    }

    /// Reads the invoices since the earliest running period began that are older than those that were read.
    pub(crate) async fn add_invoices_of_running_periods(
        &self,
        customer: &str,
        subscriptions: &[Subscription],
        invoices: &mut Vec<Invoice>,
    ) -> Result<(), StripeError> {
        let oldest = invoices.last().map(|last| (last.id.clone(), last.created.seconds()));
        let (Some(start), Some((oldest, at))) = (earliest_start(subscriptions), oldest) else {
            return Ok(());
        };
        let start = start.saturating_sub(CHARGE_LEAD);
        if at < start {
            return Ok(());
        }
        let request = |after: Option<String>| {
            invoice::ListInvoice::new()
                .customer(customer)
                .created(RangeQueryTs::gte(start))
                .limit(PAGE)
                .starting_after(after.as_deref().unwrap_or(&oldest))
                .build()
        };
        let last = |page: &[Invoice]| page.last().map(|last| last.id.clone());
        let pages = self.whole(request, parse_invoice, last).await?;
        invoices.extend(pages.into_iter().flat_map(|page| page.items));
        Ok(())
    }

    async fn refunds(&self, charge: &str) -> Result<Vec<Refund>, StripeError> {
        let request = |after: Option<String>| {
            let list = refund::ListRefund::new().charge(charge).limit(PAGE);
            match after {
                Some(after) => list.starting_after(after).build(),
                None => list.build(),
            }
        };
        let last = |page: &[Refund]| page.last().map(|last| last.id.clone());
        let pages = self.whole(request, parse_refund, last).await?;
        Ok(pages.into_iter().flat_map(|page| page.items).collect())
    }

    async fn disputes(&self, charge: &str) -> Result<Vec<Dispute>, StripeError> {
        let list = dispute::ListDispute::new().charge(charge).limit(PAGE);
        Ok(parse_page(&self.get(list.build()).await?, parse_dispute)?.items)
    }

    /// The invoice that a payment intent paid: charges do not say it any more.
    async fn invoice_paid_by(&self, intent: &str) -> Result<Option<String>, StripeError> {
        let mut by = invoice_payment::ListInvoicePaymentPayment::new(
            invoice_payment::ListInvoicePaymentPaymentType::PaymentIntent,
        );
        by.payment_intent = Some(intent.to_owned());
        let list = invoice_payment::ListInvoicePayment::new().payment(by).limit(PAGE);
        let payments = parse_page(&self.get(list.build()).await?, parse_invoice_payment)?.items;
        let mut paid = payments.into_iter().filter(|payment| payment.status == "paid");
        Ok(paid.next().map(|payment| payment.invoice))
    }

    pub(crate) async fn payments_of(&self, invoice: &str) -> Result<Vec<InvoicePayment>, StripeError> {
        let list = invoice_payment::ListInvoicePayment::new()
            .invoice(checked(invoice)?)
            .limit(PAGE);
        Ok(parse_page(&self.get(list.build()).await?, parse_invoice_payment)?.items)
    }

    pub(crate) async fn cancel(&self, id: &str, comment: &str) -> Result<Subscription, StripeError> {
        let mut details = sub::CancelSubscriptionCancellationDetails::new();
        details.comment = Some(comment.chars().take(MAX_COMMENT_CHARS).collect());
        let request = sub::CancelSubscription::new(checked(id)?)
            .prorate(false)
            .invoice_now(false)
            .cancellation_details(details);
        Ok(parse_subscription(&self.delete(request.build()).await?)?)
    }

    pub(crate) async fn refund(&self, key: &IdempotencyKey, new: &NewRefund) -> Result<Refund, StripeError> {
        let metadata: HashMap<String, String> = new.metadata.iter().cloned().collect();
        let mut request = refund::CreateRefund::new()
            .payment_intent(&new.payment_intent)
            .metadata(metadata)
            .reason(match new.reason {
                RefundReason::Duplicate => refund::CreateRefundReason::Duplicate,
                RefundReason::RequestedByCustomer => refund::CreateRefundReason::RequestedByCustomer,
            });
        if let Some(amount) = new.amount_minor {
            request = request.amount(amount);
        }
        Ok(parse_refund(&self.post(request.build(), key).await?)?)
    }

    pub(crate) async fn void(&self, key: &IdempotencyKey, id: &str) -> Result<Invoice, StripeError> {
        let request = invoice::VoidInvoiceInvoice::new(checked(id)?);
        Ok(parse_invoice(&self.post(request.build(), key).await?)?)
    }

    /// The customer of an object, by the kind that its id shows.
    pub(crate) async fn owner(&self, id: &str) -> Result<Option<String>, StripeError> {
        let charge = || vec!["charge".to_owned()];
        let id = checked(id)?;
        let (request, path) = match id.split('_').next() {
            Some("dp" | "du") => (
                dispute::RetrieveDispute::new(id).expand(charge()).build(),
                "/charge/customer",
            ),
            Some("re" | "pyr") => (
                refund::RetrieveRefund::new(id).expand(charge()).build(),
                "/charge/customer",
            ),
            Some("ch" | "py") => (charge::RetrieveCharge::new(id).build(), "/customer"),
            Some("sub") => (sub::RetrieveSubscription::new(id).build(), "/customer"),
            Some("in") => (invoice::RetrieveInvoice::new(id).build(), "/customer"),
            Some("cs") => (checkout::RetrieveCheckoutSession::new(id).build(), "/customer"),
            _ => return Ok(None),
        };
        let json = self.get(request).await?;
        Ok(json.pointer(path).and_then(Value::as_str).map(str::to_owned))
    }
}
