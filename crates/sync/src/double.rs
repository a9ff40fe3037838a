//! A reader with two live subscriptions to one plan: one is stopped, what it cost is paid back, and the reader is told.
//!
//! What is suspected at a sync is stored as an effect, due once the two have settled. It takes the leases of all the account's customers,
//! reads them afresh, and decides (`billing::decide_doubles`). The decision is stored before the first call, and the opposite one is
//! never stored beside it, so that whoever comes after a death, or at the same time, stops the same one. Every step can be taken again:
//! a subscription ends once, an invoice is voided once, and a refund has a stored key and never exceeds what was paid.

use std::time::Duration;

use latchkey_billing::{
    CustomerState, DoubleDecision, DoubleSubscription, NewRefund, RefundReason, StripeError, Subscription,
    decide_doubles, format_money, suspect_doubles,
};
use latchkey_entitlement::{
    AccountId, Timestamp,
    time::{DAY, HOUR},
};
use latchkey_store::{Double, DoubleOutcome, NewEffect};

use crate::{
    EffectError, Sync, SyncError,
    checkout::MAX_KEYS,
    customer::{LEASE, MAX_ALERT_CHARS},
};

/// The effect that looks at an account's subscriptions once they have settled; its payload is the account's id.
pub(crate) const SETTLE_DOUBLES: &str = "double_subscription";
/// The effect that tells a reader that a subscription was stopped; its payload is that subscription's id. The account origin does it.
pub const LETTER_DOUBLE_STOPPED: &str = "letter_double_stopped";

/// Most customers of one account that are read at once.
const MAX_CUSTOMERS: usize = 20;
/// How long reading and acting may take; less than an effect may, so that leases are given back.
const ACT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the operator is told of what was done, in milliseconds.
const TOLD_FOR: i64 = 30 * DAY;
/// How old a decision must be that nothing was done about before it is withdrawn, in milliseconds: longer than any call that it could
/// have led to.
const WITHDRAWN_AFTER: i64 = HOUR;
/// Name in the metadata of a refund under which it names the subscription that was stopped.
const STOPPED_KEY: &str = "latchkey_double_stopped";

/// What a sync stores and tells because of doubles.
#[derive(Default)]
pub(crate) struct Suspicion {
    pub(crate) effects: Vec<NewEffect>,
    pub(crate) alerts: Vec<String>,
}

impl Sync {
    /// Whether one of these subscriptions of a reader is going to be stopped and paid back.
    pub fn settles_doubles(&self, subscriptions: &[Subscription]) -> bool {
        self.config.derive.money_back.double_subscription == DoubleSubscription::Refund
            && !suspect_doubles(subscriptions, &self.config.plans).is_empty()
    }

    /// What follows for doubles from a customer's state and from what was read last of the account's other customers.
    pub(crate) async fn suspect(&self, account: &AccountId, state: &CustomerState) -> Result<Suspicion, SyncError> {
        let mut out = Suspicion::default();
        let rows = self.store.subscriptions_of(account).await?;
        let others = rows
            .iter()
            .filter(|row| row.livemode == self.config.livemode)
            .filter_map(|row| serde_json::from_str::<Subscription>(&row.body).ok())
            .filter(|other| other.customer != state.id);
        let all: Vec<Subscription> = state.subscriptions.iter().cloned().chain(others).collect();
        let suspects = suspect_doubles(&all, &self.config.plans);
        let doubles = self.store.doubles_of(account).await?;
        let now = self.clock.now();
        for suspect in &suspects {
            let own = |id: &String| state.subscriptions.iter().any(|own| own.id == *id);
            if !suspect.subscriptions.iter().all(own) {
                let text = format!(
                    "the reader has {} live subscriptions to plan {} in several customers: {}",
                    suspect.subscriptions.len(),
                    suspect.plan,
                    suspect.subscriptions.join(", ")
                );
                out.alerts.push(text.chars().take(MAX_ALERT_CHARS).collect());
            }
        }
        let own = doubles.iter().filter(|double| double.decision.customer == state.id);
        out.alerts.extend(own.filter_map(|double| tell(double, now)));
        if self.config.derive.money_back.double_subscription == DoubleSubscription::Refund {
            let unfinished = doubles.iter().any(|double| double.done_at.is_none());
            let settled = suspects.iter().map(|suspect| suspect.settled_at);
            let due_at = settled.chain(unfinished.then_some(now)).min();
            out.effects.extend(due_at.map(|due_at| NewEffect {
                kind: SETTLE_DOUBLES.to_owned(),
                payload: account.to_string(),
                due_at: Some(due_at.max(now)),
                unless_waiting: true,
            }));
        }
        Ok(out)
    }

