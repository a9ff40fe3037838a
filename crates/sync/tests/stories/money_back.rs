//! Refunds and disputes, as readers live through them.

use latchkey_billing::{FullRefund, MoneyBackPolicy, OpenDispute};
use latchkey_testkit::{ADS_PER_PAGE, Card, Offer, Reader, World, days, each_city, each_city_with, hours, minutes};

use crate::{reads_without_ads, terms};

async fn subscribed(city: &World, card: Card) -> Reader<'_> {
    let ada = city.reader("ada").subscribes_with(Offer::Monthly, card).await;
    city.advance(minutes(10)).await;
    ada
}

async fn alerts(city: &World) -> String {
    let all = city.alerts().await.into_iter().map(|alert| alert.text);
    all.collect::<Vec<_>>().join("\n")
}

/// Complaint 10: a refund made in Stripe's dashboard leaves access on.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_in_full_ends_access_and_the_next_paid_month_brings_it_back() {
    each_city(async |city| {
        let ada = subscribed(city, Card::Good).await;
        assert!(reads_without_ads(&ada).await);
        city.stripe().refunds(&ada, None).await;
        city.advance(minutes(1)).await;
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);
        assert_eq!(terms(&ada).await, []);

        let page = ada.account_home().await;
        assert!(page.says("The last payment was paid back to you"), "{page:?}");

        // Nobody has cancelled: Stripe charges again, and she has what she paid for.
        city.advance(days(32)).await;
        assert_eq!(city.stripe().control().counts().payments, 2);
        assert!(reads_without_ads(&ada).await);
    })
    .await;
}

/// Complaint 10: partial refund.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_in_part_leaves_access_until_the_rest_is_back_too() {
    each_city(async |city| {
        let ada = subscribed(city, Card::Good).await;
        city.stripe().refunds(&ada, Some(200)).await;
        city.advance(minutes(1)).await;
        assert!(reads_without_ads(&ada).await);
        let because = &ada.grants().await[0].because;
        assert!(
            because.contains("€2.00 of what paid the running period was refunded"),
            "{because}"
        );

        city.stripe().refunds(&ada, Some(300)).await;
        city.advance(minutes(1)).await;
        assert_eq!(terms(&ada).await, []);
    })
    .await;
}

/// Complaint 10: failed refund.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_gives_access_back_and_the_operator_is_told() {
    each_city(async |city| {
        let ada = subscribed(city, Card::RefundFails).await;
        let before = terms(&ada).await;
        city.stripe().refunds(&ada, None).await;
        city.advance(minutes(1)).await;
        assert_eq!(terms(&ada).await, []);

        city.advance(hours(2)).await;
        assert_eq!(terms(&ada).await, before);
        assert!(reads_without_ads(&ada).await);
        let alerts = alerts(city).await;
        assert!(
            alerts.contains("failed (expired_or_canceled_card): the reader has not the money"),
            "{alerts}"
        );
    })
    .await;
}

/// Complaint 10: a refund that takes days counts from when it was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_under_way_counts_and_one_that_is_called_back_does_not() {
    each_city(async |city| {
        let ada = subscribed(city, Card::RefundPends).await;
        let refund = city.stripe().refunds(&ada, None).await;
        city.advance(minutes(1)).await;
        assert_eq!(terms(&ada).await, []);
        city.stripe().control().cancel_refund(&refund).unwrap();
        city.advance(minutes(1)).await;
        assert!(reads_without_ads(&ada).await);

        city.stripe().refunds(&ada, None).await;
        city.advance(hours(2)).await;
        assert_eq!(terms(&ada).await, [], "it has arrived");
    })
    .await;
}

