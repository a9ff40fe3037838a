//! Checkout attempts: what a browser set out to buy, and the sign-in that its return earns.

use latchkey_entitlement::{AccountId, EventId, PriceId, SiteId, Timestamp};

use crate::{
    Hash, MAX_ROWS, NewSession, Store, StoreError,
    database::{link::Link, row::Row, value::args},
    session,
};

const TABLE: &str = "attempt";

/// An attempt to be made.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// Identifier.
    pub id: EventId,
    /// Who buys.
    pub account: AccountId,
    /// Hash of the nonce in the browser's cookie.
    pub nonce_hash: Hash,
    /// What is bought.
    pub price: PriceId,
    /// Where the reader came from.
    pub site: Option<SiteId>,
    /// The path to go back to.
    pub return_to: String,
    /// The present.
    pub now: Timestamp,
}

/// A checkout attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Identifier.
    pub id: EventId,
    /// Who buys.
    pub account: AccountId,
    /// What is bought.
    pub price: PriceId,
    /// Where the reader came from.
    pub site: Option<SiteId>,
    /// The path to go back to.
    pub return_to: String,
    /// Stripe's Checkout Session, once it is made.
    pub stripe_session: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was seen to be paid.
    pub completed_at: Option<Timestamp>,
    /// When it signed its browser in.
    pub signed_in_at: Option<Timestamp>,
}

impl Store {
    /// Records an attempt, before Stripe is asked for anything.
    pub async fn create_attempt(&self, new: NewAttempt) -> Result<(), StoreError> {
        let NewAttempt {
            id,
            account,
            nonce_hash,
            price,
            site,
            return_to,
            now,
        } = new;
        let mut link = self.write().await?;
        link.execute(
            CREATE,
            args![&id, &account, &nonce_hash, &price, site.as_ref(), return_to, now],
        )
        .await?;
        link.commit().await
    }

    /// One attempt.
    pub async fn attempt(&self, id: &EventId) -> Result<Option<Attempt>, StoreError> {
        self.read()
            .await?
            .row(BY_ID, args![id])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// The attempt behind a Checkout Session.
    pub async fn attempt_by_stripe_session(&self, stripe_session: &str) -> Result<Option<Attempt>, StoreError> {
        self.read()
            .await?
            .row(BY_STRIPE_SESSION, args![stripe_session])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// Records the Checkout Session of an attempt; false if the attempt is unknown or has another one.
    pub async fn attach_stripe_session(&self, id: &EventId, stripe_session: &str) -> Result<bool, StoreError> {
        self.change(ATTACH, args![id, stripe_session]).await
    }

    /// Notes that an attempt was paid; true the first time only.
    pub async fn complete_attempt(&self, id: &EventId, now: Timestamp) -> Result<bool, StoreError> {
        self.change(COMPLETE, args![id, now]).await
    }

    /// Signs the browser in that began an attempt: it is complete, begun at most `max_age_ms` ago, the nonce is the browser's, it has
    /// not signed in before, and nobody has proven the account's address or taken the account over meanwhile: whoever began it may
    /// be somebody else than its owner. Of several calls at once one is told yes.
    pub async fn sign_in_by_attempt(
        &self,
        id: &EventId,
        nonce_hash: &Hash,
        session: &NewSession,
        max_age_ms: i64,
    ) -> Result<bool, StoreError> {
        let now = session.now;
        let mut link = self.write().await?;
        let signed_in = link.any(LOCK_UNPROVEN, args![&session.account]).await?
            && link
                .any(
                    USE,
                    args![
                        id,
                        nonce_hash,
                        now,
                        now.plus(max_age_ms.saturating_neg()),
                        &session.account
                    ],
                )
                .await?
            && session::create(&mut link, session).await?;
        if signed_in {
            link.commit().await?;
        }
        Ok(signed_in)
    }

    /// Attempts of an account that have a Checkout Session and are not complete, newest first.
    pub async fn open_attempts(&self, account: &AccountId) -> Result<Vec<Attempt>, StoreError> {
        let rows = self
            .read()
            .await?
            .rows(OPEN, args![account, i64::from(MAX_ROWS)])
            .await?;
        rows.iter().map(read).collect()
    }

    /// Runs one statement as a transaction; whether it changed a row.
    pub(crate) async fn change(
        &self,
        sql: &'static str,
        args: &[crate::database::value::Value],
    ) -> Result<bool, StoreError> {
        let mut link = self.write().await?;
        let changed = link.execute(sql, args).await? > 0;
        link.commit().await?;
        Ok(changed)
    }
}

/// From now on no attempt of the account signs anybody in: whoever began one may be somebody else than the account's owner.
pub(crate) async fn close_sign_ins(link: &mut Link, account: &AccountId, now: Timestamp) -> Result<(), StoreError> {
    link.execute(CLOSE, args![account, now]).await.map(drop)
}

fn read(row: &Row) -> Result<Attempt, StoreError> {
    Ok(Attempt {
        id: row.parsed(TABLE, "id")?,
        account: row.parsed(TABLE, "account")?,
        price: row.parsed(TABLE, "price")?,
        site: row.maybe_parsed(TABLE, "site")?,
        return_to: row.text("return_to")?,
        stripe_session: row.maybe_text("stripe_session")?,
        created_at: row.moment("created_at")?,
        completed_at: row.maybe_moment("completed_at")?,
        signed_in_at: row.maybe_moment("signed_in_at")?,
    })
}

crate::statements! {
    CREATE = "INSERT INTO attempt (id, account, nonce_hash, price, site, return_to, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    BY_ID = "SELECT * FROM attempt WHERE id = $1";
    BY_STRIPE_SESSION = "SELECT * FROM attempt WHERE stripe_session = $1";
    ATTACH = "UPDATE attempt SET stripe_session = $2 WHERE id = $1 AND (stripe_session IS NULL OR stripe_session = $2)";
    COMPLETE = "UPDATE attempt SET completed_at = $2 WHERE id = $1 AND completed_at IS NULL";
    USE = "UPDATE attempt SET signed_in_at = $3 WHERE id = $1 AND nonce_hash = $2 AND signed_in_at IS NULL \
        AND completed_at IS NOT NULL AND created_at >= $4 AND account = $5 RETURNING id";
    LOCK_UNPROVEN = "UPDATE account SET created_at = created_at WHERE id = $1 AND email_proven IS NULL AND merged_into IS NULL RETURNING id";
    CLOSE = "UPDATE attempt SET signed_in_at = $2 WHERE account = $1 AND signed_in_at IS NULL";
    OPEN = "SELECT * FROM attempt WHERE account = $1 AND completed_at IS NULL AND stripe_session IS NOT NULL \
        ORDER BY created_at DESC, id LIMIT $2";
}
