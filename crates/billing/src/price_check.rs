//! Whether a price of the configuration is what Stripe would bill.

use crate::{
    money::format_money,
    plan::PlanPrice,
    stripe::{Coupon, Price},
    terms::Introduction,
};

/// How a configured price and Stripe's differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceFault {
    /// Stripe has none of this id in the key's mode; the other mode has prices of its own.
    #[error("Stripe has no price of this id in {} mode", mode(*.livemode))]
    Absent {
        /// The mode that was looked in.
        livemode: bool,
    },
    /// It was archived: who pays it goes on paying, and nobody new can.
    #[error("the price is not active in Stripe, so that nobody can buy it")]
    Inactive,
    /// It bills another amount, currency or interval than readers are told.
    #[error("Stripe bills {found}, and the configuration says {wanted}")]
    Differs {
        /// What Stripe bills.
        found: String,
        /// What the configuration says.
        wanted: String,
    },
    /// Stripe has no coupon of this id in the key's mode.
    #[error("Stripe has no coupon of the introduction's id in {} mode", mode(*.livemode))]
    NoCoupon {
        /// The mode that was looked in.
        livemode: bool,
    },
    /// It takes off something else than readers are told, or for another time.
    #[error("Stripe's coupon takes off something else, or for another time, than the introduction says")]
    OtherCoupon,
    /// It has ended or is used up: the payment page would be refused.
    #[error("the introduction's coupon can no longer be used in Stripe")]
    DeadCoupon,
}

const fn mode(livemode: bool) -> &'static str {
    if livemode { "live" } else { "test" }
}

/// Compares `wanted` with what Stripe has under its id, in the mode that `livemode` names.
///
/// # Errors
/// The fault to mend first: a price that bills otherwise is told before one that is only not active.
pub fn check_price(wanted: &PlanPrice, found: Option<&Price>, livemode: bool) -> Result<(), PriceFault> {
    let absent = PriceFault::Absent { livemode };
    let found = found.filter(|price| price.livemode == livemode).ok_or(absent)?;
    let same = found.currency == wanted.currency.as_str()
        && found.unit_amount_minor == Some(wanted.amount_minor)
        && match &wanted.once {
            Some(_) => found.interval.is_none(),
            None => {
                found.interval.as_deref() == Some(wanted.interval.as_str())
                    && found.interval_count == wanted.interval_count
            }
        };
    if !same {
        let amount = found.unit_amount_minor.map_or_else(
            || "an amount that is not fixed".to_owned(),
            |minor| format_money(minor, &found.currency),
        );
        let wanted_amount = format_money(wanted.amount_minor, wanted.currency.as_str());
        return Err(PriceFault::Differs {
            found: period(
                &amount,
                found.interval.as_deref().unwrap_or_default(),
                found.interval_count,
            ),
            wanted: match &wanted.once {
                Some(_) => period(&wanted_amount, "", 0),
                None => period(&wanted_amount, wanted.interval.as_str(), wanted.interval_count),
            },
        });
    }
    for other in &wanted.terms.currencies {
        let code = other.currency.as_str();
        let bills = found.other_currencies.get(code).copied();
        if bills != Some(other.amount_minor) {
            return Err(PriceFault::Differs {
                found: bills.map_or_else(|| format!("nothing in {code}"), |minor| format_money(minor, code)),
                wanted: format_money(other.amount_minor, code),
            });
        }
    }
    if found.active {
        Ok(())
    } else {
        Err(PriceFault::Inactive)
    }
}

/// Compares an introduction with the coupon that Stripe has under its id, in the mode that `livemode` names.
///
/// # Errors
/// The fault to mend first.
pub fn check_coupon(wanted: &Introduction, found: Option<&Coupon>, livemode: bool) -> Result<(), PriceFault> {
    let found = found.filter(|coupon| coupon.livemode == livemode);
    let found = found.ok_or(PriceFault::NoCoupon { livemode })?;
    if found.reduction != wanted.reduction {
        return Err(PriceFault::OtherCoupon);
    }
    if found.valid {
        Ok(())
    } else {
        Err(PriceFault::DeadCoupon)
    }
}

