//! Limits on how often something may be done, counted in fixed windows.

use latchkey_entitlement::Timestamp;

use crate::{Store, StoreError, database::value::args};

impl Store {
    /// Counts one more in `bucket`; true while the window that `now` lies in has seen at most `limit`.
    ///
    /// Windows of `window_ms` (at least 1) begin at multiples of it: around a border twice the limit may pass. A bucket that
    /// names a person should be a hash.
    pub async fn hit(&self, bucket: &str, window_ms: i64, limit: u32, now: Timestamp) -> Result<bool, StoreError> {
        let window = window_ms.max(1);
        let start = Timestamp(now.0.saturating_sub(now.0.rem_euclid(window)));
        let mut link = self.write().await?;
        let hits = link
            .one(HIT, args![bucket, start, start.plus(window)])
            .await?
            .int("hits")?;
        link.commit().await?;
        Ok(hits <= i64::from(limit))
    }
}

crate::statements! {
    HIT = "INSERT INTO rate_limit (bucket, window_start_at, hits, expires_at) VALUES ($1, $2, 1, $3) \
        ON CONFLICT (bucket, window_start_at) DO UPDATE SET hits = rate_limit.hits + 1 RETURNING hits";
}
