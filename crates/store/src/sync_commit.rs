//! The end of a sync: what follows from Stripe's state, recorded in one transaction.

use std::collections::BTreeSet;

use latchkey_billing::{Invoice, Notice};
use latchkey_entitlement::{AccountId, EventId, Grant, Timestamp};

use crate::{
    MAX_ROWS, Store, StoreError,
    allotment::{self, Writer},
    capped,
    database::{link::Link, row::Row, value::args},
    divergence,
    grant::{self, Recorded},
    inbox, invoice, notice,
    offer::{self, TrialUse},
    outbox::{self, NewEffect},
};

/// All that one sync has found out and wants recorded.
#[derive(Clone, Debug)]
pub struct SyncCommit {
    /// Identifier of this sync.
    pub sync_id: EventId,
    /// The Stripe customer.
    pub customer: String,
    /// Whose lease on it was taken before Stripe was read.
    pub owner: String,
    /// The account that the customer belongs to.
    pub account: AccountId,
    /// Whether the customer is of Stripe's live mode.
    pub livemode: bool,
    /// When the sync began.
    pub started_at: Timestamp,
    /// The present.
    pub now: Timestamp,
    /// Every grant that follows from this customer, of whichever account.
    pub wanted: Vec<Grant>,
    /// Events that were pending before Stripe was read.
    pub events_done: Vec<String>,
    /// The customer's subscriptions, for showing.
    pub mirror: Vec<SubscriptionRow>,
    /// Those of the customer's invoices that were read.
    pub invoices: Vec<Invoice>,
    /// Letters that the customer's state asks for.
    pub notices: Vec<Notice>,
    /// What an operator should look at; alerts of this customer that are not among them end.
    pub alerts: Vec<String>,
    /// Effects to be stored with their cause.
    pub effects: Vec<NewEffect>,
    /// Whether the customer was deleted in Stripe, which is for ever.
    pub deleted: bool,
    /// Offers that are in force, each with its subscription.
    pub offers: Vec<(EventId, String)>,
    /// Trials that were begun.
    pub trials: Vec<TrialUse>,
}

/// A subscription as Stripe told it last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Stripe's id.
    pub id: String,
    /// Stripe's word.
    pub status: String,
    /// Whether it is of Stripe's live mode.
    pub livemode: bool,
    /// JSON.
    pub body: String,
    /// Why it gives nothing although it lives, in a word.
    pub note: Option<String>,
}

/// What a sync changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncDone {
    /// Grants that were recorded.
    pub opened: Vec<Grant>,
    /// Grants that do not count any more, or were replaced by one in `opened`.
    pub closed: Vec<Grant>,
    /// How many stayed as they were.
    pub unchanged: u32,
    /// Whether the customer was marked dirty during the sync, and waits for another one.
    pub still_dirty: bool,
    /// How many devices must fetch a new pass.
    pub devices_renewed: u32,
}

/// Something an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The Stripe customer it is about.
    pub customer: String,
    /// What it is.
    pub text: String,
    /// When it was first seen.
    pub raised_at: Timestamp,
}

