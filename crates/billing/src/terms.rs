//! The terms of a price beside amount and period: trial, introduction, what must be shown to get it, an amount of one's choice.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{plan::Currency, reduction::Reduction};

/// Terms of a price; the default is a fixed amount for everybody, from the first day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceTerms {
    /// What it is called beside the plan's name, such as `Student`.
    pub name: Option<String>,
    /// Amounts of the same Stripe price in other currencies (`currency_options`).
    pub currencies: Vec<CurrencyAmount>,
    /// Days without payment at the beginning.
    pub trial: Option<Trial>,
    /// Less for the first time.
    pub introduction: Option<Introduction>,
    /// Whether promotion codes may be used.
    pub promotion_codes: bool,
    /// Who can have it.
    pub needs: Needs,
    /// The reader says how much.
    pub chosen: Option<ChosenAmount>,
}

/// An amount in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrencyAmount {
    /// Currency.
    pub currency: Currency,
    /// Minor units.
    pub amount_minor: i64,
}

/// Longest trial, in days: Stripe's bound of two years (`trial_period_days`).
pub const MAX_TRIAL_DAYS: u32 = 730;

/// A trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// How long, in days; 1 to [`MAX_TRIAL_DAYS`].
    pub days: u32,
    /// Whether a card is asked for at its beginning.
    pub card: TrialCard,
}

/// Whether a trial begins with a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialCard {
    /// It does: the first payment follows by itself.
    Required,
    /// It does not, and this happens at the end if none was given until then.
    NotRequired(MissingCard),
}

/// What Stripe does at the end of a trial without a card (`trial_settings[end_behavior][missing_payment_method]`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingCard {
    /// The subscription ends.
    #[default]
    Cancel,
    /// It stands still until a card is given.
    Pause,
}

impl MissingCard {
    /// Stripe's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Pause => "pause",
        }
    }
}

/// An introductory price: a coupon that every buyer gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// Stripe's id of the coupon.
    pub coupon: String,
    /// What it takes off, and for how long.
    pub reduction: Reduction,
}

/// What a reader has to show to get a price. Each one that is set is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Needs {
    /// A sentence that the reader confirms; it is stored with its text and its time.
    pub statement: Option<String>,
    /// An address under one of these, shown to be the reader's.
    pub mail_domains: Vec<MailDomain>,
    /// One of these words, in either case.
    pub codes: Vec<String>,
}

impl Needs {
    /// Whether everybody can have it.
    pub const fn is_nothing(&self) -> bool {
        self.statement.is_none() && self.mail_domains.is_empty() && self.codes.is_empty()
    }

    /// Whether a proven address of the reader fits; yes if none is needed.
    pub fn fits_address(&self, proven: Option<&str>) -> bool {
        self.mail_domains.is_empty()
            || proven.is_some_and(|address| self.mail_domains.iter().any(|it| it.covers(address)))
    }

    /// Whether a typed word fits; yes if none is needed.
    pub fn fits_code(&self, typed: &str) -> bool {
        let typed = typed.trim();
        self.codes.is_empty()
            || self
                .codes
                .iter()
                .any(|code| code.to_lowercase() == typed.to_lowercase())
    }
}

/// A domain of mail addresses: `uni.example` is that one alone, `*.uni.example` whatever lies below it and not itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailDomain {
    name: String,
    below: bool,
}

/// A text that is no domain.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a mail domain: write `uni.example`, or `*.uni.example` for all below it")]
pub struct MailDomainError;

