//! A price's terms as they stand in the file.

use latchkey_billing::{
    ChosenAmount, Currency, CurrencyAmount, Introduction, Lasts, Needs, Off, PriceTerms, Reduction, Trial, TrialCard,
};
use serde::{Deserialize, Serialize};

use super::PriceSection;

/// Hundredths of a percent in one.
const HUNDREDTHS: f64 = 100.0;

/// Whether a trial asks for a card at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CardWord {
    Required,
    NotRequired,
}

/// An introductory price.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntroSection {
    pub(crate) coupon: String,
    #[serde(default)]
    pub(crate) percent_off: Option<f64>,
    #[serde(default)]
    pub(crate) amount_off_minor: Option<i64>,
    #[serde(default)]
    pub(crate) months: Option<u32>,
}

/// An amount of the reader's choice.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChosenSection {
    pub(crate) stripe_product: String,
    pub(crate) minimum_minor: i64,
    pub(crate) maximum_minor: i64,
    #[serde(default)]
    pub(crate) suggestions: Vec<i64>,
}

impl IntroSection {
    /// What the coupon takes off, where it is said rightly.
    pub(crate) fn reduction(&self, currency: &Currency) -> Option<Reduction> {
        let off = match (self.percent_off, self.amount_off_minor) {
            (Some(percent), None) => Off::Percent(hundredths(percent)?),
            (None, Some(amount)) if amount > 0 => Off::Amount(vec![(currency.clone(), amount)]),
            _ => return None,
        };
        Some(Reduction {
            off,
            lasts: self.months.map_or(Lasts::Once, Lasts::Months),
        })
    }
}

/// A percentage with up to two decimals, above 0 and at most 100.
fn hundredths(percent: f64) -> Option<u32> {
    let whole = (percent * HUNDREDTHS).round();
    let exact = (whole - percent * HUNDREDTHS).abs() < 1e-6;
    if !exact || !(1.0..=10_000.0).contains(&whole) {
        return None;
    }
    (1..=10_000).find(|candidate| (f64::from(*candidate) - whole).abs() < 0.5)
}

impl PriceSection {
    /// The terms beside amount and period.
    pub(crate) fn terms(&self) -> PriceTerms {
        let section = self;
        let card = match section.trial_card {
            Some(CardWord::NotRequired) => TrialCard::NotRequired(section.trial_without_card.unwrap_or_default()),
            _ => TrialCard::Required,
        };
        let currencies = section.currencies.iter().map(|(currency, amount)| CurrencyAmount {
            currency: currency.clone(),
            amount_minor: *amount,
        });
        PriceTerms {
            name: section.name.clone(),
            currencies: currencies.collect(),
            trial: section.trial_days.map(|days| Trial { days, card }),
            introduction: section.intro.as_ref().and_then(|intro| {
                Some(Introduction {
                    coupon: intro.coupon.clone(),
                    reduction: intro.reduction(&self.currency)?,
                })
            }),
            promotion_codes: section.promotion_codes,
            needs: Needs {
                statement: section.needs_statement.clone(),
                mail_domains: section.needs_mail_domains.clone(),
                codes: section.needs_codes.clone(),
            },
            chosen: section.chosen.as_ref().map(|chosen| ChosenAmount {
                product: chosen.stripe_product.clone(),
                minimum_minor: chosen.minimum_minor,
                maximum_minor: chosen.maximum_minor,
                suggestions: chosen.suggestions.clone(),
            }),
        }
    }
}
