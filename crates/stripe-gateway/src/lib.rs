//! Talks to Stripe; alone names async-stripe.
//!
//! async-stripe's typed requests give paths and form bodies; sending, retrying and reading are done here, since its own client
//! retries without a stored key and its parsers fail on one missing field.

mod answer;
mod events;
mod gateway;
mod key;
mod limiter;
mod money;
mod recording;
mod selling;
mod setup;
mod transport;
mod wire;

pub use events::PulledEvents;
pub use gateway::{Config, ConfigError, Gateway, MAX_PAGES, MAX_SESSION_PAGES, SecretKey};
pub use key::KeyAccount;
pub use limiter::{LIVE_CALLS_PER_SECOND, MAX_CALLS_PER_SECOND, MAX_HOLD, MAX_WAITING, TEST_CALLS_PER_SECOND, Urgency};
pub use recording::{
    Difference, DifferenceKind, MAX_RECORDING_BYTES, PlayedCall, RecordedCall, Recorder, Replay, TourStep, differences,
    read_recording,
};
pub use transport::{
    CALL_TIMEOUT, Jitter, MAX_ANSWER_BYTES, MAX_ATTEMPTS, MAX_CONCURRENT_CALLS, STRIPE_VERSION, TOTAL_BUDGET,
};
pub use wire::{Wire, WireError, https};
