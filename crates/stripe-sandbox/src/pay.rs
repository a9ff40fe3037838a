//! Paying a Checkout session: what happens when the card form is sent.

use crate::card::Card;
use crate::checkout::{Session, SessionStatus};
use crate::customer::{Customer, is_email};
use crate::error::ApiError;
use crate::intent::IntentStatus;
use crate::state::State;
use crate::subscription::{NewSubscription, SubscriptionStatus};

/// What was typed into the card form.
#[derive(Debug, Default, Clone, serde::Deserialize)]
pub(crate) struct CardForm {
    #[serde(default)]
    pub(crate) email: String,
    #[serde(default)]
    pub(crate) number: String,
    #[serde(default)]
    pub(crate) expiry: String,
    #[serde(default)]
    pub(crate) cvc: String,
    #[serde(default)]
    pub(crate) name: String,
    /// A bank account to be debited, in place of a card.
    #[serde(default)]
    pub(crate) iban: String,
}

/// Where sending the form leads.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// On to this address.
    Done(String),
    /// To authentication of this payment intent.
    Authenticate(String),
    /// Back to the form: which field, and why.
    Refused { field: &'static str, message: String },
    /// The session is over without payment.
    Closed,
    /// There is no such session.
    Unknown,
}

impl State {
    /// Takes the card form of a session. A session that is already paid is not paid again: it leads where the first
    /// payment led.
    pub(crate) fn submit_payment(&mut self, id: &str, form: &CardForm) -> Outcome {
        let session = match self.enter(id) {
            Ok(session) => session,
            Err(outcome) => return outcome,
        };
        if self.session_email(&session).is_none() && !is_email(form.email.trim()) {
            return Outcome::Refused {
                field: "email",
                message: "Your email is incomplete.".to_owned(),
            };
        }
        if !form.iban.trim().is_empty() {
            let typed = Session {
                typed_email: Some(form.email.trim().to_owned()).filter(|email| is_email(email)),
                ..session
            };
            self.changed = true;
            return self.submit_debit(&typed, &form.iban, &form.name);
        }
        let keep = |stored: &mut Session| {
            let typed = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
            stored.typed_email = typed(&form.email).filter(|email| is_email(email));
            stored.typed_name = typed(&form.name);
        };
        if session.card_if_required && session.amount_total == 0 && form.number.trim().is_empty() {
            if let Some(stored) = self.sessions.get_mut(id) {
                keep(stored);
            }
            self.changed = true;
            return self.complete_session(id, None, None);
        }
        let card = match Card::read(&form.number, &form.expiry, &form.cvc, self.now) {
            Ok(card) => card,
            Err(fault) => {
                return Outcome::Refused {
                    field: fault.field,
                    message: fault.message.to_owned(),
                };
            }
        };
        if let Some(stored) = self.sessions.get_mut(id) {
            keep(stored);
        }
        self.changed = true;
        let intent = (session.amount_total > 0).then(|| self.session_intent(&session));
        if let Err(error) = self.charge(session.customer.as_deref(), &card, false) {
            if let Some(intent) = intent {
                self.intent_failed(&intent, None, Some(&card), &error);
            }
            let field = match error.code {
                Some("expired_card") => "expiry",
                Some("incorrect_cvc") => "cvc",
                _ => "number",
            };
            return Outcome::Refused {
                field,
                message: error.message,
            };
        }
        let asks = card.asks();
        let method = self.add_card(card, None, Some(&form.name));
        match intent {
            Some(intent) if asks => {
                self.intent_asks(&intent, &method);
                Outcome::Authenticate(intent)
            }
            intent => self.complete_session(id, Some(&method), intent.as_deref()),
        }
    }

    /// The reader's answer to the bank's question.
    pub(crate) fn authenticate(&mut self, intent_id: &str, passed: bool) -> (Outcome, Option<String>) {
        let Some(intent) = self.payment_intents.get(intent_id).cloned() else {
            return (Outcome::Unknown, None);
        };
        let Some(session_id) = intent.session.clone() else {
            return (Outcome::Unknown, None);
        };
        if let Err(outcome) = self.enter(&session_id) {
            return (outcome, Some(session_id));
        }
        self.changed = true;
        let outcome = match intent.payment_method {
            Some(method) if passed && intent.status == IntentStatus::RequiresAction => {
                self.complete_session(&session_id, Some(&method), Some(intent_id))
            }
            method => {
                let message = "We are unable to authenticate your payment method. Please choose a different payment method and try again.";
                let error = ApiError::card("payment_intent_authentication_failure", None, message);
                if intent.status == IntentStatus::RequiresAction {
                    self.intent_failed(intent_id, method.as_deref(), None, &error);
                }
                Outcome::Refused {
                    field: "number",
                    message: error.message,
                }
            }
        };
        (outcome, Some(session_id))
    }

