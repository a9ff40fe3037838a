//! Two live subscriptions of one reader to one plan: which goes on, which is stopped, and what is paid back.
//!
//! Decided from Stripe's state alone. Nothing is done about a subscription that is set to end, whose collection is paused, or that holds
//! anything but the one plan: stopping it could take away what nobody pays for twice.

use latchkey_entitlement::{PlanId, Timestamp, time::MINUTE};
use serde::{Deserialize, Serialize};

use crate::{
    derive::{DerivePolicy, derive},
    plan::Plan,
    reversal::{disputes_of, paid_for_running_period, refunds_of},
    stripe::{CustomerState, Subscription, SubscriptionStatus},
};

/// How long two subscriptions may stand beside each other before one is stopped, in milliseconds, from when the later one was made: who
/// changes plans by hand makes the new one first and ends the old one after.
pub const SETTLING_TIME: i64 = 10 * MINUTE;

/// Subscriptions to one plan that may be doubles; what is done is decided by [`decide_doubles`] once they have settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspectedDouble {
    /// The plan.
    pub plan: PlanId,
    /// Their ids, in order.
    pub subscriptions: Vec<String>,
    /// When they have settled.
    pub settled_at: Timestamp,
}

/// Money that is to go back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundDue {
    /// `in_…` that was paid.
    pub invoice: String,
    /// What is still with the merchant, in minor units.
    pub amount_minor: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// The dispute that forbids a refund, if there is one.
    pub disputed: Option<String>,
}

/// What is done about a subscription that is one too many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubleDecision {
    /// The plan that both are for.
    pub plan: PlanId,
    /// The subscription that goes on.
    pub kept: String,
    /// The one that is stopped now, without proration.
    pub stopped: String,
    /// Its customer.
    pub customer: String,
    /// What it cost in its running period.
    pub refunds: Vec<RefundDue>,
    /// Its open invoices, which nobody shall pay any more.
    pub voids: Vec<String>,
    /// Why this one, in words.
    pub why: String,
    /// When the two have settled; nothing is done before.
    pub settled_at: Timestamp,
}

/// Which subscriptions of an account may be doubles. `subscriptions` are those of all its customers.
pub fn suspect_doubles(subscriptions: &[Subscription], plans: &[Plan]) -> Vec<SuspectedDouble> {
    plans
        .iter()
        .filter_map(|plan| {
            let mut own: Vec<&Subscription> = subscriptions
                .iter()
                .filter(|it| only_plan(it, plans) == Some(&plan.id))
                .collect();
            own.sort_by(|a, b| a.id.cmp(&b.id));
            own.dedup_by(|a, b| a.id == b.id);
            if own.len() < 2 {
                return None;
            }
            Some(SuspectedDouble {
                plan: plan.id.clone(),
                settled_at: settled_at(own.iter().map(|it| it.created)),
                subscriptions: own.into_iter().map(|it| it.id.clone()).collect(),
            })
        })
        .collect()
}

/// What is to be done about the doubles of one account, whose customers' states are `states`, each just read. The order in which they
/// are given makes no difference.
pub fn decide_doubles(
    states: &[CustomerState],
    plans: &[Plan],
    policy: &DerivePolicy,
    now: Timestamp,
) -> Vec<DoubleDecision> {
    let mut all = Vec::new();
    for plan in plans {
        let mut own: Vec<Candidate<'_>> = states
            .iter()
            .flat_map(|state| candidates(state, plan, plans, policy, now))
            .collect();
        own.sort_by(|a, b| a.rank().cmp(&b.rank()));
        own.dedup_by(|a, b| a.subscription.id == b.subscription.id);
        let Some((kept, others)) = own.split_first() else {
            continue;
        };
        let settled_at = settled_at(own.iter().map(|it| it.subscription.created));
        all.extend(others.iter().map(|it| it.stop(kept, plan, settled_at)));
    }
    all
}

fn settled_at(created: impl Iterator<Item = Timestamp>) -> Timestamp {
    created.max().unwrap_or_default().plus(SETTLING_TIME)
}

