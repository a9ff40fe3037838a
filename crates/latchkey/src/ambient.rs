//! The one place where the system's clock and randomness are asked; everything else gets them as arguments.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::rand;
use latchkey_entitlement::{Clock, Timestamp, time::Pause};
use latchkey_sync::Ids;
use uuid::Uuid;

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one place where the present comes from")]
        let since = std::time::SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn pause(&self, length: Duration) -> Pause<'_> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// Identifiers and secrets from the system's randomness.
pub(crate) struct SystemIds;

impl Ids for SystemIds {
    fn uuid(&self) -> Uuid {
        #[expect(clippy::disallowed_methods, reason = "the one place where identifiers come from")]
        Uuid::now_v7()
    }

    fn secret(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        // Fails only if the operating system has no randomness: no secret can be made then, and none must be guessable.
        if rand::fill(&mut secret).is_err() {
            tracing::error!("the operating system gives no randomness; stopping");
            std::process::abort();
        }
        secret
    }
}
