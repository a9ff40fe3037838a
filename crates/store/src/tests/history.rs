use latchkey_entitlement::{EventId, RevocationKind, Standing, StandingKind};

use super::{NOW, account, at, commit, event, grant, new_session, on_both, session};
use crate::{MAX_HISTORY_ROWS, NewEvent, NewSession, Proof, SubscriptionRow};

on_both!(
    a_history_ties_each_change_to_its_sync_and_each_sync_to_its_events,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        assert!(store.link_customer("cus_1", &ann, false, NOW).await.unwrap());
        let told = NewEvent {
            id: "evt_stripe".into(), kind: "invoice.paid".into(), livemode: false, customer: Some("cus_1".into()),
            object_id: "in_1".into(), raw: b"{}".to_vec(),
        };
        store.receive_events(vec![told], at(5)).await.unwrap();
        let here = NewSession { site: Some("sit_news".parse().unwrap()), ..new_session("1", &ann, 1) };
        assert!(store.create_session(here).await.unwrap());
        assert!(store.lease_customer("cus_1", "w1", at(6), at(1_000)).await.unwrap());
        let mut first = commit("s1", "cus_1", "w1", &ann, vec![grant("a", &ann, "sub_1", 100)]);
        first.events_done = vec!["evt_stripe".into()];
        first.alerts = vec!["odd".into()];
        // A row of another version's form hides nothing else.
        first.mirror = vec![SubscriptionRow { id: "sub_1".into(), status: "active".into(), livemode: false, body: "{}".into(), ..SubscriptionRow::default() }];
        store.commit_sync(first).await.unwrap();
        assert!(store.lease_customer("cus_1", "w2", at(20), at(1_000)).await.unwrap());
        let mut second = commit("s2", "cus_1", "w2", &ann, vec![]);
        second.now = at(30);
        store.commit_sync(second).await.unwrap();

        let history = store.history_of(&ann).await.unwrap().unwrap();
        let [row] = history.grants.as_slice() else { panic!("{:?}", history.grants) };
        assert_eq!((row.recorded_at, row.superseded_at), (at(10), Some(at(30))));
        assert_eq!((row.opened_by.clone(), row.closed_by.clone()), (Some(event("s1")), Some(event("s2"))));
        let syncs: Vec<&EventId> = history.syncs.iter().map(|run| &run.id).collect();
        assert_eq!(syncs, [&event("s1"), &event("s2")]);
        let seen = &history.events[0];
        assert_eq!((seen.received_at, seen.done_at), (at(5), Some(history.syncs[0].committed_at)));
        let revoked: Vec<_> = history.revocations.iter().map(|one| (one.session.clone(), one.kind, one.at)).collect();
        assert_eq!(revoked, [
            (session("1"), RevocationKind::Renew, at(10)),
            (session("1"), RevocationKind::Void, at(30)),
        ]);
        assert_eq!(history.customers[0].synced_at, Some(at(30)));
        assert!(history.alerts.is_empty(), "it ended with the second sync");
        assert!(history.subscriptions.is_empty() && history.cut.is_empty());
        assert_eq!(store.account_of_subscription("sub_none").await.unwrap(), None);
        assert!(store.history_of(&account("nobody")).await.unwrap().is_none());
    }
);

on_both!(
    the_history_of_a_merged_account_is_its_keepers_with_both_records,
    store => {
        let (ann, bea) = (account("ann"), account("bea"));
        for who in [&ann, &bea] {
            store.create_account(who, NOW).await.unwrap();
        }
        store.open_grant(&grant("a", &bea, "sub_1", 100), at(1)).await.unwrap();
        store.prove_email(Proof::new(&ann, "ann@example.org"), at(2)).await.unwrap();
        store.prove_email(Proof::new(&bea, "ann@example.org"), at(3)).await.unwrap();
        let history = store.history_of(&bea).await.unwrap().unwrap();
        assert_eq!(history.account.id, ann);
        let rows: Vec<_> = history.grants.iter().map(|row| (row.grant.account.clone(), row.recorded_at)).collect();
        assert_eq!(rows, [(bea.clone(), at(1)), (ann.clone(), at(3))]);
        let merge = &history.merges[0];
        assert_eq!((&merge.from, &merge.into, merge.created_at, merge.merged_at), (&bea, &ann, Some(NOW), at(3)));
        assert_eq!(merge.moved["account_grant"], ["grt_a"]);
    }
);

on_both!(
    a_long_history_is_cut_and_says_so,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        for number in 0..=i64::from(MAX_HISTORY_ROWS) {
            store.add_standing(&Standing {
                id: event(&format!("m{number}")), account: ann.clone(), site: None, kind: StandingKind::Warning,
                reason: "again".into(), moderator: "grace".into(), from: at(number), until: None,
            }).await.unwrap();
        }
        let history = store.history_of(&ann).await.unwrap().unwrap();
        assert_eq!(history.cut, ["standings"]);
        let first = history.standings.first().unwrap().from;
        assert_eq!((history.standings.len(), first), (500, at(1)), "the newest are kept, the oldest first");
    }
);
