//! `latchkey inbox` and `latchkey outbox`, on SQLite and on PostgreSQL.

use latchkey_entitlement::Timestamp;
use latchkey_store::{EventState, NewEvent, Store, SyncFailed};

use crate::database::each_database;

const THEN: Timestamp = Timestamp(1_795_500_000_000);

fn event(id: &str, customer: Option<&str>, raw: &str) -> NewEvent {
    NewEvent {
        id: id.to_owned(),
        kind: "customer.updated".to_owned(),
        livemode: false,
        customer: customer.map(str::to_owned),
        object_id: "cus_1".to_owned(),
        raw: raw.into(),
    }
}

fn with_store<T>(url: &str, act: impl AsyncFnOnce(&Store) -> T) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(url).await.unwrap();
        store.migrate().await.unwrap();
        let done = act(&store).await;
        store.close().await;
        done
    })
}

/// One event whose customer's sync failed, one that nobody can read, one that waits, and a letter that was given up.
fn given_dead_letters(url: &str) {
    const RAW: &str = r#"{"id":"evt_1","type":"customer.updated","created":1795500000,"livemode":false,"data":{"object":{"id":"cus_1","object":"customer"}}}"#;
    with_store(url, async |store| {
        let events = vec![
            event("evt_1", Some("cus_1"), RAW),
            event("evt_2", None, "no \u{1b}[2J JSON"),
        ];
        store.receive_events(events, THEN).await.unwrap();
        store
            .event_failed("evt_2", "not readable as an event: not JSON", THEN)
            .await
            .unwrap();
        assert!(store.lease_customer("cus_1", "w", THEN, THEN.plus(9)).await.unwrap());
        let failed = SyncFailed {
            customer: "cus_1",
            owner: "w",
            error: "Stripe: Stripe does not accept the secret key",
            again_at: THEN.plus(60_000),
            dead: true,
            now: THEN,
        };
        assert!(store.sync_failed(failed).await.unwrap());
        store
            .receive_events(vec![event("evt_3", None, RAW)], THEN.plus(1))
            .await
            .unwrap();
        let letter = store.enqueue("mail.login", "ada@reader.example", THEN).await.unwrap();
        store
            .outbox_failed(letter, "the mail server refuses the sender", None)
            .await
            .unwrap();
    });
}

#[test]
fn dead_letters_are_counted_listed_shown_and_put_back() {
    each_database("queues", |place, url| {
        place
            .run(&["inbox"])
            .is(0)
            .says(&["pending  0", "done     0", "failed   0"]);
        given_dead_letters(url);
        place.run(&["inbox"]).is(4).says(&[
            "pending  1, the oldest came",
            "failed   2",
            "cus_1  tried 1 times, since 2026-11-24T",
            "latchkey inbox show EVENT",
        ]);

        let all = place.run(&["inbox", "list"]).is(0);
        assert_eq!(all.out.lines().count(), 3, "{}", all.out);
        let failed = place.run(&["inbox", "list", "--state", "failed", "--limit", "1"]).is(0);
        assert_eq!(failed.out.lines().count(), 1, "{}", failed.out);
        place.run(&["inbox", "list", "--limit", "0"]).is(2);

        place.run(&["inbox", "show", "evt_1"]).is(0).says(&[
            "state     failed",
            "error     Stripe: Stripe does not accept the secret key",
            "sync      failed 1 times in a row",
            "to do     Compare STRIPE_SECRET_KEY",
            "\"object\": {",
        ]);
        let unreadable = place.run(&["inbox", "show", "evt_2"]).is(0);
        let unreadable = unreadable.says(&["to do     Compare the endpoint's API version", r"no \x1b[2J JSON"]);
        assert!(!unreadable.out.contains('\u{1b}'), "a terminal is not steered");
        let none = place.run(&["inbox", "show", "evt_9"]).is(1);
        assert!(none.err.contains("there is no event evt_9"), "{}", none.err);

        place.run(&["inbox", "replay"]).is(2);
        place
            .run(&["inbox", "replay", "evt_1"])
            .is(0)
            .says(&["evt_1 is put back"]);
        place
            .run(&["inbox", "replay", "evt_1"])
            .is(0)
            .says(&["was not given up: it is pending"]);
        place
            .run(&["inbox", "replay", "evt_2"])
            .is(4)
            .says(&["stays as it is: not readable as an event"]);
        place
            .run(&["inbox", "replay", "cus_1"])
            .is(0)
            .says(&["cus_1 is put back"]);
        place.run(&["inbox", "replay", "cus_2"]).is(1);
        let all = place.run(&["inbox", "replay", "--all"]).is(4);
        all.says(&["0 events and 1 customers are put back, 1 events stay as they are"]);
        with_store(url, async |store| {
            let event = store.event("evt_1").await.unwrap().unwrap();
            assert_eq!((event.state, event.error), (EventState::Pending, None));
            let customer = store.customer("cus_1").await.unwrap().unwrap();
            assert_eq!(
                customer.dirty_at,
                Some(THEN.plus(60_000)).min(customer.dirty_at),
                "it is due"
            );
        });
    });
}

#[test]
fn letters_that_were_given_up_are_listed_without_addresses_and_put_back() {
    each_database("letters", |place, url| {
        given_dead_letters(url);
        let list = place.run(&["outbox", "list", "--state", "failed"]).is(0);
        let list = list.says(&["failed   1  mail.login", "the mail server refuses the sender"]);
        list.never_says(&["ada@reader.example"]);
        place
            .run(&["outbox", "replay", "1"])
            .is(0)
            .says(&["Effect 1 is put back"]);
        let again = place.run(&["outbox", "replay", "1"]).is(1);
        assert!(
            again.err.contains("effect 1 is not among those given up"),
            "{}",
            again.err
        );
        place
            .run(&["outbox", "replay", "--all"])
            .is(0)
            .says(&["0 effects are put back"]);
        let waiting = place.run(&["outbox", "list", "--state", "pending"]).is(0);
        assert!(waiting.out.contains("tried 0"), "{}", waiting.out);
    });
}
