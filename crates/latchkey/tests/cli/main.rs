//! The program through its public door: the built binary, a clean environment, a folder of its own for each test.
//!
//! Exit codes are those of docs/CONTRACT.md; every message says what was wrong, where, and what to do; no secret is printed.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod books;
mod configuration;
mod database;
mod demo;
mod doctor;
mod explain;
mod grants;
mod help;
mod listen;
mod online;
mod outside;
mod program;
mod queues;
mod record;
mod rounds;
mod running;
mod setup;
mod strip;
