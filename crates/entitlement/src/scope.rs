//! Names of what a reader may do, and sets of them.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// Longest name of an entitlement, in bytes.
pub const MAX_NAME_LENGTH: usize = 32;
/// Most entitlements in one scope; keeps a pass under its 500 bytes.
pub const MAX_ENTITLEMENTS: usize = 8;
/// The class of a reader who is entitled to nothing that changes a page.
pub const FREE: &str = "free";

/// A name or a list of names that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScopeError {
    /// The name has characters outside `[a-z0-9_]`, does not begin with a letter, is too long, or is the reserved word `free`.
    #[error(
        "`{0}` is not the name of an entitlement: a small letter, then small letters, digits or `_`, at most {MAX_NAME_LENGTH} bytes, and not `free`"
    )]
    Name(String),
    /// More names than a pass can carry.
    #[error("{0} entitlements in one scope; at most {MAX_ENTITLEMENTS} are allowed")]
    TooMany(usize),
}

/// The name of one thing that a reader may do, such as `ad_free`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Entitlement(String);

impl Entitlement {
    /// Pages without ads.
    pub const AD_FREE: &'static str = "ad_free";
    /// Articles behind a wall.
    pub const ARTICLES: &'static str = "articles";
    /// Writing comments.
    pub const COMMENTS: &'static str = "comments";

    /// Reads a name.
    pub fn parse(name: &str) -> Result<Self, ScopeError> {
        let mut bytes = name.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if first && rest && name.len() <= MAX_NAME_LENGTH && name != FREE {
            Ok(Self(name.to_owned()))
        } else {
            Err(ScopeError::Name(name.chars().take(MAX_NAME_LENGTH * 2).collect()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Entitlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Entitlement> for String {
    fn from(name: Entitlement) -> Self {
        name.0
    }
}

impl TryFrom<String> for Entitlement {
    type Error = ScopeError;
    fn try_from(name: String) -> Result<Self, ScopeError> {
        Self::parse(&name)
    }
}

/// A set of entitlements. Written sorted and separated by one space (`ad_free comments`); the empty set is the empty string.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(BTreeSet<Entitlement>);

impl Scope {
    /// Nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads names separated by white space; doubles are folded.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        text.split_ascii_whitespace()
            .map(Entitlement::parse)
            .collect::<Result<BTreeSet<_>, _>>()
            .and_then(|set| {
                if set.len() > MAX_ENTITLEMENTS {
                    Err(ScopeError::TooMany(set.len()))
                } else {
                    Ok(Self(set))
                }
            })
    }

    /// Whether `name` is in the set.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|e| e.as_str() == name)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &Entitlement> {
        self.0.iter()
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Takes `name` out; says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|e| e.as_str() != name);
        self.0.len() != before
    }

    /// The part of this set that changes pages on a site: its [`Class`].
    pub fn class(&self, page_changing: &Self) -> Class {
        Class(Self(self.0.intersection(&page_changing.0).cloned().collect()))
    }
}

impl FromIterator<Entitlement> for Scope {
    fn from_iter<I: IntoIterator<Item = Entitlement>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(name.as_str())?;
        }
        Ok(())
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;
    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::parse(&text)
    }
}

/// The page-changing entitlements of a request, as the edge sees them; part of every cache key. Written as a [`Scope`], or `free`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(Scope);

impl Class {
    /// The class of a reader without any page-changing entitlement.
    pub fn free() -> Self {
        Self::default()
    }

    /// Whether pages come as the publisher made them, with ads and calls.
    pub fn is_free(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether ads are stripped for this class.
    pub fn ad_free(&self) -> bool {
        self.0.contains(Entitlement::AD_FREE)
    }

    /// Whether `name` is part of the class.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_free() {
            f.write_str(FREE)
        } else {
            self.0.fmt(f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_written_sorted_and_a_class_is_its_page_changing_part() {
        let scope = Scope::parse("comments  ad_free comments").unwrap();
        assert_eq!(scope.to_string(), "ad_free comments");
        let changing = Scope::parse("ad_free articles").unwrap();
        assert_eq!(scope.class(&changing).to_string(), "ad_free");
        assert_eq!(Scope::parse("comments").unwrap().class(&changing).to_string(), "free");
    }

    #[test]
    fn odd_names_are_refused_by_name() {
        for bad in ["Ad_free", "1st", "a-b", "free", "ä", &"x".repeat(33)] {
            assert!(
                matches!(Scope::parse(bad), Err(ScopeError::Name(_))),
                "{bad:?} was accepted"
            );
        }
        assert_eq!(Scope::parse("a b c d e f g h i"), Err(ScopeError::TooMany(9)));
    }
}
