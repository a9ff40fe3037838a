//! Everything recorded about one reader, for explaining; and finding the reader by whatever a letter to support names.

use latchkey_billing::{
    Subscription,
    explain::{
        BegunPurchase, Device, GrantRecord, History, KnownAccount, KnownCustomer, Merge, Revoked, SeenEvent, SyncRun,
    },
};
use latchkey_entitlement::{AccountId, EventId, RevocationKind, Timestamp};

use crate::{
    Account, Store, StoreError, account,
    database::{link::Link, row::Row, value::args},
    grant, session, standing,
};

/// Most rows of each kind that an explanation reads; the newest are read, and it is said that there are older ones.
pub const MAX_HISTORY_ROWS: u32 = 500;
/// Most accounts that one explanation follows through merges.
const MAX_MERGES: u32 = 50;

impl Store {
    /// Everything recorded about an account and those that were merged into it; `None` if there is no such account. For a merged one it
    /// is the history of the account that stands for it.
    pub async fn history_of(&self, id: &AccountId) -> Result<Option<History>, StoreError> {
        let mut link = self.read().await?;
        let Some(mut found) = by_id(&mut link, id).await? else {
            return Ok(None);
        };
        if let Some(keeper) = found.merged_into.clone() {
            let Some(keeper) = by_id(&mut link, &keeper).await? else {
                return Ok(None);
            };
            found = keeper;
        }
        let mut history = History::of(known(&found));
        let account = found.id;
        let mut reading = Reading {
            link: &mut link,
            cut: vec![],
        };
        history.merges = reading.newest("merges", MERGES, &account, MAX_MERGES, merge).await?;
        let mut owners = vec![account.clone()];
        owners.extend(history.merges.iter().map(|merge| merge.from.clone()));
        for owner in &owners {
            let rows = reading
                .newest("grants", GRANTS, owner, MAX_HISTORY_ROWS, grant_record)
                .await?;
            history.grants.extend(rows);
        }
        history.grants.sort_by(|a, b| {
            (a.recorded_at, a.superseded_at.is_none(), &a.grant.id).cmp(&(
                b.recorded_at,
                b.superseded_at.is_none(),
                &b.grant.id,
            ))
        });
        history.syncs = reading
            .newest("syncs", SYNCS, &account, MAX_HISTORY_ROWS, sync_run)
            .await?;
        history.events = reading
            .newest("events", EVENTS, &account, MAX_HISTORY_ROWS, event)
            .await?;
        history.customers = reading
            .newest("customers", CUSTOMERS, &account, MAX_HISTORY_ROWS, customer)
            .await?;
        history.attempts = reading
            .newest("attempts", ATTEMPTS, &account, MAX_HISTORY_ROWS, attempt)
            .await?;
        history.standings = reading
            .newest("standings", STANDINGS, &account, MAX_HISTORY_ROWS, standing::read)
            .await?;
        history.devices = reading
            .newest("devices", SESSIONS, &account, MAX_HISTORY_ROWS, device)
            .await?;
        history.revocations = reading
            .newest("revocations", REVOCATIONS, &account, MAX_HISTORY_ROWS, revoked)
            .await?;
        let told = reading
            .newest("subscriptions", SUBSCRIPTIONS, &account, MAX_HISTORY_ROWS, told)
            .await?;
        history.subscriptions = told.into_iter().flatten().collect();
        history.alerts = reading
            .newest("alerts", ALERTS, &account, MAX_HISTORY_ROWS, alert)
            .await?;
        history.cut = reading.cut;
        Ok(Some(history))
    }

    /// The account of a Stripe subscription that was told at a sync.
    pub async fn account_of_subscription(&self, id: &str) -> Result<Option<AccountId>, StoreError> {
        let row = self.read().await?.row(OF_SUBSCRIPTION, args![id]).await?;
        Ok(row
            .map(|row| row.maybe_parsed("customer", "account"))
            .transpose()?
            .flatten())
    }
}

/// One history being read, over one connection.
struct Reading<'a> {
    link: &'a mut Link,
    cut: Vec<&'static str>,
}

impl Reading<'_> {
    /// The newest rows of a statement that gives them newest first, turned round; notes if there are more.
    async fn newest<T>(
        &mut self,
        list: &'static str,
        sql: &'static str,
        account: &AccountId,
        limit: u32,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = self.link.rows(sql, args![account, limit.saturating_add(1)]).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if rows.len() > limit {
            rows.truncate(limit);
            if !self.cut.contains(&list) {
                self.cut.push(list);
            }
        }
        rows.iter().rev().map(read).collect()
    }
}

async fn by_id(link: &mut Link, id: &AccountId) -> Result<Option<Account>, StoreError> {
    link.row(ACCOUNT, args![id])
        .await?
        .as_ref()
        .map(account::read)
        .transpose()
}

fn known(account: &Account) -> KnownAccount {
    KnownAccount {
        id: account.id.clone(),
        email_proven: account.email_proven.clone().zip(account.email_proven_at),
        email_unproven: account.email_unproven.clone(),
        created_at: account.created_at,
    }
}

fn merge(row: &Row) -> Result<Merge, StoreError> {
    Ok(Merge {
        from: row.parsed("account_merge", "from_account")?,
        into: row.parsed("account_merge", "into_account")?,
        created_at: row.maybe_moment("created_at")?,
        merged_at: row.moment("merged_at")?,
        moved: serde_json::from_str(&row.text("moved")?).unwrap_or_default(),
    })
}

