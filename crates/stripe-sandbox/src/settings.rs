//! What a Stripe account's owner sets in the dashboard, as far as it changes behaviour here.

use serde::{Deserialize, Serialize};

/// What becomes of a subscription when the last retry of a payment fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterLastRetry {
    /// It is cancelled.
    #[default]
    Cancel,
    /// It becomes `unpaid`; its later invoices stay drafts.
    MarkUnpaid,
    /// It stays `past_due`.
    LeavePastDue,
}

/// Account settings; [`Settings::default`] is what Stripe starts with, with retries on Stripe's custom schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Days from one failed attempt to the next.
    pub retry_days: Vec<u32>,
    /// What follows the last of them.
    pub after_last_retry: AfterLastRetry,
    /// Seconds a renewal's invoice stays a draft before it is finalised and charged; Stripe waits about an hour.
    pub finalise_after_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry_days: vec![3, 5, 7],
            after_last_retry: AfterLastRetry::default(),
            finalise_after_seconds: 3600,
        }
    }
}
