//! Whoever has nothing can buy, whatever became of what was bought before.

use axum::http::StatusCode;
use latchkey_billing::{Access, SubscriptionStatus, access};

use crate::world::{World, each_world};

/// Where choosing a plan leads a signed-in reader whose subscription has a status.
async fn leads_to(world: &World, email: &str, status: &SubscriptionStatus) -> String {
    let mut browser = world.payer(email).await;
    world.stripe.set_status_of_newest(status.clone());
    let page = browser.get("/support").await;
    let mut form = page.hidden();
    form.push(("price".into(), "prc_month".into()));
    // Nobody was told of the change: the click asks Stripe.
    if page.body.contains("You already support us") {
        for customer in world
            .store
            .customers_not_synced_since(latchkey_entitlement::Timestamp(i64::MAX), 99)
            .await
            .unwrap()
        {
            world.sync.sync_customer(&customer.id).await.unwrap();
        }
        form = browser.get("/support").await.hidden();
        form.push(("price".into(), "prc_month".into()));
    }
    let answer = browser.post("/support/checkout", &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{status}: {}", answer.body);
    answer.location().to_owned()
}

/// Complaint 4: the guard against paying twice is too strict, and a reader with a failed, ended or unpaid subscription can never buy again.
#[tokio::test]
async fn every_dead_status_lets_a_new_checkout_begin() {
    each_world(async |world| {
        let dead = SubscriptionStatus::KNOWN
            .into_iter()
            .filter(|status| access(status) == Access::None);
        let mut seen = 0;
        for status in dead {
            let email = format!("{status}@example.org");
            let location = leads_to(world, &email, &status).await;
            assert!(
                location.starts_with("https://checkout.stripe.com/c/pay/"),
                "{status}: {location}"
            );
            seen += 1;
        }
        assert_eq!(seen, 5, "incomplete, incomplete_expired, unpaid, paused, canceled");
    })
    .await;
}

/// Complaint 3: buying again while past due. What is in force is shown in place of another checkout, and past due can be mended there.
#[tokio::test]
async fn every_status_that_is_in_force_leads_to_what_is_there() {
    each_world(async |world| {
        for status in [
            SubscriptionStatus::Active,
            SubscriptionStatus::Trialing,
            SubscriptionStatus::PastDue,
        ] {
            let mut browser = world.payer(&format!("{status}@example.org")).await;
            world.stripe.set_status_of_newest(status.clone());
            let page = browser.get("/support").await;
            assert!(page.body.contains("You already support us"), "{status}");
            let page = browser.get("/account?back=1").await;
            assert_eq!(page.status, StatusCode::SEE_OTHER, "{status}");
            let page = browser.get("/account").await.body;
            let owed = status == SubscriptionStatus::PastDue;
            assert_eq!(page.contains("The last payment did not go through."), owed, "{status}");
        }
    })
    .await;
}
