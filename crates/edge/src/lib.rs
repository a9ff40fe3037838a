//! The proxy on the site's host: checks the pass without asking anyone, and changes the page.
//!
//! In order, for each request: what is not well-formed is refused; reserved headers are deleted; the pass is verified with the keys
//! of the bundle, and held against the revocations; it gives the class; the origin is asked, without our cookies; its page is
//! changed for the class, or passed on byte for byte. The server is needed only for renewals, hand-overs and fresh bundles: while it
//! is down, pages go on, and expired passes are honoured for as long as the site's policy says.

mod breaker;
mod change;
mod config;
mod connect;
mod content_policy;
mod cookies;
mod counters;
mod edge;
mod enter;
mod event_stream;
mod feed;
mod headers;
mod kept;
pub mod limits;
mod memo;
mod origin_rewrite;
mod own;
mod pages;
mod plan;
mod probe;
mod proxy;
mod pull;
mod reachable;
mod reader;
mod renewal;
mod server;
mod sites;
mod wellformed;

pub use config::{EdgeConfig, EdgeError, SiteOrigin};
pub use counters::Counts;
pub use edge::Edge;
pub use latchkey_token::Secret;
pub use limits::Limits;
pub use probe::{ProbeError, probe};
pub use reachable::{REACHABLE_TIMEOUT, reachable};
