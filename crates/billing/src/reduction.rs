//! What a coupon takes off, and for how long.

use latchkey_entitlement::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    period,
    plan::{Currency, Interval},
};

/// Hundredths of a percent in a whole: percents are kept in them, since Stripe's may have two decimals.
const WHOLE: i128 = 10_000;
/// Most periods that are looked through for the first one without a reduction.
const MAX_PERIODS: u32 = 1_200;

/// How much a coupon takes off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Off {
    /// A part, in hundredths of a percent: 2550 is 25.5 %.
    Percent(u32),
    /// An amount in each of these currencies, in minor units.
    Amount(Vec<(Currency, i64)>),
}

/// How long a coupon holds (Stripe's `duration`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lasts {
    /// For the first payment.
    Once,
    /// For so many months from the beginning, whatever the period.
    Months(u32),
    /// For ever.
    Forever,
}

/// What a coupon does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reduction {
    /// How much.
    pub off: Off,
    /// How long.
    pub lasts: Lasts,
}

impl Reduction {
    /// What is left of an amount, in minor units; `None` if it takes nothing off in this currency. Half a unit is rounded up in the
    /// reader's favour, and the result is never below 0.
    pub fn apply(&self, amount_minor: i64, currency: &Currency) -> Option<i64> {
        let off = match &self.off {
            Off::Percent(hundredths) => {
                let off = (i128::from(amount_minor) * i128::from(*hundredths) * 2 + WHOLE) / (WHOLE * 2);
                i64::try_from(off).unwrap_or(amount_minor)
            }
            Off::Amount(amounts) => amounts.iter().find(|(known, _)| known == currency)?.1,
        };
        Some(amount_minor.saturating_sub(off).max(0))
    }

    /// How many periods that begin at `start` it holds for; `None` is all of them. A period is reduced if it begins before the end.
    pub fn periods(&self, start: Timestamp, interval: Interval, count: u32) -> Option<u32> {
        match self.lasts {
            Lasts::Once => Some(1),
            Lasts::Forever => None,
            Lasts::Months(months) => {
                let end = period::add(start, Interval::Month, months);
                let begins = |number: u32| period::add(start, interval, count.saturating_mul(number));
                Some(
                    (1..MAX_PERIODS)
                        .find(|number| begins(*number) >= end)
                        .unwrap_or(MAX_PERIODS),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_801_389_600);

    fn percent(hundredths: u32, lasts: Lasts) -> Reduction {
        Reduction {
            off: Off::Percent(hundredths),
            lasts,
        }
    }

    #[test]
    fn a_part_or_an_amount_is_taken_off_and_never_more_than_there_is() {
        let eur = Currency::parse("eur").unwrap();
        assert_eq!(percent(6_000, Lasts::Once).apply(500, &eur), Some(200));
        assert_eq!(percent(2_550, Lasts::Once).apply(999, &eur), Some(744));
        assert_eq!(percent(10_000, Lasts::Once).apply(500, &eur), Some(0));
        let three = Reduction {
            off: Off::Amount(vec![(eur.clone(), 300)]),
            lasts: Lasts::Forever,
        };
        assert_eq!(three.apply(500, &eur), Some(200));
        assert_eq!(three.apply(100, &eur), Some(0));
        assert_eq!(three.apply(500, &Currency::parse("usd").unwrap()), None);
    }

    #[test]
    fn months_are_counted_in_periods_of_any_length() {
        let months = |months| percent(5_000, Lasts::Months(months));
        assert_eq!(months(3).periods(START, Interval::Month, 1), Some(3));
        assert_eq!(months(3).periods(START, Interval::Month, 2), Some(2));
        assert_eq!(months(3).periods(START, Interval::Year, 1), Some(1));
        assert_eq!(months(1).periods(START, Interval::Week, 2), Some(2));
        assert_eq!(percent(1, Lasts::Once).periods(START, Interval::Month, 1), Some(1));
        assert_eq!(percent(1, Lasts::Forever).periods(START, Interval::Month, 1), None);
    }
}
