//! What was offered to one reader and taken: what Checkout is asked for, and what was promised for later.

use latchkey_entitlement::{PriceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    money::format_money,
    period,
    plan::{Currency, Interval, Plan, PlanPrice},
    quote::Quote,
    stripe::Subscription,
    terms::Trial,
};

/// Terms that a Checkout session has beside its price. The default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckoutTerms {
    /// The currency, where the price has it among others.
    pub currency: Option<Currency>,
    /// An amount of the reader's choice, in place of a price.
    pub chosen: Option<ChosenPrice>,
    /// Days without payment at the beginning.
    pub trial: Option<Trial>,
    /// A reduction that is there from the beginning. Stripe takes it or codes typed on the page, never both.
    pub discount: Option<Discounted>,
    /// Whether codes may be typed on the page; not looked at where there is a discount.
    pub promotion_codes: bool,
}

/// An amount for Checkout's `price_data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenPrice {
    /// `prod_…`.
    pub product: String,
    /// Currency.
    pub currency: Currency,
    /// Minor units.
    pub amount_minor: i64,
    /// Unit of the period.
    pub interval: Interval,
    /// Units in a period.
    pub interval_count: u32,
}

/// Where a reduction comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discounted {
    /// A coupon of ours, by its id.
    Coupon(String),
    /// A promotion code that the reader brought, by its id `promo_…`.
    PromotionCode(String),
}

/// An offer that was taken, kept for as long as what was bought with it may renew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Our price.
    pub price: PriceId,
    /// Stripe's price; empty where the amount was chosen.
    pub stripe_price: String,
    /// What Checkout is asked for.
    pub checkout: CheckoutTerms,
    /// What was promised.
    pub quote: Quote,
    /// The sentence that the reader confirmed, word for word.
    pub statement: Option<String>,
}

impl Offer {
    /// Whether two are the same choice, whenever it was made.
    pub fn is_same_choice(&self, other: &Self) -> bool {
        (&self.price, &self.stripe_price, &self.checkout, &self.statement)
            == (&other.price, &other.stripe_price, &other.checkout, &other.statement)
            && self.quote.regular_minor == other.quote.regular_minor
    }
}

/// What Stripe will ask for when a subscription renews, if nothing changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// When.
    pub at: Timestamp,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// How much, in minor units, reductions taken off.
    pub amount_minor: i64,
    /// Unit of the period.
    pub interval: Interval,
    /// Units in a period.
    pub interval_count: u32,
}

impl Renewal {
    /// That of a subscription; `None` where it is not known: it does not renew, or an amount was not read.
    pub fn of(subscription: &Subscription, plans: &[Plan]) -> Option<Self> {
        if subscription.status.is_terminal() || subscription.more_items || subscription.unread_discounts {
            return None;
        }
        let item = subscription.items.first()?;
        let price = item.price.as_ref()?;
        let currency = Currency::parse(&subscription.currency).ok()?;
        let mut amount_minor = 0_i64;
        for item in &subscription.items {
            let price = item.price.as_ref()?;
            let unit = if price.currency == currency.as_str() {
                price.unit_amount_minor?
            } else {
                // The price is shown in its own currency, and billed in another of its currencies.
                configured(plans, &item.price_id)?.amount_in(&currency)?
            };
            let quantity = i64::try_from(item.quantity).ok()?;
            amount_minor = amount_minor.checked_add(unit.checked_mul(quantity)?)?;
        }
        let at = subscription.items.iter().map(|item| item.current_period_end).max()?;
        for discount in &subscription.discounts {
            if discount.holds_at(at) {
                amount_minor = discount
                    .reduction
                    .apply(amount_minor, &currency)
                    .unwrap_or(amount_minor);
            }
        }
        Some(Self {
            at,
            currency: subscription.currency.clone(),
            amount_minor,
            interval: Interval::parse(&price.interval)?,
            interval_count: price.interval_count,
        })
    }

    fn words(&self) -> String {
        format!(
            "{} {}",
            format_money(self.amount_minor, &self.currency),
            period::per(self.interval, self.interval_count)
        )
    }
}

fn configured<'a>(plans: &'a [Plan], stripe_price: &str) -> Option<&'a PlanPrice> {
    let mut prices = plans.iter().flat_map(|plan| &plan.prices);
    prices.find(|price| price.stripe_price == stripe_price)
}

/// What an operator should know if a subscription is going to renew at more than its reader was promised, or otherwise than promised.
pub fn broken_promise(quote: &Quote, subscription: &Subscription, plans: &[Plan]) -> Option<String> {
    let renewal = Renewal::of(subscription, plans)?;
    let most_minor = quote.most_at(renewal.at, subscription.start_date);
    let same_rhythm = renewal.currency == quote.currency.as_str()
        && (renewal.interval, renewal.interval_count) == (quote.interval, quote.interval_count);
    if same_rhythm && renewal.amount_minor <= most_minor {
        return None;
    }
    let promised = Renewal {
        at: renewal.at,
        currency: quote.currency.as_str().to_owned(),
        amount_minor: most_minor,
        interval: quote.interval,
        interval_count: quote.interval_count,
    };
    Some(format!(
        "subscription {} renews at {}, and its reader was promised {}: unless the reader chose that in Stripe's portal, change it back",
        subscription.id,
        renewal.words(),
        promised.words()
    ))
}
