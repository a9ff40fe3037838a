//! Standing: warnings, suspensions and bans from commenting. Never touches what was paid for.

use serde::{Deserialize, Serialize};

use crate::{AccountId, SiteId, Timestamp};

/// How severe a standing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandingKind {
    /// A note to the reader; takes nothing away.
    Warning,
    /// No comments for a while.
    Suspension,
    /// No comments until lifted, or until its end.
    Ban,
}

impl StandingKind {
    /// The word stored in the database, shown in the API and carried in the pass.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Suspension => "suspension",
            Self::Ban => "ban",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Warning, Self::Suspension, Self::Ban]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }

    /// Whether comments are refused.
    pub const fn silences(self) -> bool {
        matches!(self, Self::Suspension | Self::Ban)
    }
}

/// One decision of a moderator about a reader's comments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Identifier of this record (`evt_…`).
    pub id: crate::EventId,
    /// Whom it concerns.
    pub account: AccountId,
    /// Where; `None` is every site of the instance.
    pub site: Option<SiteId>,
    /// How severe.
    pub kind: StandingKind,
    /// Why, as the reader is told.
    pub reason: String,
    /// Who decided.
    pub moderator: String,
    /// First moment.
    pub from: Timestamp,
    /// First moment after; `None` until lifted.
    pub until: Option<Timestamp>,
}

impl Standing {
    /// Whether it counts on `site` at `now`.
    pub fn is_live(&self, site: &SiteId, now: Timestamp) -> bool {
        self.site.as_ref().is_none_or(|own| own == site)
            && self.from <= now
            && self.until.is_none_or(|until| now < until)
    }
}
