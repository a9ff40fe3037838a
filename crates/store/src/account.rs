//! Accounts and their e-mail addresses.

use latchkey_entitlement::{AccountId, Timestamp};

use crate::{
    Store, StoreError, capped,
    database::{link::Link, row::Row, value::args},
};

/// Longest address, in bytes (RFC 5321 section 4.5.3.1.3, less the angle brackets).
const MAX_EMAIL_LENGTH: usize = 254;
const TABLE: &str = "account";

/// A person; may exist before an address is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Identifier.
    pub id: AccountId,
    /// What was typed, and opens nothing.
    pub email_unproven: Option<String>,
    /// Whose mail box was shown to be theirs; at most one account has an address.
    pub email_proven: Option<String>,
    /// When.
    pub email_proven_at: Option<Timestamp>,
    /// The account that took everything over; this one is a sign-post since.
    pub merged_into: Option<AccountId>,
    /// When.
    pub merged_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An address as it is stored and compared: without white space around it and in lower case.
///
/// Refuses only what cannot be an address at all; whether mail arrives is shown by mail. Lower-casing the part before the `@` is
/// against the letter of RFC 5321 section 2.4, and what every mail provider does.
pub fn normalise_email(email: &str) -> Result<String, StoreError> {
    let email = email.trim().to_lowercase();
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';');
    let parts_fit = email.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !local.contains('@')
            && !domain.is_empty()
            && !domain.starts_with('.')
            && !domain.ends_with('.')
    });
    if parts_fit && email.len() <= MAX_EMAIL_LENGTH && !email.contains(odd) {
        Ok(email)
    } else {
        Err(StoreError::invalid(
            "that is not an e-mail address: `name@example.org`, at most 254 bytes",
        ))
    }
}

impl Store {
    /// Makes an account without an address; false if it existed.
    pub async fn create_account(&self, id: &AccountId, now: Timestamp) -> Result<bool, StoreError> {
        let mut link = self.write().await?;
        let new = link.execute(CREATE, args![id, now]).await? == 1;
        link.commit().await?;
        Ok(new)
    }

