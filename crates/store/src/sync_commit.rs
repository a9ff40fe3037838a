//! The end of a sync: what follows from Stripe's state, recorded in one transaction.

use std::collections::BTreeMap;

use latchkey_billing::Invoice;
use latchkey_entitlement::{AccountId, EventId, Grant, RevocationKind, Source, Timestamp};

use crate::{
    MAX_ROWS, Store, StoreError, capped,
    database::{link::Link, row::Row, value::args},
    divergence,
    grant::{self, Origin},
    inbox, invoice,
    outbox::{self, NewEffect},
    revocation, session,
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
    /// What an operator should look at; alerts of this customer that are not among them end.
    pub alerts: Vec<String>,
    /// Effects to be stored with their cause.
    pub effects: Vec<NewEffect>,
    /// Whether the customer was deleted in Stripe, which is for ever.
    pub deleted: bool,
}

/// A subscription as Stripe told it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Stripe's id.
    pub id: String,
    /// Stripe's word.
    pub status: String,
    /// Whether it is of Stripe's live mode.
    pub livemode: bool,
    /// JSON.
    pub body: String,
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
    /// Where an account begins or ceases to have anything, every pass that its devices on sites were given before is revoked with
    /// it: such a pass says "nothing paid", or what ended before its time, and would go on saying so for its whole life. Not where
    /// it has something before and after, since whoever has something must not depend on the server for keeping it.
    pub async fn commit_sync(&self, commit: SyncCommit) -> Result<SyncDone, StoreError> {
        let wanted = by_reference(&commit.wanted)?;
        let mut link = self.write().await?;
        // The account and then the customer, as a merge does: everything after them is decided alone.
        link.execute(LOCK_ACCOUNT, args![&commit.account]).await?;
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

        let mut live = BTreeMap::new();
        for grant in grant::of_customer(&mut link, &commit.customer).await? {
            live.insert(reference(&grant), grant);
        }
        for (key, grant) in &wanted {
            match live.remove(key) {
                Some(old) if grant::same(&old, grant) => done.unchanged = done.unchanged.saturating_add(1),
                old => {
                    done.closed.extend(old);
                    done.opened.push((*grant).clone());
                }
            }
        }
        done.closed.extend(live.into_values());
        let had_something = grant::any_live(&mut link, &commit.account, commit.now).await?;
        write_grants(&mut link, &commit, &done).await?;
        let has_something = grant::any_live(&mut link, &commit.account, commit.now).await?;
        if had_something != has_something {
            let kind = if has_something {
                RevocationKind::Renew
            } else {
                RevocationKind::Void
            };
            let devices = session::of_account(&mut link, &commit.account).await?;
            done.devices_renewed =
                revocation::add_for(&mut link, &devices, kind, commit.now.seconds() + 1, commit.now).await?;
        }
        write_mirror(&mut link, &commit).await?;
        for one in &commit.invoices {
            invoice::put(&mut link, &commit.customer, one, commit.started_at).await?;
        }
        divergence::repaired(&mut link, &commit.customer, commit.now).await?;
        write_alerts(&mut link, &commit).await?;
        inbox::done(&mut link, &commit.events_done, commit.now).await?;
        for effect in &commit.effects {
            outbox::add(&mut link, &effect.kind, &effect.payload, commit.now).await?;
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

type Reference = (AccountId, Source, String);

fn reference(grant: &Grant) -> Reference {
    (grant.account.clone(), grant.source, grant.source_ref.clone())
}

fn by_reference(wanted: &[Grant]) -> Result<BTreeMap<Reference, &Grant>, StoreError> {
    let mut map = BTreeMap::new();
    for grant in wanted {
        grant::check(grant)?;
        if map.insert(reference(grant), grant).is_some() {
            return Err(StoreError::invalid(format!(
                "a sync wants two grants for `{}`",
                grant.source_ref
            )));
        }
    }
    Ok(map)
}

async fn write_grants(link: &mut Link, commit: &SyncCommit, done: &SyncDone) -> Result<(), StoreError> {
    if done.opened.is_empty() && done.closed.is_empty() {
        return Ok(());
    }
    let SyncCommit {
        sync_id,
        customer,
        livemode,
        started_at,
        now,
        ..
    } = commit;
    let (opened, closed) = (i64::try_from(done.opened.len()), i64::try_from(done.closed.len()));
    let (opened, closed) = (opened.unwrap_or(i64::MAX), closed.unwrap_or(i64::MAX));
    link.execute(
        RUN,
        args![sync_id, customer, *livemode, *started_at, *now, opened, closed],
    )
    .await?;
    for grant in &done.closed {
        grant::close_by_ref(link, grant, Some(sync_id), *now).await?;
    }
    for grant in &done.opened {
        // Once more, for a row under the same reference that another customer left.
        grant::close_by_ref(link, grant, Some(sync_id), *now).await?;
        grant::open(
            link,
            grant,
            Some(Origin {
                customer,
                livemode: *livemode,
                sync_id,
            }),
            *now,
        )
        .await?;
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
        } = subscription;
        link.execute(
            SUBSCRIPTION,
            args![id, &commit.customer, *livemode, status, body, commit.now],
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
    SUBSCRIPTION = "INSERT INTO subscription (id, customer, livemode, status, body, synced_at) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (id) DO UPDATE SET customer = $2, livemode = $3, status = $4, body = $5, synced_at = $6";
    SUBSCRIPTIONS = "SELECT * FROM subscription WHERE customer IN (SELECT id FROM customer WHERE account = $1) ORDER BY id LIMIT $2";
    ALERTS_OF = "SELECT text FROM alert WHERE customer = $1";
    END_ALERT = "DELETE FROM alert WHERE customer = $1 AND text = $2";
    RAISE_ALERT = "INSERT INTO alert (customer, text, livemode, raised_at) VALUES ($1, $2, $3, $4) ON CONFLICT (customer, text) DO NOTHING";
    ALERTS = "SELECT * FROM alert ORDER BY raised_at DESC, customer, text LIMIT $1";
}
