//! Proving an address, and the merge of two accounts that one person turns out to have.

use latchkey_entitlement::{AccountId, RevocationKind, Timestamp};

use crate::{
    Store, StoreError, account, attempt,
    database::{link::Link, value::args},
    grant, normalise_email, revocation, session,
};

/// How often proving starts anew when others prove the same address at the same moment.
const TRIES: u32 = 3;

/// What proving an address did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProveOutcome {
    /// The account has the address now (or had it already).
    Proven,
    /// Another account had it, and has everything of this one now.
    MergedInto(AccountId),
}

/// The record of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountMerge {
    /// The account that was emptied.
    pub from: AccountId,
    /// The account that has its things.
    pub into: AccountId,
    /// The address that showed that both are one person's.
    pub email: String,
    /// JSON: the ids of what was moved, by table, and the address that `from` had proven.
    pub moved: String,
    /// When.
    pub merged_at: Timestamp,
}

impl Store {
    /// Records that the person behind `account` reads mail to `email`; merges if another account has proven the same address.
    ///
    /// A merge moves Stripe customers, sessions, grants, standings, checkout attempts and logins to the account that had the
    /// address. Its customers are marked dirty and their leases end, so that a sync under way cannot record for the old account.
    /// If the address's account had nothing before and has something now, its devices on sites are told to renew their passes.
    /// A merged `account` stands for the one that took it over.
    pub async fn prove_email(
        &self,
        account: &AccountId,
        email: &str,
        now: Timestamp,
    ) -> Result<ProveOutcome, StoreError> {
        let email = normalise_email(email)?;
        for _ in 0..TRIES {
            let mut link = self.write().await?;
            if let Some(outcome) = prove(&mut link, account, &email, now).await? {
                link.commit().await?;
                return Ok(outcome);
            }
            // Somebody proved the address between our look and our write: the transaction is gone, the next one sees it.
        }
        Err(StoreError::Unavailable {
            what: "an address is being proven by several requests at once".to_owned(),
        })
    }

    /// The merges that an account has taken over, oldest first.
    pub async fn merges_into(&self, account: &AccountId) -> Result<Vec<AccountMerge>, StoreError> {
        let rows = self
            .read()
            .await?
            .rows(MERGES, args![account, i64::from(crate::MAX_ROWS)])
            .await?;
        let read = rows.iter().map(|row| {
            Ok(AccountMerge {
                from: row.parsed("account_merge", "from_account")?,
                into: row.parsed("account_merge", "into_account")?,
                email: row.text("email")?,
                moved: row.text("moved")?,
                merged_at: row.moment("merged_at")?,
            })
        });
        read.collect()
    }
}

/// `None` if another transaction has proven the address meanwhile.
async fn prove(
    link: &mut Link,
    id: &AccountId,
    email: &str,
    now: Timestamp,
) -> Result<Option<ProveOutcome>, StoreError> {
    let holder = match link.row(HOLDER, args![email]).await? {
        Some(row) => Some(row.parsed::<AccountId>("account", "id")?),
        None => None,
    };
    // Locks in the order of ids, so that two merges cannot wait for each other.
    let mut ids: Vec<&AccountId> = holder.iter().chain([id]).collect();
    ids.sort();
    ids.dedup();
    let mut own = None;
    let mut holder_still_has_it = false;
    for locked in ids {
        if let Some(row) = link.row(LOCK, args![locked]).await? {
            let found = account::read(&row)?;
            holder_still_has_it |= found.email_proven.as_deref() == Some(email);
            if &found.id == id {
                own = Some(found);
            }
        }
    }
    let Some(own) = own else {
        return Err(StoreError::invalid("no such account"));
    };
    if let Some(keeper) = own.merged_into {
        // Merged already: what is asked for that account is asked for its successor, which is never merged itself without
        // this row being pointed onwards.
        return Box::pin(prove(link, &keeper, email, now)).await.map(|outcome| {
            outcome.map(|outcome| {
                if outcome == ProveOutcome::Proven {
                    ProveOutcome::MergedInto(keeper)
                } else {
                    outcome
                }
            })
        });
    }
    match holder {
        Some(holder) if &holder == id => Ok(Some(ProveOutcome::Proven)),
        Some(_) if !holder_still_has_it => Ok(None),
        Some(holder) => {
            merge(link, id, &holder, email, own.email_proven, now).await?;
            Ok(Some(ProveOutcome::MergedInto(holder)))
        }
        None => {
            let proven = link.execute_unless_duplicate(PROVE, args![id, email, now]).await?;
            if proven.is_some() && own.email_proven.as_deref() != Some(email) {
                attempt::close_sign_ins(link, id, now).await?;
            }
            Ok(proven.map(|_| ProveOutcome::Proven))
        }
    }
}

