//! Stripe's objects, as far as they are read here. Times are milliseconds; Stripe's seconds are converted when parsing.

use std::{collections::BTreeMap, fmt};

use latchkey_entitlement::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::papers::Papers;
use crate::payment::{Charge, Dispute, Refund};
use crate::reduction::Reduction;

/// Name in Stripe metadata under which a purchase carries our account id.
pub const ACCOUNT_KEY: &str = "latchkey_account";
/// Name in Stripe metadata under which a purchase carries our id of the checkout attempt.
pub const ATTEMPT_KEY: &str = "latchkey_attempt";

/// State of a subscription, in Stripe's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SubscriptionStatus {
    /// The first payment is open.
    #[default]
    Incomplete,
    /// The first payment was never made; terminal.
    IncompleteExpired,
    /// In a trial.
    Trialing,
    /// In force.
    Active,
    /// A renewal failed and is being retried.
    PastDue,
    /// A renewal failed and is no longer retried.
    Unpaid,
    /// Stopped until somebody resumes it.
    Paused,
    /// Ended; terminal.
    Canceled,
    /// A word that this version does not know.
    Unknown(String),
}

impl SubscriptionStatus {
    /// Every status known here.
    pub const KNOWN: [Self; 8] = [
        Self::Incomplete,
        Self::IncompleteExpired,
        Self::Trialing,
        Self::Active,
        Self::PastDue,
        Self::Unpaid,
        Self::Paused,
        Self::Canceled,
    ];

    /// Stripe's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
            Self::Unknown(word) => word,
        }
    }

    /// Whether the subscription can never give anything again.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }
}

impl From<String> for SubscriptionStatus {
    fn from(word: String) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|known| known.as_str() == word)
            .unwrap_or(Self::Unknown(word))
    }
}

impl From<SubscriptionStatus> for String {
    fn from(status: SubscriptionStatus) -> Self {
        status.as_str().to_owned()
    }
}

impl fmt::Display for SubscriptionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The price of a line, as it was read with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemPrice {
    /// Lower-case ISO 4217: the price's own, which need not be the subscription's where a price has several.
    pub currency: String,
    /// Amount in minor units; `None` if tiered, or a fraction of a minor unit.
    pub unit_amount_minor: Option<i64>,
    /// `day`, `week`, `month`, `year`.
    pub interval: String,
    /// Intervals between payments.
    pub interval_count: u32,
}

/// A reduction that holds for a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discount {
    /// The coupon's id.
    pub coupon: String,
    /// What it does.
    pub reduction: Reduction,
    /// First moment at which it does not hold any more.
    pub end: Option<Timestamp>,
}

impl Discount {
    /// Whether it reduces a payment that is due at `at`, which is not the first one.
    pub fn holds_at(&self, at: Timestamp) -> bool {
        self.reduction.lasts != crate::reduction::Lasts::Once && self.end.is_none_or(|end| at < end)
    }
}

/// One line of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionItem {
    /// `si_…`.
    pub id: String,
    /// `price_…`.
    pub price_id: String,
    /// `prod_…`.
    pub product_id: String,
    /// How many; 0 is a line that was switched off.
    pub quantity: u64,
    /// Start of the period that is paid or being paid.
    pub current_period_start: Timestamp,
    /// End of that period.
    pub current_period_end: Timestamp,
    /// What the price is, where it was read.
    #[serde(default)]
    pub price: Option<ItemPrice>,
}

