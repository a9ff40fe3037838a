//! What happened, in order: each entry in words for the reader, where it concerns them, and with ids for the operator.

use latchkey_entitlement::{EventId, RevocationKind, Timestamp};
use serde::Serialize;

use super::{
    Question,
    history::{Device, GrantRecord, History, Revoked, SeenEvent},
    words,
};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// In words for the reader, if it concerns them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// With ids.
    pub operator: String,
}

fn entry(at: Timestamp, reader: Option<String>, operator: String) -> Entry {
    Entry { at, reader, operator }
}

/// Everything, the oldest first.
pub(super) fn timeline(question: &Question<'_>, history: &History) -> Vec<Entry> {
    let mut all = vec![entry(
        history.account.created_at,
        Some("Your account was made.".to_owned()),
        format!("account {} made", history.account.id),
    )];
    accounts(history, &mut all);
    for record in &history.grants {
        grant(question, history, record, &mut all);
    }
    purchases(history, &mut all);
    moderation(history, &mut all);
    all.extend(history.events.iter().map(|event| seen(question, event)));
    for device in &history.devices {
        signed_in(device, &mut all);
    }
    all.extend(history.revocations.iter().map(|revoked| revocation(history, revoked)));
    for (text, raised_at) in &history.alerts {
        all.push(entry(*raised_at, None, format!("alert raised: {text}")));
    }
    // Stable: of one moment, causes were put in before their effects.
    all.sort_by_key(|entry| entry.at);
    all
}

fn accounts(history: &History, all: &mut Vec<Entry>) {
    if let Some((email, at)) = &history.account.email_proven {
        all.push(entry(
            *at,
            Some("You confirmed your e-mail address.".to_owned()),
            format!("address {email} proven"),
        ));
    }
    for merge in &history.merges {
        let counts: Vec<String> = merge
            .moved
            .iter()
            .filter(|(_, ids)| !ids.is_empty())
            .map(|(table, ids)| format!("{} {table}", ids.len()))
            .collect();
        let moved = if counts.is_empty() {
            "nothing".to_owned()
        } else {
            counts.join(", ")
        };
        all.push(entry(
            merge.merged_at,
            Some("Another account of yours was merged with this one, with all that it had.".to_owned()),
            format!("account {} merged into this one; moved: {moved}", merge.from),
        ));
    }
}

/// The opening of a row, and its end: closed, replaced, or reached.
fn grant(question: &Question<'_>, history: &History, record: &GrantRecord, all: &mut Vec<Entry>) {
    let own = &record.grant;
    let chain = |other: &&GrantRecord| {
        (&other.grant.account, other.grant.source, &other.grant.source_ref)
            == (&own.account, own.source, &own.source_ref)
    };
    let replaces = history
        .grants
        .iter()
        .filter(chain)
        .any(|other| other.superseded_at == Some(record.recorded_at));
    let thing = words::sentence(words::source(own.source));
    let until = own.until.map_or("without an end".to_owned(), |until| {
        format!("until {}", question.zone.moment(until))
    });
    let came_over = history
        .merges
        .iter()
        .any(|merge| merge.merged_at == record.recorded_at && merge.brought("account_grant", own.id.as_str()));
    let reader = if came_over {
        None
    } else if replaces {
        Some(format!("{thing} changed: it counted {until}."))
    } else {
        Some(format!("{thing} was recorded: it counted {until}."))
    };
    all.push(entry(
        record.recorded_at,
        reader,
        format!(
            "grant {} of {} {}: {} {} ({}), from {} {until}; rule: {}; {}",
            own.id,
            own.account,
            if replaces { "replaced" } else { "opened" },
            own.source.as_str(),
            own.source_ref,
            own.entitlements,
            question.zone.moment(own.from),
            own.because,
            cause(question, history, record.opened_by.as_ref()),
        ),
    ));
    let closed = record.superseded_at;
    if let Some(until) = own.until.filter(|until| closed.is_none_or(|closed| *until < closed)) {
        all.push(entry(
            until,
            Some(format!(
                "{thing} {}.",
                if question.now < until {
                    "reaches its end"
                } else {
                    "reached its end"
                }
            )),
            format!("grant {} ended by itself", own.id),
        ));
    }
    if let Some(closed) = closed
        && !history
            .grants
            .iter()
            .filter(chain)
            .any(|other| other.recorded_at == closed)
    {
        let moved = history
            .merges
            .iter()
            .any(|merge| merge.merged_at == closed && merge.brought("account_grant", own.id.as_str()));
        let ended = own.until.is_some_and(|until| until <= closed);
        all.push(entry(
            closed,
            (!moved && !ended).then(|| format!("{thing} stopped counting before its end.")),
            format!(
                "grant {} of {} closed; {}",
                own.id,
                own.account,
                if moved {
                    "it moved with its account".to_owned()
                } else {
                    cause(question, history, record.closed_by.as_ref())
                }
            ),
        ));
    }
}

