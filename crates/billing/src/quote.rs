//! What a buyer pays, and when: today, during an introduction, and from then on.

use latchkey_entitlement::{Timestamp, time::DAY};
use serde::{Deserialize, Serialize};

use crate::{
    money::format_money,
    period,
    plan::{Currency, Interval, PlanPrice},
    reduction::Reduction,
    terms::{Trial, TrialCard},
};

/// What a purchase costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Currency.
    pub currency: Currency,
    /// Unit of the period.
    pub interval: Interval,
    /// Units in a period.
    pub interval_count: u32,
    /// What is charged today, in minor units; 0 during a trial.
    pub today_minor: i64,
    /// The trial, if there is one.
    pub trial: Option<Trial>,
    /// When the first payment is due: now, or at the end of the trial.
    pub first_payment: Timestamp,
    /// What the first payments cost, how many they are, and when the first one without a reduction is. Without a number they go on for
    /// ever, and nothing follows.
    pub reduced: Option<Reduced>,
    /// What each payment costs after that, in minor units.
    pub regular_minor: i64,
}

/// The payments under a reduction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reduced {
    /// What each costs, in minor units.
    pub amount_minor: i64,
    /// How many there are; `None` is all.
    pub payments: Option<u32>,
    /// When the first one without a reduction is due.
    pub until: Option<Timestamp>,
}

impl Quote {
    /// What `amount_minor` at the period of `price` costs in `currency`, with a trial and a reduction if they are given, bought `now`.
    pub fn new(
        price: &PlanPrice,
        currency: &Currency,
        amount_minor: i64,
        trial: Option<Trial>,
        reduction: Option<&Reduction>,
        now: Timestamp,
    ) -> Self {
        let first_payment = trial.map_or(now, |trial| now.plus(i64::from(trial.days) * DAY));
        let (interval, interval_count) = (price.interval, price.interval_count);
        let reduced = reduction.and_then(|reduction| {
            let payments = reduction.periods(first_payment, interval, interval_count);
            let until =
                payments.map(|number| period::add(first_payment, interval, interval_count.saturating_mul(number)));
            Some(Reduced {
                amount_minor: reduction.apply(amount_minor, currency)?,
                payments,
                until,
            })
        });
        let first = reduced.as_ref().map_or(amount_minor, |reduced| reduced.amount_minor);
        Self {
            currency: currency.clone(),
            interval,
            interval_count,
            today_minor: if trial.is_some() { 0 } else { first },
            trial,
            first_payment,
            reduced,
            regular_minor: amount_minor,
        }
    }

    /// What the first payment costs, whenever it is.
    pub fn first_minor(&self) -> i64 {
        self.reduced
            .as_ref()
            .map_or(self.regular_minor, |reduced| reduced.amount_minor)
    }

    /// What each payment costs in the end, in minor units: with a reduction for ever, the reduced amount.
    pub fn lasting_minor(&self) -> i64 {
        match &self.reduced {
            Some(reduced) if reduced.payments.is_none() => reduced.amount_minor,
            _ => self.regular_minor,
        }
    }

    /// The most that a renewal may cost which is due at `at`, for who began at `start`.
    pub fn most_at(&self, at: Timestamp, start: Timestamp) -> i64 {
        let later = start.since(self.first_payment).max(0);
        match &self.reduced {
            Some(Reduced {
                amount_minor,
                until: Some(until),
                ..
            }) if at < until.plus(later) => *amount_minor,
            _ => self.lasting_minor(),
        }
    }

