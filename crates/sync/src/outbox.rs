//! The outbox: effects that were stored with their cause are done at least once, and tried again until they are, or given up and shown.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use latchkey_billing::notice::LATEST;
use latchkey_entitlement::{
    Timestamp,
    time::{HOUR, MINUTE, SECOND},
};
use latchkey_store::{Effect, StoreError};

use crate::{Sync, backoff, double::SETTLE_DOUBLES};

/// How long the worker sleeps when nothing wakes it: what is due again, or was stored by another process, is found then.
const IDLE: Duration = Duration::from_secs(1);
/// How long one effect may take.
pub const EFFECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Life of a claim in milliseconds, longer than an effect may take; a dead worker's effect is free again after it.
const CLAIM: i64 = MINUTE;
/// Pause after a first try that failed, in milliseconds; doubled after each further one.
const FIRST_PAUSE: i64 = 10 * SECOND;
/// Longest pause between two tries, in milliseconds.
const LONGEST_PAUSE: i64 = HOUR;
/// Letters handed over at once.
const MAX_NOTICES: u32 = 100;
/// Tries after which an effect is given up: about 14 hours, longer than a night without a mail server.
pub const MAX_EFFECT_TRIES: u32 = 24;

/// What is noted of an effect that was begun and goes on later.
const NOT_YET: &str = "goes on later";

/// Why an effect was not done. The text is stored and shown to the operator: no address and no secret belongs in it.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// Worth trying again.
    #[error("{0}")]
    Later(String),
    /// No try will ever succeed.
    #[error("{0}")]
    Never(String),
}

/// Who does effects; this crate knows neither mail nor anything else outside.
#[async_trait]
pub trait Effects: Send + std::marker::Sync {
    /// Does one effect. It may be asked for again after it was done, if this process died before that could be noted.
    async fn perform(&self, effect: &Effect) -> Result<(), EffectError>;
}

impl Sync {
    /// Stores an effect, unless the same one is stored already, and wakes the worker. Returns whether it is new.
    pub async fn enqueue_once(&self, kind: &str, payload: &str) -> Result<bool, StoreError> {
        let new = self.store.enqueue_once(kind, payload, self.clock.now()).await?;
        if new {
            self.outbox.notify_one();
        }
        Ok(new)
    }

    /// Hands letters whose day has come to the outbox. Gives how many.
    pub async fn post_notices(&self) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let posted = self.store.post_notices(now, now.plus(-LATEST), MAX_NOTICES).await?;
        if posted > 0 {
            self.outbox.notify_one();
        }
        Ok(posted)
    }

    /// Works until `stop` is done; what was begun is finished first. Run it once a process, as a task.
    pub async fn work_outbox(self: Arc<Self>, effects: Arc<dyn Effects>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let step = self.do_one(effects.as_ref()).await;
            if let Err(error) = &step {
                tracing::warn!(%error, "the outbox worker will try again");
            }
            let more = matches!(step, Ok(true));
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = std::future::ready(()), if more => {}
                () = self.outbox.notified() => {}
                () = self.clock.pause(IDLE) => {}
            }
        }
    }

    /// Tries every effect that is due, once. Returns how many were tried.
    pub async fn work_off_outbox(&self, effects: &dyn Effects) -> Result<u32, StoreError> {
        let mut tried = 0;
        while self.do_one(effects).await? {
            tried += 1;
        }
        Ok(tried)
    }

    /// Claims one effect and does it; false if none is due. One at a time, so that a claim outlives its effect.
    async fn do_one(&self, effects: &dyn Effects) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let Some(effect) = self.store.claim_outbox(now, now.plus(CLAIM), 1).await?.pop() else {
            return Ok(false);
        };
        let doing = async {
            match effect.kind.as_str() {
                SETTLE_DOUBLES => self.settle_doubles(&effect.payload).await,
                _ => effects.perform(&effect).await.map(|()| None),
            }
        };
        let done = tokio::time::timeout(EFFECT_TIMEOUT, doing).await.unwrap_or_else(|_| {
            Err(EffectError::Later(format!(
                "not done in {} s",
                EFFECT_TIMEOUT.as_secs()
            )))
        });
        let now = self.clock.now();
        let again_at = match &done {
            Ok(None) => {
                self.store.outbox_done(effect.id, now).await?;
                return Ok(true);
            }
            Ok(Some(at)) => {
                self.store
                    .outbox_failed(effect.id, NOT_YET, Some((*at).max(now)))
                    .await?;
                return Ok(true);
            }
            Err(EffectError::Later(_)) => retry_at(now, effect.tries, &self.ids.secret()),
            Err(EffectError::Never(_)) => None,
        };
        let (id, kind, tries) = (effect.id, effect.kind.as_str(), effect.tries);
        let error = done.err().map(|error| error.to_string()).unwrap_or_default();
        if again_at.is_some() {
            tracing::warn!(id, kind, tries, error, "an effect was not done and will be tried again");
        } else {
            tracing::error!(
                id,
                kind,
                tries,
                error,
                "an effect was given up; it is kept among the failed ones"
            );
        }
        self.store.outbox_failed(id, &error, again_at).await?;
        Ok(true)
    }
}

/// When an effect that failed `tries` times is tried again; `None` if it is given up.
fn retry_at(now: Timestamp, tries: u32, random: &[u8; 32]) -> Option<Timestamp> {
    if tries >= MAX_EFFECT_TRIES {
        return None;
    }
    Some(now.plus(backoff::pause(FIRST_PAUSE, LONGEST_PAUSE, tries, random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_with_jitter_and_end() {
        let pause = |tries, byte| retry_at(Timestamp(0), tries, &[byte; 32]).map(|at| at.0 / SECOND);
        assert_eq!((pause(1, 0), pause(1, 255)), (Some(5), Some(10)));
        assert_eq!((pause(3, 0), pause(3, 255)), (Some(20), Some(40)));
        assert_eq!((pause(23, 0), pause(23, 255)), (Some(1800), Some(3600)));
        assert_eq!(pause(MAX_EFFECT_TRIES, 0), None);
    }
}
