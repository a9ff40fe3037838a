//! Links with which whoever reads the letters to an address ends what is paid for under it, without signing in. Ending twice is ending
//! once, so that a link holds until its time is over.

use latchkey_entitlement::{AccountId, Timestamp};

use crate::{Hash, Store, StoreError, capped, database::value::args};

impl Store {
    /// Keeps a link.
    pub async fn create_leave_link(
        &self,
        link_hash: &Hash,
        email: &str,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.change(CREATE, args![link_hash, email, now, expires_at])
            .await
            .map(drop)
    }

    /// The address that a link was sent to, if it still holds.
    pub async fn leave_link(&self, link_hash: &Hash, now: Timestamp) -> Result<Option<String>, StoreError> {
        let row = self.read().await?.row(FIND, args![link_hash, now]).await?;
        row.map(|row| row.text("email")).transpose()
    }

    /// Accounts that have bought a subscription and either have proven an address or claim it without a proven one; its owner first,
    /// then the oldest.
    pub async fn payers_under(&self, email: &str, limit: u32) -> Result<Vec<AccountId>, StoreError> {
        let rows = self.read().await?.rows(PAYERS, args![email, capped(limit)]).await?;
        rows.iter().map(|row| row.parsed("account", "id")).collect()
    }
}

crate::statements! {
    CREATE = "INSERT INTO leave_link (link_hash, email, created_at, expires_at) VALUES ($1, $2, $3, $4)";
    FIND = "SELECT email FROM leave_link WHERE link_hash = $1 AND expires_at > $2";
    PAYERS = "SELECT id FROM account WHERE merged_into IS NULL AND (email_proven = $1 OR (email_proven IS NULL AND email_unproven = $1)) \
        AND EXISTS (SELECT 1 FROM customer JOIN subscription ON subscription.customer = customer.id WHERE customer.account = account.id) \
        ORDER BY CASE WHEN email_proven = $1 THEN 0 ELSE 1 END, created_at, id LIMIT $2";
}
