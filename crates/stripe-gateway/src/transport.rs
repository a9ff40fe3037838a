//! One call to Stripe: bounded in time, size, number and attempts.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use latchkey_billing::{IdempotencyKey, StripeError};
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use crate::answer::{self, Failure};

/// The API version that the code reads; webhook endpoints are pinned to the same.
pub const STRIPE_VERSION: &str = "2026-09-30.endive";
/// How long one attempt may take, unless configured otherwise.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
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
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// Gives a number from 0 (inclusive) to 1 (exclusive) that spreads retries of several processes over time.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

pub(crate) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Without a slash at the end.
    base: String,
    authorization: HeaderValue,
    timeout: Duration,
    jitter: Jitter,
    turns: Semaphore,
}

impl Transport {
    pub(crate) fn new(
        base: String,
        authorization: HeaderValue,
        timeout: Duration,
        jitter: Jitter,
    ) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        let turns = Semaphore::new(MAX_CONCURRENT_CALLS);
        Ok(Self {
            client,
            base,
            authorization,
            timeout,
            jitter,
            turns,
        })
    }

    /// Sends a request, up to [`MAX_ATTEMPTS`] times, always with the same key and the same bytes.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        key: Option<&IdempotencyKey>,
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
            let failure = match self.attempt(&request, form.as_deref(), key).await {
                Ok(json) => return Ok(json),
                Err(failure) => failure,
            };
            if !failure.retry || !repeatable || attempt >= MAX_ATTEMPTS {
                return Err(failure.error);
            }
            let pause = failure.wait.unwrap_or_default().max(self.pause(attempt));
            if Instant::now() + pause >= deadline {
                return Err(failure.error);
            }
            tracing::info!(path = request.path, attempt, error = %failure.error, "calling Stripe again");
            sleep(pause).await;
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

    async fn exchange(&self, http: Request<Full<Bytes>>, changes: bool) -> Result<Value, Failure> {
        let path = http.uri().path().to_owned();
        let response = self.client.request(http).await.map_err(|error| {
            let (what, changes) = if error.is_connect() {
                ("no connection", false)
            } else {
                ("the connection broke before the answer", changes)
            };
            Failure {
                error: answer::lost(what.to_owned(), changes),
                retry: true,
                wait: None,
            }
        })?;
        let (head, body) = response.into_parts();
        let id = head
            .headers
            .get("request-id")
            .and_then(|id| id.to_str().ok())
            .unwrap_or("-");
        tracing::debug!(path, status = head.status.as_u16(), request_id = id, "Stripe answered");
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                let what = format!("the answer is larger than {MAX_ANSWER_BYTES} bytes");
                Failure::is_final(StripeError::Malformed { what })
            } else {
                let error = answer::lost("the connection broke within the answer".to_owned(), changes);
                Failure {
                    error,
                    retry: true,
                    wait: None,
                }
            }
        })?;
        answer::read(head.status, &head.headers, &body.to_bytes(), changes)
    }

    fn http_request(
        &self,
        request: &RequestBuilder,
        form: Option<&str>,
        key: Option<&IdempotencyKey>,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
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
        http.body(Full::new(Bytes::from(form.unwrap_or_default().to_owned())))
    }
}

/// The form with its fields in order. Metadata comes from a hash map, and the bytes under one key must be the same in every process.
fn in_order(form: &str) -> String {
    let mut fields: Vec<&str> = form.split('&').collect();
    fields.sort_unstable();
    fields.join("&")
}
