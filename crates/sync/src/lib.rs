//! Keeps what readers are entitled to in step with what Stripe says.
//!
//! Three ways lead to the same function, [`Sync::sync_customer`]: the return from Checkout, a webhook that was stored in the
//! inbox, and the walk through Stripe's event list ([`Sync::reconcile`]). It takes the customer's lease, reads the customer's
//! whole state, derives benefits, and records the difference in one transaction. An event is a hint; the truth is read.
//!
//! Effects on the world outside, letters above all, are stored first and done by [`Sync::work_outbox`].

mod backoff;
mod checkout;
mod customer;
mod dead_letter;
mod double;
mod error;
mod full_round;
mod ids;
mod inbox;
mod invoices;
mod outbox;
mod promise;
mod reconcile;
mod status;
mod webhook;
mod worker;

use std::sync::Arc;

use latchkey_billing::{DerivePolicy, NoticePolicy, Plan, WebhookSecrets};
use latchkey_store::Store;
use tokio::sync::Notify;

pub use checkout::Purchase;
pub use customer::{MAX_SYNC_TRIES, SyncReport};
pub use dead_letter::{ReplayOutcome, ReplayReport, advice, replay_all, replay_event};
pub use double::LETTER_DOUBLE_STOPPED;
pub use error::{ReceiveError, SyncError};
pub use full_round::{FullRound, RoundPart, last_full_round};
pub use ids::Ids;
pub use invoices::{Filled, read_invoices_again};
pub use latchkey_billing::Stripe;
pub use latchkey_entitlement::Clock;
pub use latchkey_store::Effect;
pub use outbox::{EFFECT_TIMEOUT, EffectError, Effects, MAX_EFFECT_TRIES};
pub use reconcile::ReconcileReport;
pub use status::{QueueStatus, Status};
pub use webhook::{MAX_WEBHOOK_BYTES, ReceiveOutcome};

/// What a sync needs to know beyond what is stored.
pub struct SyncConfig {
    /// What is sold.
    pub plans: Vec<Plan>,
    /// Slack, grace, and what money that goes back does.
    pub derive: DerivePolicy,
    /// Signing secrets of the webhook endpoint.
    pub webhook_secrets: WebhookSecrets,
    /// Whether the Stripe key is a live one; events of the other mode are kept and not acted on.
    pub livemode: bool,
    /// Which letters readers are sent about what they bought.
    pub notices: NoticePolicy,
    /// How often Stripe's event list is read for what webhooks never told, in milliseconds.
    pub reconcile_every: i64,
    /// How often all that Stripe lists is walked through, in milliseconds; never if 0.
    pub full_round_every: i64,
}

/// Keeps grants in step with Stripe. Cheap to share; one an instance process.
pub struct Sync {
    store: Store,
    /// For what a reader waits for.
    stripe: Arc<dyn Stripe>,
    /// For what nobody waits for.
    background: Arc<dyn Stripe>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    config: SyncConfig,
    inbox: inbox::Inbox,
    wake: Notify,
    /// Told when this process stored an effect.
    outbox: Notify,
}

impl Sync {
    /// Puts the parts together and starts the task that writes the inbox in groups. Must run within a Tokio runtime.
    pub fn new(
        store: Store,
        stripe: Arc<dyn Stripe>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        config: SyncConfig,
    ) -> Arc<Self> {
        let inbox = inbox::Inbox::start(store.clone(), Arc::clone(&clock));
        Arc::new(Self {
            store,
            background: stripe.in_background().unwrap_or_else(|| Arc::clone(&stripe)),
            stripe,
            clock,
            ids,
            config,
            inbox,
            wake: Notify::new(),
            outbox: Notify::new(),
        })
    }

    /// Whether the Stripe key is a live one.
    pub fn livemode(&self) -> bool {
        self.config.livemode
    }

    /// What is sold, as this instance was configured.
    pub fn plans(&self) -> &[Plan] {
        &self.config.plans
    }
}
