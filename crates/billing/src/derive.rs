//! One customer's state to benefits.

use std::collections::BTreeMap;

use latchkey_entitlement::{
    Bought, PlanId, Scope, Sites, Source, Timestamp,
    time::{DAY, HOUR},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    plan::Plan,
    purchase,
    reversal::{MoneyBackPolicy, take_back},
    stripe::{CustomerState, Invoice, Subscription, SubscriptionItem, SubscriptionStatus},
};

/// How a status turns into access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    None,
    /// Until the end of the trial; while it is going to renew, the renewal slack longer.
    Trial,
    /// Until the end of the period; while it is going to renew, the renewal slack longer. Exactly to the end if set to end.
    Period,
    /// For the grace time, counted from the unpaid invoice: the period has already rolled into time that nobody paid.
    Grace,
    /// What was recorded before stays until its own end and is never made longer.
    Undecided,
}

/// One row of [`ACCESS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// The status.
    pub status: SubscriptionStatus,
    /// What it gives.
    pub access: Access,
    /// Whether what it paid counts as revenue: where there is access that was not given away.
    pub revenue: bool,
    /// What the status means.
    pub meaning: &'static str,
}

const fn rule(status: SubscriptionStatus, access: Access, meaning: &'static str) -> AccessRule {
    AccessRule {
        status,
        access,
        // One rule for both: nobody counts as paying who is shown ads, and nobody reads on for whom nothing is counted.
        revenue: matches!(access, Access::Period | Access::Grace),
        meaning,
    }
}

/// The whole policy from status to access. A status that is not in it is [`Access::Undecided`].
pub const ACCESS: [AccessRule; 8] = [
    rule(
        SubscriptionStatus::Incomplete,
        Access::None,
        "the first payment is open",
    ),
    rule(
        SubscriptionStatus::IncompleteExpired,
        Access::None,
        "the first payment was never made",
    ),
    rule(SubscriptionStatus::Trialing, Access::Trial, "in its trial"),
    rule(SubscriptionStatus::Active, Access::Period, "in force"),
    rule(
        SubscriptionStatus::PastDue,
        Access::Grace,
        "a renewal failed and is being retried",
    ),
    rule(
        SubscriptionStatus::Unpaid,
        Access::None,
        "a renewal failed and is no longer retried",
    ),
    rule(SubscriptionStatus::Paused, Access::None, "paused until it is resumed"),
    rule(SubscriptionStatus::Canceled, Access::None, "ended"),
];

/// What `status` gives.
pub fn access(status: &SubscriptionStatus) -> Access {
    ACCESS
        .iter()
        .find(|rule| rule.status == *status)
        .map_or(Access::Undecided, |rule| rule.access)
}

/// What the operator decides about time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DerivePolicy {
    /// How long a renewing subscription counts beyond its period, so that no payer sees ads while a renewal settles; milliseconds.
    pub renewal_slack_ms: i64,
    /// How long a reader whose renewal failed keeps access, from the unpaid invoice; milliseconds.
    pub past_due_grace_ms: i64,
    /// What money that goes back does.
    pub money_back: MoneyBackPolicy,
}

impl Default for DerivePolicy {
    fn default() -> Self {
        Self {
            renewal_slack_ms: 72 * HOUR,
            past_due_grace_ms: 7 * DAY,
            money_back: MoneyBackPolicy::default(),
        }
    }
}

/// What one Stripe object gives its buyer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Benefit {
    /// Where it comes from.
    pub source: Source,
    /// The subscription's id; with `/` and the plan's id behind it if one subscription holds several plans. Of a purchase, the Checkout
    /// session's and the line's ids with `/` between them.
    pub source_ref: String,
    /// The plan that was bought.
    pub plan: PlanId,
    /// What it entitles to.
    pub entitlements: Scope,
    /// Where.
    pub sites: Sites,
    /// First moment.
    pub from: Timestamp,
    /// First moment after; `None` is open-ended.
    pub until: Option<Timestamp>,
    /// The rule that set `until`, in words for support.
    pub because: String,
    /// If it was bought as a length of time: `from` and `until` are as if its buyer had nothing else, and it is yet to be laid out.
    #[serde(default)]
    pub bought: Option<Bought>,
    /// A word for the reader's page where something needs saying: `past_due`, `ends`, `trial`, `collection_paused`,
    /// `refunded`, `disputed`.
    pub state_note: Option<String>,
}

/// A purchase of something that is not sold here: recorded, never granted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Foreign {
    /// The Stripe object.
    pub object: String,
    /// The price, if there is one.
    pub price: Option<String>,
    /// Why it is foreign.
    pub why: String,
}

