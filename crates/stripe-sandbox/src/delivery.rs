//! Deliveries: signed events on their way to endpoints, with retries and a log.

use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde::{Deserialize, Serialize};

use crate::config::check_loopback_url;
use crate::mode::DeliveryMode;
use crate::state::State;

/// Waits after each failed try, in seconds of sandbox time: quick at first, because a server in development restarts
/// often, then up to the three days that Stripe goes on for.
const RETRY_SECONDS: [i64; 8] = [2, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 40 * 3600];
/// How long an endpoint may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// In mode `reorder` an event waits up to so long.
const REORDER_WINDOW_MS: usize = 3000;
const MAX_DELIVERIES: usize = 20_000;
/// How many deliveries are under way at once.
pub(crate) const MAX_IN_FLIGHT: usize = 8;
/// Older than any receiver's tolerance.
const OLD_SECONDS: i64 = 3600;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Progress {
    Pending,
    Delivered,
    /// Retries are used up.
    GivenUp,
    Dropped,
}

impl Progress {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::GivenUp => "given up",
            Self::Dropped => "dropped",
        }
    }
}

/// What is wrong with a delivery on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Twist {
    BadSignature,
    OldTimestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) number: u64,
    pub(crate) event: String,
    pub(crate) endpoint: String,
    pub(crate) progress: Progress,
    pub(crate) due_ms: i64,
    pub(crate) tries: u32,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) twist: Option<Twist>,
}

/// One request to send.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) url: String,
    pub(crate) signature: String,
    pub(crate) body: String,
}

/// A delivery that is due.
#[derive(Debug, Clone)]
pub struct DueDelivery {
    /// Names it to [`Sandbox::record_delivery`](crate::Sandbox::record_delivery).
    pub number: u64,
    /// The header `Stripe-Signature`.
    pub signature: String,
    /// The body, as it was signed.
    pub body: String,
}

impl From<Job> for DueDelivery {
    fn from(job: Job) -> Self {
        let Job {
            number,
            signature,
            body,
            ..
        } = job;
        Self {
            number,
            signature,
            body,
        }
    }
}

pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A `Stripe-Signature` header for `body` at `seconds`: one `v1` per secret.
pub fn signature_header(body: &[u8], secrets: &[&str], seconds: i64) -> String {
    secrets.iter().fold(format!("t={seconds}"), |header, secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mut signing = hmac::Context::with_key(&key);
        signing.update(format!("{seconds}.").as_bytes());
        signing.update(body);
        format!("{header},v1={}", hex(signing.sign().as_ref()))
    })
}

impl State {
    /// Whether some delivery of an event succeeded, or none was needed.
    pub(crate) fn was_delivered(&self, event: &str) -> bool {
        let mut all = self.deliveries.values().filter(|one| one.event == event).peekable();
        all.peek().is_none() || all.any(|one| one.progress == Progress::Delivered)
    }

    /// Hands the events of the finished operation to deliveries, in an order unlike that of their making.
    pub(crate) fn dispatch_emitted(&mut self, now_ms: i64) {
        let mut events = std::mem::take(&mut self.emitted);
        for last in (1..events.len()).rev() {
            let other = self.roll(last + 1);
            events.swap(last, other);
        }
        for event in events {
            self.enqueue(&event, now_ms);
        }
        while self.deliveries.len() > MAX_DELIVERIES {
            self.deliveries.pop_first();
        }
    }

    fn enqueue(&mut self, event: &str, now_ms: i64) {
        let Some(kind) = self.events.get(event).map(|event| event.kind.clone()) else {
            return;
        };
        let wanting: Vec<String> = self
            .endpoints
            .values()
            .filter(|one| one.wants(&kind))
            .map(|one| one.id.clone())
            .collect();
        for endpoint in wanting {
            let (due, twist, progress) = match self.modes.delivery {
                DeliveryMode::Normal | DeliveryMode::Double => (now_ms, None, Progress::Pending),
                DeliveryMode::Drop => (now_ms, None, Progress::Dropped),
                DeliveryMode::Delay(ms) => (now_ms.saturating_add(ms.max(0)), None, Progress::Pending),
                DeliveryMode::Reorder => {
                    let wait = i64::try_from(self.roll(REORDER_WINDOW_MS)).unwrap_or_default();
                    (now_ms + wait, None, Progress::Pending)
                }
                DeliveryMode::BadSignature => (now_ms, Some(Twist::BadSignature), Progress::Pending),
                DeliveryMode::OldTimestamp => (now_ms, Some(Twist::OldTimestamp), Progress::Pending),
            };
            let copies = if self.modes.delivery == DeliveryMode::Double {
                2
            } else {
                1
            };
            for _ in 0..copies {
                self.add_delivery(event, &endpoint, due, twist, progress);
            }
        }
    }