impl MailDomain {
    /// Reads `uni.example` or `*.uni.example`. A rule for a whole top-level domain is refused.
    pub fn parse(text: &str) -> Result<Self, MailDomainError> {
        let lower = text.to_lowercase();
        let (name, below) = lower
            .strip_prefix("*.")
            .map_or((lower.as_str(), false), |name| (name, true));
        let label = |label: &str| {
            !label.is_empty() && !label.starts_with('-') && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        if name.contains('.') && name.split('.').all(label) {
            Ok(Self {
                name: name.to_owned(),
                below,
            })
        } else {
            Err(MailDomainError)
        }
    }

    /// How every address under it ends, for readers: `@uni.example`, or `.uni.example`.
    pub fn ending(&self) -> String {
        format!("{}{}", if self.below { "." } else { "@" }, self.name)
    }

    /// Whether an address lies under it.
    pub fn covers(&self, address: &str) -> bool {
        let Some((_, domain)) = address.rsplit_once('@') else {
            return false;
        };
        let domain = domain.to_lowercase();
        if self.below {
            domain
                .strip_suffix(&self.name)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            domain == self.name
        }
    }
}

impl fmt::Display for MailDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}

impl TryFrom<String> for MailDomain {
    type Error = MailDomainError;
    fn try_from(text: String) -> Result<Self, MailDomainError> {
        Self::parse(&text)
    }
}

impl From<MailDomain> for String {
    fn from(domain: MailDomain) -> Self {
        domain.to_string()
    }
}

/// Most amounts that are suggested.
pub const MAX_SUGGESTIONS: usize = 6;

/// An amount that the reader chooses, in the price's currency. Stripe's `custom_unit_amount` is for single payments, so that the amount
/// goes to Checkout as `price_data`, and the plan of such a subscription is known by its product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenAmount {
    /// `prod_…`.
    pub product: String,
    /// Least, in minor units.
    pub minimum_minor: i64,
    /// Most, in minor units.
    pub maximum_minor: i64,
    /// What buttons offer, in minor units.
    pub suggestions: Vec<i64>,
}

/// Why an amount cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChosenError {
    /// Less than the least.
    #[error("less than the least that can be chosen")]
    TooLittle,
    /// More than the most.
    #[error("more than the most that can be chosen")]
    TooMuch,
}

impl ChosenAmount {
    /// Whether an amount can be chosen.
    pub const fn check(&self, amount_minor: i64) -> Result<(), ChosenError> {
        if amount_minor < self.minimum_minor {
            Err(ChosenError::TooLittle)
        } else if amount_minor > self.maximum_minor {
            Err(ChosenError::TooMuch)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_covers_itself_or_what_is_below_it_and_nothing_that_looks_like_it() {
        let exact = MailDomain::parse("Uni.Example").unwrap();
        let below = MailDomain::parse("*.uni.example").unwrap();
        for (address, is_exact, is_below) in [
            ("ada@uni.example", true, false),
            ("ada@UNI.example", true, false),
            ("ada@cs.uni.example", false, true),
            ("ada@a.b.uni.example", false, true),
            ("ada@notuni.example", false, false),
            ("ada@uni.example.evil.example", false, false),
            ("\"uni.example\"@evil.example", false, false),
            ("uni.example", false, false),
            ("ada@.uni.example", false, false),
        ] {
            assert_eq!(
                (exact.covers(address), below.covers(address)),
                (is_exact, is_below),
                "{address}"
            );
        }
        for bad in [
            "",
            "example",
            "*.example",
            "*",
            "a..b",
            "@uni.example",
            "uni.example/x",
            "-a.example",
            "*.*.uni.example",
        ] {
            assert_eq!(MailDomain::parse(bad), Err(MailDomainError), "{bad}");
        }
        assert_eq!(below.to_string(), "*.uni.example");
    }

    #[test]
    fn each_thing_that_is_needed_is_needed() {
        let needs = Needs {
            statement: None,
            mail_domains: vec![MailDomain::parse("uni.example").unwrap()],
            codes: vec!["Neighbour".to_owned()],
        };
        assert!(!needs.is_nothing());
        assert!(!needs.fits_address(None) && !needs.fits_address(Some("a@b.example")));
        assert!(needs.fits_address(Some("a@uni.example")));
        assert!(needs.fits_code(" neighbOUR ") && !needs.fits_code("") && !needs.fits_code("neighbours"));
        let nothing = Needs::default();
        assert!(nothing.is_nothing() && nothing.fits_address(None) && nothing.fits_code(""));
    }
}
