//! A change of price, shown before it is made.

use latchkey_entitlement::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    plan::{Currency, Plan, PlanPrice},
    stripe::{Subscription, SubscriptionStatus},
};

/// What a change of price would cost (`POST /v1/invoices/create_preview`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangePreview {
    /// Lower-case ISO 4217.
    pub currency: String,
    /// What is charged at once, in minor units; 0 if what is left of the old price is worth as much.
    pub due_minor: i64,
    /// What remains to the reader's credit and is used up by later payments, in minor units.
    pub credit_minor: i64,
    /// When the new price is charged in full for the next time.
    pub renews_at: Timestamp,
}

/// A change of a subscription's line to another price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceChange {
    /// `sub_…`.
    pub subscription: String,
    /// `cus_…`.
    pub customer: String,
    /// `si_…`.
    pub item: String,
    /// `price_…`.
    pub price: String,
    /// The moment that both preview and change count from, in whole seconds.
    pub proration_date: Timestamp,
}

/// Why a subscription's price cannot be changed on our pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChange {
    /// A schedule would overwrite it.
    #[error("the subscription follows a schedule")]
    Scheduled,
    /// It is over, owed, paused or unknown.
    #[error("the subscription is not in force")]
    NotInForce,
    /// It is set to end.
    #[error("the subscription is set to end")]
    Ending,
    /// A change before this one waits for its payment.
    #[error("an earlier change waits for its payment")]
    Waiting,
    /// It has several lines, or more of one.
    #[error("the subscription has several lines")]
    SeveralItems,
}

/// Whether the price of a subscription can be changed on our pages.
pub fn may_change(subscription: &Subscription) -> Result<(), NoChange> {
    if subscription.schedule.is_some() {
        return Err(NoChange::Scheduled);
    }
    if !matches!(
        subscription.status,
        SubscriptionStatus::Active | SubscriptionStatus::Trialing
    ) || subscription.pause_collection
    {
        return Err(NoChange::NotInForce);
    }
    if subscription.cancel_at_period_end || subscription.cancel_at.is_some() {
        return Err(NoChange::Ending);
    }
    if subscription.pending_update {
        return Err(NoChange::Waiting);
    }
    match subscription.items.as_slice() {
        [item] if item.quantity == 1 && !subscription.more_items => Ok(()),
        _ => Err(NoChange::SeveralItems),
    }
}

/// The prices that a subscription can be changed to by its reader: of its own currency, for everybody, of a fixed amount, and not the
/// one it has; during a trial, of the same plan. Each with its plan.
pub fn choices<'a>(subscription: &Subscription, plans: &'a [Plan]) -> Vec<(&'a Plan, &'a PlanPrice, i64)> {
    let Ok(currency) = Currency::parse(&subscription.currency) else {
        return Vec::new();
    };
    let has = |price: &PlanPrice| {
        subscription
            .items
            .iter()
            .any(|item| item.price_id == price.stripe_price)
    };
    let open = |price: &PlanPrice| {
        let fixed = price.terms.needs.is_nothing() && price.terms.chosen.is_none();
        fixed && price.once.is_none() && !has(price)
    };
    // A trial is of the plan that it was given for: Stripe would let it go on free under a dearer one.
    let trying = subscription.status == SubscriptionStatus::Trialing;
    let mut found = Vec::new();
    for plan in plans.iter().filter(|plan| !trying || plan.prices.iter().any(has)) {
        for price in plan.prices.iter().filter(|price| open(price)) {
            if let Some(amount) = price.amount_in(&currency) {
                found.push((plan, price, amount));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::Interval,
        stripe::SubscriptionItem,
        terms::{Needs, PriceTerms},
    };

    type Spoil = fn(&mut Subscription);

    fn own() -> Subscription {
        Subscription {
            status: SubscriptionStatus::Active,
            currency: "eur".to_owned(),
            items: vec![SubscriptionItem {
                price_id: "price_1".to_owned(),
                quantity: 1,
                ..SubscriptionItem::default()
            }],
            ..Subscription::default()
        }
    }

    fn price(number: u32, currency: &str, needs: Needs) -> PlanPrice {
        PlanPrice {
            once: None,
            id: format!("prc_{number}").parse().unwrap(),
            stripe_price: format!("price_{number}"),
            currency: currency.parse().unwrap(),
            amount_minor: 500,
            interval: Interval::Month,
            interval_count: 1,
            terms: PriceTerms {
                needs,
                ..PriceTerms::default()
            },
        }
    }

    #[test]
    fn what_a_schedule_a_payment_or_an_end_decides_is_not_changed_here() {
        let cases: [(NoChange, Spoil); 9] = [
            (NoChange::Scheduled, |own| own.schedule = Some("sub_sched_1".to_owned())),
            (NoChange::NotInForce, |own| own.status = SubscriptionStatus::PastDue),
            (NoChange::NotInForce, |own| own.status = SubscriptionStatus::Paused),
            (NoChange::NotInForce, |own| own.pause_collection = true),
            (NoChange::Ending, |own| own.cancel_at_period_end = true),
            (NoChange::Ending, |own| own.cancel_at = Some(Timestamp(1))),
            (NoChange::Waiting, |own| own.pending_update = true),
            (NoChange::SeveralItems, |own| {
                own.items.push(SubscriptionItem::default());
            }),
            (NoChange::SeveralItems, |own| own.more_items = true),
        ];
        assert_eq!(may_change(&own()), Ok(()));
        for (why, spoil) in cases {
            let mut spoilt = own();
            spoil(&mut spoilt);
            assert_eq!(may_change(&spoilt), Err(why));
        }
    }

    #[test]
    fn what_can_be_chosen_is_another_price_of_the_currency_that_everybody_can_have() {
        let said = Needs {
            statement: Some("I study.".to_owned()),
            ..Needs::default()
        };
        let plan = Plan {
            id: "pln_1".parse().unwrap(),
            key: "one".to_owned(),
            name: "One".to_owned(),
            description: String::new(),
            entitlements: latchkey_entitlement::Scope::parse("ad_free").unwrap(),
            sites: latchkey_entitlement::Sites::All,
            prices: vec![
                price(1, "eur", Needs::default()),
                price(2, "eur", Needs::default()),
                price(3, "usd", Needs::default()),
                price(4, "eur", said),
            ],
        };
        let plans = [plan];
        let found: Vec<&str> = choices(&own(), &plans)
            .iter()
            .map(|(_, price, _)| price.id.as_str())
            .collect();
        assert_eq!(found, ["prc_2"]);

        // What is paid once is no subscription; a trial stays with the plan that it was given for.
        let mut dearer = plans[0].clone();
        dearer.prices = vec![price(5, "eur", Needs::default())];
        let mut plans = vec![plans[0].clone(), dearer];
        plans[0].prices[1].once = Some(crate::plan::Once {
            span: "7d".parse().unwrap(),
            zone: latchkey_entitlement::Zone::default(),
        });
        let ids = |own: &Subscription| -> Vec<String> {
            let found = choices(own, &plans);
            found.iter().map(|(_, price, _)| price.id.to_string()).collect()
        };
        assert_eq!(ids(&own()), ["prc_5"]);
        let mut trying = own();
        trying.status = SubscriptionStatus::Trialing;
        assert!(ids(&trying).is_empty());
    }
}
