//! An HTTP answer of Stripe to a result, and whether asking again is right.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use latchkey_billing::StripeError;
use serde_json::Value;

/// Longest message of Stripe that is kept, in characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// A failed attempt.
pub(crate) struct Failure {
    pub(crate) error: StripeError,
    pub(crate) retry: bool,
    /// How long Stripe asks to wait.
    pub(crate) wait: Option<Duration>,
}

impl Failure {
    pub(crate) const fn is_final(error: StripeError) -> Self {
        Self {
            error,
            retry: false,
            wait: None,
        }
    }
}

/// Reads one answer. `changes` says that the request was a POST: then an unreadable answer leaves open what happened.
pub(crate) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8], changes: bool) -> Result<Value, Failure> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    if status.is_success() {
        return json.ok_or_else(|| Failure::is_final(lost("the answer is not JSON".to_owned(), changes)));
    }
    if status.is_server_error() && header(headers, "idempotent-replayed") == Some("true") {
        return Err(Failure::is_final(StripeError::KeySpent));
    }
    let wait = header(headers, "retry-after")
        .and_then(|text| text.trim().parse().ok())
        .map(Duration::from_secs);
    let retry = match header(headers, "stripe-should-retry") {
        Some("true") => true,
        Some("false") => false,
        _ => matches!(status.as_u16(), 409 | 429 | 500..=599),
    };
    Err(Failure {
        error: error(status, json.as_ref(), wait, changes),
        retry,
        wait,
    })
}

fn error(status: StatusCode, json: Option<&Value>, wait: Option<Duration>, changes: bool) -> StripeError {
    let details = json.and_then(|json| json.get("error"));
    let text = |name: &str| {
        details
            .and_then(|it| it.get(name))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    match status.as_u16() {
        401 | 403 => StripeError::Unauthorized,
        429 => StripeError::RateLimited { retry_after: wait },
        500..=599 => lost(format!("status {}", status.as_u16()), changes),
        _ if details.is_none() => lost(
            format!("status {} with a body that is not Stripe's", status.as_u16()),
            changes,
        ),
        404 => StripeError::NotFound,
        _ if text("code").as_deref() == Some("resource_missing") => StripeError::NotFound,
        402 => StripeError::Declined {
            code: text("code"),
            decline_code: text("decline_code"),
        },
        status => StripeError::Refused {
            status,
            code: text("code").or_else(|| text("type")),
            message: redacted(&text("message").unwrap_or_default()),
        },
    }
}

/// An answer that says nothing: after a POST nobody knows what happened, after a GET nothing has.
pub(crate) fn lost(what: String, changes: bool) -> StripeError {
    if changes {
        StripeError::OutcomeUnknown { what }
    } else {
        StripeError::Unreachable { what }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Takes out addresses and keys, which Stripe repeats in its messages.
fn redacted(message: &str) -> String {
    let private = |word: &str| word.contains('@') || ["sk_", "rk_", "whsec_"].iter().any(|key| word.contains(key));
    let words: Vec<&str> = message
        .split(' ')
        .map(|word| if private(word) { "[redacted]" } else { word })
        .collect();
    words.join(" ").chars().take(MAX_MESSAGE_CHARS).collect()
}
