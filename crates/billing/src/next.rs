//! What a subscription comes to next, for telling its reader. What a reader may do follows from [`fn@crate::derive`] alone.

use latchkey_entitlement::Timestamp;

use crate::stripe::{Subscription, SubscriptionStatus};

/// What a subscription comes to next if nobody does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is charged and goes on then; at the end of a trial, for the first time.
    Renews(Timestamp),
    /// It ends then, because somebody asked for that.
    Ends(Timestamp),
    /// A payment did not go through, and is tried again or waits for another card.
    Owed,
    /// It stands still until somebody resumes it.
    Paused,
    /// Nothing: it is over, or in a state that this version does not know.
    Over,
}

impl Subscription {
    /// What comes next. `None` where there is no item to count from.
    pub fn next(&self) -> Option<Next> {
        let period_end = self.items.iter().map(|item| item.current_period_end).max()?;
        Some(match self.status {
            SubscriptionStatus::Active | SubscriptionStatus::Trialing => {
                let end = match self.status {
                    SubscriptionStatus::Trialing => self.trial_end.unwrap_or(period_end),
                    _ => period_end,
                };
                let stop = self.cancel_at.or(self.cancel_at_period_end.then_some(end));
                stop.map_or(Next::Renews(end), Next::Ends)
            }
            SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid | SubscriptionStatus::Incomplete => Next::Owed,
            SubscriptionStatus::Paused => Next::Paused,
            SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired | SubscriptionStatus::Unknown(_) => {
                Next::Over
            }
        })
    }
}
