//! A sandbox with a standing clock, and hands to use it with.

use std::sync::Arc;

use ::time::OffsetDateTime;
use ::time::macros::datetime;
use axum::body::{Body, to_bytes};
use http::{Request, header};
use latchkey_stripe_sandbox::{Answer, Sandbox, SandboxClock, SandboxConfig};
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) const KEY: &str = "sk_test_sandbox_0123456789";
pub(crate) const START: OffsetDateTime = datetime!(2027-01-31 10:00 UTC);
pub(crate) const DAY_MS: i64 = 86_400_000;
pub(crate) const HOUR_MS: i64 = 3_600_000;

pub(crate) fn config() -> SandboxConfig {
    SandboxConfig {
        secret_key: KEY.to_owned(),
        webhook_url: None,
        webhook_secret: "whsec_sandbox_test".to_owned(),
        public_url: "http://stripe.localhost:8080".to_owned(),
        data: None,
    }
}

pub(crate) fn clock() -> Arc<SandboxClock> {
    Arc::new(SandboxClock::fixed(START.unix_timestamp() * 1000))
}

pub(crate) struct Bench {
    pub(crate) sandbox: Arc<Sandbox>,
}

pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) html: String,
    pub(crate) headers: http::HeaderMap,
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    serde_urlencoded::to_string(pairs).unwrap()
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            sandbox: Sandbox::open(config(), clock()).unwrap(),
        }
    }

    pub(crate) async fn raw(&self, method: &str, path: &str, extra: &[(&str, &str)], pairs: &[(&str, &str)]) -> Answer {
        let mut headers = vec![("Authorization".to_owned(), format!("Bearer {KEY}"))];
        headers.extend(
            extra
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        self.sandbox.call(method, path, &headers, &form(pairs)).await
    }

    async fn good(&self, method: &str, path: &str, pairs: &[(&str, &str)]) -> Value {
        let answer = self.raw(method, path, &[], pairs).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.good("GET", path, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Value {
        self.good("POST", path, pairs).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Value {
        self.good("DELETE", path, &[]).await
    }

    /// A refusal: its status and the error object.
    pub(crate) async fn refused(&self, method: &str, path: &str, pairs: &[(&str, &str)]) -> (u16, Value) {
        let answer = self.raw(method, path, &[], pairs).await;
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(answer.status >= 400, "{method} {path} was not refused: {body}");
        (answer.status, body["error"].clone())
    }

    pub(crate) async fn page(&self, method: &str, path: &str, pairs: &[(&str, &str)]) -> Page {
        self.page_from("same-origin", method, path, pairs).await
    }

    /// As [`Bench::page`], with what the browser says about the page that sent it.
    pub(crate) async fn page_from(&self, site: &str, method: &str, path: &str, pairs: &[(&str, &str)]) -> Page {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "stripe.localhost:8080")
            .header("sec-fetch-site", site)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form(pairs)))
            .unwrap();
        let response = self.sandbox.pages_router().oneshot(request).await.unwrap();
        let headers = response.headers().clone();
        let location = headers
            .get(header::LOCATION)
            .map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Page {
            status,
            location,
            html: String::from_utf8(bytes.to_vec()).unwrap(),
            headers,
        }
    }

    /// A monthly price of five euros.
    pub(crate) async fn price(&self) -> String {
        self.price_of("500", "month").await
    }

    pub(crate) async fn price_of(&self, amount: &str, interval: &str) -> String {
        let product = self.post("/v1/products", &[("name", "Ad-free")]).await;
        let product = text(&product, "id");
        let pairs = [
            ("product", product.as_str()),
            ("currency", "eur"),
            ("unit_amount", amount),
            ("recurring[interval]", interval),
        ];
        text(&self.post("/v1/prices", &pairs).await, "id")
    }

    pub(crate) async fn customer(&self) -> String {
        text(
            &self.post("/v1/customers", &[("email", "reader@example.org")]).await,
            "id",
        )
    }

    pub(crate) async fn session(&self, customer: &str, price: &str, extra: &[(&str, &str)]) -> Value {
        let mut pairs = vec![
            ("mode", "subscription"),
            ("customer", customer),
            ("line_items[0][price]", price),
            ("line_items[0][quantity]", "1"),
            (
                "success_url",
                "http://account.localhost:8080/return?session={CHECKOUT_SESSION_ID}",
            ),
            ("cancel_url", "http://account.localhost:8080/support"),
        ];
        pairs.extend_from_slice(extra);
        self.post("/v1/checkout/sessions", &pairs).await
    }

    /// Sends the card form of a session.
    pub(crate) async fn pay(&self, session: &str, number: &str) -> Page {
        let pairs = [
            ("number", number),
            ("expiry", "12/40"),
            ("cvc", "123"),
            ("name", "A Reader"),
        ];
        self.page("POST", &format!("/c/pay/{session}"), &pairs).await
    }

    /// A customer who subscribed with a card: customer and subscription.
    pub(crate) async fn subscribe(&self, price: &str, number: &str) -> (String, String) {
        let customer = self.customer().await;
        let session = text(&self.session(&customer, price, &[]).await, "id");
        assert_eq!(self.pay(&session, number).await.status, 303);
        let session = self.get(&format!("/v1/checkout/sessions/{session}")).await;
        (customer, text(&session, "subscription"))
    }

    pub(crate) async fn subscription(&self, id: &str) -> Value {
        self.get(&format!("/v1/subscriptions/{id}")).await
    }

    /// The types of all events, the oldest first.
    pub(crate) async fn event_kinds(&self) -> Vec<String> {
        let list = self.get("/v1/events?limit=100").await;
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .map(|event| text(event, "type"))
            .collect()
    }
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text {name} in {value}"))
        .to_owned()
}

pub(crate) fn period_end(subscription: &Value) -> OffsetDateTime {
    let end = subscription["items"]["data"][0]["current_period_end"].as_i64().unwrap();
    OffsetDateTime::from_unix_timestamp(end).unwrap()
}
