use std::sync::Arc;

use latchkey_entitlement::{SiteId, Sites};

use super::{NOW, account, at, at_once, commit, grant, on_both};
use crate::{NewEffect, NewEvent, Store, StoreError, SubscriptionRow};

async fn customer(store: &Store, owner: &str) {
    let ann = account("ann");
    store.create_account(&ann, NOW).await.unwrap();
    assert!(store.link_customer("cus_1", &ann, false, NOW).await.unwrap());
    assert!(store.lease_customer("cus_1", owner, NOW, at(1_000)).await.unwrap());
}

on_both!(
    a_sync_opens_closes_and_leaves_alone,
    store => {
        let ann = account("ann");
        customer(&store, "w1").await;
        let event = NewEvent {
            id: "evt_1".into(), kind: "k".into(), livemode: false, customer: Some("cus_1".into()), object_id: String::new(), raw: vec![],
        };
        let mut first = commit("1", "cus_1", "w1", &ann, vec![grant("a", &ann, "sub_1", 100), grant("b", &ann, "sub_2", 100)]);
        first.mirror = vec![SubscriptionRow { id: "sub_1".into(), status: "active".into(), livemode: false, body: "{}".into(), note: Some("refunded".into()) }];
        first.alerts = vec!["odd".into(), "odder".into()];
        first.effects = vec![NewEffect { kind: "mail".into(), payload: "{}".into(), ..NewEffect::default() }];
        let done = store.commit_sync(first).await.unwrap();
        assert_eq!((done.opened.len(), done.closed.len(), done.unchanged, done.still_dirty), (2, 0, 0, false));
        let mirrored = store.subscriptions_of(&ann).await.unwrap();
        assert_eq!((mirrored.len(), mirrored[0].note.as_deref()), (1, Some("refunded")));
        assert_eq!(store.alerts(9).await.unwrap().len(), 2);
        assert_eq!(store.claim_outbox(at(10), at(20), 9).await.unwrap()[0].kind, "mail");
        assert!(store.claim_dirty("x", at(20), at(15), 9).await.unwrap().is_empty(), "clean now");

        // The same facts under other ids change nothing; the order of sites is no content.
        store.receive_events(vec![event], at(16)).await.unwrap();
        assert!(store.lease_customer("cus_1", "w2", at(20), at(1_000)).await.unwrap());
        let mut second = commit("2", "cus_1", "w2", &ann, vec![grant("c", &ann, "sub_2", 100), grant("d", &ann, "sub_1", 100)]);
        second.events_done = vec!["evt_1".into()];
        second.alerts = vec!["odd".into()];
        let done = store.commit_sync(second).await.unwrap();
        assert_eq!((done.opened.len(), done.closed.len(), done.unchanged), (0, 0, 2));
        assert!(store.pending_events("cus_1").await.unwrap().is_empty());
        assert_eq!(store.alerts(9).await.unwrap().len(), 1);
        assert!(store.subscriptions_of(&ann).await.unwrap().is_empty());

        // One is renewed, one is gone, one is new.
        assert!(store.lease_customer("cus_1", "w3", at(30), at(1_000)).await.unwrap());
        let mut third = commit("3", "cus_1", "w3", &ann, vec![grant("e", &ann, "sub_1", 200), grant("f", &ann, "sub_3", 100)]);
        third.now = at(40);
        let done = store.commit_sync(third).await.unwrap();
        assert_eq!((done.opened.len(), done.closed.len(), done.unchanged), (2, 2, 0));
        let now: Vec<String> = store.grants_of(&ann).await.unwrap().into_iter().map(|g| g.id.into()).collect();
        assert_eq!(now, ["grt_e", "grt_f"]);
        let then: Vec<String> = store.grants_at(&ann, at(39)).await.unwrap().into_iter().map(|g| g.id.into()).collect();
        assert_eq!(then, ["grt_a", "grt_b"], "the past can be explained");
        assert!(store.grants_at(&ann, at(9)).await.unwrap().is_empty());
    }
);

on_both!(
    of_commits_under_one_lease_one_counts,
    store => {
        customer(&store, "w").await;
        let answers = at_once(&store, |store, index| async move {
            let ann = account("ann");
            let id = index.to_string();
            store.commit_sync(commit(&id, "cus_1", "w", &ann, vec![grant(&id, &ann, "sub_1", 100 + i64::from(index))])).await
        }).await;
        let lost = answers.iter().filter(|answer| matches!(answer, Err(StoreError::LeaseLost { .. }))).count();
        assert_eq!((answers.iter().filter(|answer| answer.is_ok()).count(), lost), (1, 7), "{answers:?}");
        assert_eq!(store.grants_of(&account("ann")).await.unwrap().len(), 1);
    }
);