/// Complaint 10: dispute opened and won. Its events name no customer.
#[tokio::test(flavor = "multi_thread")]
async fn a_disputed_payment_rests_and_comes_back_when_the_dispute_is_won() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes_with(Offer::Monthly, Card::Disputed).await;
        assert!(reads_without_ads(&ada).await);
        city.advance(minutes(5)).await;
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);
        let page = ada.account_home().await;
        assert!(page.says("Your bank has taken the last payment back"), "{page:?}");
        let told = alerts(city).await;
        assert!(
            told.contains("is disputed") && told.contains("rests until it is won"),
            "{told}"
        );

        let dispute = city.stripe().object("/v1/disputes").await["data"][0]["id"].clone();
        let dispute = dispute.as_str().expect("an id");
        city.stripe().control().review_dispute(dispute).unwrap();
        city.advance(minutes(1)).await;
        assert_eq!(terms(&ada).await, []);
        city.stripe().control().win_dispute(dispute).unwrap();
        city.advance(minutes(1)).await;
        assert!(reads_without_ads(&ada).await);
        assert!(!ada.account_home().await.says("Your bank has taken"));
        assert_eq!(alerts(city).await, "");
    })
    .await;
}

/// Complaint 10: dispute lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_that_is_lost_ends_its_month_and_no_other() {
    each_city(async |city| {
        let ada = subscribed(city, Card::Good).await;
        let dispute = city.stripe().disputes(&ada, false);
        city.stripe().control().lose_dispute(&dispute).unwrap();
        city.advance(minutes(1)).await;
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);
        assert!(alerts(city).await.contains("what the charge paid for has ended"));

        city.advance(days(32)).await;
        assert!(reads_without_ads(&ada).await, "another month was paid");
    })
    .await;
}

/// Complaint 10: inquiry only.
#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_only_asks_takes_nothing_away() {
    each_city(async |city| {
        let ada = subscribed(city, Card::Good).await;
        let before = terms(&ada).await;
        let inquiry = city.stripe().disputes(&ada, true);
        city.advance(minutes(1)).await;
        assert_eq!(terms(&ada).await, before);
        assert!(alerts(city).await.contains("a bank asks about charge"));

        city.stripe().control().close_inquiry(&inquiry).unwrap();
        city.advance(minutes(1)).await;
        assert_eq!(alerts(city).await, "");
        assert!(reads_without_ads(&ada).await);
    })
    .await;
}

/// Complaints 7 and 10: no webhook ever told of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_that_no_webhook_told_of_is_found_by_reconciling() {
    each_city(async |city| {
        let ada = subscribed(city, Card::Good).await;
        city.reconcile().await;
        city.stripe().drops_webhooks();
        city.stripe().disputes(&ada, false);
        city.advance(minutes(1)).await;
        assert!(reads_without_ads(&ada).await, "nobody knows yet");
        city.reconcile().await;
        assert_eq!(terms(&ada).await, []);
    })
    .await;
}

/// Complaint 10, where the publisher would rather be kind.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_may_leave_access_to_who_has_the_money_back() {
    let kind = MoneyBackPolicy {
        full_refund: FullRefund::Keep,
        open_dispute: OpenDispute::Keep,
        ..MoneyBackPolicy::default()
    };
    each_city_with(kind, async |city| {
        let ada = subscribed(city, Card::Good).await;
        let before = terms(&ada).await;
        let dispute = city.stripe().disputes(&ada, false);
        city.advance(minutes(1)).await;
        assert_eq!(terms(&ada).await, before);
        city.stripe().control().win_dispute(&dispute).unwrap();
        city.stripe().refunds(&ada, None).await;
        city.advance(minutes(1)).await;
        assert_eq!(terms(&ada).await, before);
    })
    .await;
}

/// Complaint 4: after a refund no way to subscribe again. She can at once, and the old subscription is not charged beside the new one.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_refunded_can_buy_again_and_pays_once() {
    each_city(async |city| {
        let ada = subscribed(city, Card::Good).await;
        let old = ada.subscription();
        city.stripe().refunds(&ada, None).await;
        city.advance(minutes(30)).await;

        let ada = ada.subscribes(Offer::Monthly).await;
        assert!(reads_without_ads(&ada).await);
        city.advance(minutes(30)).await;
        let live = city.stripe().live_subscriptions();
        assert!(live.len() == 1 && live[0] != old, "{live:?}");
        assert!(reads_without_ads(&ada).await);
        assert_eq!(city.stripe().all_refunds().await.len(), 1, "nothing more was paid back");
        city.advance(days(40)).await;
        assert_eq!(city.stripe().control().counts().payments, 3, "one for each month");
    })
    .await;
}
