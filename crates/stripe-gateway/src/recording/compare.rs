//! Where two answers differ in shape.

use std::fmt;

use serde_json::Value;

/// Fields of Stripe's own words, which decide what a caller does: their values are compared, those of others are not.
const DECIDING: &[&str] = &[
    "billing_reason",
    "code",
    "currency",
    "decline_code",
    "mode",
    "object",
    "param",
    "payment_status",
    "status",
    "type",
];

/// How something differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Stripe has the field, and the other has not.
    Missing,
    /// The other has the field, and Stripe has not.
    Superfluous,
    /// Another type of JSON.
    OtherType {
        /// Stripe's.
        recorded: &'static str,
        /// The other's.
        found: &'static str,
    },
    /// Another value, where the value decides.
    OtherValue {
        /// Stripe's.
        recorded: String,
        /// The other's.
        found: String,
    },
    /// A list with another number of entries.
    OtherLength {
        /// Stripe's.
        recorded: usize,
        /// The other's.
        found: usize,
    },
}

/// One difference, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Dotted path in the body, such as `items.data.0.price`; `(status)` for that of the answer.
    pub at: String,
    /// How it differs.
    pub kind: DifferenceKind,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = &self.at;
        match &self.kind {
            DifferenceKind::Missing => write!(f, "{at} is missing"),
            DifferenceKind::Superfluous => write!(f, "{at} is there, and Stripe has no such field"),
            DifferenceKind::OtherType { recorded, found } => write!(f, "{at} is {found}, and Stripe's is {recorded}"),
            DifferenceKind::OtherValue { recorded, found } => write!(f, "{at} is {found}, and Stripe's is {recorded}"),
            DifferenceKind::OtherLength { recorded, found } => {
                write!(f, "{at} has {found} entries, and Stripe's has {recorded}")
            }
        }
    }
}

/// Compares an answer with the recorded one: fields, types, and the values that decide. Metadata is the caller's own, and skipped.
pub fn differences(recorded: &Value, found: &Value) -> Vec<Difference> {
    let mut all = Vec::new();
    compare("", recorded, found, &mut all);
    all
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a flag",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn compare(at: &str, recorded: &Value, found: &Value, all: &mut Vec<Difference>) {
    let mut differ = |at: &str, kind| {
        all.push(Difference {
            at: at.to_owned(),
            kind,
        });
    };
    let inner = |name: &str| {
        if at.is_empty() {
            name.to_owned()
        } else {
            format!("{at}.{name}")
        }
    };
    match (recorded, found) {
        (Value::Object(theirs), Value::Object(ours)) => {
            if at.rsplit('.').next() == Some("metadata") {
                return;
            }
            for (field, theirs) in theirs {
                match ours.get(field) {
                    Some(ours) => compare(&inner(field), theirs, ours, all),
                    None => all.push(Difference {
                        at: inner(field),
                        kind: DifferenceKind::Missing,
                    }),
                }
            }
            for field in ours.keys().filter(|field| !theirs.contains_key(*field)) {
                all.push(Difference {
                    at: inner(field),
                    kind: DifferenceKind::Superfluous,
                });
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            if theirs.len() != ours.len() {
                let kind = DifferenceKind::OtherLength {
                    recorded: theirs.len(),
                    found: ours.len(),
                };
                differ(at, kind);
            }
            for (index, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                compare(&inner(&index.to_string()), theirs, ours, all);
            }
        }
        (Value::String(theirs), Value::String(ours)) => {
            let field = at.rsplit('.').next().unwrap_or_default();
            if theirs != ours && DECIDING.contains(&field) {
                let kind = DifferenceKind::OtherValue {
                    recorded: theirs.clone(),
                    found: ours.clone(),
                };
                differ(at, kind);
            }
        }
        (theirs, ours) if name(theirs) != name(ours) => {
            let kind = DifferenceKind::OtherType {
                recorded: name(theirs),
                found: name(ours),
            };
            differ(at, kind);
        }
        _ => {}
    }
}
