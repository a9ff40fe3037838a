use axum::http::StatusCode;
use latchkey_entitlement::time::MINUTE;

use crate::world::each_world;

#[tokio::test]
async fn a_payer_signs_in_on_another_browser_with_the_link() {
    each_world(async |world| {
        let mut first = world.payer("ada@example.org").await;
        world.enter(&mut first).await;

        let mut asked = world.browser();
        let answer = asked
            .submit("/sign-in?next=/account", "/sign-in", &[("email", "Ada@Example.org ")])
            .await;
        assert_eq!(answer.location(), "/sign-in/sent");
        let link = world.last_link();

        // Opened elsewhere: the link works in any browser, once its button is pressed there.
        let mut phone = world.browser();
        for _ in 0..3 {
            assert_eq!(phone.head(&link).await.status, StatusCode::OK);
            let page = phone.get(&link).await;
            assert!(
                page.body.contains("a…@e…e.org") && page.body.contains("Firefox on Linux"),
                "{}",
                page.body
            );
            assert_eq!(
                (page.header("referrer-policy"), page.header("cache-control")),
                ("no-referrer", "no-store")
            );
        }
        assert!(
            phone.get("/account").await.location().starts_with("/sign-in"),
            "looking at the link signed in"
        );
        let answer = phone.submit(&link, "/sign-in/link", &[]).await;
        assert_eq!(answer.location(), "/account", "{}", answer.body);
        let account = phone.get("/account").await;
        assert!(
            account.body.contains("Pages without ads") && !account.body.contains("not confirmed yet"),
            "{}",
            account.body
        );

        // Once only.
        let mut third = world.browser();
        assert!(third.get(&link).await.body.contains("no longer holds"));
    })
    .await;
}

#[tokio::test]
async fn the_first_proof_shuts_account_pages_elsewhere_and_leaves_the_sites_without_ads() {
    each_world(async |world| {
        let mut first = world.payer("ada@example.org").await;
        let entered = world.enter(&mut first).await;
        let mut phone = world.browser();
        phone
            .submit("/sign-in", "/sign-in", &[("email", "ada@example.org")])
            .await;
        let link = world.last_link();
        phone.submit(&link, "/sign-in/link", &[]).await;
        assert!(first.get("/account").await.location().starts_with("/sign-in"));
        let renewed = world
            .edge(
                "POST",
                "/edge/v1/renew",
                serde_json::json!({"host": "news.example.org", "refresh": entered["refresh"]}),
            )
            .await;
        assert_eq!(renewed.status, StatusCode::OK, "{}", renewed.body);
    })
    .await;
}

#[tokio::test]
async fn the_code_works_only_in_the_browser_that_asked_and_for_five_tries() {
    each_world(async |world| {
        let mut browser = world.browser();
        browser
            .submit("/sign-in", "/sign-in", &[("email", "ada@example.org")])
            .await;
        let code = world.last_code();

        let mut other = world.browser();
        let answer = other.submit("/sign-in/sent", "/sign-in/code", &[("code", &code)]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);

        for left in ["4 more times", "3 more times", "2 more times", "once more"] {
            let answer = browser
                .submit("/sign-in/sent", "/sign-in/code", &[("code", "WRONGWRO")])
                .await;
            assert!(
                answer.status == StatusCode::FORBIDDEN && answer.body.contains(left),
                "{left}: {}",
                answer.body
            );
        }
        let mut lucky = browser.clone();
        let spaced = format!(" {}-{}", code[..4].to_lowercase(), &code[4..]);
        let answer = lucky
            .submit("/sign-in/sent", "/sign-in/code", &[("code", &spaced)])
            .await;
        assert_eq!(answer.location(), "/account", "{}", answer.body);

        browser
            .submit("/sign-in", "/sign-in", &[("email", "ada@example.org")])
            .await;
        let code = world.last_code();
        for _ in 0..5 {
            browser
                .submit("/sign-in/sent", "/sign-in/code", &[("code", "WRONGWRO")])
                .await;
        }
        let answer = browser
            .submit("/sign-in/sent", "/sign-in/code", &[("code", &code)])
            .await;
        assert!(answer.body.contains("a new one is needed"), "{}", answer.body);
    })
    .await;
}

#[tokio::test]
async fn only_the_newest_letter_counts_and_for_ten_minutes() {
    each_world(async |world| {
        let mut browser = world.browser();
        browser
            .submit("/sign-in", "/sign-in", &[("email", "ada@example.org")])
            .await;
        let old = world.last_link();
        browser
            .submit("/sign-in", "/sign-in", &[("email", "ada@example.org")])
            .await;
        let new = world.last_link();
        assert!(browser.get(&old).await.body.contains("no longer holds"));
        assert!(browser.get(&new).await.body.contains("Sign in on this device?"));
        world.clock.advance(10 * MINUTE + 1);
        assert!(browser.get(&new).await.body.contains("no longer holds"));
    })
    .await;
}

#[tokio::test]
async fn known_and_unknown_addresses_are_answered_alike_and_letters_are_limited() {
    each_world(async |world| {
        world.payer("ada@example.org").await;
        let mut browser = world.browser();
        for email in ["ada@example.org", "nobody@example.org"] {
            let answer = browser.submit("/sign-in", "/sign-in", &[("email", email)]).await;
            assert_eq!(
                (answer.status, answer.location()),
                (StatusCode::SEE_OTHER, "/sign-in/sent"),
                "{email}"
            );
        }
        for _ in 0..4 {
            browser
                .submit("/sign-in", "/sign-in", &[("email", "ada@example.org")])
                .await;
        }
        let answer = browser
            .submit("/sign-in", "/sign-in", &[("email", "ada@example.org")])
            .await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(answer.body.contains("15 minutes"));
    })
    .await;
}

#[tokio::test]
async fn signing_in_leads_back_to_where_the_reader_was_going() {
    each_world(async |world| {
        let mut browser = world.browser();
        let answer = browser
            .get(&format!(
                "/account/enter?host=news.example.org&nonce={}&to=/article-1",
                crate::world::nonce_hash("n")
            ))
            .await;
        let sign_in = answer.location().to_owned();
        assert!(sign_in.starts_with("/sign-in?next="), "{sign_in}");
        browser
            .submit(&sign_in, "/sign-in", &[("email", "ada@example.org")])
            .await;
        let code = world.last_code();
        let answer = browser
            .submit("/sign-in/sent", "/sign-in/code", &[("code", &code)])
            .await;
        assert_eq!(answer.location(), "/account/continue?site=sit_news&to=%2Farticle-1");
        let onward = answer.location().to_owned();
        assert_eq!(
            browser.get(&onward).await.location(),
            "https://news.example.org/.latchkey/enter?to=%2Farticle-1"
        );
    })
    .await;
}
