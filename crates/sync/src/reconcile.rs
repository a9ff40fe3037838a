//! Finds what events never told: Stripe's own event list since the last one seen here.

use crate::{ReceiveError, ReceiveOutcome, Sync, SyncError};

/// Where the id of the newest event that was seen is kept.
const HIGH_WATER: &str = "reconcile.newest_event";
/// When the last round ended, in milliseconds.
const LAST_ROUND: &str = "reconcile.last_round_at";

/// What a round found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Events read from Stripe's list.
    pub read: u32,
    /// Those that no delivery had brought.
    pub missed: u32,
}

impl Sync {
    /// Reads Stripe's event list since the last round and stores what no delivery brought; its customers are synced as usual.
    pub async fn reconcile(&self) -> Result<ReconcileReport, SyncError> {
        let mark = self.store.setting(HIGH_WATER).await?;
        let events = self.stripe.list_events(mark.as_deref()).await?;
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
        self.store
            .put_setting(LAST_ROUND, &self.clock.now().0.to_string())
            .await?;
        Ok(report)
    }

    /// When the last round ended.
    pub async fn last_reconciled(&self) -> Result<Option<latchkey_entitlement::Timestamp>, SyncError> {
        let at = self.store.setting(LAST_ROUND).await?;
        Ok(at.and_then(|at| at.parse().ok()).map(latchkey_entitlement::Timestamp))
    }
}
