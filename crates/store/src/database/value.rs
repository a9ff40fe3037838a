//! What goes into a statement: the four types that both databases have, each of them possibly NULL.

use latchkey_entitlement::{AccountId, EventId, GrantId, PriceId, SessionId, SiteId, Timestamp};

#[derive(Clone)]
pub(crate) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Bool(Option<bool>),
    Bytes(Option<Vec<u8>>),
}

/// The arguments of a statement, in order.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::database::value::Value::from($value)),*] };
}
pub(crate) use args;

macro_rules! from {
    ($($type:ty, $value:ident => $to:expr;)*) => { $(
        impl From<$type> for Value {
            fn from($value: $type) -> Self { $to }
        }
    )* };
}

from! {
    &str, v => Self::Text(Some(v.to_owned()));
    String, v => Self::Text(Some(v));
    &String, v => Self::Text(Some(v.clone()));
    Option<String>, v => Self::Text(v);
    Option<&str>, v => Self::Text(v.map(str::to_owned));
    i64, v => Self::Int(Some(v));
    u32, v => Self::Int(Some(i64::from(v)));
    u64, v => Self::Int(Some(i64::try_from(v).unwrap_or(i64::MAX)));
    Timestamp, v => Self::Int(Some(v.0));
    Option<Timestamp>, v => Self::Int(v.map(|moment| moment.0));
    bool, v => Self::Bool(Some(v));
    Option<bool>, v => Self::Bool(v);
    &[u8; 32], v => Self::Bytes(Some(v.to_vec()));
    Vec<u8>, v => Self::Bytes(Some(v));
}

macro_rules! from_id {
    ($($id:ty),*) => { $(
        impl From<&$id> for Value {
            fn from(id: &$id) -> Self { Self::Text(Some(id.as_str().to_owned())) }
        }
        impl From<Option<&$id>> for Value {
            fn from(id: Option<&$id>) -> Self { Self::Text(id.map(|id| id.as_str().to_owned())) }
        }
    )* };
}

from_id!(AccountId, EventId, GrantId, PriceId, SessionId, SiteId);
