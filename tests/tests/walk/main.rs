//! The walk: readers pay, and the ads are gone. Real binary, real Chromium; the sandbox stands in for Stripe alone, and the
//! ad server's counter is the proof.
//!
//! `demo` runs the program, `panel` is the sandbox's control panel, `real_site` is a publisher's own
//! server, `browser` is Chromium, `steps` is what a reader does in it,
//! `stories` says what must come of it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod browser;
mod demo;
mod equipment;
mod inspect;
mod panel;
mod real_site;
mod steps;
mod stories;