    /// Looks at an account's subscriptions, and does what is to be done. Gives when to look again, if something is left.
    pub(crate) async fn settle_doubles(&self, account: &str) -> Result<Option<Timestamp>, EffectError> {
        if self.config.derive.money_back.double_subscription == DoubleSubscription::Alert {
            return Ok(None);
        }
        let account = AccountId::parse(account).map_err(|error| EffectError::Never(error.to_string()))?;
        let known = self.store.account(&account).await.map_err(later)?;
        let account = known.and_then(|known| known.merged_into).unwrap_or(account);
        let customers = self.store.customers_of(&account).await.map_err(later)?;
        let mut customers: Vec<String> = customers
            .into_iter()
            .filter(|customer| customer.livemode == self.config.livemode && customer.deleted_at.is_none())
            .map(|customer| customer.id)
            .collect();
        customers.sort();
        if customers.len() > MAX_CUSTOMERS {
            return Err(EffectError::Never(format!(
                "the account has more than {MAX_CUSTOMERS} Stripe customers: look for doubles by hand"
            )));
        }
        let owner = self.ids.event().to_string();
        let taken = self.lease_all(&customers, &owner).await;
        let acted = match taken {
            Ok(()) => tokio::time::timeout(ACT_TIMEOUT, self.act(&account, &customers))
                .await
                .unwrap_or_else(|_| {
                    let seconds = ACT_TIMEOUT.as_secs();
                    Err(EffectError::Later(format!("not done in {seconds} s")))
                }),
            Err(error) => Err(error),
        };
        // Whatever was done, what these readers have is read anew.
        for customer in &customers {
            let released = self.store.release_customer(customer, &owner, Some(self.clock.now()));
            if let Err(error) = released.await {
                tracing::warn!(%error, customer, "a lease was not given back");
            }
        }
        self.wake.notify_one();
        acted
    }

    /// Takes the lease of every customer, so that nobody else decides about them at the same time.
    async fn lease_all(&self, customers: &[String], owner: &str) -> Result<(), EffectError> {
        for customer in customers {
            let now = self.clock.now();
            let leased = self.store.lease_customer(customer, owner, now, now.plus(LEASE));
            if !leased.await.map_err(later)? {
                return Err(EffectError::Later(format!("customer {customer} is being synced")));
            }
        }
        Ok(())
    }

    async fn act(&self, account: &AccountId, customers: &[String]) -> Result<Option<Timestamp>, EffectError> {
        let mut states = Vec::with_capacity(customers.len());
        for customer in customers {
            states.push(self.stripe.customer_state(customer).await.map_err(later)?);
        }
        let now = self.clock.now();
        let decisions = decide_doubles(&states, &self.config.plans, &self.config.derive, now);
        let (settled, unsettled): (Vec<_>, Vec<_>) = decisions.into_iter().partition(|it| it.settled_at <= now);
        let mut again = unsettled.iter().map(|decision| decision.settled_at).min();
        let mut stopped = None;
        let mut hindered = None;
        if let Some((first, others)) = settled.split_first() {
            match self.stop(first, now).await {
                Ok(done) => stopped = done,
                // What was decided before is finished, or withdrawn, all the same.
                Err(error) => hindered = Some(error),
            }
            // The next one is decided from what is true then.
            if stopped.is_some() && !others.is_empty() {
                again = Some(now);
            }
        }
        let doubles = self.store.doubles_of(account).await.map_err(later)?;
        let unfinished: Vec<Double> = doubles.into_iter().filter(|double| double.done_at.is_none()).collect();
        for double in &unfinished {
            let id = &double.decision.stopped;
            if stopped.as_ref() == Some(id) || is_over(id, &double.decision.customer, &states) {
                self.pay_back(double).await?;
            } else if double.decided_at.plus(WITHDRAWN_AFTER) <= now {
                self.store.withdraw_double(id).await.map_err(later)?;
            }
        }
        hindered.map_or(Ok(again), Err)
    }

