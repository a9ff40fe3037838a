//! What other systems of the publisher say, over `/v1/grants`.

use axum::http::StatusCode;
use latchkey_entitlement::{Clock, time::DAY};
use serde_json::{Value, json};

use crate::world::{API_TOKEN, EDGE_TOKEN, World, each_world};

async fn call(world: &World, method: &str, path: &str, body: Value) -> crate::browser::Answer {
    world.program(method, path, body, Some(API_TOKEN)).await
}

#[tokio::test]
async fn a_purchase_in_an_app_is_given_kept_changed_and_taken_back() {
    each_world(async |world| {
        let mut browser = world.signs_in("ada@example.org").await;
        let until = world.clock.now().plus(30 * DAY).0;
        let body = json!({
            "reader": "ada@example.org", "entitlements": "comments ad_free", "until_at": until, "because": "Bought in the app",
        });
        let path = "/v1/grants/app_store/2000000123";
        let first = call(world, "PUT", path, body.clone()).await;
        assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
        let kept = first.json();
        assert_eq!(kept["state"], "given");
        assert_eq!(kept["entitlements"], json!(["ad_free", "comments"]));
        assert_eq!(kept["from_at"], world.clock.now().0);

        world.clock.advance(DAY);
        let again = call(world, "PUT", path, body.clone()).await;
        assert_eq!((again.status, again.json()), (StatusCode::OK, kept.clone()), "saying it again changes nothing");
        assert_eq!(call(world, "GET", path, json!(null)).await.json(), kept);

        let account = browser.get("/account").await;
        assert!(account.body.contains("another of our systems") && account.body.contains("Bought in the app"));
        let listed = call(world, "GET", "/v1/grants?reader=ada@example.org", json!(null)).await.json();
        assert_eq!(listed["grants"][0]["source_ref"], "app_store/2000000123");
        assert_eq!((&listed["grants"][0]["state"], &listed["unclaimed"]), (&json!("live"), &json!([])));

        let mut longer = body;
        longer["until_at"] = json!(until + DAY);
        let changed = call(world, "PUT", path, longer).await;
        assert_eq!((changed.status, changed.json()["until_at"].clone()), (StatusCode::OK, json!(until + DAY)));
        assert_eq!(call(world, "DELETE", path, json!(null)).await.status, StatusCode::NO_CONTENT);
        assert_eq!(call(world, "DELETE", path, json!(null)).await.status, StatusCode::NOT_FOUND);
        assert_eq!(call(world, "GET", path, json!(null)).await.status, StatusCode::NOT_FOUND);
        assert!(browser.get("/account").await.body.contains("Nothing at the moment"));
    })
    .await;
}

#[tokio::test]
async fn an_address_that_nobody_has_proven_waits_and_is_given_at_the_first_sign_in() {
    each_world(async |world| {
        let body = json!({"reader": "Bob@Example.org", "entitlements": "ad_free"});
        let put = call(world, "PUT", "/v1/grants/print/4711", body).await;
        assert_eq!(
            (put.status, put.json()["state"].clone()),
            (StatusCode::CREATED, json!("unclaimed"))
        );
        assert_eq!(put.json()["account"], json!(null));
        let mut browser = world.signs_in("bob@example.org").await;
        let account = browser.get("/account").await;
        assert!(
            account.body.contains("Pages without ads") && account.body.contains("no end"),
            "{}",
            account.body
        );
        let kept = call(world, "GET", "/v1/grants/print/4711", json!(null)).await.json();
        assert_eq!(kept["state"], "given");
        let by_id = format!("/v1/grants?reader={}", kept["account"].as_str().unwrap());
        assert_eq!(
            call(world, "GET", &by_id, json!(null)).await.json()["grants"][0]["source"],
            "external"
        );
    })
    .await;
}

