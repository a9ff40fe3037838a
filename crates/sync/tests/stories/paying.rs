use latchkey_stripe_sandbox::Fault;
use latchkey_testkit::{ADS_PER_PAGE, Card, Offer, days, each_city, hours, minutes};

use crate::{reads_without_ads, terms};

#[tokio::test(flavor = "multi_thread")]
async fn who_pays_reads_without_ads_though_no_webhook_ever_comes() {
    each_city(async |city| {
        city.stripe().drops_webhooks();
        let ada = city.reader("ada");
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);

        let ada = ada.subscribes(Offer::Monthly).await;
        assert_eq!(ada.opens("/story").await.ads(), 0);
        assert_eq!(ada.opens("/another").await.ads(), 0);
        let stranger = city.reader("bob");
        assert_eq!(stranger.opens("/story").await.ads(), ADS_PER_PAGE);

        // Nothing but the return ever told of her, and she has her month and the slack.
        city.advance(days(30) + hours(71)).await;
        assert!(reads_without_ads(&ada).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_pays_and_closes_the_window_is_entitled_by_the_webhook_alone() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        assert_eq!(terms(&ada).await, []);

        city.settle().await;
        let [(entitlements, _)] = &terms(&ada).await[..] else {
            panic!("one grant, not {:?}", terms(&ada).await);
        };
        assert_eq!(entitlements, "ad_free comments");

        // A day later, on another device, her address is all she needs.
        city.advance(days(1)).await;
        let ada = ada.at_another_browser();
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);
        assert_eq!(ada.signs_in().await.ads(), 0);
        assert!(reads_without_ads(&ada).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_while_stripe_is_down_waits_and_ends_well() {
    each_city(async |city| {
        let ada = city.reader("ada");
        let back = ada.pays(Offer::Monthly, Card::Good).await;
        city.stripe().goes_down();
        let page = ada.comes_back(&back).await;
        assert_eq!(page.url.path(), "/return");
        assert!(
            page.says("One moment") && page.says("you need not pay again"),
            "{page:?}"
        );
        assert_eq!(terms(&ada).await, []);

        // The webhook comes, and cannot be acted on.
        city.settle().await;
        assert_eq!(terms(&ada).await, []);

        city.stripe().comes_back();
        let page = ada.comes_back(&page.url).await;
        assert_eq!(page.ads(), 0, "the waiting page leads on to the article");
        city.advance(hours(1)).await;
        assert_eq!(terms(&ada).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_came_while_stripe_was_down_is_acted_on_afterwards() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        city.stripe().goes_down();
        city.settle().await;
        assert_eq!(terms(&ada).await, []);

        city.stripe().comes_back();
        city.advance(hours(1)).await;
        assert_eq!(terms(&ada).await.len(), 1, "nobody had to do anything");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_paid_while_our_key_was_refused_is_entitled_once_the_operator_has_mended_it() {
    each_city(async |city| {
        let ada = city.reader("ada");
        let back = ada.pays(Offer::Monthly, Card::Good).await;
        city.stripe().refuses_our_key();
        let page = ada.comes_back(&back).await;
        assert!(
            page.says("One moment") && page.says("you need not pay again"),
            "{page:?}"
        );
        city.advance(hours(5)).await;
        assert_eq!(terms(&ada).await, []);

        // Every webhook was delivered long ago, and reconciling finds nothing that it does not know: only trying again helps.
        city.stripe().comes_back();
        city.reconcile().await;
        city.advance(hours(2)).await;
        assert_eq!(terms(&ada).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_to_stripe_that_stumbles_makes_nothing_twice() {
    each_city(async |city| {
        let faults = [
            Fault::Unavailable,
            Fault::BadGateway,
            Fault::LockTimeout,
            Fault::RateLimited { retry_after_seconds: 1 },
            // The customer is made, and the answer that says so is lost.
            Fault::TimeoutAfterEffect { hold_ms: 20 },
        ];
        for (number, fault) in (1..).zip(faults) {
            city.stripe().control().fail_next_calls(1, fault);
            let reader = city
                .reader(&format!("reader-{number}"))
                .subscribes(Offer::Monthly)
                .await;
            assert!(reads_without_ads(&reader).await, "{fault:?}");
            let counts = city.stripe().control().counts();
            assert_eq!(
                [counts.customers, counts.sessions, counts.subscriptions, counts.payments],
                [number; 4],
                "{fault:?}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_deleted_in_stripe_loses_what_it_gave_and_can_buy_again() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let first = ada.customer();
        city.stripe().deletes(&ada).await;
        city.advance(minutes(1)).await;
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);

        let ada = ada.subscribes(Offer::Monthly).await;
        assert_ne!(ada.customer(), first, "the one that is deleted buys nothing any more");
        assert!(reads_without_ads(&ada).await);
        city.advance(days(40)).await;
        assert!(reads_without_ads(&ada).await, "it renews as ever");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_stripe_repeats_under_its_key_bars_nobody() {
    each_city(async |city| {
        // The first call makes her customer.
        city.stripe().control().fail_next_calls(1, Fault::ServerError);
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        assert!(reads_without_ads(&ada).await);
        assert_eq!(city.stripe().control().counts().payments, 1);
    })
    .await;
}
