//! Idempotency keys: the first answer under a key is every answer under it.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::delivery::hex;
use crate::error::ApiError;
use crate::params::Params;
use crate::state::State;

/// Stripe forgets keys after at least a day.
const KEPT_SECONDS: i64 = 86_400;
const MAX_KEYS: usize = 10_000;
const MAX_KEY_CHARS: usize = 255;

/// A kept answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) fingerprint: String,
    pub(crate) created: i64,
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// What makes two requests the same: method, path and parameters in any order.
pub(crate) fn fingerprint(method: &str, path: &str, params: &Params) -> String {
    let text = format!("{method} {path}\n{}", params.canonical());
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

impl State {
    /// The answer kept under `key`, or a refusal if it was kept for another request.
    pub(crate) fn kept(&self, key: &str, fingerprint: &str) -> Result<Option<&Kept>, ApiError> {
        if key.is_empty() || key.chars().count() > MAX_KEY_CHARS {
            return Err(ApiError::idempotency(format!(
                "The idempotency key must have between 1 and {MAX_KEY_CHARS} characters."
            )));
        }
        match self
            .idempotency
            .get(key)
            .filter(|kept| self.now - kept.created < KEPT_SECONDS)
        {
            Some(kept) if kept.fingerprint == fingerprint => Ok(Some(kept)),
            Some(_) => Err(ApiError::idempotency(format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
            ))),
            None => Ok(None),
        }
    }

    /// Keeps an answer of a request that was executed. Refusals before execution (other 4xx) are not kept.
    pub(crate) fn keep(&mut self, key: &str, kept: Kept) {
        if !matches!(kept.status, 200..=299 | 402 | 500) {
            return;
        }
        let oldest = self.now - KEPT_SECONDS;
        if self.idempotency.len() >= MAX_KEYS {
            self.idempotency.retain(|_, kept| kept.created > oldest);
        }
        while self.idempotency.len() >= MAX_KEYS {
            let first = self
                .idempotency
                .iter()
                .min_by_key(|(_, kept)| kept.created)
                .map(|(key, _)| key.clone());
            let Some(first) = first else { break };
            self.idempotency.remove(&first);
        }
        self.idempotency.insert(key.to_owned(), kept);
    }
}