    /// One account, also a merged one: look at `merged_into`.
    pub async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.read()
            .await?
            .row(BY_ID, args![id])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// The account that has proven an address.
    pub async fn account_by_proven_email(&self, email: &str) -> Result<Option<Account>, StoreError> {
        let email = normalise_email(email)?;
        self.read()
            .await?
            .row(BY_PROVEN, args![email])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// Accounts that claim an address and have proven none: first those that have something at `now`, then those for which Stripe
    /// ever had something, and among equals the newest first, so that no number of idle claims hides a payer's.
    pub async fn claims_of(&self, email: &str, now: Timestamp, limit: u32) -> Result<Vec<Account>, StoreError> {
        let email = normalise_email(email)?;
        self.read()
            .await?
            .rows(CLAIMS, args![email, now, capped(limit)])
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Those of them for which Stripe ever had something, or that were ever granted something, oldest first. A Checkout that was
    /// begun is nothing.
    pub async fn paid_claims_of(&self, email: &str, limit: u32) -> Result<Vec<Account>, StoreError> {
        let email = normalise_email(email)?;
        self.read()
            .await?
            .rows(PAID_CLAIMS, args![email, capped(limit)])
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Keeps what was typed; false if there is no such account or it is merged. An address that this account has proven already
    /// is kept as proven only. A letter to another address proves nothing for the account from then on.
    pub async fn set_unproven_email(&self, id: &AccountId, email: &str, _now: Timestamp) -> Result<bool, StoreError> {
        let email = normalise_email(email)?;
        let mut link = self.write().await?;
        let changed = link.execute(SET_UNPROVEN, args![id, &email]).await? == 1;
        link.commit().await?;
        Ok(changed)
    }

    /// Accounts in the order of their ids, which is the order in which they were made; `after` turns the page.
    pub async fn list_accounts(&self, after: Option<&AccountId>, limit: u32) -> Result<Vec<Account>, StoreError> {
        let after = after.map_or("", AccountId::as_str);
        self.read()
            .await?
            .rows(LIST, args![after, capped(limit)])
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Accounts whose address, proven or not, begins with `start`: for the desk's search field.
    pub async fn accounts_by_email(&self, start: &str, limit: u32) -> Result<Vec<Account>, StoreError> {
        let start = start.trim().to_lowercase();
        let escaped = start.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let rows = self
            .read()
            .await?
            .rows(SEARCH, args![format!("{escaped}%"), capped(limit)])
            .await?;
        rows.iter().map(read).collect()
    }
}

/// Locks an account, or says that there is none that stands for itself. Whatever makes, moves or ends sessions of an account takes
/// this lock first, so that nothing slips in between; customers and the counter of revocations come after it.
pub(crate) async fn lock(link: &mut Link, id: &AccountId) -> Result<bool, StoreError> {
    link.any(LOCK, args![id]).await
}

/// Whether somebody who claims an address has paid.
pub(crate) async fn has_paid_claims(link: &mut Link, email: &str) -> Result<bool, StoreError> {
    link.any(PAID_CLAIMS, args![email, 1_u32]).await
}

/// Letters for an account to other addresses than `email` count no longer.
pub(crate) async fn end_other_logins(
    link: &mut Link,
    id: &AccountId,
    email: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    link.execute(END_OTHER_LOGINS, args![id, email, now]).await.map(drop)
}

pub(crate) fn read(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.parsed(TABLE, "id")?,
        email_unproven: row.maybe_text("email_unproven")?,
        email_proven: row.maybe_text("email_proven")?,
        email_proven_at: row.maybe_moment("email_proven_at")?,
        merged_into: row.maybe_parsed(TABLE, "merged_into")?,
        merged_at: row.maybe_moment("merged_at")?,
        created_at: row.moment("created_at")?,
    })
}

crate::statements! {
    LOCK = "UPDATE account SET created_at = created_at WHERE id = $1 AND merged_into IS NULL RETURNING id";
    CREATE = "INSERT INTO account (id, created_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    BY_ID = "SELECT * FROM account WHERE id = $1";
    BY_PROVEN = "SELECT * FROM account WHERE email_proven = $1";
    SET_UNPROVEN = "UPDATE account SET email_unproven = CASE WHEN email_proven = $2 THEN NULL ELSE $2 END \
        WHERE id = $1 AND merged_into IS NULL";
    CLAIMS = "SELECT account.* FROM account WHERE email_unproven = $1 AND email_proven IS NULL AND merged_into IS NULL \
        ORDER BY CASE WHEN EXISTS (SELECT 1 FROM account_grant WHERE account_grant.account = account.id AND superseded_at IS NULL \
        AND from_at <= $2 AND (until_at IS NULL OR until_at > $2)) THEN 0 \
        WHEN EXISTS (SELECT 1 FROM customer JOIN subscription ON subscription.customer = customer.id \
        WHERE customer.account = account.id) THEN 1 ELSE 2 END, created_at DESC, id DESC LIMIT $3";
    PAID_CLAIMS = "SELECT account.* FROM account WHERE email_unproven = $1 AND email_proven IS NULL AND merged_into IS NULL \
        AND (EXISTS (SELECT 1 FROM account_grant WHERE account_grant.account = account.id) \
        OR EXISTS (SELECT 1 FROM customer JOIN subscription ON subscription.customer = customer.id \
        WHERE customer.account = account.id)) ORDER BY created_at, id LIMIT $2";
    END_OTHER_LOGINS = "UPDATE login SET ended_at = $3 WHERE account = $1 AND email <> $2 AND ended_at IS NULL";
    LIST = "SELECT * FROM account WHERE id > $1 ORDER BY id LIMIT $2";
    SEARCH = "SELECT * FROM account WHERE email_proven LIKE $1 ESCAPE '\\' OR email_unproven LIKE $1 ESCAPE '\\' \
        ORDER BY id LIMIT $2";
}
