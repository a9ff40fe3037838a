//! Failures of the API that a test or the panel asks for.

/// What one API call suffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 500 before any effect; under an idempotency key it is kept and replayed, as Stripe does.
    ServerError,
    /// 503 before any effect, not kept.
    Unavailable,
    /// 429 with `Retry-After`.
    RateLimited {
        /// The seconds that the answer asks to wait.
        retry_after_seconds: u32,
    },
    /// 409 `lock_timeout`, as when two requests meet on one object.
    LockTimeout,
    /// 502 with a web page for a body, as a proxy would answer.
    BadGateway,
    /// The call has its effect, and its answer is held back for so long and is then a 504.
    TimeoutAfterEffect {
        /// Milliseconds of real time.
        hold_ms: u64,
    },
}