/// The plan of a subscription that is charged again and again and holds nothing else.
fn only_plan<'a>(subscription: &Subscription, plans: &'a [Plan]) -> Option<&'a PlanId> {
    let is_live = match subscription.status {
        SubscriptionStatus::Active | SubscriptionStatus::Trialing | SubscriptionStatus::PastDue => true,
        SubscriptionStatus::Incomplete
        | SubscriptionStatus::IncompleteExpired
        | SubscriptionStatus::Unpaid
        | SubscriptionStatus::Paused
        | SubscriptionStatus::Canceled
        | SubscriptionStatus::Unknown(_) => false,
    };
    let goes_on = !subscription.cancel_at_period_end && subscription.cancel_at.is_none();
    if !is_live || !goes_on || subscription.pause_collection || subscription.more_items {
        return None;
    }
    let mut found: Option<&PlanId> = None;
    for item in &subscription.items {
        let plan = plans.iter().find(|plan| {
            plan.prices
                .iter()
                .any(|price| price.sold(&item.price_id, &item.product_id))
        })?;
        if item.quantity == 0 || found.is_some_and(|known| *known != plan.id) {
            return None;
        }
        found = Some(&plan.id);
    }
    found
}

struct Candidate<'a> {
    subscription: &'a Subscription,
    state: &'a CustomerState,
    /// Paid, or in a trial, and giving access now.
    in_good_standing: bool,
}

fn candidates<'a>(
    state: &'a CustomerState,
    plan: &Plan,
    plans: &[Plan],
    policy: &DerivePolicy,
    now: Timestamp,
) -> Vec<Candidate<'a>> {
    if state.deleted {
        return vec![];
    }
    let benefits = derive(state, plans, policy, now).benefits;
    let gives = |id: &str| {
        let own = benefits.iter().filter(|benefit| benefit.source_ref == id);
        own.into_iter()
            .any(|benefit| benefit.until.is_none_or(|until| now < until))
    };
    let ours = |it: &&Subscription| it.customer == state.id && it.livemode == state.livemode;
    state
        .subscriptions
        .iter()
        .filter(ours)
        .filter(|it| only_plan(it, plans) == Some(&plan.id))
        .map(|it| Candidate {
            subscription: it,
            state,
            in_good_standing: it.status != SubscriptionStatus::PastDue && gives(&it.id),
        })
        .collect()
}

impl Candidate<'_> {
    /// The first in this order goes on.
    fn rank(&self) -> (bool, bool, Timestamp, &str) {
        (
            !self.in_good_standing,
            // What is paid goes on before what is only tried.
            self.subscription.status == SubscriptionStatus::Trialing,
            self.subscription.created,
            self.subscription.id.as_str(),
        )
    }

    fn stop(&self, kept: &Candidate<'_>, plan: &Plan, settled_at: Timestamp) -> DoubleDecision {
        let (own, state) = (self.subscription, self.state);
        let refunds = paid_for_running_period(own, state).into_iter().filter_map(|invoice| {
            let back: i64 = refunds_of(&invoice.id, state)
                .iter()
                .map(|refund| refund.amount_minor)
                .sum();
            let left = invoice.amount_paid_minor - back;
            let disputes = disputes_of(&invoice.id, state).into_iter();
            (left > 0).then(|| RefundDue {
                invoice: invoice.id.clone(),
                amount_minor: left,
                currency: invoice.currency.clone(),
                disputed: disputes
                    .filter(|dispute| dispute.status.forbids_refunds())
                    .map(|dispute| dispute.id.clone())
                    .min(),
            })
        });
        let is_open = |invoice: &&crate::stripe::Invoice| {
            invoice.subscription.as_ref() == Some(&own.id) && invoice.status.as_deref() == Some("open")
        };
        let mut voids: Vec<String> = state
            .invoices
            .iter()
            .filter(is_open)
            .map(|invoice| invoice.id.clone())
            .collect();
        voids.sort();
        let mut refunds: Vec<RefundDue> = refunds.collect();
        refunds.sort_by(|a, b| a.invoice.cmp(&b.invoice));
        let tried = |it: &Candidate<'_>| it.subscription.status == SubscriptionStatus::Trialing;
        let standing = match (kept.in_good_standing, self.in_good_standing) {
            (true, true) if tried(self) && !tried(kept) => "it is paid, and the other one is in its trial",
            (true, true) => "both are paid, and it is the older one",
            (true, false) => "it is the one in good standing",
            (false, _) => "neither is paid, and it is the older one",
        };
        DoubleDecision {
            plan: plan.id.clone(),
            kept: kept.subscription.id.clone(),
            stopped: own.id.clone(),
            customer: state.id.clone(),
            refunds,
            voids,
            why: format!(
                "subscriptions {} and {} are both for plan {}; {} goes on, since {standing}",
                kept.subscription.id, own.id, plan.id, kept.subscription.id
            ),
            settled_at,
        }
    }
}