/// The sync behind a change, and the events that it followed: they are done in the transaction of their effect.
fn cause(question: &Question<'_>, history: &History, sync: Option<&EventId>) -> String {
    let Some(id) = sync else {
        return "by hand, or by another system".to_owned();
    };
    let Some(run) = history.syncs.iter().find(|run| run.id == *id) else {
        return format!("by sync {id}");
    };
    let events: Vec<String> = history
        .events
        .iter()
        .filter(|event| event.customer.as_ref() == Some(&run.customer) && event.done_at == Some(run.committed_at))
        .map(|event| {
            format!(
                "{} {} (received {})",
                event.kind,
                event.id,
                question.zone.stamp(event.received_at)
            )
        })
        .collect();
    let events = if events.is_empty() {
        "no event that is kept; the return from Checkout, or reading again".to_owned()
    } else {
        events.join(", ")
    };
    format!(
        "by sync {id} of {}, begun {}, recorded {} later; after {events}",
        run.customer,
        question.zone.stamp(run.started_at),
        words::span(run.committed_at.since(run.started_at)),
    )
}

fn purchases(history: &History, all: &mut Vec<Entry>) {
    for attempt in &history.attempts {
        let session = attempt.stripe_session.as_deref().unwrap_or("no Checkout session");
        all.push(entry(
            attempt.created_at,
            Some("You began to pay.".to_owned()),
            format!("attempt {} for {} begun ({session})", attempt.id, attempt.price),
        ));
        if let Some(at) = attempt.completed_at {
            all.push(entry(
                at,
                Some("Your payment was seen.".to_owned()),
                format!("attempt {} seen to be paid", attempt.id),
            ));
        }
    }
}

fn moderation(history: &History, all: &mut Vec<Entry>) {
    for standing in &history.standings {
        let kind = words::standing(standing.kind);
        let place = standing.site.as_ref().map_or("every site", |site| site.as_str());
        all.push(entry(
            standing.from,
            Some(format!(
                "A moderator gave you {kind}. The reason given: “{}”.",
                standing.reason
            )),
            format!(
                "standing {}: {} on {place} by {}: {}",
                standing.id,
                standing.kind.as_str(),
                standing.moderator,
                standing.reason
            ),
        ));
        if let Some(until) = standing.until {
            all.push(entry(
                until,
                Some(format!("{} ended.", words::sentence(kind))),
                format!("standing {} ended or was lifted", standing.id),
            ));
        }
    }
}

fn seen(question: &Question<'_>, event: &SeenEvent) -> Entry {
    let outcome = match (event.state.as_str(), event.done_at) {
        ("done", Some(at)) if at <= question.moment => {
            format!("done {} later", words::span(at.since(event.received_at)))
        }
        ("done", Some(at)) => format!("not done at that moment; done {}", question.zone.stamp(at)),
        ("failed", _) => format!(
            "kept and not acted on: {}",
            event.error.as_deref().unwrap_or("no reason kept")
        ),
        (state, _) => state.to_owned(),
    };
    entry(
        event.received_at,
        None,
        format!("event {} {} received; {outcome}", event.kind, event.id),
    )
}

fn signed_in(device: &Device, all: &mut Vec<Entry>) {
    let place = device.site.as_ref().map_or("the account pages", |site| site.as_str());
    all.push(entry(
        device.created_at,
        None,
        format!("device {} ({}) signed in on {place}", device.id, device.label),
    ));
    if let Some(at) = device.ended_at {
        all.push(entry(at, None, format!("device {} signed out", device.id)));
    }
}

/// A revocation is recorded at the moment of its cause, in the same transaction or right after it: that tells them apart.
fn revocation(history: &History, revoked: &Revoked) -> Entry {
    let device = history.devices.iter().find(|device| device.id == revoked.session);
    let label = device.map_or("a device", |device| device.label.as_str());
    let why = if history.merges.iter().any(|merge| merge.merged_at == revoked.at) {
        "two accounts of the reader were merged"
    } else if device.is_some_and(|device| device.ended_at == Some(revoked.at)) {
        "the device was signed out"
    } else if history.syncs.iter().any(|run| run.committed_at == revoked.at) {
        match revoked.kind {
            RevocationKind::Void => "what the reader had ended before its time",
            RevocationKind::Renew => "something was paid for, and the pass said that nothing was",
        }
    } else if history
        .standings
        .iter()
        .any(|standing| standing.from == revoked.at || standing.until == Some(revoked.at))
    {
        "a moderator's decision began or was lifted, and the pass did not say so"
    } else {
        "the cause is not kept"
    };
    let fate = match revoked.kind {
        RevocationKind::Void => "void",
        RevocationKind::Renew => "to be renewed at the next click",
    };
    let concerns = revoked.kind == RevocationKind::Void && why == "the device was signed out";
    entry(
        revoked.at,
        concerns.then(|| format!("{label} was signed out.")),
        format!(
            "passes of device {} are {fate} (revocation {}): {why}",
            revoked.session, revoked.number
        ),
    )
}
