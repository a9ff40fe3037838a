//! What is sold.

use std::fmt;

use latchkey_entitlement::{PlanId, PriceId, Scope, Sites, Span, Zone};
use serde::{Deserialize, Serialize};

use crate::terms::PriceTerms;

/// A currency code that is not three letters.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a currency: three letters as in ISO 4217, such as `eur`")]
pub struct CurrencyError;

/// A currency: ISO 4217, lower-case, as Stripe writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(String);

impl Currency {
    /// Reads a code in either case.
    pub fn parse(code: &str) -> Result<Self, CurrencyError> {
        if code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic()) {
            Ok(Self(code.to_ascii_lowercase()))
        } else {
            Err(CurrencyError)
        }
    }

    /// The code in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;
    fn try_from(code: String) -> Result<Self, CurrencyError> {
        Self::parse(&code)
    }
}

impl std::str::FromStr for Currency {
    type Err = CurrencyError;
    fn from_str(code: &str) -> Result<Self, CurrencyError> {
        Self::parse(code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}

/// The unit in which a price comes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// A day.
    Day,
    /// A week.
    Week,
    /// A month.
    #[default]
    Month,
    /// A year.
    Year,
}

impl Interval {
    /// Every interval.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    /// Stripe's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Reads Stripe's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|interval| interval.as_str() == word)
    }
}

/// What a price gives that is paid once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// How much time, from the payment on; it waits behind what the reader has already.
    pub span: Span,
    /// Whose calendar its months and years are of.
    #[serde(default)]
    pub zone: Zone,
}

/// An amount at which a plan is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanPrice {
    /// Our id.
    pub id: PriceId,
    /// Stripe's id, `price_…`; empty where the reader chooses the amount.
    pub stripe_price: String,
    /// Currency.
    pub currency: Currency,
    /// Amount in minor units.
    pub amount_minor: i64,
    /// Unit of the period.
    pub interval: Interval,
    /// Units in a period; at least 1.
    pub interval_count: u32,
    /// If it is paid once: what that gives. `interval` and `interval_count` say nothing then.
    #[serde(default)]
    pub once: Option<Once>,
    /// Everything else: trial, introduction, who can have it.
    #[serde(default)]
    pub terms: PriceTerms,
}

impl PlanPrice {
    /// Its amount in a currency, in minor units; `None` if it is not sold in it.
    pub fn amount_in(&self, currency: &Currency) -> Option<i64> {
        if self.currency == *currency {
            return Some(self.amount_minor);
        }
        let mut others = self.terms.currencies.iter();
        others
            .find(|other| other.currency == *currency)
            .map(|other| other.amount_minor)
    }

    /// Every currency that it is sold in, its own first.
    pub fn currencies(&self) -> impl Iterator<Item = &Currency> {
        std::iter::once(&self.currency).chain(self.terms.currencies.iter().map(|other| &other.currency))
    }

    /// Whether a line of a subscription was bought at it: by the price's id, and by the product where the reader chose the amount.
    pub fn sold(&self, stripe_price: &str, product: &str) -> bool {
        match &self.terms.chosen {
            Some(chosen) => chosen.product == product,
            None => self.stripe_price == stripe_price,
        }
    }
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Our id.
    pub id: PlanId,
    /// Word that names it in configuration and addresses.
    pub key: String,
    /// Name shown to readers.
    pub name: String,
    /// Sentence shown to readers.
    pub description: String,
    /// What its buyer may do.
    pub entitlements: Scope,
    /// Where.
    pub sites: Sites,
    /// At which prices, archived ones included: they go on billing.
    pub prices: Vec<PlanPrice>,
}
