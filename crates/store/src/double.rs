//! Readers with two live subscriptions to one plan: what was decided about them, and what became of it.

use latchkey_billing::DoubleDecision;
use latchkey_entitlement::{AccountId, Timestamp};

use crate::{
    MAX_ROWS, NewEffect, Store, StoreError,
    database::{row::Row, value::args},
    outbox,
};

const TABLE: &str = "double_subscription";
/// Longest outcome that is kept, in characters.
const MAX_OUTCOME_CHARS: usize = 450;

/// A decision that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Double {
    /// Which goes on, which is stopped, and what is paid back.
    pub decision: DoubleDecision,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// When all of it was done that could be done.
    pub done_at: Option<Timestamp>,
    /// What was done, and what could not be, in words for the operator.
    pub outcome: Option<String>,
    /// What was paid back, in minor units.
    pub refunded_minor: i64,
    /// Its currency, if anything was.
    pub currency: Option<String>,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoubleOutcome {
    /// In words for the operator.
    pub words: String,
    /// What was paid back, in minor units.
    pub refunded_minor: i64,
    /// Its currency, if anything was.
    pub currency: Option<String>,
}

impl Store {
    /// Keeps a decision before anything is done about it, and answers with the one that counts: of two subscriptions one is stopped,
    /// whoever decides again. `None` if an older decision about another pair stands against it: one that stops the subscription that
    /// is to go on, or keeps the one that is to be stopped.
    pub async fn decide_double(
        &self,
        decision: &DoubleDecision,
        livemode: bool,
        now: Timestamp,
    ) -> Result<Option<Double>, StoreError> {
        let body = serde_json::to_string(decision)
            .map_err(|error| StoreError::invalid(format!("a decision cannot be stored: {error}")))?;
        let DoubleDecision {
            kept,
            stopped,
            customer,
            plan,
            ..
        } = decision;
        let pair = pair(kept, stopped);
        let mut link = self.write().await?;
        // One decision after the other, so that each sees those before it.
        link.execute(LOCK, &[]).await?;
        if link.any(AGAINST, args![kept, stopped, &pair]).await? {
            return Ok(None);
        }
        link.execute(
            DECIDE,
            args![&pair, stopped, kept, customer, livemode, plan.as_str(), body, now],
        )
        .await?;
        let counts = link.row(OF_PAIR, args![pair]).await?.as_ref().map(read).transpose()?;
        link.commit().await?;
        Ok(counts)
    }

    /// The decision to stop this subscription, if there is one.
    pub async fn double(&self, stopped: &str) -> Result<Option<Double>, StoreError> {
        let row = self.read().await?.row(OF_STOPPED, args![stopped]).await?;
        row.as_ref().map(read).transpose()
    }

    /// Forgets a decision that nothing was done about, since it would not be taken any more.
    pub async fn withdraw_double(&self, stopped: &str) -> Result<bool, StoreError> {
        self.change(WITHDRAW, args![stopped]).await
    }

    /// What was decided about an account's subscriptions, the newest first.
    pub async fn doubles_of(&self, account: &AccountId) -> Result<Vec<Double>, StoreError> {
        let rows = self
            .read()
            .await?
            .rows(OF_ACCOUNT, args![account, i64::from(MAX_ROWS)])
            .await?;
        rows.iter().map(read).collect()
    }

    /// Notes what became of a decision, together with the effect that tells the reader. False if that was noted before.
    pub async fn double_done(
        &self,
        stopped: &str,
        outcome: &DoubleOutcome,
        tell: &NewEffect,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let words: String = outcome.words.chars().take(MAX_OUTCOME_CHARS).collect();
        let mut link = self.write().await?;
        let done = args![stopped, words, outcome.refunded_minor, outcome.currency.clone(), now];
        let first = link.execute(DONE, done).await? == 1;
        if first {
            outbox::add_new(&mut link, tell, now).await?;
        }
        link.commit().await?;
        Ok(first)
    }
}

fn pair(one: &str, other: &str) -> String {
    let (first, second) = if one < other { (one, other) } else { (other, one) };
    format!("{first} {second}")
}

fn read(row: &Row) -> Result<Double, StoreError> {
    Ok(Double {
        decision: row.word(TABLE, "decision", |body| serde_json::from_str(body).ok())?,
        decided_at: row.moment("decided_at")?,
        done_at: row.maybe_moment("done_at")?,
        outcome: row.maybe_text("outcome")?,
        refunded_minor: row.int("refunded_minor")?,
        currency: row.maybe_text("currency")?,
    })
}

crate::statements! {
    LOCK = "UPDATE counter SET value = value + 1 WHERE name = 'outbox'";
    AGAINST = "SELECT pair FROM double_subscription WHERE pair <> $3 \
        AND (stopped = $1 OR stopped = $2 OR (kept = $2 AND state = 'decided'))";
    DECIDE = "INSERT INTO double_subscription (pair, stopped, kept, customer, livemode, plan, decision, state, decided_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'decided', $8) ON CONFLICT (pair) DO UPDATE SET decision = $7, decided_at = $8 \
        WHERE double_subscription.state = 'decided' AND double_subscription.stopped = $2";
    WITHDRAW = "DELETE FROM double_subscription WHERE stopped = $1 AND state = 'decided'";
    OF_PAIR = "SELECT * FROM double_subscription WHERE pair = $1";
    OF_STOPPED = "SELECT * FROM double_subscription WHERE stopped = $1";
    OF_ACCOUNT = "SELECT * FROM double_subscription WHERE customer IN (SELECT id FROM customer WHERE account = $1) \
        ORDER BY decided_at DESC, pair LIMIT $2";
    DONE = "UPDATE double_subscription SET state = 'done', outcome = $2, refunded_minor = $3, currency = $4, done_at = $5 \
        WHERE stopped = $1 AND state = 'decided'";
}
