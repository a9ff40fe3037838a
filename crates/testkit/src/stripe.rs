//! Stripe's side of a story: banks that decline, deliveries that go wrong, a network that fails.

use std::sync::atomic::Ordering;

use latchkey_stripe_sandbox::{Control, DeliveryMode, signature_header};
use reqwest::StatusCode;
use serde_json::Value;

use crate::{HeldAnswer, Reader, World};

/// Stripe, as far as a story tells it what to do.
#[derive(Clone, Copy)]
pub struct StripeHand<'c>(pub(crate) &'c World);

impl StripeHand<'_> {
    /// Everything else that the sandbox can be told.
    pub fn control(&self) -> Control<'_> {
        self.0.parts.sandbox.control()
    }

    /// The reader's bank declines the next charge, whatever the card.
    pub fn declines_next_charge(&self, reader: &Reader<'_>) {
        self.declines_charges(reader, 1);
    }

    /// The reader's bank declines so many charges in a row; 0 for none from now on.
    pub fn declines_charges(&self, reader: &Reader<'_>, count: u32) {
        let declined = self.control().fail_next_payments(&reader.customer(), count);
        declined.expect("the customer is known");
    }

    /// What becomes of the webhooks of whatever happens from now on.
    pub fn delivers(&self, mode: DeliveryMode) {
        self.control().set_delivery_mode(mode);
    }

    /// No webhook is delivered any more, and none later.
    pub fn drops_webhooks(&self) {
        self.delivers(DeliveryMode::Drop);
    }

    /// The events so far, the oldest first.
    pub fn events(&self) -> Vec<String> {
        let mut events: Vec<String> = self.control().deliveries().into_iter().map(|one| one.event).collect();
        events.sort();
        events.dedup();
        events
    }

    /// Delivers an event (once more), and waits for the answer.
    pub async fn sends(&self, event: &str) {
        self.control().resend(event).expect("the event is known");
        self.0.parts.sandbox.deliver_due().await;
    }

    /// Delivers a body of one's own, rightly signed. Gives the answer's status.
    pub async fn sends_body(&self, body: &str) -> StatusCode {
        let parts = &self.0.parts;
        let now = parts.clock.now_ms().div_euclid(1000);
        let signature = signature_header(body.as_bytes(), &[&parts.webhook_secret], now);
        let request = parts
            .http
            .post(format!("{}/webhooks/stripe", parts.account_origin))
            .header("stripe-signature", signature)
            .body(body.to_owned());
        request.send().await.expect("the server answers").status()
    }

    /// Nobody reaches Stripe's API any more. Readers still reach its pages.
    pub fn goes_down(&self) {
        self.0.parts.network.cut.store(true, Ordering::SeqCst);
    }

    /// Takes [`Self::goes_down`] back.
    pub fn comes_back(&self) {
        self.0.parts.network.cut.store(false, Ordering::SeqCst);
    }

    /// Holds back the next answer to a request whose path begins so: it says what is true now, and arrives later.
    pub fn holds_answer(&self, path: &str) -> HeldAnswer {
        self.0.parts.network.hold(path)
    }

    /// From now on subscriptions of status `from` have a status that no version of ours knows.
    pub fn calls_status(&self, from: &str, unknown: &str) {
        *self.0.parts.network.unknown_status.lock().unwrap() = Some((from.to_owned(), unknown.to_owned()));
    }

    /// An object of the API, as it is now.
    pub async fn object(&self, path: &str) -> Value {
        let parts = &self.0.parts;
        let headers = [("authorization".to_owned(), format!("Bearer {}", parts.stripe_key))];
        let answer = parts.sandbox.call("GET", path, &headers, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).expect("the sandbox answers in JSON")
    }
}
