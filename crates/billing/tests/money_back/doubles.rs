use latchkey_billing::{
    CustomerState, DerivePolicy, DoubleDecision, SETTLING_TIME, Subscription, SubscriptionStatus, decide_doubles,
    suspect_doubles,
};
use latchkey_entitlement::{Timestamp, time::DAY};
use proptest::prelude::*;

use crate::kit::{NOW, START, charge, dispute, invoice, plans, refund, subscription};

const LATER: Timestamp = START.plus(DAY);

/// Customer `cus_N` with subscription `sub_N`, paid if its status says so.
fn customer(number: u32, status: &str, created: Timestamp) -> CustomerState {
    let (id, sub) = (format!("cus_{number}"), format!("sub_{number}"));
    let paid = if status == "past_due" { "open" } else { "paid" };
    CustomerState {
        subscriptions: vec![subscription(&sub, &id, status, created)],
        invoices: vec![invoice(&format!("in_{number}"), &sub, paid, created)],
        charges: vec![charge(&format!("ch_{number}"), &format!("in_{number}"))],
        id,
        read_at: NOW,
        ..CustomerState::default()
    }
}

fn decide(states: &[CustomerState]) -> Vec<DoubleDecision> {
    decide_doubles(states, &plans(), &DerivePolicy::default(), NOW)
}

fn decision(states: &[CustomerState]) -> DoubleDecision {
    let all = decide(states);
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().unwrap()
}

/// Complaint 3: two live subscriptions. Of two that are paid the older goes on, and the other is paid back in full.
#[test]
fn of_two_that_are_paid_the_older_goes_on_and_the_newer_is_paid_back() {
    let it = decision(&[customer(2, "active", LATER), customer(1, "active", START)]);
    assert_eq!(
        (it.kept.as_str(), it.stopped.as_str(), it.customer.as_str()),
        ("sub_1", "sub_2", "cus_2")
    );
    assert_eq!(it.refunds.len(), 1);
    assert_eq!(
        (it.refunds[0].invoice.as_str(), it.refunds[0].amount_minor),
        ("in_2", 500)
    );
    assert_eq!((it.voids.len(), it.settled_at), (0, LATER.plus(SETTLING_TIME)));
    assert!(it.why.contains("both are paid, and it is the older one"), "{}", it.why);
}

/// Complaint 3: after a failed card the reader buys again, then the old one is charged too. The one that is paid goes on, and what the
/// other still asks for is taken back.
#[test]
fn one_that_is_past_due_gives_way_to_one_that_is_paid() {
    let it = decision(&[customer(1, "past_due", START), customer(2, "active", LATER)]);
    assert_eq!((it.kept.as_str(), it.stopped.as_str()), ("sub_2", "sub_1"));
    assert_eq!((it.refunds.len(), it.voids), (0, vec!["in_1".to_owned()]));
}

#[test]
fn what_is_only_tried_gives_way_to_what_is_paid_however_old_it_is() {
    let mut tried = customer(1, "trialing", START);
    tried.subscriptions[0].trial_end = Some(NOW.plus(DAY));
    let it = decision(&[tried, customer(2, "active", LATER)]);
    assert_eq!((it.kept.as_str(), it.stopped.as_str()), ("sub_2", "sub_1"));
}

#[test]
fn two_in_one_customer_are_the_same_as_in_two() {
    let mut both = customer(1, "active", START);
    let other = customer(2, "active", LATER);
    both.subscriptions.push(Subscription {
        customer: "cus_1".to_owned(),
        ..other.subscriptions[0].clone()
    });
    both.invoices.extend(other.invoices);
    let it = decision(&[both]);
    assert_eq!(
        (it.stopped.as_str(), it.customer.as_str(), it.refunds.len()),
        ("sub_2", "cus_1", 1)
    );
}

#[test]
fn of_three_one_goes_on() {
    let all = decide(&[
        customer(3, "active", START.plus(2 * DAY)),
        customer(1, "past_due", START),
        customer(2, "active", LATER),
    ]);
    let stopped: Vec<_> = all.iter().map(|it| (it.kept.as_str(), it.stopped.as_str())).collect();
    assert_eq!(stopped, [("sub_2", "sub_3"), ("sub_2", "sub_1")]);
}

