//! Bank debits: asked for on the payment page, settled or refused days later.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::checkout::{Session, SessionStatus};
use crate::error::ApiError;
use crate::invoice::{Invoice, InvoiceStatus};
use crate::params::Metadata;
use crate::pay::Outcome;
use crate::state::State;

/// How long the bank takes, in seconds: Stripe says up to six business days.
pub(crate) const SETTLE_SECONDS: i64 = 5 * 86_400;
/// Stripe's test accounts, and whether a debit of each settles.
const ACCOUNTS: [(&str, bool); 2] = [("AT611904300234573201", true), ("AT861904300235473202", false)];

/// A bank account that gave a mandate: a payment method of type `sepa_debit`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BankAccount {
    id: String,
    created: i64,
    customer: Option<String>,
    iban: String,
    name: Option<String>,
}

/// A debit under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Debit {
    pub(crate) due: i64,
    settles: bool,
    method: String,
}

impl BankAccount {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": "limited",
            "billing_details": {
                "address": { "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null },
                "email": null,
                "name": self.name,
                "phone": null,
                "tax_id": null,
            },
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "livemode": false,
            "metadata": {},
            "sepa_debit": {
                "bank_code": self.iban.get(4..9),
                "branch_code": "",
                "country": self.iban.get(..2),
                "fingerprint": format!("sandbox{}", self.iban),
                "generated_from": null,
                "last4": self.iban.get(self.iban.len().saturating_sub(4)..),
            },
            "type": "sepa_debit",
        })
    }
}

impl State {
    /// Takes the form of a session with a bank account instead of a card. The session is complete with it, and not paid.
    pub(crate) fn submit_debit(&mut self, session: &Session, iban: &str, name: &str) -> Outcome {
        let refused = |message: &str| Outcome::Refused {
            field: "iban",
            message: message.to_owned(),
        };
        if session.mode != "payment" || session.currency != "eur" || session.amount_total == 0 {
            return refused("A bank debit pays in euros, and once.");
        }
        if !session.methods.iter().any(|kind| kind == "sepa_debit") {
            return refused("This seller takes no bank debits.");
        }
        let iban: String = iban.chars().filter(|c| !c.is_whitespace()).collect();
        let Some((_, settles)) = ACCOUNTS.iter().find(|(known, _)| *known == iban) else {
            return refused("Your IBAN is not one of the test accounts.");
        };
        let customer = self.session_customer(session);
        let method = self.new_id("pm", 10);
        let account = BankAccount {
            id: method.clone(),
            created: self.now,
            customer: Some(customer.clone()),
            iban,
            name: Some(name.trim().to_owned()).filter(|name| !name.is_empty()),
        };
        let shown = account.render();
        self.bank_accounts.insert(method.clone(), account);
        self.emit("payment_method.attached", shown);
        let intent = self.session_intent(session);
        self.intent_processing(&intent, &method, &customer);
        let due = self.now + SETTLE_SECONDS;
        if let Some(stored) = self.sessions.get_mut(&session.id) {
            stored.customer = Some(customer);
            stored.status = SessionStatus::Complete;
            stored.debit = Some(Debit {
                due,
                settles: *settles,
                method,
            });
        }
        let shown = self.render_session(&session.id);
        self.emit("checkout.session.completed", shown);
        Outcome::Done(session.success_address())
    }

    /// The bank has answered.
    pub(crate) fn settle_debit(&mut self, id: &str) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let (Some(debit), Some(intent)) = (session.debit.take(), session.intent.clone()) else {
            return;
        };
        let kind = if debit.settles {
            self.payment_arrived(id, &intent, &debit.method);
            if let Some(session) = self.sessions.get_mut(id) {
                "paid".clone_into(&mut session.payment_status);
            }
            "checkout.session.async_payment_succeeded"
        } else {
            let message = "The customer's bank could not process the debit.";
            self.intent_failed(
                &intent,
                None,
                None,
                &ApiError::card("payment_method_provider_decline", None, message),
            );
            "checkout.session.async_payment_failed"
        };
        let shown = self.render_session(id);
        self.emit(kind, shown);
    }

    /// The money of a session that sells something once is there; an invoice follows where the seller asked for one.
    pub(crate) fn payment_arrived(&mut self, session: &str, intent: &str, method: &str) {
        let wanted = self.sessions.get(session).filter(|one| one.invoice_creation).cloned();
        let Some((one, customer)) = wanted.and_then(|one| one.customer.clone().map(|customer| (one, customer))) else {
            return self.intent_succeeded(intent, method);
        };
        let items = one.line_items.iter();
        let lines: Vec<_> = items
            .filter_map(|item| self.once_line(&item.price, item.quantity))
            .collect();
        let (id, now) = (self.new_id("in", 10), self.now);
        let buyer = self.customers.get(&customer);
        let invoice = Invoice {
            id: id.clone(),
            created: now,
            email: buyer.and_then(|buyer| buyer.email.clone()),
            name: buyer.and_then(|buyer| buyer.name.clone()),
            starting_balance: buyer.map_or(0, |buyer| buyer.balance),
            customer,
            subscription: None,
            subscription_metadata: Metadata::new(),
            reason: "manual".to_owned(),
            status: InvoiceStatus::Draft,
            currency: one.currency.clone(),
            number: None,
            amount_due: one.amount_total,
            lines,
            period_start: now,
            period_end: now,
            ending_balance: None,
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
        self.finalise_with(&id, Some(intent.to_owned()));
        self.mark_paid(&id, Some(method));
        if let Some(stored) = self.sessions.get_mut(session) {
            stored.invoice = Some(id);
        }
    }
}
