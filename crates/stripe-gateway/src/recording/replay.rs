//! Plays a recording to a stand-in: the same calls, with the stand-in's own ids, and its answers beside Stripe's.

use std::collections::BTreeMap;

use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::{
    RecordedCall,
    compare::{Difference, DifferenceKind, differences},
    scrub::is_id,
};

/// The next call, as a stand-in takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayedCall {
    /// When it was made, in seconds: the stand-in's clock should say the same.
    pub at: i64,
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Form.
    pub body: String,
    /// The idempotency key.
    pub key: Option<String>,
}

/// A recording being played. Ids of the recording become the stand-in's as its answers tell them.
#[derive(Default)]
pub struct Replay {
    ids: BTreeMap<String, String>,
}

impl Replay {
    /// The call with the stand-in's ids.
    pub fn call(&self, recorded: &RecordedCall) -> PlayedCall {
        let segments = recorded.path.split('/').map(|segment| self.own(segment));
        let path = segments.collect::<Vec<_>>().join("/");
        let encoded = |pairs: &[(String, String)]| {
            let mut form = Serializer::new(String::new());
            for (name, value) in pairs {
                form.append_pair(name, self.own(value));
            }
            form.finish()
        };
        let query = encoded(&recorded.query);
        PlayedCall {
            at: recorded.at,
            method: recorded.method.clone(),
            target: if query.is_empty() {
                path
            } else {
                format!("{path}?{query}")
            },
            body: encoded(&recorded.form),
            key: recorded.key.clone(),
        }
    }

    fn own<'a>(&'a self, id: &'a str) -> &'a str {
        self.ids.get(id).map_or(id, String::as_str)
    }

    /// Takes the stand-in's answer: learns its ids, and says where it differs.
    pub fn answer(&mut self, recorded: &RecordedCall, status: u16, body: &Value) -> Vec<Difference> {
        self.learn(&recorded.body, body);
        let mut all = Vec::new();
        if status != recorded.status {
            all.push(Difference {
                at: "(status)".to_owned(),
                kind: DifferenceKind::OtherValue {
                    recorded: recorded.status.to_string(),
                    found: status.to_string(),
                },
            });
        }
        all.extend(differences(&recorded.body, body));
        all
    }

    fn learn(&mut self, recorded: &Value, found: &Value) {
        match (recorded, found) {
            (Value::String(theirs), Value::String(ours)) if is_id(theirs) && is_id(ours) => {
                self.ids.entry(theirs.clone()).or_insert_with(|| ours.clone());
            }
            (Value::Object(theirs), Value::Object(ours)) => {
                for (field, theirs) in theirs {
                    if let Some(ours) = ours.get(field) {
                        self.learn(theirs, ours);
                    }
                }
            }
            (Value::Array(theirs), Value::Array(ours)) => {
                for (theirs, ours) in theirs.iter().zip(ours) {
                    self.learn(theirs, ours);
                }
            }
            _ => {}
        }
    }
}
