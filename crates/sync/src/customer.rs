//! One customer: lease, read, derive, record.

use std::time::Duration;

use latchkey_billing::{CustomerState, Derived, Stripe, derive, notices};
use latchkey_entitlement::{AccountId, Grant, GrantId, Source, Timestamp, time::SECOND};
use latchkey_store::{StoreError, SubscriptionRow, SyncCommit, SyncDone, SyncFailed};

use crate::{Sync, SyncError, backoff, promise::trials};

/// How long a lease lasts if its worker dies, in milliseconds; longer than every retry of one read of Stripe.
pub(crate) const LEASE: i64 = 90 * SECOND;
/// How often a busy customer is asked for again before giving up, and how long to wait between: short at first, since a reader who
/// comes back from Checkout waits here while the webhook's worker reads the same customer.
const LEASE_TRIES: u32 = 44;
const LEASE_WAIT_FIRST: Duration = Duration::from_millis(5);
const LEASE_WAIT_MOST: Duration = Duration::from_millis(100);
/// Syncs of one customer that may fail in a row before it is a dead letter: about half an hour of passing reasons. It is tried on.
pub const MAX_SYNC_TRIES: u32 = 12;
/// Longest alert that is kept, in characters.
pub(crate) const MAX_ALERT_CHARS: usize = 500;

/// What a sync changed.
#[derive(Debug)]
pub struct SyncReport {
    /// Whose grants they are.
    pub account: AccountId,
    /// Grants that are new, closed and unchanged.
    pub done: SyncDone,
    /// What Stripe said, for a caller that wants to tell the reader more.
    pub state: CustomerState,
}

impl Sync {
    /// Reads one customer's whole state from Stripe and records what follows from it.
    ///
    /// The lease is taken before the read: without it an older answer could be committed after a newer one. Whoever waits for
    /// a busy customer reads again afterwards, since the other's answer may be older than the reason for this call.
    pub async fn sync_customer(&self, customer: &str) -> Result<SyncReport, SyncError> {
        let owner = self.ids.event().to_string();
        let mut wait = LEASE_WAIT_FIRST;
        for _ in 0..LEASE_TRIES {
            let now = self.clock.now();
            if self
                .store
                .lease_customer(customer, &owner, now, now.plus(LEASE))
                .await?
            {
                return self.sync_leased(self.stripe.as_ref(), customer, &owner).await;
            }
            self.clock.pause(wait).await;
            wait = wait.saturating_mul(2).min(LEASE_WAIT_MOST);
        }
        Err(SyncError::Busy {
            customer: customer.to_owned(),
        })
    }

    /// The same for a customer whose lease `owner` holds; the lease is given back whatever happens.
    pub(crate) async fn sync_leased(
        &self,
        stripe: &dyn Stripe,
        customer: &str,
        owner: &str,
    ) -> Result<SyncReport, SyncError> {
        let result = self.read_and_record(stripe, customer, owner).await;
        // Best effort: a lease that is not given back runs out by itself.
        if let Err(error) = &result
            && let Err(error) = self.put_back(customer, owner, error).await
        {
            tracing::warn!(%error, customer, "a lease was not given back");
        }
        result
    }

    /// Gives the lease back after a failure, and says when it is tried again. How often it failed is stored, so that a restart does
    /// not begin anew.
    async fn put_back(&self, customer: &str, owner: &str, error: &SyncError) -> Result<(), StoreError> {
        if matches!(error, SyncError::Unclaimed { .. }) {
            return self
                .store
                .settle_customer(customer, owner, self.clock.now())
                .await
                .map(drop);
        }
        let before = self.store.customer(customer).await?.map_or(0, |known| known.sync_tries);
        let tries = before.saturating_add(1);
        let passing = error.is_transient();
        let now = self.clock.now();
        let dead = !passing || tries >= MAX_SYNC_TRIES;
        let pause = backoff::after_sync(passing, tries, &self.ids.secret());
        let text = error.to_string();
        let kept = self
            .store
            .sync_failed(SyncFailed {
                customer,
                owner,
                error: &text,
                again_at: now.plus(pause),
                dead,
                now,
            })
            .await?;
        if kept && dead {
            tracing::error!(
                customer,
                tries,
                error = text,
                "a sync failed and needs a person; `latchkey inbox` shows it"
            );
        }
        Ok(())
    }

