//! Whether the server counts as down. One session's answers never decide it: a fault that one reader can provoke must not open
//! expired passes.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::limits::BREAKER_OPEN;

/// Failed pulls in a row after which the server counts as down.
const PULLS_TO_OPEN: u32 = 3;
/// Sessions whose calls failed, without one that succeeded between, after which the server counts as down.
const SESSIONS_TO_OPEN: usize = 3;

/// Who made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The edge itself, pulling.
    Pull,
    /// A reader's session, by a hash of its secret.
    Session(u64),
}

#[derive(Default)]
struct State {
    failed_pulls: u32,
    failed_sessions: Vec<u64>,
    last_session_failure: Option<Instant>,
}

/// Counts failures (no connection, time-out, 5xx) and successes (any other answer).
#[derive(Default)]
pub(crate) struct Breaker(Mutex<State>);

impl Breaker {
    pub(crate) fn failed(&self, caller: Caller) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match caller {
            Caller::Pull => state.failed_pulls = state.failed_pulls.saturating_add(1),
            Caller::Session(session) => {
                if state.failed_sessions.len() < SESSIONS_TO_OPEN && !state.failed_sessions.contains(&session) {
                    state.failed_sessions.push(session);
                }
                state.last_session_failure = Some(Instant::now());
            }
        }
    }

    pub(crate) fn answered(&self, caller: Caller) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match caller {
            Caller::Pull => state.failed_pulls = 0,
            Caller::Session(_) => {
                state.failed_sessions.clear();
                state.last_session_failure = None;
            }
        }
    }

    /// Whether expired passes are honoured. After failures of readers' calls it closes by itself, so that a reader tries again.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open_at(Instant::now())
    }

    fn is_open_at(&self, now: Instant) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: Instant| now.saturating_duration_since(at) < BREAKER_OPEN;
        let sessions =
            state.failed_sessions.len() >= SESSIONS_TO_OPEN && state.last_session_failure.is_some_and(recent);
        state.failed_pulls >= PULLS_TO_OPEN || sessions
    }
}

/// Waiting time after `failures` failed rounds: `every`, doubled up to four times.
pub(crate) fn backoff(every: Duration, failures: u32) -> Duration {
    every.saturating_mul(1 << failures.min(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_never_opens_it_and_three_do() {
        let breaker = Breaker::default();
        for _ in 0..50 {
            breaker.failed(Caller::Session(1));
        }
        assert!(!breaker.is_open());
        breaker.failed(Caller::Session(2));
        assert!(!breaker.is_open());
        breaker.failed(Caller::Session(3));
        assert!(breaker.is_open());
        breaker.answered(Caller::Session(4));
        assert!(!breaker.is_open());
    }

    #[test]
    fn three_failed_pulls_open_it_and_one_answer_closes_it() {
        let breaker = Breaker::default();
        breaker.failed(Caller::Pull);
        breaker.failed(Caller::Pull);
        assert!(!breaker.is_open());
        breaker.failed(Caller::Pull);
        assert!(breaker.is_open());
        breaker.answered(Caller::Pull);
        assert!(!breaker.is_open());
    }

    #[test]
    fn after_half_a_minute_a_reader_may_try_again() {
        let breaker = Breaker::default();
        (1..=3).for_each(|session| breaker.failed(Caller::Session(session)));
        let later = Instant::now() + BREAKER_OPEN;
        assert!(breaker.is_open() && !breaker.is_open_at(later));
        breaker.failed(Caller::Session(9));
        assert!(breaker.is_open());
    }
}
