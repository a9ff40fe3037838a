//! Everything the sandbox knows: one value that is written to the state file as a whole.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::account::TaxSettings;
use crate::card::PaymentMethod;
use crate::charge::Charge;
use crate::checkout::Session;
use crate::coupon::Coupon;
use crate::credit_note::CreditNote;
use crate::customer::Customer;
use crate::debit::BankAccount;
use crate::delivery::Delivery;
use crate::discount::Discount;
use crate::dispute::Dispute;
use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::event::Event;
use crate::fault::Fault;
use crate::idempotency::Kept;
use crate::intent::PaymentIntent;
use crate::invoice::{Invoice, InvoicePayment};
use crate::mode::Modes;
use crate::portal::PortalSession;
use crate::portal_configuration::PortalConfiguration;
use crate::price::Price;
use crate::product::Product;
use crate::promotion_code::PromotionCode;
use crate::refund::Refund;
use crate::settings::Settings;
use crate::subscription::Subscription;

/// The version of the state file; a file of another version is refused.
pub(crate) const STATE_VERSION: u32 = 1;

/// The whole state. Ids sort in order of creation, so a table read backwards is a list as Stripe gives it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) version: u32,
    pub(crate) seed: String,
    pub(crate) counter: u64,
    pub(crate) clock_offset_ms: i64,
    pub(crate) settings: Settings,
    pub(crate) modes: Modes,
    pub(crate) customers: BTreeMap<String, Customer>,
    pub(crate) products: BTreeMap<String, Product>,
    pub(crate) prices: BTreeMap<String, Price>,
    #[serde(default)]
    pub(crate) coupons: BTreeMap<String, Coupon>,
    #[serde(default)]
    pub(crate) promotion_codes: BTreeMap<String, PromotionCode>,
    #[serde(default)]
    pub(crate) discounts: BTreeMap<String, Discount>,
    pub(crate) payment_methods: BTreeMap<String, PaymentMethod>,
    #[serde(default)]
    pub(crate) bank_accounts: BTreeMap<String, BankAccount>,
    pub(crate) payment_intents: BTreeMap<String, PaymentIntent>,
    #[serde(default)]
    pub(crate) charges: BTreeMap<String, Charge>,
    #[serde(default)]
    pub(crate) refunds: BTreeMap<String, Refund>,
    #[serde(default)]
    pub(crate) disputes: BTreeMap<String, Dispute>,
    #[serde(default)]
    pub(crate) credit_notes: BTreeMap<String, CreditNote>,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) invoices: BTreeMap<String, Invoice>,
    pub(crate) invoice_payments: BTreeMap<String, InvoicePayment>,
    pub(crate) portal_sessions: BTreeMap<String, PortalSession>,
    #[serde(default)]
    pub(crate) portal_configurations: BTreeMap<String, PortalConfiguration>,
    /// Whether the account's owner never saved the portal's settings, as in a new account of Stripe's.
    #[serde(default)]
    pub(crate) no_portal_default: bool,
    #[serde(default)]
    pub(crate) tax_settings: TaxSettings,
    pub(crate) events: BTreeMap<String, Event>,
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    pub(crate) deliveries: BTreeMap<u64, Delivery>,
    pub(crate) idempotency: BTreeMap<String, Kept>,
    /// Customers whose next payments fail, and how many of them.
    pub(crate) failing: BTreeMap<String, u32>,
    /// What the next API calls suffer; lost on restart.
    #[serde(skip)]
    pub(crate) faults: Vec<Fault>,
    /// The moment being processed, in seconds.
    #[serde(skip)]
    pub(crate) now: i64,
    /// Where the pages are reached.
    #[serde(skip)]
    pub(crate) public_url: String,
    /// The API request that causes what happens now: its id and its idempotency key.
    #[serde(skip)]
    pub(crate) cause: Option<(String, Option<String>)>,
    /// Events of the operation in progress, not yet handed to deliveries.
    #[serde(skip)]
    pub(crate) emitted: Vec<String>,
    /// Deliveries that a worker is sending now.
    #[serde(skip)]
    pub(crate) in_flight: BTreeSet<u64>,
    /// Whether anything changed since the state was last written.
    #[serde(skip)]
    pub(crate) changed: bool,
}

impl State {
    pub(crate) fn new(seed: String) -> Self {
        Self {
            version: STATE_VERSION,
            seed,
            ..Self::default()
        }
    }

    /// A new id: prefix, a counter that keeps ids in order of creation, and `tail` characters that look random but
    /// follow from the seed.
    pub(crate) fn new_id(&mut self, prefix: &str, tail: usize) -> String {
        self.counter += 1;
        let count = base36(self.counter);
        format!(
            "{prefix}_1S{count:0>6}{}",
            self.scatter(&format!("{prefix}{count}"), tail)
        )
    }

    /// A number that follows from the seed and the counter; for shuffling.
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.counter += 1;
        let hash = digest(&SHA256, format!("{}roll{}", self.seed, self.counter).as_bytes());
        let value = hash
            .as_ref()
            .iter()
            .take(7)
            .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        if below == 0 { 0 } else { value % below }
    }

    pub(crate) fn scatter(&self, about: &str, length: usize) -> String {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut text = String::with_capacity(length);
        let mut block = 0_u32;
        while text.len() < length {
            let hash = digest(&SHA256, format!("{}{about}{block}", self.seed).as_bytes());
            let letters = hash
                .as_ref()
                .iter()
                .filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()));
            text.extend(letters.take(length - text.len()).map(|letter| char::from(*letter)));
            block += 1;
        }
        text
    }

    pub(crate) fn customer(&self, id: &str) -> Result<&Customer, ApiError> {
        self.customers.get(id).ok_or_else(|| ApiError::no_such("customer", id))
    }

    /// A customer that a parameter names: one that exists and is not deleted.
    pub(crate) fn live_customer(&self, id: &str, param: &str) -> Result<&Customer, ApiError> {
        let found = self.customers.get(id).filter(|customer| !customer.deleted);
        found.ok_or_else(|| ApiError::no_such_param("customer", id, param))
    }

    pub(crate) fn price(&self, id: &str, param: &str) -> Result<&Price, ApiError> {
        self.prices
            .get(id)
            .ok_or_else(|| ApiError::no_such_param("price", id, param))
    }

    pub(crate) fn subscription(&self, id: &str) -> Result<&Subscription, ApiError> {
        self.subscriptions
            .get(id)
            .ok_or_else(|| ApiError::no_such("subscription", id))
    }

    pub(crate) fn invoice(&self, id: &str) -> Result<&Invoice, ApiError> {
        self.invoices.get(id).ok_or_else(|| ApiError::no_such("invoice", id))
    }

    pub(crate) fn session(&self, id: &str) -> Result<&Session, ApiError> {
        self.sessions
            .get(id)
            .ok_or_else(|| ApiError::no_such("checkout.session", id))
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.is_empty() {
        let digit = u32::try_from(number % 36).unwrap_or_default();
        digits.push(char::from_digit(digit, 36).unwrap_or('0'));
        number /= 36;
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_the_seed_and_sort_by_creation() {
        let (mut one, mut two, mut other) = (State::new("a".into()), State::new("a".into()), State::new("b".into()));
        let first: Vec<String> = (0..100).map(|_| one.new_id("cus", 8)).collect();
        let second: Vec<String> = (0..100).map(|_| two.new_id("cus", 8)).collect();
        assert_eq!(first, second);
        assert!(first.is_sorted());
        assert_ne!(first.first(), Some(&other.new_id("cus", 8)));
    }
}