#[tokio::test]
async fn comps_and_imports_go_the_same_way_under_words_of_their_own() {
    each_world(async |world| {
        world.signs_in("ada@example.org").await;
        for (word, source) in [("comp", "comp"), ("import", "import"), ("bank_transfer", "external")] {
            let body = json!({"reader": "ada@example.org", "entitlements": "ad_free", "sites": ["sit_news"]});
            let put = call(world, "PUT", &format!("/v1/grants/{word}/1"), body).await;
            assert_eq!(put.status, StatusCode::CREATED, "{}", put.body);
            assert_eq!(put.json()["sites"], json!(["sit_news"]));
            let listed = call(world, "GET", "/v1/grants?reader=ada@example.org", json!(null))
                .await
                .json();
            let held = listed["grants"].as_array().unwrap();
            assert!(held.iter().any(|grant| grant["source"] == source), "{listed}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_used_is_told_field_by_field_and_changes_nothing() {
    each_world(async |world| {
        let good = json!({"reader": "ada@example.org", "entitlements": "ad_free"});
        let with = |field: &str, value: Value| {
            let mut body = good.clone();
            body[field] = value;
            body
        };
        for (path, body, fields) in [
            ("app/1", json!([]), vec!["(body)"]),
            ("app/1", json!({}), vec!["reader", "entitlements"]),
            ("app/1", with("reader", json!("Ada")), vec!["reader"]),
            ("app/1", with("reader", json!("acc_nobody")), vec!["reader"]),
            ("app/1", with("reader", json!(7)), vec!["reader"]),
            ("app/1", with("entitlements", json!("Ad-Free")), vec!["entitlements"]),
            ("app/1", with("entitlements", json!("")), vec!["entitlements"]),
            ("app/1", with("sites", json!(["sit_mars"])), vec!["sites"]),
            ("app/1", with("sites", json!([])), vec!["sites"]),
            ("app/1", with("from_at", json!("yesterday")), vec!["from_at"]),
            ("app/1", with("until_at", json!(-1)), vec!["until_at"]),
            ("app/1", with("until", json!(1)), vec!["until"]),
            (
                "app/1",
                json!({"reader": "a@b.c", "entitlements": "ad_free", "from_at": 9, "until_at": 9}),
                vec!["until_at"],
            ),
            ("app/1", with("because", json!("x".repeat(501))), vec!["because"]),
            ("App/1", good.clone(), vec!["source"]),
            ("subscription/1", good.clone(), vec!["source"]),
            ("app/a%23b", good.clone(), vec!["id"]),
        ] {
            let answer = call(world, "PUT", &format!("/v1/grants/{path}"), body.clone()).await;
            assert_eq!(
                answer.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{path} {body}: {}",
                answer.body
            );
            assert_eq!(answer.header("content-type"), "application/problem+json");
            let told: Vec<String> = answer.json()["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|error| error["field"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(told, fields, "{path} {body}");
        }
        let large = with("because", json!("x".repeat(20_000)));
        assert_eq!(
            call(world, "PUT", "/v1/grants/app/1", large).await.status,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        assert_eq!(
            call(world, "GET", "/v1/grants/app/1", json!(null)).await.status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            call(world, "GET", "/v1/grants?reader=nobody@example.org", json!(null))
                .await
                .status,
            StatusCode::NOT_FOUND
        );
    })
    .await;
}

#[tokio::test]
async fn only_the_operators_token_opens_it() {
    each_world(async |world| {
        let body = json!({"reader": "ada@example.org", "entitlements": "ad_free"});
        for token in [None, Some(""), Some("wrong"), Some(EDGE_TOKEN)] {
            for (method, path) in [
                ("PUT", "/v1/grants/app/1"),
                ("GET", "/v1/grants/app/1"),
                ("DELETE", "/v1/grants/app/1"),
                ("GET", "/v1/grants?reader=a@b.c"),
            ] {
                let answer = world.program(method, path, body.clone(), token).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {token:?}");
                assert_eq!(answer.json()["type"], "api-token");
            }
        }
    })
    .await;
}
