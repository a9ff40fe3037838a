//! What one buyer is offered: whether a trial, which reduction, and what is still to be shown.

use std::collections::BTreeMap;

use latchkey_entitlement::Timestamp;

use crate::{
    offer::{CheckoutTerms, ChosenPrice, Discounted, Offer},
    plan::{Currency, PlanPrice},
    promotion::{CodeFault, CodeUse, PromotionCode},
    quote::Quote,
    reduction::Reduction,
    terms::{ChosenError, Trial},
};

/// What is known of somebody who looks at prices. The default is a stranger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buyer {
    /// The address that was shown to be theirs.
    pub proven: Option<String>,
    /// Whether they had a trial before; only known of an address that is proven.
    pub had_trial: bool,
    /// The promotion code that they brought, if Stripe has it.
    pub code: Option<PromotionCode>,
    /// Stripe's product of each of Stripe's prices, as far as a code's judgement needs it.
    pub products: BTreeMap<String, String>,
    /// Their customers in Stripe.
    pub customers: Vec<String>,
    /// Whether they ever had a subscription.
    pub paid_before: bool,
}

/// What becomes of a price's trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialFor {
    /// The price has none.
    Nobody,
    /// They get it.
    Them(Trial),
    /// They had one.
    Had(Trial),
    /// It is not known whether they had one before they confirm an address.
    Unconfirmed(Trial),
}

/// What somebody shows when buying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown<'a> {
    /// Whether the statement was confirmed.
    pub statement: bool,
    /// The word that was typed.
    pub code: &'a str,
    /// The amount that was chosen, in minor units.
    pub amount_minor: Option<i64>,
}

/// Why somebody does not get a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not sold in this currency.
    #[error("not sold in this currency")]
    Currency,
    /// The statement is not confirmed.
    #[error("the statement is not confirmed")]
    Statement,
    /// No address under the domain is proven.
    #[error("no address of the kind that is needed is confirmed")]
    Address,
    /// The word is none of those that are needed.
    #[error("the code is not the one that is needed")]
    Code,
    /// No amount was chosen.
    #[error("no amount was chosen")]
    NoAmount,
    /// The amount cannot be chosen.
    #[error("the amount cannot be chosen: {0}")]
    Amount(ChosenError),
}

impl Buyer {
    /// What becomes of the price's trial. Nobody gets a second one, and nobody is told of a stranger's: so an address that is not
    /// confirmed has neither.
    pub fn trial(&self, price: &PlanPrice) -> TrialFor {
        match price.terms.trial {
            None => TrialFor::Nobody,
            Some(trial) if self.had_trial => TrialFor::Had(trial),
            Some(trial) if self.proven.is_none() => TrialFor::Unconfirmed(trial),
            Some(trial) => TrialFor::Them(trial),
        }
    }

    /// What the code does for a price. `None` without a code, and for prices that take none.
    pub fn reduction(
        &self,
        price: &PlanPrice,
        currency: &Currency,
        amount_minor: i64,
        now: Timestamp,
    ) -> Option<Result<&Reduction, CodeFault>> {
        let code = self.code.as_ref()?;
        if !price.terms.promotion_codes {
            return Some(Err(CodeFault::NotForThis));
        }
        let product = match &price.terms.chosen {
            Some(chosen) => Some(chosen.product.as_str()),
            None => self.products.get(&price.stripe_price).map(String::as_str),
        };
        let what = CodeUse {
            product,
            currency,
            amount_minor,
            customers: &self.customers,
            paid_before: self.paid_before,
        };
        Some(code.judge(&what, now))
    }

