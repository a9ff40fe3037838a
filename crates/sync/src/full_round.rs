//! A walk through all that Stripe lists: what differs from what is kept here is noted, and its customer synced. Nothing else is read
//! again, so that a round costs one call for a hundred subscriptions and one for a hundred customers.

use latchkey_billing::{ACCOUNT_KEY, Customer, StripeError, Subscription};
use latchkey_entitlement::{AccountId, Timestamp};
use latchkey_store::{DivergenceKind, Kept, NewDivergence, Store, StoreError};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{Sync, SyncError};

/// Where a round that is under way stands, in JSON; empty if none is.
const ROUND: &str = "reconcile.full_round";
/// When the last round that came to its end ended, in milliseconds.
const LAST: &str = "reconcile.last_full_round_at";
/// Customers that no list had, looked at in one step.
const MAX_NOT_WALKED: u32 = 500;

/// What is walked through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundPart {
    /// Stripe's subscriptions of every status.
    #[default]
    Subscriptions,
    /// Stripe's customers.
    Customers,
    /// What is kept here and was in neither list.
    Remaining,
    /// Nothing: the round is over.
    Done,
}

/// A round: where it stands and what it has found. Small whatever Stripe holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullRound {
    /// When it began.
    pub started_at: Timestamp,
    /// What is walked through at the moment.
    pub part: RoundPart,
    /// After which entry it goes on.
    pub cursor: Option<String>,
    /// Pages read from Stripe.
    pub pages: u64,
    /// Subscriptions that Stripe lists.
    pub subscriptions: u64,
    /// Customers that Stripe lists.
    pub customers: u64,
    /// Customers of readers that differ, counted once each time they are met.
    pub differing: u64,
    /// Subscriptions for what is sold here whose customer is unknown here, or belongs to no account.
    pub unclaimed: u64,
    /// Customers and subscriptions of the same Stripe account that have nothing to do with what is sold here.
    pub foreign: u64,
    /// Whether it only counts.
    pub dry_run: bool,
}

impl Sync {
    /// The round that is under way, or a new one. One that only counts is always new, and is not stored.
    pub async fn full_round(&self, dry_run: bool) -> Result<FullRound, SyncError> {
        let kept = self.store.setting(ROUND).await?.filter(|_| !dry_run);
        let under_way = kept.and_then(|kept| serde_json::from_str(&kept).ok());
        Ok(under_way.unwrap_or_else(|| FullRound {
            started_at: self.clock.now(),
            dry_run,
            ..FullRound::default()
        }))
    }

    /// Whether a round is under way, or the last one ended at least `every` milliseconds ago.
    pub async fn full_round_is_due(&self, every: i64) -> Result<bool, SyncError> {
        if self.store.setting(ROUND).await?.is_some_and(|round| !round.is_empty()) {
            return Ok(true);
        }
        let last = last_full_round(&self.store).await?;
        Ok(last.is_none_or(|last| self.clock.now().since(last) >= every))
    }

    /// Goes one page further, and stores where it stands; false once the round is over. After an error the same page is tried again.
    pub async fn go_on(&self, round: &mut FullRound) -> Result<bool, SyncError> {
        let walked = match round.part {
            RoundPart::Subscriptions => self.walk_subscriptions(round).await,
            RoundPart::Customers => self.walk_customers(round).await,
            RoundPart::Remaining => self.walk_remaining(round).await,
            RoundPart::Done => Ok(()),
        };
        match walked {
            // The entry that it was left at is gone: this list is walked from its beginning.
            Err(SyncError::Stripe(StripeError::NotFound)) if round.cursor.is_some() => round.cursor = None,
            other => other?,
        }
        let more = round.part != RoundPart::Done;
        if !round.dry_run {
            let stands = if more {
                serde_json::to_string(round).unwrap_or_default()
            } else {
                String::new()
            };
            self.store.put_setting(ROUND, &stands).await?;
            if !more {
                let now = self.clock.now();
                self.store.put_setting(LAST, &now.0.to_string()).await?;
                let FullRound {
                    pages,
                    differing,
                    unclaimed,
                    foreign,
                    ..
                } = *round;
                tracing::info!(
                    pages,
                    differing,
                    unclaimed,
                    foreign,
                    "a full round through Stripe has ended"
                );
            }
        }
        Ok(more)
    }

    async fn walk_subscriptions(&self, round: &mut FullRound) -> Result<(), SyncError> {
        let read_at = self.clock.now();
        let page = self.background.list_subscriptions(round.cursor.as_deref()).await?;
        let listed: Vec<(String, String)> = page
            .items
            .iter()
            .map(|subscription| (subscription.customer.clone(), subscription.id.clone()))
            .collect();
        let kept = self.store.walk_subscriptions(&listed, self.clock.now()).await?;
        for (theirs, kept) in page.items.iter().zip(kept) {
            self.compare(round, theirs, kept, read_at).await?;
        }
        round.pages += 1;
        round.subscriptions += listed.len() as u64;
        turn(
            round,
            listed.into_iter().next_back().map(|(_, id)| id),
            page.has_more,
            RoundPart::Customers,
        );
        Ok(())
    }

