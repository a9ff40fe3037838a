//! Identifiers: a prefix that says what it names, and a UUIDv7. TEXT in the database, opaque to everyone else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest identifier accepted, in bytes.
pub const MAX_ID_LENGTH: usize = 64;

/// An identifier that has the wrong form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an identifier of the form `{prefix}…`: letters, digits, `_` and `-`, at most {MAX_ID_LENGTH} bytes")]
pub struct IdError {
    /// The prefix that was wanted.
    pub prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The prefix of every such identifier.
            pub const PREFIX: &'static str = $prefix;

            /// A new identifier from a UUID that the caller made (version 7, so that identifiers sort by time).
            pub fn from_uuid(uuid: uuid::Uuid) -> Self {
                Self(format!("{}{}", Self::PREFIX, uuid.simple()))
            }

            /// Reads an identifier, refusing other prefixes and odd characters.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let rest = text.strip_prefix(Self::PREFIX).filter(|rest| !rest.is_empty());
                let plain = |rest: &str| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
                match rest {
                    Some(rest) if text.len() <= MAX_ID_LENGTH && plain(rest) => Ok(Self(text.to_owned())),
                    _ => Err(IdError { prefix: Self::PREFIX }),
                }
            }

            /// The whole text, prefix included.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }
    };
}

id!(
    /// A person; may exist before an e-mail address is proven.
    AccountId, "acc_"
);
id!(
    /// One signed-in device on one site, or on the account origin.
    SessionId, "ses_"
);
id!(
    /// One reason to be entitled.
    GrantId, "grt_"
);
id!(
    /// What is sold.
    PlanId, "pln_"
);
id!(
    /// An amount at which a plan is sold.
    PriceId, "prc_"
);
id!(
    /// A record of ours in a log: a sync, a checkout attempt, a message.
    EventId, "evt_"
);
id!(
    /// A site of the publisher: also the `aud` of its passes. In configuration the part after the prefix is a short word, as in `sit_news`.
    SiteId, "sit_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_its_prefix_and_plain_characters() {
        assert_eq!(SiteId::parse("sit_news").map(String::from), Ok("sit_news".to_owned()));
        for bad in [
            "",
            "sit_",
            "acc_1",
            "sit_a b",
            "sit_é",
            "sit_a/../b",
            &format!("sit_{}", "x".repeat(64)),
        ] {
            assert!(SiteId::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
