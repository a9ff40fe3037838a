//! The loop that works off what the inbox marked, and the one that reconciles.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use latchkey_billing::StripeError;
use latchkey_entitlement::time::{MINUTE, SECOND};

use crate::{Sync, SyncError};

/// How long the worker sleeps when nothing wakes it: what other processes marked is found then.
const IDLE: Duration = Duration::from_secs(1);
/// Customers claimed at once.
const MAX_CLAIM: u32 = 16;
/// Life of a claim in milliseconds; a dead worker's customers are free again after it.
const CLAIM: i64 = 2 * MINUTE;
/// Pages of older invoices read in one round, until all are read once.
const FILL_PAGES: u32 = 10;
/// Customers in a row whose sync fails for a passing reason before Stripe counts as away, and the rest waits.
const AWAY_AFTER: u32 = 3;
/// Pages of a full round that are read before the inbox has its turn again.
const ROUND_PAGES: u32 = 10;
/// Events without a customer looked at in one round.
const MAX_UNASSIGNED: u32 = 100;

impl Sync {
    /// Works until `stop` is done. Run it once a process, as a task.
    pub async fn work(self: Arc<Self>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut reconcile_at = self.clock.now();
        loop {
            if let Err(error) = self.work_off().await {
                tracing::warn!(%error, "the inbox worker will try again");
            }
            if let Err(error) = self.post_notices().await {
                tracing::warn!(%error, "letters that are due will be tried again");
            }
            if self.clock.now() >= reconcile_at {
                reconcile_at = self.clock.now().plus(self.config.reconcile_every.max(10 * SECOND));
                if let Err(error) = self.reconcile().await {
                    tracing::warn!(%error, "reconciling with Stripe will be tried again");
                }
                if let Err(error) = self.fill_invoices(FILL_PAGES).await {
                    tracing::warn!(%error, "reading older invoices will be tried again");
                }
            }
            if let Err(error) = self.go_on_with_full_round().await {
                tracing::warn!(%error, "the walk through Stripe goes on from the same page later");
            }
            tokio::select! {
                () = &mut stop => return,
                () = self.wake.notified() => {}
                () = self.clock.pause(IDLE) => {}
            }
        }
    }

    async fn go_on_with_full_round(&self) -> Result<(), SyncError> {
        let every = self.config.full_round_every;
        if every <= 0 || !self.full_round_is_due(every).await? {
            return Ok(());
        }
        let mut round = self.full_round(false).await?;
        for _ in 0..ROUND_PAGES {
            if !self.go_on(&mut round).await? {
                break;
            }
        }
        Ok(())
    }

    /// Syncs every customer that is marked, and settles events that concern none. Returns the number of customers synced.
    pub async fn work_off(&self) -> Result<u32, SyncError> {
        let assigned = self.settle_unassigned().await;
        let mut synced = 0;
        let mut failed_in_a_row = 0;
        loop {
            let owner = self.ids.event().to_string();
            let now = self.clock.now();
            let claimed = self.store.claim_dirty(&owner, now.plus(CLAIM), now, MAX_CLAIM).await?;
            if claimed.is_empty() {
                break;
            }
            let mut waiting = claimed.into_iter();
            while let Some(customer) = waiting.next() {
                match self.sync_leased(self.background.as_ref(), &customer, &owner).await {
                    Ok(_) => {
                        synced += 1;
                        failed_in_a_row = 0;
                    }
                    Err(SyncError::Unclaimed { customer }) => {
                        tracing::info!(customer, "unclaimed purchase kept");
                    }
                    Err(error) if error.is_transient() => {
                        failed_in_a_row += 1;
                        if error.concerns_one() && failed_in_a_row < AWAY_AFTER {
                            tracing::warn!(%error, customer, "a sync failed and will be tried again; the others go on");
                            continue;
                        }
                        // What stopped these (Stripe or the database is away) would stop the rest too.
                        for left in waiting {
                            self.store
                                .release_customer(&left, &owner, Some(self.clock.now()))
                                .await?;
                        }
                        return Err(error);
                    }
                    Err(error) => {
                        tracing::warn!(%error, customer, "sync failed and will be tried again; its events stay in the inbox");
                    }
                }
            }
        }
        assigned?;
        Ok(synced)
    }

    /// Events that name no customer: Stripe is asked whose dispute or refund it is; products, prices and balances change no reader's
    /// grants.
    async fn settle_unassigned(&self) -> Result<(), SyncError> {
        let events = self.store.unassigned_events(MAX_UNASSIGNED).await?;
        let mut owners: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut nobodys = Vec::new();
        for event in events {
            let owner = match owners.get(&event.object_id) {
                Some(known) => known.clone(),
                None => match self.stripe.customer_of(&event.object_id).await {
                    Ok(owner) => owner,
                    Err(StripeError::NotFound) => None,
                    Err(error) if error.retry() => {
                        self.store.events_done(&nobodys, self.clock.now()).await?;
                        return Err(error.into());
                    }
                    Err(error) => {
                        tracing::warn!(%error, event = event.id, "it cannot be found out whose event this is; it is kept");
                        let why = format!("whose it is cannot be read: {error}");
                        self.store.event_failed(&event.id, &why, self.clock.now()).await?;
                        continue;
                    }
                },
            };
            match &owner {
                Some(customer) => {
                    self.store.assign_event(&event.id, customer, self.clock.now()).await?;
                }
                None => nobodys.push(event.id),
            }
            owners.insert(event.object_id, owner);
        }
        self.store.events_done(&nobodys, self.clock.now()).await?;
        Ok(())
    }
}