/// What follows from one customer's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derived {
    /// In order of `source_ref`. A benefit may have ended already; the caller compares with its clock.
    pub benefits: Vec<Benefit>,
    /// Purchases that are not ours.
    pub foreign: Vec<Foreign>,
    /// Subscriptions in a status that this version does not know: what was recorded for them before is to be left as it is.
    pub undecided: Vec<String>,
    /// Whether there are purchases that were not read: what was recorded for those is to be left as it is.
    pub unread_purchases: bool,
    /// What the operator should look at.
    pub alerts: Vec<String>,
}

/// Turns one customer's state into benefits. The order of subscriptions, items and invoices makes no difference.
///
/// `now` decides whether two subscriptions are in force at once, and is the time of a payment of which Stripe does not tell when it
/// settled; every other end is a fixed moment, so the same state gives the same benefits at any time.
pub fn derive(state: &CustomerState, plans: &[Plan], policy: &DerivePolicy, now: Timestamp) -> Derived {
    let mut out = Derived::default();
    if state.deleted {
        // Its subscriptions ended with it. Time that was paid for once is still paid for.
        out.unread_purchases = true;
        return out;
    }
    for subscription in &state.subscriptions {
        if subscription.customer != state.id {
            out.alerts.push(format!(
                "subscription {} belongs to another customer than {}; ignored",
                subscription.id, state.id
            ));
        } else if subscription.livemode == state.livemode {
            derive_one(subscription, &state.invoices, plans, policy, &mut out);
        } else {
            out.alerts.push(format!(
                "subscription {} is of the other mode (live or test) than its customer; ignored",
                subscription.id
            ));
        }
    }
    purchase::derive(state, plans, now, &mut out);
    take_back(state, policy.money_back, &mut out);
    alert_doubles(&mut out, now);
    out.benefits.sort_by(|a, b| a.source_ref.cmp(&b.source_ref));
    out.foreign.sort();
    out.foreign.dedup();
    out.undecided.sort();
    out.alerts.sort();
    out
}

fn derive_one(
    subscription: &Subscription,
    invoices: &[Invoice],
    plans: &[Plan],
    policy: &DerivePolicy,
    out: &mut Derived,
) {
    let id = &subscription.id;
    if subscription.status.is_terminal() {
        return;
    }
    let mut bought: BTreeMap<&PlanId, (&Plan, Vec<&SubscriptionItem>)> = BTreeMap::new();
    for item in &subscription.items {
        match plans.iter().find(|plan| {
            plan.prices
                .iter()
                .any(|price| price.sold(&item.price_id, &item.product_id))
        }) {
            Some(plan) if item.quantity > 0 => bought.entry(&plan.id).or_insert((plan, Vec::new())).1.push(item),
            Some(_) => {}
            None => out.foreign.push(Foreign {
                object: id.clone(),
                price: Some(item.price_id.clone()),
                why: format!("price {} belongs to no plan here", item.price_id),
            }),
        }
    }
    if subscription.more_items {
        out.alerts.push(format!(
            "subscription {id} has more items than were read; those are not looked at"
        ));
    }
    let rule = access(&subscription.status);
    if rule == Access::Undecided {
        out.undecided.push(id.clone());
        out.alerts.push(format!(
            "subscription {id} is `{}`, a status that this version does not know: nothing new is granted",
            subscription.status.as_str().chars().take(40).collect::<String>()
        ));
        return;
    }
    let several = bought.len() > 1;
    for (plan, items) in bought.into_values() {
        let Some(term) = term(rule, subscription, &items, invoices, policy) else {
            continue;
        };
        out.benefits.push(Benefit {
            source: Source::Subscription,
            source_ref: if several {
                format!("{id}/{}", plan.id)
            } else {
                id.clone()
            },
            plan: plan.id.clone(),
            entitlements: plan.entitlements.clone(),
            sites: plan.sites.clone(),
            from: subscription.start_date,
            until: Some(term.until),
            because: format!("subscription {id} {}", term.words),
            bought: None,
            state_note: term.note.map(str::to_owned),
        });
    }
}

struct Term {
    until: Timestamp,
    words: String,
    note: Option<&'static str>,
}

