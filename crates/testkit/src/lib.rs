//! Development only: the whole of Latchkey in one process, for tests that read like stories.
//!
//! ```no_run
//! use latchkey_testkit::{Offer::Monthly, days, each_city};
//!
//! # async fn story() {
//! each_city(async |city| {
//!     let ada = city.reader("ada").subscribes(Monthly).await;
//!     city.stripe().declines_next_charge(&ada);
//!     city.advance(days(31)).await; // runs what fell due
//!     assert_eq!(ada.opens("/story").await.ads(), 0); // within the grace
//! })
//! .await;
//! # }
//! ```
//!
//! A [`World`] has real parts and uses their public doors: the store on a database of its own, `Sync`, the gateway speaking HTTP to
//! the Stripe sandbox, the sandbox delivering signed webhooks to the server's listener, the server and the edge on loopback
//! listeners, and a publisher's web server whose pages hold ads. One clock, the sandbox's, is everybody's, and stands until it is
//! moved. Whatever writes to the database directly is named `given_…`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it, as it should"
)]

mod browser;
mod checkout;
mod database;
mod dying;
mod ids;
mod money;
mod network;
mod newspaper;
mod page;
mod reader;
mod start;
mod stripe;
mod world;

pub mod simulation;

pub use browser::Browser;
pub use checkout::{Card, Checkout, Offer};
pub use database::{Database, each_database, postgres_server};
pub use dying::Death;
pub use ids::SeededIds;
pub use latchkey_stripe_sandbox::Sandbox;
pub use network::HeldAnswer;
pub use newspaper::ADS_PER_PAGE;
pub use page::Page;
pub use reader::Reader;
pub use stripe::StripeHand;
pub use world::{World, each_city, each_city_with};

/// So many seconds, in milliseconds.
pub const fn seconds(count: i64) -> i64 {
    count * latchkey_entitlement::time::SECOND
}

/// So many minutes, in milliseconds.
pub const fn minutes(count: i64) -> i64 {
    count * latchkey_entitlement::time::MINUTE
}

/// So many hours, in milliseconds.
pub const fn hours(count: i64) -> i64 {
    count * latchkey_entitlement::time::HOUR
}

/// So many days of 24 hours, in milliseconds.
pub const fn days(count: i64) -> i64 {
    count * latchkey_entitlement::time::DAY
}
