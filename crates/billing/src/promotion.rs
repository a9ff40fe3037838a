//! Promotion codes that a reader brings, judged as Stripe will, so that the reduced price is seen before Checkout.

use latchkey_entitlement::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{plan::Currency, reduction::Reduction};

/// Longest code that is looked up, in characters; Stripe's own bound is 500.
pub const MAX_CODE_LENGTH: usize = 64;

/// A promotion code of Stripe's with its coupon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionCode {
    /// `promo_…`.
    pub id: String,
    /// What readers type.
    pub code: String,
    /// Whether it can be used.
    pub active: bool,
    /// `cus_…`, if it is one customer's.
    pub customer: Option<String>,
    /// First moment at which it cannot be used any more.
    pub expires_at: Option<Timestamp>,
    /// Most uses of the code.
    pub max_redemptions: Option<u64>,
    /// Uses of the code.
    pub times_redeemed: u64,
    /// Whether it is for customers who never paid.
    pub first_time_only: bool,
    /// Least amount, and its lower-case currency.
    pub minimum: Option<(String, i64)>,
    /// The coupon's id.
    pub coupon: String,
    /// Whether the coupon can still be used.
    pub coupon_valid: bool,
    /// The products that it is for; empty is all.
    pub products: Vec<String>,
    /// What it does.
    pub reduction: Reduction,
}

/// Why a code does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeFault {
    /// There is none of this name.
    #[error("unknown")]
    Unknown,
    /// It has ended.
    #[error("expired")]
    Expired,
    /// It was used as often as it may be.
    #[error("used up")]
    UsedUp,
    /// It is somebody else's.
    #[error("bound to another customer")]
    NotYours,
    /// It is for new customers.
    #[error("for new customers only")]
    NewOnly,
    /// It is not for this price.
    #[error("not for this price")]
    NotForThis,
}

/// What a code is to be used for.
#[derive(Clone, Copy, Debug)]
pub struct CodeUse<'a> {
    /// `prod_…`, where it is known.
    pub product: Option<&'a str>,
    /// Currency.
    pub currency: &'a Currency,
    /// Amount without the code, in minor units.
    pub amount_minor: i64,
    /// The buyer's customers in Stripe; empty for somebody new.
    pub customers: &'a [String],
    /// Whether one of them ever paid.
    pub paid_before: bool,
}

impl PromotionCode {
    /// Whether it can be used at all by anybody at `now`.
    pub fn is_usable(&self, now: Timestamp) -> Result<(), CodeFault> {
        if self.max_redemptions.is_some_and(|most| self.times_redeemed >= most) {
            return Err(CodeFault::UsedUp);
        }
        if !self.active || !self.coupon_valid || self.expires_at.is_some_and(|end| end <= now) {
            return Err(CodeFault::Expired);
        }
        Ok(())
    }

    /// What it takes off this use.
    ///
    /// # Errors
    /// The fault to tell the reader. What Stripe alone knows (two readers at once for the last use) shows at Checkout.
    pub fn judge(&self, what: &CodeUse<'_>, now: Timestamp) -> Result<&Reduction, CodeFault> {
        self.is_usable(now)?;
        if self.customer.as_ref().is_some_and(|own| !what.customers.contains(own)) {
            return Err(CodeFault::NotYours);
        }
        if self.first_time_only && what.paid_before {
            return Err(CodeFault::NewOnly);
        }
        let for_product =
            self.products.is_empty() || what.product.is_some_and(|own| self.products.iter().any(|it| it == own));
        let is_enough = self
            .minimum
            .as_ref()
            .is_none_or(|(currency, least)| currency == what.currency.as_str() && what.amount_minor >= *least);
        if for_product && is_enough && self.reduction.apply(what.amount_minor, what.currency).is_some() {
            Ok(&self.reduction)
        } else {
            Err(CodeFault::NotForThis)
        }
    }
}

/// A code as it is looked up: without white space around it; `None` if it cannot be one (Stripe's have letters, digits and dashes).
pub fn readable_code(typed: &str) -> Option<&str> {
    let code = typed.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (!code.is_empty() && code.len() <= MAX_CODE_LENGTH && code.chars().all(plain)).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reduction::{Lasts, Off};

    const NOW: Timestamp = Timestamp(1_795_500_000_000);

    type Spoil = fn(&mut PromotionCode);

    fn code() -> PromotionCode {
        PromotionCode {
            id: "promo_1".to_owned(),
            code: "SPRING".to_owned(),
            active: true,
            customer: None,
            expires_at: None,
            max_redemptions: None,
            times_redeemed: 3,
            first_time_only: false,
            minimum: None,
            coupon: "spring".to_owned(),
            coupon_valid: true,
            products: vec![],
            reduction: Reduction {
                off: Off::Percent(5_000),
                lasts: Lasts::Once,
            },
        }
    }

    #[test]
    fn a_code_is_judged_and_each_fault_has_its_name() {
        let eur = Currency::parse("eur").unwrap();
        let customers = ["cus_1".to_owned()];
        let what = CodeUse {
            product: Some("prod_1"),
            currency: &eur,
            amount_minor: 500,
            customers: &customers,
            paid_before: true,
        };
        assert!(code().judge(&what, NOW).is_ok());
        let cases: [(CodeFault, Spoil); 8] = [
            (CodeFault::UsedUp, |it| it.max_redemptions = Some(3)),
            (CodeFault::Expired, |it| it.active = false),
            (CodeFault::Expired, |it| it.expires_at = Some(NOW)),
            (CodeFault::Expired, |it| it.coupon_valid = false),
            (CodeFault::NotYours, |it| it.customer = Some("cus_2".to_owned())),
            (CodeFault::NewOnly, |it| it.first_time_only = true),
            (CodeFault::NotForThis, |it| it.products = vec!["prod_2".to_owned()]),
            (CodeFault::NotForThis, |it| it.minimum = Some(("eur".to_owned(), 501))),
        ];
        for (fault, spoil) in cases {
            let mut spoilt = code();
            spoil(&mut spoilt);
            assert_eq!(spoilt.judge(&what, NOW), Err(fault), "{spoilt:?}");
        }
        let mut other = code();
        other.reduction.off = Off::Amount(vec![(Currency::parse("usd").unwrap(), 100)]);
        assert_eq!(other.judge(&what, NOW), Err(CodeFault::NotForThis));
    }

    #[test]
    fn what_cannot_be_a_code_is_not_asked_for() {
        assert_eq!(readable_code(" SPRING-27 "), Some("SPRING-27"));
        for bad in ["", " ", "a b", "a&b=c", "ä", &"x".repeat(65)] {
            assert_eq!(readable_code(bad), None, "{bad:?}");
        }
    }
}
