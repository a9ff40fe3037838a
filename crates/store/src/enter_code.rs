//! Enter codes: how a session reaches a site's host. Bound to the host and to a nonce in the browser there.

use latchkey_entitlement::{AccountId, SessionId, SiteId, Timestamp};

use crate::{Hash, Store, StoreError, database::value::args};

const TABLE: &str = "enter_code";

/// A code to be made.
#[derive(Clone, Debug)]
pub struct NewEnterCode {
    /// Hash of the code.
    pub code_hash: Hash,
    /// The session on the account origin.
    pub account_session: SessionId,
    /// Its account.
    pub account: AccountId,
    /// The site that is entered.
    pub site: SiteId,
    /// The host, with port if it has one.
    pub host: String,
    /// Hash of the nonce that the host gave the browser.
    pub nonce_hash: Hash,
    /// The present.
    pub now: Timestamp,
    /// First moment at which it does not work any more.
    pub expires_at: Timestamp,
}

/// What a code stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnterCode {
    /// The session on the account origin, which is live.
    pub account_session: SessionId,
    /// Its account.
    pub account: AccountId,
    /// The site.
    pub site: SiteId,
    /// The host.
    pub host: String,
}

impl Store {
    /// Records a code. Refused if the session has ended or is not that account's.
    pub async fn create_enter_code(&self, new: NewEnterCode) -> Result<(), StoreError> {
        let mut link = self.write().await?;
        let account = match link.row(SESSION, args![&new.account_session]).await? {
            Some(session) => Some(session.parsed::<AccountId>("session", "account")?),
            None => None,
        };
        if account != Some(new.account) {
            return Err(StoreError::invalid("the session has ended: sign in again"));
        }
        let args = args![
            &new.code_hash,
            &new.account_session,
            &new.site,
            new.host,
            &new.nonce_hash,
            new.now,
            new.expires_at
        ];
        link.execute(CREATE, args).await?;
        link.commit().await
    }

    /// Uses a code up, if host and nonce are those it was made for and its session is live. Of several calls at once one gets it.
    pub async fn consume_enter_code(
        &self,
        code_hash: &Hash,
        host: &str,
        nonce_hash: &Hash,
        now: Timestamp,
    ) -> Result<Option<EnterCode>, StoreError> {
        let mut link = self.write().await?;
        let Some(row) = link.row(CONSUME, args![code_hash, host, nonce_hash, now]).await? else {
            return Ok(None);
        };
        let account_session: SessionId = row.parsed(TABLE, "account_session")?;
        let session = link.row(SESSION, args![&account_session]).await?;
        let code = match session {
            Some(session) => Some(EnterCode {
                account: session.parsed("session", "account")?,
                site: row.parsed(TABLE, "site")?,
                host: row.text("host")?,
                account_session,
            }),
            None => None,
        };
        link.commit().await?;
        Ok(code)
    }
}

crate::statements! {
    CREATE = "INSERT INTO enter_code (code_hash, account_session, site, host, nonce_hash, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    CONSUME = "UPDATE enter_code SET used_at = $4 WHERE code_hash = $1 AND host = $2 AND nonce_hash = $3 AND used_at IS NULL \
        AND expires_at > $4 RETURNING *";
    SESSION = "SELECT account FROM session WHERE id = $1 AND ended_at IS NULL";
}