/// A subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// `sub_…`.
    pub id: String,
    /// `cus_…`.
    pub customer: String,
    /// Its state.
    pub status: SubscriptionStatus,
    /// Its lines.
    pub items: Vec<SubscriptionItem>,
    /// Whether Stripe holds more lines than were read.
    pub more_items: bool,
    /// Whether it ends with the running period.
    pub cancel_at_period_end: bool,
    /// When it is set to end. The portal and flexible billing can set this without `cancel_at_period_end`.
    pub cancel_at: Option<Timestamp>,
    /// When somebody asked for its end.
    pub canceled_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// End of the trial.
    pub trial_end: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
    /// When it began; earlier than `created` if back-dated.
    pub start_date: Timestamp,
    /// Whether collecting money is paused (the status stays `active`).
    pub pause_collection: bool,
    /// `in_…` of the newest invoice.
    pub latest_invoice: Option<String>,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
    /// Live or test mode.
    pub livemode: bool,
    /// The card in words, such as `Visa •••• 4242`, if it was expanded.
    pub default_payment_method: Option<String>,
    /// The first moment (UTC) at which that card is no longer good.
    #[serde(default)]
    pub card_expires_at: Option<Timestamp>,
    /// Lower-case ISO 4217; every price of the subscription is billed in it. Empty where it was not read.
    #[serde(default)]
    pub currency: String,
    /// Beginning of the trial.
    #[serde(default)]
    pub trial_start: Option<Timestamp>,
    /// Reductions of the whole subscription.
    #[serde(default)]
    pub discounts: Vec<Discount>,
    /// Whether there are reductions that were not read.
    #[serde(default)]
    pub unread_discounts: bool,
    /// `sub_sched_…` of the schedule that it follows.
    #[serde(default)]
    pub schedule: Option<String>,
    /// Whether a change waits for its payment.
    #[serde(default)]
    pub pending_update: bool,
}

impl Subscription {
    /// Whether it binds its customer to its currency: Stripe gives a customer no second currency while one is in force.
    pub const fn binds_currency(&self) -> bool {
        !self.status.is_terminal()
    }
}

/// One line of a Checkout session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLine {
    /// `li_…`.
    pub id: String,
    /// `price_…`.
    pub price_id: String,
    /// How many.
    pub quantity: u32,
}

/// A Checkout session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutSession {
    /// `cs_…`.
    pub id: String,
    /// `open`, `complete` or `expired`.
    pub status: Option<String>,
    /// `paid`, `unpaid` or `no_payment_required`. A complete session can be unpaid for days (bank debits).
    pub payment_status: String,
    /// `subscription`, `payment` or `setup`.
    pub mode: String,
    /// `cus_…`.
    pub customer: Option<String>,
    /// `sub_…`, once complete.
    pub subscription: Option<String>,
    /// Our account id.
    pub client_reference_id: Option<String>,
    /// Page to send the reader to, while open.
    pub url: Option<String>,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
    /// When an open session expires.
    pub expires_at: Timestamp,
    /// Live or test mode.
    pub livemode: bool,
    /// What is bought, if it was asked for.
    #[serde(default)]
    pub lines: Vec<SessionLine>,
    /// Whether Stripe holds more lines than were read.
    #[serde(default)]
    pub more_lines: bool,
    /// When the payment was made, as far as Stripe tells: from the invoice, else from the charge. `None` for a payment that took days to
    /// settle, whose charge tells only when it began, and where nothing was due.
    #[serde(default)]
    pub paid_at: Option<Timestamp>,
}

impl CheckoutSession {
    /// Whether it is a payment, not a subscription, and all that is due has arrived.
    pub fn is_paid_once(&self) -> bool {
        self.mode == "payment"
            && self.status.as_deref() == Some("complete")
            && matches!(self.payment_status.as_str(), "paid" | "no_payment_required")
    }
}

/// A price.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// `price_…`.
    pub id: String,
    /// `prod_…`.
    pub product: String,
    /// Whether it can be bought.
    pub active: bool,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// Amount in minor units; `None` if tiered, or a fraction of a minor unit.
    pub unit_amount_minor: Option<i64>,
    /// `day`, `week`, `month`, `year`; `None` if bought once.
    pub interval: Option<String>,
    /// Intervals between payments; 0 if bought once.
    pub interval_count: u32,
    /// Stable name given by us.
    pub lookup_key: Option<String>,
    /// Live or test mode.
    pub livemode: bool,
    /// Amounts in other currencies, by lower-case code, in minor units; empty if they were not read.
    #[serde(default)]
    pub other_currencies: BTreeMap<String, i64>,
}

