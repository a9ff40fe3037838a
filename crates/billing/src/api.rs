//! What is asked of Stripe.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use latchkey_entitlement::{AccountId, EventId};
use serde::{Deserialize, Serialize};

use crate::{
    change::{ChangePreview, PriceChange},
    envelope::EventEnvelope,
    offer::CheckoutTerms,
    payment::{InvoicePayment, Refund},
    plan::{Currency, Interval},
    promotion::PromotionCode,
    stripe::{CheckoutSession, Customer, CustomerState, Invoice, Price, Subscription},
};

/// Longest idempotency key that Stripe takes, in characters.
pub const MAX_KEY_LENGTH: usize = 255;

/// A key that Stripe would refuse.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an idempotency key has 1 to {MAX_KEY_LENGTH} visible ASCII characters")]
pub struct KeyError;

/// Key under which Stripe keeps the answer to a POST for at least 24 hours. It is stored before the first attempt and used again
/// for every later one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// A key that the caller built from ids, which are short and plain. Text from elsewhere goes through [`Self::parse`]; the
    /// gateway refuses a bad key before sending it.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// Reads a key, checking its length and characters.
    pub fn parse(key: &str) -> Result<Self, KeyError> {
        let key = Self::new(key);
        if key.is_valid() { Ok(key) } else { Err(KeyError) }
    }

    /// Whether Stripe would take it.
    pub fn is_valid(&self) -> bool {
        (1..=MAX_KEY_LENGTH).contains(&self.0.len()) && self.0.bytes().all(|b| b.is_ascii_graphic())
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A customer to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCustomer {
    /// Whose it is; goes into its metadata.
    pub account: AccountId,
    /// Where Stripe sends receipts.
    pub email: Option<String>,
}

/// A Checkout session to make, for a subscription or a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCheckout {
    /// `cus_…`.
    pub customer: String,
    /// Who buys; goes into `client_reference_id` and the metadata of session and subscription.
    pub account: AccountId,
    /// Our record of the attempt; goes into the metadata.
    pub attempt: EventId,
    /// `price_…`; not looked at where the terms have an amount of the reader's choice.
    pub price: String,
    /// Trial, reductions, currency.
    pub terms: CheckoutTerms,
    /// Where Stripe sends the reader after paying; may hold `{CHECKOUT_SESSION_ID}`.
    pub success_url: String,
    /// Where Stripe sends a reader who turns back.
    pub cancel_url: String,
    /// Language of the page, such as `de`; Stripe's guess if `None`.
    pub locale: Option<String>,
    /// Whether the price is paid once: `mode` is `payment` then, and there is no subscription.
    pub once: bool,
}

/// Why money goes back, in Stripe's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundReason {
    /// It was paid twice.
    Duplicate,
    /// Its payer asked.
    RequestedByCustomer,
}

/// Money to send back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRefund {
    /// `pi_…` that paid.
    pub payment_intent: String,
    /// How much, in minor units; all that is left if `None`. Stripe refuses more than was paid.
    pub amount_minor: Option<i64>,
    /// Why.
    pub reason: RefundReason,
    /// Metadata of the refund.
    pub metadata: Vec<(String, String)>,
}

/// A price to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPrice {
    /// `prod_…`.
    pub product: String,
    /// Currency.
    pub currency: Currency,
    /// Amount in minor units.
    pub unit_amount_minor: i64,
    /// Unit of the period.
    pub interval: Interval,
    /// Units in a period.
    pub interval_count: u32,
    /// Whether it is paid once; interval and count are not sent then.
    pub once: bool,
    /// Stable name, to find it again.
    pub lookup_key: String,
}

/// A change to a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionChange {
    /// Ends it with the running period, or takes that back.
    CancelAtPeriodEnd(bool),
    /// Moves a line to another price, with Stripe's proration; takes effect only once paid.
    Price {
        /// `si_…`.
        item: String,
        /// `price_…`.
        price: String,
    },
    /// The same, charged at once as it was shown before.
    PriceAsShown(PriceChange),
}

/// Part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, newest first.
    pub items: Vec<T>,
    /// Whether there are more.
    pub has_more: bool,
}

/// Why a call to Stripe did not give what was asked. What is displayed never holds a body, a secret or an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StripeError {
    /// There is no such object, in this mode.
    #[error("Stripe knows no such object; test and live mode have separate ones")]
    NotFound,
    /// Stripe will not do it.
    #[error("Stripe refused the request (status {status}, {})", code.as_deref().unwrap_or("no code"))]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stripe's code, such as `parameter_missing`.
        code: Option<String>,
        /// Stripe's words, addresses and keys taken out. Not part of what is displayed.
        message: String,
    },
    /// The reader's bank or card will not pay.
    #[error("the payment was declined ({})", decline_code.as_deref().or(code.as_deref()).unwrap_or("no code"))]
    Declined {
        /// Stripe's code.
        code: Option<String>,
        /// The bank's code.
        decline_code: Option<String>,
    },
    /// Too many calls.
    #[error("Stripe asks for fewer calls; try again later")]
    RateLimited {
        /// How long Stripe asks to wait, if it says.
        retry_after: Option<Duration>,
    },
    /// The request was sent, and nobody knows whether it took effect. Only the same key may be tried again.
    #[error("it is not known whether Stripe acted: {what}")]
    OutcomeUnknown {
        /// What happened.
        what: String,
    },
    /// Stripe failed at the first request under this key, and answers every further one in the same way for as long as it keeps the
    /// key (24 hours at least): only another key gets another answer.
    #[error("Stripe failed at this before, and repeats that under the same key")]
    KeySpent,
    /// The request never reached Stripe.
    #[error("Stripe cannot be reached: {what}")]
    Unreachable {
        /// What happened.
        what: String,
    },
    /// The key is wrong, revoked, or lacks a permission.
    #[error("Stripe does not accept the secret key, or the key lacks a permission for this")]
    Unauthorized,
    /// Stripe answered, and the answer cannot be read; or the request could not be built.
    #[error("not usable: {what}")]
    Malformed {
        /// The object and the field.
        what: String,
    },
}

