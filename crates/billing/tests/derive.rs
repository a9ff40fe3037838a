//! From Stripe's states to benefits, with exact moments.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on may panic")]

use std::collections::BTreeMap;

use latchkey_billing::{
    CheckoutSession, Currency, CustomerState, DerivePolicy, Interval, Invoice, Next, Once, Plan, PlanPrice, PriceTerms,
    SessionLine, Subscription, SubscriptionItem, SubscriptionStatus, derive,
};
use latchkey_entitlement::{
    PlanId, PriceId, Scope, Sites, Source, Timestamp, Zone,
    time::{DAY, HOUR},
};
use proptest::prelude::*;

const START: Timestamp = Timestamp(1_790_000_000_000);
const END: Timestamp = START.plus(30 * DAY);
const NOW: Timestamp = START.plus(DAY);
const SLACK: i64 = 72 * HOUR;
const GRACE: i64 = 7 * DAY;

fn plan(id: &str, price: &str) -> Plan {
    Plan {
        id: PlanId::parse(id).unwrap(),
        key: id.to_owned(),
        name: "Ad-free".to_owned(),
        description: String::new(),
        entitlements: Scope::parse("ad_free").unwrap(),
        sites: Sites::All,
        prices: vec![PlanPrice {
            id: PriceId::parse("prc_1").unwrap(),
            stripe_price: price.to_owned(),
            currency: Currency::parse("EUR").unwrap(),
            amount_minor: 500,
            interval: Interval::Month,
            interval_count: 1,
            once: None,
            terms: PriceTerms::default(),
        }],
    }
}

fn item(id: &str, price: &str, end: Timestamp) -> SubscriptionItem {
    SubscriptionItem {
        id: id.to_owned(),
        price_id: price.to_owned(),
        product_id: "prod_1".to_owned(),
        quantity: 1,
        current_period_start: START,
        current_period_end: end,
        price: None,
    }
}

fn subscription(id: &str, status: &str) -> Subscription {
    Subscription {
        id: id.to_owned(),
        customer: "cus_1".to_owned(),
        status: SubscriptionStatus::from(status.to_owned()),
        items: vec![item("si_1", "price_1", END)],
        more_items: false,
        cancel_at_period_end: false,
        cancel_at: None,
        canceled_at: None,
        ended_at: None,
        trial_end: None,
        created: START,
        start_date: START,
        pause_collection: false,
        latest_invoice: None,
        metadata: BTreeMap::new(),
        livemode: false,
        default_payment_method: None,
        ..Subscription::default()
    }
}

fn state(subscriptions: Vec<Subscription>) -> CustomerState {
    CustomerState {
        id: "cus_1".to_owned(),
        deleted: false,
        livemode: false,
        email: None,
        metadata: BTreeMap::new(),
        subscriptions,
        read_at: NOW,
        ..CustomerState::default()
    }
}

fn until(state: &CustomerState) -> Option<Timestamp> {
    let derived = derive(state, &[plan("pln_a", "price_1")], &DerivePolicy::default(), NOW);
    derived.benefits.first().and_then(|benefit| benefit.until)
}

#[test]
fn every_status_gives_exactly_what_the_table_says() {
    let table = [
        ("incomplete", None, None),
        ("incomplete_expired", None, None),
        ("trialing", Some(END.plus(SLACK)), Some(END)),
        ("active", Some(END.plus(SLACK)), Some(END)),
        ("past_due", Some(START.plus(GRACE)), Some(START.plus(GRACE))),
        ("unpaid", None, None),
        ("paused", None, None),
        ("canceled", None, None),
        ("hibernating", None, None),
    ];
    for (status, renewing, ending) in table {
        let mut it = subscription("sub_1", status);
        assert_eq!(until(&state(vec![it.clone()])), renewing, "{status}, renewing");
        it.cancel_at_period_end = true;
        assert_eq!(until(&state(vec![it])), ending, "{status}, set to end");
    }
}

#[test]
fn cancel_at_alone_ends_exactly_then_and_a_late_one_does_not_stretch_the_period() {
    let mut it = subscription("sub_1", "active");
    it.cancel_at = Some(END.plus(-DAY));
    assert_eq!(until(&state(vec![it.clone()])), Some(END.plus(-DAY)));
    it.cancel_at = Some(END.plus(300 * DAY));
    assert_eq!(until(&state(vec![it])), Some(END.plus(SLACK)));
}

#[test]
fn a_trial_ends_at_its_own_end() {
    let mut it = subscription("sub_1", "trialing");
    it.trial_end = Some(START.plus(5 * DAY));
    assert_eq!(until(&state(vec![it.clone()])), Some(START.plus(5 * DAY + SLACK)));
    it.cancel_at_period_end = true;
    assert_eq!(until(&state(vec![it])), Some(START.plus(5 * DAY)));
}