/// A coupon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    /// Its id.
    pub id: String,
    /// Whether it can still be used.
    pub valid: bool,
    /// What it does.
    pub reduction: Reduction,
    /// The products that it is for; empty is all, or that they were not read.
    pub products: Vec<String>,
    /// Live or test mode.
    pub livemode: bool,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// `prod_…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is sold.
    pub active: bool,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
}

/// An invoice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// `in_…`.
    pub id: String,
    /// `draft`, `open`, `paid`, `uncollectible` or `void`.
    pub status: Option<String>,
    /// `sub_…`, if it bills one.
    pub subscription: Option<String>,
    /// What is asked for, in minor units.
    pub amount_due_minor: i64,
    /// What was paid, in minor units.
    pub amount_paid_minor: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it is due, if it is sent rather than collected.
    pub due_date: Option<Timestamp>,
    /// How often collecting was tried.
    pub attempt_count: u32,
    /// When it is tried again.
    pub next_payment_attempt: Option<Timestamp>,
    /// Page on which the reader can pay.
    pub hosted_invoice_url: Option<String>,
    /// End of the time it covers.
    pub period_end: Timestamp,
    /// Number printed on it.
    pub number: Option<String>,
    /// What bookkeeping needs of it.
    #[serde(default)]
    pub papers: Papers,
    /// The latest end of what its lines are for: at a renewal, the end of the period that begins.
    pub lines_end: Option<Timestamp>,
}

/// A customer, without what it bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// `cus_…`.
    pub id: String,
    /// Whether it was deleted; its subscriptions ended with it.
    pub deleted: bool,
    /// Live or test mode; false for a deleted customer, which no longer says.
    pub livemode: bool,
    /// E-mail address. Never proof of who the reader is.
    pub email: Option<String>,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
}

/// All that is read about one customer in one sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerState {
    /// `cus_…`.
    pub id: String,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Live or test mode.
    pub livemode: bool,
    /// E-mail address. Never proof of who the reader is.
    pub email: Option<String>,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
    /// Every subscription, ended ones too.
    pub subscriptions: Vec<Subscription>,
    /// The newest Checkout sessions.
    pub sessions: Vec<CheckoutSession>,
    /// Completed Checkout sessions of payments, with their lines: what was bought once, old ones too.
    #[serde(default)]
    pub purchases: Vec<CheckoutSession>,
    /// Whether there are more of them than were read.
    #[serde(default)]
    pub more_purchases: bool,
    /// The newest invoices, those of the running periods, and the latest one of each subscription that is not in order.
    pub invoices: Vec<Invoice>,
    /// The charges since the earliest running period began whose money went back, was to go back, or is disputed.
    pub charges: Vec<Charge>,
    /// The refunds of those charges.
    pub refunds: Vec<Refund>,
    /// The disputes of those charges.
    pub disputes: Vec<Dispute>,
    /// When the reading began. The gateway, which has no clock, leaves 0; the caller knows better.
    pub read_at: Timestamp,
}

impl CustomerState {
    /// The accounts that Checkout bound this customer's purchases to, without doubles: from metadata and `client_reference_id`.
    pub fn bound_accounts(&self) -> Vec<AccountId> {
        let sessions = || self.sessions.iter().chain(&self.purchases);
        let references = sessions().filter_map(|session| session.client_reference_id.as_ref());
        let mut found: Vec<AccountId> = std::iter::once(&self.metadata)
            .chain(self.subscriptions.iter().map(|subscription| &subscription.metadata))
            .chain(sessions().map(|session| &session.metadata))
            .filter_map(|metadata| metadata.get(ACCOUNT_KEY))
            .chain(references)
            .filter_map(|text| AccountId::parse(text).ok())
            .collect();
        found.sort();
        found.dedup();
        found
    }
}