    /// Stops one subscription, after the decision is stored. `None` if another decision stands against it.
    async fn stop(&self, decision: &DoubleDecision, now: Timestamp) -> Result<Option<String>, EffectError> {
        let counts = self.store.decide_double(decision, self.config.livemode, now).await;
        let (kept, stopped) = (&decision.kept, &decision.stopped);
        match counts.map_err(later)? {
            Some(double) if double.done_at.is_none() && double.decision.stopped == *stopped => {}
            _ => {
                return Err(EffectError::Later(format!(
                    "an earlier decision stands against stopping {stopped} for {kept}; it is withdrawn after an hour"
                )));
            }
        }
        let comment = format!("One of two subscriptions to the same plan; {kept} goes on.");
        match self.stripe.cancel_subscription(stopped, &comment).await {
            // Ended already: by the call before this one, whose answer was lost.
            Ok(_) | Err(StripeError::NotFound) => {}
            Err(error) => return Err(later(error)),
        }
        tracing::warn!(stopped, kept, "one of two subscriptions to the same plan was stopped");
        Ok(Some(stopped.clone()))
    }

    /// Pays back what a stopped subscription cost, and has the reader told.
    async fn pay_back(&self, double: &Double) -> Result<(), EffectError> {
        let decision = &double.decision;
        let mut paid_back = PaidBack::default();
        for invoice in &decision.voids {
            if self.void(invoice).await? {
                paid_back.words.push(format!("its open invoice {invoice} was voided"));
            } else {
                // It was paid a moment before.
                self.refund_invoice(decision, invoice, &mut paid_back).await?;
            }
        }
        for due in &decision.refunds {
            match &due.disputed {
                Some(dispute) => paid_back.words.push(format!(
                    "{} for invoice {} could not be refunded, since its payment is disputed ({dispute}): the bank decides",
                    format_money(due.amount_minor, &due.currency),
                    due.invoice
                )),
                None => self.refund_invoice(decision, &due.invoice, &mut paid_back).await?,
            }
        }
        if paid_back.words.is_empty() {
            paid_back.words.push("nothing had been paid for it".to_owned());
        }
        let outcome = DoubleOutcome {
            words: format!(
                "{}; {} was stopped, and {}",
                decision.why,
                decision.stopped,
                paid_back.words.join(", ")
            ),
            refunded_minor: paid_back.amount_minor,
            currency: paid_back.currency,
        };
        let tell = NewEffect {
            kind: LETTER_DOUBLE_STOPPED.to_owned(),
            payload: decision.stopped.clone(),
            ..NewEffect::default()
        };
        let done = self
            .store
            .double_done(&decision.stopped, &outcome, &tell, self.clock.now());
        if done.await.map_err(later)? {
            self.outbox.notify_one();
        }
        Ok(())
    }

    /// Voids an invoice; false if it was paid meanwhile.
    async fn void(&self, invoice: &str) -> Result<bool, EffectError> {
        let name = format!("double.void.{invoice}");
        let mut tries = 1;
        loop {
            let (key, turn) = self.key(&name).await.map_err(later)?;
            match self.stripe.void_invoice(&key, invoice).await {
                Ok(_) => return Ok(true),
                Err(StripeError::KeySpent) if tries < MAX_KEYS => {
                    self.take_another_key(&name, turn.as_deref()).await.map_err(later)?;
                }
                Err(error @ StripeError::Refused { .. }) if !error.retry() => {
                    let payments = self.stripe.invoice_payments(invoice).await.map_err(later)?;
                    return Ok(!payments.iter().any(|payment| payment.status == "paid"));
                }
                Err(error) => return Err(later(error)),
            }
            tries += 1;
        }
    }