    /// The sentences that say all of it, such as `€2.00 a month for the first 3 months, then €5.00 a month from 24 February 2027.`;
    /// `day` writes a moment.
    pub fn sentences(&self, day: impl Fn(Timestamp) -> String) -> Vec<String> {
        let money = |minor| format_money(minor, self.currency.as_str());
        let per = period::per(self.interval, self.interval_count);
        let mut told = Vec::new();
        if let Some(trial) = self.trial {
            let days = if trial.days == 1 { "day" } else { "days" };
            let first = day(self.first_payment);
            told.push(match trial.card {
                TrialCard::Required => format!(
                    "{} {days} free. You give a card, and {} is charged on {first} for the first time, unless you cancel before.",
                    trial.days,
                    money(self.first_minor())
                ),
                TrialCard::NotRequired(_) => format!(
                    "{} {days} free, without a card. It ends by itself on {first}; if you give a card before, {} is charged then for the first time.",
                    trial.days,
                    money(self.first_minor())
                ),
            });
        }
        match &self.reduced {
            None => {}
            Some(Reduced {
                amount_minor,
                payments: Some(payments),
                until: Some(until),
            }) => told.push(format!(
                "{} {per} for {}, then {} {per} from {}.",
                money(*amount_minor),
                period::first(self.interval, self.interval_count, *payments),
                money(self.regular_minor),
                day(*until)
            )),
            Some(Reduced { amount_minor, .. }) => told.push(format!(
                "{} {per} instead of {}, for as long as you stay.",
                money(*amount_minor),
                money(self.regular_minor)
            )),
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        reduction::{Lasts, Off},
        terms::{MissingCard, PriceTerms},
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_795_478_400);

    fn price() -> PlanPrice {
        PlanPrice {
            once: None,
            id: "prc_1".parse().unwrap(),
            stripe_price: "price_1".to_owned(),
            currency: "eur".parse().unwrap(),
            amount_minor: 500,
            interval: Interval::Month,
            interval_count: 1,
            terms: PriceTerms::default(),
        }
    }

    fn quote(trial: Option<Trial>, reduction: Option<&Reduction>) -> Quote {
        Quote::new(&price(), &price().currency, 500, trial, reduction, NOW)
    }

    fn told(quote: &Quote) -> String {
        let day = |at: Timestamp| {
            format!(
                "{}",
                time::OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap().date()
            )
        };
        quote.sentences(day).join(" ")
    }

    #[test]
    fn a_plain_price_is_charged_today_and_needs_no_words() {
        let quote = quote(None, None);
        assert_eq!(
            (quote.today_minor, quote.lasting_minor(), told(&quote)),
            (500, 500, String::new())
        );
    }

    #[test]
    fn an_introduction_says_what_comes_after_and_from_when() {
        let off = Reduction {
            off: Off::Percent(6_000),
            lasts: Lasts::Months(3),
        };
        let quote = quote(None, Some(&off));
        assert_eq!((quote.today_minor, quote.lasting_minor()), (200, 500));
        assert_eq!(
            told(&quote),
            "€2.00 a month for the first 3 months, then €5.00 a month from 2027-02-24."
        );
        let at = |days| NOW.plus(days * DAY);
        assert_eq!(quote.most_at(at(62), NOW), 200);
        assert_eq!(quote.most_at(at(100), NOW), 500);
        // Who paid half a day after choosing has everything half a day later.
        assert_eq!(quote.most_at(at(92), NOW), 500);
        assert_eq!(quote.most_at(at(92), NOW.plus(DAY / 2)), 200);
    }

    #[test]
    fn a_trial_says_the_day_and_the_amount_and_what_becomes_of_it_without_a_card() {
        let trial = |card| Some(Trial { days: 14, card });
        let with = quote(trial(TrialCard::Required), None);
        assert_eq!(with.today_minor, 0);
        assert_eq!(
            told(&with),
            "14 days free. You give a card, and €5.00 is charged on 2026-12-08 for the first time, unless you cancel before."
        );
        let without = quote(trial(TrialCard::NotRequired(MissingCard::Cancel)), None);
        assert!(told(&without).contains("without a card. It ends by itself on 2026-12-08"));
    }

    #[test]
    fn a_reduction_for_ever_is_what_is_promised() {
        let off = Reduction {
            off: Off::Percent(5_000),
            lasts: Lasts::Forever,
        };
        let quote = quote(None, Some(&off));
        assert_eq!(
            (
                quote.today_minor,
                quote.lasting_minor(),
                quote.most_at(NOW.plus(900 * DAY), NOW)
            ),
            (250, 250, 250)
        );
        assert!(told(&quote).contains("instead of €5.00, for as long as you stay"));
    }
}
