//! Ending a subscription without signing in.

use axum::http::StatusCode;
use latchkey_entitlement::time::{HOUR, MINUTE};

use crate::{browser::Browser, world::each_world};

const ADA: &str = "ada@example.org";

async fn asks(browser: &mut Browser, email: &str) {
    let answer = browser.submit("/cancel", "/cancel", &[("email", email)]).await;
    assert_eq!(answer.location(), "/cancel?sent=1", "{}", answer.body);
    assert!(
        browser
            .get("/cancel?sent=1")
            .await
            .body
            .contains("Look into your letters")
    );
}

#[tokio::test]
async fn who_reads_the_letters_ends_it_in_two_steps_and_is_told_when() {
    each_world(async |world| {
        // Not even the address was ever confirmed.
        world.payer(ADA).await;
        let mut browser = world.browser();
        asks(&mut browser, "Ada@Example.org").await;
        let link = world.last_link();
        assert!(link.starts_with("/cancel/link?token="), "{link}");

        // Mail scanners open links, too.
        for _ in 0..3 {
            let page = browser.get(&link).await;
            assert!(page.body.contains("End your subscription?") && page.body.contains("Supporter – €4.00 a month"));
            assert_eq!(page.header("referrer-policy"), "no-referrer");
        }
        assert!(!world.stripe.is_set_to_end());
        let form = browser.get(&link).await.hidden();
        let page = browser.get(&link).await.body;
        let id = page.split("name=\"subscription\" value=\"").nth(1).unwrap();
        let id = id.split('"').next().unwrap().to_owned();
        for _ in 0..2 {
            let mut whole = form.clone();
            whole.push(("subscription".into(), id.clone()));
            let answer = browser.post("/cancel/link", &whole).await;
            assert_eq!(
                (answer.status, answer.location()),
                (StatusCode::SEE_OTHER, link.as_str())
            );
        }
        assert!(world.stripe.is_set_to_end());
        let page = browser.get(&link).await.body;
        assert!(page.contains("Supporter ends on") && !page.contains("End it"), "{page}");
        // Nobody was signed in by it.
        assert_eq!(browser.get("/account").await.location(), "/sign-in?next=%2Faccount");

        world.sync.post_notices().await.unwrap();
        world.work_outbox().await;
        let letters = world.mailbox.letters();
        let confirmed: Vec<_> = letters
            .iter()
            .filter(|letter| letter.mail.subject.contains("your cancellation is confirmed"))
            .collect();
        assert_eq!(confirmed.len(), 1, "one letter for one cancellation");
        assert!(
            confirmed[0].mail.to == ADA && confirmed[0].mail.text.contains("UTC"),
            "{:?}",
            confirmed[0].mail
        );
    })
    .await;
}

#[tokio::test]
async fn nobody_learns_whether_an_address_pays() {
    each_world(async |world| {
        world.payer(ADA).await;
        let mut browser = world.browser();
        asks(&mut browser, ADA).await;
        let known = browser.get("/cancel?sent=1").await.body;
        asks(&mut browser, "nobody@example.org").await;
        assert_eq!(browser.get("/cancel?sent=1").await.body, known);
        let letter = world.last_letter();
        assert!(
            letter.contains("None is paid for under this address") && !letter.contains("/cancel/link"),
            "{letter}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_link_holds_for_a_day_and_for_its_own_address_alone() {
    each_world(async |world| {
        world.payer(ADA).await;
        world.payer("bob@example.org").await;
        let mut browser = world.browser();
        asks(&mut browser, ADA).await;
        let (link, form) = (world.last_link(), browser.get(&world.last_link()).await.hidden());
        let of_bob = world.stripe.subscription_of("bob@example.org");
        let mut stolen = form.clone();
        stolen.push(("subscription".into(), of_bob));
        browser.post("/cancel/link", &stolen).await;
        assert!(!world.stripe.is_set_to_end(), "the subscription of another address");

        world.clock.advance(24 * HOUR + MINUTE);
        assert!(browser.get(&link).await.body.contains("This link no longer holds"));
        assert!(
            browser
                .get("/cancel/link?token=nonsense")
                .await
                .body
                .contains("This link no longer holds")
        );
    })
    .await;
}

#[tokio::test]
async fn a_letter_box_is_not_flooded_and_what_cannot_be_an_address_is_said() {
    each_world(async |world| {
        let mut browser = world.browser();
        for _ in 0..5 {
            asks(&mut browser, ADA).await;
        }
        let refused = browser.submit("/cancel", "/cancel", &[("email", ADA)]).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.body);
        let refused = browser.submit("/cancel", "/cancel", &[("email", "ada")]).await;
        assert!(
            refused.body.contains("does not look like an e-mail address"),
            "{}",
            refused.body
        );
        assert_eq!(world.mailbox.letters().len(), 5);
    })
    .await;
}

#[tokio::test]
async fn while_stripe_is_down_nothing_ends_and_the_page_says_so() {
    each_world(async |world| {
        world.payer(ADA).await;
        let mut browser = world.browser();
        asks(&mut browser, ADA).await;
        let link = world.last_link();
        let mut form = browser.get(&link).await.hidden();
        form.push(("subscription".into(), world.stripe.subscription_of(ADA)));
        world.stripe.set_down(true);
        let page = browser.post("/cancel/link", &form).await;
        assert!(page.body.contains("Nothing was changed"), "{}", page.body);
        world.stripe.set_down(false);
        browser.post("/cancel/link", &form).await;
        assert!(world.stripe.is_set_to_end());
    })
    .await;
}

#[tokio::test]
async fn idle_claims_to_an_address_hide_nobody_who_pays() {
    each_world(async |world| {
        for _ in 0..21 {
            let mut stranger = world.browser();
            world.begin_checkout(&mut stranger, ADA).await;
        }
        world.payer(ADA).await;
        let mut browser = world.browser();
        asks(&mut browser, ADA).await;
        let page = browser.get(&world.last_link()).await;
        assert!(page.body.contains("End your subscription?"), "{}", page.body);
    })
    .await;
}
