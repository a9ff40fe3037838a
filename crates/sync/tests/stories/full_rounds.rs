//! Full rounds: all that Stripe lists is compared with what is kept, what differs is told and repaired.

use latchkey_store::{Divergence, DivergenceKind};
use latchkey_sync::{FullRound, RoundPart, Status, last_full_round};
use latchkey_testkit::{Offer, World, days, each_city, minutes};

use crate::terms;

const MINUTES: i64 = 60_000;

/// A whole round, by whichever server.
async fn walks_through(city: &World, dry_run: bool) -> FullRound {
    let mut round = city.sync().full_round(dry_run).await.expect("the store answers");
    while city.sync().go_on(&mut round).await.expect("Stripe answers") {}
    round
}

async fn divergences(city: &World) -> Vec<Divergence> {
    city.store().divergences(false, 100).await.expect("the store answers")
}

async fn status(city: &World) -> Status {
    Status::read(city.store(), city.now()).await.expect("the store answers")
}

/// COMPLAINTS 7: a webhook is lost, and nobody notices. Whatever events are dropped, a round finds the truth, says what differed since
/// when, and the number of readers whose access differs is there to be seen, with its age.
#[tokio::test(flavor = "multi_thread")]
async fn complaint_7_what_lost_webhooks_hid_is_found_counted_repaired_and_listed() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let grace = city.reader("grace").subscribes(Offer::Monthly).await;
        city.settle().await;
        city.stripe().drops_webhooks();
        city.advance(minutes(1)).await;
        let read_at = city
            .customers()
            .await
            .iter()
            .find(|own| own.id == ada.customer())
            .and_then(|own| own.synced_at);
        city.stripe().ends_now(&ada).await;

        let round = walks_through(city, false).await;
        assert_eq!((round.subscriptions, round.customers, round.differing), (2, 2, 1));
        let now = status(city).await;
        assert_eq!((now.differing_readers, now.differing_since), (1, Some(city.now())));
        assert_eq!(now.fully_reconciled_at, Some(city.now()));
        assert!(
            now.needs_a_person(10 * MINUTES, 0).len() == 1,
            "only that no event list was read"
        );
        assert!(
            now.prometheus().contains("\nlatchkey_readers_differing 1\n"),
            "{}",
            now.prometheus()
        );

        let found = divergences(city).await;
        assert_eq!(found.len(), 1, "{found:?}");
        let one = &found[0].found;
        assert_eq!(
            (one.kind, &one.customer, one.ours_at),
            (DivergenceKind::Changed, &ada.customer(), read_at)
        );
        assert!(one.ours.contains(&format!("{} active", ada.subscription())), "{one:?}");
        assert!(
            one.theirs.contains(&format!("{} canceled", ada.subscription())),
            "{one:?}"
        );
        assert!(!format!("{one:?}").contains("example.org"), "nothing personal");

        city.settle().await;
        assert_eq!((terms(&ada).await.len(), terms(&grace).await.len()), (0, 1));
        assert_eq!(divergences(city).await[0].repaired_at, Some(city.now()));
        assert_eq!(status(city).await.differing_readers, 0);
        city.advance(days(1)).await;
        assert_eq!(walks_through(city, false).await.differing, 0);
        assert_eq!(divergences(city).await.len(), 1);
    })
    .await;
}