fn invoice(id: &str, status: &str, created: Timestamp) -> Invoice {
    Invoice {
        id: id.to_owned(),
        status: Some(status.to_owned()),
        subscription: Some("sub_1".to_owned()),
        amount_due_minor: 500,
        amount_paid_minor: 0,
        currency: "eur".to_owned(),
        created,
        due_date: None,
        attempt_count: 1,
        next_payment_attempt: None,
        hosted_invoice_url: None,
        period_end: created,
        ..Invoice::default()
    }
}

#[test]
fn grace_counts_from_the_oldest_unpaid_invoice_and_not_from_the_rolled_period() {
    let mut it = state(vec![subscription("sub_1", "past_due")]);
    it.invoices = vec![
        invoice("in_3", "open", START.plus(2 * DAY)),
        invoice("in_2", "open", START.plus(HOUR)),
        invoice("in_1", "paid", START.plus(-30 * DAY)),
    ];
    assert_eq!(until(&it), Some(START.plus(HOUR + GRACE)));
}

#[test]
fn the_latest_end_of_the_items_of_a_plan_counts_and_foreign_prices_never_do() {
    let mut it = subscription("sub_1", "active");
    it.items.push(item("si_2", "price_1", END.plus(DAY)));
    it.items.push(item("si_3", "price_other", END.plus(90 * DAY)));
    let derived = derive(
        &state(vec![it]),
        &[plan("pln_a", "price_1")],
        &DerivePolicy::default(),
        NOW,
    );
    assert_eq!(derived.benefits.len(), 1);
    assert_eq!(derived.benefits[0].until, Some(END.plus(DAY + SLACK)));
    assert_eq!(derived.foreign[0].price.as_deref(), Some("price_other"));
    assert!(
        derived.benefits[0].because.contains("sub_1 renews on")
            && derived.benefits[0].because.contains("3 days of slack")
    );
}

#[test]
fn an_unknown_status_grants_nothing_new_and_says_so() {
    let derived = derive(
        &state(vec![subscription("sub_1", "hibernating")]),
        &[plan("pln_a", "price_1")],
        &DerivePolicy::default(),
        NOW,
    );
    assert_eq!(
        (derived.benefits.len(), derived.undecided.as_slice()),
        (0, &["sub_1".to_owned()][..])
    );
    assert!(derived.alerts[0].contains("hibernating"));
}

#[test]
fn objects_of_another_customer_or_of_a_deleted_one_give_nothing() {
    let mut other = subscription("sub_1", "active");
    other.customer = "cus_2".to_owned();
    assert_eq!(until(&state(vec![other])), None);
    let mut deleted = state(vec![subscription("sub_1", "active")]);
    deleted.deleted = true;
    assert_eq!(until(&deleted), None);
}

#[test]
fn two_live_subscriptions_to_one_plan_raise_an_alert() {
    let both = state(vec![subscription("sub_1", "active"), subscription("sub_2", "active")]);
    let derived = derive(&both, &[plan("pln_a", "price_1")], &DerivePolicy::default(), NOW);
    assert_eq!(derived.benefits.len(), 2);
    assert!(
        derived.alerts[0].contains("2 live subscriptions"),
        "{:?}",
        derived.alerts
    );
}

fn any_subscription() -> impl Strategy<Value = Subscription> {
    let statuses = prop::sample::select(vec!["active", "trialing", "past_due", "unpaid", "canceled", "odd"]);
    let price = prop::sample::select(vec!["price_1", "price_2", "price_x"]);
    let items = prop::collection::vec((price, 0_i64..60), 0..4);
    (0_u32..50, statuses, items, any::<bool>()).prop_map(|(n, status, items, ends)| {
        let mut it = subscription(&format!("sub_{n}"), status);
        it.cancel_at_period_end = ends;
        it.items = items
            .into_iter()
            .enumerate()
            .map(|(i, (price, days))| item(&format!("si_{i}"), price, START.plus(days * DAY)))
            .collect();
        it
    })
}

proptest! {
    #[test]
    fn the_order_in_which_stripe_lists_things_makes_no_difference(
        subscriptions in prop::collection::vec(any_subscription(), 0..6).prop_map(|mut list| {
            list.sort_by(|a, b| a.id.cmp(&b.id));
            list.dedup_by(|a, b| a.id == b.id);
            list
        }),
        seed in any::<u64>(),
    ) {
        let plans = [plan("pln_a", "price_1"), plan("pln_b", "price_2")];
        let mut mixed = subscriptions.clone();
        if !mixed.is_empty() {
            let by = usize::try_from(seed % 7).unwrap() % mixed.len();
            mixed.rotate_left(by);
        }
        if seed % 2 == 0 { mixed.reverse(); }
        for it in &mut mixed { it.items.reverse(); }
        let policy = DerivePolicy::default();
        prop_assert_eq!(
            derive(&state(subscriptions), &plans, &policy, NOW),
            derive(&state(mixed), &plans, &policy, NOW)
        );
    }
}

