//! What falls due as time passes, in order of time.

use crate::clock::period_at;
use crate::state::State;
use crate::subscription::SubscriptionStatus;

/// Stripe gives a first payment 23 hours.
const INCOMPLETE_SECONDS: i64 = 23 * 3600;
/// `trial_will_end` comes three days before.
const TRIAL_NOTICE_SECONDS: i64 = 3 * 86_400;
/// No span of time that a person asks for has more than this many things in it; a loop that would is broken off.
const MAX_STEPS: usize = 200_000;

/// Things that fall due; at one moment they happen in this order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    ExpireSession(String),
    SettleDebit(String),
    ExpireIncomplete(String),
    DropPending(String),
    Cancel(String),
    TrialNotice(String),
    EndPeriod(String),
    SettleRefund(String),
    Dispute(String),
    Finalise(String),
    Retry(String),
}

impl State {
    /// Does everything that is due up to `self.now`, each at its own moment.
    pub(crate) fn process_due(&mut self) {
        let target = self.now;
        for step in 0.. {
            if step == MAX_STEPS {
                tracing::error!("the sandbox gave up after {MAX_STEPS} due things");
                break;
            }
            let Some((at, due)) = self.next_due(target) else { break };
            self.now = at;
            self.changed = true;
            self.happen(due);
        }
        self.now = target;
        self.prune_events();
    }

    /// The next moment after `self.now` at which a subscription's period ends.
    pub(crate) fn next_renewal(&self) -> Option<i64> {
        let live = self
            .subscriptions
            .values()
            .filter(|one| !one.status.is_over() && one.status != SubscriptionStatus::Paused);
        live.map(|one| one.period_end).filter(|end| *end > self.now).min()
    }

