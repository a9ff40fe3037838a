//! Which events Latchkey has Stripe send: the one list, for making an endpoint, for checking it, and for pulling events without one.

/// The types, in order. Each one tells that what a reader has may have changed; what it means is read from the API.
///
/// `*` would bring every event of the account, those of other products included, and would slow the account's own ones down.
pub const WEBHOOK_EVENTS: &[&str] = &[
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.refunded",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.created",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.upcoming",
    "invoice.updated",
    "invoice.voided",
    "payment_method.automatically_updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
    "subscription_schedule.aborted",
    "subscription_schedule.canceled",
    "subscription_schedule.completed",
    "subscription_schedule.created",
    "subscription_schedule.released",
    "subscription_schedule.updated",
];

/// How an endpoint's list differs from [`WEBHOOK_EVENTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventDifference {
    /// What is never sent; empty if `*` stands there.
    pub missing: Vec<&'static str>,
    /// What is sent for nothing.
    pub superfluous: Vec<String>,
}

impl EventDifference {
    /// Compares an endpoint's list, whatever its order.
    pub fn of(enabled: &[String]) -> Self {
        let all = enabled.iter().any(|kind| kind == "*");
        let missing = WEBHOOK_EVENTS.iter().copied();
        let superfluous = enabled.iter().filter(|kind| !is_wanted(kind));
        Self {
            missing: missing
                .filter(|wanted| !all && !enabled.iter().any(|kind| kind == wanted))
                .collect(),
            superfluous: superfluous.cloned().collect(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.superfluous.is_empty()
    }
}

/// Whether an event of this type is one that an endpoint of ours would bring.
pub fn is_wanted(kind: &str) -> bool {
    WEBHOOK_EVENTS.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_names_nothing_twice() {
        assert!(WEBHOOK_EVENTS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn what_is_missing_and_what_is_superfluous_is_named_whatever_the_order() {
        let mut list: Vec<String> = WEBHOOK_EVENTS.iter().rev().map(ToString::to_string).collect();
        assert!(EventDifference::of(&list).is_empty());
        list.retain(|kind| kind != "invoice.paid");
        list.push("payout.paid".to_owned());
        let difference = EventDifference::of(&list);
        assert_eq!(difference.missing, ["invoice.paid"]);
        assert_eq!(difference.superfluous, ["payout.paid"]);
        let star = EventDifference::of(&["*".to_owned()]);
        assert_eq!((star.missing.len(), star.superfluous), (0, vec!["*".to_owned()]));
    }
}
