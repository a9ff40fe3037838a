//! Offers that were taken, and trials that were had.

use latchkey_billing::Offer;
use latchkey_entitlement::{AccountId, EventId, Timestamp};

use crate::{
    MAX_ROWS, Store, StoreError,
    database::{link::Link, row::Row, value::args},
};

const TABLE: &str = "offer";

/// An offer that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferRow {
    /// The attempt's or the change's id.
    pub id: EventId,
    /// What it was.
    pub offer: Offer,
    /// When it was taken.
    pub created_at: Timestamp,
    /// When a sync found it in force.
    pub accepted_at: Option<Timestamp>,
}

/// A trial that was had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialUse {
    /// `sub_…`.
    pub subscription: String,
    /// When it began.
    pub started_at: Timestamp,
}

impl Store {
    /// Keeps an offer before Stripe hears of it; `subscription` is known where it changes one. Of two under one id the first stays.
    pub async fn keep_offer(
        &self,
        id: &EventId,
        account: &AccountId,
        offer: &Offer,
        subscription: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let body = serde_json::to_string(offer);
        let body = body.map_err(|error| StoreError::invalid(format!("an offer cannot be stored: {error}")))?;
        let statement = offer.statement.as_deref();
        let mut link = self.write().await?;
        link.execute(KEEP, args![id, account, body, statement, subscription, now])
            .await?;
        link.commit().await
    }

    /// The offer that was taken with an attempt or a change.
    pub async fn offer(&self, id: &EventId) -> Result<Option<OfferRow>, StoreError> {
        let row = self.read().await?.row(BY_ID, args![id]).await?;
        row.as_ref().map(read).transpose()
    }

    /// Offers that a subscription may go by, the newest first: that of the attempt which led to it, and those that changed it.
    pub async fn offers_of(&self, attempt: Option<&str>, subscription: &str) -> Result<Vec<OfferRow>, StoreError> {
        let rows = self
            .read()
            .await?
            .rows(OF_SUBSCRIPTION, args![attempt, subscription, i64::from(MAX_ROWS)])
            .await?;
        rows.iter().map(read).collect()
    }

    /// Whether an account, one that was merged into it, or whoever had proven `email` before has had a trial.
    pub async fn had_trial(
        &self,
        account: &AccountId,
        email: Option<&str>,
        livemode: bool,
    ) -> Result<bool, StoreError> {
        self.read().await?.any(HAD_TRIAL, args![account, email, livemode]).await
    }
}

/// Notes within a sync's transaction which offers are in force, and which trials were had.
pub(crate) async fn note(
    link: &mut Link,
    account: &AccountId,
    livemode: bool,
    accepted: &[(EventId, String)],
    trials: &[TrialUse],
    now: Timestamp,
) -> Result<(), StoreError> {
    for (id, subscription) in accepted {
        link.execute(ACCEPT, args![id, subscription, now]).await?;
    }
    for trial in trials {
        link.execute(
            USE_TRIAL,
            args![&trial.subscription, account, livemode, trial.started_at, now],
        )
        .await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<OfferRow, StoreError> {
    Ok(OfferRow {
        id: row.parsed(TABLE, "id")?,
        offer: row.word(TABLE, "body", |body| serde_json::from_str(body).ok())?,
        created_at: row.moment("created_at")?,
        accepted_at: row.maybe_moment("accepted_at")?,
    })
}

crate::statements! {
    KEEP = "INSERT INTO offer (id, account, body, statement, subscription, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (id) DO NOTHING";
    BY_ID = "SELECT * FROM offer WHERE id = $1";
    OF_SUBSCRIPTION = "SELECT * FROM offer WHERE id = $1 OR subscription = $2 ORDER BY created_at DESC, id DESC LIMIT $3";
    ACCEPT = "UPDATE offer SET subscription = $2, accepted_at = $3 WHERE id = $1 AND accepted_at IS NULL";
    USE_TRIAL = "INSERT INTO trial_use (subscription, account, email, livemode, started_at, recorded_at) \
        SELECT $1, account.id, account.email_proven, $3, $4, $5 FROM account WHERE account.id = $2 \
        ON CONFLICT (subscription) DO UPDATE SET email = COALESCE(trial_use.email, excluded.email)";
    HAD_TRIAL = "SELECT subscription FROM trial_use WHERE livemode = $3 AND (account = $1 OR email = $2 \
        OR account IN (SELECT id FROM account WHERE merged_into = $1)) LIMIT 1";
}
