use axum::http::StatusCode;
use latchkey_entitlement::time::{DAY, HOUR};

use crate::world::each_world;

#[tokio::test]
async fn a_reader_pays_and_is_back_on_the_article_signed_in() {
    each_world(async |world| {
        let mut browser = world.browser();
        let page = browser.get("/support?site=sit_news&to=/article-1").await;
        assert!(
            page.body.contains("Support monthly – €4.00 a month")
                && page.body.contains("Support yearly – €40.00 a year")
        );
        let session = world.begin_checkout(&mut browser, "ada@example.org").await;
        world.stripe.pay(&session);

        let back = browser.get(&format!("/return?session_id={session}")).await;
        assert_eq!(back.status, StatusCode::SEE_OTHER);
        assert_eq!(
            back.location(),
            "https://news.example.org/.latchkey/enter?to=%2Farticle-1"
        );

        let entered = world.enter(&mut browser).await;
        assert!(
            entered["pass"]
                .as_str()
                .is_some_and(|pass| pass.len() <= latchkey_token::MAX_PASS_BYTES),
            "{entered}"
        );
        assert!(entered["refresh"].is_string() && entered["until"].is_i64(), "{entered}");

        let account = browser.get("/account").await;
        for part in [
            "Pages without ads",
            "Supporter – €4.00 a month",
            "Visa •••• 4242",
            "a…@e…e.org",
            "not confirmed yet",
            "Firefox on Linux",
        ] {
            assert!(account.body.contains(part), "{part} is missing: {}", account.body);
        }
        assert!(!account.body.contains("ada@example.org"));
        assert_eq!(account.header("cache-control"), "no-store");
    })
    .await;
}

#[tokio::test]
async fn a_payment_that_ends_while_the_return_reads_is_not_missed() {
    each_world(async |world| {
        let mut browser = world.browser();
        let session = world.begin_checkout(&mut browser, "ada@example.org").await;
        world.stripe.pay_between_reads(&session);
        let back = browser.get(&format!("/return?session_id={session}")).await;
        assert!(back.location().starts_with("https://news.example.org/"), "{back:?}");
        assert!(browser.get("/account").await.body.contains("Pages without ads"));
    })
    .await;
}

#[tokio::test]
async fn a_stranger_who_opens_the_return_address_is_not_signed_in_and_the_payer_gets_one_letter() {
    each_world(async |world| {
        let mut payer = world.browser();
        let session = world.begin_checkout(&mut payer, "ada@example.org").await;
        world.stripe.pay(&session);
        let mut stranger = world.browser();
        for _ in 0..2 {
            let answer = stranger.get(&format!("/return?session_id={session}")).await;
            assert_eq!(answer.location(), "/return?state=mailed");
        }
        assert!(
            stranger
                .get("/return?state=mailed")
                .await
                .body
                .contains("a link goes by mail")
        );
        assert!(stranger.get("/account").await.location().starts_with("/sign-in"));
        world.work_outbox().await;
        assert_eq!(world.mailbox.letters().len(), 1);
        // The payer's own browser still may.
        let back = payer.get(&format!("/return?session_id={session}")).await;
        assert!(back.location().starts_with("https://news.example.org/"), "{back:?}");
    })
    .await;
}

