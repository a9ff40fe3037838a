//! What can go wrong, and whether trying again helps.

use latchkey_billing::{SignatureError, StripeError};
use latchkey_store::StoreError;

/// A sync that was not recorded. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Stripe did not give the customer's state.
    #[error("Stripe: {0}")]
    Stripe(#[from] StripeError),
    /// The database did not take the result.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// Another worker held the customer for longer than this one was willing to wait.
    #[error("customer {customer} is being synced by another worker; it stays marked for a sync")]
    Busy {
        /// The Stripe customer.
        customer: String,
    },
    /// No account of ours belongs to the customer.
    #[error("customer {customer} belongs to no account here; its purchases are kept as unclaimed")]
    Unclaimed {
        /// The Stripe customer.
        customer: String,
    },
}

impl SyncError {
    /// Whether the same call can succeed later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Stripe(error) => error.retry(),
            Self::Store(error) => error.is_transient(),
            Self::Busy { .. } => true,
            Self::Unclaimed { .. } => false,
        }
    }

    /// Whether a passing reason may be one customer's alone, so that others are worth trying: not where Stripe wants fewer calls, or
    /// where the database is away.
    pub(crate) fn concerns_one(&self) -> bool {
        match self {
            Self::Stripe(error) => !matches!(error, StripeError::RateLimited { .. }),
            Self::Busy { .. } | Self::Unclaimed { .. } => true,
            Self::Store(_) => false,
        }
    }
}

/// A webhook delivery that was not stored.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The signature does not hold: not from Stripe, or the secret is another endpoint's.
    #[error("{0}")]
    BadSignature(#[from] SignatureError),
    /// The body is larger than any event.
    #[error("the body is larger than {} bytes", crate::MAX_WEBHOOK_BYTES)]
    TooLarge,
    /// The database did not take it; Stripe delivers again.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The inbox is full or closing; Stripe delivers again.
    #[error("the inbox is full; Stripe will deliver again")]
    Full,
}