    fn add_delivery(&mut self, event: &str, endpoint: &str, due_ms: i64, twist: Option<Twist>, progress: Progress) {
        self.counter += 1;
        let delivery = Delivery {
            number: self.counter,
            event: event.to_owned(),
            endpoint: endpoint.to_owned(),
            progress,
            due_ms,
            tries: 0,
            status: None,
            error: None,
            twist,
        };
        self.deliveries.insert(self.counter, delivery);
        self.changed = true;
    }

    /// Sends an event once more, to every endpoint, whatever the mode is.
    pub(crate) fn resend(&mut self, event: &str, now_ms: i64, twist: Option<Twist>) -> bool {
        if !self.events.contains_key(event) {
            return false;
        }
        let endpoints: Vec<String> = self.endpoints.keys().cloned().collect();
        for endpoint in endpoints {
            self.add_delivery(event, &endpoint, now_ms, twist, Progress::Pending);
        }
        true
    }

    /// Takes up to `limit` due deliveries for sending.
    pub(crate) fn take_due(&mut self, now_ms: i64, limit: usize) -> Vec<Job> {
        if self.modes.paused {
            return Vec::new();
        }
        let due = |one: &&Delivery| {
            one.progress == Progress::Pending && one.due_ms <= now_ms && !self.in_flight.contains(&one.number)
        };
        let mut ready: Vec<(i64, u64)> = self
            .deliveries
            .values()
            .filter(due)
            .map(|one| (one.due_ms, one.number))
            .collect();
        ready.sort_unstable();
        let mut jobs = Vec::new();
        for (_, number) in ready.into_iter().take(limit) {
            if let Some(job) = self.prepare(number, now_ms / 1000) {
                self.in_flight.insert(number);
                jobs.push(job);
            } else if let Some(delivery) = self.deliveries.get_mut(&number) {
                delivery.progress = Progress::GivenUp;
                delivery.error = Some("the event or the endpoint is gone".to_owned());
            }
        }
        jobs
    }

    fn prepare(&self, number: u64, now: i64) -> Option<Job> {
        let delivery = self.deliveries.get(&number)?;
        let (event, endpoint) = (
            self.events.get(&delivery.event)?,
            self.endpoints.get(&delivery.endpoint)?,
        );
        let body = self.render_event(event).to_string();
        // Each try is signed afresh, as Stripe's are.
        let signature = match delivery.twist {
            None => signature_header(body.as_bytes(), &endpoint.secrets(now), now),
            Some(Twist::BadSignature) => signature_header(body.as_bytes(), &["whsec_sandbox_nobody_has_this"], now),
            Some(Twist::OldTimestamp) => signature_header(body.as_bytes(), &endpoint.secrets(now), now - OLD_SECONDS),
        };
        Some(Job {
            number,
            url: endpoint.url.clone(),
            signature,
            body,
        })
    }

    /// Records what became of a try: a 2xx answer is a delivery, everything else (a redirect too) is a failure.
    pub(crate) fn delivered(&mut self, number: u64, outcome: Result<u16, String>, now_ms: i64) {
        self.in_flight.remove(&number);
        self.changed = true;
        let Some(delivery) = self.deliveries.get_mut(&number) else {
            return;
        };
        let wait = usize::try_from(delivery.tries)
            .ok()
            .and_then(|done| RETRY_SECONDS.get(done));
        delivery.tries += 1;
        match outcome {
            Ok(status) => {
                delivery.status = Some(status);
                delivery.error = None;
            }
            Err(error) => {
                delivery.status = None;
                delivery.error = Some(error);
            }
        }
        if delivery.status.is_some_and(|status| (200..300).contains(&status)) {
            delivery.progress = Progress::Delivered;
        } else if let Some(wait) = wait {
            delivery.due_ms = now_ms + wait * 1000;
        } else {
            delivery.progress = Progress::GivenUp;
        }
    }
}

/// Sends one delivery. Names that end in `localhost` are connected to as 127.0.0.1, so no name service is asked and
/// nothing leaves the machine.
pub(crate) async fn send(client: &HttpClient, job: &Job) -> Result<u16, String> {
    let mut url = check_loopback_url("webhook_url", &job.url).map_err(|error| error.to_string())?;
    let host = url.port().map_or_else(
        || url.host_str().unwrap_or_default().to_owned(),
        |port| format!("{}:{port}", url.host_str().unwrap_or_default()),
    );
    if url.domain().is_some() {
        url.set_host(Some("127.0.0.1")).map_err(|error| error.to_string())?;
    }
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.as_str())
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::USER_AGENT, "Stripe/1.0 (sandbox)")
        .header("stripe-signature", &job.signature)
        .body(Full::new(Bytes::from(job.body.clone())))
        .map_err(|error| error.to_string())?;
    match tokio::time::timeout(ANSWER_TIMEOUT, client.request(request)).await {
        Ok(Ok(answer)) => Ok(answer.status().as_u16()),
        Ok(Err(error)) => Err(if error.is_connect() {
            "cannot connect".to_owned()
        } else {
            error.to_string()
        }),
        Err(_) => Err(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())),
    }
}