#[test]
fn what_comes_next_is_told_from_the_same_state() {
    for (status, cancel_at_period_end, cancel_at, want) in [
        ("active", false, None, Next::Renews(END)),
        ("active", true, None, Next::Ends(END)),
        ("active", false, Some(NOW), Next::Ends(NOW)),
        ("trialing", false, None, Next::Renews(START.plus(9 * DAY))),
        ("trialing", true, None, Next::Ends(START.plus(9 * DAY))),
        ("past_due", false, None, Next::Owed),
        ("unpaid", true, None, Next::Owed),
        ("incomplete", false, None, Next::Owed),
        ("paused", false, None, Next::Paused),
        ("canceled", false, None, Next::Over),
        ("incomplete_expired", false, None, Next::Over),
        ("a word of tomorrow", false, None, Next::Over),
    ] {
        let mut subscription = subscription("sub_1", status);
        subscription.cancel_at_period_end = cancel_at_period_end;
        subscription.cancel_at = cancel_at;
        subscription.trial_end = Some(START.plus(9 * DAY));
        assert_eq!(subscription.next(), Some(want), "{status}");
        subscription.items.clear();
        assert_eq!(subscription.next(), None, "{status}");
    }
}

fn paid_once(id: &str, paid_at: Option<Timestamp>) -> CheckoutSession {
    CheckoutSession {
        id: id.to_owned(),
        status: Some("complete".to_owned()),
        payment_status: "paid".to_owned(),
        mode: "payment".to_owned(),
        lines: vec![SessionLine {
            id: "li_1".to_owned(),
            price_id: "price_week".to_owned(),
            quantity: 1,
        }],
        paid_at,
        ..CheckoutSession::default()
    }
}

fn sells_a_week() -> Plan {
    let mut plan = plan("pln_a", "price_week");
    for price in &mut plan.prices {
        price.once = Some(Once {
            span: "7d".parse().unwrap(),
            zone: Zone::default(),
        });
    }
    plan
}

#[test]
fn what_was_paid_once_gives_its_time_from_the_payment_and_nothing_before_it_arrived() {
    let of = |session: CheckoutSession| {
        let state = CustomerState {
            purchases: vec![session],
            ..state(vec![])
        };
        derive(&state, &[sells_a_week()], &DerivePolicy::default(), NOW)
    };
    let derived = of(paid_once("cs_1", Some(START)));
    let [benefit] = &derived.benefits[..] else {
        panic!("{derived:?}")
    };
    assert_eq!(
        (benefit.source, benefit.source_ref.as_str()),
        (Source::Pass, "cs_1/li_1")
    );
    assert_eq!((benefit.from, benefit.until), (START, Some(START.plus(7 * DAY))));
    assert_eq!(benefit.bought.as_ref().unwrap().paid_at, START);
    // Settled days after it was asked for: from the moment that it is heard of.
    assert_eq!(of(paid_once("cs_1", None)).benefits[0].from, NOW);
    let mut two = paid_once("cs_1", Some(START));
    two.lines[0].quantity = 2;
    assert_eq!(of(two).benefits[0].until, Some(START.plus(14 * DAY)));
    let mut free = paid_once("cs_1", Some(START));
    free.payment_status = "no_payment_required".to_owned();
    assert_eq!(of(free).benefits.len(), 1, "a promotion code can make it free");
    for (status, payment, mode) in [
        ("complete", "unpaid", "payment"),
        ("open", "unpaid", "payment"),
        ("expired", "unpaid", "payment"),
        ("complete", "paid", "subscription"),
    ] {
        let session = CheckoutSession {
            status: Some(status.to_owned()),
            payment_status: payment.to_owned(),
            mode: mode.to_owned(),
            ..paid_once("cs_1", Some(START))
        };
        assert_eq!(of(session).benefits, [], "{status} {payment} {mode}");
    }
}

#[test]
fn complaint_12_a_foreign_purchase_is_recorded_and_gives_nothing() {
    let mut foreign = paid_once("cs_1", Some(START));
    foreign.lines[0].price_id = "price_tea_towel".to_owned();
    let state = CustomerState {
        purchases: vec![foreign, paid_once("cs_2", Some(START))],
        ..state(vec![])
    };
    let derived = derive(&state, &[sells_a_week()], &DerivePolicy::default(), NOW);
    assert_eq!(derived.benefits.len(), 1);
    assert_eq!((derived.foreign.len(), derived.foreign[0].object.as_str()), (1, "cs_1"));
    // A price that renews is not sold once, whatever Stripe was told.
    let renewing = plan("pln_a", "price_week");
    assert_eq!(derive(&state, &[renewing], &DerivePolicy::default(), NOW).benefits, []);
}

#[test]
fn more_purchases_than_are_read_raise_an_alert_and_leave_what_was_recorded() {
    let state = CustomerState {
        purchases: vec![paid_once("cs_1", Some(START))],
        more_purchases: true,
        ..state(vec![])
    };
    let derived = derive(&state, &[sells_a_week()], &DerivePolicy::default(), NOW);
    assert!(
        derived.unread_purchases && derived.alerts[0].contains("more often than is read"),
        "{derived:?}"
    );
    let deleted = CustomerState { deleted: true, ..state };
    assert!(derive(&deleted, &[sells_a_week()], &DerivePolicy::default(), NOW).unread_purchases);
}
