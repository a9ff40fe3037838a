//! Development only: a stateful Stripe with Checkout, portal, clock and signed webhooks.
//!
//! It speaks a part of Stripe's API in version [`API_VERSION`], strictly: what it does not know it refuses, with the
//! errors Stripe gives. State is one value behind one lock, so every call is atomic; time is a [`SandboxClock`] that
//! can be advanced, and what falls due on the way happens in order of time, each at its own moment.
//!
//! It never meets anything real: it takes only keys that begin with [`KEY_PREFIX`], answers only requests for
//! loopback hosts, and delivers only to loopback addresses.

// A Checkout session is one `json!` of many keys, which the macro walks through recursively.
#![recursion_limit = "256"]

mod account;
mod api;
mod card;
mod card_attach;
mod charge;
mod checkout;
mod checkout_api;
mod clock;
mod collect;
mod config;
mod control;
mod control_money;
mod coupon;
mod credit_note;
mod customer;
mod debit;
mod delivery;
mod discount;
mod dispute;
mod due;
mod endpoint;
mod error;
mod event;
mod expand;
mod fault;
mod idempotency;
mod intent;
mod invoice;
mod invoice_api;
mod list;
mod mode;
mod pages;
mod params;
mod pay;
mod plan_change;
mod portal;
mod portal_configuration;
mod preview;
mod price;
mod product;
mod promotion_code;
mod refund;
mod sandbox;
mod settings;
mod state;
mod subscription;
mod subscription_api;

pub use api::Answer;
pub use clock::SandboxClock;
pub use config::{KEY_PREFIX, SandboxConfig, SandboxError, bind, check_loopback};
pub use control::{Control, Counts, DeliveryRecord, SubscriptionSummary};
pub use delivery::{DueDelivery, signature_header};
pub use event::API_VERSION;
pub use fault::Fault;
pub use mode::DeliveryMode;
pub use sandbox::Sandbox;
pub use settings::{AfterLastRetry, Settings};
pub use subscription::SubscriptionStatus;
