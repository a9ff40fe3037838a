//! How deliveries misbehave when they are told to.

use serde::{Deserialize, Serialize};

/// What happens to each event that is sent from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "mode", content = "value")]
pub enum DeliveryMode {
    /// Sent once, at once.
    #[default]
    Normal,
    /// Never sent, and not retried.
    Drop,
    /// Sent twice.
    Double,
    /// Sent this many milliseconds later (sandbox time).
    Delay(i64),
    /// Sent within some seconds, in an order that has nothing to do with what happened first.
    Reorder,
    /// Signed with a secret that nobody has.
    BadSignature,
    /// Signed with a time stamp too old to be accepted.
    OldTimestamp,
}

impl DeliveryMode {
    /// The name on pages and in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Drop => "drop",
            Self::Double => "double",
            Self::Delay(_) => "delay",
            Self::Reorder => "reorder",
            Self::BadSignature => "bad_signature",
            Self::OldTimestamp => "old_timestamp",
        }
    }
}

/// The mode and the pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Modes {
    pub(crate) delivery: DeliveryMode,
    pub(crate) paused: bool,
}
