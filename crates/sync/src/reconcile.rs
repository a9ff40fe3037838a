//! Finds what events never told: Stripe's own event list since the last one seen here.

use latchkey_entitlement::{Timestamp, time::DAY};
use latchkey_store::{Store, StoreError};

use crate::{ReceiveError, ReceiveOutcome, Sync, SyncError};

/// Where the id of the newest event that was seen is kept.
const HIGH_WATER: &str = "reconcile.newest_event";
/// When the last round ended, in milliseconds.
const LAST_ROUND: &str = "reconcile.last_round_at";

/// How old what was read of a customer may get, in milliseconds: events are a hint, Stripe keeps them for 30 days and tries to deliver
/// them for three, and a server may have been away for longer than either.
const MAX_AGE: i64 = 7 * DAY;
/// Customers that are read again for their age in one round: 72,000 a day at a round every ten minutes, half a call a second.
const MAX_AGED: u32 = 500;

/// What a round found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Events read from Stripe's list.
    pub read: u32,
    /// Those that no delivery had brought.
    pub missed: u32,
    /// Customers that are read again because what was read of them is old.
    pub aged: u64,
}

impl Sync {
    /// Reads Stripe's event list since the last round and stores what no delivery brought; its customers are synced as usual. So are
    /// those that were not read for a week, whatever events say.
    pub async fn reconcile(&self) -> Result<ReconcileReport, SyncError> {
        let mark = self.store.setting(HIGH_WATER).await?;
        let events = self.background.list_events(mark.as_deref()).await?;
        let mut report = ReconcileReport::default();
        let newest = events.first().map(|event| event.id.clone());
        for event in events {
            report.read += 1;
            let id = event.id.clone();
            let raw = serde_json::to_vec(&event).unwrap_or_default();
            match self.receive(event, &raw).await {
                Ok(ReceiveOutcome::New) => {
                    report.missed += 1;
                    // Before the first round nobody had asked Stripe to deliver here, so that nothing went wrong.
                    if mark.is_some() {
                        tracing::warn!(event = %id, "found by reconciling: no delivery had brought this event");
                    }
                }
                Ok(ReceiveOutcome::Duplicate | ReceiveOutcome::Kept) => {}
                Err(ReceiveError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, "reconciling stops early and goes on in the next round");
                    return Ok(report);
                }
            }
        }
        if let Some(newest) = newest {
            self.store.put_setting(HIGH_WATER, &newest).await?;
        }
        let now = self.clock.now();
        report.aged = self
            .store
            .mark_not_synced_since(now.plus(-MAX_AGE), self.config.livemode, MAX_AGED, now)
            .await?;
        if report.aged > 0 {
            self.wake.notify_one();
        }
        self.store
            .put_setting(LAST_ROUND, &self.clock.now().0.to_string())
            .await?;
        Ok(report)
    }

    /// When the last round ended.
    pub async fn last_reconciled(&self) -> Result<Option<Timestamp>, SyncError> {
        Ok(last_round(&self.store).await?)
    }
}

/// When the last walk through Stripe's event list ended.
pub(crate) async fn last_round(store: &Store) -> Result<Option<Timestamp>, StoreError> {
    let at = store.setting(LAST_ROUND).await?;
    Ok(at.and_then(|at| at.parse().ok()).map(Timestamp))
}
