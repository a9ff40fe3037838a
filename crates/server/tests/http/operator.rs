//! What the operator's programs are told.

use axum::http::StatusCode;
use latchkey_entitlement::Clock;
use serde_json::{Value, json};

use crate::world::{API_TOKEN, EDGE_TOKEN, each_world};

#[tokio::test]
async fn only_the_operators_token_opens_status_and_metrics() {
    each_world(async |world| {
        for path in ["/metrics", "/v1/status"] {
            for token in [None, Some(""), Some(EDGE_TOKEN), Some("x")] {
                let answer = world.program("GET", path, json!(null), token).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {token:?}");
                assert!(answer.body.contains("LATCHKEY_API_TOKEN"), "{}", answer.body);
            }
            let answer = world.program("GET", path, json!(null), Some(API_TOKEN)).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
        }
    })
    .await;
}

/// COMPLAINTS 7: nobody sees that nothing was read from Stripe for days. The age of each walk is a metric.
#[tokio::test]
async fn complaint_7_the_age_of_the_last_walk_is_a_metric_and_in_the_api() {
    each_world(async |world| {
        let metrics = async || world.program("GET", "/metrics", json!(null), Some(API_TOKEN)).await;
        let fresh = metrics().await;
        assert!(fresh.header("content-type").starts_with("text/plain; version=0.0.4"));
        assert!(
            fresh.body.contains("\nlatchkey_readers_differing 0\n"),
            "{}",
            fresh.body
        );
        assert!(!fresh.body.contains("reconcile_timestamp"), "no walk has ended yet");

        world.sync.reconcile().await.unwrap();
        let mut round = world.sync.full_round(false).await.unwrap();
        while world.sync.go_on(&mut round).await.unwrap() {}
        let now = world.clock.now();
        let walked = metrics().await.body;
        for name in ["reconcile", "full_reconcile"] {
            let line = format!("\nlatchkey_{name}_timestamp_seconds {}\n", now.seconds());
            assert!(walked.contains(&line), "{line}: {walked}");
        }
        let status = world.program("GET", "/v1/status", json!(null), Some(API_TOKEN)).await;
        let status: Value = serde_json::from_str(&status.body).unwrap();
        assert_eq!(
            (&status["differing_readers"], &status["reconciled_at"]),
            (&json!(0), &json!(now.0))
        );
        assert_eq!(
            status["inbox"],
            json!({"pending": 0, "oldest_pending_at": null, "failed": 0})
        );
    })
    .await;
}
