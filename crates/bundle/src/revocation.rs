//! Revocations: exact, since a false positive would show ads to a payer. Each says "passes issued before that moment are void".

use std::collections::HashMap;

use latchkey_entitlement::{RevocationKind, SiteId, Timestamp};
use serde::{Deserialize, Serialize};

/// Most revocations held at once.
pub const MAX_REVOCATIONS: usize = 200_000;
/// Most entries in one page of the feed.
pub const MAX_PAGE_ENTRIES: usize = 10_000;
/// Longest page of the feed, in bytes.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// One entry of the feed. Of site, subject and session, whatever is given has to match; none given means every pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Place in the feed, from 1.
    pub number: u64,
    /// The site, or all.
    #[serde(default)]
    pub site: Option<SiteId>,
    /// The reader (`sub`), or all.
    #[serde(default)]
    pub subject: Option<String>,
    /// The session (`sid`), or all.
    #[serde(default)]
    pub session: Option<String>,
    /// What becomes of such a pass; void where nothing is said.
    #[serde(default)]
    pub kind: RevocationKind,
    /// Seconds since the Unix epoch: passes with an earlier `iat` are revoked.
    pub not_before: i64,
    /// From when on no such pass could be honoured anyway, so that the entry can be forgotten.
    pub expires_at: Timestamp,
}

/// Some entries of the feed, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationPage {
    /// Where to go on: the number of the last entry here, or of the last there is.
    pub last: u64,
    /// The entries.
    pub entries: Vec<Revocation>,
    /// Whether there are no more.
    pub complete: bool,
}

/// A page that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PageError {
    /// Too long to be read.
    #[error("the page of revocations has {0} bytes; at most {MAX_PAGE_BYTES} are allowed")]
    TooLong(usize),
    /// Too many entries.
    #[error("the page of revocations has {0} entries; at most {MAX_PAGE_ENTRIES} are allowed")]
    TooMany(usize),
    /// No such JSON.
    #[error("the page of revocations cannot be read: {0}")]
    Json(String),
}

impl RevocationPage {
    /// Reads a page from JSON, within the limits.
    pub fn parse(json: &[u8]) -> Result<Self, PageError> {
        if json.len() > MAX_PAGE_BYTES {
            return Err(PageError::TooLong(json.len()));
        }
        let page: Self = serde_json::from_slice(json).map_err(|error| PageError::Json(error.to_string()))?;
        if page.entries.len() > MAX_PAGE_ENTRIES {
            return Err(PageError::TooMany(page.entries.len()));
        }
        Ok(page)
    }
}

/// What an edge has of the feed.
#[derive(Clone, Debug)]
pub struct RevocationSet {
    by_session: HashMap<String, Vec<Held>>,
    by_subject: HashMap<String, Vec<Held>>,
    wide: Vec<Held>,
    len: usize,
    last: u64,
    limit: usize,
}

#[derive(Clone, Debug)]
struct Held {
    site: Option<SiteId>,
    // Only for entries that are filed under their session.
    subject: Option<String>,
    kind: RevocationKind,
    not_before: i64,
    expires_at: Timestamp,
}

impl Held {
    fn covers(&self, site: &str, sub: &str, iat: i64) -> bool {
        iat < self.not_before
            && self.site.as_ref().is_none_or(|own| own.as_str() == site)
            && self.subject.as_ref().is_none_or(|own| own == sub)
    }
}

impl Default for RevocationSet {
    fn default() -> Self {
        Self::with_limit(MAX_REVOCATIONS)
    }
}

impl RevocationSet {
    /// An empty set that holds at most `limit` entries.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            by_session: HashMap::new(),
            by_subject: HashMap::new(),
            wide: vec![],
            len: 0,
            last: 0,
            limit,
        }
    }

    /// Takes up a page; taking one up twice changes nothing. Gives the number of entries for which there was no room: the set then asks
    /// for them again ([`RevocationSet::last`] stays before the first of them), and has them once older ones are forgotten. A page that
    /// ends before what was seen (a server restored from a backup) sets `last` back, so that no new entry under an old number is missed;
    /// what is held stays held.
    pub fn apply(&mut self, page: &RevocationPage) -> usize {
        let mut refused = 0;
        let mut last = page.last;
        for entry in &page.entries {
            if !self.insert(entry) {
                refused += 1;
                last = last.min(entry.number.saturating_sub(1));
            }
        }
        self.last = last;
        refused
    }

    /// What the entries that cover a pass with these claims make of it, the strongest of them; `iat` in seconds.
    pub fn verdict(&self, site: &str, sub: &str, sid: &str, iat: i64) -> Option<RevocationKind> {
        let filed = [self.by_session.get(sid), self.by_subject.get(sub)];
        filed
            .into_iter()
            .flatten()
            .chain([&self.wide])
            .flatten()
            .filter(|held| held.covers(site, sub, iat))
            .map(|held| held.kind)
            .max()
    }

    /// The number after which the feed is to be asked.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// How many entries are held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets entries whose time has come.
    pub fn forget_expired(&mut self, now: Timestamp) {
        let mut len = 0;
        for map in [&mut self.by_session, &mut self.by_subject] {
            map.retain(|_, held| {
                held.retain(|held| held.expires_at > now);
                len += held.len();
                !held.is_empty()
            });
        }
        self.wide.retain(|held| held.expires_at > now);
        self.len = len + self.wide.len();
    }

    fn insert(&mut self, entry: &Revocation) -> bool {
        let full = self.len >= self.limit;
        let (map, key, subject) = match (&entry.session, &entry.subject) {
            (Some(session), subject) => (Some(&mut self.by_session), session, subject.clone()),
            (None, Some(subject)) => (Some(&mut self.by_subject), subject, None),
            (None, None) => (None, &String::new(), None),
        };
        let list = match map {
            None => &mut self.wide,
            // An empty list must not stay behind for an entry that finds no room.
            Some(map) if full && !map.contains_key(key) => return false,
            Some(map) => map.entry(key.clone()).or_default(),
        };
        let same = list
            .iter_mut()
            .find(|held| held.site == entry.site && held.subject == subject && held.kind == entry.kind);
        if let Some(held) = same {
            held.not_before = held.not_before.max(entry.not_before);
            held.expires_at = held.expires_at.max(entry.expires_at);
            return true;
        }
        if full {
            return false;
        }
        let (not_before, expires_at) = (entry.not_before, entry.expires_at);
        list.push(Held {
            site: entry.site.clone(),
            subject,
            kind: entry.kind,
            not_before,
            expires_at,
        });
        self.len += 1;
        true
    }
}
