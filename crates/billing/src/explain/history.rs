//! What was recorded about one reader: all that an explanation is made from.

use std::collections::BTreeMap;

use latchkey_entitlement::{
    AccountId, EventId, Grant, PriceId, RevocationKind, SessionId, SiteId, Standing, Timestamp,
};

use crate::Subscription;

/// Everything recorded about one account and those that were merged into it. Each list is in the order of its times, the oldest first.
#[derive(Clone, Debug)]
pub struct History {
    /// The account that stands for the reader now.
    pub account: KnownAccount,
    /// Accounts that were merged into it.
    pub merges: Vec<Merge>,
    /// Every row of the record of grants, of those accounts too.
    pub grants: Vec<GrantRecord>,
    /// Syncs that changed a grant.
    pub syncs: Vec<SyncRun>,
    /// Stripe's events about the reader's customers.
    pub events: Vec<SeenEvent>,
    /// Stripe customers.
    pub customers: Vec<KnownCustomer>,
    /// Subscriptions as Stripe told them last, with the moment.
    pub subscriptions: Vec<(Subscription, Timestamp)>,
    /// Purchases that were begun.
    pub attempts: Vec<BegunPurchase>,
    /// Moderators' decisions.
    pub standings: Vec<Standing>,
    /// Devices.
    pub devices: Vec<Device>,
    /// Passes that were revoked.
    pub revocations: Vec<Revoked>,
    /// What an operator should look at: text and when it was raised first.
    pub alerts: Vec<(String, Timestamp)>,
    /// Names of the lists of which older entries exist and were not read.
    pub cut: Vec<&'static str>,
}

impl History {
    /// An account without any history.
    pub fn of(account: KnownAccount) -> Self {
        Self {
            account,
            merges: vec![],
            grants: vec![],
            syncs: vec![],
            events: vec![],
            customers: vec![],
            subscriptions: vec![],
            attempts: vec![],
            standings: vec![],
            devices: vec![],
            revocations: vec![],
            alerts: vec![],
            cut: vec![],
        }
    }
}

/// An account.
#[derive(Clone, Debug)]
pub struct KnownAccount {
    /// Identifier.
    pub id: AccountId,
    /// The address that it has proven, and when.
    pub email_proven: Option<(String, Timestamp)>,
    /// The address that was typed and not proven.
    pub email_unproven: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Another account that turned out to be the same person's.
#[derive(Clone, Debug)]
pub struct Merge {
    /// The account that was emptied.
    pub from: AccountId,
    /// The one that took everything over; it may have been merged itself since.
    pub into: AccountId,
    /// When that one was made, if it is known.
    pub created_at: Option<Timestamp>,
    /// When it was merged.
    pub merged_at: Timestamp,
    /// Ids of what moved, by table.
    pub moved: BTreeMap<String, Vec<String>>,
}

impl Merge {
    /// Whether a row moved with it.
    pub(super) fn brought(&self, table: &str, id: &str) -> bool {
        self.moved
            .get(table)
            .is_some_and(|ids| ids.iter().any(|moved| moved == id))
    }
}

/// One row of the record of grants: content never changes, it is only closed.
#[derive(Clone, Debug)]
pub struct GrantRecord {
    /// What it says.
    pub grant: Grant,
    /// The Stripe customer behind it.
    pub customer: Option<String>,
    /// When it was written down.
    pub recorded_at: Timestamp,
    /// When another row took its place, or nothing did.
    pub superseded_at: Option<Timestamp>,
    /// The sync that opened it.
    pub opened_by: Option<EventId>,
    /// The sync that closed it.
    pub closed_by: Option<EventId>,
}

impl GrantRecord {
    /// Whether it stood in the record at `moment`.
    pub fn stood_at(&self, moment: Timestamp) -> bool {
        self.recorded_at <= moment && self.superseded_at.is_none_or(|closed| moment < closed)
    }
}

/// A sync that changed grants.
#[derive(Clone, Debug)]
pub struct SyncRun {
    /// Identifier.
    pub id: EventId,
    /// The Stripe customer that was read.
    pub customer: String,
    /// When reading began.
    pub started_at: Timestamp,
    /// When its result was recorded.
    pub committed_at: Timestamp,
}

/// An event of Stripe's.
#[derive(Clone, Debug)]
pub struct SeenEvent {
    /// Stripe's id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Its customer.
    pub customer: Option<String>,
    /// `pending`, `done` or `failed`.
    pub state: String,
    /// Why it failed.
    pub error: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
    /// When it was done.
    pub done_at: Option<Timestamp>,
}

/// A Stripe customer.
#[derive(Clone, Debug)]
pub struct KnownCustomer {
    /// Stripe's id.
    pub id: String,
    /// Live or test mode.
    pub livemode: bool,
    /// Since when it waits for a sync.
    pub waits_since: Option<Timestamp>,
    /// The last sync.
    pub synced_at: Option<Timestamp>,
    /// When a sync found that it had been deleted in Stripe.
    pub deleted_at: Option<Timestamp>,
}

/// A purchase that was begun.
#[derive(Clone, Debug)]
pub struct BegunPurchase {
    /// Identifier.
    pub id: EventId,
    /// What was chosen.
    pub price: PriceId,
    /// Stripe's Checkout Session.
    pub stripe_session: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was seen to be paid.
    pub completed_at: Option<Timestamp>,
}

/// A signed-in device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Identifier.
    pub id: SessionId,
    /// Where; `None` is the account origin.
    pub site: Option<SiteId>,
    /// The device as the reader is shown.
    pub label: String,
    /// When it signed in.
    pub created_at: Timestamp,
    /// When it was last used.
    pub used_at: Timestamp,
    /// When it was signed out.
    pub ended_at: Option<Timestamp>,
}

/// Passes of one device that were revoked.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// Number in the feed.
    pub number: u64,
    /// The device.
    pub session: SessionId,
    /// What became of the passes.
    pub kind: RevocationKind,
    /// When it was recorded.
    pub at: Timestamp,
}