    /// What they are offered, before anything was shown. `None` where the price is not sold in the currency.
    pub fn offer(&self, price: &PlanPrice, currency: &Currency, chosen: Option<i64>, now: Timestamp) -> Option<Offer> {
        let listed = price.amount_in(currency)?;
        let amount_minor = chosen.filter(|_| price.terms.chosen.is_some()).unwrap_or(listed);
        let trial = match self.trial(price) {
            TrialFor::Them(trial) => Some(trial),
            _ => None,
        };
        let code = self.reduction(price, currency, amount_minor, now).and_then(Result::ok);
        let (discount, reduction) = match (&price.terms.introduction, &self.code, code) {
            (_, Some(code), Some(reduction)) => (Some(Discounted::PromotionCode(code.id.clone())), Some(reduction)),
            (Some(intro), _, _) => (Some(Discounted::Coupon(intro.coupon.clone())), Some(&intro.reduction)),
            _ => (None, None),
        };
        let several = !price.terms.currencies.is_empty();
        Some(Offer {
            price: price.id.clone(),
            stripe_price: price.stripe_price.clone(),
            checkout: CheckoutTerms {
                currency: several.then(|| currency.clone()),
                chosen: price.terms.chosen.as_ref().map(|chosen| ChosenPrice {
                    product: chosen.product.clone(),
                    currency: currency.clone(),
                    amount_minor,
                    interval: price.interval,
                    interval_count: price.interval_count,
                }),
                trial,
                discount,
                promotion_codes: price.terms.promotion_codes,
            },
            quote: Quote::new(price, currency, amount_minor, trial, reduction, now),
            statement: price.terms.needs.statement.clone(),
        })
    }

