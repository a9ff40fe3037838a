//! Decides what a reader may do, until when and why.
//!
//! Everything here is pure: time is an argument ([`Timestamp`]), identifiers are given ([`id`]), nothing reads or writes.
//! The other crates carry facts to this one and its answers to readers.

pub mod grant;
pub mod id;
pub mod policy;
pub mod revocation;
pub mod scope;
pub mod standing;
pub mod time;

mod evaluate;

pub use evaluate::{Entitled, Reason, evaluate};
pub use grant::{Grant, Sites, Source};
pub use id::{AccountId, EventId, GrantId, PlanId, PriceId, SessionId, SiteId};
pub use revocation::RevocationKind;
pub use scope::{Class, Entitlement, Scope, ScopeError};
pub use standing::{Standing, StandingKind};
pub use time::{Clock, Timestamp};
