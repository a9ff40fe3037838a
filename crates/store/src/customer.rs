//! Stripe customers: whose they are, which are waiting for a sync, and who is syncing them.
//!
//! A lease is taken before Stripe is read, so that an older answer is never recorded after a newer one. Its owner's name must be
//! new for each sync or claim: it is what tells a worker that overslept from the one that came after it.

use latchkey_entitlement::{AccountId, Timestamp};

use crate::{
    MAX_ROWS, Store, StoreError, capped,
    database::{link::Link, many::Many, row::Row, value::args},
    divergence, inbox,
};

const TABLE: &str = "customer";
/// Longest error that is kept with a customer, in characters.
const MAX_ERROR_CHARS: usize = 500;

/// A Stripe customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Stripe's id.
    pub id: String,
    /// Whose; `None` until it is known.
    pub account: Option<AccountId>,
    /// Whether it is of Stripe's live mode.
    pub livemode: bool,
    /// Since when, or from when on, it waits for a sync.
    pub dirty_at: Option<Timestamp>,
    /// Who is syncing it.
    pub lease_owner: Option<String>,
    /// When that lease runs out.
    pub lease_until: Option<Timestamp>,
    /// The last committed sync.
    pub synced_at: Option<Timestamp>,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// When a sync found that it had been deleted in Stripe.
    pub deleted_at: Option<Timestamp>,
    /// How often in a row its sync failed; 0 after one that went well.
    pub sync_tries: u32,
    /// Why the last one failed.
    pub sync_error: Option<String>,
    /// When the last one failed.
    pub failed_at: Option<Timestamp>,
    /// Since when it is a dead letter: a person has to look, and its sync is tried rarely.
    pub dead_at: Option<Timestamp>,
}

/// A sync that failed.
#[derive(Clone, Copy, Debug)]
pub struct SyncFailed<'a> {
    /// The Stripe customer.
    pub customer: &'a str,
    /// Whose lease on it was taken.
    pub owner: &'a str,
    /// Why, without secrets and addresses.
    pub error: &'a str,
    /// When it is tried again.
    pub again_at: Timestamp,
    /// Whether it is a dead letter from now on: then its pending events are, too.
    pub dead: bool,
    /// The present.
    pub now: Timestamp,
}

impl Store {
    /// Records whose a customer is, and marks it dirty if that is new. False, and nothing changed, if it is another account's.
    pub async fn link_customer(
        &self,
        customer: &str,
        account: &AccountId,
        livemode: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut link = self.write().await?;
        // The row first, so that it is locked by the statement after it whoever made it.
        link.execute(CREATE, args![customer, livemode, now]).await?;
        let linked = match link.row(LINK, args![customer, account, now]).await? {
            Some(_) => true,
            None => link.any(IS_LINKED, args![customer, account]).await?,
        };
        link.commit().await?;
        Ok(linked)
    }