on_both!(
    who_overslept_its_lease_changes_nothing,
    store => {
        let ann = account("ann");
        customer(&store, "slow").await;
        assert!(!store.lease_customer("cus_1", "quick", at(999), at(2_000)).await.unwrap());
        assert!(store.lease_customer("cus_1", "quick", at(1_000), at(2_000)).await.unwrap());
        let mut late = commit("1", "cus_1", "slow", &ann, vec![grant("a", &ann, "sub_1", 100)]);
        late.alerts = vec!["never seen".into()];
        assert!(matches!(store.commit_sync(late).await, Err(StoreError::LeaseLost { .. })));
        assert!(store.grants_of(&ann).await.unwrap().is_empty() && store.alerts(9).await.unwrap().is_empty());
        store.commit_sync(commit("2", "cus_1", "quick", &ann, vec![])).await.unwrap();
    }
);

on_both!(
    a_mark_made_during_a_sync_outlives_its_commit_even_in_the_same_millisecond,
    store => {
        let ann = account("ann");
        customer(&store, "w").await;
        store.mark_dirty("cus_1", false, NOW).await.unwrap();
        let done = store.commit_sync(commit("1", "cus_1", "w", &ann, vec![])).await.unwrap();
        assert!(done.still_dirty);
        assert_eq!(store.claim_dirty("x", at(50), at(11), 9).await.unwrap(), ["cus_1"]);
        assert!(!store.commit_sync(commit("2", "cus_1", "x", &ann, vec![])).await.unwrap().still_dirty);
        assert!(store.claim_dirty("y", at(50), at(12), 9).await.unwrap().is_empty());
    }
);

on_both!(
    a_sync_touches_only_what_came_from_its_customer,
    store => {
        let ann = account("ann");
        customer(&store, "w1").await;
        assert!(store.link_customer("cus_2", &ann, false, NOW).await.unwrap());
        assert!(store.lease_customer("cus_2", "w2", NOW, at(1_000)).await.unwrap());
        let mut comp = grant("comp", &ann, "desk", 100);
        comp.sites = Sites::Only(vec![SiteId::parse("sit_b").unwrap(), SiteId::parse("sit_a").unwrap()]);
        assert!(store.open_grant(&comp, NOW).await.unwrap());
        comp.sites = Sites::Only(vec![SiteId::parse("sit_a").unwrap(), SiteId::parse("sit_b").unwrap()]);
        assert!(!store.open_grant(&comp, NOW).await.unwrap(), "the order of sites says nothing");
        store.commit_sync(commit("1", "cus_1", "w1", &ann, vec![grant("a", &ann, "sub_1", 100)])).await.unwrap();
        store.commit_sync(commit("2", "cus_2", "w2", &ann, vec![])).await.unwrap();
        assert_eq!(store.grants_of(&ann).await.unwrap().len(), 2);
        assert!(store.close_grant(&comp.id, at(20)).await.unwrap());
        assert!(!store.close_grant(&comp.id, at(21)).await.unwrap());
        assert!(!store.close_grant(&grant("a", &ann, "", 0).id, at(21)).await.unwrap(), "what Stripe says is changed at Stripe");
        let mut twice = commit("3", "cus_1", "w", &ann, vec![]);
        twice.wanted = vec![grant("x", &ann, "sub_1", 1), grant("y", &ann, "sub_1", 2)];
        assert!(matches!(store.commit_sync(twice).await, Err(StoreError::Invalid { .. })));
    }
);

on_both!(
    a_customer_belongs_to_one_account,
    store => {
        for name in ["ann", "bob"] {
            store.create_account(&account(name), NOW).await.unwrap();
        }
        let answers = at_once(&store, |store, index| async move {
            let who = account(if index % 2 == 0 { "ann" } else { "bob" });
            (who.clone(), store.link_customer("cus_1", &who, true, NOW).await.unwrap())
        }).await;
        let owner = store.account_of_customer("cus_1").await.unwrap().unwrap();
        for (who, linked) in answers {
            assert_eq!(linked, who == owner);
        }
        assert_eq!(store.customers_of(&owner).await.unwrap().len(), 1);
        assert_eq!(store.customers_not_synced_since(at(1), 9).await.unwrap().len(), 1);
    }
);

/// The writer must never wait for a reader that waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_in_memory_serves_many_tasks() {
    let store = Arc::new(Store::open("sqlite::memory:").await.unwrap());
    store.migrate().await.unwrap();
    customer(&store, "w").await;
    at_once(&store, |store, index| async move {
        for n in 0..20 {
            store.mark_dirty(&format!("cus_{index}"), false, at(n)).await.unwrap();
            assert!(store.customer("cus_1").await.unwrap().is_some());
        }
    })
    .await;
}