fn alert(row: &Row) -> Result<(String, Timestamp), StoreError> {
    Ok((row.text("text")?, row.moment("raised_at")?))
}

fn grant_record(row: &Row) -> Result<GrantRecord, StoreError> {
    Ok(GrantRecord {
        grant: grant::read(row)?,
        customer: row.maybe_text("customer")?,
        recorded_at: row.moment("recorded_at")?,
        superseded_at: row.maybe_moment("superseded_at")?,
        opened_by: row.maybe_parsed("account_grant", "sync_id")?,
        closed_by: row.maybe_parsed("account_grant", "closed_sync_id")?,
    })
}

fn sync_run(row: &Row) -> Result<SyncRun, StoreError> {
    Ok(SyncRun {
        id: row.parsed::<EventId>("sync_run", "id")?,
        customer: row.text("customer")?,
        started_at: row.moment("started_at")?,
        committed_at: row.moment("committed_at")?,
    })
}

fn event(row: &Row) -> Result<SeenEvent, StoreError> {
    Ok(SeenEvent {
        id: row.text("id")?,
        kind: row.text("kind")?,
        customer: row.maybe_text("customer")?,
        state: row.text("state")?,
        error: row.maybe_text("error")?,
        received_at: row.moment("received_at")?,
        done_at: row.maybe_moment("done_at")?,
    })
}

fn customer(row: &Row) -> Result<KnownCustomer, StoreError> {
    Ok(KnownCustomer {
        id: row.text("id")?,
        livemode: row.bool("livemode")?,
        waits_since: row.maybe_moment("dirty_at")?,
        synced_at: row.maybe_moment("synced_at")?,
        deleted_at: row.maybe_moment("deleted_at")?,
    })
}

fn attempt(row: &Row) -> Result<BegunPurchase, StoreError> {
    Ok(BegunPurchase {
        id: row.parsed("attempt", "id")?,
        price: row.parsed("attempt", "price")?,
        stripe_session: row.maybe_text("stripe_session")?,
        created_at: row.moment("created_at")?,
        completed_at: row.maybe_moment("completed_at")?,
    })
}

fn device(row: &Row) -> Result<Device, StoreError> {
    let session = session::read(row)?;
    Ok(Device {
        id: session.id,
        site: session.site,
        label: session.label,
        created_at: session.created_at,
        used_at: session.used_at,
        ended_at: session.ended_at,
    })
}

fn revoked(row: &Row) -> Result<Revoked, StoreError> {
    Ok(Revoked {
        number: row.count("revocation", "number")?,
        session: row.parsed("revocation", "session")?,
        kind: row.word("revocation", "kind", RevocationKind::parse)?,
        at: row.moment("created_at")?,
    })
}

/// A subscription of another version's form is left out rather than hiding everything else.
fn told(row: &Row) -> Result<Option<(Subscription, Timestamp)>, StoreError> {
    let subscription = serde_json::from_str(&row.text("body")?).ok();
    Ok(subscription.zip(Some(row.moment("synced_at")?)))
}

crate::statements! {
    ACCOUNT = "SELECT * FROM account WHERE id = $1";
    MERGES = "SELECT account_merge.*, account.created_at FROM account_merge JOIN account ON account.id = account_merge.from_account \
        WHERE account_merge.into_account = $1 OR account.merged_into = $1 ORDER BY account_merge.merged_at DESC, from_account DESC LIMIT $2";
    GRANTS = "SELECT * FROM account_grant WHERE account = $1 ORDER BY recorded_at DESC, id DESC LIMIT $2";
    SYNCS = "SELECT sync_run.* FROM sync_run JOIN customer ON customer.id = sync_run.customer WHERE customer.account = $1 \
        ORDER BY sync_run.committed_at DESC, sync_run.id DESC LIMIT $2";
    EVENTS = "SELECT stripe_event.id, kind, stripe_event.customer, state, error, received_at, done_at FROM stripe_event \
        JOIN customer ON customer.id = stripe_event.customer WHERE customer.account = $1 \
        ORDER BY received_at DESC, stripe_event.id DESC LIMIT $2";
    CUSTOMERS = "SELECT * FROM customer WHERE account = $1 ORDER BY created_at DESC, id DESC LIMIT $2";
    ATTEMPTS = "SELECT * FROM attempt WHERE account = $1 ORDER BY created_at DESC, id DESC LIMIT $2";
    STANDINGS = "SELECT * FROM standing WHERE account = $1 ORDER BY from_at DESC, id DESC LIMIT $2";
    SESSIONS = "SELECT * FROM session WHERE account = $1 ORDER BY created_at DESC, id DESC LIMIT $2";
    REVOCATIONS = "SELECT revocation.* FROM revocation JOIN session ON session.id = revocation.session WHERE session.account = $1 \
        ORDER BY revocation.number DESC LIMIT $2";
    SUBSCRIPTIONS = "SELECT subscription.* FROM subscription JOIN customer ON customer.id = subscription.customer \
        WHERE customer.account = $1 ORDER BY subscription.synced_at DESC, subscription.id DESC LIMIT $2";
    ALERTS = "SELECT alert.* FROM alert JOIN customer ON customer.id = alert.customer WHERE customer.account = $1 \
        ORDER BY raised_at DESC, text DESC LIMIT $2";
    OF_SUBSCRIPTION = "SELECT customer.account FROM subscription JOIN customer ON customer.id = subscription.customer \
        WHERE subscription.id = $1";
}