impl Store {
    /// Records a sync and gives its lease back, in one transaction.
    ///
    /// Refused with [`StoreError::LeaseLost`], and nothing is changed, if the lease is not `owner`'s any more or if the customer
    /// belongs to another account than the one that was synced for. The same facts again change nothing. The customer is clean
    /// afterwards, unless it was marked dirty since the lease was taken.
    ///
    /// What the account has bought as a length of time is laid out anew around what the sync changes, whichever customer or source it
    /// comes from: so that a renewal which one customer's sync sees moves the whole account's queue.
    ///
    /// Where an account begins or ceases to have anything, every pass that its devices on sites were given before is revoked with
    /// it: such a pass says "nothing paid", or what ended before its time, and would go on saying so for its whole life. Not where
    /// it has something before and after, since whoever has something must not depend on the server for keeping it.
    pub async fn commit_sync(&self, commit: SyncCommit) -> Result<SyncDone, StoreError> {
        check_references(&commit.wanted)?;
        let mut link = self.write().await?;
        // The accounts in the order of their ids and then the customer, as a merge does: everything after them is decided alone.
        let mut accounts: BTreeSet<AccountId> = commit.wanted.iter().map(|grant| grant.account.clone()).collect();
        accounts.insert(commit.account.clone());
        accounts.extend(grant::accounts_of_customer(&mut link, &commit.customer).await?);
        for account in &accounts {
            link.execute(LOCK_ACCOUNT, args![account]).await?;
        }
        let taken = link
            .row(
                FINISH,
                args![
                    &commit.customer,
                    &commit.owner,
                    &commit.account,
                    commit.now,
                    commit.deleted
                ],
            )
            .await?;
        let Some(taken) = taken else {
            return Err(StoreError::LeaseLost {
                customer: commit.customer,
            });
        };
        let mut done = SyncDone {
            still_dirty: taken.maybe_moment("dirty_at")?.is_some(),
            ..SyncDone::default()
        };

        write_grants(&mut link, &commit, &accounts, &mut done).await?;
        write_mirror(&mut link, &commit).await?;
        for one in &commit.invoices {
            invoice::put(&mut link, &commit.customer, one, commit.started_at).await?;
        }
        divergence::repaired(&mut link, &commit.customer, commit.now).await?;
        write_alerts(&mut link, &commit).await?;
        notice::plan(&mut link, &commit).await?;
        let (offers, trials) = (&commit.offers, &commit.trials);
        offer::note(&mut link, &commit.account, commit.livemode, offers, trials, commit.now).await?;
        inbox::done(&mut link, &commit.events_done, commit.now).await?;
        for effect in &commit.effects {
            outbox::add_new(&mut link, effect, commit.now).await?;
        }
        link.commit().await?;
        Ok(done)
    }

    /// The subscriptions of an account, as Stripe told them at the last sync.
    pub async fn subscriptions_of(&self, account: &AccountId) -> Result<Vec<SubscriptionRow>, StoreError> {
        let rows = self
            .read()
            .await?
            .rows(SUBSCRIPTIONS, args![account, i64::from(MAX_ROWS)])
            .await?;
        rows.iter().map(read_subscription).collect()
    }

