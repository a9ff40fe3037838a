//! Signing in by mail: a link and a typed code, each of them once, and only the newest ones that a browser asked for.

use latchkey_entitlement::{AccountId, EventId, Timestamp};

use crate::{
    Hash, Store, StoreError,
    database::{row::Row, value::args},
    normalise_email,
};

const TABLE: &str = "login";

/// A login to be made.
#[derive(Clone, Debug)]
pub struct NewLogin {
    /// Identifier.
    pub id: EventId,
    /// The account that will be signed in; proving the address may merge it.
    pub account: AccountId,
    /// Where the link and the code are sent.
    pub email: String,
    /// Hash of the link's secret.
    pub link_hash: Hash,
    /// Hash of the typed code.
    pub code_hash: Hash,
    /// Hash of the nonce of the browser that asked: the code works only there.
    pub browser_hash: Hash,
    /// Where to go afterwards.
    pub return_to: String,
    /// The present.
    pub now: Timestamp,
    /// First moment at which it does not work any more.
    pub expires_at: Timestamp,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Identifier.
    pub id: EventId,
    /// The account.
    pub account: AccountId,
    /// The address that using it proves.
    pub email: String,
    /// Hash of the nonce of the browser that asked.
    pub browser_hash: Hash,
    /// Where to go afterwards.
    pub return_to: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What became of a typed code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeOutcome {
    /// Right; it is used up now.
    Accepted(Login),
    /// Wrong, with so many tries left.
    Wrong {
        /// Tries left; at 0 the code is dead, the link still works.
        left: u32,
    },
    /// There is no code for this browser any more: used, out of time, out of tries, replaced, or never asked for.
    Spent,
}

impl Store {
    /// Records a login; earlier ones that the same browser asked for end. Those of other browsers stay: who asks in somebody
    /// else's name must not end the owner's letter.
    pub async fn create_login(&self, new: NewLogin) -> Result<(), StoreError> {
        let email = normalise_email(&new.email)?;
        // Two requests of one browser at once: the loser of the unique index ends the winner's and comes after it.
        for _ in 0..3 {
            let mut link = self.write().await?;
            link.execute(END_EARLIER, args![&new.browser_hash, new.now]).await?;
            let args = args![
                &new.id,
                &new.account,
                &email,
                &new.link_hash,
                &new.code_hash,
                &new.browser_hash,
                &new.return_to,
                new.now,
                new.expires_at
            ];
            if link.execute(CREATE, args).await? == 1 {
                return link.commit().await;
            }
        }
        Err(StoreError::Unavailable {
            what: "many logins of one browser at once".to_owned(),
        })
    }

    /// The live login of a link. Uses nothing up: for the page that asks before it signs in.
    pub async fn login_by_link(&self, link_hash: &Hash, now: Timestamp) -> Result<Option<Login>, StoreError> {
        self.read()
            .await?
            .row(BY_LINK, args![link_hash, now])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// Uses a link up. Of several calls at once one gets it.
    pub async fn consume_login_link(&self, link_hash: &Hash, now: Timestamp) -> Result<Option<Login>, StoreError> {
        let mut link = self.write().await?;
        let login = link
            .row(CONSUME, args![link_hash, now])
            .await?
            .as_ref()
            .map(read)
            .transpose()?;
        link.commit().await?;
        Ok(login)
    }

    /// Tries a typed code against the newest login that this browser asked for. Each try counts, however many come at once.
    pub async fn try_login_code(
        &self,
        browser_hash: &Hash,
        code_hash: &Hash,
        now: Timestamp,
        max_tries: u32,
    ) -> Result<CodeOutcome, StoreError> {
        let mut link = self.write().await?;
        let Some(row) = link.row(TRY, args![browser_hash, now, max_tries]).await? else {
            return Ok(CodeOutcome::Spent);
        };
        let login = read(&row)?;
        let outcome = if &row.hash(TABLE, "code_hash")? == code_hash {
            link.execute(END, args![&login.id, now]).await?;
            CodeOutcome::Accepted(login)
        } else {
            CodeOutcome::Wrong {
                left: max_tries.saturating_sub(row.count(TABLE, "tries")?),
            }
        };
        link.commit().await?;
        Ok(outcome)
    }
}

fn read(row: &Row) -> Result<Login, StoreError> {
    Ok(Login {
        id: row.parsed(TABLE, "id")?,
        account: row.parsed(TABLE, "account")?,
        email: row.text("email")?,
        browser_hash: row.hash(TABLE, "browser_hash")?,
        return_to: row.text("return_to")?,
        created_at: row.moment("created_at")?,
        expires_at: row.moment("expires_at")?,
    })
}

crate::statements! {
    END_EARLIER = "UPDATE login SET ended_at = $2 WHERE browser_hash = $1 AND ended_at IS NULL";
    CREATE = "INSERT INTO login (id, account, email, link_hash, code_hash, browser_hash, return_to, tries, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9) ON CONFLICT (browser_hash) WHERE ended_at IS NULL DO NOTHING";
    BY_LINK = "SELECT * FROM login WHERE link_hash = $1 AND ended_at IS NULL AND expires_at > $2";
    CONSUME = "UPDATE login SET ended_at = $2 WHERE link_hash = $1 AND ended_at IS NULL AND expires_at > $2 RETURNING *";
    TRY = "UPDATE login SET tries = tries + 1 WHERE id = (SELECT id FROM login WHERE browser_hash = $1 \
        ORDER BY created_at DESC, id DESC LIMIT 1) AND ended_at IS NULL AND expires_at > $2 AND tries < $3 RETURNING *";
    END = "UPDATE login SET ended_at = $2 WHERE id = $1";
}