    /// Sends back what is left of each payment of an invoice.
    async fn refund_invoice(
        &self,
        decision: &DoubleDecision,
        invoice: &str,
        paid_back: &mut PaidBack,
    ) -> Result<(), EffectError> {
        let payments = self.stripe.invoice_payments(invoice).await.map_err(later)?;
        let intents: Vec<String> = payments
            .into_iter()
            .filter(|payment| payment.status == "paid")
            .filter_map(|payment| payment.payment_intent)
            .collect();
        if intents.is_empty() {
            paid_back.words.push(format!(
                "invoice {invoice} was paid outside of Stripe: pay it back by hand"
            ));
        }
        for intent in &intents {
            self.refund(decision, invoice, intent, paid_back).await?;
        }
        Ok(())
    }

    async fn refund(
        &self,
        decision: &DoubleDecision,
        invoice: &str,
        intent: &str,
        paid_back: &mut PaidBack,
    ) -> Result<(), EffectError> {
        let name = format!("double.refund.{intent}");
        let new = NewRefund {
            payment_intent: intent.to_owned(),
            amount_minor: None,
            reason: RefundReason::Duplicate,
            metadata: vec![(STOPPED_KEY.to_owned(), decision.stopped.clone())],
        };
        let mut tries = 1;
        loop {
            let (key, turn) = self.key(&name).await.map_err(later)?;
            match self.stripe.create_refund(&key, &new).await {
                Ok(refund) => {
                    let amount = format_money(refund.amount_minor, &refund.currency);
                    let (id, status) = (&refund.id, refund.status.as_str());
                    paid_back.words.push(format!(
                        "{amount} for invoice {invoice} was refunded ({id}, `{status}`)"
                    ));
                    paid_back.amount_minor = paid_back.amount_minor.saturating_add(refund.amount_minor);
                    paid_back.currency = Some(refund.currency);
                    return Ok(());
                }
                Err(StripeError::KeySpent) if tries < MAX_KEYS => {
                    self.take_another_key(&name, turn.as_deref()).await.map_err(later)?;
                }
                Err(StripeError::Refused { status, code, .. }) if status < 500 && status != 409 => {
                    paid_back.words.push(match code.as_deref() {
                        Some("charge_already_refunded") => format!("invoice {invoice} had been refunded already"),
                        Some("charge_disputed") => format!(
                            "invoice {invoice} could not be refunded, since its payment is disputed: the bank decides"
                        ),
                        code => format!(
                            "invoice {invoice} could not be refunded (Stripe says `{}`): pay it back by hand",
                            code.unwrap_or("no code")
                        ),
                    });
                    return Ok(());
                }
                Err(error) => return Err(later(error)),
            }
            tries += 1;
        }
    }
}

/// What the operator is told of a decision: what became of it, or that it takes too long.
fn tell(double: &Double, now: Timestamp) -> Option<String> {
    match double.done_at {
        Some(done) => double.outcome.clone().filter(|_| now < done.plus(TOLD_FOR)),
        None if double.decided_at.plus(WITHDRAWN_AFTER) <= now => Some(format!(
            "subscription {} was to be stopped for {} and paid back, and that is not done yet: look at the effects that failed",
            double.decision.stopped, double.decision.kept
        )),
        None => None,
    }
}

/// What was paid back so far, and what could not be.
#[derive(Default)]
struct PaidBack {
    words: Vec<String>,
    amount_minor: i64,
    currency: Option<String>,
}

/// Whether a subscription has ended, or is gone with its customer.
fn is_over(id: &str, customer: &str, states: &[CustomerState]) -> bool {
    match states.iter().find(|state| state.id == customer) {
        Some(state) if !state.deleted => {
            let own = state.subscriptions.iter().find(|own| own.id == id);
            own.is_some_and(|own| own.status.is_terminal())
        }
        _ => true,
    }
}

fn later(error: impl std::fmt::Display) -> EffectError {
    EffectError::Later(error.to_string())
}
