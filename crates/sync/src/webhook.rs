//! A delivery from Stripe: checked, stored, acknowledged. Nothing else happens before the answer.

use latchkey_billing::{EventEnvelope, parse_envelope, verify_signature};
use latchkey_store::NewEvent;

use crate::{ReceiveError, Sync};

/// Largest delivery that is accepted, in bytes.
pub const MAX_WEBHOOK_BYTES: usize = 1024 * 1024;
/// How far Stripe's clock and ours may be apart, in seconds, as in Stripe's own libraries.
const TOLERANCE_SECONDS: i64 = 300;

/// What became of a delivery whose signature held. Each of them is answered 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveOutcome {
    /// Stored, and its customer is marked for a sync.
    New,
    /// It was there already.
    Duplicate,
    /// Stored for a person to look at: not readable as an event, or of the other mode than the key in use.
    Kept,
}

impl Sync {
    /// Takes one delivery: `raw` is the body as it came, `signature` the header `Stripe-Signature`.
    pub async fn receive_webhook(&self, raw: &[u8], signature: &str) -> Result<ReceiveOutcome, ReceiveError> {
        if raw.len() > MAX_WEBHOOK_BYTES {
            return Err(ReceiveError::TooLarge);
        }
        verify_signature(
            raw,
            signature,
            &self.config.webhook_secrets,
            self.clock.now(),
            TOLERANCE_SECONDS,
        )?;
        self.receive_raw(raw).await
    }

    /// Takes one event that was read from Stripe's own list in place of a delivery, over a connection that proves where it is from.
    pub async fn receive_pulled(&self, raw: &[u8]) -> Result<ReceiveOutcome, ReceiveError> {
        if raw.len() > MAX_WEBHOOK_BYTES {
            return Err(ReceiveError::TooLarge);
        }
        self.receive_raw(raw).await
    }

    /// What happens to a delivery once it is known to be Stripe's.
    async fn receive_raw(&self, raw: &[u8]) -> Result<ReceiveOutcome, ReceiveError> {
        match parse_envelope(raw) {
            Ok(envelope) => self.receive(envelope, raw).await,
            Err(error) => {
                let id = self.ids.event().to_string();
                let why = format!("not readable as an event: {error}");
                self.keep(
                    NewEvent {
                        id,
                        kind: "unreadable".into(),
                        raw: raw.to_vec(),
                        ..blank(self)
                    },
                    &why,
                )
                .await
            }
        }
    }

    /// Stores an event that is known to be Stripe's, from a delivery or from the event list.
    pub(crate) async fn receive(&self, envelope: EventEnvelope, raw: &[u8]) -> Result<ReceiveOutcome, ReceiveError> {
        let event = NewEvent {
            id: envelope.id,
            kind: envelope.kind,
            livemode: envelope.livemode,
            customer: envelope.customer,
            object_id: envelope.object_id.unwrap_or_default(),
            raw: raw.to_vec(),
        };
        if event.livemode != self.config.livemode {
            let why = other_mode(event.livemode);
            return self
                .keep(
                    NewEvent {
                        customer: None,
                        ..event
                    },
                    &why,
                )
                .await;
        }
        let new = self.inbox.store(event).await?;
        if new {
            self.wake.notify_one();
        }
        Ok(if new {
            ReceiveOutcome::New
        } else {
            ReceiveOutcome::Duplicate
        })
    }

    async fn keep(&self, event: NewEvent, why: &str) -> Result<ReceiveOutcome, ReceiveError> {
        let id = event.id.clone();
        tracing::warn!(event = %id, why, "an event was kept and not acted on");
        if self.inbox.store(event).await? {
            self.store.event_failed(&id, why, self.clock.now()).await?;
        }
        Ok(ReceiveOutcome::Kept)
    }
}

/// Why an event of the other mode is not acted on.
pub(crate) fn other_mode(livemode: bool) -> String {
    let (theirs, ours) = if livemode { ("live", "test") } else { ("test", "live") };
    format!("{theirs}-mode event, but the key in use is a {ours}-mode key")
}

fn blank(sync: &Sync) -> NewEvent {
    NewEvent {
        id: String::new(),
        kind: String::new(),
        livemode: sync.config.livemode,
        customer: None,
        object_id: String::new(),
        raw: Vec::new(),
    }
}
