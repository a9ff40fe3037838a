//! Sessions: one signed-in device on one site, or on the account origin.
//!
//! A session's secret is rotated; the one before stays good until its successor was presented, and a little longer, so that an
//! answer that was lost on its way signs nobody out.

use latchkey_entitlement::{AccountId, RevocationKind, SessionId, SiteId, Timestamp};

use crate::{
    Hash, MAX_ROWS, Store, StoreError, account, attempt,
    database::{link::Link, row::Row, value::args},
    revocation,
};

/// Most live sessions that come from one.
pub const MAX_CHILDREN: i64 = 50;
/// How often a session is looked for anew whose account is merged at that moment.
const MAX_MOVES: usize = 3;
const TABLE: &str = "session";

/// A session to be made.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Identifier.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// Where; `None` is the account origin.
    pub site: Option<SiteId>,
    /// The session of the account origin that it was made from, and ends with.
    pub parent: Option<SessionId>,
    /// Hash of its secret.
    pub secret_hash: Hash,
    /// The device, as the reader is shown.
    pub label: String,
    /// The present.
    pub now: Timestamp,
}

/// A session. Never carries its secret's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Identifier.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// Where; `None` is the account origin.
    pub site: Option<SiteId>,
    /// The session that it ends with.
    pub parent: Option<SessionId>,
    /// How often the secret was rotated; 0 at first.
    pub generation: u64,
    /// The device.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last touched.
    pub used_at: Timestamp,
    /// When the current secret was made.
    pub rotated_at: Timestamp,
    /// When the current secret was first presented after a rotation.
    pub presented_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Which of a session's secrets was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// The one that counts.
    Current,
    /// The one before it. Refuse it once `presented_at` is some time ago.
    Previous,
}

impl Store {
    /// Makes a session; false, and none, if the one that it comes from has ended, or if the account was merged.
    ///
    /// Of the sessions that come from one, the [`MAX_CHILDREN`] that were used last live on: they are one browser's.
    pub async fn create_session(&self, new: NewSession) -> Result<bool, StoreError> {
        let mut link = self.write().await?;
        let made = create(&mut link, &new).await?;
        link.commit().await?;
        Ok(made)
    }

    /// One session, also an ended one.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.read()
            .await?
            .row(BY_ID, args![id])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// The live session that a secret belongs to.
    pub async fn session_by_secret_hash(&self, hash: &Hash) -> Result<Option<(Session, Matched)>, StoreError> {
        let Some(row) = self.read().await?.row(BY_HASH, args![hash]).await? else {
            return Ok(None);
        };
        let matched = if &row.hash(TABLE, "secret_hash")? == hash {
            Matched::Current
        } else {
            Matched::Previous
        };
        Ok(Some((read(&row)?, matched)))
    }

    /// Notes that a session was used.
    pub async fn touch_session(&self, id: &SessionId, now: Timestamp) -> Result<(), StoreError> {
        let mut link = self.write().await?;
        link.execute(TOUCH, args![id, now]).await?;
        link.commit().await
    }

    /// Replaces the secret of generation `expected_generation`.
    ///
    /// True if that was done, now or by an earlier call with the same arguments; false if the session has ended, or if another
    /// secret was made of the same generation: then that one counts, and the caller gives none out.
    pub async fn rotate_session(
        &self,
        id: &SessionId,
        expected_generation: u64,
        new_hash: &Hash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut link = self.write().await?;
        let rotated = link.any(ROTATE, args![id, expected_generation, new_hash, now]).await?
            || link.any(IS_ROTATED, args![id, expected_generation, new_hash]).await?;
        link.commit().await?;
        Ok(rotated)
    }

    /// Notes that the secret of `generation` arrived at its device; only the first time counts.
    pub async fn mark_presented(&self, id: &SessionId, generation: u64, now: Timestamp) -> Result<(), StoreError> {
        let mut link = self.write().await?;
        link.execute(PRESENTED, args![id, generation, now]).await?;
        link.commit().await
    }

    /// Ends a session and those that were made from it, and voids their passes; answers with the ones that were live.
    pub async fn end_session(&self, id: &SessionId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let mut link = self.write().await?;
        // A merge may move the session while its account is waited for.
        for _ in 0..MAX_MOVES {
            let Some(row) = link.row(BY_ID, args![id]).await? else {
                return Ok(vec![]);
            };
            if account::lock(&mut link, &read(&row)?.account).await? {
                break;
            }
        }
        let ended = read_all(&mut link, END, args![id, now]).await?;
        void(&mut link, &ended, now).await?;
        link.commit().await?;
        Ok(ended)
    }

    /// Ends all sessions of an account, and voids their passes; answers with the ones that were live.
    pub async fn end_sessions_of(&self, account: &AccountId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let mut link = self.write().await?;
        account::lock(&mut link, account).await?;
        attempt::close_sign_ins(&mut link, account, now).await?;
        let ended = read_all(&mut link, END_ALL, args![account, now]).await?;
        void(&mut link, &ended, now).await?;
        link.commit().await?;
        Ok(ended)
    }

    /// The live sessions of an account, the one used last first.
    pub async fn sessions_of(&self, account: &AccountId) -> Result<Vec<Session>, StoreError> {
        of_account(&mut self.read().await?, account).await
    }
}