    /// One customer.
    pub async fn customer(&self, id: &str) -> Result<Option<Customer>, StoreError> {
        self.read()
            .await?
            .row(BY_ID, args![id])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// The customers of an account, oldest first.
    pub async fn customers_of(&self, account: &AccountId) -> Result<Vec<Customer>, StoreError> {
        self.read()
            .await?
            .rows(OF_ACCOUNT, args![account, i64::from(MAX_ROWS)])
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Whose a customer is.
    pub async fn account_of_customer(&self, id: &str) -> Result<Option<AccountId>, StoreError> {
        Ok(self.customer(id).await?.and_then(|customer| customer.account))
    }

    /// Asks for a sync of a customer; makes its row, without an account, if it is unknown.
    pub async fn mark_dirty(&self, customer: &str, livemode: bool, now: Timestamp) -> Result<(), StoreError> {
        let mut link = self.write().await?;
        mark(&mut link, customer, livemode, now).await?;
        link.commit().await
    }

    /// Leases dirty customers to `owner`, those that waited longest first.
    pub async fn claim_dirty(
        &self,
        owner: &str,
        lease_until: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let mut link = self.write().await?;
        let rows = link.rows(CLAIM, args![owner, lease_until, now, capped(limit)]).await?;
        let mut claimed = rows
            .iter()
            .map(|row| Ok((row.moment("dirty_at")?, row.text("id")?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        link.commit().await?;
        claimed.sort();
        Ok(claimed.into_iter().map(|(_, id)| id).collect())
    }

    /// Leases one customer, dirty or not. False if it is leased (to the same owner, too) or unknown.
    pub async fn lease_customer(
        &self,
        customer: &str,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.change(LEASE, args![customer, owner, lease_until, now]).await
    }

    /// Gives a lease back without a commit; false if it is not `owner`'s any more.
    ///
    /// With `again_at` the customer is dirty from that moment on; without, it is clean. A mark that was made during the lease
    /// outlives both.
    pub async fn release_customer(
        &self,
        customer: &str,
        owner: &str,
        again_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        self.change(RELEASE, args![customer, owner, again_at]).await
    }

    /// Gives a lease back after a sync that failed, counts the failure and keeps its reason; false, and nothing is kept, if the lease
    /// is not the owner's any more. A mark that was made during the lease brings the next try forward.
    pub async fn sync_failed(&self, failed: SyncFailed<'_>) -> Result<bool, StoreError> {
        let SyncFailed {
            customer,
            owner,
            error,
            again_at,
            dead,
            now,
        } = failed;
        let error: String = error.chars().filter(|c| *c != '\0').take(MAX_ERROR_CHARS).collect();
        let mut link = self.write().await?;
        let args = args![customer, owner, again_at, &error, now, dead];
        let Some(row) = link.row(SYNC_FAILED, args).await? else {
            return Ok(false);
        };
        if dead {
            let tries: u32 = row.count(TABLE, "sync_tries")?;
            inbox::all_failed(&mut link, customer, &error, tries, now).await?;
        }
        link.commit().await?;
        Ok(true)
    }

    /// Gives a lease back for good: nothing is left to do for this customer, unless it was marked during the lease.
    pub async fn settle_customer(&self, customer: &str, owner: &str, now: Timestamp) -> Result<bool, StoreError> {
        let mut link = self.write().await?;
        let settled = link.execute(SETTLE, args![customer, owner]).await? > 0;
        if settled {
            divergence::repaired(&mut link, customer, now).await?;
            link.commit().await?;
        }
        Ok(settled)
    }

    /// Customers that are dead letters, the oldest first.
    pub async fn dead_customers(&self, limit: u32) -> Result<Vec<Customer>, StoreError> {
        let rows = self.read().await?.rows(DEAD, args![capped(limit)]).await?;
        rows.iter().map(read).collect()
    }

    /// Marks customers of a mode dirty whose last sync was before `moment`, the oldest first and at most `limit` of them: what no event
    /// tells any more is found by reading again. Gives how many.
    pub async fn mark_not_synced_since(
        &self,
        moment: Timestamp,
        livemode: bool,
        limit: u32,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut link = self.write().await?;
        let marked = link
            .execute(MARK_NOT_SYNCED, args![moment, livemode, now, capped(limit)])
            .await?;
        link.commit().await?;
        Ok(marked)
    }

    /// Customers whose last sync was before `moment`, or never, the oldest first: for walking through all of them.
    pub async fn customers_not_synced_since(&self, moment: Timestamp, limit: u32) -> Result<Vec<Customer>, StoreError> {
        self.read()
            .await?
            .rows(NOT_SYNCED, args![moment, capped(limit)])
            .await?
            .iter()
            .map(read)
            .collect()
    }
}

/// Marks a customer dirty within a transaction.
pub(crate) async fn mark(link: &mut Link, customer: &str, livemode: bool, now: Timestamp) -> Result<(), StoreError> {
    link.execute(MARK, args![customer, livemode, now]).await.map(drop)
}

fn read(row: &Row) -> Result<Customer, StoreError> {
    Ok(Customer {
        id: row.text("id")?,
        account: row.maybe_parsed(TABLE, "account")?,
        livemode: row.bool("livemode")?,
        dirty_at: row.maybe_moment("dirty_at")?,
        lease_owner: row.maybe_text("lease_owner")?,
        lease_until: row.maybe_moment("lease_until")?,
        synced_at: row.maybe_moment("synced_at")?,
        created_at: row.moment("created_at")?,
        deleted_at: row.maybe_moment("deleted_at")?,
        sync_tries: row.count(TABLE, "sync_tries")?,
        sync_error: row.maybe_text("sync_error")?,
        failed_at: row.maybe_moment("failed_at")?,
        dead_at: row.maybe_moment("dead_at")?,
    })
}

pub(crate) static MARK_MANY: Many = Many::new(
    "INSERT INTO customer (id, livemode, dirty_at, dirty_mark, leased_mark, created_at) VALUES",
    "(?, ?, ?, 1, 0, ?)",
    "ON CONFLICT (id) DO UPDATE SET dirty_mark = customer.dirty_mark + 1, \
        dirty_at = CASE WHEN customer.dirty_at < excluded.dirty_at THEN customer.dirty_at ELSE excluded.dirty_at END",
);

crate::statements! {
    CREATE = "INSERT INTO customer (id, livemode, dirty_mark, leased_mark, created_at) VALUES ($1, $2, 0, 0, $3) \
        ON CONFLICT (id) DO NOTHING";
    LINK = "UPDATE customer SET account = $2, dirty_mark = dirty_mark + 1, \
        dirty_at = CASE WHEN dirty_at < $3 THEN dirty_at ELSE $3 END WHERE id = $1 AND account IS NULL RETURNING id";
    IS_LINKED = "SELECT id FROM customer WHERE id = $1 AND account = $2";
    BY_ID = "SELECT * FROM customer WHERE id = $1";
    OF_ACCOUNT = "SELECT * FROM customer WHERE account = $1 ORDER BY created_at, id LIMIT $2";
    MARK = "INSERT INTO customer (id, livemode, dirty_at, dirty_mark, leased_mark, created_at) VALUES ($1, $2, $3, 1, 0, $3) \
        ON CONFLICT (id) DO UPDATE SET dirty_mark = customer.dirty_mark + 1, \
        dirty_at = CASE WHEN customer.dirty_at < $3 THEN customer.dirty_at ELSE $3 END";
    CLAIM = "UPDATE customer SET lease_owner = $1, lease_until = $2, leased_mark = dirty_mark WHERE id IN \
        (SELECT id FROM customer WHERE dirty_at <= $3 AND (lease_until IS NULL OR lease_until <= $3) ORDER BY dirty_at, id LIMIT $4) \
        AND dirty_at <= $3 AND (lease_until IS NULL OR lease_until <= $3) RETURNING id, dirty_at";
    LEASE = "UPDATE customer SET lease_owner = $2, lease_until = $3, leased_mark = dirty_mark \
        WHERE id = $1 AND (lease_until IS NULL OR lease_until <= $4)";
    RELEASE = "UPDATE customer SET lease_owner = NULL, lease_until = NULL, \
        dirty_at = CASE WHEN dirty_mark = leased_mark THEN $3 ELSE dirty_at END WHERE id = $1 AND lease_owner = $2";
    SYNC_FAILED = "UPDATE customer SET lease_owner = NULL, lease_until = NULL, sync_tries = sync_tries + 1, sync_error = $4, \
        failed_at = $5, dead_at = CASE WHEN $6 THEN COALESCE(dead_at, $5) ELSE dead_at END, \
        dirty_at = CASE WHEN dirty_mark = leased_mark THEN $3 ELSE dirty_at END WHERE id = $1 AND lease_owner = $2 RETURNING sync_tries";
    SETTLE = "UPDATE customer SET lease_owner = NULL, lease_until = NULL, sync_tries = 0, sync_error = NULL, failed_at = NULL, \
        dead_at = NULL, dirty_at = CASE WHEN dirty_mark = leased_mark THEN NULL ELSE dirty_at END WHERE id = $1 AND lease_owner = $2";
    DEAD = "SELECT * FROM customer WHERE dead_at IS NOT NULL ORDER BY dead_at, id LIMIT $1";
    MARK_NOT_SYNCED = "UPDATE customer SET dirty_at = $3, dirty_mark = dirty_mark + 1 WHERE dirty_at IS NULL AND id IN \
        (SELECT id FROM customer WHERE account IS NOT NULL AND livemode = $2 AND dirty_at IS NULL AND synced_at < $1 \
        ORDER BY synced_at, id LIMIT $4)";
    NOT_SYNCED = "SELECT * FROM customer WHERE synced_at IS NULL OR synced_at < $1 ORDER BY COALESCE(synced_at, 0), id LIMIT $2";
}
