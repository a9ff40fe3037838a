//! Proving an address, and the merge of two accounts that one person turns out to have.

use latchkey_entitlement::{AccountId, RevocationKind, SessionId, Timestamp};

use crate::{
    Store, StoreError, account,
    allotment::{self, Writer},
    attempt,
    database::{link::Link, value::args},
    external, grant, normalise_email, revocation, session,
};

/// How often proving starts anew when others prove the same address at the same moment.
const TRIES: u32 = 3;

/// Somebody has shown that they read mail to an address.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// The account that is to have it.
    pub account: &'a AccountId,
    /// The address.
    pub email: &'a str,
    /// The session on the account origin at which it was shown: it and the sites that were entered through it go on.
    pub here: Option<&'a SessionId>,
    /// Whether the account merely claims the address: nobody has shown that who used it reads this mail. What was paid for comes
    /// along, and what moderators decided about its comments does not.
    pub claim: bool,
}

impl<'a> Proof<'a> {
    /// Of an account that the letter was asked for, with no session to be kept.
    pub const fn new(account: &'a AccountId, email: &'a str) -> Self {
        Self {
            account,
            email,
            here: None,
            claim: false,
        }
    }
}

/// What proving an address did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProveOutcome {
    /// The account has the address now (or had it already).
    Proven,
    /// Another account had it, and has everything of this one now.
    MergedInto(AccountId),
    /// The account, or the one that took it over, has proven another address, or claims another one by now: nothing was changed. An
    /// address that was proven is never replaced.
    Elsewhere,
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
    /// JSON: the ids of what was moved, by table.
    pub moved: String,
    /// When.
    pub merged_at: Timestamp,
}

impl Store {
    /// Records that the person behind an account reads mail to an address; merges if another account has proven the same address.
    ///
    /// Who is signed in to an account that merely *claimed* an address may be somebody else who typed it. So the first proof ends
    /// its other sessions on the account origin, where money and addresses are, and every way back from a payment that was begun.
    /// Its sessions on sites stay, since the payer's other devices keep their pages; unless it is merged, has nothing, or another
    /// claimant has paid as well, so that it is not known which of them are the owner's.
    ///
    /// A merge moves Stripe customers, sessions, grants, checkout attempts and, unless it is a mere claim, standings to the account
    /// that had the address; logins for other addresses end. Its customers are marked dirty and their leases end, so that a sync
    /// under way cannot record for the old account. Devices whose pass says "nothing paid" are told to renew it. A merged account
    /// stands for the one that took it over.
    pub async fn prove_email(&self, proof: Proof<'_>, now: Timestamp) -> Result<ProveOutcome, StoreError> {
        let email = normalise_email(proof.email)?;
        let proof = Proof { email: &email, ..proof };
        for _ in 0..TRIES {
            let mut link = self.write().await?;
            if let Some(outcome) = prove(&mut link, proof, now).await? {
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
async fn prove(link: &mut Link, proof: Proof<'_>, now: Timestamp) -> Result<Option<ProveOutcome>, StoreError> {
    let Proof { account: id, email, .. } = proof;
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
        let proof = Proof {
            account: &keeper,
            ..proof
        };
        let outcome = Box::pin(prove(link, proof, now)).await?;
        return Ok(outcome.map(|outcome| match outcome {
            ProveOutcome::Proven => ProveOutcome::MergedInto(keeper),
            other => other,
        }));
    }
    if own.email_proven.or(own.email_unproven).is_some_and(|has| has != email) {
        return Ok(Some(ProveOutcome::Elsewhere));
    }
    match holder {
        Some(holder) if &holder == id => Ok(Some(ProveOutcome::Proven)),
        Some(_) if !holder_still_has_it => Ok(None),
        Some(holder) => {
            merge(link, proof, &holder, now).await?;
            Ok(Some(ProveOutcome::MergedInto(holder)))
        }
        None => first_proof(link, proof, now).await,
    }
}

async fn first_proof(link: &mut Link, proof: Proof<'_>, now: Timestamp) -> Result<Option<ProveOutcome>, StoreError> {
    let Proof { account: id, email, .. } = proof;
    // Before the index of proven addresses and the counter of revocations, as whoever grants to an address takes them.
    external::lock(link).await?;
    if link
        .execute_unless_duplicate(PROVE, args![id, email, now])
        .await?
        .is_none()
    {
        return Ok(None);
    }
    attempt::close_sign_ins(link, id, now).await?;
    // Sites go on for the sake of what was paid for there: not where there is nothing, nor where another one has paid too.
    if account::has_paid_claims(link, email).await? || !grant::any_live(link, id, now).await? {
        session::end_others(link, id, proof.here, now).await?;
    } else {
        session::end_on_account_origin(link, id, proof.here, now).await?;
    }
    external::claim(link, id, email, now).await?;
    Ok(Some(ProveOutcome::Proven))
}

async fn merge(link: &mut Link, proof: Proof<'_>, into: &AccountId, now: Timestamp) -> Result<(), StoreError> {
    let Proof {
        account: from, email, ..
    } = proof;
    attempt::close_sign_ins(link, from, now).await?;
    let had_something = grant::any_live(link, into, now).await? && grant::any_live(link, from, now).await?;
    session::end_others(link, from, proof.here, now).await?;
    account::end_other_logins(link, from, email, now).await?;
    let mut moved = serde_json::Map::new();
    // Customers first: a sync that holds one is waited for, and one that comes later finds its lease gone.
    for (table, sql) in [
        ("customer", MOVE_CUSTOMERS),
        ("session", MOVE_SESSIONS),
        ("standing", MOVE_STANDINGS),
        ("attempt", MOVE_ATTEMPTS),
        ("login", MOVE_LOGINS),
        ("account", MOVE_MERGED),
        ("external_grant", MOVE_EXTERNAL),
    ] {
        if table == "standing" && proof.claim {
            continue;
        }
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
    // Time that waited in one account may wait behind what was in the other one now.
    let writer = Writer {
        sync: None,
        name: from.as_str(),
        now,
    };
    let change = allotment::plan(link, into, (&[], None), |_| false, &writer).await?;
    allotment::write(link, &change, &writer).await?;
    if !had_something && grant::any_live(link, into, now).await? {
        let devices = session::of_account(link, into).await?;
        revocation::add_for(link, &devices, RevocationKind::Renew, now.seconds() + 1, now).await?;
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
    MOVE_EXTERNAL = "UPDATE external_grant SET account = $2 WHERE account = $1 RETURNING source || '/' || ref AS id";
    /// Accounts that were merged into this one are its successor's now.
    MOVE_MERGED = "UPDATE account SET merged_into = $2 WHERE merged_into = $1 RETURNING id";
}