async fn merge(
    link: &mut Link,
    from: &AccountId,
    into: &AccountId,
    email: &str,
    from_email: Option<String>,
    now: Timestamp,
) -> Result<(), StoreError> {
    attempt::close_sign_ins(link, from, now).await?;
    let had_something = grant::any_live(link, into, now).await?;
    let mut moved = serde_json::Map::new();
    moved.insert("email_proven".to_owned(), from_email.into());
    // Customers first: a sync that holds one is waited for, and one that comes later finds its lease gone.
    for (table, sql) in [
        ("customer", MOVE_CUSTOMERS),
        ("session", MOVE_SESSIONS),
        ("standing", MOVE_STANDINGS),
        ("attempt", MOVE_ATTEMPTS),
        ("login", MOVE_LOGINS),
        ("account", MOVE_MERGED),
    ] {
        let args: &[_] = if table == "customer" {
            args![from, into, now]
        } else {
            args![from, into]
        };
        let rows = link.rows(sql, args).await?;
        let ids: Vec<String> = rows.iter().map(|row| row.text("id")).collect::<Result<_, _>>()?;
        moved.insert(table.to_owned(), ids.into());
    }
    let grants = grant::move_all(link, from, into, now).await?;
    moved.insert("account_grant".to_owned(), grants.into());
    if !had_something && grant::any_live(link, into, now).await? {
        let devices = session::of_account(link, into).await?;
        revocation::add_for(link, &devices, RevocationKind::Renew, now.seconds(), now).await?;
    }
    link.execute(EMPTY, args![from, into, now]).await?;
    let moved = serde_json::Value::Object(moved).to_string();
    link.execute(RECORD, args![from, into, email, moved, now]).await?;
    Ok(())
}

crate::statements! {
    HOLDER = "SELECT id FROM account WHERE email_proven = $1";
    LOCK = "UPDATE account SET created_at = created_at WHERE id = $1 RETURNING *";
    PROVE = "UPDATE account SET email_proven = $2, email_proven_at = $3, \
        email_unproven = CASE WHEN email_unproven = $2 THEN NULL ELSE email_unproven END WHERE id = $1";
    EMPTY = "UPDATE account SET merged_into = $2, merged_at = $3, email_proven = NULL, email_proven_at = NULL, \
        email_unproven = NULL WHERE id = $1";
    RECORD = "INSERT INTO account_merge (from_account, into_account, email, moved, merged_at) VALUES ($1, $2, $3, $4, $5)";
    MERGES = "SELECT * FROM account_merge WHERE into_account = $1 ORDER BY merged_at, from_account LIMIT $2";
    MOVE_CUSTOMERS = "UPDATE customer SET account = $2, lease_owner = NULL, lease_until = NULL, dirty_mark = dirty_mark + 1, \
        dirty_at = CASE WHEN dirty_at < $3 THEN dirty_at ELSE $3 END WHERE account = $1 RETURNING id";
    MOVE_SESSIONS = "UPDATE session SET account = $2 WHERE account = $1 RETURNING id";
    MOVE_STANDINGS = "UPDATE standing SET account = $2 WHERE account = $1 RETURNING id";
    MOVE_ATTEMPTS = "UPDATE attempt SET account = $2 WHERE account = $1 RETURNING id";
    MOVE_LOGINS = "UPDATE login SET account = $2 WHERE account = $1 RETURNING id";
    /// Accounts that were merged into this one are its successor's now.
    MOVE_MERGED = "UPDATE account SET merged_into = $2 WHERE merged_into = $1 RETURNING id";
}