    async fn compare(
        &self,
        round: &mut FullRound,
        theirs: &Subscription,
        kept: Option<Kept>,
        read_at: Timestamp,
    ) -> Result<(), SyncError> {
        let ours = self.is_sold_here(theirs);
        let Some(kept) = kept else {
            if !ours {
                round.foreign += 1;
                return Ok(());
            }
            round.unclaimed += 1;
            return self
                .found(
                    round,
                    &theirs.customer,
                    DivergenceKind::UnknownCustomer,
                    (String::new(), described(theirs)),
                    None,
                )
                .await;
        };
        if !kept.is_readers {
            let count = if ours { &mut round.unclaimed } else { &mut round.foreign };
            *count += 1;
            return Ok(());
        }
        // What is due is late and no divergence; what was read after the page is newer than it.
        if kept.is_due || kept.synced_at.is_some_and(|synced_at| synced_at >= read_at) {
            return Ok(());
        }
        let (kind, had) = match &kept.body {
            None => (DivergenceKind::MissingHere, String::new()),
            Some(body) => match serde_json::from_str::<Subscription>(body) {
                Ok(own) if bare(&own) == bare(theirs) => return Ok(()),
                Ok(own) => (DivergenceKind::Changed, described(&own)),
                Err(_) => (DivergenceKind::Changed, "kept by another version".to_owned()),
            },
        };
        round.differing += 1;
        self.found(round, &theirs.customer, kind, (had, described(theirs)), kept.synced_at)
            .await
    }

    async fn walk_customers(&self, round: &mut FullRound) -> Result<(), SyncError> {
        let page = self.background.list_customers(round.cursor.as_deref()).await?;
        let listed: Vec<String> = page.items.iter().map(|customer| customer.id.clone()).collect();
        let known = self.store.walk_customers(&listed, self.clock.now()).await?;
        for (customer, _) in page.items.iter().zip(known).filter(|(_, known)| !known) {
            if self.is_of_ours(customer).await? {
                round.unclaimed += 1;
                let sides = (String::new(), "a customer made here".to_owned());
                self.found(round, &customer.id, DivergenceKind::UnknownCustomer, sides, None)
                    .await?;
            } else {
                round.foreign += 1;
            }
        }
        round.pages += 1;
        round.customers += listed.len() as u64;
        turn(
            round,
            listed.into_iter().next_back(),
            page.has_more,
            RoundPart::Remaining,
        );
        Ok(())
    }

    async fn walk_remaining(&self, round: &mut FullRound) -> Result<(), SyncError> {
        let after = round.cursor.clone().unwrap_or_default();
        let livemode = self.config.livemode;
        let missed = self
            .store
            .not_walked(round.started_at, livemode, &after, MAX_NOT_WALKED)
            .await?;
        for (customer, synced_at) in &missed {
            round.differing += 1;
            let sides = ("a customer or subscription".to_owned(), "not listed".to_owned());
            self.found(round, customer, DivergenceKind::MissingThere, sides, *synced_at)
                .await?;
        }
        turn(
            round,
            missed.into_iter().next_back().map(|(id, _)| id),
            true,
            RoundPart::Done,
        );
        Ok(())
    }

    /// Keeps a divergence, `sides` being ours and theirs; the worker syncs its customer.
    async fn found(
        &self,
        round: &FullRound,
        customer: &str,
        kind: DivergenceKind,
        sides: (String, String),
        ours_at: Option<Timestamp>,
    ) -> Result<(), SyncError> {
        let (ours, theirs) = sides;
        tracing::warn!(customer, kind = kind.as_str(), ours, theirs, "differs from Stripe");
        if round.dry_run {
            return Ok(());
        }
        let found = NewDivergence {
            id: self.ids.event(),
            customer: customer.to_owned(),
            livemode: self.config.livemode,
            kind,
            ours,
            theirs,
            ours_at,
        };
        self.store.diverges(&found, self.clock.now()).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Whether a subscription is for something that is sold here, or was bought here.
    fn is_sold_here(&self, subscription: &Subscription) -> bool {
        let mut prices = self.config.plans.iter().flat_map(|plan| &plan.prices);
        subscription.metadata.contains_key(ACCOUNT_KEY)
            || prices.any(|price| {
                subscription
                    .items
                    .iter()
                    .any(|item| price.sold(&item.price_id, &item.product_id))
            })
    }

    /// Whether a customer that is unknown here was made for an account of ours.
    async fn is_of_ours(&self, customer: &Customer) -> Result<bool, StoreError> {
        let account = customer
            .metadata
            .get(ACCOUNT_KEY)
            .and_then(|id| AccountId::parse(id).ok());
        match account {
            Some(account) => Ok(self.store.account(&account).await?.is_some()),
            None => Ok(false),
        }
    }
}

/// When the last full round ended.
pub async fn last_full_round(store: &Store) -> Result<Option<Timestamp>, StoreError> {
    let at = store.setting(LAST).await?;
    Ok(at.and_then(|at| at.parse().ok()).map(Timestamp))
}

/// On to the next page, or to the next part.
fn turn(round: &mut FullRound, last: Option<String>, has_more: bool, next: RoundPart) {
    round.cursor = last.filter(|_| has_more);
    if round.cursor.is_none() {
        round.part = next;
    }
}

/// What access follows from, without what changes by itself or is for showing.
fn bare(subscription: &Subscription) -> Subscription {
    Subscription {
        latest_invoice: None,
        // Read with a customer alone.
        default_payment_method: None,
        card_expires_at: None,
        discounts: vec![],
        unread_discounts: false,
        ..subscription.clone()
    }
}

/// A subscription in words: ids, status and end, and nothing personal.
fn described(subscription: &Subscription) -> String {
    let end = subscription
        .ended_at
        .or(subscription.cancel_at)
        .or_else(|| subscription.items.iter().map(|item| item.current_period_end).max());
    let prices: Vec<&str> = subscription.items.iter().map(|item| item.price_id.as_str()).collect();
    let end = end.map_or(String::new(), |end| format!(" until {}", written(end)));
    format!("{} {} {}{end}", subscription.id, subscription.status, prices.join("+"))
}

fn written(at: Timestamp) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(&Rfc3339).unwrap_or_default()
}
