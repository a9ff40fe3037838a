use futures::future::join_all;
use latchkey_stripe_sandbox::DeliveryMode;
use latchkey_testkit::{Card, Offer, Reader, World, days, each_city, hours, seconds};

use crate::terms;

const PATRON: &str = "ad_free articles comments";

/// Ada pays, and never comes back; all else happens in Stripe's dashboard, and within one second.
async fn a_busy_second(city: &World) -> Reader<'_> {
    let ada = city.reader("ada");
    ada.pays(Offer::Monthly, Card::Good).await;
    let stripe = city.stripe();
    stripe.sets_to_end(&ada, true).await;
    stripe.moves_to(&ada, Offer::Patron).await;
    stripe.sets_to_end(&ada, false).await;
    stripe.sets_to_end(&ada, true).await;
    ada
}

/// What a busy second comes to: patron until the end of the month, exactly.
async fn has_what_she_paid_for(city: &World, ada: &Reader<'_>) {
    let subscription = city
        .stripe()
        .object(&format!("/v1/subscriptions/{}", ada.subscription()))
        .await;
    let end = subscription["cancel_at"].as_i64().expect("it is set to end");
    assert_eq!(terms(ada).await, [(PATRON.to_owned(), seconds(end))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled_delayed_and_reordered_deliveries_come_to_the_same() {
    for mode in [
        DeliveryMode::Normal,
        DeliveryMode::Double,
        DeliveryMode::Delay(hours(2)),
        DeliveryMode::Reorder,
    ] {
        eprintln!("{mode:?}");
        each_city(async |city| {
            city.stripe().delivers(mode);
            let ada = a_busy_second(city).await;
            city.advance(hours(3)).await;
            has_what_she_paid_for(city, &ada).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_second_may_come_in_any_order() {
    // Each order is worked off event by event, so that every event but the last is followed by one that is older or newer.
    type Order = fn(&mut Vec<String>);
    let orders: [(&str, Order); 3] = [
        ("as they happened", |_| {}),
        ("the newest first", |events| events.reverse()),
        ("the fourth first", |events| events.rotate_left(3)),
    ];
    for (name, order) in orders {
        eprintln!("{name}");
        each_city(async |city| {
            city.stripe().drops_webhooks();
            let ada = a_busy_second(city).await;
            let mut events = city.stripe().events();
            assert!(events.len() > 5, "{events:?}");
            order(&mut events);
            for event in &events {
                city.stripe().sends(event).await;
                city.settle().await;
            }
            has_what_she_paid_for(city, &ada).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_delivered_many_times_at_once_is_kept_once() {
    each_city(async |city| {
        city.stripe().drops_webhooks();
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        let events = city.stripe().events();
        let last = events.last().expect("a payment makes events");
        let body = city.stripe().object(&format!("/v1/events/{last}")).await.to_string();

        let stripe = city.stripe();
        let deliveries = join_all((0..16).map(|_| stripe.sends_body(&body)));
        assert_eq!(deliveries.await, [200; 16]);
        let kept = city.events(latchkey_store::EventState::Pending).await;
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(kept[0].id, *last);

        city.settle().await;
        assert_eq!(terms(&ada).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_delivery_brought_is_found_by_reconciling() {
    each_city(async |city| {
        city.stripe().drops_webhooks();
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        city.advance(hours(1)).await;
        assert_eq!(terms(&ada).await, []);

        let found = city.reconcile().await;
        assert!(found.missed > 0, "{found:?}");
        assert_eq!(terms(&ada).await.len(), 1);

        // The next round has nothing new, and the one after the next change has just that.
        assert_eq!(city.reconcile().await.read, 0);
        city.advance(days(1)).await;
        city.stripe().moves_to(&ada, Offer::Patron).await;
        let found = city.reconcile().await;
        assert!(found.missed > 0, "{found:?}");
        assert_eq!(terms(&ada).await[0].0, PATRON);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_event_tells_any_more_is_found_by_reading_again() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Yearly).await;
        city.settle().await;
        city.stripe().drops_webhooks();
        city.stripe().sets_to_end(&ada, true).await;
        // Stripe lists events for 30 days.
        city.advance(days(40)).await;
        let before = terms(&ada).await;
        assert_eq!(city.reconcile().await.aged, 1);
        let after = terms(&ada).await;
        assert_eq!(
            before[0].1 - after[0].1,
            hours(72),
            "it ends with its period, and no later"
        );
        assert_eq!(city.reconcile().await.aged, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_not_stripes_is_refused_and_the_true_one_is_taken() {
    each_city(async |city| {
        for mode in [DeliveryMode::BadSignature, DeliveryMode::OldTimestamp] {
            city.stripe().delivers(mode);
            let name = format!("reader of {}", mode.as_str()).replace([' ', '_'], "-");
            let ada = city.reader(&name);
            ada.pays(Offer::Monthly, Card::Good).await;
            city.settle().await;
            assert_eq!(terms(&ada).await, [], "{mode:?}");

            // Stripe tells it again, this time rightly signed.
            city.stripe().delivers(DeliveryMode::Normal);
            city.stripe().sets_to_end(&ada, true).await;
            city.settle().await;
            assert_eq!(terms(&ada).await.len(), 1, "{mode:?}");
        }
    })
    .await;
}
