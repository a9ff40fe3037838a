//! Decides what a reader may do, until when and why.
//!
//! Everything here is pure: time is an argument ([`Timestamp`]), identifiers are given ([`id`]), nothing reads or writes.
//! The other crates carry facts to this one and its answers to readers.

pub mod grant;
pub mod id;
pub mod lay_out;
pub mod policy;
pub mod revocation;
pub mod scope;
pub mod span;
pub mod standing;
pub mod time;

mod allot;
mod evaluate;

pub use allot::allot;
pub use evaluate::{Entitled, Reason, evaluate};
pub use grant::{Bought, Grant, Sites, Source};
pub use id::{AccountId, EventId, GrantId, PlanId, PriceId, SessionId, SiteId};
pub use lay_out::{Piece, Purchase, lay_out};
pub use revocation::RevocationKind;
pub use scope::{Class, Entitlement, Scope, ScopeError};
pub use span::{Span, SpanError, SpanUnit, Zone, ZoneError};
pub use standing::{Standing, StandingKind};
pub use time::{Clock, Timestamp};
