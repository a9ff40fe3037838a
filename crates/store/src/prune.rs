//! Forgets what nothing needs any more. Grants, merges, accounts and standings are kept: they explain the past.

use latchkey_entitlement::{Timestamp, time::DAY};

use crate::{Store, StoreError, database::value::args};

/// Most rows that one call deletes from one table, so that no transaction is long.
const BATCH: i64 = 500;
/// How long done events are kept: longer than Stripe sends one again (3 days) and lists it (30 days).
const KEEP_EVENTS: i64 = 90 * DAY;
/// How long effects that are done are kept: no shorter than attempts, whose letter must not be stored a second time.
const KEEP_EFFECTS: i64 = KEEP_ATTEMPTS;
/// How long a difference from Stripe is kept after it was repaired.
const KEEP_DIVERGENCES: i64 = 90 * DAY;
/// How long a session is kept after its end.
const KEEP_SESSIONS: i64 = 90 * DAY;
/// How long a checkout attempt is kept.
const KEEP_ATTEMPTS: i64 = 90 * DAY;
/// How long a login or an enter code is kept after its time, for the desk.
const KEEP_LOGINS: i64 = DAY;

impl Store {
    /// Deletes old rows, a bounded number of each kind, and says how many. Call it every few minutes.
    pub async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut deleted = 0;
        for (sql, age) in [
            (RATE_LIMITS, 0),
            (REVOCATIONS, 0),
            (ENTER_CODES, KEEP_LOGINS),
            (LOGINS, KEEP_LOGINS),
            (LEAVE_LINKS, KEEP_LOGINS),
            (ATTEMPTS, KEEP_ATTEMPTS),
            (OFFERS, KEEP_ATTEMPTS),
            (PRICE_CHANGES, KEEP_ATTEMPTS),
            (EVENTS, KEEP_EVENTS),
            (EFFECTS, KEEP_EFFECTS),
            (DIVERGENCES, KEEP_DIVERGENCES),
            (SESSIONS, KEEP_SESSIONS),
        ] {
            let mut link = self.write().await?;
            deleted += link.execute(sql, args![now.plus(-age), BATCH]).await?;
            link.commit().await?;
        }
        Ok(deleted)
    }
}

crate::statements! {
    RATE_LIMITS = "DELETE FROM rate_limit WHERE (bucket, window_start_at) IN \
        (SELECT bucket, window_start_at FROM rate_limit WHERE expires_at <= $1 LIMIT $2)";
    REVOCATIONS = "DELETE FROM revocation WHERE number IN (SELECT number FROM revocation WHERE expires_at <= $1 ORDER BY number LIMIT $2)";
    ENTER_CODES = "DELETE FROM enter_code WHERE code_hash IN (SELECT code_hash FROM enter_code WHERE expires_at <= $1 LIMIT $2)";
    LOGINS = "DELETE FROM login WHERE id IN (SELECT id FROM login WHERE expires_at <= $1 LIMIT $2)";
    LEAVE_LINKS = "DELETE FROM leave_link WHERE link_hash IN (SELECT link_hash FROM leave_link WHERE expires_at <= $1 LIMIT $2)";
    ATTEMPTS = "DELETE FROM attempt WHERE id IN (SELECT id FROM attempt WHERE created_at <= $1 LIMIT $2)";
    /// Those that led to nothing.
    OFFERS = "DELETE FROM offer WHERE id IN (SELECT id FROM offer WHERE accepted_at IS NULL AND created_at <= $1 LIMIT $2)";
    PRICE_CHANGES = "DELETE FROM price_change WHERE id IN (SELECT id FROM price_change WHERE created_at <= $1 LIMIT $2)";
    EVENTS = "DELETE FROM stripe_event WHERE id IN (SELECT id FROM stripe_event WHERE state = 'done' AND done_at <= $1 LIMIT $2)";
    EFFECTS = "DELETE FROM outbox_effect WHERE id IN (SELECT id FROM outbox_effect WHERE state = 'done' AND done_at <= $1 LIMIT $2)";
    DIVERGENCES = "DELETE FROM divergence WHERE id IN (SELECT id FROM divergence WHERE repaired_at <= $1 LIMIT $2)";
    /// Not those that others were made from and that are still kept.
    SESSIONS = "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE ended_at <= $1 \
        AND NOT EXISTS (SELECT 1 FROM session AS child WHERE child.parent = session.id) LIMIT $2)";
}