pub(crate) async fn create(link: &mut Link, new: &NewSession) -> Result<bool, StoreError> {
    if !account::lock(link, &new.account).await? {
        return Ok(false);
    }
    if let Some(parent) = &new.parent
        && !link.any(IS_LIVE, args![parent, &new.account]).await?
    {
        return Ok(false);
    }
    let NewSession {
        id,
        account,
        site,
        parent,
        secret_hash,
        label,
        now,
    } = new;
    link.execute(
        CREATE,
        args![id, account, site.as_ref(), parent.as_ref(), secret_hash, label, *now],
    )
    .await?;
    if let Some(parent) = parent {
        link.execute(END_OLDEST_CHILDREN, args![parent, *now, MAX_CHILDREN])
            .await?;
    }
    Ok(true)
}

/// A pass of this very second must not slip through; a session that ended gets no later ones.
async fn void(link: &mut Link, ended: &[Session], now: Timestamp) -> Result<(), StoreError> {
    revocation::add_for(link, ended, RevocationKind::Void, now.seconds() + 1, now)
        .await
        .map(drop)
}

/// Ends the sessions of an account on the account origin, save `here`; the sites that were entered through them go on.
pub(crate) async fn end_on_account_origin(
    link: &mut Link,
    account: &AccountId,
    here: Option<&SessionId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let here = here.map_or("", SessionId::as_str);
    link.execute(END_ON_ACCOUNT_ORIGIN, args![account, now, here])
        .await
        .map(drop)
}

/// Ends every session of an account, save `here` and those that come from it, and voids their passes.
pub(crate) async fn end_others(
    link: &mut Link,
    account: &AccountId,
    here: Option<&SessionId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let here = here.map_or("", SessionId::as_str);
    let ended = read_all(link, END_OTHERS, args![account, now, here]).await?;
    void(link, &ended, now).await
}

pub(crate) async fn of_account(link: &mut Link, account: &AccountId) -> Result<Vec<Session>, StoreError> {
    read_all(link, OF_ACCOUNT, args![account, i64::from(MAX_ROWS)]).await
}

async fn read_all(
    link: &mut Link,
    sql: &'static str,
    args: &[crate::database::value::Value],
) -> Result<Vec<Session>, StoreError> {
    link.rows(sql, args).await?.iter().map(read).collect()
}

pub(crate) fn read(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.parsed(TABLE, "id")?,
        account: row.parsed(TABLE, "account")?,
        site: row.maybe_parsed(TABLE, "site")?,
        parent: row.maybe_parsed(TABLE, "parent")?,
        generation: row.count(TABLE, "generation")?,
        label: row.text("label")?,
        created_at: row.moment("created_at")?,
        used_at: row.moment("used_at")?,
        rotated_at: row.moment("rotated_at")?,
        presented_at: row.maybe_moment("presented_at")?,
        ended_at: row.maybe_moment("ended_at")?,
    })
}

crate::statements! {
    CREATE = "INSERT INTO session (id, account, site, parent, secret_hash, generation, label, created_at, used_at, rotated_at) \
        VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $7, $7)";
    IS_LIVE = "SELECT id FROM session WHERE id = $1 AND account = $2 AND ended_at IS NULL";
    END_OLDEST_CHILDREN = "UPDATE session SET ended_at = $2 WHERE parent = $1 AND ended_at IS NULL AND id NOT IN \
        (SELECT id FROM session WHERE parent = $1 AND ended_at IS NULL ORDER BY used_at DESC, created_at DESC, id DESC LIMIT $3)";
    END_ON_ACCOUNT_ORIGIN = "UPDATE session SET ended_at = $2 WHERE account = $1 AND site IS NULL AND id <> $3 AND ended_at IS NULL";
    END_OTHERS = "UPDATE session SET ended_at = $2 WHERE account = $1 AND id <> $3 AND (parent IS NULL OR parent <> $3) \
        AND ended_at IS NULL RETURNING *";
    BY_ID = "SELECT * FROM session WHERE id = $1";
    BY_HASH = "SELECT * FROM session WHERE (secret_hash = $1 OR previous_hash = $1) AND ended_at IS NULL";
    TOUCH = "UPDATE session SET used_at = $2 WHERE id = $1 AND used_at < $2 AND ended_at IS NULL";
    ROTATE = "UPDATE session SET previous_hash = secret_hash, secret_hash = $3, generation = generation + 1, rotated_at = $4, \
        presented_at = NULL WHERE id = $1 AND generation = $2 AND ended_at IS NULL RETURNING id";
    IS_ROTATED = "SELECT id FROM session WHERE id = $1 AND generation = $2 + 1 AND secret_hash = $3 AND ended_at IS NULL";
    PRESENTED = "UPDATE session SET presented_at = $3 WHERE id = $1 AND generation = $2 AND presented_at IS NULL";
    END = "UPDATE session SET ended_at = $2 WHERE (id = $1 OR parent = $1) AND ended_at IS NULL RETURNING *";
    END_ALL = "UPDATE session SET ended_at = $2 WHERE account = $1 AND ended_at IS NULL RETURNING *";
    OF_ACCOUNT = "SELECT * FROM session WHERE account = $1 AND ended_at IS NULL ORDER BY used_at DESC, id LIMIT $2";
}