/// COMPLAINTS 7: a run that failed counts as good, and nothing is read for days. Here only a round that came to its end has an age.
#[tokio::test(flavor = "multi_thread")]
async fn complaint_7_a_round_that_failed_is_no_round() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        // What was read in the same millisecond is not compared.
        city.advance(minutes(1)).await;
        city.stripe().drops_webhooks();
        city.stripe().ends_now(&ada).await;
        city.stripe().goes_down();
        let mut round = city.sync().full_round(false).await.expect("the store answers");
        assert!(city.sync().go_on(&mut round).await.is_err());
        assert!(city.sync().reconcile().await.is_err());
        let now = status(city).await;
        assert_eq!((now.reconciled_at, now.fully_reconciled_at), (None, None));
        let told = now.needs_a_person(10 * MINUTES, 60 * MINUTES);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(city.sync().full_round_is_due(days(1)).await.expect("the store answers"));

        city.stripe().comes_back();
        assert_eq!(walks_through(city, false).await.differing, 1);
        city.reconcile().await;
        assert_eq!(terms(&ada).await, []);
        let told = status(city).await.needs_a_person(10 * MINUTES, 60 * MINUTES);
        assert_eq!(told, Vec::<String>::new());
        assert!(!city.sync().full_round_is_due(days(1)).await.expect("the store answers"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_was_stopped_goes_on_in_another_process_where_it_was() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        // What was read in the same millisecond is not compared.
        city.advance(minutes(1)).await;
        city.stripe().drops_webhooks();
        let mut round = city.sync().full_round(false).await.expect("the store answers");
        assert!(city.sync().go_on(&mut round).await.expect("Stripe answers"));
        assert_eq!((round.part, round.pages), (RoundPart::Customers, 1));

        // What is deleted meanwhile is missed by neither part.
        city.stripe().deletes(&ada).await;
        let other = city.sync_of_another_server();
        let mut resumed = other.full_round(false).await.expect("the store answers");
        assert_eq!(resumed, round);
        while other.go_on(&mut resumed).await.expect("Stripe answers") {}
        assert_eq!((resumed.pages, resumed.subscriptions, resumed.differing), (2, 1, 1));
        assert_eq!(divergences(city).await[0].found.kind, DivergenceKind::MissingThere);
        city.settle().await;
        assert_eq!(terms(&ada).await, []);
        assert!(divergences(city).await[0].repaired_at.is_some());
        assert_eq!(
            last_full_round(city.store()).await.expect("an answer"),
            Some(city.now())
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_changes_nothing() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        // What was read in the same millisecond is not compared.
        city.advance(minutes(1)).await;
        city.stripe().drops_webhooks();
        city.stripe().moves_to(&ada, Offer::Patron).await;
        let before = terms(&ada).await;
        assert_eq!(walks_through(city, true).await.differing, 1);
        city.settle().await;
        assert_eq!(terms(&ada).await, before);
        assert_eq!(divergences(city).await, []);
        assert_eq!(status(city).await.fully_reconciled_at, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_bought_what_is_sold_here_are_told_from_those_who_did_not() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        city.settle().await;
        city.stripe().drops_webhooks();
        let towels = city.stripe().sells_something_else_to(&ada).await;
        city.sync().sync_customer(&ada.customer()).await.expect("a sync");
        let buy = |name, price: &str| {
            let sold = city.stripe().control().buy_elsewhere(name, price, "4242424242424242");
            sold.expect("Stripe sells it").0
        };
        let ours = buy("grace@example.org", &city.stripe_price(Offer::Monthly));
        buy("joan@example.org", &towels);

        let round = walks_through(city, false).await;
        assert_eq!((round.subscriptions, round.customers), (4, 3));
        // The stranger's subscription, and both strangers as customers.
        assert_eq!((round.differing, round.unclaimed, round.foreign), (0, 1, 2));
        let found = divergences(city).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].found.kind, &found[0].found.customer),
            (DivergenceKind::UnknownCustomer, &ours)
        );
        assert_eq!(status(city).await.differing_readers, 0, "a stranger is no reader");
        city.settle().await;
        let kept = city.customers().await.into_iter().find(|customer| customer.id == ours);
        assert_eq!(kept.expect("it is known now").account, None);
        assert_eq!(walks_through(city, false).await.unclaimed, 1);
        assert_eq!(divergences(city).await.len(), 1, "told once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_goes_its_full_rounds_by_itself() {
    each_city(async |city| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = city.sync_with_full_rounds(days(1));
        let working = tokio::spawn(server.work(async { drop(stopped.await) }));
        let walked_at = async || status(city).await.fully_reconciled_at;
        city.until(async || walked_at().await == Some(city.now())).await;

        let first = walked_at().await;
        city.sleeps(days(1) - 1);
        // The event list is read by then: a loop of the worker has passed.
        city.until(async || status(city).await.reconciled_at == Some(city.now()))
            .await;
        assert_eq!(walked_at().await, first, "it is not due yet");
        city.sleeps(1);
        city.until(async || walked_at().await == Some(city.now())).await;
        drop(stop);
        working.await.expect("the worker ends");
    })
    .await;
}
