//! Faults that users of other systems complain about, and that this one does not have.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use latchkey_billing::{SignatureError, Timestamp, WebhookSecrets, parse_subscription, sign, verify_signature};
use serde_json::{Value, json};

/// A subscription with one item, in the shape of today.
fn subscription() -> Value {
    json!({
        "id": "sub_1", "customer": "cus_1", "status": "active", "livemode": false, "created": 1_000, "metadata": {},
        "trial_end": null, "cancel_at_period_end": false,
        "items": { "has_more": false, "data": [item("si_1", 2_000)] },
    })
}

fn item(id: &str, end: i64) -> Value {
    json!({
        "id": id, "price": { "id": "price_1", "product": "prod_1" }, "quantity": 1,
        "current_period_start": 1_000, "current_period_end": end,
    })
}

/// Complaint 8: while a secret is replaced, deliveries signed with either count, and none signed with a third.
#[test]
fn complaint_8_two_secrets_are_valid_during_a_rotation() {
    let now = Timestamp::from_seconds(1_800_000_000);
    let both = WebhookSecrets::new(["whsec_new", "whsec_old"]);
    let check = |secret: &str, secrets: &WebhookSecrets| {
        let header = sign(b"{}", secret, now);
        verify_signature(b"{}", &header, secrets, now, 300)
    };
    assert_eq!(check("whsec_new", &both), Ok(()));
    assert_eq!(check("whsec_old", &both), Ok(()));
    assert_eq!(check("whsec_other", &both), Err(SignatureError::Mismatch));
    let after = WebhookSecrets::new(["whsec_new"]);
    assert_eq!(check("whsec_old", &after), Err(SignatureError::Mismatch));
    // Stripe signs with both meanwhile; one that fits is enough.
    let (old, new) = (sign(b"{}", "whsec_old", now), sign(b"{}", "whsec_new", now));
    let double = format!("{old},{}", new.split_once(',').unwrap().1);
    assert_eq!(verify_signature(b"{}", &double, &after, now, 300), Ok(()));
}

/// Complaint 13: `current_period_end` moved from the subscription to its items in version 2025-03-31; both shapes say the same.
#[test]
fn complaint_13_the_old_and_the_new_place_of_the_periods_end_say_the_same() {
    let new = subscription();
    let mut old = subscription();
    old["current_period_start"] = json!(1_000);
    old["current_period_end"] = json!(2_000);
    let line = old["items"]["data"][0].as_object_mut().unwrap();
    line.remove("current_period_start");
    line.remove("current_period_end");
    assert_eq!(parse_subscription(&new).unwrap(), parse_subscription(&old).unwrap());
    // In neither place: named, and never taken for a period without an end.
    let line = new["items"]["data"][0].clone();
    let mut nowhere = new;
    nowhere["items"]["data"][0] = line;
    nowhere["items"]["data"][0]
        .as_object_mut()
        .unwrap()
        .remove("current_period_end");
    let error = parse_subscription(&nowhere).unwrap_err();
    assert_eq!(error.field, "current_period_end");
}

/// Complaint 13: a subscription with several items has each read with its own period.
#[test]
fn complaint_13_each_of_several_items_has_its_own_period() {
    let mut two = subscription();
    two["items"]["data"] = json!([item("si_1", 2_000), item("si_2", 9_000)]);
    let read = parse_subscription(&two).unwrap();
    let ends: Vec<i64> = read
        .items
        .iter()
        .map(|item| item.current_period_end.seconds())
        .collect();
    assert_eq!(ends, [2_000, 9_000]);
    assert!(!read.more_items);
}

/// Complaint 13: `trial_end: null` says that there is no trial; it is not an end that was left out.
#[test]
fn complaint_13_a_trial_end_of_null_ends_the_trial() {
    let mut trial = subscription();
    trial["trial_end"] = json!(5_000);
    let read = parse_subscription(&trial).unwrap();
    assert_eq!(read.trial_end, Some(Timestamp::from_seconds(5_000)));
    trial["trial_end"] = Value::Null;
    assert_eq!(parse_subscription(&trial).unwrap().trial_end, None);
}
