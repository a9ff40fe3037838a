//! Moments and spans. A moment is milliseconds since the Unix epoch, UTC, as it is stored.

use std::{pin::Pin, time::Duration};

use serde::{Deserialize, Serialize};

/// Milliseconds in one second.
pub const SECOND: i64 = 1_000;
/// Milliseconds in one minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Milliseconds in one hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Milliseconds in one day of 24 hours (not a calendar day).
pub const DAY: i64 = 24 * HOUR;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The end of the year 9999, which no clock here reaches: where time waits that is behind something without an end.
    pub const NEVER: Self = Self(253_402_300_799_000);

    /// From seconds, as Stripe (`created`) and JWT (`NumericDate`, RFC 7519 section 2) give them.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND))
    }

    /// Whole seconds, rounded down: the form of JWT and of Stripe.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// This moment moved by `millis`, which may be negative.
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this moment; negative if `earlier` is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where the present comes from. The binary has one that asks the system; the demo and the tests have ones that can be moved.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Waits: between two tries, or for a turn. How long that takes in the world's time is the clock's to say; a simulation goes on
    /// at once.
    fn pause(&self, length: Duration) -> Pause<'_>;
}

/// A time of waiting, over once the future is ready.
pub type Pause<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn pause(&self, length: Duration) -> Pause<'_> {
        (**self).pause(length)
    }
}
