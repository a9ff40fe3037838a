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

/// What tells when a payment was made, the best first.
#[test]
fn a_session_tells_when_it_was_paid_by_its_invoice_its_charge_or_not_at_all() {
    let mut json = json!({
        "id": "cs_1", "status": "complete", "payment_status": "paid", "mode": "payment", "expires_at": 1, "livemode": false,
        "payment_intent": "pi_1",
        "line_items": {"data": [{"id": "li_1", "price": {"id": "price_1"}, "quantity": 2}], "has_more": false},
    });
    let paid_at = |json: &serde_json::Value| {
        parse_session(json)
            .unwrap()
            .paid_at
            .map(latchkey_billing::Timestamp::seconds)
    };
    assert_eq!(paid_at(&json), None, "nothing was expanded");
    let line = &parse_session(&json).unwrap().lines[0];
    assert_eq!((line.price_id.as_str(), line.quantity), ("price_1", 2));
    json["payment_intent"] = json!({"id": "pi_1", "created": 10, "payment_method": {"id": "pm_1", "type": "card"}});
    assert_eq!(paid_at(&json), Some(10));
    json["payment_intent"]["latest_charge"] = json!({"id": "ch_1", "created": 20});
    assert_eq!(paid_at(&json), Some(20));
    json["payment_intent"]["payment_method"]["type"] = json!("sepa_debit");
    assert_eq!(
        paid_at(&json),
        None,
        "a debit's charge is made days before the money comes"
    );
    json["invoice"] = json!({"id": "in_1", "status_transitions": {"paid_at": 30}});
    assert_eq!(paid_at(&json), Some(30));
    json["line_items"]["data"][0]["quantity"] = json!(-1);
    assert!(parse_session(&json).unwrap_err().to_string().contains("quantity"));
}
