//! The life of an invoice: drafted, finalised, collected, retried, paid or given up.

use serde_json::Value;

use crate::error::ApiError;
use crate::invoice::{Invoice, InvoicePayment, InvoiceStatus, Line};
use crate::params::Metadata;
use crate::settings::AfterLastRetry;
use crate::state::State;
use crate::subscription::SubscriptionStatus;

const SECONDS_PER_DAY: i64 = 86_400;

impl State {
    pub(crate) fn render_invoice(&self, id: &str) -> Value {
        self.invoices
            .get(id)
            .map_or(Value::Null, |invoice| invoice.render(self))
    }

    pub(crate) fn emit_invoice(&mut self, kind: &str, id: &str) {
        let shown = self.render_invoice(id);
        self.emit(kind, shown);
    }

    /// The lines for a subscription's current period; free during a trial.
    pub(crate) fn period_lines(&mut self, subscription: &str, free: bool) -> Vec<Line> {
        let Some(one) = self.subscriptions.get(subscription).cloned() else {
            return Vec::new();
        };
        let line = |item: &crate::subscription::Item| {
            let price = self.prices.get(&item.price)?.clone();
            let product = self.product_name(&price.product);
            let description = if free {
                format!("Trial period for {product}")
            } else {
                format!("{} × {product} (at {})", item.quantity, price.show_in(&one.currency))
            };
            Some(Line {
                id: self.new_id("il", 10),
                amount: if free {
                    0
                } else {
                    price.amount_in(&one.currency).unwrap_or(price.unit_amount) * item.quantity
                },
                description,
                start: one.period_start,
                end: one.period_end,
                price: price.id,
                quantity: item.quantity,
                subscription: Some(subscription.to_owned()),
                item: Some(item.id.clone()),
                proration: false,
                discounts: Vec::new(),
            })
        };
        one.items.iter().filter_map(line).collect()
    }

    pub(crate) fn once_line(&mut self, price: &str, quantity: i64) -> Option<Line> {
        let price = self.prices.get(price)?.clone();
        Some(Line {
            id: self.new_id("il", 10),
            amount: price.unit_amount * quantity,
            description: format!("{quantity} × {}", self.product_name(&price.product)),
            start: self.now,
            end: self.now,
            price: price.id,
            quantity,
            subscription: None,
            item: None,
            proration: false,
            discounts: Vec::new(),
        })
    }

    /// A new draft for a subscription.
    pub(crate) fn draft_invoice(&mut self, subscription: &str, reason: &str, lines: Vec<Line>) -> String {
        let (id, now) = (self.new_id("in", 10), self.now);
        let Some(one) = self.subscriptions.get(subscription).cloned() else {
            return id;
        };
        let customer = self.customers.get(&one.customer);
        let total: i64 = lines.iter().map(|line| line.amount - line.off()).sum();
        let invoice = Invoice {
            id: id.clone(),
            created: now,
            email: customer.and_then(|customer| customer.email.clone()),
            name: customer.and_then(|customer| customer.name.clone()),
            starting_balance: customer.map_or(0, |customer| customer.balance),
            customer: one.customer,
            subscription: Some(one.id),
            subscription_metadata: one.metadata,
            reason: reason.to_owned(),
            status: InvoiceStatus::Draft,
            currency: one.currency,
            number: None,
            lines,
            period_start: one.period_start.min(now),
            period_end: now,
            ending_balance: None,
            amount_due: total.max(0),
            amount_paid: 0,
            attempts: 0,
            next_attempt: None,
            finalise_at: None,
            finalised_at: None,
            paid_at: None,
            voided_at: None,
            uncollectible_at: None,
            intent: None,
            metadata: Metadata::new(),
        };
        self.invoices.insert(id.clone(), invoice);
        self.emit_invoice("invoice.created", &id);
        id
    }

    /// Finalises a draft: number, the customer's balance, and a payment intent if anything is due. What costs nothing
    /// is paid with that.
    pub(crate) fn finalise(&mut self, id: &str) {
        self.finalise_with(id, None);
    }

