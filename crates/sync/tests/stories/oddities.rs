use latchkey_testkit::{ADS_PER_PAGE, Offer, days, each_city};

use crate::{reads_without_ads, terms};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_is_taken_kept_and_shown() {
    each_city(async |city| {
        for body in ["no JSON at all", r#"{"object":"event","type":"customer.created"}"#] {
            assert_eq!(city.stripe().sends_body(body).await, 200, "its signature holds");
        }
        city.settle().await;
        let kept = city.kept_events().await;
        assert_eq!(kept.len(), 2, "{kept:?}");
        for event in &kept {
            let why = event.error.as_deref().expect("it says why");
            assert!(why.starts_with("not readable as an event"), "{why}");
        }
        assert!(kept.iter().any(|event| event.raw == b"no JSON at all"), "byte for byte");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_event_under_a_test_key_is_kept_and_not_acted_on() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        city.settle().await;
        let synced_at = city.customers().await[0].synced_at;
        city.advance(days(1)).await;

        let events = city.stripe().events();
        let last = events.last().expect("a payment makes events");
        let mut body = city.stripe().object(&format!("/v1/events/{last}")).await;
        body["livemode"] = true.into();
        body["id"] = "evt_of_the_live_mode".into();
        assert_eq!(city.stripe().sends_body(&body.to_string()).await, 200);
        city.settle().await;

        let kept = city.kept_events().await;
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert!(kept[0].livemode);
        let why = kept[0].error.as_deref().expect("it says why");
        assert!(why.contains("live-mode event"), "{why}");
        assert_eq!(city.customers().await[0].synced_at, synced_at);
        assert!(reads_without_ads(&ada).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_is_not_ours_is_recorded_and_ignored() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let before = terms(&ada).await;
        let subscription = ada.subscription();
        let price = city.stripe().sells_something_else_to(&ada).await;
        city.settle().await;

        assert_eq!(terms(&ada).await, before);
        let alerts = city.alerts().await;
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert_eq!(alerts[0].customer, ada.customer());
        assert!(alerts[0].text.contains(&price), "{alerts:?}");
        assert!(!alerts[0].text.contains(&subscription), "{alerts:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_by_somebody_unknown_is_kept_as_unclaimed() {
    each_city(async |city| {
        let price = city.stripe_price(Offer::Monthly);
        let sold = city
            .stripe()
            .control()
            .buy_elsewhere("grace@example.org", &price, "4242424242424242");
        let (customer, _) = sold.expect("Stripe sells it");
        city.settle().await;

        let known = city.customers().await;
        assert_eq!(known.len(), 1, "{known:?}");
        assert_eq!(known[0].id, customer);
        assert_eq!(known[0].account, None);
        // An address that was typed at Stripe opens nothing here.
        let grace = city.reader("grace");
        assert_eq!(grace.signs_in().await.ads(), ADS_PER_PAGE);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_nobody_knows_takes_nothing_away_and_extends_nothing() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let before = terms(&ada).await;
        city.stripe().calls_status("active", "hibernating");
        city.advance(days(15)).await;
        city.stripe().sets_to_end(&ada, false).await;
        city.sync().sync_customer(&ada.customer()).await.expect("a sync");
        assert_eq!(terms(&ada).await, before);
        let alerts = city.alerts().await;
        assert!(
            alerts.iter().any(|alert| alert.text.contains("`hibernating`")),
            "{alerts:?}"
        );

        // The renewal is paid, and nobody can say what that means here: what was granted ends when it was to end.
        city.advance(days(15) + days(2)).await;
        assert_eq!(terms(&ada).await, before);
        assert!(reads_without_ads(&ada).await);
        city.advance(days(2)).await;
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);
    })
    .await;
}
