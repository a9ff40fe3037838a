//! What tests and the control panel can do that Stripe's API cannot.

use crate::card::Card;
use crate::config::SandboxError;
use crate::customer::Customer;
use crate::endpoint::CONFIGURED;
use crate::error::ApiError;
use crate::fault::Fault;
use crate::mode::DeliveryMode;
use crate::pay::{CardForm, Outcome};
use crate::sandbox::Sandbox;
use crate::settings::Settings;
use crate::state::State;
use crate::subscription::{NewSubscription, SubscriptionStatus};

/// After a renewal's moment, its invoice is finalised and charged a little later; a step to the next renewal goes past
/// that.
const PAST_FINALISING_MS: i64 = 1000;

/// How many objects of each kind exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Customers that are not deleted.
    pub customers: usize,
    /// Products.
    pub products: usize,
    /// Prices.
    pub prices: usize,
    /// Checkout sessions in any state.
    pub sessions: usize,
    /// Subscriptions in any state.
    pub subscriptions: usize,
    /// Subscriptions that are not over.
    pub live_subscriptions: usize,
    /// Invoices in any state.
    pub invoices: usize,
    /// Paid invoices with an amount.
    pub charged_invoices: usize,
    /// Payment intents that succeeded: how often money moved.
    pub payments: usize,
    /// Events.
    pub events: usize,
    /// Deliveries that arrived.
    pub delivered: usize,
    /// Deliveries under way or waiting for a retry.
    pub pending_deliveries: usize,
}

/// A subscription in brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionSummary {
    /// Its id.
    pub id: String,
    /// Its customer's id.
    pub customer: String,
    /// Its state.
    pub status: SubscriptionStatus,
    /// The ids of its prices.
    pub prices: Vec<String>,
    /// When the current period ends, in seconds.
    pub period_end: i64,
    /// Whether it ends with the period.
    pub cancel_at_period_end: bool,
}

/// The record of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// The event's id.
    pub event: String,
    /// The event's type.
    pub kind: String,
    /// How often it was tried.
    pub tries: u32,
    /// The status of the last answer, if there was one.
    pub status: Option<u16>,
    /// Whether it arrived.
    pub delivered: bool,
}

/// Controls over a [`Sandbox`].
#[derive(Debug, Clone, Copy)]
pub struct Control<'a> {
    pub(crate) sandbox: &'a Sandbox,
}

impl<'a> Control<'a> {
    pub(crate) const fn new(sandbox: &'a Sandbox) -> Self {
        Self { sandbox }
    }

    /// What happens to events from now on.
    pub fn set_delivery_mode(&self, mode: DeliveryMode) {
        self.sandbox.edit(|state| {
            state.modes.delivery = mode;
            state.changed = true;
        });
    }

    /// Holds every delivery back, or lets them go.
    pub fn pause_deliveries(&self, paused: bool) {
        self.sandbox.edit(|state| {
            state.modes.paused = paused;
            state.changed = true;
        });
    }

    /// Sends an event once more to every endpoint, now.
    pub fn resend(&self, event: &str) -> Result<(), SandboxError> {
        let now_ms = self.sandbox.clock().now_ms();
        let known = self.sandbox.edit(|state| state.resend(event, now_ms, None));
        if known {
            Ok(())
        } else {
            Err(SandboxError::NoSuch {
                what: "event",
                id: event.to_owned(),
            })
        }
    }

    /// Gives the configured endpoint a new signing secret and returns it. For a day the old one signs as well.
    pub fn roll_secret(&self) -> Result<String, SandboxError> {
        let secret = self.sandbox.edit(|state| state.roll_secret(CONFIGURED));
        secret.ok_or_else(|| SandboxError::NoSuch {
            what: "webhook endpoint",
            id: CONFIGURED.to_owned(),
        })
    }

