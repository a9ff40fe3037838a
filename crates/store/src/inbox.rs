//! The inbox: Stripe's events, kept before they are acknowledged, and done in the transaction of their effect.

use std::collections::BTreeSet;

use latchkey_entitlement::Timestamp;

use crate::{
    MAX_ROWS, Store, StoreError, capped, customer,
    database::{link::Link, many::Many, row::Row, value::args},
};

const TABLE: &str = "stripe_event";
/// Longest error that is kept with an event, in characters.
const MAX_ERROR_CHARS: usize = 500;

/// An event that arrived.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Stripe's id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Whether it is of Stripe's live mode.
    pub livemode: bool,
    /// The customer it is about, if it names one.
    pub customer: Option<String>,
    /// The object it is about; empty if it names none.
    pub object_id: String,
    /// The body as it came.
    pub raw: Vec<u8>,
}

/// An event of the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Stripe's id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Whether it is of Stripe's live mode.
    pub livemode: bool,
    /// The customer.
    pub customer: Option<String>,
    /// The object; empty if it names none.
    pub object_id: String,
    /// The body as it came.
    pub raw: Vec<u8>,
    /// Where it stands.
    pub state: EventState,
    /// Why it failed.
    pub error: Option<String>,
    /// How often it failed.
    pub tries: u32,
    /// When it came first.
    pub received_at: Timestamp,
    /// When it was done.
    pub done_at: Option<Timestamp>,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventState {
    /// Kept, and nothing else.
    Pending,
    /// Its effect, if any, is recorded.
    Done,
    /// Nothing more is tried; shown to the operator.
    Failed,
}

impl EventState {
    /// The word stored in the database and shown in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Done, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

impl Store {
    /// Keeps events, all in one transaction; for each, in the order given, whether it is new.
    ///
    /// New events mark their customers dirty in the same transaction, so that none is kept and forgotten.
    pub async fn receive_events(&self, events: Vec<NewEvent>, now: Timestamp) -> Result<Vec<bool>, StoreError> {
        // In the order of ids, so that two batches with the same events cannot wait for each other; customers the same.
        let mut order: Vec<(usize, NewEvent)> = events.into_iter().enumerate().collect();
        order.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
        let mut customers: Vec<(String, bool)> = order
            .iter()
            .filter_map(|(_, event)| Some((event.customer.clone()?, event.livemode)))
            .collect();
        customers.sort();
        customers.dedup_by(|a, b| a.0 == b.0);

        let mut link = self.write().await?;
        let rows = customers
            .into_iter()
            .map(|(customer, livemode)| args![customer, livemode, now].into());
        CUSTOMERS.rows(&mut link, rows.collect()).await?;
        let facts: Vec<(usize, String, Option<String>, bool)> = order
            .iter()
            .map(|(index, event)| (*index, event.id.clone(), event.customer.clone(), event.livemode))
            .collect();
        let rows = order.into_iter().map(|(_, event)| {
            let NewEvent {
                id,
                kind,
                livemode,
                customer,
                object_id,
                raw,
            } = event;
            args![id, kind, livemode, customer, object_id, raw, now].into()
        });
        let inserted = RECEIVE.rows(&mut link, rows.collect()).await?;
        let mut inserted: BTreeSet<String> = inserted.iter().map(|row| row.text("id")).collect::<Result<_, _>>()?;

        let mut new = vec![false; facts.len()];
        let mut touched = Vec::new();
        for (index, id, customer, livemode) in facts {
            // Of two deliveries of one event in a group, the first is the new one.
            if !inserted.remove(&id) {
                continue;
            }
            if let Some(slot) = new.get_mut(index) {
                *slot = true;
            }
            touched.extend(customer.map(|customer| (customer, livemode)));
        }
        touched.sort();
        touched.dedup_by(|a, b| a.0 == b.0);
        let rows = touched
            .into_iter()
            .map(|(customer, livemode)| args![customer, livemode, now, now].into());
        customer::MARK_MANY.rows(&mut link, rows.collect()).await?;
        link.commit().await?;
        Ok(new)
    }

