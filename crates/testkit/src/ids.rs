//! Identifiers and secrets that follow from a seed.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use latchkey_entitlement::Clock;
use latchkey_server::hash;
use latchkey_sync::Ids;
use uuid::Uuid;

/// Gives the same identifiers and secrets in the same order for the same seed.
pub struct SeededIds {
    seed: u64,
    given: AtomicU64,
    clock: Arc<dyn Clock>,
}

impl SeededIds {
    /// From `seed`; identifiers carry `clock`'s present.
    pub fn new(seed: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            seed,
            given: AtomicU64::new(0),
            clock,
        }
    }
}

impl Ids for SeededIds {
    fn uuid(&self) -> Uuid {
        let millis = u64::try_from(self.clock.now().0).unwrap_or_default();
        let mut random = [0; 10];
        random.copy_from_slice(&self.secret()[..10]);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    fn secret(&self) -> [u8; 32] {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        hash(&format!("{}/{number}", self.seed))
    }
}

/// The seed of `LATCHKEY_TEST_SEED`, else a new one.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever repeats a test gives its seed in the environment"
)]
pub(crate) fn seed() -> u64 {
    match std::env::var("LATCHKEY_TEST_SEED") {
        Ok(text) => text.parse().expect("LATCHKEY_TEST_SEED is a number"),
        Err(_) => RandomState::new().hash_one("a world"),
    }
}
