use latchkey_billing::{CustomerState, DerivePolicy, FullRefund, MoneyBackPolicy, OpenDispute, derive};
use latchkey_entitlement::{Timestamp, time::DAY};
use proptest::prelude::*;

use crate::kit::{
    END, NOW, SLACK_END, START, benefit, charge, derived, dispute, invoice, paid, plans, refund, subscription,
};

const BACK: Timestamp = START.plus(DAY);

fn refunded(amount: i64, status: &str) -> CustomerState {
    CustomerState {
        refunds: vec![refund("re_1", "ch_1", amount, status, BACK)],
        ..paid()
    }
}

fn disputed(status: &str) -> CustomerState {
    CustomerState {
        disputes: vec![dispute("dp_1", "ch_1", status, BACK)],
        ..paid()
    }
}

fn keeping() -> DerivePolicy {
    DerivePolicy {
        money_back: MoneyBackPolicy {
            full_refund: FullRefund::Keep,
            open_dispute: OpenDispute::Keep,
            ..MoneyBackPolicy::default()
        },
        ..DerivePolicy::default()
    }
}

/// Complaint 10: a refund leaves access on. In full it ends what it had paid for, from the refund on; under way counts as arrived; failed
/// and called back do not count, and access is what it was.
#[test]
fn a_refund_counts_by_its_amount_and_its_state() {
    for (amount, status, until) in [
        (500, "succeeded", BACK),
        (500, "pending", BACK),
        (500, "requires_action", BACK),
        (500, "failed", SLACK_END),
        (500, "canceled", SLACK_END),
        (500, "a word of tomorrow", SLACK_END),
        (499, "succeeded", SLACK_END),
        (1, "pending", SLACK_END),
    ] {
        let state = refunded(amount, status);
        assert_eq!(benefit(&state).until, Some(until), "{amount} {status}");
        let kept = derived(&state, &keeping());
        assert_eq!(kept.benefits[0].until, Some(SLACK_END), "{amount} {status}, kept");
    }
}

/// Complaint 10: a dispute leaves access on, or one that was won leaves it off.
#[test]
fn a_dispute_suspends_while_open_ends_if_lost_and_is_forgotten_if_won() {
    for (status, until, kept) in [
        ("warning_needs_response", SLACK_END, SLACK_END),
        ("warning_under_review", SLACK_END, SLACK_END),
        ("warning_closed", SLACK_END, SLACK_END),
        ("needs_response", BACK, SLACK_END),
        ("under_review", BACK, SLACK_END),
        ("won", SLACK_END, SLACK_END),
        ("lost", BACK, BACK),
        ("prevented", SLACK_END, SLACK_END),
        ("a word of tomorrow", SLACK_END, SLACK_END),
    ] {
        let state = disputed(status);
        assert_eq!(benefit(&state).until, Some(until), "{status}");
        let derived = derived(&state, &keeping());
        assert_eq!(derived.benefits[0].until, Some(kept), "{status}, kept");
    }
}

#[test]
fn parts_that_come_to_the_whole_end_access_with_the_last_of_them() {
    let mut state = refunded(200, "succeeded");
    state.refunds.push(refund("re_2", "ch_1", 300, "succeeded", NOW));
    assert_eq!(benefit(&state).until, Some(NOW));
    state.refunds[1].status = "failed".to_owned().into();
    assert_eq!(benefit(&state).until, Some(SLACK_END));
}

#[test]
fn every_payment_of_the_running_period_must_be_back() {
    let mut state = refunded(500, "succeeded");
    state.invoices.push(invoice("in_2", "sub_1", "paid", START.plus(DAY)));
    assert_eq!(
        benefit(&state).until,
        Some(SLACK_END),
        "the difference for a dearer plan was not refunded"
    );
    state.charges.push(charge("ch_2", "in_2"));
    state.refunds.push(refund("re_2", "ch_2", 500, "succeeded", NOW));
    assert_eq!(benefit(&state).until, Some(NOW));
}

#[test]
fn a_later_period_that_is_paid_gives_access_again() {
    let mut state = refunded(500, "succeeded");
    state.disputes.push(dispute("dp_1", "ch_1", "lost", BACK));
    for item in &mut state.subscriptions[0].items {
        item.current_period_start = END;
        item.current_period_end = END.plus(30 * DAY);
    }
    state.invoices.push(invoice("in_2", "sub_1", "paid", END));
    assert_eq!(benefit(&state).until, Some(SLACK_END.plus(30 * DAY)));
}

