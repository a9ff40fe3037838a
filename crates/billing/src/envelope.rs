//! The envelope of an event: enough to know whom to sync. The rest is read from the API, never from the event.

use latchkey_entitlement::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::parse::{ParseError, Reader};

/// What is read of an event, of the snapshot and of the thin kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventEnvelope {
    /// `evt_…`.
    pub id: String,
    /// Its type, such as `customer.subscription.updated`; the `v1.` of thin events is taken off.
    #[serde(rename = "type")]
    pub kind: String,
    /// Live or test mode.
    pub livemode: bool,
    /// `cus_…`; `None` if the object does not name its customer, as in most thin events.
    pub customer: Option<String>,
    /// Id of the object it is about.
    pub object_id: Option<String>,
    /// Type of that object, such as `subscription`.
    pub object_type: Option<String>,
    /// When it happened. For display only: whole seconds, and deliveries come in any order.
    pub created: Timestamp,
}

/// Reads an event as it was delivered.
///
/// # Errors
/// Names the field that is missing, or `account`/`context` if the event is about another Stripe account than ours.
pub fn parse_envelope(raw: &[u8]) -> Result<EventEnvelope, ParseError> {
    let json: Value = serde_json::from_slice(raw).map_err(|_| ParseError {
        object: "event",
        field: "(whole)".to_owned(),
        problem: "not JSON",
    })?;
    EventEnvelope::from_json(&json)
}

impl EventEnvelope {
    /// Reads an event from a list.
    pub fn from_json(json: &Value) -> Result<Self, ParseError> {
        let it = Reader::new("event", json)?;
        for foreign in ["account", "context"] {
            if it.get(foreign).is_some_and(|value| value != "") {
                return Err(it.error(
                    foreign,
                    "set: the event is about another Stripe account (Connect), which is not supported",
                ));
            }
        }
        let kind = it.text("type")?;
        let thin = it.get("related_object").is_some();
        let path = |field: &str| format!("{}.{field}", if thin { "related_object" } else { "data.object" });
        let object_id = it.opt_text(&path("id"))?;
        let object_type = it.opt_text(&path(if thin { "type" } else { "object" }))?;
        let customer = match object_type.as_deref() {
            Some("customer") => object_id.clone(),
            _ => it.opt_id(&path("customer"))?,
        };
        Ok(Self {
            id: it.text("id")?,
            kind: kind.strip_prefix("v1.").unwrap_or(&kind).to_owned(),
            livemode: it.mode()?,
            customer,
            object_id,
            object_type,
            created: created(&it)?,
        })
    }
}

fn created(it: &Reader<'_>) -> Result<Timestamp, ParseError> {
    let wrong = || it.error("created", "neither seconds nor an RFC 3339 time");
    match it.get("created") {
        None => Err(it.error("created", "missing")),
        Some(Value::String(text)) => {
            let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
            Ok(Timestamp::from_seconds(time.unix_timestamp()))
        }
        Some(value) => value.as_i64().map(Timestamp::from_seconds).ok_or_else(wrong),
    }
}