    async fn read_and_record(&self, stripe: &dyn Stripe, customer: &str, owner: &str) -> Result<SyncReport, SyncError> {
        let started_at = self.clock.now();
        let pending = self.store.pending_events(customer).await?;
        let state = stripe.customer_state(customer).await?;
        let Some(account) = self.account_for(customer, &state).await? else {
            let done: Vec<String> = pending.into_iter().map(|event| event.id).collect();
            self.store.events_done(&done, self.clock.now()).await?;
            return Err(SyncError::Unclaimed {
                customer: customer.to_owned(),
            });
        };
        let now = self.clock.now();
        let derived = derive(&state, &self.config.plans, &self.config.derive, now);
        let promises = self.promises(&state).await?;
        let mut wanted = self.grants(&account, &derived, now);
        wanted.extend(self.undecided(&account, &derived).await?);
        let suspicion = self.suspect(&account, &state).await?;
        let mut alerts = alerts(&derived, promises.broken);
        alerts.extend(suspicion.alerts);
        let effects_stored = !suspicion.effects.is_empty();
        let done = self
            .store
            .commit_sync(SyncCommit {
                sync_id: self.ids.event(),
                customer: customer.to_owned(),
                owner: owner.to_owned(),
                account: account.clone(),
                livemode: self.config.livemode,
                started_at,
                now,
                wanted,
                events_done: pending.into_iter().map(|event| event.id).collect(),
                mirror: mirror(&state, &derived, now),
                alerts,
                notices: notices(
                    &state,
                    &self.config.plans,
                    &self.config.derive,
                    &self.config.notices,
                    now,
                ),
                invoices: state.invoices.clone(),
                effects: suspicion.effects,
                deleted: state.deleted,
                offers: promises.kept,
                trials: trials(&state),
            })
            .await?;
        tracing::info!(
            customer,
            opened = done.opened.len(),
            closed = done.closed.len(),
            devices_renewed = done.devices_renewed,
            "customer synced"
        );
        if effects_stored {
            self.outbox.notify_one();
        }
        if done.still_dirty {
            self.wake.notify_one();
        }
        Ok(SyncReport { account, done, state })
    }

    /// The account that a customer belongs to: by our own link, else by the account id that Checkout bound the purchase to.
    async fn account_for(&self, customer: &str, state: &CustomerState) -> Result<Option<AccountId>, SyncError> {
        if let Some(account) = self.store.account_of_customer(customer).await? {
            return Ok(Some(account));
        }
        for account in state.bound_accounts() {
            if self.store.account(&account).await?.is_some() {
                self.store
                    .link_customer(customer, &account, state.livemode, self.clock.now())
                    .await?;
                return Ok(self.store.account_of_customer(customer).await?);
            }
        }
        Ok(None)
    }

    /// Grants of subscriptions in a status that this version does not know: they stay as they are, and are never extended. So do those
    /// of purchases beyond what is read.
    async fn undecided(&self, account: &AccountId, derived: &Derived) -> Result<Vec<Grant>, SyncError> {
        if derived.undecided.is_empty() && !derived.unread_purchases {
            return Ok(vec![]);
        }
        let was_read = |grant: &Grant| {
            derived
                .benefits
                .iter()
                .any(|benefit| benefit.source_ref == grant.purchase_ref())
        };
        let of = |grant: &Grant| {
            let subscription = grant.source_ref.split('/').next().unwrap_or_default();
            let unknown = grant.source == Source::Subscription && derived.undecided.iter().any(|id| id == subscription);
            let unread = grant.source == Source::Pass && derived.unread_purchases && !was_read(grant);
            unknown || unread
        };
        Ok(self.store.grants_of(account).await?.into_iter().filter(of).collect())
    }

    fn grants(&self, account: &AccountId, derived: &Derived, now: Timestamp) -> Vec<Grant> {
        // What was bought as a length of time is yet to be laid out: it has not ended because it would have if its buyer had nothing else.
        let live = derived
            .benefits
            .iter()
            .filter(|benefit| benefit.bought.is_some() || benefit.until.is_none_or(|until| now < until));
        live.map(|benefit| Grant {
            id: GrantId::from_uuid(self.ids.uuid()),
            account: account.clone(),
            source: benefit.source,
            source_ref: benefit.source_ref.clone(),
            entitlements: benefit.entitlements.clone(),
            sites: benefit.sites.clone(),
            from: benefit.from,
            until: benefit.until,
            because: benefit.because.clone(),
            bought: benefit.bought.clone(),
        })
        .collect()
    }
}

fn mirror(state: &CustomerState, derived: &Derived, now: Timestamp) -> Vec<SubscriptionRow> {
    let ended = |id: &str| {
        let own = derived
            .benefits
            .iter()
            .find(|benefit| benefit.source_ref.split('/').next() == Some(id))?;
        own.state_note
            .clone()
            .filter(|_| own.until.is_some_and(|until| until <= now))
    };
    let rows = state.subscriptions.iter().map(|subscription| SubscriptionRow {
        id: subscription.id.clone(),
        status: subscription.status.as_str().to_owned(),
        livemode: subscription.livemode,
        body: serde_json::to_string(subscription).unwrap_or_default(),
        note: ended(&subscription.id),
    });
    rows.collect()
}

fn alerts(derived: &Derived, broken: Vec<String>) -> Vec<String> {
    let foreign = derived
        .foreign
        .iter()
        .map(|f| format!("not ours, recorded and ignored: {} ({})", f.object, f.why));
    derived
        .alerts
        .iter()
        .cloned()
        .chain(foreign)
        .chain(broken)
        .map(|text| text.chars().take(MAX_ALERT_CHARS).collect())
        .collect()
}