    fn next_due(&self, until: i64) -> Option<(i64, Due)> {
        let sessions = self.sessions.values().filter(|one| one.is_open());
        let sessions = sessions.map(|one| (one.expires_at, Due::ExpireSession(one.id.clone())));
        let debits = self
            .sessions
            .values()
            .filter_map(|one| Some((one.debit.as_ref()?.due, one)));
        let debits = debits.map(|(at, one)| (at, Due::SettleDebit(one.id.clone())));
        let live = self.subscriptions.values().filter(|one| !one.status.is_over());
        let subscriptions = live.flat_map(|one| {
            let id = &one.id;
            let incomplete = one.status == SubscriptionStatus::Incomplete;
            let notice = one
                .trial_end
                .filter(|_| one.status == SubscriptionStatus::Trialing && !one.trial_noticed);
            [
                one.pending_update
                    .as_ref()
                    .map(|pending| (pending.expires_at, Due::DropPending(id.clone()))),
                incomplete.then(|| (one.created + INCOMPLETE_SECONDS, Due::ExpireIncomplete(id.clone()))),
                one.cancel_at.map(|at| (at, Due::Cancel(id.clone()))),
                notice.map(|end| {
                    (
                        (end - TRIAL_NOTICE_SECONDS).max(one.created),
                        Due::TrialNotice(id.clone()),
                    )
                }),
                (!incomplete && one.status != SubscriptionStatus::Paused)
                    .then(|| (one.period_end, Due::EndPeriod(id.clone()))),
            ]
        });
        let invoices = self.invoices.values().flat_map(|one| {
            let finalise = one.finalise_at.map(|at| (at, Due::Finalise(one.id.clone())));
            [finalise, one.next_attempt.map(|at| (at, Due::Retry(one.id.clone())))]
        });
        let refunds = self.refunds.values();
        let refunds = refunds.filter_map(|one| one.settles.map(|(at, _)| (at, Due::SettleRefund(one.id.clone()))));
        let charges = self.charges.values();
        let disputes = charges.filter_map(|one| one.dispute_at.map(|at| (at, Due::Dispute(one.id.clone()))));
        sessions
            .chain(refunds)
            .chain(disputes)
            .chain(debits)
            .chain(subscriptions.flatten())
            .chain(invoices.flatten())
            .filter(|(at, _)| *at <= until)
            .min()
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::ExpireSession(id) => self.expire_session(&id),
            Due::SettleDebit(id) => self.settle_debit(&id),
            Due::ExpireIncomplete(id) => {
                if let Some(invoice) = self.subscriptions.get(&id).and_then(|one| one.latest_invoice.clone()) {
                    self.void_invoice(&invoice);
                }
                self.end_subscription(&id, SubscriptionStatus::IncompleteExpired, None);
            }
            Due::DropPending(id) => self.drop_pending_update(&id),
            Due::Cancel(id) => self.cancel_subscription(&id, "cancellation_requested"),
            Due::TrialNotice(id) => {
                if let Some(subscription) = self.subscriptions.get_mut(&id) {
                    subscription.trial_noticed = true;
                }
                let shown = self.render_subscription(&id);
                self.emit("customer.subscription.trial_will_end", shown);
            }
            Due::EndPeriod(id) => self.renew(&id),
            Due::SettleRefund(id) => {
                if let Some((_, status)) = self.refunds.get(&id).and_then(|one| one.settles) {
                    self.end_refund(&id, status);
                }
            }
            Due::Dispute(id) => self.dispute_by_card(&id),
            Due::Finalise(id) => {
                self.finalise(&id);
                self.charge_or_hold(&id);
            }
            Due::Retry(id) => {
                if let Some(invoice) = self.invoices.get_mut(&id) {
                    invoice.next_attempt = None;
                }
                let _ = self.collect(&id);
            }
        }
    }

    /// Begins the next period with a draft invoice, which is charged when it is finalised.
    fn renew(&mut self, id: &str) {
        let Some(one) = self.subscriptions.get(id).cloned() else {
            return;
        };
        let term = one
            .items
            .first()
            .and_then(|item| self.prices.get(&item.price))
            .and_then(|price| price.recurring);
        let Some(term) = term else {
            self.cancel_subscription(id, "cancellation_requested");
            return;
        };
        if one.status == SubscriptionStatus::Trialing && self.paying_card(&one).is_none() {
            match one.missing_payment_method.as_deref() {
                Some("cancel") => return self.cancel_subscription(id, "payment_failed"),
                Some("pause") => {
                    self.edit_subscription(id, |one| one.status = SubscriptionStatus::Paused);
                    let shown = self.render_subscription(id);
                    return self.emit("customer.subscription.paused", shown);
                }
                _ => {}
            }
        }
        let now = self.now;
        let (_, end) = period_at(one.anchor, term.interval, term.count, one.period_end);
        self.edit_subscription(id, |one| {
            one.period_start = one.period_end;
            one.period_end = end;
            if one.status == SubscriptionStatus::Trialing {
                one.status = SubscriptionStatus::Active;
            }
        });
        let mut lines = self
            .subscriptions
            .get_mut(id)
            .map(|one| std::mem::take(&mut one.pending))
            .unwrap_or_default();
        lines.extend(self.period_lines(id, false));
        self.apply_discounts(id, &mut lines);
        let invoice = self.draft_invoice(id, "subscription_cycle", lines);
        // The invoice of a renewal is for the period that ended; its lines are for the one that begins.
        let collects =
            one.status != SubscriptionStatus::Unpaid && one.pause_collection.as_deref() != Some("keep_as_draft");
        let wait = i64::from(self.settings.finalise_after_seconds);
        if let Some(invoice) = self.invoices.get_mut(&invoice) {
            invoice.period_start = one.period_start;
            invoice.finalise_at = collects.then_some(now + wait);
        }
        self.edit_subscription(id, |one| one.latest_invoice = Some(invoice));
    }

    fn charge_or_hold(&mut self, id: &str) {
        let subscription = self.invoices.get(id).and_then(|invoice| invoice.subscription.clone());
        let pause = subscription
            .and_then(|id| self.subscriptions.get(&id))
            .and_then(|one| one.pause_collection.clone());
        match pause.as_deref() {
            Some("void") => self.void_invoice(id),
            Some("mark_uncollectible") => self.mark_uncollectible(id),
            // A failure is part of the story: it is on the invoice and in the events.
            _ => drop(self.collect(id)),
        }
    }
}