    /// Lets the next `times` payments of a customer be declined, whatever the card; 0 lifts it.
    pub fn fail_next_payments(&self, customer: &str, times: u32) -> Result<(), SandboxError> {
        self.sandbox.edit(|state| {
            state.live_customer(customer, "customer").map_err(refused)?;
            state.changed = true;
            if times == 0 {
                state.failing.remove(customer);
            } else {
                state.failing.insert(customer.to_owned(), times);
            }
            Ok(())
        })
    }

    /// Lets the next `times` API calls suffer `fault`, after those that are already asked for.
    pub fn fail_next_calls(&self, times: usize, fault: Fault) {
        self.sandbox
            .edit(|state| state.faults.extend(std::iter::repeat_n(fault, times)));
    }

    /// Lets calls succeed again that [`Control::fail_next_calls`] would have failed.
    pub fn forget_faults(&self) {
        self.sandbox.edit(|state| state.faults.clear());
    }

    /// Makes the account one whose owner never saved the portal's settings, as new ones are: a portal session has to name a
    /// configuration.
    pub fn forget_portal_default(&self) {
        self.sandbox.edit(State::forget_portal_default);
    }

    /// The account's settings.
    pub fn settings(&self) -> Settings {
        self.sandbox.edit(|state| state.settings.clone())
    }

    /// Changes the account's settings.
    pub fn set_settings(&self, settings: Settings) {
        self.sandbox.edit(|state| {
            state.settings = settings;
            state.changed = true;
        });
    }

    /// How many objects there are.
    pub fn counts(&self) -> Counts {
        use crate::delivery::Progress;
        use crate::intent::IntentStatus;
        use crate::invoice::InvoiceStatus;
        self.sandbox.edit(|state| Counts {
            customers: state.customers.values().filter(|one| !one.deleted).count(),
            products: state.products.len(),
            prices: state.prices.len(),
            sessions: state.sessions.len(),
            subscriptions: state.subscriptions.len(),
            live_subscriptions: state.subscriptions.values().filter(|one| !one.status.is_over()).count(),
            invoices: state.invoices.len(),
            charged_invoices: state
                .invoices
                .values()
                .filter(|one| one.status == InvoiceStatus::Paid && one.amount_paid > 0)
                .count(),
            payments: state
                .payment_intents
                .values()
                .filter(|one| one.status == IntentStatus::Succeeded)
                .count(),
            events: state.events.len(),
            delivered: state
                .deliveries
                .values()
                .filter(|one| one.progress == Progress::Delivered)
                .count(),
            pending_deliveries: state
                .deliveries
                .values()
                .filter(|one| one.progress == Progress::Pending)
                .count(),
        })
    }

    /// All subscriptions, the oldest first.
    pub fn subscriptions(&self) -> Vec<SubscriptionSummary> {
        self.sandbox.edit(|state| {
            let summary = |one: &crate::subscription::Subscription| SubscriptionSummary {
                id: one.id.clone(),
                customer: one.customer.clone(),
                status: one.status,
                prices: one.items.iter().map(|item| item.price.clone()).collect(),
                period_end: one.period_end,
                cancel_at_period_end: one.cancel_at_period_end,
            };
            state.subscriptions.values().map(summary).collect()
        })
    }

    /// The delivery log, the oldest first.
    pub fn deliveries(&self) -> Vec<DeliveryRecord> {
        self.sandbox.edit(|state| {
            let record = |one: &crate::delivery::Delivery| DeliveryRecord {
                event: one.event.clone(),
                kind: state
                    .events
                    .get(&one.event)
                    .map(|event| event.kind.clone())
                    .unwrap_or_default(),
                tries: one.tries,
                status: one.status,
                delivered: one.progress == crate::delivery::Progress::Delivered,
            };
            state.deliveries.values().map(record).collect()
        })
    }

    /// Moves the clock past the next renewal of any subscription and its charge, and says by how many milliseconds;
    /// none if nothing will renew.
    pub fn advance_to_next_renewal(&self) -> Option<i64> {
        let now_ms = self.sandbox.clock().now_ms();
        let (at, wait) = self
            .sandbox
            .edit(|state| (state.next_renewal(), state.settings.finalise_after_seconds));
        let step = (at? + i64::from(wait)) * 1000 + PAST_FINALISING_MS - now_ms;
        self.sandbox.advance(step);
        Some(step)
    }

