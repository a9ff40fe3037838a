//! Stripe's side of a story: banks that decline, deliveries that go wrong, a network that fails.

use latchkey_stripe_sandbox::{Control, DeliveryMode, signature_header};
use reqwest::StatusCode;
use serde_json::Value;
use url::form_urlencoded;

use crate::{HeldAnswer, Offer, Reader, World};

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
    pub async fn sends_body(&self, body: &str) -> u16 {
        let parts = &self.0.parts;
        let now = parts.clock.now_ms().div_euclid(1000);
        let signature = signature_header(body.as_bytes(), &[&parts.webhook_secret], now);
        let request = parts
            .http
            .post(format!("{}/webhooks/stripe", parts.account_origin))
            .header("stripe-signature", signature)
            .body(body.to_owned());
        request.send().await.expect("the server answers").status().as_u16()
    }

    /// Nobody reaches Stripe's API any more. Readers still reach its pages.
    pub fn goes_down(&self) {
        self.refuses(Some(StatusCode::BAD_GATEWAY));
    }

    /// Stripe does not accept our key any more, as after it was rolled in the dashboard and not here.
    pub fn refuses_our_key(&self) {
        self.refuses(Some(StatusCode::UNAUTHORIZED));
    }

    /// Stripe fails, with status 500, at whatever is asked about this reader alone.
    pub fn fails_at(&self, reader: &Reader<'_>) {
        *self.0.parts.network.failing.lock().unwrap() = Some(reader.customer());
    }

    /// Takes [`Self::fails_at`] back.
    pub fn recovers(&self) {
        *self.0.parts.network.failing.lock().unwrap() = None;
    }

    /// Takes [`Self::goes_down`] and [`Self::refuses_our_key`] back.
    pub fn comes_back(&self) {
        self.refuses(None);
    }

    fn refuses(self, status: Option<StatusCode>) {
        *self.0.parts.network.refusal.lock().unwrap() = status;
    }

    /// Holds back the next answer to a request whose path begins so: it says what is true now, and arrives later.
    pub fn holds_answer(&self, path: &str) -> HeldAnswer {
        self.0.parts.network.hold(path)
    }

    /// From now on subscriptions of status `from` have a status that no version of ours knows.
    ///
    /// Stripe has added such words before, and the sandbox cannot know the next one.
    pub fn calls_status(&self, from: &str, unknown: &str) {
        *self.0.parts.network.unknown_status.lock().unwrap() = Some((from.to_owned(), unknown.to_owned()));
    }

    /// In Stripe's dashboard somebody sets the reader's subscription to end with its period, or takes that back.
    pub async fn sets_to_end(&self, reader: &Reader<'_>, end: bool) {
        let path = format!("/v1/subscriptions/{}", reader.subscription());
        self.posts(&path, &[("cancel_at_period_end", &end.to_string())]).await;
    }

    /// In Stripe's dashboard somebody ends the reader's subscription at once.
    pub async fn ends_now(&self, reader: &Reader<'_>) {
        let path = format!("/v1/subscriptions/{}", reader.subscription());
        self.calls("DELETE", &path, "").await;
    }

    /// In Stripe's dashboard somebody deletes the reader, which ends their subscriptions too.
    pub async fn deletes(&self, reader: &Reader<'_>) {
        self.calls("DELETE", &format!("/v1/customers/{}", reader.customer()), "")
            .await;
    }

    /// In Stripe's dashboard somebody moves the reader to another offer; the difference is paid at once.
    pub async fn moves_to(&self, reader: &Reader<'_>, offer: Offer) {
        let path = format!("/v1/subscriptions/{}", reader.subscription());
        let subscription = self.object(&path).await;
        let item = text(&subscription["items"]["data"][0], "id");
        let price = self.0.stripe_price(offer);
        let change = [
            ("items[0][id]", item.as_str()),
            ("items[0][price]", price.as_str()),
            ("proration_behavior", "always_invoice"),
        ];
        self.posts(&path, &change).await;
    }

    /// The reader buys something else of the publisher's, which Latchkey does not sell. Gives its price's id.
    pub async fn sells_something_else_to(&self, reader: &Reader<'_>) -> String {
        let product = text(&self.posts("/v1/products", &[("name", "Tea towels")]).await, "id");
        let price = [
            ("product", product.as_str()),
            ("currency", "eur"),
            ("unit_amount", "900"),
            ("recurring[interval]", "month"),
        ];
        let price = text(&self.posts("/v1/prices", &price).await, "id");
        let subscription = self
            .object(&format!("/v1/subscriptions/{}", reader.subscription()))
            .await;
        let sale = [
            ("customer", reader.customer()),
            ("items[0][price]", price.clone()),
            ("default_payment_method", text(&subscription, "default_payment_method")),
        ];
        let sale = sale.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.posts("/v1/subscriptions", &sale).await;
        price
    }

    /// In Stripe's dashboard somebody ends or deletes what lies at a path of the API.
    pub async fn deletes_object(&self, path: &str) {
        self.calls("DELETE", path, "").await;
    }

    /// In Stripe's dashboard somebody makes or changes something. Gives the object.
    pub async fn makes(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        self.posts(path, fields).await
    }

    /// An object of the API, as it is now.
    pub async fn object(&self, path: &str) -> Value {
        self.calls("GET", path, "").await
    }

    pub(crate) async fn posts(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.calls("POST", path, &body).await
    }

    pub(crate) async fn calls(&self, method: &str, path: &str, body: &str) -> Value {
        let parts = &self.0.parts;
        let headers = [("authorization".to_owned(), format!("Bearer {}", parts.stripe_key))];
        let answer = parts.sandbox.call(method, path, &headers, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        serde_json::from_str(&answer.body).expect("the sandbox answers in JSON")
    }
}

/// A field of an object of the API. Fails if it is no text.
#[track_caller]
pub(crate) fn text(object: &Value, field: &str) -> String {
    let found = object[field].as_str();
    found
        .unwrap_or_else(|| panic!("no text {field} in {object}"))
        .to_owned()
}
