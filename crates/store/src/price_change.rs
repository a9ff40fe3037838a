//! Changes of price: shown first, then confirmed, and asked of Stripe under one key however often.

use latchkey_billing::{ChangePreview, Offer, PriceChange};
use latchkey_entitlement::{AccountId, EventId, Timestamp};

use crate::{Store, StoreError, database::value::args};

const TABLE: &str = "price_change";

/// A change of price that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceChangeRow {
    /// Identifier; the idempotency key follows from it.
    pub id: EventId,
    /// Whose subscription it is.
    pub account: AccountId,
    /// What Stripe is asked.
    pub change: PriceChange,
    /// What Stripe said that it costs.
    pub preview: ChangePreview,
    /// What is promised for later.
    pub offer: Offer,
    /// When it was shown.
    pub created_at: Timestamp,
}

impl Store {
    /// Keeps a change that is about to be shown.
    pub async fn keep_price_change(&self, row: &PriceChangeRow) -> Result<(), StoreError> {
        let wrong = |error: serde_json::Error| StoreError::invalid(format!("a change cannot be stored: {error}"));
        let change = serde_json::to_string(&row.change).map_err(wrong)?;
        let preview = serde_json::to_string(&row.preview).map_err(wrong)?;
        let offer = serde_json::to_string(&row.offer).map_err(wrong)?;
        let mut link = self.write().await?;
        link.execute(
            KEEP,
            args![&row.id, &row.account, change, preview, offer, row.created_at],
        )
        .await?;
        link.commit().await
    }

    /// A change that was shown to `account`, of whichever account it was before a merge.
    pub async fn price_change(&self, id: &EventId, account: &AccountId) -> Result<Option<PriceChangeRow>, StoreError> {
        let Some(row) = self.read().await?.row(BY_ID, args![id, account]).await? else {
            return Ok(None);
        };
        Ok(Some(PriceChangeRow {
            id: row.parsed(TABLE, "id")?,
            account: row.parsed(TABLE, "account")?,
            change: row.word(TABLE, "change_body", |text| serde_json::from_str(text).ok())?,
            preview: row.word(TABLE, "preview", |text| serde_json::from_str(text).ok())?,
            offer: row.word(TABLE, "offer", |text| serde_json::from_str(text).ok())?,
            created_at: row.moment("created_at")?,
        }))
    }

    /// Notes that the reader confirmed it; true the first time only.
    pub async fn confirm_price_change(&self, id: &EventId, now: Timestamp) -> Result<bool, StoreError> {
        self.change(CONFIRM, args![id, now]).await
    }
}

crate::statements! {
    KEEP = "INSERT INTO price_change (id, account, change_body, preview, offer, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    BY_ID = "SELECT * FROM price_change WHERE id = $1 AND (account = $2 \
        OR account IN (SELECT id FROM account WHERE merged_into = $2))";
    CONFIRM = "UPDATE price_change SET confirmed_at = $2 WHERE id = $1 AND confirmed_at IS NULL";
}
