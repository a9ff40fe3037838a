//! Standing: moderators' decisions about a reader's comments.

use latchkey_entitlement::{AccountId, SiteId, Standing, StandingKind, Timestamp};

use crate::{
    MAX_ROWS, Store, StoreError,
    database::{row::Row, value::args},
};

const TABLE: &str = "standing";

impl Store {
    /// Records a decision.
    pub async fn add_standing(&self, standing: &Standing) -> Result<(), StoreError> {
        let Standing {
            id,
            account,
            site,
            kind,
            reason,
            moderator,
            from,
            until,
        } = standing;
        let mut link = self.write().await?;
        link.execute(
            ADD,
            args![
                id,
                account,
                site.as_ref(),
                kind.as_str(),
                reason,
                moderator,
                *from,
                *until
            ],
        )
        .await?;
        link.commit().await
    }

    /// Ends what counts now or later: on one site (what counts on every site stays), or with `None` everything. How many ended.
    pub async fn lift_standings(
        &self,
        account: &AccountId,
        site: Option<&SiteId>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut link = self.write().await?;
        let lifted = match site {
            Some(site) => link.execute(LIFT_ON_SITE, args![account, now, site]).await?,
            None => link.execute(LIFT, args![account, now]).await?,
        };
        link.commit().await?;
        Ok(lifted)
    }

    /// All decisions about an account, past ones too, newest first. One that was lifted ends when it was lifted.
    pub async fn standings_of(&self, account: &AccountId) -> Result<Vec<Standing>, StoreError> {
        self.read()
            .await?
            .rows(OF_ACCOUNT, args![account, i64::from(MAX_ROWS)])
            .await?
            .iter()
            .map(read)
            .collect()
    }
}

pub(crate) fn read(row: &Row) -> Result<Standing, StoreError> {
    let (until, lifted) = (row.maybe_moment("until_at")?, row.maybe_moment("lifted_at")?);
    Ok(Standing {
        id: row.parsed(TABLE, "id")?,
        account: row.parsed(TABLE, "account")?,
        site: row.maybe_parsed(TABLE, "site")?,
        kind: row.word(TABLE, "kind", StandingKind::parse)?,
        reason: row.text("reason")?,
        moderator: row.text("moderator")?,
        from: row.moment("from_at")?,
        until: until.into_iter().chain(lifted).min(),
    })
}

crate::statements! {
    ADD = "INSERT INTO standing (id, account, site, kind, reason, moderator, from_at, until_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    LIFT = "UPDATE standing SET lifted_at = $2 WHERE account = $1 AND lifted_at IS NULL AND (until_at IS NULL OR until_at > $2)";
    LIFT_ON_SITE = "UPDATE standing SET lifted_at = $2 WHERE account = $1 AND site = $3 AND lifted_at IS NULL \
        AND (until_at IS NULL OR until_at > $2)";
    OF_ACCOUNT = "SELECT * FROM standing WHERE account = $1 ORDER BY from_at DESC, id DESC LIMIT $2";
}
