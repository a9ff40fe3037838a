//! Grants: each is one reason to be entitled.

use serde::{Deserialize, Serialize};

use crate::{AccountId, GrantId, Scope, SiteId, Timestamp};

/// Where a grant comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A Stripe subscription.
    Subscription,
    /// Time bought once.
    Pass,
    /// Somebody else paid.
    Gift,
    /// Given by the publisher.
    Comp,
    /// A seat of a group or family.
    Seat,
    /// The reader's network belongs to an institution.
    Institution,
    /// Taken over from another system.
    Import,
    /// Set through the API by another system.
    External,
}

impl Source {
    /// The word stored in the database and shown in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subscription => "subscription",
            Self::Pass => "pass",
            Self::Gift => "gift",
            Self::Comp => "comp",
            Self::Seat => "seat",
            Self::Institution => "institution",
            Self::Import => "import",
            Self::External => "external",
        }
    }

    /// Every source, for the schema's CHECK and for tests.
    pub const ALL: [Self; 8] = [
        Self::Subscription,
        Self::Pass,
        Self::Gift,
        Self::Comp,
        Self::Seat,
        Self::Institution,
        Self::Import,
        Self::External,
    ];

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

/// The sites on which a grant counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sites {
    /// Every site of the instance, later ones too.
    All,
    /// Only these.
    Only(Vec<SiteId>),
}

impl Sites {
    /// Whether `site` is among them.
    pub fn contains(&self, site: &SiteId) -> bool {
        match self {
            Self::All => true,
            Self::Only(sites) => sites.contains(site),
        }
    }
}

/// One reason to be entitled: from a moment (inclusive) until another (exclusive), or open-ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Identifier of this record.
    pub id: GrantId,
    /// Who is entitled.
    pub account: AccountId,
    /// Where it comes from.
    pub source: Source,
    /// The object behind it in its source, such as a Stripe subscription id; unique within account and source while live.
    pub source_ref: String,
    /// What it entitles to.
    pub entitlements: Scope,
    /// Where.
    pub sites: Sites,
    /// First moment of entitlement.
    pub from: Timestamp,
    /// First moment after the entitlement; `None` is open-ended.
    pub until: Option<Timestamp>,
    /// The rule that set `until`, in words a support person can send on.
    pub because: String,
}

impl Grant {
    /// Whether the grant counts at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }
}