    /// As [`State::finalise`], for an invoice that `intent` has already paid in full: no balance is used.
    pub(crate) fn finalise_with(&mut self, id: &str, intent: Option<String>) {
        let now = self.now;
        let Some(mut invoice) = self
            .invoices
            .get(id)
            .filter(|one| one.status == InvoiceStatus::Draft)
            .cloned()
        else {
            return;
        };
        if let Some(customer) = self.customers.get_mut(&invoice.customer) {
            customer.next_invoice += 1;
            invoice.number = Some(format!("{}-{:04}", customer.invoice_prefix(), customer.next_invoice));
            invoice.starting_balance = customer.balance;
            // A credit (negative balance) is used up first; an invoice below zero adds to it.
            if intent.is_none() {
                let owed = invoice.total() + customer.balance.min(0);
                invoice.amount_due = owed.max(0);
                customer.balance = if customer.balance < 0 || owed < 0 {
                    owed.min(0)
                } else {
                    customer.balance
                };
            }
            invoice.ending_balance = Some(customer.balance);
        }
        invoice.status = InvoiceStatus::Open;
        invoice.finalised_at = Some(now);
        invoice.finalise_at = None;
        let (due, currency, customer) = (invoice.amount_due, invoice.currency.clone(), invoice.customer.clone());
        self.invoices.insert(id.to_owned(), invoice);
        if due > 0 {
            let intent = intent.unwrap_or_else(|| self.add_intent(due, &currency, Some(&customer)));
            if let Some(intent) = self.payment_intents.get_mut(&intent) {
                intent.description = Some("Subscription".to_owned());
            }
            let payment = InvoicePayment {
                id: self.new_id("inpay", 10),
                created: now,
                invoice: id.to_owned(),
                intent: intent.clone(),
                amount: due,
                currency,
                paid_at: None,
                canceled_at: None,
            };
            self.invoice_payments.insert(payment.id.clone(), payment);
            if let Some(invoice) = self.invoices.get_mut(id) {
                invoice.intent = Some(intent);
            }
        }
        self.emit_invoice("invoice.finalized", id);
        if due == 0 {
            self.mark_paid(id, None);
        }
    }

    /// Marks an open invoice paid, by `method` if money moved, and brings its subscription up to date.
    pub(crate) fn mark_paid(&mut self, id: &str, method: Option<&str>) {
        let now = self.now;
        let Some(invoice) = self
            .invoices
            .get_mut(id)
            .filter(|one| one.status == InvoiceStatus::Open)
        else {
            return;
        };
        invoice.status = InvoiceStatus::Paid;
        invoice.amount_paid = invoice.amount_due;
        invoice.paid_at = Some(now);
        invoice.next_attempt = None;
        let (intent, subscription, customer) = (
            invoice.intent.clone(),
            invoice.subscription.clone(),
            invoice.customer.clone(),
        );
        if let (Some(intent), Some(method)) = (intent, method) {
            if let Some(invoice) = self.invoices.get_mut(id) {
                invoice.attempts += 1;
            }
            self.intent_succeeded(&intent, method);
            let payment = self
                .invoice_payments
                .values_mut()
                .find(|payment| payment.intent == intent);
            if let Some(shown) = payment.map(|payment| {
                payment.paid_at = Some(now);
                payment.render()
            }) {
                self.emit("invoice_payment.paid", shown);
            }
        }
        self.emit_invoice("invoice.paid", id);
        self.emit_invoice("invoice.payment_succeeded", id);
        let Some(subscription) = subscription else { return };
        self.settle_pending_update(&subscription, id);
        let owes = self
            .invoices
            .values()
            .any(|one| one.subscription.as_deref() == Some(&subscription) && one.status == InvoiceStatus::Open);
        if !owes {
            self.edit_subscription(&subscription, |one| {
                if matches!(
                    one.status,
                    SubscriptionStatus::Incomplete | SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid
                ) {
                    one.status = SubscriptionStatus::Active;
                }
            });
            self.edit_customer(&customer, |customer| customer.delinquent = false);
        }
    }

    /// Charges an open invoice to the card on file, nobody being there.
    pub(crate) fn collect(&mut self, id: &str) -> Result<(), ApiError> {
        self.charge_invoice(id, true)
    }

    /// Charges an open invoice to the card on file, its owner being there to authenticate.
    pub(crate) fn pay_in_person(&mut self, id: &str) -> Result<(), ApiError> {
        self.charge_invoice(id, false)
    }

