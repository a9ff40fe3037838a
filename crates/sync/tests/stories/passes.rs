//! Time that is bought once.

use latchkey_entitlement::{Source, Timestamp};
use latchkey_testkit::{ADS_PER_PAGE, Card, Offer, Reader, days, each_city, hours};

use crate::reads_without_ads;

/// When each piece of what she bought once begins and ends.
async fn passes(reader: &Reader<'_>) -> Vec<(Timestamp, Timestamp)> {
    let mut pieces: Vec<_> = reader.all_grants().await;
    pieces.retain(|grant| grant.source == Source::Pass);
    pieces
        .iter()
        .map(|grant| (grant.from, grant.until.expect("what is bought has an end")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn complaint_5_who_buys_a_day_reads_without_ads_for_24_hours_though_no_webhook_ever_comes() {
    each_city(async |city| {
        city.stripe().drops_webhooks();
        let ada = city.reader("ada").buys(Offer::Day).await;
        let paid_at = city.now();
        assert_eq!(passes(&ada).await, [(paid_at, paid_at.plus(hours(24)))]);
        assert!(reads_without_ads(&ada).await);
        let account = ada.account_home().await;
        assert!(
            account.says("time that you bought: 24 hours") && account.says("Until"),
            "{account:?}"
        );

        city.advance(hours(23) + hours(1) - 1).await;
        assert!(reads_without_ads(&ada).await, "a millisecond before its end");
        city.advance(1).await;
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);
        assert!(ada.account_home().await.says("Nothing at the moment"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_pays_once_and_closes_the_window_is_entitled_by_the_webhook_alone() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Week, Card::Good).await;
        let paid_at = city.now();
        city.settle().await;
        assert_eq!(passes(&ada).await, [(paid_at, paid_at.plus(days(7)))]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_bought_twice_on_purpose_is_two_weeks() {
    each_city(async |city| {
        let ada = city.reader("ada").buys(Offer::Week).await;
        let first = city.now();
        city.advance(days(2)).await;
        let ada = ada.buys(Offer::Week).await;
        assert_eq!(
            passes(&ada).await,
            [
                (first, first.plus(days(7))),
                (first.plus(days(7)), first.plus(days(14)))
            ]
        );
        let account = ada.account_home().await;
        assert!(
            account.says("What begins later") && account.says("Begins"),
            "{account:?}"
        );
        city.advance(days(11)).await;
        assert!(reads_without_ads(&ada).await);
        city.advance(days(2)).await;
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn complaint_3_two_tabs_with_a_pass_are_never_both_paid() {
    each_city(async |city| {
        let ada = city.reader("ada").buys(Offer::Day).await;
        let first = ada.begins(Offer::Week).await;
        let second = ada.begins(Offer::Week).await;
        assert_ne!(first.session, second.session);
        let pay = |session: &str| city.stripe().control().pay_session(session, "4242424242424242");
        assert!(pay(&first.session).is_err(), "the first page is closed");
        assert!(pay(&second.session).is_ok());
        city.settle().await;
        assert_eq!(passes(&ada).await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_beside_a_subscription_waits_for_each_renewal_and_begins_when_it_ends() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        city.advance(days(3)).await;
        let support = ada.opens_support().await;
        assert!(
            support.says("You already support us") && support.says("It begins when what you have ends"),
            "{support:?}"
        );
        let ada = ada.buys(Offer::Week).await;
        let [(before, _)] = passes(&ada).await[..] else {
            panic!("one piece")
        };
        assert!(before > city.now().plus(days(27)), "behind the month and its slack");

        city.advance(days(40)).await;
        let [(after, end)] = passes(&ada).await[..] else {
            panic!("one piece")
        };
        assert!(after > before.plus(days(29)), "the renewal moved it back");
        assert_eq!(end, after.plus(days(7)));

        // Set to end, it waits exactly for that; ended at once, it begins at once.
        ada.cancels().await;
        city.settle().await;
        let [(set_to_end, _)] = passes(&ada).await[..] else {
            panic!("one piece")
        };
        assert_eq!(
            set_to_end,
            after.plus(-hours(72)),
            "no slack behind what does not renew"
        );
        city.stripe().ends_now(&ada).await;
        city.settle().await;
        assert_eq!(passes(&ada).await, [(city.now(), city.now().plus(days(7)))]);
        assert!(reads_without_ads(&ada).await);
        city.advance(days(7)).await;
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_begins_while_a_pass_runs_keeps_the_rest_for_its_end() {
    each_city(async |city| {
        let ada = city.reader("ada").buys(Offer::Week).await;
        let bought = city.now();
        city.advance(days(2)).await;
        let ada = ada.subscribes(Offer::Monthly).await;
        let subscribed = city.now();
        let pieces = passes(&ada).await;
        assert_eq!(pieces[0], (bought, subscribed));
        assert_eq!(
            pieces[1].1.since(pieces[1].0),
            days(5) - subscribed.since(bought.plus(days(2)))
        );
        city.stripe().ends_now(&ada).await;
        city.settle().await;
        assert_eq!(
            passes(&ada).await,
            [(bought, bought.plus(days(7)))],
            "as if it had never been there"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_debit_gives_nothing_until_it_settles_and_then_all_of_it() {
    each_city(async |city| {
        let ada = city.reader("ada");
        let back = ada.pays(Offer::Day, Card::Debit).await;
        let page = ada.comes_back(&back).await;
        assert!(
            page.says("Your payment is on its way") && page.says("you need not pay again"),
            "{page:?}"
        );
        city.advance(days(4)).await;
        assert_eq!(passes(&ada).await, []);
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);

        city.advance(days(1) + hours(1)).await;
        let [(from, until)] = passes(&ada).await[..] else {
            panic!("one piece")
        };
        assert_eq!(
            until,
            from.plus(hours(24)),
            "counted from when it settled, not from five days ago"
        );
        assert!(city.now().since(from) <= hours(6), "and not from later");
        let page = ada.comes_back(&page.url).await;
        assert!(page.says("The payment has arrived"), "{page:?}");
        assert_eq!(
            ada.signs_in().await.ads(),
            0,
            "days later, her address is all she needs"
        );
        // Read again at any time, it stays where it is.
        city.advance(hours(3)).await;
        city.sync()
            .sync_customer(&ada.customer())
            .await
            .expect("Stripe answers");
        assert_eq!(passes(&ada).await, [(from, until)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_debit_that_fails_gives_nothing_and_bars_nothing() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Week, Card::DebitFails).await;
        city.advance(days(6)).await;
        assert_eq!(passes(&ada).await, []);
        let ada = ada.buys(Offer::Week).await;
        assert!(reads_without_ads(&ada).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_purchase_counts_however_many_payment_pages_came_after_it() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Yearly).await;
        let ada = ada.buys(Offer::MonthOnce).await;
        for _ in 0..12 {
            ada.begins(Offer::Day).await;
        }
        city.advance(days(2)).await;
        city.sync()
            .sync_customer(&ada.customer())
            .await
            .expect("Stripe answers");
        let [(from, until)] = passes(&ada).await[..] else {
            panic!("one piece")
        };
        assert!(from > city.now().plus(days(300)));
        assert!(
            (days(28)..=days(31) + hours(1)).contains(&until.since(from)),
            "a month of the calendar"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn complaint_11_a_customer_deleted_in_stripe_keeps_the_time_that_was_paid_for() {
    each_city(async |city| {
        let ada = city.reader("ada").buys(Offer::Week).await;
        let before = passes(&ada).await;
        city.advance(days(1)).await;
        city.stripe().deletes(&ada).await;
        city.settle().await;
        assert_eq!(passes(&ada).await, before);
        assert!(reads_without_ads(&ada).await);
    })
    .await;
}
