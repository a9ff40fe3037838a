use latchkey_entitlement::Timestamp;
use latchkey_testkit::{ADS_PER_PAGE, Card, Offer, Reader, World, days, each_city, hours, seconds};

use crate::{reads_without_ads, terms};

/// The first moment in which her present grant does not count any more.
async fn end(reader: &Reader<'_>) -> Timestamp {
    let terms = terms(reader).await;
    assert_eq!(terms.len(), 1, "{terms:?}");
    Timestamp(terms[0].1)
}

/// End of the running period at Stripe.
async fn period_end(city: &World, reader: &Reader<'_>) -> Timestamp {
    let path = format!("/v1/subscriptions/{}", reader.subscription());
    let subscription = city.stripe().object(&path).await;
    let end = subscription["items"]["data"][0]["current_period_end"].as_i64();
    Timestamp::from_seconds(end.expect("a period has an end"))
}

/// She reads without ads until the last second before `moment`, and with ads from then on.
async fn ads_are_back_at(city: &World, ada: &Reader<'_>, moment: Timestamp) {
    city.advance_to(moment.plus(-seconds(1))).await;
    assert!(reads_without_ads(ada).await, "the last second is paid");
    city.advance(seconds(1)).await;
    assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_paying_never_sees_an_ad() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        for _ in 0..10 {
            city.advance(days(9)).await;
            assert!(reads_without_ads(&ada).await);
        }
        assert_eq!(end(&ada).await, period_end(city, &ada).await.plus(hours(72)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cancels_keeps_what_is_paid_and_not_a_second_more() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        city.advance(days(10)).await;
        let page = ada.cancels().await;
        assert!(page.says("Go on supporting"), "{page:?}");
        let paid_until = period_end(city, &ada).await;
        assert_eq!(end(&ada).await, paid_until);

        ads_are_back_at(city, &ada, paid_until).await;
        city.advance(days(40)).await;
        assert_eq!(terms(&ada).await, []);
        let charges = city.stripe().control().counts().payments;
        assert_eq!(charges, 1, "who has cancelled is never charged");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ended_at_once_ends_on_every_device_and_not_with_the_pass() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let phone = ada.at_another_browser();
        phone.signs_in().await;
        city.advance(seconds(60)).await;
        assert!(reads_without_ads(&ada).await && reads_without_ads(&phone).await);

        city.stripe().ends_now(&ada).await;
        city.advance(seconds(1)).await;
        for browser in [&ada, &phone] {
            assert_eq!(
                browser.opens("/story").await.ads(),
                ADS_PER_PAGE,
                "its pass holds for minutes yet"
            );
        }
        let page = phone.account_home().await;
        assert!(
            page.says("Your subscription ended on") && page.says("See the plans"),
            "{page:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cancels_and_thinks_again_goes_on_without_a_gap() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        ada.cancels().await;
        city.advance(days(20)).await;
        ada.resumes().await;
        assert_eq!(end(&ada).await, period_end(city, &ada).await.plus(hours(72)));

        city.advance(days(20)).await;
        assert!(reads_without_ads(&ada).await);
        assert_eq!(city.stripe().control().counts().payments, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_plan_counts_as_soon_as_she_is_back() {
    each_city(async |city| {
        city.stripe().drops_webhooks();
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        city.advance(days(10)).await;
        ada.changes_to(Offer::Patron).await;
        assert_eq!(terms(&ada).await[0].0, "ad_free articles comments");
        let month = end(&ada).await;

        ada.changes_to(Offer::Yearly).await;
        assert_eq!(terms(&ada).await[0].0, "ad_free comments");
        assert!(end(&ada).await > month.plus(days(300)), "a year begins now");
        assert!(reads_without_ads(&ada).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_renewal_has_a_week_of_grace_from_the_unpaid_invoice() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let renewal = period_end(city, &ada).await;
        city.stripe().declines_charges(&ada, 10);
        city.advance_to(renewal.plus(hours(2))).await;
        // Stripe has rolled the period forward into a month that nobody paid: it is not what counts.
        assert!(period_end(city, &ada).await > renewal.plus(days(20)));
        assert_eq!(end(&ada).await, renewal.plus(days(7)));
        let page = ada.account_home().await;
        assert!(page.says("The last payment did not go through."), "{page:?}");

        ads_are_back_at(city, &ada, renewal.plus(days(7))).await;
        // Stripe's last retry fails, and the subscription is over.
        city.advance(days(30)).await;
        assert_eq!(terms(&ada).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_declined_charge_is_made_up_for_by_stripes_retry() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        city.stripe().declines_next_charge(&ada);
        city.advance(days(31)).await;
        assert!(reads_without_ads(&ada).await, "grace");
        city.advance(days(4)).await;
        assert!(reads_without_ads(&ada).await);
        assert_eq!(end(&ada).await, period_end(city, &ada).await.plus(hours(72)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_pays_now_and_fails_at_renewal_is_replaced_by_a_good_one() {
    each_city(async |city| {
        let ada = city
            .reader("ada")
            .subscribes_with(Offer::Monthly, Card::FailsLater)
            .await;
        assert!(reads_without_ads(&ada).await);
        let renewal = period_end(city, &ada).await;
        city.advance_to(renewal.plus(days(2))).await;
        assert_eq!(end(&ada).await, renewal.plus(days(7)), "the grace of a failed renewal");

        ada.pays_with_a_new_card().await;
        city.settle().await;
        assert_eq!(end(&ada).await, period_end(city, &ada).await.plus(hours(72)));
        city.advance(days(40)).await;
        assert!(reads_without_ads(&ada).await, "the new card pays the next renewal too");
    })
    .await;
}
