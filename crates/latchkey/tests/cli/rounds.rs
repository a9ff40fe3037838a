//! `latchkey status` and `latchkey reconcile`.

use latchkey_store::Store;
use serde_json::Value;

use crate::{database::each_database, outside::Outside};

/// As if the server had just made its rounds; far ahead, so that the test may take its time.
fn given_rounds(url: &str) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(url).await.unwrap();
        for name in ["reconcile.last_round_at", "reconcile.last_full_round_at"] {
            store.put_setting(name, "9000000000000").await.unwrap();
        }
        store.close().await;
    });
}

#[test]
fn the_status_says_what_needs_a_person_to_people_and_to_programs() {
    each_database("status", |place, url| {
        place.run(&["status"]).is(4).says(&[
            "inbox           0 waiting, 0 given up",
            "last reconcile  never",
            "readers whose access differs from Stripe: 0, checked never",
            "finding: Stripe's event list was not read when it was due",
            "finding: no full round through Stripe has ended",
        ]);
        let json = place.run(&["status", "--json"]).is(4);
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(json["needs_a_person"].as_array().unwrap().len(), 2, "{json:#}");
        assert_eq!(json["schema"], json["schema_known"]);

        given_rounds(url);
        place.run(&["status"]).is(0).never_says(&["finding"]);
        let json = place.run(&["status", "--json"]).is(0);
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(json["reconciled_at"], 9_000_000_000_000_i64);
    });
}

#[test]
fn a_round_is_walked_from_the_command_line() {
    let outside = Outside::new();
    let place = outside.place();
    let counted = place.run(&["reconcile", "--full", "--dry-run"]).is(0);
    counted.says(&[
        "Compared 0 subscriptions and 0 customers in 2 pages",
        "Nothing was changed",
    ]);
    place.run(&["status"]).is(4).says(&["full reconcile  never"]);
    place
        .run(&["reconcile", "--full"])
        .is(0)
        .says(&["0 readers differ still"]);
    place.run(&["reconcile"]).is(0).says(&["customers synced"]);
    place.run(&["status"]).is(0).says(&["checked 0 s ago"]);
    assert_eq!(place.run(&["reconcile", "list", "--all"]).is(0).out, "");
    place.run(&["reconcile", "--dry-run"]).is(2);
    let calls = outside.calls.lock().unwrap().clone();
    let lists = calls.iter().filter(|call| *call == "GET /v1/subscriptions");
    assert_eq!(lists.count(), 2, "{calls:?}");
    assert!(calls.iter().all(|call| call.starts_with("GET ")), "{calls:?}");
}
