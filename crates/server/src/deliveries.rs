//! What came of Stripe's deliveries, kept for whoever looks for the fault: a signing secret cannot be read back from Stripe, so that only
//! deliveries tell whether it is the right one.

use std::sync::{Mutex, PoisonError};

use latchkey_billing::Deliveries;
use latchkey_entitlement::{Timestamp, time::MINUTE};
use latchkey_store::{Store, StoreError};

/// When a signature last held, in milliseconds; at most a minute behind.
const VERIFIED: &str = "webhook.verified_at";
/// When one last did not, in milliseconds, and why, with a space between.
const REFUSED: &str = "webhook.refused";
/// Each of the two is written once in so long at most: strangers can send as much as they like.
const NOTED_EVERY: i64 = MINUTE;

/// Notes of one process.
#[derive(Default)]
pub(crate) struct DeliveryNotes {
    verified: Mutex<Option<Timestamp>>,
    refused: Mutex<Option<Timestamp>>,
}

impl DeliveryNotes {
    /// Notes that a signature held, or why it did not. What cannot be written is not worth failing a delivery for.
    pub(crate) async fn note(&self, store: &Store, now: Timestamp, refused: Option<&str>) {
        let last = if refused.is_none() {
            &self.verified
        } else {
            &self.refused
        };
        if !due(last, now) {
            return;
        }
        let at = now.0.to_string();
        let kept = match refused {
            None => store.put_setting(VERIFIED, &at).await,
            Some(why) => store.put_setting(REFUSED, &format!("{at} {why}")).await,
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "what came of a delivery was not noted");
        }
    }
}

/// Whether something is to be written now; if so, it counts as written.
fn due(last: &Mutex<Option<Timestamp>>, now: Timestamp) -> bool {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    let due = last.is_none_or(|last| now.0 >= last.0.saturating_add(NOTED_EVERY) || now.0 < last.0);
    if due {
        *last = Some(now);
    }
    due
}

/// What servers on this database noted of deliveries; what Stripe itself says of them is for the caller to add.
pub async fn noted_deliveries(store: &Store) -> Result<Deliveries, StoreError> {
    let verified = store.setting(VERIFIED).await?;
    let refused = store.setting(REFUSED).await?;
    let time = |text: &str| text.parse().ok().map(Timestamp);
    Ok(Deliveries {
        verified_at: verified.as_deref().and_then(time),
        refused: refused
            .as_deref()
            .and_then(|text| text.split_once(' '))
            .and_then(|(at, why)| Some((time(at)?, why.to_owned()))),
        undelivered: 0,
    })
}
