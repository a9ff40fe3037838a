//! Events: snapshots of objects at the moment they changed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::delivery::Progress;
use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::Params;
use crate::state::State;

/// The API version that every object is rendered in.
pub const API_VERSION: &str = "2026-09-30.endive";

/// Stripe lists events for 30 days.
const KEPT_SECONDS: i64 = 30 * 86_400;
/// The oldest events beyond this number are forgotten, whatever their age.
const MAX_EVENTS: usize = 10_000;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) created: i64,
    pub(crate) object: Value,
    pub(crate) previous: Option<Value>,
    pub(crate) request: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

impl Event {
    pub(crate) fn render(&self, pending: usize) -> Value {
        let mut data = Map::new();
        data.insert("object".into(), self.object.clone());
        if let Some(previous) = &self.previous {
            data.insert("previous_attributes".into(), previous.clone());
        }
        json!({
            "id": self.id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.created,
            "data": data,
            "livemode": false,
            "pending_webhooks": pending,
            "request": { "id": self.request, "idempotency_key": self.idempotency_key },
            "type": self.kind,
        })
    }

    /// The id of the object it is about.
    pub(crate) fn object_id(&self) -> &str {
        self.object.get("id").and_then(Value::as_str).unwrap_or_default()
    }
}

impl State {
    pub(crate) fn emit(&mut self, kind: &str, object: Value) {
        self.emit_whole(kind, object, None);
    }

    /// Emits a change with the old values of what differs, or nothing where nothing does.
    pub(crate) fn emit_change(&mut self, kind: &str, before: Value, after: Value) {
        if before == after {
            return;
        }
        let previous: Map<String, Value> = match (before, &after) {
            (Value::Object(old), Value::Object(new)) => old
                .into_iter()
                .filter(|(key, value)| new.get(key) != Some(value))
                .collect(),
            _ => Map::new(),
        };
        self.emit_whole(kind, after, Some(Value::Object(previous)));
    }

    fn emit_whole(&mut self, kind: &str, object: Value, previous: Option<Value>) {
        let id = self.new_id("evt", 10);
        let (request, idempotency_key) = self.cause.clone().map_or((None, None), |(id, key)| (Some(id), key));
        let event = Event {
            id: id.clone(),
            kind: kind.to_owned(),
            created: self.now,
            object,
            previous,
            request,
            idempotency_key,
        };
        self.events.insert(id.clone(), event);
        self.emitted.push(id);
        self.changed = true;
    }

    pub(crate) fn pending_deliveries(&self, event: &str) -> usize {
        self.deliveries
            .values()
            .filter(|one| one.event == event && one.progress == Progress::Pending)
            .count()
    }

    pub(crate) fn render_event(&self, event: &Event) -> Value {
        event.render(self.pending_deliveries(&event.id))
    }

    /// Forgets events that Stripe would no longer list, and their deliveries.
    pub(crate) fn prune_events(&mut self) {
        let oldest = self.now - KEPT_SECONDS;
        while let Some(first) = self.events.first_entry() {
            if first.get().created >= oldest && self.events.len() <= MAX_EVENTS {
                break;
            }
            if let Some((id, _)) = self.events.pop_first() {
                self.deliveries.retain(|_, delivery| delivery.event != id);
                self.changed = true;
            }
        }
    }
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    let event = state.events.get(id).ok_or_else(|| ApiError::no_such("event", id))?;
    Ok(state.render_event(event))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["type", "types[#]", "delivery_success"])?;
    let (kind, kinds) = (params.text("type"), params.list("types"));
    let success = params.boolean("delivery_success")?;
    list::page(
        "event",
        "/v1/events",
        params,
        &state.events,
        |event| {
            kind.is_none_or(|kind| matches(kind, &event.kind))
                && (kinds.is_empty() || kinds.iter().any(|kind| matches(kind, &event.kind)))
                && success.is_none_or(|success| success == state.was_delivered(&event.id))
        },
        |event| event.created,
        |event| state.render_event(event),
    )
}

/// Whether an event type is meant by a name that may end in `.*`.
pub(crate) fn matches(pattern: &str, kind: &str) -> bool {
    pattern == "*"
        || pattern == kind
        || pattern
            .strip_suffix('*')
            .is_some_and(|prefix| prefix.ends_with('.') && kind.starts_with(prefix))
}