    fn charge_invoice(&mut self, id: &str, off_session: bool) -> Result<(), ApiError> {
        let Some(invoice) = self
            .invoices
            .get(id)
            .filter(|one| one.status == InvoiceStatus::Open)
            .cloned()
        else {
            return Ok(());
        };
        let subscription = invoice.subscription.as_ref().and_then(|id| self.subscriptions.get(id));
        let method = subscription
            .and_then(|one| self.paying_card(one))
            .and_then(|id| self.payment_methods.get(&id))
            .cloned();
        let outcome = match &method {
            Some(method) => self.charge(Some(&invoice.customer), &method.card, off_session),
            None => Err(ApiError::card(
                "missing",
                None,
                "Cannot charge a customer that has no active card",
            )),
        };
        match outcome {
            Ok(()) => {
                self.mark_paid(id, method.as_ref().map(|method| method.id.as_str()));
                Ok(())
            }
            Err(error) => {
                self.payment_failed(id, method.as_ref().map(|method| method.id.as_str()), &error);
                Err(error)
            }
        }
    }

    fn payment_failed(&mut self, id: &str, method: Option<&str>, error: &ApiError) {
        let (now, retry_days) = (self.now, self.settings.retry_days.clone());
        let Some(invoice) = self.invoices.get_mut(id) else {
            return;
        };
        let first = invoice.reason == "subscription_create";
        let wait = usize::try_from(invoice.attempts)
            .ok()
            .and_then(|done| retry_days.get(done));
        invoice.attempts += 1;
        // A first payment is not retried: its owner is there to try again. An attempt between retries leaves the next
        // retry where it is.
        let planned = invoice.next_attempt;
        let wait = wait
            .filter(|_| !first)
            .map(|days| now + i64::from(*days) * SECONDS_PER_DAY);
        invoice.next_attempt = planned.or(wait);
        let last = invoice.next_attempt.is_none() && !first;
        let (intent, subscription, customer) = (
            invoice.intent.clone(),
            invoice.subscription.clone(),
            invoice.customer.clone(),
        );
        if let Some(intent) = intent {
            let card = method
                .and_then(|id| self.payment_methods.get(id))
                .map(|method| method.card.clone());
            self.intent_failed(&intent, method, card.as_ref(), error);
        }
        self.emit_invoice("invoice.payment_failed", id);
        if error.code == Some("authentication_required") {
            self.emit_invoice("invoice.payment_action_required", id);
        }
        self.edit_customer(&customer, |customer| customer.delinquent = true);
        let Some(subscription) = subscription else { return };
        let after = self.settings.after_last_retry;
        match (last, after) {
            (true, AfterLastRetry::Cancel) => self.cancel_subscription(&subscription, "payment_failed"),
            (true, AfterLastRetry::MarkUnpaid) => {
                self.edit_subscription(&subscription, |one| one.status = SubscriptionStatus::Unpaid);
            }
            _ => self.edit_subscription(&subscription, |one| {
                if matches!(one.status, SubscriptionStatus::Active | SubscriptionStatus::Trialing) {
                    one.status = SubscriptionStatus::PastDue;
                }
            }),
        }
    }

    pub(crate) fn void_invoice(&mut self, id: &str) {
        let now = self.now;
        let Some(invoice) = self
            .invoices
            .get_mut(id)
            .filter(|one| matches!(one.status, InvoiceStatus::Open | InvoiceStatus::Uncollectible))
        else {
            return;
        };
        invoice.status = InvoiceStatus::Void;
        invoice.voided_at = Some(now);
        invoice.next_attempt = None;
        if let Some(intent) = invoice.intent.clone() {
            self.cancel_intent(&intent);
            if let Some(payment) = self
                .invoice_payments
                .values_mut()
                .find(|payment| payment.intent == intent)
            {
                payment.canceled_at = Some(now);
            }
        }
        self.emit_invoice("invoice.voided", id);
    }

    pub(crate) fn mark_uncollectible(&mut self, id: &str) {
        let now = self.now;
        let Some(invoice) = self
            .invoices
            .get_mut(id)
            .filter(|one| one.status == InvoiceStatus::Open)
        else {
            return;
        };
        invoice.status = InvoiceStatus::Uncollectible;
        invoice.uncollectible_at = Some(now);
        invoice.next_attempt = None;
        self.emit_invoice("invoice.marked_uncollectible", id);
    }
}
