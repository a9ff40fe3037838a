//! What is paid once, from the support page to the account page.

use axum::http::StatusCode;
use latchkey_entitlement::time::DAY;

use crate::{
    browser::Browser,
    world::{World, each_world},
};

/// The form of the support page with the week in it.
async fn week(browser: &mut Browser) -> Vec<(String, String)> {
    let page = browser.get("/support?site=sit_news&to=/article-1").await;
    assert!(page.body.contains("7 days, paid once – €2.00"), "{}", page.body);
    let mut form = page.hidden();
    form.push(("email".into(), "ada@example.org".into()));
    form.push(("price".into(), "prc_week".into()));
    form
}

async fn begins(browser: &mut Browser, form: &[(String, String)]) -> String {
    let answer = browser.post("/support/checkout", form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    answer.location().rsplit('/').next().unwrap().to_owned()
}

async fn comes_back(world: &World, browser: &mut Browser, session: &str) {
    world.stripe.pay(session);
    let back = browser.get(&format!("/return?session_id={session}")).await;
    assert_eq!(
        back.location(),
        "https://news.example.org/.latchkey/enter?to=%2Farticle-1"
    );
}

#[tokio::test]
async fn complaint_3_a_doubled_click_on_a_pass_comes_to_one_payment_page_and_one_payment() {
    each_world(async |world| {
        let mut browser = world.browser();
        let form = week(&mut browser).await;
        let first = begins(&mut browser, &form).await;
        assert_eq!(begins(&mut browser, &form).await, first);
        comes_back(world, &mut browser, &first).await;
        // Once more from the history, after it was paid: nothing to pay.
        let again = browser.post("/support/checkout", &form).await;
        assert_eq!(again.location(), format!("/return?session_id={first}"));
        assert_eq!(world.stripe.session_ids().len(), 1);
        let account = browser.get("/account").await;
        assert!(
            account.body.contains("time that you bought: 7 days"),
            "{}",
            account.body
        );
        assert!(!account.body.contains("What begins later") && !account.body.contains("Renews"));
    })
    .await;
}

#[tokio::test]
async fn who_supports_already_may_buy_a_week_which_waits_and_is_told_so() {
    each_world(async |world| {
        let mut browser = world.payer("ada@example.org").await;
        let page = browser.get("/support").await;
        assert!(
            page.body.contains("It begins when what you have ends, and is not lost"),
            "{}",
            page.body
        );
        let form = week(&mut browser).await;
        let session = begins(&mut browser, &form).await;
        comes_back(world, &mut browser, &session).await;
        let account = browser.get("/account").await;
        for part in [
            "What begins later",
            "Begins",
            "time that you bought: 7 days",
            "your subscription",
        ] {
            assert!(account.body.contains(part), "{part}: {}", account.body);
        }
        // A second one, on purpose, queues behind the first.
        let form = week(&mut browser).await;
        let session = begins(&mut browser, &form).await;
        comes_back(world, &mut browser, &session).await;
        assert_eq!(browser.get("/account").await.body.matches("<dt>Begins</dt>").count(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_week_that_is_over_leaves_an_account_without_anything_and_a_way_to_buy_again() {
    each_world(async |world| {
        let mut browser = world.browser();
        let form = week(&mut browser).await;
        let session = begins(&mut browser, &form).await;
        comes_back(world, &mut browser, &session).await;
        world.clock.advance(7 * DAY);
        let account = browser.get("/account").await;
        assert!(account.body.contains("Nothing at the moment") && account.body.contains("See the plans"));
        assert!(!browser.get("/support").await.body.contains("already support us"));
    })
    .await;
}
