//! What was given up is kept with its reason, and comes back when a person asks for it.

use latchkey_store::EventState;
use latchkey_sync::{ReplayOutcome, ReplayReport, advice, replay_all, replay_event};
use latchkey_testkit::{Card, Offer, World, each_city};

use crate::terms;

/// An event that Stripe delivers with other fields than it has.
async fn delivers_with(city: &World, event: &str, change: impl FnOnce(&mut serde_json::Value)) {
    let mut body = city.stripe().object(&format!("/v1/events/{event}")).await;
    change(&mut body);
    assert_eq!(city.stripe().sends_body(&body.to_string()).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reason_to_give_up_an_event_is_kept_and_says_what_to_do() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        city.settle().await;
        city.stripe().drops_webhooks();
        let last = city.stripe().events().pop().expect("a payment makes events");
        delivers_with(city, &last, |event| event["account"] = "acct_of_another".into()).await;
        delivers_with(city, &last, |event| {
            event["livemode"] = true.into();
            event["id"] = "evt_live".into();
        })
        .await;
        city.stripe().sends_body("no JSON").await;
        city.stripe().refuses_our_key();
        delivers_with(city, &last, |event| event["id"] = "evt_of_ada".into()).await;
        city.settle().await;

        for (error, to_do) in [
            ("another Stripe account", "listen to your own account alone"),
            ("live-mode event", "set STRIPE_SECRET_KEY to a key of the event's mode"),
            ("not JSON", "Compare the endpoint's API version"),
            ("does not accept the secret key", "start the server with the right one"),
        ] {
            let kept = city.kept_events().await;
            assert_eq!(kept.len(), 4, "{kept:?}");
            let with = |why: &Option<String>| why.as_deref().is_some_and(|why| why.contains(error));
            let event = kept.iter().find(|event| with(&event.error)).expect(error);
            assert!(advice(event).contains(to_do), "{error}: {}", advice(event));
            assert!(event.tries >= 1 && event.done_at.is_some(), "{event:?}");
        }
        city.stripe().comes_back();
        city.advance(latchkey_testkit::hours(1)).await;
        assert_eq!(city.kept_events().await.len(), 3, "what a key kept back is done");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_puts_back_what_can_be_acted_on_and_may_be_repeated() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        city.stripe().refuses_our_key();
        city.settle().await;
        city.stripe().sends_body("no JSON").await;
        let (store, now) = (city.store(), city.now());
        let kept = city.kept_events().await;
        let (dead, unreadable) = (kept.len() as u64 - 1, 1);

        // One is put back alone, and waits again.
        let one = kept.iter().find(|event| event.customer.is_some()).expect("her events");
        let outcome = replay_event(store, &one.id, false, now).await;
        assert_eq!(outcome.expect("an answer"), ReplayOutcome::PutBack);
        let waiting = city.events(EventState::Pending).await;
        assert_eq!(waiting.iter().map(|event| &event.id).collect::<Vec<_>>(), [&one.id]);

        city.stripe().comes_back();
        let all = replay_all(store, false, now).await.expect("the store answers");
        let expected = ReplayReport {
            put_back: dead - 1,
            still_dead: unreadable,
            customers: 1,
        };
        assert_eq!(all, expected);
        city.settle().await;
        assert_eq!(terms(&ada).await.len(), 1, "within the hour that it would have waited");
        assert_eq!(city.kept_events().await.len(), 1);
        assert_eq!(city.events(EventState::Pending).await, []);

        let again = replay_all(store, false, now).await.expect("the store answers");
        assert_eq!((again.put_back, again.customers), (0, 0));
        let done = city.events(EventState::Done).await;
        let outcome = replay_event(store, &done[0].id, false, now).await;
        assert_eq!(outcome.expect("an answer"), ReplayOutcome::NotGivenUp(EventState::Done));
        let outcome = replay_event(store, "evt_none", false, now).await;
        assert_eq!(outcome.expect("an answer"), ReplayOutcome::Unknown);
    })
    .await;
}

/// COMPLAINTS 14: an event is recorded before its work is done, so that whoever dies in between loses it. Here it stays pending until
/// the transaction of its effect, wherever the process ends, and the same event again changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn complaint_14_a_process_that_dies_between_receipt_and_commit_loses_no_event() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        for event in city.stripe().events() {
            city.stripe().sends(&event).await;
        }
        let hers = async || {
            let mut pending = city.events(EventState::Pending).await;
            pending.retain(|event| event.customer.as_deref() == Some(&ada.customer()));
            pending.len()
        };
        let received = hers().await;
        assert!(received > 1, "a payment makes events");
        // It is received, the customer claimed and Stripe asked; then the process is gone, with its lease.
        let answer = city.stripe().holds_answer("/v1/subscriptions");
        let dying = city.sync_of_another_server();
        let dying = tokio::spawn(async move { dying.work_off().await });
        answer.is_under_way().await;
        dying.abort();
        answer.arrives();
        assert_eq!(hers().await, received);
        assert_eq!(terms(&ada).await, []);

        // Whoever comes next does it, once the dead one's lease has run out.
        city.advance(latchkey_testkit::minutes(3)).await;
        let once = terms(&ada).await;
        assert_eq!(once.len(), 1);
        assert_eq!(city.events(EventState::Pending).await, []);
        for event in city.stripe().events() {
            city.stripe().sends(&event).await;
        }
        city.settle().await;
        assert_eq!(terms(&ada).await, once, "the same again changes nothing");
    })
    .await;
}