    /// One event.
    pub async fn event(&self, id: &str) -> Result<Option<Event>, StoreError> {
        self.read()
            .await?
            .row(BY_ID, args![id])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// The events of a customer that a sync has to settle, oldest first: pending ones, and those given up while its syncs failed.
    pub async fn pending_events(&self, customer: &str) -> Result<Vec<Event>, StoreError> {
        self.read()
            .await?
            .rows(PENDING, args![customer, i64::from(MAX_ROWS)])
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Pending events that name no customer, oldest first.
    pub async fn unassigned_events(&self, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.read()
            .await?
            .rows(UNASSIGNED, args![capped(limit)])
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Records the customer of an event that names none, and marks it dirty; false if the event is unknown or has one.
    pub async fn assign_event(&self, id: &str, customer: &str, now: Timestamp) -> Result<bool, StoreError> {
        let mut link = self.write().await?;
        let Some(event) = link.row(UNASSIGNED_BY_ID, args![id]).await? else {
            return Ok(false);
        };
        customer::mark(&mut link, customer, event.bool("livemode")?, now).await?;
        let assigned = link.execute(ASSIGN, args![id, customer]).await? == 1;
        link.commit().await?;
        Ok(assigned)
    }

    /// Gives an event up, and keeps the reason for the operator.
    pub async fn event_failed(&self, id: &str, error: &str, now: Timestamp) -> Result<(), StoreError> {
        let error: String = error.chars().filter(|c| *c != '\0').take(MAX_ERROR_CHARS).collect();
        self.change(FAILED, args![id, error, now]).await.map(drop)
    }

    /// Marks events done that have no effect; how many of them were pending.
    pub async fn events_done(&self, ids: &[String], now: Timestamp) -> Result<u64, StoreError> {
        let mut link = self.write().await?;
        let done = done(&mut link, ids, now).await?;
        link.commit().await?;
        Ok(done)
    }

    /// Events in one state, or in any, newest first.
    pub async fn list_events(&self, state: Option<EventState>, limit: u32) -> Result<Vec<Event>, StoreError> {
        let mut link = self.read().await?;
        let rows = match state {
            Some(state) => link.rows(LIST_STATE, args![state.as_str(), capped(limit)]).await?,
            None => link.rows(LIST, args![capped(limit)]).await?,
        };
        rows.iter().map(read).collect()
    }
}

/// Marks events done within a transaction.
pub(crate) async fn done(link: &mut Link, ids: &[String], now: Timestamp) -> Result<u64, StoreError> {
    let mut done = 0;
    for id in ids {
        done += link.execute(DONE, args![id, now]).await?;
    }
    Ok(done)
}

/// Gives up every pending event of a customer within a transaction: they wait for a person, and are done by the next sync that succeeds.
pub(crate) async fn all_failed(
    link: &mut Link,
    customer: &str,
    error: &str,
    tries: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    link.execute(ALL_FAILED, args![customer, error, tries, now])
        .await
        .map(drop)
}

fn read(row: &Row) -> Result<Event, StoreError> {
    Ok(Event {
        id: row.text("id")?,
        kind: row.text("kind")?,
        livemode: row.bool("livemode")?,
        customer: row.maybe_text("customer")?,
        object_id: row.text("object_id")?,
        raw: row.bytes("raw")?,
        state: row.word(TABLE, "state", EventState::parse)?,
        error: row.maybe_text("error")?,
        tries: row.count(TABLE, "tries")?,
        received_at: row.moment("received_at")?,
        done_at: row.maybe_moment("done_at")?,
    })
}

pub(crate) static CUSTOMERS: Many = Many::new(
    "INSERT INTO customer (id, livemode, dirty_mark, leased_mark, created_at) VALUES",
    "(?, ?, 0, 0, ?)",
    "ON CONFLICT (id) DO NOTHING",
);
pub(crate) static RECEIVE: Many = Many::new(
    "INSERT INTO stripe_event (id, kind, livemode, customer, object_id, raw, state, tries, received_at) VALUES",
    "(?, ?, ?, ?, ?, ?, 'pending', 0, ?)",
    "ON CONFLICT (id) DO NOTHING RETURNING id",
);

crate::statements! {
    BY_ID = "SELECT * FROM stripe_event WHERE id = $1";
    PENDING = "SELECT * FROM stripe_event WHERE customer = $1 AND state <> 'done' ORDER BY received_at, id LIMIT $2";
    UNASSIGNED = "SELECT * FROM stripe_event WHERE customer IS NULL AND state = 'pending' ORDER BY received_at, id LIMIT $1";
    UNASSIGNED_BY_ID = "SELECT * FROM stripe_event WHERE id = $1 AND customer IS NULL";
    ASSIGN = "UPDATE stripe_event SET customer = $2 WHERE id = $1 AND customer IS NULL";
    FAILED = "UPDATE stripe_event SET state = 'failed', error = $2, tries = tries + 1, done_at = $3 \
        WHERE id = $1 AND state <> 'done'";
    ALL_FAILED = "UPDATE stripe_event SET state = 'failed', error = $2, tries = $3, done_at = $4 WHERE customer = $1 AND state = 'pending'";
    DONE = "UPDATE stripe_event SET state = 'done', done_at = $2, error = NULL WHERE id = $1 AND state <> 'done'";
    LIST = "SELECT * FROM stripe_event ORDER BY received_at DESC, id DESC LIMIT $1";
    LIST_STATE = "SELECT * FROM stripe_event WHERE state = $1 ORDER BY received_at DESC, id DESC LIMIT $2";
}
