//! How an instance stands: for the operator, at the command line, over the API and as metrics. Counts and moments alone, nobody's data.

use std::fmt::Write as _;

use latchkey_entitlement::{Timestamp, time::HOUR};
use latchkey_store::{QueueDepth, Schema, Store, StoreError};
use serde::Serialize;

use crate::{full_round::last_full_round, reconcile::last_round};

/// How long an event, an effect or a divergence may wait before a person should look, in milliseconds.
const MAX_WAIT: i64 = HOUR;

/// How far a queue is worked off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueStatus {
    /// Waiting.
    pub pending: u64,
    /// When the oldest of them came.
    pub oldest_pending_at: Option<Timestamp>,
    /// Given up: dead letters.
    pub failed: u64,
}

impl From<QueueDepth> for QueueStatus {
    fn from(depth: QueueDepth) -> Self {
        Self {
            pending: depth.pending,
            oldest_pending_at: depth.oldest_pending_at,
            failed: depth.failed,
        }
    }
}

/// How an instance stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// When it was looked at; moments are milliseconds since 1970.
    pub at: Timestamp,
    /// Which database: `sqlite` or `postgres`.
    pub database: &'static str,
    /// Version of the schema in the database.
    pub schema: i64,
    /// Version that this program knows.
    pub schema_known: i64,
    /// Stripe's events.
    pub inbox: QueueStatus,
    /// Letters and other effects.
    pub outbox: QueueStatus,
    /// Customers that wait for a sync.
    pub customers_waiting: u64,
    /// Those of them whose sync needs a person.
    pub customers_dead: u64,
    /// When a sync was last recorded.
    pub synced_at: Option<Timestamp>,
    /// When Stripe's event list was last read to its end.
    pub reconciled_at: Option<Timestamp>,
    /// When all that Stripe lists was last compared with what is kept: when `differing_readers` was checked.
    pub fully_reconciled_at: Option<Timestamp>,
    /// Readers whose access differs from Stripe: of whom a walk found a difference that no sync has repaired yet.
    pub differing_readers: u64,
    /// When the oldest of these differences was found.
    pub differing_since: Option<Timestamp>,
}

impl Status {
    /// Looks at an instance. Every count is read from an index.
    pub async fn read(store: &Store, now: Timestamp) -> Result<Self, StoreError> {
        let Schema { found, known } = store.schema().await?;
        let (customers_waiting, customers_dead) = store.sync_depth().await?;
        let (differing_readers, differing_since) = store.differing_readers().await?;
        Ok(Self {
            at: now,
            database: match store.backend() {
                latchkey_store::Backend::Sqlite => "sqlite",
                latchkey_store::Backend::Postgres => "postgres",
            },
            schema: found,
            schema_known: known,
            inbox: store.inbox_depth().await?.into(),
            outbox: store.outbox_depth().await?.into(),
            customers_waiting,
            customers_dead,
            synced_at: store.last_synced().await?,
            reconciled_at: last_round(store).await?,
            fully_reconciled_at: last_full_round(store).await?,
            differing_readers,
            differing_since,
        })
    }

    /// What needs a person, in words that say what to do; nothing if all is well. The two paces are those of the configuration, in
    /// milliseconds; a round may be late by as much again. 0 is never.
    pub fn needs_a_person(&self, reconcile_every: i64, full_round_every: i64) -> Vec<String> {
        let mut found = vec![];
        let late = |at: Option<Timestamp>, limit: i64| at.is_none_or(|at| self.at.since(at) > limit);
        let waits = |at: Option<Timestamp>| at.is_some_and(|at| self.at.since(at) > MAX_WAIT);
        let mut tell = |needed: bool, words: String| {
            if needed {
                found.push(words);
            }
        };
        tell(
            self.inbox.failed > 0,
            format!(
                "{} events were given up: `latchkey inbox list --state failed`",
                self.inbox.failed
            ),
        );
        tell(
            self.customers_dead > 0,
            format!(
                "the sync of {} customers needs a person: `latchkey inbox`",
                self.customers_dead
            ),
        );
        tell(
            self.outbox.failed > 0,
            format!(
                "{} effects were given up: `latchkey outbox list --state failed`",
                self.outbox.failed
            ),
        );
        tell(
            waits(self.inbox.oldest_pending_at),
            "an event waits for more than an hour: look whether `latchkey serve` runs, and at its log".to_owned(),
        );
        tell(
            waits(self.outbox.oldest_pending_at),
            "a letter waits for more than an hour: look at the mail server".to_owned(),
        );
        tell(
            waits(self.differing_since),
            "a difference from Stripe is older than an hour: `latchkey reconcile list`".to_owned(),
        );
        tell(
            late(self.reconciled_at, reconcile_every.saturating_mul(2).max(MAX_WAIT)),
            "Stripe's event list was not read when it was due: look whether `latchkey serve` runs, and at its log"
                .to_owned(),
        );
        tell(
            full_round_every > 0 && late(self.fully_reconciled_at, full_round_every.saturating_mul(2)),
            "no full round through Stripe has ended when it was due: `latchkey reconcile --full`".to_owned(),
        );
        found
    }

    /// The same as metrics, in Prometheus' text format. What never was is left out.
    pub fn prometheus(&self) -> String {
        let count = |name, help, number: u64| (name, help, Some(number.to_string()));
        let moment = |name, help, at: Option<Timestamp>| (name, help, at.map(|at| at.seconds().to_string()));
        let metrics = [
            count(
                "latchkey_readers_differing",
                "Readers whose access differs from Stripe, as of the last full reconcile.",
                self.differing_readers,
            ),
            moment(
                "latchkey_full_reconcile_timestamp_seconds",
                "When all that Stripe lists was last compared with what is kept.",
                self.fully_reconciled_at,
            ),
            moment(
                "latchkey_reconcile_timestamp_seconds",
                "When Stripe's event list was last read to its end.",
                self.reconciled_at,
            ),
            moment(
                "latchkey_sync_timestamp_seconds",
                "When a sync was last recorded.",
                self.synced_at,
            ),
            count("latchkey_inbox_pending", "Events that wait.", self.inbox.pending),
            moment(
                "latchkey_inbox_oldest_pending_timestamp_seconds",
                "When the oldest event that waits came.",
                self.inbox.oldest_pending_at,
            ),
            count("latchkey_inbox_failed", "Events that were given up.", self.inbox.failed),
            count("latchkey_outbox_pending", "Effects that wait.", self.outbox.pending),
            count(
                "latchkey_outbox_failed",
                "Effects that were given up.",
                self.outbox.failed,
            ),
            count(
                "latchkey_customers_waiting",
                "Customers that wait for a sync.",
                self.customers_waiting,
            ),
            count(
                "latchkey_customers_dead",
                "Customers whose sync needs a person.",
                self.customers_dead,
            ),
        ];
        let mut text = String::new();
        for (name, help, value) in metrics {
            if let Some(value) = value {
                let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
            }
        }
        text
    }
}
