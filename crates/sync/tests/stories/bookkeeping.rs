//! What the books say, against what Stripe's own invoices add up to.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on may panic")]

use std::collections::BTreeMap;

use latchkey_billing::{Figures, Period};
use latchkey_entitlement::Timestamp;
use latchkey_testkit::{Card, Offer, World, days, each_city};
use serde_json::Value;

/// What was paid in a period, by currency: from Stripe's invoices as JSON, by no code of ours.
async fn paid_in(city: &World, period: Period) -> BTreeMap<String, i64> {
    let list = city.stripe().object("/v1/invoices?limit=100").await;
    assert_eq!(
        list["has_more"], false,
        "this story has fewer invoices than fit on a page"
    );
    let mut sum = BTreeMap::new();
    for invoice in list["data"].as_array().unwrap() {
        let Some(paid_at) = invoice["status_transitions"]["paid_at"].as_i64() else {
            continue;
        };
        let paid_at = Timestamp::from_seconds(paid_at);
        let amount = invoice["amount_paid"].as_i64().unwrap();
        if period.from <= paid_at && paid_at < period.to && amount > 0 {
            *sum.entry(invoice["currency"].as_str().unwrap().to_owned()).or_default() += amount;
        }
    }
    sum
}

async fn of_all_time(city: &World) -> Figures {
    let period = Period {
        from: Timestamp(0),
        to: city.now().plus(1),
    };
    let mut books = city.sync().figures(&[period], None).await.unwrap();
    books.remove(0).remove("eur").unwrap()
}

/// What subscriptions in force cost in a month, from Stripe's subscriptions as JSON.
async fn recurring_now(city: &World) -> i64 {
    let list = city.stripe().object("/v1/subscriptions?status=all&limit=100").await;
    let lives = |status: &Value| matches!(status.as_str(), Some("active" | "past_due"));
    let live = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| lives(&it["status"]));
    live.map(|subscription| {
        let price = &subscription["items"]["data"][0]["price"];
        let amount = price["unit_amount"].as_i64().unwrap();
        match price["recurring"]["interval"].as_str().unwrap() {
            "month" => amount,
            "year" => (amount * 2 + 12) / 24,
            other => panic!("{other}"),
        }
    })
    .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_come_to_what_stripes_invoices_come_to() {
    each_city(async |city| {
        let began = city.now();
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let bob = city.reader("bob").subscribes(Offer::Yearly).await;
        city.advance(days(20)).await;
        let cleo = city.reader("cleo").subscribes_with(Offer::Patron, Card::Good).await;
        city.advance(days(15)).await;
        // One changes within a period, one fails and recovers, one goes.
        city.stripe().moves_to(&ada, Offer::Patron).await;
        city.stripe().declines_next_charge(&cleo);
        city.advance(days(25)).await;
        city.stripe().ends_now(&bob).await;
        city.advance(days(40)).await;

        let mut periods = vec![];
        let mut from = began;
        while from < city.now() {
            periods.push(Period {
                from,
                to: from.plus(days(10)),
            });
            from = from.plus(days(10));
        }
        let books = city.sync().figures(&periods, None).await.unwrap();
        let mut all = 0;
        for (period, books) in periods.iter().zip(&books) {
            let collected: BTreeMap<String, i64> = books
                .iter()
                .filter(|(_, figures)| figures.collected_minor > 0)
                .map(|(currency, figures)| (currency.clone(), figures.collected_minor))
                .collect();
            assert_eq!(collected, paid_in(city, *period).await, "{period:?}");
            all += collected.values().sum::<i64>();
        }
        assert!(all > 10_000, "the story has money in it: {all}");

        let last = &books.last().unwrap()["eur"];
        assert_eq!(last.mrr_end_minor, recurring_now(city).await);
        let churned: u64 = books.iter().map(|books| books["eur"].readers_churned).sum();
        let recovered: u64 = books.iter().map(|books| books["eur"].payments_recovered).sum();
        assert_eq!((churned, recovered), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invoices_from_before_are_filled_in_once_and_the_newer_word_stays() {
    each_city(async |city| {
        city.reader("ada").subscribes(Offer::Monthly).await;
        for _ in 0..14 {
            city.advance(days(31)).await;
        }
        let whole = of_all_time(city).await;
        assert_eq!(whole.payments, 15);
        let filled = city.sync().fill_invoices(50).await.unwrap();
        assert!(filled.done && filled.read >= 15, "{filled:?}");
        assert_eq!(filled.read, filled.kept);
        assert_eq!(of_all_time(city).await, whole);
        assert_eq!(city.sync().fill_invoices(50).await.unwrap().read, 0, "all are read");

        city.sync().fill_invoices_again().await.unwrap();
        assert_eq!(city.sync().fill_invoices(50).await.unwrap().read, filled.read);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_finds_every_invoice_and_the_way_to_pay_an_open_one() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let page = ada.account_home().await;
        assert!(page.says("Invoice and receipt") && !page.says("Pay now"), "{page:?}");

        city.stripe().declines_charges(&ada, 9);
        city.advance(days(31)).await;
        let page = ada.account_home().await;
        assert!(page.says("Pay now") && page.says("to be paid"), "{page:?}");
        let stranger = city.reader("bob").subscribes(Offer::Patron).await;
        let page = stranger.account_home().await;
        assert!(!page.says("Pay now"), "nobody sees the invoices of others: {page:?}");
    })
    .await;
}
