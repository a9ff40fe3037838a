//! Grants: each is one reason to be entitled.

use serde::{Deserialize, Serialize};

use crate::{AccountId, GrantId, Scope, SiteId, Span, Timestamp, Zone};

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

/// Time that was bought as a length: where it lies follows from what else the account has (see [`mod@crate::lay_out`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bought {
    /// When it was paid for; for a gift, when it was claimed. Its place in the queue.
    pub paid_at: Timestamp,
    /// How much.
    pub span: Span,
    /// Whose calendar its months and years are of.
    pub zone: Zone,
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
    /// What was bought, if this is time that was bought as a length. Several grants can be pieces of one purchase, where something else
    /// came between; their references differ in what follows [`Grant::PIECE_MARK`].
    #[serde(default)]
    pub bought: Option<Bought>,
}

impl Grant {
    /// Stands in the reference of a purchase's second and further pieces, before their number.
    pub const PIECE_MARK: char = '#';

    /// The reference without the number of a piece.
    pub fn purchase_ref(&self) -> &str {
        match &self.bought {
            Some(_) => self.source_ref.split(Self::PIECE_MARK).next().unwrap_or_default(),
            None => &self.source_ref,
        }
    }

    /// Whether it waits behind something that has no end.
    pub fn waits(&self) -> bool {
        self.from == Timestamp::NEVER
    }

    /// Whether the grant counts at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }
}
