//! One call to Stripe: bounded in time, size, number and attempts.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use latchkey_billing::{Clock, IdempotencyKey, StripeError};
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::{
    answer::{self, Failure},
    limiter::{Limiter, Urgency},
    wire::{Wire, WireError},
};

/// The API version that the code reads; webhook endpoints are pinned to the same.
pub const STRIPE_VERSION: &str = "2026-09-30.endive";
/// How long one attempt may take, unless configured otherwise.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call may take in all: waiting for its turn, attempts and pauses. No attempt begins after it.
pub const TOTAL_BUDGET: Duration = Duration::from_secs(25);
/// Most attempts of one call.
pub const MAX_ATTEMPTS: u32 = 3;
/// Largest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Most calls at one time.
pub const MAX_CONCURRENT_CALLS: usize = 20;
/// Pause after the first attempt, before jitter; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Gives a number from 0 (inclusive) to 1 (exclusive) that spreads retries of several processes over time.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

pub(crate) struct Transport {
    pub(crate) wire: Arc<dyn Wire>,
    /// Without a slash at the end.
    pub(crate) base: String,
    pub(crate) authorization: HeaderValue,
    pub(crate) timeout: Duration,
    pub(crate) jitter: Jitter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) turns: Semaphore,
    /// None where nothing is to be spared, as in a simulation.
    pub(crate) limiter: Option<Limiter>,
}

impl Transport {
    /// Sends a request, up to [`MAX_ATTEMPTS`] times, always with the same key and the same bytes.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        key: Option<&IdempotencyKey>,
        urgency: Urgency,
    ) -> Result<Value, StripeError> {
        if key.is_some_and(|key| !key.is_valid()) {
            return Err(StripeError::Malformed {
                what: "the idempotency key".to_owned(),
            });
        }
        let deadline = Instant::now() + TOTAL_BUDGET;
        let busy = || StripeError::Unreachable {
            what: "too many calls are waiting".to_owned(),
        };
        let _turn = timeout(TOTAL_BUDGET, self.turns.acquire())
            .await
            .map_err(|_| busy())?
            .map_err(|_| busy())?;
        // Without a key a second POST could act twice.
        let repeatable = key.is_some() || !matches!(request.method, StripeMethod::Post);
        let form = request.body.as_deref().map(in_order);
        let mut attempt = 1;
        loop {
            if let Some(limiter) = &self.limiter
                && !limiter.turn(urgency, TOTAL_BUDGET).await
            {
                return Err(busy());
            }
            let failure = match self.attempt(&request, form.as_deref(), key).await {
                Ok(json) => return Ok(json),
                Err(failure) => failure,
            };
            // What Stripe asks of one call it asks of all.
            if let (Some(limiter), StripeError::RateLimited { retry_after }) = (&self.limiter, &failure.error) {
                limiter.hold(retry_after.unwrap_or_default().max(self.pause(attempt)));
            }
            if !failure.retry || !repeatable || attempt >= MAX_ATTEMPTS {
                return Err(failure.error);
            }
            let pause = failure.wait.unwrap_or_default().max(self.pause(attempt));
            if Instant::now() + pause >= deadline {
                return Err(failure.error);
            }
            tracing::info!(path = request.path, attempt, error = %failure.error, "calling Stripe again");
            self.clock.pause(pause).await;
            attempt += 1;
        }
    }

    /// Half of the doubled pause is fixed, the other half is jitter.
    fn pause(&self, attempt: u32) -> Duration {
        let full = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(8));
        full.mul_f64(0.5 + (self.jitter)().clamp(0.0, 1.0) / 2.0)
    }

    async fn attempt(
        &self,
        request: &RequestBuilder,
        form: Option<&str>,
        key: Option<&IdempotencyKey>,
    ) -> Result<Value, Failure> {
        let changes = !matches!(request.method, StripeMethod::Get);
        let http = self.http_request(request, form, key).map_err(|_| {
            Failure::is_final(StripeError::Malformed {
                what: format!("the request to {}", request.path),
            })
        })?;
        let answered = timeout(self.timeout, self.exchange(http, changes)).await;
        answered.unwrap_or_else(|_| {
            let what = format!("no answer within {} ms", self.timeout.as_millis());
            Err(Failure::is_final(answer::lost(what, changes)))
        })
    }

    async fn exchange(&self, http: Request<Bytes>, changes: bool) -> Result<Value, Failure> {
        let path = http.uri().path().to_owned();
        let lost = |what: &str, changes| Failure {
            error: answer::lost(what.to_owned(), changes),
            retry: true,
            wait: None,
        };
        let answered = self.wire.exchange(http).await.map_err(|error| match error {
            WireError::NoConnection => lost("no connection", false),
            WireError::Broken => lost("the connection broke before the whole answer was there", changes),
            WireError::TooLarge => {
                let what = format!("the answer is larger than {MAX_ANSWER_BYTES} bytes");
                Failure::is_final(StripeError::Malformed { what })
            }
        })?;
        let (head, body) = answered.into_parts();
        let id = head
            .headers
            .get("request-id")
            .and_then(|id| id.to_str().ok())
            .unwrap_or("-");
        tracing::debug!(path, status = head.status.as_u16(), request_id = id, "Stripe answered");
        answer::read(head.status, &head.headers, &body, changes)
    }

    /// The header `Date` of the answer to one attempt.
    pub(crate) async fn date(&self, request: &RequestBuilder) -> Result<Option<String>, StripeError> {
        let http = self
            .http_request(request, None, None)
            .map_err(|_| StripeError::Malformed {
                what: format!("the request to {}", request.path),
            })?;
        let unreachable = |what: &str| StripeError::Unreachable { what: what.to_owned() };
        match timeout(self.timeout, self.wire.exchange(http)).await {
            Ok(Ok(answer)) => Ok(answer
                .headers()
                .get(header::DATE)
                .and_then(|date| date.to_str().ok())
                .map(str::to_owned)),
            Ok(Err(_)) => Err(unreachable("no answer")),
            Err(_) => Err(unreachable("no answer in time")),
        }
    }

    fn http_request(
        &self,
        request: &RequestBuilder,
        form: Option<&str>,
        key: Option<&IdempotencyKey>,
    ) -> Result<Request<Bytes>, http::Error> {
        let query = request.query.as_deref().filter(|query| !query.is_empty());
        let question = if query.is_some() { "?" } else { "" };
        let uri = format!(
            "{}/v1{}{question}{}",
            self.base,
            request.path,
            query.unwrap_or_default()
        );
        let method = match request.method {
            StripeMethod::Get => Method::GET,
            StripeMethod::Post => Method::POST,
            StripeMethod::Delete => Method::DELETE,
        };
        let mut http = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::USER_AGENT, concat!("latchkey/", env!("CARGO_PKG_VERSION")))
            .header("stripe-version", STRIPE_VERSION);
        if let Some(key) = key {
            http = http.header("idempotency-key", key.as_str());
        }
        if form.is_some() {
            http = http.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        http.body(Bytes::from(form.unwrap_or_default().to_owned()))
    }
}

/// The form with its fields in order. Metadata comes from a hash map, and the bytes under one key must be the same in every process.
fn in_order(form: &str) -> String {
    let mut fields: Vec<&str> = form.split('&').collect();
    fields.sort_unstable();
    fields.join("&")
}
