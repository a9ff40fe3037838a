//! Keeps everything; alone has SQL.
//!
//! One [`Store`] over SQLite or PostgreSQL. Its methods are the transactions of the business, not tables: what must happen
//! together is one method, and what must happen once says so. Time and identifiers are arguments. Secrets come in hashed.

mod account;
mod account_merge;
mod allotment;
mod attempt;
mod commits;
mod customer;
mod database;
mod dead_letter;
mod divergence;
mod double;
mod enter_code;
mod error;
mod external;
mod grant;
mod history;
mod inbox;
mod invoice;
mod key;
mod leave_link;
mod limit;
mod login;
mod notice;
mod offer;
mod outbox;
mod plan;
mod price_change;
mod prune;
mod revocation;
mod schema;
mod session;
mod setting;
mod standing;
mod sync_commit;

#[cfg(test)]
mod tests;

pub use account::{Account, normalise_email};
pub use account_merge::{AccountMerge, Proof, ProveOutcome};
pub use attempt::{Attempt, NewAttempt};
pub use commits::{CommitPlace, Commits, Said};
pub use customer::{Customer, SyncFailed};
pub use database::{Backend, Store};
pub use dead_letter::{EffectRow, QueueDepth, Replay};
pub use divergence::{Divergence, DivergenceKind, Kept, NewDivergence};
pub use double::{Double, DoubleOutcome};
pub use enter_code::{EnterCode, NewEnterCode};
pub use error::StoreError;
pub use external::{External, ExternalReader, NewExternal, PutOutcome};
pub use history::MAX_HISTORY_ROWS;
pub use inbox::{Event, EventState, NewEvent};
pub use invoice::AccountPurchases;
pub use key::KeyRow;
pub use login::{CodeOutcome, Login, NewLogin};
pub use notice::{NOTICE_EFFECT, PostedNotice};
pub use offer::{OfferRow, TrialUse};
pub use outbox::{Effect, NewEffect};
pub use price_change::PriceChangeRow;
pub use revocation::{NewRevocation, RevocationRow};
pub use schema::Schema;
pub use session::{MAX_CHILDREN, Matched, NewSession, Session};
pub use sync_commit::{Alert, SubscriptionRow, SyncCommit, SyncDone};

/// SHA-256 of a secret, a code or a nonce: the store never sees these themselves.
pub type Hash = [u8; 32];

/// Most rows that one call answers with, whatever limit it is given.
pub const MAX_ROWS: u32 = 1_000;

/// A caller's limit, as an argument of a statement.
fn capped(limit: u32) -> i64 {
    i64::from(limit.min(MAX_ROWS))
}

/// SQL texts of one file: a constant each, and in tests a list of all, which are prepared on both databases.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* const $name: &str = $sql;)*
        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use statements;