/// Complaint 11: what happens to one subscription never takes away another.
#[test]
fn a_refund_of_one_subscription_leaves_the_other() {
    let mut state = refunded(500, "succeeded");
    state
        .subscriptions
        .push(subscription("sub_2", "cus_1", "active", START));
    state.invoices.push(invoice("in_2", "sub_2", "paid", START));
    let derived = derived(&state, &DerivePolicy::default());
    let ends: Vec<_> = derived
        .benefits
        .iter()
        .map(|it| (it.source_ref.as_str(), it.until))
        .collect();
    assert_eq!(ends, [("sub_1", Some(BACK)), ("sub_2", Some(SLACK_END))]);
}

#[test]
fn a_subscription_that_is_set_to_end_is_not_stretched_by_a_refund_that_counts_later() {
    let mut state = refunded(500, "succeeded");
    state.subscriptions[0].cancel_at = Some(START.plus(DAY / 2));
    assert_eq!(benefit(&state).until, Some(START.plus(DAY / 2)));
}

#[test]
fn the_words_can_be_sent_on() {
    let words = benefit(&refunded(500, "succeeded")).because;
    assert!(
        words.ends_with("what paid the running period was refunded in full (€5.00) on 2026-09-22 14:13 UTC, and access ended with it"),
        "{words}"
    );
    let words = benefit(&refunded(200, "pending")).because;
    assert!(
        words.contains("€2.00 of what paid the running period was refunded"),
        "{words}"
    );
    let it = benefit(&disputed("under_review"));
    assert!(
        it.because.contains("access rests until the dispute is won"),
        "{}",
        it.because
    );
    assert_eq!(it.state_note.as_deref(), Some("disputed"));
    let words = benefit(&disputed("won")).because;
    assert!(words.contains("was won (dp_1), and access is what it was"), "{words}");
}

#[test]
fn the_operator_is_told_what_wants_a_person() {
    for (state, words) in [
        (disputed("warning_needs_response"), "a bank asks about charge ch_1"),
        (disputed("needs_response"), "rests until it is won"),
        (disputed("lost"), "has ended"),
        (disputed("odd"), "does not know"),
        (refunded(500, "failed"), "the reader has not the money"),
        (refunded(500, "odd"), "does not know"),
    ] {
        let alerts = derived(&state, &DerivePolicy::default()).alerts;
        assert!(alerts.len() == 1 && alerts[0].contains(words), "{words}: {alerts:?}");
    }
    for quiet in [
        paid(),
        refunded(500, "succeeded"),
        disputed("won"),
        disputed("warning_closed"),
    ] {
        assert_eq!(derived(&quiet, &DerivePolicy::default()).alerts, Vec::<String>::new());
    }
}

proptest! {
    /// Complaint 1 and 10: in which order refunds and disputes are told makes no difference.
    #[test]
    fn the_order_of_what_went_back_makes_no_difference(
        refunds in prop::collection::vec((0_i64..300, 0_i64..9, prop::sample::select(vec!["succeeded", "pending", "failed"])), 0..5),
        disputes in prop::collection::vec((0_i64..9, prop::sample::select(vec!["won", "lost", "under_review", "warning_closed"])), 0..3),
        by in 0_usize..5,
    ) {
        let mut state = paid();
        state.refunds = refunds.iter().enumerate()
            .map(|(n, (amount, day, status))| refund(&format!("re_{n}"), "ch_1", *amount, status, START.plus(day * DAY)))
            .collect();
        state.disputes = disputes.iter().enumerate()
            .map(|(n, (day, status))| dispute(&format!("dp_{n}"), "ch_1", status, START.plus(day * DAY)))
            .collect();
        let mut mixed = state.clone();
        mixed.refunds.reverse();
        mixed.disputes.reverse();
        if !mixed.refunds.is_empty() {
            let by = by % mixed.refunds.len();
            mixed.refunds.rotate_left(by);
        }
        let policy = DerivePolicy::default();
        prop_assert_eq!(derive(&state, &plans(), &policy, NOW), derive(&mixed, &plans(), &policy, NOW));
    }
}
