//! The events that an endpoint is made with are Stripe's own, by the types that async-stripe generates from its specification.

use latchkey_billing::WEBHOOK_EVENTS;
use stripe_shared::EventType;

#[test]
fn stripe_knows_every_event_that_an_endpoint_is_made_with() {
    let unknown: Vec<&&str> = WEBHOOK_EVENTS
        .iter()
        .filter(|kind| {
            let known: Result<EventType, _> = kind.parse();
            !known.is_ok_and(|known| !matches!(known, EventType::Unknown(_)))
        })
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let odd: Result<EventType, _> = "invoice.payed".parse();
    assert!(
        odd.is_ok_and(|odd| matches!(odd, EventType::Unknown(_))),
        "the test can fail"
    );
}
