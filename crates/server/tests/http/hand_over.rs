use axum::http::StatusCode;
use latchkey_entitlement::time::{DAY, MINUTE, SECOND};
use serde_json::json;

use crate::world::{HOST, each_world, nonce_hash};

#[tokio::test]
async fn a_code_counts_once_for_its_host_and_browser_and_for_a_minute() {
    each_world(async |world| {
        let mut browser = world.payer("ada@example.org").await;
        for (host, nonce, wait) in [
            ("sport.example.org", "nonce-1", 0),
            (HOST, "other", 0),
            (HOST, "nonce-1", MINUTE),
        ] {
            let code = world.enter_code(&mut browser, "nonce-1").await;
            world.clock.advance(wait);
            let answer = world
                .edge(
                    "POST",
                    "/edge/v1/enter",
                    json!({"host": host, "code": code, "nonce": nonce}),
                )
                .await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{host} {nonce} {wait}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.json()["type"], "enter-code");
        }
        let code = world.enter_code(&mut browser, "nonce-1").await;
        let body = json!({"host": HOST, "code": code, "nonce": "nonce-1"});
        assert_eq!(
            world.edge("POST", "/edge/v1/enter", body.clone()).await.status,
            StatusCode::OK
        );
        assert_eq!(
            world.edge("POST", "/edge/v1/enter", body).await.status,
            StatusCode::FORBIDDEN
        );
    })
    .await;
}

#[tokio::test]
async fn a_code_needs_a_known_host_and_a_whole_nonce() {
    each_world(async |world| {
        let mut browser = world.payer("ada@example.org").await;
        for query in [
            format!("host=evil.example&nonce={}", nonce_hash("n")),
            format!("host={HOST}&nonce=short"),
            format!("host={HOST}"),
            String::new(),
        ] {
            assert_eq!(
                browser.get(&format!("/account/enter?{query}")).await.status,
                StatusCode::BAD_REQUEST,
                "{query}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_refresh_secret_is_replaced_daily_and_its_predecessor_lives_until_a_minute_after_the_successor_was_seen() {
    each_world(async |world| {
        let mut browser = world.payer("ada@example.org").await;
        let entered = world.enter(&mut browser).await;
        let first = entered["refresh"].as_str().unwrap().to_owned();
        let renew = async |refresh: &str| {
            world
                .edge("POST", "/edge/v1/renew", json!({"host": HOST, "refresh": refresh}))
                .await
        };

        let young = renew(&first).await.json();
        assert!(young.get("refresh").is_none() && young["generation"] == 0, "{young}");

        world.clock.advance(DAY);
        let rotated = renew(&first).await.json();
        let second = rotated["refresh"].as_str().unwrap().to_owned();
        assert_eq!(rotated["generation"], 1);
        // The answer was lost, or another tab asked too: the same successor, however often and late.
        world.clock.advance(10 * MINUTE);
        for _ in 0..2 {
            let again = renew(&first).await.json();
            assert_eq!(
                (again["refresh"].as_str(), &again["generation"]),
                (Some(second.as_str()), &json!(1))
            );
        }
        // The successor is presented: a minute more for the predecessor.
        assert_eq!(renew(&second).await.status, StatusCode::OK);
        world.clock.advance(60 * SECOND);
        assert_eq!(renew(&first).await.status, StatusCode::OK);
        world.clock.advance(1);
        let late = renew(&first).await;
        assert_eq!(
            (late.status, late.json()["type"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("signed-out"))
        );
        // Reuse ends nobody else.
        assert_eq!(renew(&second).await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_secret_holds_for_its_own_site_alone_and_ends_when_asked() {
    each_world(async |world| {
        let mut browser = world.payer("ada@example.org").await;
        let refresh = world.enter(&mut browser).await["refresh"].clone();
        for (host, refresh) in [
            ("sport.example.org", &refresh),
            ("evil.example", &refresh),
            (HOST, &json!("unknown")),
        ] {
            let answer = world
                .edge("POST", "/edge/v1/renew", json!({"host": host, "refresh": refresh}))
                .await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{host}");
        }
        let ended = world
            .edge(
                "POST",
                "/edge/v1/renew",
                json!({"host": HOST, "refresh": refresh, "end": true}),
            )
            .await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT);
        let after = world
            .edge("POST", "/edge/v1/renew", json!({"host": HOST, "refresh": refresh}))
            .await;
        assert_eq!(after.status, StatusCode::UNAUTHORIZED);
        let page = world
            .edge("GET", "/edge/v1/revocations?after=0", json!(null))
            .await
            .json();
        assert_eq!(page["entries"].as_array().map(Vec::len), Some(1), "{page}");
        // The account pages stay signed in.
        assert_eq!(browser.get("/account").await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn signing_out_everywhere_revokes_every_site_session() {
    each_world(async |world| {
        let mut browser = world.payer("ada@example.org").await;
        let one = world.enter(&mut browser).await["refresh"].clone();
        let two = world.enter(&mut browser).await["refresh"].clone();
        let before = world
            .edge("GET", "/edge/v1/revocations?after=0", json!(null))
            .await
            .json();
        assert_eq!(before["entries"], json!([]));

        let answer = browser
            .submit("/account", "/account/devices", &[("session", "everywhere")])
            .await;
        assert_eq!(answer.location(), "/sign-in");
        assert!(browser.get("/account").await.location().starts_with("/sign-in"));
        for refresh in [one, two] {
            let answer = world
                .edge("POST", "/edge/v1/renew", json!({"host": HOST, "refresh": refresh}))
                .await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
        let page = world
            .edge("GET", "/edge/v1/revocations?after=0", json!(null))
            .await
            .json();
        let entries = page["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert!(
            entries
                .iter()
                .all(|entry| entry["session"].is_string() && entry["site"] == "sit_news"),
            "{page}"
        );
        let rest = world
            .edge(
                "GET",
                &format!("/edge/v1/revocations?after={}", page["last"]),
                json!(null),
            )
            .await
            .json();
        assert_eq!(
            (rest["entries"].clone(), rest["last"].clone()),
            (json!([]), page["last"].clone())
        );
    })
    .await;
}

#[tokio::test]
async fn one_device_can_be_signed_out_and_nobody_elses() {
    each_world(async |world| {
        let mut ada = world.payer("ada@example.org").await;
        let mut bob = world.payer("bob@example.org").await;
        let refresh = world.enter(&mut bob).await["refresh"].clone();
        let page = bob.get("/account").await.body;
        let sessions: Vec<&str> = page
            .split("name=\"session\" value=\"")
            .skip(1)
            .map(|part| part.split('"').next().unwrap())
            .collect();
        let site_session = sessions.iter().find(|id| id.starts_with("ses_")).unwrap().to_string();
        ada.submit("/account", "/account/devices", &[("session", &site_session)])
            .await;
        let renew = json!({"host": HOST, "refresh": refresh});
        assert_eq!(
            world.edge("POST", "/edge/v1/renew", renew.clone()).await.status,
            StatusCode::OK
        );
        for session in sessions.iter().filter(|id| **id != "everywhere") {
            bob.submit("/account", "/account/devices", &[("session", session)])
                .await;
        }
        assert_eq!(
            world.edge("POST", "/edge/v1/renew", renew).await.status,
            StatusCode::UNAUTHORIZED
        );
    })
    .await;
}