/// Until when a rule gives access to the plan that `items` bought.
fn term(
    rule: Access,
    subscription: &Subscription,
    items: &[&SubscriptionItem],
    invoices: &[Invoice],
    policy: &DerivePolicy,
) -> Option<Term> {
    let period_end = items.iter().map(|item| item.current_period_end).max()?;
    let slack = policy.renewal_slack_ms;
    match rule {
        Access::None | Access::Undecided => None,
        Access::Period => Some(match set_to_end(subscription, period_end) {
            Some(end) if end <= period_end.plus(slack) => Term {
                until: end,
                words: format!("is set to end on {}, exactly", moment(end)),
                note: Some("ends"),
            },
            _ => Term {
                until: period_end.plus(slack),
                words: format!("renews on {}; {} of slack", moment(period_end), span(slack)),
                note: subscription.pause_collection.then_some("collection_paused"),
            },
        }),
        Access::Trial => {
            let end = subscription.trial_end.unwrap_or(period_end);
            Some(match set_to_end(subscription, end) {
                Some(stop) if stop <= end.plus(slack) => Term {
                    until: stop,
                    words: format!("is in its trial and set to end on {}, exactly", moment(stop)),
                    note: Some("ends"),
                },
                _ => Term {
                    until: end.plus(slack),
                    words: format!(
                        "is in its trial, which becomes paid on {}; {} of slack",
                        moment(end),
                        span(slack)
                    ),
                    note: Some("trial"),
                },
            })
        }
        Access::Grace => Some(grace(subscription, items, invoices, policy, period_end)),
    }
}

fn grace(
    subscription: &Subscription,
    items: &[&SubscriptionItem],
    invoices: &[Invoice],
    policy: &DerivePolicy,
    period_end: Timestamp,
) -> Term {
    let unpaid = invoices
        .iter()
        .filter(|invoice| invoice.subscription.as_ref() == Some(&subscription.id))
        .filter(|invoice| invoice.status.as_deref() == Some("open") && invoice.amount_due_minor > 0)
        .map(|invoice| (invoice.due_date.unwrap_or(invoice.created), &invoice.id))
        .min();
    let (anchor, what) = if let Some((at, id)) = unpaid {
        (at, format!("invoice {id} is unpaid since {}", moment(at)))
    } else {
        let starts = items.iter().map(|item| item.current_period_start);
        let start = starts.max().unwrap_or(subscription.start_date);
        (start, format!("the period that began on {} is unpaid", moment(start)))
    };
    let end = anchor.plus(policy.past_due_grace_ms);
    let days = span(policy.past_due_grace_ms);
    match set_to_end(subscription, period_end) {
        Some(stop) if stop < end => Term {
            until: stop,
            words: format!("is past due ({what}) and set to end on {}, exactly", moment(stop)),
            note: Some("past_due"),
        },
        _ => Term {
            until: end,
            words: format!("is past due: {what}; {days} of grace end on {}", moment(end)),
            note: Some("past_due"),
        },
    }
}

/// When somebody set the subscription to end; `end` is the end of the running period or trial.
fn set_to_end(subscription: &Subscription, end: Timestamp) -> Option<Timestamp> {
    subscription
        .cancel_at
        .or(subscription.cancel_at_period_end.then_some(end))
}

/// A reader who pays twice for one plan is owed money, which nothing else would notice.
fn alert_doubles(out: &mut Derived, now: Timestamp) {
    let mut by_plan: BTreeMap<&PlanId, Vec<&str>> = BTreeMap::new();
    let live = out
        .benefits
        .iter()
        .filter(|benefit| benefit.source == Source::Subscription)
        .filter(|benefit| benefit.until.is_none_or(|until| now < until));
    for benefit in live {
        by_plan.entry(&benefit.plan).or_default().push(&benefit.source_ref);
    }
    let doubles: Vec<String> = by_plan
        .into_iter()
        .filter(|(_, refs)| refs.len() > 1)
        .map(|(plan, mut refs)| {
            refs.sort_unstable();
            format!(
                "the reader has {} live subscriptions to plan {plan}: {}",
                refs.len(),
                refs.join(", ")
            )
        })
        .collect();
    out.alerts.extend(doubles);
}

pub(crate) fn moment(at: Timestamp) -> String {
    let Ok(time) = OffsetDateTime::from_unix_timestamp(at.seconds()) else {
        return format!("{} s", at.seconds());
    };
    let month = u8::from(time.month());
    format!(
        "{:04}-{month:02}-{:02} {:02}:{:02} UTC",
        time.year(),
        time.day(),
        time.hour(),
        time.minute()
    )
}

fn span(millis: i64) -> String {
    let (count, unit) = if millis % DAY == 0 {
        (millis / DAY, "day")
    } else {
        (millis / HOUR, "hour")
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