    /// The offer that they take, once everything that is needed was shown.
    ///
    /// # Errors
    /// The first thing that is missing.
    pub fn take(
        &self,
        price: &PlanPrice,
        currency: &Currency,
        shown: Shown<'_>,
        now: Timestamp,
    ) -> Result<Offer, Refusal> {
        let needs = &price.terms.needs;
        if !needs.fits_address(self.proven.as_deref()) {
            return Err(Refusal::Address);
        }
        if needs.statement.is_some() && !shown.statement {
            return Err(Refusal::Statement);
        }
        if !needs.fits_code(shown.code) {
            return Err(Refusal::Code);
        }
        if let Some(chosen) = &price.terms.chosen {
            let amount = shown.amount_minor.ok_or(Refusal::NoAmount)?;
            chosen.check(amount).map_err(Refusal::Amount)?;
        }
        self.offer(price, currency, shown.amount_minor, now)
            .ok_or(Refusal::Currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::Interval,
        reduction::{Lasts, Off},
        terms::{ChosenAmount, Introduction, Needs, PriceTerms, TrialCard},
    };

    const NOW: Timestamp = Timestamp(1_795_500_000_000);

    fn price(terms: PriceTerms) -> PlanPrice {
        PlanPrice {
            once: None,
            id: "prc_1".parse().unwrap(),
            stripe_price: "price_1".to_owned(),
            currency: "eur".parse().unwrap(),
            amount_minor: 500,
            interval: Interval::Month,
            interval_count: 1,
            terms,
        }
    }

    fn half(lasts: Lasts) -> Reduction {
        Reduction {
            off: Off::Percent(5_000),
            lasts,
        }
    }

    fn code() -> PromotionCode {
        PromotionCode {
            id: "promo_1".to_owned(),
            code: "SPRING".to_owned(),
            active: true,
            customer: None,
            expires_at: None,
            max_redemptions: None,
            times_redeemed: 0,
            first_time_only: false,
            minimum: None,
            coupon: "spring".to_owned(),
            coupon_valid: true,
            products: vec![],
            reduction: half(Lasts::Forever),
        }
    }

    #[test]
    fn a_trial_is_for_whoever_confirmed_an_address_and_had_none() {
        let trial = Trial {
            days: 14,
            card: TrialCard::Required,
        };
        let price = price(PriceTerms {
            trial: Some(trial),
            ..PriceTerms::default()
        });
        let stranger = Buyer::default();
        let ada = Buyer {
            proven: Some("ada@example.org".to_owned()),
            ..Buyer::default()
        };
        let again = Buyer {
            had_trial: true,
            ..ada.clone()
        };
        let today = |buyer: &Buyer| {
            let offer = buyer.offer(&price, &price.currency, None, NOW).unwrap();
            (buyer.trial(&price), offer.quote.today_minor, offer.checkout.trial)
        };
        assert_eq!(today(&stranger), (TrialFor::Unconfirmed(trial), 500, None));
        assert_eq!(today(&ada), (TrialFor::Them(trial), 0, Some(trial)));
        assert_eq!(today(&again), (TrialFor::Had(trial), 500, None));
    }

    #[test]
    fn a_code_helps_only_prices_that_take_codes_and_a_coupon_helps_everybody() {
        let ada = Buyer {
            code: Some(code()),
            ..Buyer::default()
        };
        let takes = price(PriceTerms {
            promotion_codes: true,
            ..PriceTerms::default()
        });
        let offer = ada.offer(&takes, &takes.currency, None, NOW).unwrap();
        assert_eq!(
            offer.checkout.discount,
            Some(Discounted::PromotionCode("promo_1".to_owned()))
        );
        assert_eq!((offer.quote.today_minor, offer.quote.lasting_minor()), (250, 250));
        let intro = price(PriceTerms {
            introduction: Some(Introduction {
                coupon: "first".to_owned(),
                reduction: half(Lasts::Once),
            }),
            ..PriceTerms::default()
        });
        assert_eq!(
            ada.reduction(&intro, &intro.currency, 500, NOW),
            Some(Err(CodeFault::NotForThis))
        );
        let offer = ada.offer(&intro, &intro.currency, None, NOW).unwrap();
        assert_eq!(offer.checkout.discount, Some(Discounted::Coupon("first".to_owned())));
        assert_eq!((offer.quote.today_minor, offer.quote.lasting_minor()), (250, 500));
    }

    #[test]
    fn what_is_needed_is_asked_for_by_name() {
        let student = price(PriceTerms {
            needs: Needs {
                statement: Some("I study.".to_owned()),
                mail_domains: vec!["uni.example".to_owned().try_into().unwrap()],
                codes: vec!["OPEN".to_owned()],
            },
            ..PriceTerms::default()
        });
        let ada = |proven: Option<&str>| Buyer {
            proven: proven.map(str::to_owned),
            ..Buyer::default()
        };
        let all = Shown {
            statement: true,
            code: "open",
            amount_minor: None,
        };
        let at = |buyer: &Buyer, shown| buyer.take(&student, &student.currency, shown, NOW);
        let known = ada(Some("ada@uni.example"));
        assert_eq!(at(&ada(None), all), Err(Refusal::Address));
        assert_eq!(at(&ada(Some("ada@example.org")), all), Err(Refusal::Address));
        assert_eq!(
            at(
                &known,
                Shown {
                    statement: false,
                    ..all
                }
            ),
            Err(Refusal::Statement)
        );
        assert_eq!(at(&known, Shown { code: "no", ..all }), Err(Refusal::Code));
        assert_eq!(at(&known, all).unwrap().statement.as_deref(), Some("I study."));
        let usd = Currency::parse("usd").unwrap();
        assert_eq!(known.take(&student, &usd, all, NOW), Err(Refusal::Currency));
    }

    #[test]
    fn a_chosen_amount_has_its_bounds_and_goes_to_checkout_as_such() {
        let mut free = price(PriceTerms {
            chosen: Some(ChosenAmount {
                product: "prod_1".to_owned(),
                minimum_minor: 200,
                maximum_minor: 1_000,
                suggestions: vec![],
            }),
            ..PriceTerms::default()
        });
        free.stripe_price.clear();
        let take = |amount_minor| {
            let shown = Shown {
                amount_minor,
                ..Shown::default()
            };
            Buyer::default().take(&free, &free.currency, shown, NOW)
        };
        assert_eq!(take(None), Err(Refusal::NoAmount));
        assert_eq!(take(Some(199)), Err(Refusal::Amount(ChosenError::TooLittle)));
        assert_eq!(take(Some(1_001)), Err(Refusal::Amount(ChosenError::TooMuch)));
        let offer = take(Some(750)).unwrap();
        assert_eq!(offer.checkout.chosen.map(|chosen| chosen.amount_minor), Some(750));
        assert_eq!(offer.quote.lasting_minor(), 750);
    }
}