    /// Takes the code that was typed on a session's page.
    pub(crate) fn submit_code(&mut self, id: &str, typed: &str) -> Outcome {
        let mut session = match self.enter(id) {
            Ok(session) => session,
            Err(outcome) => return outcome,
        };
        let refused = |message: &str| Outcome::Refused {
            field: "promotion_code",
            message: message.to_owned(),
        };
        if session.allow_promotion_codes != Some(true) {
            return refused("This code is invalid.");
        }
        let found = self.typed_code(typed).cloned();
        let admitted = found.filter(|code| self.admit_code(code, &self.use_of(&session)).is_ok());
        let Some(code) = admitted else {
            return refused("This code is invalid.");
        };
        session.discount = Some(crate::discount::Chosen {
            coupon: code.coupon.clone(),
            promotion_code: Some(code.id),
        });
        self.total_session(&mut session);
        // A payment that was begun was for another amount.
        if let Some(intent) = session.intent.take() {
            self.cancel_intent(&intent);
        }
        self.sessions.insert(id.to_owned(), session);
        self.changed = true;
        Outcome::Done(format!("/c/pay/{id}"))
    }

    fn enter(&self, id: &str) -> Result<Session, Outcome> {
        let session = self.sessions.get(id).ok_or(Outcome::Unknown)?;
        match session.status {
            SessionStatus::Open => Ok(session.clone()),
            SessionStatus::Complete => Err(Outcome::Done(session.success_address())),
            SessionStatus::Expired => Err(Outcome::Closed),
        }
    }

    /// The e-mail that a session already has; without one the page asks.
    pub(crate) fn session_email(&self, session: &Session) -> Option<String> {
        let customer = session.customer.as_ref().and_then(|id| self.customers.get(id));
        session
            .customer_email
            .clone()
            .or_else(|| customer.and_then(|customer| customer.email.clone()))
    }

    pub(crate) fn session_intent(&mut self, session: &Session) -> String {
        if let Some(intent) = &session.intent {
            return intent.clone();
        }
        let id = self.add_intent(session.amount_total, &session.currency, session.customer.as_deref());
        if let Some(intent) = self.payment_intents.get_mut(&id) {
            intent.session = Some(session.id.clone());
            intent.metadata.clone_from(&session.intent_metadata);
        }
        if let Some(stored) = self.sessions.get_mut(&session.id) {
            stored.intent = Some(id.clone());
        }
        id
    }

    /// The customer of a session that is being paid: the given one, or a new one.
    pub(crate) fn session_customer(&mut self, session: &Session) -> String {
        let email = session.customer_email.clone().or_else(|| session.typed_email.clone());
        let Some(id) = session.customer.clone() else {
            return self.add_customer(Customer {
                email,
                name: session.typed_name.clone(),
                ..Customer::default()
            });
        };
        self.edit_customer(&id, |customer| {
            if customer.email.is_none() {
                customer.email = email;
            }
        });
        id
    }

    /// Money has moved (or none is due): everything that follows from it.
    fn complete_session(&mut self, id: &str, method: Option<&str>, intent: Option<&str>) -> Outcome {
        let Some(session) = self.sessions.get(id).cloned() else {
            return Outcome::Unknown;
        };
        let customer = self.session_customer(&session);
        if let Some(method) = method {
            self.attach_card(method, &customer);
        }
        if let Some(intent) = intent.and_then(|id| self.payment_intents.get_mut(id)) {
            intent.customer = Some(customer.clone());
        }
        if let Some(stored) = self.sessions.get_mut(id) {
            stored.customer = Some(customer.clone());
        }
        if session.mode == "subscription" {
            if let Err(error) = self.begin_subscription(&session, &customer, method, intent) {
                return Outcome::Refused {
                    field: "number",
                    message: error.message,
                };
            }
        } else if let (Some(intent), Some(method)) = (intent, method) {
            self.payment_arrived(id, intent, method);
        }
        let paid = if intent.is_some() {
            "paid"
        } else {
            "no_payment_required"
        };
        if let Some(stored) = self.sessions.get_mut(id) {
            stored.status = SessionStatus::Complete;
            paid.clone_into(&mut stored.payment_status);
        }
        let shown = self.render_session(id);
        self.emit("checkout.session.completed", shown);
        Outcome::Done(session.success_address())
    }

    fn begin_subscription(
        &mut self,
        session: &Session,
        customer: &str,
        method: Option<&str>,
        intent: Option<&str>,
    ) -> Result<(), ApiError> {
        let recurring = |price: &str| self.prices.get(price).is_some_and(|price| price.recurring.is_some());
        let (items, once): (Vec<_>, Vec<_>) = session
            .line_items
            .iter()
            .map(|item| (item.price.clone(), item.quantity))
            .partition(|(price, _)| recurring(price));
        let trial = session
            .trial_end
            .or_else(|| session.trial_days.map(|days| self.now + days * 86_400));
        let new = NewSubscription {
            customer: customer.to_owned(),
            items,
            once,
            payment_method: method.map(str::to_owned),
            metadata: session.subscription_metadata.clone(),
            description: session.subscription_description.clone(),
            trial_end: trial,
            intent: intent.map(str::to_owned),
            currency: Some(session.currency.clone()),
            missing_payment_method: session.missing_payment_method.clone(),
            discount: session.discount.clone().map(|chosen| (chosen, session.id.clone())),
        };
        let id = self.open_subscription(new, SubscriptionStatus::Active)?;
        let invoice = self.subscription(&id)?.latest_invoice.clone();
        if let (Some(_), Some(invoice)) = (intent, &invoice) {
            self.mark_paid(invoice, method);
        }
        if let Some(stored) = self.sessions.get_mut(&session.id) {
            stored.subscription = Some(id);
            stored.invoice = invoice;
        }
        Ok(())
    }
}