impl StripeError {
    /// Whether the same call, with the same key, can succeed later without anybody's doing.
    pub const fn retry(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::OutcomeUnknown { .. } | Self::Unreachable { .. } => true,
            // Stripe itself failed, or another call held the same object.
            Self::Refused { status, .. } => *status >= 500 || *status == 409,
            Self::NotFound | Self::Declined { .. } | Self::KeySpent | Self::Unauthorized | Self::Malformed { .. } => {
                false
            }
        }
    }
}

impl From<crate::parse::ParseError> for StripeError {
    fn from(error: crate::parse::ParseError) -> Self {
        Self::Malformed {
            what: error.to_string(),
        }
    }
}

/// Stripe, as far as it is used here.
///
/// Every method that changes something takes a key that the caller stored before the first attempt.
#[async_trait]
pub trait Stripe: Send + Sync {
    /// The same for work that nobody waits for, which lets readers go first; `None` where that makes no difference.
    fn in_background(&self) -> Option<Arc<dyn Stripe>> {
        None
    }

    /// A customer and what it bought. A deleted customer is a state, not an error.
    async fn customer_state(&self, customer: &str) -> Result<CustomerState, StripeError>;

    /// Makes a customer and gives its id.
    async fn create_customer(&self, key: &IdempotencyKey, new: &NewCustomer) -> Result<String, StripeError>;

    /// Makes a Checkout session.
    async fn create_checkout_session(
        &self,
        key: &IdempotencyKey,
        new: &NewCheckout,
    ) -> Result<CheckoutSession, StripeError>;

    /// Reads a Checkout session.
    async fn checkout_session(&self, id: &str) -> Result<CheckoutSession, StripeError>;

    /// Ends an open Checkout session, so that it can no longer be paid.
    async fn expire_checkout_session(&self, id: &str) -> Result<CheckoutSession, StripeError>;

    /// Makes a portal session and gives its address, which is short-lived.
    async fn create_portal_session(
        &self,
        key: &IdempotencyKey,
        customer: &str,
        return_url: &str,
    ) -> Result<String, StripeError>;

    /// Changes a subscription.
    async fn update_subscription(
        &self,
        key: &IdempotencyKey,
        id: &str,
        change: SubscriptionChange,
    ) -> Result<Subscription, StripeError>;

    /// What a change of price would cost; changes nothing.
    async fn preview_price_change(&self, change: &PriceChange) -> Result<ChangePreview, StripeError>;

    /// The promotion code of this name, in either case: an active one if there is one, else the newest.
    async fn promotion_code(&self, code: &str) -> Result<Option<PromotionCode>, StripeError>;

    /// Ends a subscription now, without proration; `comment` says why, for whoever looks at it in Stripe. One that has ended already is
    /// [`StripeError::NotFound`]. Without a key, which Stripe takes with a POST alone: ending twice ends once.
    async fn cancel_subscription(&self, id: &str, comment: &str) -> Result<Subscription, StripeError>;

    /// Sends money back.
    async fn create_refund(&self, key: &IdempotencyKey, new: &NewRefund) -> Result<Refund, StripeError>;

    /// Takes back an open invoice, so that nobody can pay it any more.
    async fn void_invoice(&self, key: &IdempotencyKey, id: &str) -> Result<Invoice, StripeError>;

    /// How an invoice was paid.
    async fn invoice_payments(&self, invoice: &str) -> Result<Vec<InvoicePayment>, StripeError>;

    /// The customer that an object is about, where its event did not say: a dispute, a refund, a charge, a subscription, an invoice or
    /// a Checkout session. `None` for any other kind, and where there is none.
    async fn customer_of(&self, object: &str) -> Result<Option<String>, StripeError>;

    /// Every active price, those that are paid once too.
    async fn list_prices(&self) -> Result<Vec<Price>, StripeError>;

    /// Events that are newer than `after`, newest first; all that Stripe still has (30 days) if `None`, or if it has forgotten `after`.
    async fn list_events(&self, after: Option<&str>) -> Result<Vec<EventEnvelope>, StripeError>;

    /// One page of all invoices, newest first.
    async fn list_invoices(&self, starting_after: Option<&str>) -> Result<Page<Invoice>, StripeError>;

    /// One page of all customers, newest first.
    async fn list_customers(&self, starting_after: Option<&str>) -> Result<Page<Customer>, StripeError>;

    /// One page of all subscriptions of every status, newest first; cards are not expanded.
    async fn list_subscriptions(&self, starting_after: Option<&str>) -> Result<Page<Subscription>, StripeError>;

    /// Makes a product and gives its id.
    async fn create_product(
        &self,
        key: &IdempotencyKey,
        name: &str,
        metadata: &[(String, String)],
    ) -> Result<String, StripeError>;

    /// Makes a price and gives its id.
    async fn create_price(&self, key: &IdempotencyKey, new: &NewPrice) -> Result<String, StripeError>;
}
