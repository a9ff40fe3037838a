use super::{NOW, at, at_once, on_both};
use crate::{EventState, NewEvent, SyncFailed};

fn new(id: &str, customer: Option<&str>) -> NewEvent {
    NewEvent {
        id: id.to_owned(),
        kind: "invoice.paid".to_owned(),
        livemode: false,
        customer: customer.map(str::to_owned),
        object_id: "in_1".to_owned(),
        raw: b"{\"\0\xFF".to_vec(),
    }
}

on_both!(
    an_event_is_kept_once_and_marks_its_customer,
    store => {
        let batch = vec![new("evt_2", Some("cus_b")), new("evt_1", None), new("evt_2", Some("cus_b"))];
        assert_eq!(store.receive_events(batch, NOW).await.unwrap(), [true, true, false]);
        assert_eq!(store.receive_events(vec![new("evt_1", None), new("evt_3", Some("cus_a"))], at(1)).await.unwrap(), [false, true]);
        assert_eq!(store.pending_events("cus_b").await.unwrap()[0].raw, b"{\"\0\xFF");
        assert_eq!(store.unassigned_events(9).await.unwrap().len(), 1);
        assert_eq!(store.claim_dirty("w1", at(100), at(1), 9).await.unwrap(), ["cus_b", "cus_a"]);
        assert!(store.customer("cus_a").await.unwrap().unwrap().account.is_none());

        assert!(store.assign_event("evt_1", "cus_c", at(2)).await.unwrap());
        assert!(!store.assign_event("evt_1", "cus_a", at(2)).await.unwrap());
        assert_eq!(store.claim_dirty("w2", at(100), at(2), 9).await.unwrap(), ["cus_c"]);
        assert_eq!(store.events_done(&["evt_1".into(), "evt_9".into()], at(3)).await.unwrap(), 1);
        store.event_failed("evt_2", "cannot be read", at(3)).await.unwrap();
        store.event_failed("evt_1", "too late", at(3)).await.unwrap();
        let failed = store.list_events(Some(EventState::Failed), 9).await.unwrap();
        assert_eq!((failed.len(), failed[0].error.as_deref(), failed[0].tries), (1, Some("cannot be read"), 1));
        assert_eq!(store.list_events(None, 9).await.unwrap().len(), 3);
        assert_eq!(store.event("evt_1").await.unwrap().unwrap().done_at, Some(at(3)));
    }
);

on_both!(
    overlapping_batches_at_once_keep_each_event_once,
    store => {
        let answers = at_once(&store, |store, index| async move {
            // Each batch has twenty of thirty events, in an order of its own, with customers shared by all.
            let mut batch: Vec<NewEvent> = (0..20_u8)
                .map(|n| (n * 7 + index * 3) % 30)
                .map(|n| new(&format!("evt_{n:02}"), Some(&format!("cus_{}", n % 4))))
                .collect();
            if index % 2 == 0 {
                batch.reverse();
            }
            let ids: Vec<String> = batch.iter().map(|event| event.id.clone()).collect();
            let fresh = store.receive_events(batch, at(1)).await.unwrap();
            ids.into_iter().zip(fresh).filter(|(_, new)| *new).map(|(id, _)| id).collect::<Vec<_>>()
        }).await;
        let mut all: Vec<String> = answers.into_iter().flatten().collect();
        let claimed_new = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), claimed_new, "an event was new twice");
        assert_eq!(store.list_events(None, 100).await.unwrap().len(), all.len());
        assert_eq!(store.claim_dirty("w", at(100), at(1), 9).await.unwrap().len(), 4);
    }
);

on_both!(
    workers_share_dirty_customers_and_failed_ones_wait,
    store => {
        for n in 0..20 {
            store.mark_dirty(&format!("cus_{n:02}"), false, NOW).await.unwrap();
        }
        let claims = at_once(&store, |store, index| async move {
            store.claim_dirty(&format!("w{index}"), at(50), NOW, 4).await.unwrap()
        }).await;
        let mut all: Vec<String> = claims.into_iter().flatten().collect();
        let claimed = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), claimed, "a customer was claimed twice");
        let rest = store.claim_dirty("last", at(50), NOW, 100).await.unwrap();
        assert_eq!(claimed + rest.len(), 20);
        assert!(!store.lease_customer("cus_00", "x", at(49), at(90)).await.unwrap());
        assert_eq!(store.claim_dirty("after", at(99), at(50), 100).await.unwrap().len(), 20, "leases run out");

        assert!(!store.release_customer("cus_00", "last", None).await.unwrap(), "not its lease any more");
        assert!(store.release_customer("cus_00", "after", Some(at(500))).await.unwrap());
        assert!(store.release_customer("cus_01", "after", None).await.unwrap());
        store.mark_dirty("cus_02", false, at(60)).await.unwrap();
        assert!(store.release_customer("cus_02", "after", Some(at(500))).await.unwrap());
        assert_eq!(store.claim_dirty("b", at(990), at(61), 100).await.unwrap(), ["cus_02"]);
        store.mark_dirty("cus_00", false, at(62)).await.unwrap();
        assert_eq!(store.claim_dirty("c", at(990), at(62), 100).await.unwrap(), ["cus_00"], "a mark shortens the wait");
    }
);