#[test]
fn what_is_left_of_a_payment_is_paid_back_and_what_is_disputed_is_the_banks() {
    let mut newer = customer(2, "active", LATER);
    newer.refunds = vec![refund("re_1", "ch_2", 200, "succeeded", NOW)];
    let it = decision(&[customer(1, "active", START), newer.clone()]);
    assert_eq!(it.refunds[0].amount_minor, 300);
    newer.refunds.clear();
    newer.disputes = vec![dispute("dp_1", "ch_2", "needs_response", NOW)];
    let it = decision(&[customer(1, "active", START), newer]);
    assert_eq!(
        (it.stopped.as_str(), it.refunds[0].disputed.as_deref()),
        ("sub_2", Some("dp_1"))
    );
}

/// Complaint 4: after a refund there was no way to subscribe again. What is bought anew is not taken for the double of what was refunded.
#[test]
fn one_whose_money_is_back_gives_way_to_the_one_that_was_bought_afterwards() {
    let mut refunded = customer(1, "active", START);
    refunded.refunds = vec![refund("re_1", "ch_1", 500, "succeeded", START.plus(DAY / 2))];
    let it = decision(&[refunded, customer(2, "active", LATER)]);
    assert_eq!(
        (it.kept.as_str(), it.stopped.as_str(), it.refunds.len()),
        ("sub_2", "sub_1", 0)
    );
}

/// Complaint 11: cancelling something else harms the reader.
#[test]
fn what_is_no_double_is_left_alone() {
    let change = |edit: fn(&mut Subscription)| {
        let mut other = customer(2, "active", LATER);
        edit(&mut other.subscriptions[0]);
        vec![customer(1, "active", START), other]
    };
    for (what, states) in [
        ("alone", vec![customer(1, "active", START)]),
        ("set to end", change(|it| it.cancel_at_period_end = true)),
        ("set to end on a day", change(|it| it.cancel_at = Some(NOW.plus(DAY)))),
        ("not collected", change(|it| it.pause_collection = true)),
        (
            "of another plan",
            change(|it| it.items[0].price_id = "price_b".to_owned()),
        ),
        (
            "of somebody else's product",
            change(|it| it.items[0].price_id = "price_x".to_owned()),
        ),
        (
            "with more in it",
            change(|it| {
                let mut more = it.items[0].clone();
                more.price_id = "price_b".to_owned();
                it.items.push(more);
            }),
        ),
        ("with more than was read", change(|it| it.more_items = true)),
        ("of another customer", change(|it| it.customer = "cus_9".to_owned())),
        ("of the live mode", change(|it| it.livemode = true)),
    ] {
        assert_eq!(decide(&states), vec![], "{what}");
    }
    for status in SubscriptionStatus::KNOWN {
        let live = matches!(status.as_str(), "active" | "trialing" | "past_due");
        let states = [customer(1, "active", START), customer(2, status.as_str(), LATER)];
        assert_eq!(decide(&states).len(), usize::from(live), "{status}");
    }
    let mut deleted = customer(2, "active", LATER);
    deleted.deleted = true;
    assert_eq!(decide(&[customer(1, "active", START), deleted]), vec![]);
}

#[test]
fn what_is_suspected_is_what_is_decided() {
    let states = [customer(1, "active", START), customer(2, "past_due", LATER)];
    let all: Vec<Subscription> = states.iter().flat_map(|state| state.subscriptions.clone()).collect();
    let suspects = suspect_doubles(&all, &plans());
    assert_eq!(suspects.len(), 1);
    assert_eq!(suspects[0].subscriptions, ["sub_1", "sub_2"]);
    assert_eq!(suspects[0].settled_at, decision(&states).settled_at);
    assert!(suspect_doubles(&all[..1], &plans()).is_empty());
}

proptest! {
    /// Never both stopped, and never two to one plan left, in whatever order they are read.
    #[test]
    fn exactly_one_goes_on(
        kinds in prop::collection::vec((prop::sample::select(vec!["active", "trialing", "past_due"]), 0_i64..3), 2..6),
        by in 0_usize..6,
    ) {
        let states: Vec<CustomerState> = (0..).zip(&kinds)
            .map(|(number, (status, day))| customer(number, status, START.plus(day * DAY)))
            .collect();
        let all = decide(&states);
        prop_assert_eq!(all.len(), states.len() - 1);
        prop_assert!(all.iter().all(|it| it.kept == all[0].kept && it.stopped != it.kept));
        let mut mixed = states.clone();
        let by = by % mixed.len();
        mixed.rotate_left(by);
        mixed.reverse();
        prop_assert_eq!(decide(&mixed), all);
    }
}
