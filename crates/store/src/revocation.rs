//! Revocations: a feed of numbered entries. A number is seen only after every smaller one.

use latchkey_entitlement::{RevocationKind, SessionId, SiteId, Timestamp, policy::REVOCATION_LIFE};

use crate::{
    Session, Store, StoreError, capped,
    database::{link::Link, row::Row, value::args},
};

const TABLE: &str = "revocation";

/// A revocation to be made. What is `None` is any.
#[derive(Clone, Debug)]
pub struct NewRevocation {
    /// On this site.
    pub site: Option<SiteId>,
    /// The pass's subject.
    pub subject: Option<String>,
    /// The session.
    pub session: Option<SessionId>,
    /// What becomes of the passes.
    pub kind: RevocationKind,
    /// Passes issued before this moment, in seconds, are meant.
    pub not_before: i64,
    /// When no such pass can be alive any more.
    pub expires_at: Timestamp,
}

/// An entry of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRow {
    /// Its number; 1 is the first.
    pub number: u64,
    /// On this site.
    pub site: Option<SiteId>,
    /// The pass's subject.
    pub subject: Option<String>,
    /// The session.
    pub session: Option<SessionId>,
    /// What becomes of the passes.
    pub kind: RevocationKind,
    /// Passes issued before this moment, in seconds, are meant.
    pub not_before: i64,
    /// When it can be forgotten.
    pub expires_at: Timestamp,
}

impl Store {
    /// Adds an entry and answers with its number. One that names neither subject nor session is refused: it would sign everyone out.
    pub async fn revoke(&self, new: NewRevocation, now: Timestamp) -> Result<u64, StoreError> {
        if new.subject.is_none() && new.session.is_none() {
            return Err(StoreError::invalid("a revocation names a subject or a session"));
        }
        let mut link = self.write().await?;
        let number = add(&mut link, new, now).await?;
        link.commit().await?;
        Ok(number)
    }

    /// Revokes the passes that devices on sites were given before `not_before`, in seconds; all of them or none. Sessions of the
    /// account origin have no pass. Answers with how many devices that were.
    pub async fn revoke_passes_of(
        &self,
        sessions: &[Session],
        kind: RevocationKind,
        not_before: i64,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        if sessions.iter().all(|session| session.site.is_none()) {
            return Ok(0);
        }
        let mut link = self.write().await?;
        let devices = add_for(&mut link, sessions, kind, not_before, now).await?;
        link.commit().await?;
        Ok(devices)
    }

    /// The entries after a number, in order. Fewer than the limit (at most [`crate::MAX_ROWS`]) means that these are all.
    pub async fn revocations_after(&self, number: u64, limit: u32) -> Result<Vec<RevocationRow>, StoreError> {
        self.read()
            .await?
            .rows(AFTER, args![number, capped(limit)])
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// The number of the newest entry ever, 0 if there was none.
    pub async fn last_revocation(&self) -> Result<u64, StoreError> {
        self.read().await?.one(LAST, &[]).await?.count("counter", "value")
    }
}

/// Revokes what devices on sites were given before `not_before`; answers with how many devices that were.
pub(crate) async fn add_for(
    link: &mut Link,
    sessions: &[Session],
    kind: RevocationKind,
    not_before: i64,
    now: Timestamp,
) -> Result<u32, StoreError> {
    let mut devices: u32 = 0;
    for session in sessions.iter().filter(|session| session.site.is_some()) {
        let new = NewRevocation {
            site: session.site.clone(),
            subject: None,
            session: Some(session.id.clone()),
            kind,
            not_before,
            expires_at: now.plus(REVOCATION_LIFE),
        };
        add(link, new, now).await?;
        devices = devices.saturating_add(1);
    }
    Ok(devices)
}

async fn add(link: &mut Link, new: NewRevocation, now: Timestamp) -> Result<u64, StoreError> {
    let number: u64 = link.one(NUMBER, &[]).await?.count("counter", "value")?;
    let NewRevocation {
        site,
        subject,
        session,
        kind,
        not_before,
        expires_at,
    } = new;
    link.execute(
        ADD,
        args![
            number,
            site.as_ref(),
            subject,
            session.as_ref(),
            kind.as_str(),
            not_before,
            now,
            expires_at
        ],
    )
    .await?;
    Ok(number)
}

fn read(row: &Row) -> Result<RevocationRow, StoreError> {
    Ok(RevocationRow {
        number: row.count(TABLE, "number")?,
        site: row.maybe_parsed(TABLE, "site")?,
        subject: row.maybe_text("subject")?,
        session: row.maybe_parsed(TABLE, "session")?,
        kind: row.word(TABLE, "kind", RevocationKind::parse)?,
        not_before: row.int("not_before")?,
        expires_at: row.moment("expires_at")?,
    })
}

crate::statements! {
    NUMBER = "UPDATE counter SET value = value + 1 WHERE name = 'revocation' RETURNING value";
    LAST = "SELECT value FROM counter WHERE name = 'revocation'";
    ADD = "INSERT INTO revocation (number, site, subject, session, kind, not_before, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    AFTER = "SELECT * FROM revocation WHERE number > $1 ORDER BY number LIMIT $2";
}