    /// What an operator should look at, newest first.
    pub async fn alerts(&self, limit: u32) -> Result<Vec<Alert>, StoreError> {
        let rows = self.read().await?.rows(ALERTS, args![capped(limit)]).await?;
        let read = |row: &Row| {
            Ok(Alert {
                customer: row.text("customer")?,
                text: row.text("text")?,
                raised_at: row.moment("raised_at")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

fn check_references(wanted: &[Grant]) -> Result<(), StoreError> {
    let mut known = BTreeSet::new();
    for grant in wanted {
        grant::check(grant)?;
        if !known.insert((&grant.account, grant.source, &grant.source_ref)) {
            return Err(StoreError::invalid(format!(
                "a sync wants two grants for `{}`",
                grant.source_ref
            )));
        }
    }
    Ok(())
}

async fn write_grants(
    link: &mut Link,
    commit: &SyncCommit,
    accounts: &BTreeSet<AccountId>,
    done: &mut SyncDone,
) -> Result<(), StoreError> {
    let SyncCommit {
        sync_id,
        customer,
        livemode,
        started_at,
        now,
        ..
    } = commit;
    let writer = Writer {
        sync: Some(sync_id),
        name: sync_id.as_str(),
        now: *now,
    };
    let mut changes = Vec::new();
    for (number, account) in (1_usize..).zip(accounts) {
        let own: Vec<Grant> = commit
            .wanted
            .iter()
            .filter(|grant| grant.account == *account)
            .cloned()
            .collect();
        let of_customer = |row: &Recorded| row.customer.as_ref().is_some_and(|(own, _)| own == customer);
        let name = format!("{sync_id}-{number}");
        let writer = Writer { name: &name, ..writer };
        let change = allotment::plan(link, account, (&own, Some((customer, *livemode))), of_customer, &writer).await?;
        done.unchanged = done.unchanged.saturating_add(change.unchanged);
        done.opened.extend(change.opened.iter().map(|(grant, _)| grant.clone()));
        done.closed.extend(change.closed.iter().cloned());
        changes.push((account, change));
    }
    changes.retain(|(_, change)| !change.is_nothing());
    if changes.is_empty() {
        return Ok(());
    }
    let (opened, closed) = (i64::try_from(done.opened.len()), i64::try_from(done.closed.len()));
    let (opened, closed) = (opened.unwrap_or(i64::MAX), closed.unwrap_or(i64::MAX));
    link.execute(
        RUN,
        args![sync_id, customer, *livemode, *started_at, *now, opened, closed],
    )
    .await?;
    for (account, change) in &changes {
        let had_something = grant::any_live(link, account, *now).await?;
        allotment::write(link, change, &writer).await?;
        let devices = allotment::tell_devices(link, account, had_something, *now).await?;
        done.devices_renewed = done.devices_renewed.saturating_add(devices);
    }
    Ok(())
}

async fn write_mirror(link: &mut Link, commit: &SyncCommit) -> Result<(), StoreError> {
    link.execute(FORGET_SUBSCRIPTIONS, args![&commit.customer]).await?;
    for subscription in &commit.mirror {
        let SubscriptionRow {
            id,
            status,
            livemode,
            body,
            note,
        } = subscription;
        link.execute(
            SUBSCRIPTION,
            args![id, &commit.customer, *livemode, status, body, commit.now, note.clone()],
        )
        .await?;
    }
    Ok(())
}

async fn write_alerts(link: &mut Link, commit: &SyncCommit) -> Result<(), StoreError> {
    for row in link.rows(ALERTS_OF, args![&commit.customer]).await? {
        let text = row.text("text")?;
        if !commit.alerts.contains(&text) {
            link.execute(END_ALERT, args![&commit.customer, text]).await?;
        }
    }
    for text in &commit.alerts {
        link.execute(RAISE_ALERT, args![&commit.customer, text, commit.livemode, commit.now])
            .await?;
    }
    Ok(())
}

fn read_subscription(row: &Row) -> Result<SubscriptionRow, StoreError> {
    Ok(SubscriptionRow {
        id: row.text("id")?,
        status: row.text("status")?,
        livemode: row.bool("livemode")?,
        body: row.text("body")?,
        note: row.maybe_text("note")?,
    })
}

crate::statements! {
    LOCK_ACCOUNT = "UPDATE account SET created_at = created_at WHERE id = $1";
    FINISH = "UPDATE customer SET lease_owner = NULL, lease_until = NULL, synced_at = $4, \
        dirty_at = CASE WHEN dirty_mark = leased_mark THEN NULL ELSE dirty_at END, \
        sync_tries = 0, sync_error = NULL, failed_at = NULL, dead_at = NULL, \
        deleted_at = CASE WHEN $5 THEN COALESCE(deleted_at, $4) ELSE deleted_at END \
        WHERE id = $1 AND lease_owner = $2 AND account = $3 RETURNING dirty_at";
    RUN = "INSERT INTO sync_run (id, customer, livemode, started_at, committed_at, opened, closed) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    FORGET_SUBSCRIPTIONS = "DELETE FROM subscription WHERE customer = $1";
    SUBSCRIPTION = "INSERT INTO subscription (id, customer, livemode, status, body, synced_at, note) VALUES ($1, $2, $3, $4, $5, $6, $7) \
        ON CONFLICT (id) DO UPDATE SET customer = $2, livemode = $3, status = $4, body = $5, synced_at = $6, note = $7";
    SUBSCRIPTIONS = "SELECT * FROM subscription WHERE customer IN (SELECT id FROM customer WHERE account = $1) ORDER BY id LIMIT $2";
    ALERTS_OF = "SELECT text FROM alert WHERE customer = $1";
    END_ALERT = "DELETE FROM alert WHERE customer = $1 AND text = $2";
    RAISE_ALERT = "INSERT INTO alert (customer, text, livemode, raised_at) VALUES ($1, $2, $3, $4) ON CONFLICT (customer, text) DO NOTHING";
    ALERTS = "SELECT * FROM alert ORDER BY raised_at DESC, customer, text LIMIT $1";
}
