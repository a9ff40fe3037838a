//! The demo before somebody else's site: real nginx over TLS, under its own host names, that knows nothing of Latchkey.
//!
//! `publisher` is that web server, `demo` the program before it, `reader` a browser without scripts, `stories` what must come of it.
//! Needs nginx and openssl (`tests/run` sees to both). Paying there, in a real browser, is in the walk.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod demo;
#[allow(dead_code, reason = "the walk needs more of it")]
#[path = "../walk/equipment.rs"]
mod equipment;
mod publisher;
mod reader;
mod stories;
