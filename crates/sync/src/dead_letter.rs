//! Dead letters of the inbox: what a person can do about each, and putting them back.

use latchkey_billing::{EventEnvelope, parse_envelope};
use latchkey_entitlement::Timestamp;
use latchkey_store::{Event, EventState, MAX_ROWS, Replay, Store, StoreError};

use crate::webhook::other_mode;

/// What became of an event that was asked to be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// There is no such event.
    Unknown,
    /// It was not given up: it waits, or is done. Nothing was changed.
    NotGivenUp(EventState),
    /// It waits again, and its customer is synced next.
    PutBack,
    /// It is what it was: nothing but another version or another key could act on it.
    StillDead(String),
}

/// Puts an event back that was given up. It is read anew, since the version or the key may be another one by now. Safe to repeat.
pub async fn replay_event(
    store: &Store,
    id: &str,
    livemode: bool,
    now: Timestamp,
) -> Result<ReplayOutcome, StoreError> {
    let Some(event) = store.event(id).await? else {
        return Ok(ReplayOutcome::Unknown);
    };
    if event.state != EventState::Failed {
        return Ok(ReplayOutcome::NotGivenUp(event.state));
    }
    let envelope = match read(&event.raw) {
        Ok(envelope) => envelope,
        Err(why) => return Ok(ReplayOutcome::StillDead(why)),
    };
    if envelope.livemode != livemode {
        return Ok(ReplayOutcome::StillDead(other_mode(envelope.livemode)));
    }
    let replay = Replay {
        id: event.id,
        kind: envelope.kind,
        livemode,
        customer: envelope.customer,
        object_id: envelope.object_id.unwrap_or_default(),
    };
    Ok(if store.replay_event(&replay, now).await? {
        ReplayOutcome::PutBack
    } else {
        ReplayOutcome::NotGivenUp(EventState::Pending)
    })
}

/// What became of all that was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Events that wait again.
    pub put_back: u64,
    /// Events that nothing could act on.
    pub still_dead: u64,
    /// Customers that are synced again beside those of the events.
    pub customers: u64,
}

/// Puts back every event that was given up, and every customer whose sync needs a person, [`MAX_ROWS`] at a time. Safe to repeat.
pub async fn replay_all(store: &Store, livemode: bool, now: Timestamp) -> Result<ReplayReport, StoreError> {
    let mut report = ReplayReport::default();
    let mut after = String::new();
    loop {
        let ids = store.failed_event_ids(&after, MAX_ROWS).await?;
        let Some(last) = ids.last() else { break };
        after.clone_from(last);
        for id in &ids {
            match replay_event(store, id, livemode, now).await? {
                ReplayOutcome::PutBack => report.put_back += 1,
                ReplayOutcome::StillDead(_) => report.still_dead += 1,
                ReplayOutcome::Unknown | ReplayOutcome::NotGivenUp(_) => {}
            }
        }
    }
    for customer in store.dead_customers(MAX_ROWS).await? {
        report.customers += u64::from(store.replay_customer(&customer.id, now).await?);
    }
    Ok(report)
}

/// An event as Stripe delivered it, or as it was kept from Stripe's list.
fn read(raw: &[u8]) -> Result<EventEnvelope, String> {
    parse_envelope(raw)
        .or_else(|why| serde_json::from_slice(raw).map_err(|_| format!("not readable as an event: {why}")))
}

/// What a person can do about an event, in words.
pub fn advice(event: &Event) -> &'static str {
    let error = event.error.as_deref().unwrap_or_default();
    match event.state {
        EventState::Done => "Nothing: it was acted on.",
        EventState::Pending => {
            "Nothing yet: the running server works it off. If it stays, look at the server's log and at `latchkey status`."
        }
        EventState::Failed if error.contains("another Stripe account") => {
            "It is about an account connected to yours, which Latchkey does not serve. Have the webhook endpoint listen to your own account alone."
        }
        EventState::Failed if error.contains("not readable as an event") => {
            "Compare the endpoint's API version in Stripe's dashboard with the one in docs/CONTRACT.md; after an update of Latchkey, `latchkey inbox replay` reads it again."
        }
        EventState::Failed if error.contains("-mode event") => {
            "The endpoint of one mode sends to a server with a key of the other. Remove that endpoint in Stripe's dashboard, or set STRIPE_SECRET_KEY to a key of the event's mode."
        }
        EventState::Failed if error.contains("secret key") => {
            "Compare STRIPE_SECRET_KEY with Stripe's dashboard, and start the server with the right one. It tries again within the hour; `latchkey inbox replay --all` makes it at once."
        }
        EventState::Failed => {
            "Mend what the error says. The server tries again within the hour; `latchkey inbox replay` makes it at once."
        }
    }
}
