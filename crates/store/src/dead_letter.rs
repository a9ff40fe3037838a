//! Dead letters: events and effects that were given up. They are counted, listed, and put back.

use latchkey_entitlement::Timestamp;

use crate::{
    EventState, Store, StoreError, capped, customer,
    database::{row::Row, value::args},
};

/// How many there are, and since when the oldest waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Waiting.
    pub pending: u64,
    /// Given up.
    pub failed: u64,
    /// When the oldest of those waiting came.
    pub oldest_pending_at: Option<Timestamp>,
}

/// An event that was given up, as it is read anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Its id in the inbox.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Whether it is of Stripe's live mode.
    pub livemode: bool,
    /// The customer it is about, if it names one.
    pub customer: Option<String>,
    /// The object it is about; empty if it names none.
    pub object_id: String,
}

/// A row of the outbox, for the operator: without its payload, which may hold addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectRow {
    /// Identifier, in the order of storing.
    pub id: u64,
    /// What is to be done.
    pub kind: String,
    /// Where it stands.
    pub state: EventState,
    /// How often it was tried.
    pub tries: u32,
    /// Why it failed the last time.
    pub error: Option<String>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it is due.
    pub due_at: Timestamp,
}

impl Store {
    /// How full the inbox is.
    pub async fn inbox_depth(&self) -> Result<QueueDepth, StoreError> {
        let rows = self.read().await?.rows(INBOX_DEPTH, &[]).await?;
        depth("stripe_event", &rows)
    }

    /// Events that are done and still kept. Reads all of them, so that it is for people and not for probes.
    pub async fn events_done_kept(&self) -> Result<u64, StoreError> {
        self.read()
            .await?
            .one(DONE_KEPT, &[])
            .await?
            .count("stripe_event", "number")
    }

    /// How full the outbox is.
    pub async fn outbox_depth(&self) -> Result<QueueDepth, StoreError> {
        let rows = self.read().await?.rows(OUTBOX_DEPTH, &[]).await?;
        depth("outbox_effect", &rows)
    }

    /// Customers that wait for a sync, and those of them that are dead letters.
    pub async fn sync_depth(&self) -> Result<(u64, u64), StoreError> {
        let row = self.read().await?.one(SYNC_DEPTH, &[]).await?;
        Ok((row.count("customer", "waiting")?, row.count("customer", "dead")?))
    }

    /// When a sync was last committed.
    pub async fn last_synced(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read()
            .await?
            .one(LAST_SYNCED, &[])
            .await?
            .maybe_moment("synced_at")
    }

    /// Events that were given up, those with ids after `after`, in the order of ids: to walk through all of them.
    pub async fn failed_event_ids(&self, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        let rows = self.read().await?.rows(FAILED_IDS, args![after, capped(limit)]).await?;
        rows.iter().map(|row| row.text("id")).collect()
    }

    /// Puts an event back that was given up, and marks its customer, all at once. False, and nothing changed, if it was not given up.
    pub async fn replay_event(&self, event: &Replay, now: Timestamp) -> Result<bool, StoreError> {
        let Replay {
            id,
            kind,
            livemode,
            customer,
            object_id,
        } = event;
        let mut link = self.write().await?;
        if let Some(customer) = customer {
            customer::mark(&mut link, customer, *livemode, now).await?;
        }
        let replayed = link
            .execute(REPLAY, args![id, kind, *livemode, customer.clone(), object_id])
            .await?
            == 1;
        if replayed {
            link.commit().await?;
        }
        Ok(replayed)
    }

    /// Has a customer synced that is a dead letter; false if it is none.
    pub async fn replay_customer(&self, customer: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.change(REPLAY_CUSTOMER, args![customer, now]).await
    }

    /// Effects in one state, or in any, newest first.
    pub async fn list_effects(&self, state: Option<EventState>, limit: u32) -> Result<Vec<EffectRow>, StoreError> {
        let mut link = self.read().await?;
        let rows = match state {
            Some(state) => link.rows(EFFECTS_IN, args![state.as_str(), capped(limit)]).await?,
            None => link.rows(EFFECTS, args![capped(limit)]).await?,
        };
        rows.iter().map(read_effect).collect()
    }

    /// Puts an effect back that was given up, with all its tries before it; false if it was not given up.
    pub async fn replay_effect(&self, id: u64, now: Timestamp) -> Result<bool, StoreError> {
        self.change(REPLAY_EFFECT, args![id, now]).await
    }
}

fn depth(table: &'static str, rows: &[Row]) -> Result<QueueDepth, StoreError> {
    let mut depth = QueueDepth::default();
    for row in rows {
        let number = row.count(table, "number")?;
        match row.word(table, "state", EventState::parse)? {
            EventState::Pending => {
                depth.pending = number;
                depth.oldest_pending_at = row.maybe_moment("oldest")?;
            }
            EventState::Failed => depth.failed = number,
            EventState::Done => {}
        }
    }
    Ok(depth)
}

fn read_effect(row: &Row) -> Result<EffectRow, StoreError> {
    const TABLE: &str = "outbox_effect";
    Ok(EffectRow {
        id: row.count(TABLE, "id")?,
        kind: row.text("kind")?,
        state: row.word(TABLE, "state", EventState::parse)?,
        tries: row.count(TABLE, "tries")?,
        error: row.maybe_text("error")?,
        created_at: row.moment("created_at")?,
        due_at: row.moment("due_at")?,
    })
}

crate::statements! {
    INBOX_DEPTH = "SELECT state, count(*) AS number, min(received_at) AS oldest FROM stripe_event \
        WHERE state IN ('pending', 'failed') GROUP BY state";
    DONE_KEPT = "SELECT count(*) AS number FROM stripe_event WHERE state = 'done'";
    OUTBOX_DEPTH = "SELECT 'pending' AS state, count(*) AS number, min(created_at) AS oldest FROM outbox_effect WHERE state = 'pending' \
        UNION ALL SELECT 'failed', count(*), min(created_at) FROM outbox_effect WHERE state = 'failed'";
    SYNC_DEPTH = "SELECT count(*) AS waiting, count(dead_at) AS dead FROM customer WHERE dirty_at IS NOT NULL";
    LAST_SYNCED = "SELECT max(synced_at) AS synced_at FROM customer";
    FAILED_IDS = "SELECT id FROM stripe_event WHERE state = 'failed' AND id > $1 ORDER BY id LIMIT $2";
    REPLAY = "UPDATE stripe_event SET state = 'pending', error = NULL, done_at = NULL, kind = $2, livemode = $3, customer = $4, \
        object_id = $5 WHERE id = $1 AND state = 'failed'";
    REPLAY_CUSTOMER = "UPDATE customer SET dirty_mark = dirty_mark + 1, \
        dirty_at = CASE WHEN dirty_at < $2 THEN dirty_at ELSE $2 END WHERE id = $1 AND dead_at IS NOT NULL";
    EFFECTS_IN = "SELECT * FROM outbox_effect WHERE state = $1 ORDER BY id DESC LIMIT $2";
    EFFECTS = "SELECT * FROM outbox_effect ORDER BY id DESC LIMIT $1";
    REPLAY_EFFECT = "UPDATE outbox_effect SET state = 'pending', tries = 0, due_at = $2 WHERE id = $1 AND state = 'failed'";
}
