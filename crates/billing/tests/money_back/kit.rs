//! A customer with subscriptions, and what was paid for them.

use std::collections::BTreeMap;

use latchkey_billing::{
    Benefit, Charge, Currency, CustomerState, DerivePolicy, Derived, Dispute, DisputeStatus, Interval, Invoice, Plan,
    PlanPrice, Refund, RefundStatus, Subscription, SubscriptionItem, SubscriptionStatus, derive,
};
use latchkey_entitlement::{
    PlanId, PriceId, Scope, Sites, Timestamp,
    time::{DAY, HOUR},
};

pub(crate) const START: Timestamp = Timestamp(1_790_000_000_000);
pub(crate) const END: Timestamp = START.plus(30 * DAY);
pub(crate) const NOW: Timestamp = START.plus(2 * DAY);
/// The end of a subscription that renews: its period's, and three days for the renewal to settle.
pub(crate) const SLACK_END: Timestamp = END.plus(72 * HOUR);

pub(crate) fn plans() -> Vec<Plan> {
    [("pln_a", "price_a"), ("pln_b", "price_b")]
        .into_iter()
        .map(|(id, price)| Plan {
            id: PlanId::parse(id).unwrap(),
            key: id.to_owned(),
            name: "Ad-free".to_owned(),
            description: String::new(),
            entitlements: Scope::parse("ad_free").unwrap(),
            sites: Sites::All,
            prices: vec![PlanPrice {
                terms: latchkey_billing::PriceTerms::default(),
                once: None,
                id: PriceId::parse("prc_1").unwrap(),
                stripe_price: price.to_owned(),
                currency: Currency::parse("EUR").unwrap(),
                amount_minor: 500,
                interval: Interval::Month,
                interval_count: 1,
            }],
        })
        .collect()
}

pub(crate) fn subscription(id: &str, customer: &str, status: &str, created: Timestamp) -> Subscription {
    Subscription {
        id: id.to_owned(),
        customer: customer.to_owned(),
        status: SubscriptionStatus::from(status.to_owned()),
        items: vec![SubscriptionItem {
            price: None,
            id: format!("si_{id}"),
            price_id: "price_a".to_owned(),
            product_id: "prod_1".to_owned(),
            quantity: 1,
            current_period_start: created,
            current_period_end: created.plus(30 * DAY),
        }],
        more_items: false,
        cancel_at_period_end: false,
        cancel_at: None,
        canceled_at: None,
        ended_at: None,
        trial_end: None,
        created,
        start_date: created,
        pause_collection: false,
        latest_invoice: None,
        metadata: BTreeMap::new(),
        livemode: false,
        default_payment_method: None,
        ..Subscription::default()
    }
}

/// An invoice for the period that begins when it was made.
pub(crate) fn invoice(id: &str, subscription: &str, status: &str, created: Timestamp) -> Invoice {
    Invoice {
        id: id.to_owned(),
        status: Some(status.to_owned()),
        subscription: Some(subscription.to_owned()),
        amount_due_minor: 500,
        amount_paid_minor: if status == "paid" { 500 } else { 0 },
        currency: "eur".to_owned(),
        created,
        lines_end: Some(created.plus(30 * DAY)),
        ..Invoice::default()
    }
}

/// The charge that paid an invoice.
pub(crate) fn charge(id: &str, invoice: &str) -> Charge {
    Charge {
        id: id.to_owned(),
        payment_intent: Some(format!("pi_{id}")),
        invoice: Some(invoice.to_owned()),
        amount_minor: 500,
        currency: "eur".to_owned(),
        created: START,
        paid: true,
        ..Charge::default()
    }
}

pub(crate) fn refund(id: &str, charge: &str, amount: i64, status: &str, created: Timestamp) -> Refund {
    Refund {
        id: id.to_owned(),
        charge: charge.to_owned(),
        amount_minor: amount,
        currency: "eur".to_owned(),
        status: RefundStatus::from(status.to_owned()),
        failure_reason: None,
        created,
        metadata: BTreeMap::new(),
    }
}

pub(crate) fn dispute(id: &str, charge: &str, status: &str, created: Timestamp) -> Dispute {
    Dispute {
        id: id.to_owned(),
        charge: charge.to_owned(),
        amount_minor: 500,
        currency: "eur".to_owned(),
        status: DisputeStatus::from(status.to_owned()),
        reason: "fraudulent".to_owned(),
        created,
    }
}

/// A customer with one subscription whose running period is paid by one charge.
pub(crate) fn paid() -> CustomerState {
    CustomerState {
        id: "cus_1".to_owned(),
        subscriptions: vec![subscription("sub_1", "cus_1", "active", START)],
        invoices: vec![invoice("in_1", "sub_1", "paid", START)],
        charges: vec![charge("ch_1", "in_1")],
        read_at: NOW,
        ..CustomerState::default()
    }
}

pub(crate) fn derived(state: &CustomerState, policy: &DerivePolicy) -> Derived {
    derive(state, &plans(), policy, NOW)
}

/// The one benefit that follows.
pub(crate) fn benefit(state: &CustomerState) -> Benefit {
    let derived = derived(state, &DerivePolicy::default());
    assert_eq!(derived.benefits.len(), 1, "{derived:?}");
    derived.benefits.into_iter().next().unwrap()
}
