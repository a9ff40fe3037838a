//! The sandbox through its public interface: calls, pages, webhooks, time.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic in a helper is a failed test, as in the tests themselves"
)]

mod account;
mod api;
mod checkout;
mod honest;
mod money;
mod once;
mod pages;
mod prices;
mod support;
mod time;
mod webhooks;
