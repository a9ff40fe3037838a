//! What taking a pass back means.

use serde::{Deserialize, Serialize};

/// What a revocation does to the passes that it covers; the later one is the stronger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationKind {
    /// The session goes on, but its pass says what is no longer so: it is renewed at the next click, and until then counts as a
    /// pass that has just expired. For what changed beside what was paid for, such as a standing.
    Renew,
    /// The pass is worth nothing any more: signed out, or what it stood for ended before its time.
    #[default]
    Void,
}

impl RevocationKind {
    /// The word stored in the database and sent to edges.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Void => "void",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Renew, Self::Void].into_iter().find(|kind| kind.as_str() == word)
    }
}
