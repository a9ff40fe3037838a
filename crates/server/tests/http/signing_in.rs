use axum::http::StatusCode;
use latchkey_entitlement::time::MINUTE;

use serde_json::json;

use crate::world::{HOST, each_world};

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
async fn a_letter_that_a_stranger_asks_for_does_not_end_the_owners() {
    each_world(async |world| {
        let mut owner = world.browser();
        let fields = [("email", "ada@example.org")];
        owner.submit("/sign-in", "/sign-in", &fields).await;
        let (link, code) = (world.last_link(), world.last_code());
        world.browser().submit("/sign-in", "/sign-in", &fields).await;
        assert!(owner.get(&link).await.body.contains("Sign in on this device?"));
        let answer = owner.submit("/sign-in/sent", "/sign-in/code", &[("code", &code)]).await;
        assert_eq!(answer.location(), "/account", "{}", answer.body);
    })
    .await;
}

#[tokio::test]
async fn who_asks_from_another_network_is_not_held_up_by_a_stranger() {
    each_world(async |world| {
        let fields = [("email", "ada@example.org")];
        let mut stranger = world.browser_at("198.51.100.7");
        for _ in 0..5 {
            let answer = stranger.submit("/sign-in", "/sign-in", &fields).await;
            assert_eq!(answer.location(), "/sign-in/sent");
        }
        // A neighbour's address is the same network.
        let refused = world
            .browser_at("198.51.100.9")
            .submit("/sign-in", "/sign-in", &fields)
            .await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        let answer = world
            .browser_at("203.0.113.1")
            .submit("/sign-in", "/sign-in", &fields)
            .await;
        assert_eq!(answer.location(), "/sign-in/sent", "{}", answer.body);

        // Nobody's letter-box is flooded, however many networks ask.
        let mut sent = 6;
        for network in 1..=20 {
            let mut browser = world.browser_at(&format!("192.0.{network}.1"));
            sent += u32::from(browser.submit("/sign-in", "/sign-in", &fields).await.location() == "/sign-in/sent");
        }
        assert_eq!(sent, 20);
    })
    .await;
}

#[tokio::test]
async fn who_paid_twice_before_confirming_has_both_in_one_account() {
    each_world(async |world| {
        let mut laptop = world.payer("ada@example.org").await;
        let mut phone = world.payer("ada@example.org").await;
        world.enter(&mut laptop).await;
        let reads = world.enter(&mut phone).await;

        let tablet = &mut world.signs_in("ada@example.org").await;
        let account = world
            .store
            .account_by_proven_email("ada@example.org")
            .await
            .unwrap()
            .unwrap();
        let customers = world.store.customers_of(&account.id).await.unwrap();
        assert_eq!(customers.len(), 2);
        assert_eq!(world.store.grants_of(&account.id).await.unwrap().len(), 2);
        let shown = tablet.get("/account").await.body;
        assert_eq!(shown.matches("Cancel at the end of the period").count(), 2, "{shown}");
        assert!(
            shown.contains("You have two subscriptions to the same plan."),
            "{shown}"
        );

        // Both are signed out, on sites too: one of them may be somebody else who typed her address and paid.
        for browser in [&mut laptop, &mut phone] {
            assert!(browser.get("/account").await.location().starts_with("/sign-in"));
        }
        let renewed = json!({"host": HOST, "refresh": reads["refresh"]});
        let answer = world.edge("POST", "/edge/v1/renew", renewed).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(world.store.revocations_after(0, 9).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn who_paid_twice_and_confirms_where_she_paid_keeps_reading_there() {
    each_world(async |world| {
        world.payer("ada@example.org").await;
        let mut phone = world.payer("ada@example.org").await;
        let reads = world.enter(&mut phone).await;
        phone.submit("/account", "/account/prove", &[]).await;
        let code = world.last_code();
        phone.submit("/sign-in/sent", "/sign-in/code", &[("code", &code)]).await;
        let shown = phone.get("/account").await.body;
        assert_eq!(shown.matches("Cancel at the end of the period").count(), 2, "{shown}");
        let portals = shown.matches("/account/portal").count();
        assert_eq!(portals, 2, "each card has its own way to the portal: {shown}");
        let renewed = json!({"host": HOST, "refresh": reads["refresh"]});
        assert_eq!(
            world.edge("POST", "/edge/v1/renew", renewed).await.status,
            StatusCode::OK
        );
    })
    .await;
}

#[tokio::test]
async fn a_letter_to_another_address_never_takes_over_an_account() {
    each_world(async |world| {
        // Somebody begins to pay under an address of their own, has a letter sent there, and then types the owner's.
        let mut thief = world.browser();
        let mut form = thief.get("/support?site=sit_news&to=/article-1").await.hidden();
        form.push(("price".into(), "prc_month".into()));
        let with = |email: &str| {
            let mut form = form.clone();
            form.push(("email".into(), email.into()));
            form
        };
        thief.post("/support/checkout", &with("thief@example.org")).await;
        let mut other = world.browser();
        let fields = [("email", "thief@example.org")];
        other.submit("/sign-in", "/sign-in", &fields).await;
        let (before, code) = (world.last_link(), world.last_code());
        let paid = thief.post("/support/checkout", &with("ada@example.org")).await;
        let session = paid.location().rsplit('/').next().unwrap().to_owned();
        world.stripe.pay(&session);
        thief.get(&format!("/return?session_id={session}")).await;

        let mut owner = world.signs_in("ada@example.org").await;
        let account = owner.get("/account").await;
        assert!(
            account.body.contains("Pages without ads"),
            "it was paid for under her address"
        );
        assert!(thief.get("/account").await.location().starts_with("/sign-in"));
        let holder = async |email| {
            let holder = world.store.account_by_proven_email(email).await.unwrap();
            holder.map(|account| account.id)
        };
        let hers = holder("ada@example.org").await;
        assert!(hers.is_some());

        // The letter proves what it was sent to, and nothing else.
        let answer = other.submit("/sign-in/sent", "/sign-in/code", &[("code", &code)]).await;
        assert_eq!(answer.location(), "/account");
        let account = other.get("/account").await.body;
        assert!(
            account.contains("t…@e…e.org") && !account.contains("Pages without ads"),
            "{account}"
        );
        assert!(thief.get(&before).await.body.contains("no longer holds"));
        assert_eq!(
            holder("ada@example.org").await,
            hers,
            "nobody took the address from her"
        );
        assert_ne!(holder("thief@example.org").await, hers);
        assert_eq!(owner.get("/account").await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn who_proved_an_address_gets_what_is_paid_under_it_later_at_the_next_sign_in() {
    each_world(async |world| {
        world.signs_in("ada@example.org").await;
        world.payer("ada@example.org").await;
        let account = world
            .store
            .account_by_proven_email("ada@example.org")
            .await
            .unwrap()
            .unwrap();
        assert!(world.store.grants_of(&account.id).await.unwrap().is_empty());
        world.signs_in("ada@example.org").await;
        assert_eq!(world.store.grants_of(&account.id).await.unwrap().len(), 1);
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