on_both!(
    a_large_group_is_stored_whole_in_one_transaction_and_each_event_once,
    store => {
        let event = |n: usize| NewEvent {
            id: format!("evt_{n:03}"), kind: "invoice.paid".into(), livemode: false,
            customer: (!n.is_multiple_of(7)).then(|| format!("cus_{}", n % 30)), object_id: format!("in_{n}"), raw: vec![u8::try_from(n).unwrap(); n],
        };
        store.receive_events((0..10).map(event).collect(), NOW).await.unwrap();
        let before = store.customer("cus_1").await.unwrap().unwrap();
        for customer in store.claim_dirty("w1", at(50), NOW, 100).await.unwrap() {
            assert!(store.release_customer(&customer, "w1", None).await.unwrap());
        }

        // Some are there already, some come twice in the group, and none comes in the order of ids.
        let mut group: Vec<NewEvent> = (5..150).rev().map(event).collect();
        group.push(event(80));
        let new = store.receive_events(group, at(1)).await.unwrap();
        assert_eq!(new.iter().filter(|new| **new).count(), 140);
        assert_eq!((new[0], new[139], new[140], new[145]), (true, true, false, false));
        for n in [0, 5, 64, 80, 149] {
            let stored = store.event(&format!("evt_{n:03}")).await.unwrap().unwrap();
            assert_eq!((stored.raw.len(), stored.object_id), (n, format!("in_{n}")));
            assert_eq!(stored.received_at, if n < 10 { NOW } else { at(1) });
        }
        assert_eq!(store.claim_dirty("w2", at(90), at(60), 100).await.unwrap().len(), 30, "each is marked once more");
        let after = store.customer("cus_1").await.unwrap().unwrap();
        assert_eq!(after.created_at, before.created_at);

        // What is there already marks nobody.
        for n in 0..30 {
            store.release_customer(&format!("cus_{n}"), "w2", None).await.unwrap();
        }
        let again = store.receive_events((0..150).map(event).collect(), at(2)).await.unwrap();
        assert!(again.iter().all(|new| !new));
        assert!(store.claim_dirty("w3", at(200), at(100), 100).await.unwrap().is_empty());
    }
);

on_both!(
    a_sync_that_fails_is_counted_and_only_by_whoever_holds_the_lease,
    store => {
        store.receive_events(vec![new("evt_1", Some("cus_1"))], NOW).await.unwrap();
        let failed = |owner, dead, now| SyncFailed {
            customer: "cus_1",
            owner,
            error: "Stripe is\0 away",
            again_at: at(100),
            dead,
            now,
        };
        store.claim_dirty("w", at(50), NOW, 9).await.unwrap();
        assert!(!store.sync_failed(failed("another", true, at(1))).await.unwrap());
        assert!(store.sync_failed(failed("w", false, at(1))).await.unwrap());
        let known = store.customer("cus_1").await.unwrap().unwrap();
        assert_eq!((known.sync_tries, known.sync_error.as_deref()), (1, Some("Stripe is away")));
        assert_eq!((known.dirty_at, known.failed_at, known.dead_at), (Some(at(100)), Some(at(1)), None));
        assert!(store.dead_customers(9).await.unwrap().is_empty());

        store.claim_dirty("x", at(150), at(100), 9).await.unwrap();
        assert!(store.sync_failed(failed("x", true, at(101))).await.unwrap());
        let dead = store.event("evt_1").await.unwrap().unwrap();
        assert_eq!((dead.state, dead.tries, dead.done_at), (EventState::Failed, 2, Some(at(101))));
        assert_eq!(store.dead_customers(9).await.unwrap()[0].dead_at, Some(at(101)));
        assert_eq!(store.pending_events("cus_1").await.unwrap().len(), 1, "the next sync settles it");

        store.lease_customer("cus_1", "y", at(102), at(200)).await.unwrap();
        assert!(store.settle_customer("cus_1", "y", at(103)).await.unwrap());
        let known = store.customer("cus_1").await.unwrap().unwrap();
        assert_eq!((known.sync_tries, known.sync_error, known.failed_at, known.dead_at), (0, None, None, None));
    }
);
