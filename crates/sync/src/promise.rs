//! What readers were promised, held against what Stripe will ask for.

use latchkey_billing::{ATTEMPT_KEY, CustomerState, Subscription, broken_promise};
use latchkey_entitlement::EventId;
use latchkey_store::{OfferRow, TrialUse};

use crate::{Sync, SyncError};

/// The offers behind a customer's subscriptions.
pub(crate) struct Promises {
    /// Those in force, each with its subscription.
    pub(crate) kept: Vec<(EventId, String)>,
    /// What an operator should know of promises that will not be kept.
    pub(crate) broken: Vec<String>,
}

impl Sync {
    /// Finds the offer that each subscription goes by, and whether its promise will be kept at the next renewal.
    pub(crate) async fn promises(&self, state: &CustomerState) -> Result<Promises, SyncError> {
        let mut promises = Promises {
            kept: vec![],
            broken: vec![],
        };
        for own in state.subscriptions.iter().filter(|own| !own.status.is_terminal()) {
            let attempt = own.metadata.get(ATTEMPT_KEY).map(String::as_str);
            let offers = self.store.offers_of(attempt, &own.id).await?;
            let Some(row) = offers.into_iter().find(|row| goes_by(row, attempt, own)) else {
                continue;
            };
            promises
                .broken
                .extend(broken_promise(&row.offer.quote, own, &self.config.plans));
            if row.accepted_at.is_none() {
                promises.kept.push((row.id, own.id.clone()));
            }
        }
        Ok(promises)
    }
}

/// Whether a subscription goes by an offer: that of its attempt always, that of a change once it is made.
fn goes_by(row: &OfferRow, attempt: Option<&str>, own: &Subscription) -> bool {
    let made = || own.items.iter().any(|item| item.price_id == row.offer.stripe_price);
    row.accepted_at.is_some() || attempt == Some(row.id.as_str()) || made()
}

/// The trials that a customer has begun.
pub(crate) fn trials(state: &CustomerState) -> Vec<TrialUse> {
    let begun = |own: &Subscription| {
        own.trial_end?;
        Some(TrialUse {
            subscription: own.id.clone(),
            started_at: own.trial_start.unwrap_or(own.start_date),
        })
    };
    state.subscriptions.iter().filter_map(begun).collect()
}