fn period(amount: &str, interval: &str, count: u32) -> String {
    match count {
        0 => format!("{amount} once"),
        1 => format!("{amount} each {interval}"),
        _ => format!("{amount} every {count} {interval}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::Interval,
        reduction::{Lasts, Off, Reduction},
        terms::{CurrencyAmount, PriceTerms},
    };

    fn wanted() -> PlanPrice {
        PlanPrice {
            id: "prc_monthly".parse().unwrap(),
            stripe_price: "price_1".to_owned(),
            currency: "eur".parse().unwrap(),
            amount_minor: 500,
            interval: Interval::Month,
            interval_count: 1,
            once: None,
            terms: PriceTerms::default(),
        }
    }

    fn found() -> Price {
        Price {
            id: "price_1".to_owned(),
            product: "prod_1".to_owned(),
            active: true,
            currency: "eur".to_owned(),
            unit_amount_minor: Some(500),
            interval: Some("month".to_owned()),
            interval_count: 1,
            lookup_key: None,
            livemode: false,
            other_currencies: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn an_amount_in_another_currency_is_compared_too() {
        let mut with_dollars = wanted();
        with_dollars.terms.currencies.push(CurrencyAmount {
            currency: "usd".parse().unwrap(),
            amount_minor: 550,
        });
        let differs = |bills: Option<i64>| {
            let other_currencies = bills.map(|minor| ("usd".to_owned(), minor)).into_iter().collect();
            let found = Price {
                other_currencies,
                ..found()
            };
            check_price(&with_dollars, Some(&found), false)
        };
        assert_eq!(differs(Some(550)), Ok(()));
        assert!(matches!(differs(Some(600)), Err(PriceFault::Differs { .. })));
        assert!(matches!(differs(None), Err(PriceFault::Differs { .. })));
    }

    #[test]
    fn an_introduction_is_what_its_coupon_does() {
        let reduction = |hundredths| Reduction {
            off: Off::Percent(hundredths),
            lasts: Lasts::Months(3),
        };
        let wanted = Introduction {
            coupon: "first".to_owned(),
            reduction: reduction(6_000),
        };
        let coupon = |hundredths, valid| Coupon {
            id: "first".to_owned(),
            valid,
            reduction: reduction(hundredths),
            products: vec![],
            livemode: false,
        };
        assert_eq!(check_coupon(&wanted, Some(&coupon(6_000, true)), false), Ok(()));
        assert_eq!(
            check_coupon(&wanted, Some(&coupon(5_000, true)), false),
            Err(PriceFault::OtherCoupon)
        );
        assert_eq!(
            check_coupon(&wanted, Some(&coupon(6_000, false)), false),
            Err(PriceFault::DeadCoupon)
        );
        assert_eq!(
            check_coupon(&wanted, None, false),
            Err(PriceFault::NoCoupon { livemode: false })
        );
        assert_eq!(
            check_coupon(&wanted, Some(&coupon(6_000, true)), true),
            Err(PriceFault::NoCoupon { livemode: true })
        );
    }

    #[test]
    fn a_price_that_bills_what_readers_are_told_is_in_order() {
        assert_eq!(check_price(&wanted(), Some(&found()), false), Ok(()));
    }

    #[test]
    fn what_is_paid_once_is_no_subscription_and_the_other_way_round() {
        let mut pass = wanted();
        pass.once = Some(crate::Once {
            span: "7d".parse().unwrap(),
            zone: latchkey_entitlement::Zone::default(),
        });
        let one_time = Price {
            interval: None,
            interval_count: 0,
            ..found()
        };
        assert_eq!(check_price(&pass, Some(&one_time), false), Ok(()));
        let told = |wanted: &PlanPrice, found: &Price| check_price(wanted, Some(found), false).unwrap_err().to_string();
        let (monthly, once) = ("€5.00 each month", "€5.00 once");
        assert_eq!(
            told(&pass, &found()),
            format!("Stripe bills {monthly}, and the configuration says {once}")
        );
        assert_eq!(
            told(&wanted(), &one_time),
            format!("Stripe bills {once}, and the configuration says {monthly}")
        );
    }

    #[test]
    fn a_price_of_the_other_mode_or_of_no_such_id_is_absent() {
        let absent = |livemode| Err(PriceFault::Absent { livemode });
        assert_eq!(check_price(&wanted(), Some(&found()), true), absent(true));
        assert_eq!(check_price(&wanted(), None, false), absent(false));
    }

    #[test]
    fn an_archived_price_is_told_as_such_and_a_wrong_one_as_wrong_first() {
        let archived = Price {
            active: false,
            ..found()
        };
        assert_eq!(
            check_price(&wanted(), Some(&archived), false),
            Err(PriceFault::Inactive)
        );
        let wrong = Price {
            unit_amount_minor: Some(900),
            ..archived
        };
        let fault = check_price(&wanted(), Some(&wrong), false);
        assert!(matches!(fault, Err(PriceFault::Differs { .. })), "{fault:?}");
    }

    #[test]
    fn another_amount_currency_or_interval_is_told_in_both_forms() {
        let differing = [
            (
                "amount",
                Price {
                    unit_amount_minor: Some(900),
                    ..found()
                },
            ),
            (
                "no fixed amount",
                Price {
                    unit_amount_minor: None,
                    ..found()
                },
            ),
            (
                "currency",
                Price {
                    currency: "usd".to_owned(),
                    ..found()
                },
            ),
            (
                "interval",
                Price {
                    interval: Some("year".to_owned()),
                    ..found()
                },
            ),
            (
                "count",
                Price {
                    interval_count: 3,
                    ..found()
                },
            ),
        ];
        for (name, price) in differing {
            let fault = check_price(&wanted(), Some(&price), false).unwrap_err();
            let PriceFault::Differs { found, wanted } = fault else {
                panic!("{name}")
            };
            assert_ne!(found, wanted, "{name}");
        }
    }
}
