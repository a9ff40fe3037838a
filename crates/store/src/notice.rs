//! Letters about a purchase: planned by a sync, in the transaction that records it, and handed to the outbox once their day has come.
//!
//! There is one row for each kind and cause, for ever: what was posted is never posted again. What a later sync does not ask for any more
//! is withdrawn, and planned again if one does.

use latchkey_billing::{Notice, NoticeFacts, NoticeKind};
use latchkey_entitlement::{AccountId, Timestamp};

use crate::{
    Store, StoreError, capped,
    database::{link::Link, row::Row, value::args},
    outbox,
    sync_commit::SyncCommit,
};

const TABLE: &str = "notice";

/// Kind of the outbox's effect that sends a notice; its payload is the notice's id.
pub const NOTICE_EFFECT: &str = "notice";

/// A notice to be written to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedNotice {
    /// To whom; `None` if the customer is nobody's any more.
    pub account: Option<AccountId>,
    /// What it is about.
    pub kind: NoticeKind,
    /// What it says.
    pub facts: NoticeFacts,
}

impl Store {
    /// Hands notices whose day has come to the outbox, oldest first and at most `limit`; those whose day was before `latest` are
    /// withdrawn instead. Of several servers at once one posts each. Gives how many were posted.
    pub async fn post_notices(&self, now: Timestamp, latest: Timestamp, limit: u32) -> Result<u64, StoreError> {
        if !self.read().await?.any(ANY_DUE, args![now]).await? {
            return Ok(0);
        }
        let mut link = self.write().await?;
        link.execute(FORGET_LATE, args![latest]).await?;
        let rows = link.rows(POST, args![now, capped(limit)]).await?;
        for row in &rows {
            outbox::add(&mut link, NOTICE_EFFECT, &row.text("id")?, now).await?;
        }
        link.commit().await?;
        Ok(rows.len() as u64)
    }

    /// A notice that was posted.
    pub async fn posted_notice(&self, id: &str) -> Result<Option<PostedNotice>, StoreError> {
        let row = self.read().await?.row(POSTED, args![id]).await?;
        row.as_ref().map(read).transpose()
    }

    /// When the next notice of each kind is due for an account, for showing and for tests: kind, cause and day, in order of the day.
    pub async fn planned_notices(
        &self,
        account: &AccountId,
    ) -> Result<Vec<(NoticeKind, String, Timestamp)>, StoreError> {
        let rows = self.read().await?.rows(PLANNED, args![account]).await?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.word(TABLE, "kind", NoticeKind::parse)?,
                    row.text("cause")?,
                    row.moment("due_at")?,
                ))
            })
            .collect()
    }
}

/// Plans what a sync asks for, and withdraws what it does not ask for any more.
pub(crate) async fn plan(link: &mut Link, commit: &SyncCommit) -> Result<(), StoreError> {
    let wanted = |kind: &str, cause: &str| {
        commit
            .notices
            .iter()
            .any(|notice| notice.kind.as_str() == kind && notice.cause == cause)
    };
    for row in link.rows(PLANNED_OF, args![&commit.customer]).await? {
        if !wanted(&row.text("kind")?, &row.text("cause")?) {
            link.execute(WITHDRAW, args![row.text("id")?]).await?;
        }
    }
    for notice in &commit.notices {
        let Notice {
            kind,
            cause,
            due_at,
            facts,
        } = notice;
        let facts = serde_json::to_string(facts)
            .map_err(|error| StoreError::invalid(format!("a notice cannot be stored: {error}")))?;
        let id = format!("{}.{}.{cause}", commit.customer, kind.as_str());
        let args = args![
            id,
            &commit.customer,
            commit.livemode,
            kind.as_str(),
            cause,
            facts,
            *due_at,
            commit.now
        ];
        link.execute(PLAN, args).await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<PostedNotice, StoreError> {
    Ok(PostedNotice {
        account: row.maybe_parsed(TABLE, "account")?,
        kind: row.word(TABLE, "kind", NoticeKind::parse)?,
        facts: row.word(TABLE, "facts", |facts| serde_json::from_str(facts).ok())?,
    })
}

crate::statements! {
    ANY_DUE = "SELECT 1 AS one FROM notice WHERE state = 'planned' AND due_at <= $1 LIMIT 1";
    FORGET_LATE = "UPDATE notice SET state = 'withdrawn' WHERE state = 'planned' AND due_at < $1";
    POST = "UPDATE notice SET state = 'posted', posted_at = $1 WHERE state = 'planned' AND due_at <= $1 AND id IN \
        (SELECT id FROM notice WHERE state = 'planned' AND due_at <= $1 ORDER BY due_at, id LIMIT $2) RETURNING id";
    POSTED = "SELECT notice.kind, notice.facts, customer.account FROM notice JOIN customer ON customer.id = notice.customer \
        WHERE notice.id = $1 AND notice.state = 'posted'";
    PLANNED = "SELECT kind, cause, due_at FROM notice WHERE state = 'planned' AND customer IN \
        (SELECT id FROM customer WHERE account = $1) ORDER BY due_at, kind, cause";
    PLANNED_OF = "SELECT id, kind, cause FROM notice WHERE state = 'planned' AND customer = $1";
    WITHDRAW = "UPDATE notice SET state = 'withdrawn' WHERE id = $1 AND state = 'planned'";
    /// A day that has come stays, so that reading again does not put it off.
    PLAN = "INSERT INTO notice (id, customer, livemode, kind, cause, facts, due_at, state, planned_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'planned', $8) ON CONFLICT (customer, kind, cause) DO UPDATE SET \
        facts = $6, state = 'planned', due_at = CASE WHEN notice.state = 'planned' AND notice.due_at <= $8 THEN notice.due_at ELSE $7 END \
        WHERE notice.state <> 'posted'";
}