#[tokio::test]
async fn who_paid_with_anothers_address_does_not_get_into_the_account_of_who_proved_it() {
    each_world(async |world| {
        // The owner of the address may have an account already, or not.
        for (mallory_mail, has_account) in [("ada@example.org", true), ("bob@example.org", false)] {
            if has_account {
                world.signs_in(mallory_mail).await;
            }
            let mut mallory = world.browser();
            let session = world.begin_checkout(&mut mallory, mallory_mail).await;
            world.stripe.pay(&session);
            // The return is not opened by the payer; the letter goes to the address, and its owner follows the link.
            let mut nobody = world.browser();
            nobody.get(&format!("/return?session_id={session}")).await;
            world.work_outbox().await;
            let mut owner = world.browser();
            let link = world.last_link();
            owner.get(&link).await;
            let signed = owner.submit(&link, "/sign-in/link", &[]).await;
            assert!(!signed.location().starts_with("/sign-in"), "{signed:?}");

            let back = mallory.get(&format!("/return?session_id={session}")).await;
            assert_eq!(back.location(), "/return?state=mailed", "{back:?}");
            assert!(mallory.get("/account").await.location().starts_with("/sign-in"));
            // Nor by beginning once more with the form that was open.
            let again = world.begin_checkout(&mut mallory, mallory_mail).await;
            world.stripe.pay(&again);
            mallory.get(&format!("/return?session_id={again}")).await;
            let page = mallory.get("/account").await;
            assert!(
                page.body.contains("not confirmed yet") || page.location().starts_with("/sign-in"),
                "{page:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn signing_out_everywhere_closes_the_way_back_from_a_payment_too() {
    each_world(async |world| {
        let mut library = world.signs_in("ada@example.org").await;
        let session = world.begin_checkout(&mut library, "ada@example.org").await;
        world.stripe.pay(&session);
        let mut home = world.signs_in("ada@example.org").await;
        home.submit("/account", "/account/devices", &[("session", "everywhere")])
            .await;
        assert!(library.get("/account").await.location().starts_with("/sign-in"));
        let back = library.get(&format!("/return?session_id={session}")).await;
        assert_eq!(back.location(), "/return?state=mailed", "{back:?}");
        assert!(library.get("/account").await.location().starts_with("/sign-in"));
    })
    .await;
}

#[tokio::test]
async fn the_return_signs_in_once_and_within_a_day() {
    each_world(async |world| {
        let mut browser = world.browser();
        let session = world.begin_checkout(&mut browser, "ada@example.org").await;
        world.stripe.pay(&session);
        let mut copy = browser.clone();
        assert!(
            browser
                .get(&format!("/return?session_id={session}"))
                .await
                .location()
                .starts_with("https://news")
        );
        // A reload in the same browser leads on; a copy of its old cookies does not.
        assert!(
            browser
                .get(&format!("/return?session_id={session}"))
                .await
                .location()
                .starts_with("https://news")
        );
        assert_eq!(
            copy.get(&format!("/return?session_id={session}")).await.location(),
            "/return?state=mailed"
        );

        let mut late = world.browser();
        let session = world.begin_checkout(&mut late, "bob@example.org").await;
        world.stripe.pay(&session);
        world.clock.advance(DAY + HOUR);
        assert_eq!(
            late.get(&format!("/return?session_id={session}")).await.location(),
            "/return?state=mailed"
        );
    })
    .await;
}

#[tokio::test]
async fn a_doubled_click_comes_to_one_payment_page() {
    each_world(async |world| {
        let mut browser = world.browser();
        let mut form = browser.get("/support?site=sit_news&to=/").await.hidden();
        form.push(("email".into(), "ada@example.org".into()));
        form.push(("price".into(), "prc_month".into()));
        let first = browser.post("/support/checkout", &form).await;
        let second = browser.post("/support/checkout", &form).await;
        assert_eq!(first.location(), second.location());
        assert_eq!((world.stripe.session_ids().len(), world.stripe.customers()), (1, 1));
        // Another price is another attempt, and the page that was open is closed.
        form.last_mut().unwrap().1 = "prc_year".into();
        let third = browser.post("/support/checkout", &form).await;
        assert_ne!(third.location(), first.location());
        assert_eq!(world.stripe.customers(), 1);
    })
    .await;
}

#[tokio::test]
async fn who_supports_already_is_sent_to_the_account() {
    each_world(async |world| {
        let mut browser = world.payer("ada@example.org").await;
        let page = browser.get("/support").await;
        assert!(page.body.contains("You already support us") && !page.body.contains("Support monthly"));
        // A form that was open before the payment.
        let fields = {
            let mut other = world.browser();
            other.jar = browser.jar.clone();
            other.jar.remove("__Host-latchkey_account");
            other.get("/support").await.hidden()
        };
        let form: Vec<_> = fields
            .into_iter()
            .chain([("price".to_owned(), "prc_month".to_owned())])
            .collect();
        let answer = browser.post("/support/checkout", &form).await;
        assert_eq!(answer.location(), "/account?already=1");
        assert_eq!(world.stripe.session_ids().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_missing_or_odd_address_is_asked_for_again() {
    each_world(async |world| {
        for email in ["", "not an address"] {
            let mut browser = world.browser();
            let answer = browser
                .submit(
                    "/support",
                    "/support/checkout",
                    &[("email", email), ("price", "prc_month")],
                )
                .await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(answer.body.contains("role=\"alert\"") && answer.body.contains("aria-invalid"));
        }
        assert!(world.stripe.session_ids().is_empty());
    })
    .await;
}

#[tokio::test]
async fn while_stripe_is_away_the_return_waits_and_then_leads_on() {
    each_world(async |world| {
        let mut browser = world.browser();
        let session = world.begin_checkout(&mut browser, "ada@example.org").await;
        let open = browser.get(&format!("/return?session_id={session}")).await;
        assert!(
            browser
                .get(open.location())
                .await
                .body
                .contains("You have not paid yet")
        );
        world.stripe.pay(&session);
        world.stripe.set_down(true);
        let wait = browser
            .get(&format!("/return?session_id={session}"))
            .await
            .location()
            .to_owned();
        assert!(wait.starts_with("/return?wait=evt_"), "{wait}");
        let page = browser.get(&wait).await;
        assert!(
            page.body.contains("does not answer right now") && page.header("refresh") == "4",
            "{page:?}"
        );
        world.stripe.set_down(false);
        assert!(
            browser
                .get(&wait)
                .await
                .location()
                .starts_with("https://news.example.org/")
        );
    })
    .await;
}

#[tokio::test]
async fn money_that_is_on_its_way_for_days_is_said_to_be_and_gives_nothing_yet() {
    each_world(async |world| {
        let mut browser = world.browser();
        let session = world.begin_checkout(&mut browser, "ada@example.org").await;
        world.stripe.pay_slowly(&session);
        let wait = browser
            .get(&format!("/return?session_id={session}"))
            .await
            .location()
            .to_owned();
        let page = browser.get(&wait).await;
        assert!(
            page.body.contains("on its way") && page.header("refresh") == "4",
            "{page:?}"
        );
        assert!(browser.get("/account").await.location().starts_with("/sign-in"));
        // It arrives.
        world.stripe.pay(&session);
        assert!(
            browser
                .get(&wait)
                .await
                .location()
                .starts_with("https://news.example.org/")
        );
    })
    .await;
}

#[tokio::test]
async fn while_stripe_refuses_our_key_a_payer_waits_and_is_led_on() {
    each_world(async |world| {
        let mut browser = world.browser();
        let session = world.begin_checkout(&mut browser, "ada@example.org").await;
        world.stripe.pay(&session);
        world.stripe.set_refuses_key(true);
        let wait = browser.get(&format!("/return?session_id={session}")).await;
        assert!(wait.location().starts_with("/return?wait="), "{wait:?}");
        let page = browser.get(wait.location()).await;
        assert!(
            page.body.contains("need not pay again") && page.header("refresh") == "4",
            "{page:?}"
        );
        world.stripe.set_refuses_key(false);
        let on = browser.get(wait.location()).await;
        assert!(on.location().starts_with("https://news.example.org/"), "{on:?}");
    })
    .await;
}

#[tokio::test]
async fn cancelling_says_until_when_and_can_be_taken_back() {
    each_world(async |world| {
        let mut browser = world.payer("ada@example.org").await;
        let answer = browser
            .submit("/account", "/account/subscription", &[("action", "cancel")])
            .await;
        assert_eq!(answer.location(), "/account", "{}", answer.body);
        assert!(browser.get("/account").await.body.contains("Go on supporting"));
        browser
            .submit("/account", "/account/subscription", &[("action", "resume")])
            .await;
        assert!(
            browser
                .get("/account")
                .await
                .body
                .contains("Cancel at the end of the period")
        );
        let portal = browser.submit("/account", "/account/portal", &[]).await;
        assert!(portal.location().starts_with("https://billing.stripe.com/"));
    })
    .await;
}

#[tokio::test]
async fn an_unknown_session_is_answered_with_a_page_that_helps() {
    each_world(async |world| {
        let mut browser = world.browser();
        for odd in ["cs_test_999", "x", "cs_%22%3E", "https://evil.example"] {
            assert_eq!(
                browser.get(&format!("/return?session_id={odd}")).await.location(),
                "/return?state=unknown"
            );
        }
        assert!(
            browser
                .get("/return?state=unknown")
                .await
                .body
                .contains("We do not know this payment")
        );
    })
    .await;
}

#[tokio::test]
async fn who_paid_and_never_came_back_is_not_led_to_a_second_page() {
    each_world(async |world| {
        let mut browser = world.browser();
        let mut form = browser.get("/support?site=sit_news&to=/article-1").await.hidden();
        form.push(("email".into(), "ada@example.org".into()));
        let with = |price: &str| {
            let mut form = form.clone();
            form.push(("price".into(), price.into()));
            form
        };
        let paid = browser.post("/support/checkout", &with("prc_month")).await;
        let session = paid.location().rsplit('/').next().unwrap().to_owned();
        world.stripe.pay(&session);
        // The window is closed before it leads back. Later the same form is sent again, for the other price.
        let again = browser.post("/support/checkout", &with("prc_year")).await;
        assert_eq!(
            again.location(),
            format!("/return?session_id={session}"),
            "{}",
            again.body
        );
        let back = browser.get(again.location()).await;
        assert!(
            back.location().starts_with("https://news.example.org/.latchkey/enter"),
            "{back:?}"
        );
        assert_eq!(world.stripe.session_ids().len(), 1);
    })
    .await;
}
