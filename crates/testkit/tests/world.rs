//! A world must not let a story end well that left something undone.

use latchkey_testkit::{ADS_PER_PAGE, Card, Database, Offer, World, days, each_city, each_database};

#[tokio::test(flavor = "multi_thread")]
async fn a_story_that_ends_in_order_ends_well() {
    each_city(async |city| {
        let ada = city.reader("ada");
        assert_eq!(ada.opens("/story").await.ads(), ADS_PER_PAGE);
        let ada = ada.subscribes(Offer::Monthly).await;
        assert_eq!(ada.opens("/story").await.ads(), 0);
        city.advance(days(100)).await;
        assert_eq!(
            ada.opens("/story").await.ads(),
            0,
            "keys were rotated, and the edge knows"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "was left without World::finish")]
async fn a_world_that_is_merely_dropped_fails() {
    let database = Database::sqlite().await;
    drop(World::new(&database).await);
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "customers still wait for a sync")]
async fn a_customer_that_still_waits_for_a_sync_fails_the_story() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        city.stripe().goes_down();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "events were kept that the story did not look at")]
async fn an_event_that_was_kept_unseen_fails_the_story() {
    each_city(async |city| {
        assert_eq!(city.stripe().sends_body("no JSON").await, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_migrated_and_takes_several_servers() {
    each_database(async |database| {
        let (one, other) = (database.open().await, database.open().await);
        assert!(one.schema().await.unwrap().is_current(), "{database:?}");
        one.put_setting("a", "b").await.unwrap();
        assert_eq!(other.setting("a").await.unwrap().as_deref(), Some("b"), "{database:?}");
        one.close().await;
        other.close().await;
    })
    .await;
}
