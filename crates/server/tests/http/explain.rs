//! `GET /v1/readers/{reader}/explain`: for the operator's programs alone.

use axum::http::StatusCode;
use latchkey_entitlement::{AccountId, Clock};
use latchkey_token::subject;
use serde_json::{Value, json};

use crate::{
    browser::Answer,
    world::{API_TOKEN, EDGE_TOKEN, World, each_world},
};

const HOUR: i64 = 3_600_000;

async fn asked(world: &World, reader: &str, query: &str) -> Answer {
    let path = format!("/v1/readers/{reader}/explain{query}");
    world.program("GET", &path, json!(null), Some(API_TOKEN)).await
}

/// The one reader of an answer.
#[track_caller]
fn one(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let readers = answer.json()["readers"].as_array().unwrap().clone();
    assert_eq!(readers.len(), 1, "{}", answer.body);
    readers[0].clone()
}

#[track_caller]
fn has(answer: &Value, entitlement: &str) -> bool {
    let all = answer["entitlements"].as_array().unwrap();
    let found = all.iter().find(|one| one["entitlement"] == entitlement);
    found.unwrap_or_else(|| panic!("{answer}"))["has"].as_bool().unwrap()
}

async fn account_of(world: &World, email: &str) -> AccountId {
    let claims = world.store.claims_of(email, world.clock.now(), 9).await.unwrap();
    claims[0].id.clone()
}

#[tokio::test]
async fn a_payer_is_explained_by_every_name_that_a_letter_may_hold() {
    each_world(async |world| {
        let mut browser = world.payer("ada@example.org").await;
        world.enter(&mut browser).await;
        let account = account_of(world, "ada@example.org").await;
        let customer = world.store.customers_of(&account).await.unwrap()[0].id.clone();
        let subscription = world.store.subscriptions_of(&account).await.unwrap()[0].id.clone();
        let session = world.store.sessions_of(&account).await.unwrap()[0].id.clone();
        let pairwise = subject(b"secret of news", account.as_str());
        let names = [
            account.as_str(),
            "ada@example.org",
            "ADA@Example.org",
            &customer,
            &subscription,
            session.as_str(),
            &pairwise,
        ];
        for name in names {
            let told = one(&asked(world, name, "").await);
            assert_eq!(told["account"], account.as_str(), "{name}");
            assert!(has(&told, "ad_free"), "{name}: {told}");
        }
        let told = one(&asked(world, "ada@example.org", "?site=sit_news").await);
        let reader = told["reader"].as_str().unwrap();
        assert!(
            reader.contains("Pages without ads: yes.\n  Because of your subscription, since"),
            "{reader}"
        );
        assert!(reader.contains("(Europe/Berlin; "), "{reader}");
        assert!(
            !reader.contains(account.as_str()) && !reader.contains("ada@"),
            "{reader}"
        );
        let operator = told["operator"].as_str().unwrap();
        assert!(
            operator.contains("claims ada@example.org and has not proven it"),
            "{operator}"
        );
        assert!(
            operator.contains(&subscription) && operator.contains(session.as_str()),
            "{operator}"
        );
    })
    .await;
}

#[tokio::test]
async fn any_past_moment_is_explained_as_it_stood_then() {
    each_world(async |world| {
        world.clock.advance(HOUR);
        let before = world.clock.now();
        world.clock.advance(HOUR);
        world.payer("ada@example.org").await;
        world.clock.advance(HOUR);
        let told = one(&asked(world, "ada@example.org", "").await);
        assert!(has(&told, "ad_free"));
        let then = one(&asked(world, "ada@example.org", "?at=2%20hours%20ago").await);
        assert_eq!(then["moment"], before.0);
        assert!(!has(&then, "ad_free"));
        let reader = then["reader"].as_str().unwrap();
        assert!(reader.contains("You had no account with us yet"), "{reader}");
        assert!(then["afterwards"].as_array().unwrap().len() > 2, "{then}");
    })
    .await;
}

#[tokio::test]
async fn who_is_unknown_is_not_found_and_what_cannot_be_read_is_said() {
    each_world(async |world| {
        let nobody = asked(world, "nobody@example.org", "").await;
        assert_eq!(nobody.status, StatusCode::NOT_FOUND);
        assert_eq!(nobody.json()["type"], "unknown-reader");
        for unknown in ["acc_1", "cus_1", "sub_1", "ses_1", "x", "%00", "b7mZx3nq0YtK5dVhS2LwPg"] {
            let answer = asked(world, unknown, "").await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}: {}", answer.body);
        }
        for (query, said) in [
            ("?at=yesterday", "write `2026-11-24`"),
            ("?site=sit_none", "the configuration has sit_news, sit_sport"),
        ] {
            let answer = asked(world, "acc_1", query).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
            assert!(answer.body.contains(said), "{}", answer.body);
        }
        let long = "a".repeat(300);
        assert_eq!(asked(world, &long, "").await.status, StatusCode::BAD_REQUEST);
    })
    .await;
}

#[tokio::test]
async fn only_the_operators_token_opens_it() {
    each_world(async |world| {
        world.payer("ada@example.org").await;
        for token in [None, Some(""), Some("wrong"), Some(EDGE_TOKEN)] {
            let answer = world
                .program("GET", "/v1/readers/ada@example.org/explain", json!(null), token)
                .await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{token:?}");
            assert!(!answer.body.contains("ada"), "{}", answer.body);
            assert!(answer.body.contains("LATCHKEY_API_TOKEN"), "{}", answer.body);
        }
    })
    .await;
}