    /// Pays an open Checkout session as a reader does on its page, with a card of Stripe's testing page; a bank that asks is
    /// answered. Gives the address that the reader is sent to. A session that is over, or a card that is declined, is an error.
    pub fn pay_session(&self, session: &str, card_number: &str) -> Result<String, SandboxError> {
        self.sandbox.edit(|state| {
            let typed = CardForm {
                number: card_number.to_owned(),
                expiry: "12/49".to_owned(),
                cvc: "123".to_owned(),
                name: "A Reader".to_owned(),
                email: "reader@example.org".to_owned(),
                ..CardForm::default()
            };
            let outcome = match state.submit_payment(session, &typed) {
                Outcome::Authenticate(intent) => state.authenticate(&intent, true).0,
                other => other,
            };
            match outcome {
                Outcome::Done(address) => Ok(address),
                Outcome::Refused { message, .. } => Err(SandboxError::Refused(message)),
                Outcome::Closed | Outcome::Authenticate(_) | Outcome::Unknown => {
                    Err(SandboxError::Refused("the Checkout session is not open".to_owned()))
                }
            }
        })
    }

    /// The same from a bank account of Stripe's testing page; the bank answers in five days.
    pub fn pay_session_by_debit(&self, session: &str, iban: &str) -> Result<String, SandboxError> {
        self.sandbox.edit(|state| {
            let typed = CardForm {
                iban: iban.to_owned(),
                name: "A Reader".to_owned(),
                email: "reader@example.org".to_owned(),
                ..CardForm::default()
            };
            match state.submit_payment(session, &typed) {
                Outcome::Done(address) => Ok(address),
                Outcome::Refused { message, .. } => Err(SandboxError::Refused(message)),
                Outcome::Closed | Outcome::Authenticate(_) | Outcome::Unknown => {
                    Err(SandboxError::Refused("the Checkout session is not open".to_owned()))
                }
            }
        })
    }

    /// Pays an open invoice with the card on file, its owner being there, as on its page.
    pub fn pay_invoice(&self, invoice: &str) -> Result<(), SandboxError> {
        self.sandbox.edit(|state| state.pay_in_person(invoice).map_err(refused))
    }

    /// Makes a customer who bought a price elsewhere (a payment link, the dashboard): a subscription that no session
    /// of ours led to. Returns the customer's and the subscription's ids. A declined card is an error and leaves an
    /// incomplete subscription behind, as with Stripe.
    pub fn buy_elsewhere(&self, email: &str, price: &str, card_number: &str) -> Result<(String, String), SandboxError> {
        self.sandbox.edit(|state| {
            let card = Card::read(
                card_number,
                "12/49",
                if card_number.starts_with('3') { "1234" } else { "123" },
                state.now,
            )
            .map_err(|fault| SandboxError::Refused(fault.message.to_owned()))?;
            state.price(price, "price").map_err(refused)?;
            let customer = state.add_customer(Customer {
                email: Some(email.to_owned()),
                ..Customer::default()
            });
            let method = state.add_card(card, Some(&customer), None);
            let new = NewSubscription {
                customer: customer.clone(),
                items: vec![(price.to_owned(), 1)],
                payment_method: Some(method),
                ..NewSubscription::default()
            };
            let id = state
                .open_subscription(new, SubscriptionStatus::Incomplete)
                .map_err(refused)?;
            let invoice = state.subscription(&id).map_err(refused)?.latest_invoice.clone();
            if let Some(invoice) = invoice {
                state.pay_in_person(&invoice).map_err(refused)?;
            }
            Ok((customer, id))
        })
    }
}

pub(crate) fn refused(error: ApiError) -> SandboxError {
    SandboxError::Refused(error.message)
}
