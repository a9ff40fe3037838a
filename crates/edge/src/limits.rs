//! Every bound of the edge, by name. What an operator may change is in [`Limits`]; the rest is fixed.

use std::time::Duration;

/// Largest page, or other text with addresses to be rewritten, that is changed, in bytes; a larger one is passed on as it comes.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Memory for pages that were changed before, in bytes of originals and results together.
pub const MAX_MEMO_BYTES: usize = 64 * 1024 * 1024;
/// Most header lines of a request.
pub const MAX_HEADERS: usize = 100;
/// Most bytes of a request's header names and values together.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Longest request target, in bytes.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;
/// Longest pass that is looked at, in bytes; a pass of ours has at most 640.
pub const MAX_TOKEN_BYTES: usize = 2 * 1024;
/// Cookies of the pass's name that are tried; a second one can only come from another path or domain.
pub const MAX_PASS_TRIES: usize = 2;
/// Longest `to` parameter, in bytes.
pub const MAX_TO_BYTES: usize = 2 * 1024;
/// Longest answer of the server to `enter` and `renew`, in bytes.
pub const MAX_SERVER_ANSWER_BYTES: usize = 64 * 1024;
/// Largest file of kept revocations, in bytes.
pub const MAX_KEPT_REVOCATIONS_BYTES: usize = 64 * 1024 * 1024;
/// Redirects that are followed to find where a site really is; browsers stop at 20.
pub const MAX_PROBE_REDIRECTS: usize = 5;
/// Pages of the revocation feed that are read in one round.
pub const MAX_REVOCATION_PAGES: usize = 64;
/// Verified passes that are remembered.
pub const MAX_PASS_MEMO: usize = 32 * 1024;
/// Renewals under way at once; beyond it a reader is sent back to try again in a minute.
pub const MAX_RENEWALS: usize = 1024;
/// Tunnels (WebSocket and other upgrades) open at once.
pub const MAX_TUNNELS: usize = 4096;
/// Largest changed page that is remembered, in bytes.
pub const MAX_MEMO_PAGE_BYTES: usize = 1024 * 1024;
/// Pages larger than this, in bytes, are changed on a thread of their own, so that small ones do not wait.
pub const BLOCKING_PAGE_BYTES: usize = 256 * 1024;
/// Idle connections kept to each origin.
pub const MAX_IDLE_CONNECTIONS: usize = 128;

/// Time to connect to an origin or to the server.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection to an origin is kept; below the 5 s after which Node.js closes them.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(4);
/// Time for the server to answer `enter`, `renew` and pulls.
pub const SERVER_TIMEOUT: Duration = Duration::from_secs(5);
/// Time to find where a site really is, redirects included.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between pulls of the bundle.
pub const BUNDLE_EVERY: Duration = Duration::from_secs(10);
/// Time between pulls of the revocation feed where it does not come as a stream, and before a stream that ended is opened again.
pub const REVOCATIONS_EVERY: Duration = Duration::from_secs(2);
/// How long a stream of revocations may say nothing; the server says something every five seconds.
pub const FEED_SILENCE: Duration = Duration::from_secs(15);
/// How long the feed is pulled after the server, or a proxy on the way, did not stream it.
pub const FEED_ASIDE: Duration = Duration::from_mins(1);
/// How long the start waits for a first bundle.
pub const FIRST_PULL_PATIENCE: Duration = Duration::from_secs(5);
/// How long a changed page is remembered.
pub const MEMO_LIFE: Duration = Duration::from_mins(10);
/// How long after the last failure a breaker that opened over readers' calls stays open.
pub const BREAKER_OPEN: Duration = Duration::from_secs(30);

/// Least time between two renewals that one browser is sent to, in seconds.
pub const RETRY_SECONDS: i64 = 60;
/// Life of the nonce of a hand-over, in seconds.
pub const NONCE_SECONDS: i64 = 10 * 60;
/// Life of the pass cookie, in seconds: pass life plus the longest outage grace.
pub const PASS_COOKIE_SECONDS: i64 = 31 * 24 * 60 * 60;
/// Life of the refresh cookie and of its mark, in seconds: the 400 days that browsers allow (RFC 6265bis section 5.5).
pub const SESSION_COOKIE_SECONDS: i64 = 400 * 24 * 60 * 60;
/// How long an expired pass counts for requests that cannot be sent through a renewal, in seconds. A client can withhold its refresh
/// secret, so that this ends with the entitlement, and with a revocation, which the server makes when an entitlement ends early.
pub const UNRENEWABLE_SECONDS: i64 = 24 * 60 * 60;

/// Bounds that an operator may change.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest page that is changed, in bytes.
    pub max_page_bytes: usize,
    /// Memory for pages that were changed before, in bytes; 0 switches the memory off.
    pub max_memo_bytes: usize,
    /// Time until the origin's answer begins.
    pub origin_timeout: Duration,
    /// The same for requests with a body, whose upload counts.
    pub upload_timeout: Duration,
    /// Time until a page that is to be changed has arrived in full.
    pub page_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_page_bytes: MAX_PAGE_BYTES,
            max_memo_bytes: MAX_MEMO_BYTES,
            origin_timeout: Duration::from_mins(1),
            upload_timeout: Duration::from_mins(10),
            page_timeout: Duration::from_mins(1),
        }
    }
}
