//! What fails is tried again, later each time, and after a while a person is told.

use latchkey_entitlement::Timestamp;
use latchkey_store::{Customer, EventState};
use latchkey_sync::MAX_SYNC_TRIES;
use latchkey_testkit::{Card, Offer, Reader, World, each_city, hours, minutes};

use crate::terms;

/// A first and longest pause for a passing reason, and for one that a person must mend.
const PASSING: (i64, i64) = (5_000, 5 * 60_000);
const UNMENDED: (i64, i64) = (60_000, 60 * 60_000);

async fn customer_of(city: &World, reader: &Reader<'_>) -> Customer {
    let customers = city.customers().await;
    let own = customers.into_iter().find(|customer| customer.id == reader.customer());
    own.expect("the customer is known")
}

/// When the next try is due, from the last failure on.
fn pause(customer: &Customer) -> i64 {
    let (due, failed) = (customer.dirty_at, customer.failed_at);
    due.expect("it is tried again").since(failed.expect("it failed"))
}

/// Waits for the next try and lets the worker make it, in a process that has just begun.
async fn tries_again_after_a_restart(city: &World, reader: &Reader<'_>) -> Customer {
    let due: Timestamp = customer_of(city, reader).await.dirty_at.expect("it is tried again");
    city.sleeps(due.since(city.now()));
    let _ = city.sync_of_another_server().work_off().await;
    customer_of(city, reader).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_customer_waits_longer_each_time_and_a_restart_does_not_forget() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        city.settle().await;
        city.stripe().fails_at(&ada);
        city.stripe().sets_to_end(&ada, true).await;
        city.settle().await;

        let mut failing = customer_of(city, &ada).await;
        let (first, longest) = PASSING;
        for tries in 1..=MAX_SYNC_TRIES {
            assert_eq!(failing.sync_tries, tries);
            let most = (first << (tries - 1)).min(longest);
            let pause = pause(&failing);
            assert!((most / 2..=most).contains(&pause), "try {tries}: {pause} of {most}");
            assert_eq!(failing.dead_at.is_some(), tries == MAX_SYNC_TRIES);
            failing = tries_again_after_a_restart(city, &ada).await;
        }

        // Success forgets the failures; so the next one waits as the first did.
        city.stripe().recovers();
        city.advance(minutes(6)).await;
        let mended = customer_of(city, &ada).await;
        let state = (mended.sync_tries, mended.sync_error, mended.dead_at, mended.dirty_at);
        assert_eq!(state, (0, None, None, None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failing_customer_does_not_hold_up_the_others() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        city.stripe().fails_at(&ada);
        let mut others = vec![];
        for name in ["grace", "joan", "mary"] {
            let reader = city.reader(name);
            reader.pays(Offer::Monthly, Card::Good).await;
            others.push(reader);
        }
        city.settle().await;
        for other in &others {
            assert_eq!(terms(other).await.len(), 1);
        }
        assert_eq!(terms(&ada).await, []);
        assert_eq!(customer_of(city, &ada).await.sync_tries, 1);
        city.stripe().recovers();
        city.advance(minutes(1)).await;
        assert_eq!(terms(&ada).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_stripe_is_away_not_everybody_is_tried() {
    each_city(async |city| {
        let mut readers = vec![];
        for name in ["ada", "grace", "joan", "mary", "emmy"] {
            let reader = city.reader(name);
            reader.pays(Offer::Monthly, Card::Good).await;
            readers.push(reader);
        }
        city.settle().await;
        for reader in &readers {
            city.stripe().sets_to_end(reader, true).await;
        }
        city.stripe().goes_down();
        city.settle().await;
        let customers = city.customers().await;
        let tried = customers.iter().filter(|customer| customer.sync_tries > 0).count();
        assert_eq!((tried, customers.len()), (3, 5));
        city.stripe().comes_back();
        city.advance(minutes(1)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_that_only_a_person_can_mend_makes_dead_letters_that_come_back_to_life() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        city.stripe().refuses_our_key();
        city.settle().await;

        let (first, longest) = UNMENDED;
        let dead = customer_of(city, &ada).await;
        assert!((first / 2..=first).contains(&pause(&dead)));
        assert_eq!((dead.sync_tries, dead.dead_at), (1, dead.failed_at));
        let letters = city.kept_events().await;
        assert!(!letters.is_empty());
        for letter in &letters {
            let why = letter.error.as_deref().unwrap_or_default();
            assert!(why.contains("does not accept the secret key"), "{why}");
            assert_eq!((letter.tries, letter.done_at), (1, dead.failed_at));
        }

        for _ in 0..10 {
            tries_again_after_a_restart(city, &ada).await;
        }
        assert!((longest / 2..=longest).contains(&pause(&customer_of(city, &ada).await)));

        // The key is put right, and nobody does anything else.
        city.stripe().comes_back();
        city.advance(hours(1)).await;
        assert_eq!(terms(&ada).await.len(), 1);
        assert_eq!(city.kept_events().await, []);
        assert_eq!(city.events(EventState::Pending).await, []);
        assert_eq!(customer_of(city, &ada).await.dead_at, None);
    })
    .await;
}
