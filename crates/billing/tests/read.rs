//! Reading Stripe's JSON.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of a test that cannot go on may panic"
)]

use latchkey_billing::{parse_customer, parse_envelope, parse_invoice, parse_price, parse_session, parse_subscription};
use serde_json::{Value, json};

fn fixture(name: &str) -> Option<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/stripe/fixtures3.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("SKIPPED: {path} is not there");
        return None;
    };
    let mut all: Value = serde_json::from_str(&text).unwrap();
    Some(all["resources"][name].take())
}

#[test]
fn stripes_own_examples_are_read() {
    let Some(subscription) = fixture("subscription") else {
        return;
    };
    let read = parse_subscription(&subscription).unwrap();
    assert_eq!(read.items[0].current_period_end.seconds(), 976_287_773);
    parse_session(&fixture("checkout.session").unwrap()).unwrap();
    parse_invoice(&fixture("invoice").unwrap()).unwrap();
    parse_customer(&fixture("customer").unwrap()).unwrap();
    parse_price(&fixture("price").unwrap()).unwrap();
    let event = parse_envelope(fixture("event").unwrap().to_string().as_bytes()).unwrap();
    assert_eq!((event.kind.as_str(), event.customer), ("plan.created", None));
}

fn old_subscription() -> Value {
    json!({"id": "sub_1", "customer": {"id": "cus_1"}, "status": "active", "created": 1, "livemode": false,
        "current_period_start": 10, "current_period_end": 20,
        "items": {"data": [{"id": "si_1", "price": {"id": "price_1", "product": "prod_1"}}]}})
}

#[test]
fn periods_on_the_subscription_as_before_2025_are_taken() {
    let read = parse_subscription(&old_subscription()).unwrap();
    assert_eq!(
        (read.items[0].current_period_end.0, read.customer.as_str()),
        (20_000, "cus_1")
    );
}

#[test]
fn a_missing_field_is_named() {
    let mut json = old_subscription();
    json.as_object_mut().unwrap().remove("status");
    assert_eq!(
        parse_subscription(&json).unwrap_err().to_string(),
        "subscription: field `status` is missing"
    );
}

#[test]
fn a_deleted_customer_is_read() {
    let read = parse_customer(&json!({"id": "cus_1", "object": "customer", "deleted": true})).unwrap();
    assert!(read.deleted);
}

#[test]
fn snapshot_and_thin_events_give_the_same_envelope() {
    let snapshot = json!({"id": "evt_1", "type": "customer.updated", "livemode": false, "created": 1_700_000_000,
        "data": {"object": {"id": "cus_1", "object": "customer"}}});
    let thin = json!({"id": "evt_1", "object": "v2.core.event", "type": "v1.customer.updated", "livemode": false,
        "created": "2023-11-14T22:13:20.000Z", "related_object": {"id": "cus_1", "type": "customer", "url": "/"}});
    let read = |json: &Value| parse_envelope(json.to_string().as_bytes()).unwrap();
    assert_eq!(read(&snapshot), read(&thin));
    assert_eq!(read(&thin).customer.as_deref(), Some("cus_1"));
}

#[test]
fn events_of_other_accounts_and_rubbish_are_refused() {
    let connect = json!({"id": "evt_1", "type": "x", "livemode": false, "created": 1, "account": "acct_1",
        "data": {"object": {}}});
    assert_eq!(
        parse_envelope(connect.to_string().as_bytes()).unwrap_err().field,
        "account"
    );
    assert!(parse_envelope(b"[]").is_err() && parse_envelope(b"\xff").is_err());
}
