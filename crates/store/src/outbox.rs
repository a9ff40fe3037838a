//! The outbox: effects (mail, webhooks out), stored with their cause and done at least once.

use latchkey_entitlement::Timestamp;

use crate::{
    Store, StoreError, capped,
    database::{link::Link, row::Row, value::args},
};

const TABLE: &str = "outbox_effect";
/// Longest error that is kept, in characters.
const MAX_ERROR_CHARS: usize = 500;

/// An effect to be stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewEffect {
    /// What is to be done, in the caller's words.
    pub kind: String,
    /// What it needs; JSON by custom.
    pub payload: String,
    /// Not before this moment; at once if `None`.
    pub due_at: Option<Timestamp>,
    /// Whether one with the same kind and payload that waits already is enough.
    pub unless_waiting: bool,
}

/// An effect that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Identifier, in the order of storing.
    pub id: u64,
    /// What is to be done.
    pub kind: String,
    /// What it needs.
    pub payload: String,
    /// How often it was claimed, this time included.
    pub tries: u32,
    /// When it was stored.
    pub created_at: Timestamp,
}

impl Store {
    /// Stores an effect.
    pub async fn enqueue(&self, kind: &str, payload: &str, now: Timestamp) -> Result<u64, StoreError> {
        let mut link = self.write().await?;
        let id = add(&mut link, kind, payload, now).await?;
        link.commit().await?;
        Ok(id)
    }

    /// Stores an effect, unless one with the same kind and payload is kept, done or not (done ones are kept longer than a checkout
    /// attempt). True if it was stored now; of several calls at once one is told so.
    pub async fn enqueue_once(&self, kind: &str, payload: &str, now: Timestamp) -> Result<bool, StoreError> {
        let mut link = self.write().await?;
        // Numbering comes first: it lets calls at once pass one after the other, so that each sees what the one before has stored.
        let id: u64 = link.one(NUMBER, &[]).await?.count("counter", "value")?;
        let new = link.execute(ADD_ONCE, args![id, kind, payload, now]).await? > 0;
        link.commit().await?;
        Ok(new)
    }

    /// Takes effects that are due, oldest first. Whoever does not call [`Store::outbox_done`] or [`Store::outbox_failed`] before
    /// `lease_until` will see them taken by another.
    pub async fn claim_outbox(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Effect>, StoreError> {
        let mut link = self.write().await?;
        let rows = link.rows(CLAIM, args![now, lease_until, capped(limit)]).await?;
        let mut effects = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        link.commit().await?;
        effects.sort_by_key(|effect| effect.id);
        Ok(effects)
    }

    /// Notes that an effect was done.
    pub async fn outbox_done(&self, id: u64, now: Timestamp) -> Result<(), StoreError> {
        self.change(DONE, args![id, now]).await.map(drop)
    }

    /// Notes that an effect failed; it is due again at `again_at`, or given up and kept for the operator.
    pub async fn outbox_failed(&self, id: u64, error: &str, again_at: Option<Timestamp>) -> Result<(), StoreError> {
        let error: String = error.chars().filter(|c| *c != '\0').take(MAX_ERROR_CHARS).collect();
        let state = if again_at.is_some() { "pending" } else { "failed" };
        self.change(FAILED, args![id, error, state, again_at]).await.map(drop)
    }

    /// Effects that were given up, newest first, with their last error.
    pub async fn failed_effects(&self, limit: u32) -> Result<Vec<(Effect, String)>, StoreError> {
        let rows = self.read().await?.rows(LIST_FAILED, args![capped(limit)]).await?;
        rows.iter()
            .map(|row| Ok((read(row)?, row.maybe_text("error")?.unwrap_or_default())))
            .collect()
    }
}

/// Stores an effect within a transaction.
pub(crate) async fn add(link: &mut Link, kind: &str, payload: &str, now: Timestamp) -> Result<u64, StoreError> {
    let id: u64 = link.one(NUMBER, &[]).await?.count("counter", "value")?;
    link.execute(ADD, args![id, kind, payload, now, now]).await?;
    Ok(id)
}

/// Stores an effect as it is described, within a transaction.
pub(crate) async fn add_new(link: &mut Link, new: &NewEffect, now: Timestamp) -> Result<(), StoreError> {
    let id: u64 = link.one(NUMBER, &[]).await?.count("counter", "value")?;
    let due_at = new.due_at.unwrap_or(now);
    let sql = if new.unless_waiting { ADD_UNLESS_WAITING } else { ADD };
    link.execute(sql, args![id, &new.kind, &new.payload, due_at, now])
        .await?;
    Ok(())
}

fn read(row: &Row) -> Result<Effect, StoreError> {
    Ok(Effect {
        id: row.count(TABLE, "id")?,
        kind: row.text("kind")?,
        payload: row.text("payload")?,
        tries: row.count(TABLE, "tries")?,
        created_at: row.moment("created_at")?,
    })
}

crate::statements! {
    NUMBER = "UPDATE counter SET value = value + 1 WHERE name = 'outbox' RETURNING value";
    ADD = "INSERT INTO outbox_effect (id, kind, payload, state, tries, due_at, created_at) VALUES ($1, $2, $3, 'pending', 0, $4, $5)";
    ADD_ONCE = "INSERT INTO outbox_effect (id, kind, payload, state, tries, due_at, created_at) \
        SELECT $1, $2, $3, 'pending', 0, CAST($4 AS BIGINT), CAST($4 AS BIGINT) \
        WHERE NOT EXISTS (SELECT 1 FROM outbox_effect WHERE kind = $2 AND payload = $3)";
    ADD_UNLESS_WAITING = "INSERT INTO outbox_effect (id, kind, payload, state, tries, due_at, created_at) \
        SELECT $1, $2, $3, 'pending', 0, CAST($4 AS BIGINT), CAST($5 AS BIGINT) \
        WHERE NOT EXISTS (SELECT 1 FROM outbox_effect WHERE kind = $2 AND payload = $3 AND state = 'pending')";
    CLAIM = "UPDATE outbox_effect SET due_at = $2, tries = tries + 1 WHERE id IN \
        (SELECT id FROM outbox_effect WHERE state = 'pending' AND due_at <= $1 ORDER BY id LIMIT $3) \
        AND state = 'pending' AND due_at <= $1 RETURNING *";
    DONE = "UPDATE outbox_effect SET state = 'done', done_at = $2, error = NULL WHERE id = $1 AND state <> 'done'";
    FAILED = "UPDATE outbox_effect SET state = $3, error = $2, due_at = COALESCE($4, due_at) WHERE id = $1 AND state <> 'done'";
    LIST_FAILED = "SELECT * FROM outbox_effect WHERE state = 'failed' ORDER BY id DESC LIMIT $1";
}
