use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use latchkey_billing::sign;
use latchkey_entitlement::{AccountId, Clock, EventId, Standing, StandingKind, Timestamp};
use latchkey_token::{JwkSet, Verifier};
use serde_json::json;
use tower::ServiceExt;

use crate::world::{ORIGIN, WEBHOOK_SECRET, each_world};

#[tokio::test]
async fn the_pass_verifies_with_the_published_keys() {
    each_world(async |world| {
        let mut browser = world.payer("ada@example.org").await;
        let entered = world.enter(&mut browser).await;
        let answer = world.program("GET", "/.well-known/jwks.json", json!(null), None).await;
        assert_eq!(answer.header("content-type"), "application/jwk-set+json");
        assert!(
            answer
                .header("cache-control")
                .starts_with("public, max-age=300, stale-")
        );
        let jwks: JwkSet = serde_json::from_str(&answer.body).unwrap();
        let now = world.clock.now().seconds();
        let claims = Verifier::new(&jwks, ORIGIN, "sit_news")
            .verify(entered["pass"].as_str().unwrap(), now)
            .unwrap();
        assert_eq!(claims.scope, "ad_free comments");
        assert_eq!((claims.iat, claims.exp), (now, now + 900));
        assert!(!claims.sub.contains("acc_"));
    })
    .await;
}

#[tokio::test]
async fn unchanged_keys_and_bundles_are_answered_304() {
    each_world(async |world| {
        let tag = world
            .program("GET", "/.well-known/jwks.json", json!(null), None)
            .await
            .header("etag")
            .to_owned();
        let request = Request::get("/.well-known/jwks.json")
            .header("if-none-match", tag)
            .body(Body::empty())
            .unwrap();
        assert_eq!(
            world.router.clone().oneshot(request).await.unwrap().status(),
            StatusCode::NOT_MODIFIED
        );

        let bundle = world.edge("GET", "/edge/v1/bundle", json!(null)).await;
        assert_eq!(
            (bundle.status, bundle.header("content-type")),
            (StatusCode::OK, "application/jose")
        );
        let tag = bundle.header("etag").to_owned();
        assert_eq!(
            world.edge("GET", "/edge/v1/bundle", json!(null)).await.header("etag"),
            tag
        );
        let request = Request::get("/edge/v1/bundle")
            .header("authorization", format!("Bearer {}", crate::world::EDGE_TOKEN))
            .header("if-none-match", tag)
            .body(Body::empty())
            .unwrap();
        assert_eq!(
            world.router.clone().oneshot(request).await.unwrap().status(),
            StatusCode::NOT_MODIFIED
        );
    })
    .await;
}

#[tokio::test]
async fn programs_need_the_token() {
    each_world(async |world| {
        for token in [None, Some(""), Some("wrong")] {
            for (method, path) in [
                ("GET", "/edge/v1/bundle"),
                ("GET", "/edge/v1/revocations"),
                ("POST", "/edge/v1/enter"),
                ("POST", "/edge/v1/renew"),
                ("POST", "/v1/comments/check"),
            ] {
                let answer = world.program(method, path, json!({}), token).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} with {token:?}");
                assert_eq!(answer.header("content-type"), "application/problem+json");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_webhook_is_stored_if_its_signature_holds_and_told_why_if_not() {
    each_world(async |world| {
        let body = json!({
            "id": "evt_1", "object": "event", "type": "customer.updated", "created": 1_795_500_000, "livemode": false,
            "api_version": "2026-09-30.endive", "data": {"object": {"id": "cus_1", "object": "customer"}}
        })
        .to_string();
        let send = async |body: String, signature: String| {
            let request = Request::post("/webhooks/stripe")
                .header("stripe-signature", signature)
                .body(Body::from(body))
                .unwrap();
            world.router.clone().oneshot(request).await.unwrap().status()
        };
        let now = world.clock.now();
        for signature in [
            String::new(),
            "t=1,v1=00".to_owned(),
            sign(body.as_bytes(), "whsec_other", now),
        ] {
            assert_eq!(send(body.clone(), signature).await, StatusCode::BAD_REQUEST);
        }
        assert!(world.store.event("evt_1").await.unwrap().is_none());
        let good = sign(body.as_bytes(), WEBHOOK_SECRET, now);
        assert_eq!(send(body.clone(), good.clone()).await, StatusCode::OK);
        assert_eq!(send(body.clone(), good).await, StatusCode::OK);
        assert!(world.store.event("evt_1").await.unwrap().is_some());
        assert_eq!(
            send("x".repeat(1024 * 1024 + 1), "t=1,v1=00".into()).await,
            StatusCode::PAYLOAD_TOO_LARGE
        );
    })
    .await;
}

#[tokio::test]
async fn comments_are_refused_by_standing_and_held_for_forbidden_words() {
    each_world(async |world| {
        let mut browser = world.payer("ada@example.org").await;
        let pass = world.enter(&mut browser).await["pass"].clone();
        let check = async |body: serde_json::Value| world.edge("POST", "/v1/comments/check", body).await;
        let fine = check(json!({"site": "sit_news", "pass": pass, "text": "Well said."}))
            .await
            .json();
        assert_eq!(fine["decision"], "allow");
        let held = check(json!({"site": "sit_news", "pass": pass, "text": "DARN it"}))
            .await
            .json();
        assert_eq!(
            (held["decision"].as_str(), held["reason"].as_str()),
            (Some("hold"), Some("forbidden_word"))
        );
        let foreign = check(json!({"site": "sit_sport", "pass": pass, "text": "Hi"}))
            .await
            .json();
        assert_eq!(foreign["reason"], "signed_out");
        assert_eq!(
            check(json!({"site": "sit_unknown", "pass": pass, "text": "Hi"}))
                .await
                .status,
            StatusCode::BAD_REQUEST
        );

        let account: AccountId = world
            .store
            .accounts_by_email("ada@example.org", 1)
            .await
            .unwrap()
            .remove(0)
            .id;
        let ban = Standing {
            id: EventId::parse("evt_ban").unwrap(),
            account: account.clone(),
            site: None,
            kind: StandingKind::Ban,
            reason: "spam".into(),
            moderator: "desk".into(),
            from: Timestamp(0),
            until: None,
        };
        world.store.add_standing(&ban).await.unwrap();
        for who in [
            json!({"site": "sit_news", "pass": pass, "text": "Hi"}),
            json!({"site": "sit_news", "account": account, "text": "Hi"}),
        ] {
            let refused = check(who).await.json();
            assert_eq!(
                (refused["decision"].as_str(), refused["reason"].as_str()),
                (Some("refuse"), Some("standing"))
            );
        }
    })
    .await;
}

#[tokio::test]
async fn health_says_whether_readers_can_be_served() {
    each_world(async |world| {
        assert_eq!(world.program("GET", "/healthz", json!(null), None).await.body, "ok\n");
        let ready = world.program("GET", "/readyz", json!(null), None).await;
        assert_eq!(
            (ready.status, ready.json()["ready"].as_bool()),
            (StatusCode::OK, Some(true)),
            "{}",
            ready.body
        );
    })
    .await;
}
