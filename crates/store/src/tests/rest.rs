use latchkey_billing::Plan;
use latchkey_entitlement::{PlanId, RevocationKind, Scope, SiteId, Sites, Standing, StandingKind, time::DAY};

use super::{NOW, account, at, at_once, event, hash, new_session, on_both, session};
use crate::{KeyRow, NewEvent, NewRevocation};

fn key(kid: &str, state: &str) -> KeyRow {
    KeyRow {
        kid: kid.to_owned(),
        purpose: "pass".to_owned(),
        algorithm: "ES256".to_owned(),
        state: state.to_owned(),
        sealed: "v1.secret".to_owned(),
        public_jwk: "{}".to_owned(),
        created_at: NOW,
        changed_at: NOW,
    }
}

on_both!(
    however_many_servers_make_keys_one_signs,
    store => {
        let made = at_once(&store, |store, index| async move { store.insert_key(&key(&format!("k{index}"), "current")).await.unwrap() }).await;
        assert_eq!(made.iter().filter(|made| **made).count(), 1);
        let current = store.keys("pass").await.unwrap()[0].kid.clone();
        assert!(!format!("{:?}", store.keys("pass").await.unwrap()).contains("secret"));
        assert!(store.insert_key(&key("n", "next")).await.unwrap());
        assert!(!store.insert_key(&key("n2", "next")).await.unwrap());
        assert!(!store.set_key_state("n", "current", at(1)).await.unwrap(), "there is one already");
        let rotation = [("n".to_owned(), "current".to_owned()), (current.clone(), "previous".to_owned())];
        assert!(store.set_key_states(&rotation, at(2)).await.unwrap());
        let state = |kid: String| { let store = store.clone(); async move {
            let row = store.keys("pass").await.unwrap().into_iter().find(|key| key.kid == kid).unwrap();
            (row.state, row.changed_at)
        }};
        assert_eq!(state("n".into()).await, ("current".into(), at(2)));
        assert_eq!(state(current.clone()).await, ("previous".into(), at(2)));
        assert!(!store.set_key_states(&[(current.clone(), "gone".into()), ("unknown".into(), "gone".into())], at(3)).await.unwrap());
        assert_eq!(state(current).await.0, "previous", "all or none");
        assert!(store.keys("bundle").await.unwrap().is_empty());
    }
);

on_both!(
    revocations_are_numbered_without_a_gap_that_fills_later,
    store => {
        let reader = store.clone();
        let watch = tokio::spawn(async move {
            let mut seen = 0;
            while seen < 40 {
                for entry in reader.revocations_after(seen, 100).await.unwrap() {
                    assert_eq!(entry.number, seen + 1, "a number was passed over");
                    seen = entry.number;
                }
            }
        });
        at_once(&store, |store, index| async move {
            for n in 0..5 {
                let new = NewRevocation {
                    site: SiteId::parse("sit_news").ok(), subject: Some(format!("s{index}")), session: None, kind: RevocationKind::Void, not_before: n, expires_at: at(9),
                };
                store.revoke(new, NOW).await.unwrap();
            }
        }).await;
        tokio::time::timeout(std::time::Duration::from_secs(20), watch).await.unwrap().unwrap();
        assert_eq!(store.last_revocation().await.unwrap(), 40);
        let everyone = NewRevocation { site: None, subject: None, session: None, kind: RevocationKind::Void, not_before: 0, expires_at: at(9) };
        assert!(store.revoke(everyone, NOW).await.is_err());
        store.prune(at(10)).await.unwrap();
        assert_eq!(store.revocations_after(0, 100).await.unwrap().len(), 0);
        assert_eq!(store.last_revocation().await.unwrap(), 40, "numbers are never used again");
    }
);

on_both!(
    the_first_value_of_a_setting_is_everyones_and_the_bundle_counts_contents,
    store => {
        let values = at_once(&store, |store, index| async move { store.put_setting_if_absent("n", &index.to_string()).await.unwrap() }).await;
        let stored = store.setting("n").await.unwrap().unwrap();
        assert!(values.iter().all(|value| *value == stored), "{values:?}");
        store.put_setting("n", "x").await.unwrap();
        assert_eq!(store.setting("n").await.unwrap().as_deref(), Some("x"));
        assert_eq!(store.setting("none").await.unwrap(), None);

        let versions = at_once(&store, |store, _| async move { store.bump_bundle_version("h1").await.unwrap() }).await;
        assert!(versions.iter().all(|version| *version == 1), "{versions:?}");
        assert_eq!(store.bump_bundle_version("h2").await.unwrap(), 2);
        assert_eq!(store.bump_bundle_version("h1").await.unwrap(), 3, "an older content again is a newer version");
    }
);

on_both!(
    an_effect_is_taken_by_one_and_comes_back_if_it_is_not_done,
    store => {
        for n in 0..6 {
            store.enqueue("mail", &n.to_string(), NOW).await.unwrap();
        }
        let claims = at_once(&store, |store, _| async move { store.claim_outbox(NOW, at(50), 1).await.unwrap() }).await;
        let mut ids: Vec<u64> = claims.iter().flatten().map(|effect| effect.id).collect();
        let taken = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), taken, "an effect was taken twice");
        store.claim_outbox(NOW, at(50), 9).await.unwrap();
        store.outbox_done(1, at(1)).await.unwrap();
        store.outbox_failed(2, "refused", None).await.unwrap();
        store.outbox_failed(3, "later", Some(at(500))).await.unwrap();
        let back: Vec<(u64, u32)> = store.claim_outbox(at(50), at(99), 9).await.unwrap().iter().map(|e| (e.id, e.tries)).collect();
        assert_eq!(back, [(4, 2), (5, 2), (6, 2)]);
        let (failed, error) = &store.failed_effects(9).await.unwrap()[0];
        assert_eq!((failed.id, error.as_str()), (2, "refused"));
        assert_eq!(store.claim_outbox(at(500), at(600), 9).await.unwrap().len(), 4);
    }
);

on_both!(
    an_effect_that_is_wanted_once_is_stored_once,
    store => {
        let stored = at_once(&store, |store, _| async move { store.enqueue_once("letter", "evt_1", NOW).await.unwrap() }).await;
        assert_eq!(stored.iter().filter(|new| **new).count(), 1);
        assert!(store.enqueue_once("letter", "evt_2", NOW).await.unwrap(), "another payload is another effect");
        let letters = store.claim_outbox(NOW, at(50), 9).await.unwrap();
        assert_eq!(letters.len(), 2);
        store.outbox_done(letters[0].id, at(1)).await.unwrap();
        assert!(!store.enqueue_once("letter", "evt_1", at(2)).await.unwrap(), "it was done");
    }
);

on_both!(
    a_limit_holds_for_tasks_at_once_and_begins_anew,
    store => {
        let allowed = at_once(&store, |store, _| async move { store.hit("mail:ann", 1_000, 3, NOW).await.unwrap() }).await;
        assert_eq!(allowed.iter().filter(|allowed| **allowed).count(), 3);
        assert!(store.hit("mail:bob", 1_000, 3, NOW).await.unwrap());
        assert!(store.hit("mail:ann", 1_000, 3, at(1_000)).await.unwrap());
        assert!(!store.hit("none", 0, 0, NOW).await.unwrap());
        assert_eq!(store.prune(at(1_000)).await.unwrap(), 3);
    }
);

on_both!(
    a_standing_counts_until_it_is_lifted,
    store => {
        let ann = account("ann");
        let news = SiteId::parse("sit_news").unwrap();
        store.create_account(&ann, NOW).await.unwrap();
        for (id, site) in [("here", Some(news.clone())), ("everywhere", None)] {
            let (account, moderator) = (ann.clone(), "moderator".to_owned());
            let standing = Standing { id: event(id), account, site, kind: StandingKind::Ban, reason: "spam".into(), moderator, from: NOW, until: None };
            store.add_standing(&standing).await.unwrap();
        }
        assert_eq!(store.lift_standings(&ann, Some(&news), at(5)).await.unwrap(), 1);
        let all = store.standings_of(&ann).await.unwrap();
        assert_eq!(all.iter().filter(|standing| standing.until == Some(at(5))).count(), 1);
        assert!(all.iter().any(|standing| standing.is_live(&news, at(6))), "the other one counts everywhere");
        assert_eq!(store.lift_standings(&ann, None, at(7)).await.unwrap(), 1);
        assert!(!store.standings_of(&ann).await.unwrap().iter().any(|standing| standing.is_live(&news, at(8))));
    }
);

fn plan(key: &str) -> Plan {
    Plan {
        id: PlanId::parse(&format!("pln_{key}")).unwrap(),
        key: key.to_owned(),
        name: "Ad-free".to_owned(),
        description: String::new(),
        entitlements: Scope::parse("ad_free").unwrap(),
        sites: Sites::All,
        prices: vec![],
    }
}

on_both!(
    plans_are_replaced_as_a_whole,
    store => {
        store.replace_plans(&[plan("a"), plan("b")], NOW).await.unwrap();
        store.replace_plans(&[plan("c"), plan("a")], NOW).await.unwrap();
        assert_eq!(store.plans().await.unwrap(), [plan("c"), plan("a")]);
        assert!(store.replace_plans(&[plan("d"), plan("d")], NOW).await.is_err());
        assert_eq!(store.plans().await.unwrap().len(), 2, "a refused list changes nothing");
    }
);

on_both!(
    what_is_old_is_forgotten_and_what_explains_the_past_is_kept,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        store.create_session(new_session("top", &ann, 1)).await.unwrap();
        let mut child = new_session("child", &ann, 2);
        child.parent = Some(session("top"));
        store.create_session(child).await.unwrap();
        store.end_session(&session("top"), at(1)).await.unwrap();
        let pending = |id: &str| NewEvent {
            id: id.into(), kind: "k".into(), livemode: true, customer: None, object_id: String::new(), raw: vec![],
        };
        store.receive_events(vec![pending("evt_1"), pending("evt_2")], NOW).await.unwrap();
        store.events_done(&["evt_1".into()], at(1)).await.unwrap();
        assert_eq!(store.prune(at(80 * DAY)).await.unwrap(), 0);
        assert_eq!(store.prune(at(91 * DAY)).await.unwrap(), 2, "the done event and the child");
        assert_eq!(store.prune(at(91 * DAY)).await.unwrap(), 1, "then its parent");
        assert!(store.event("evt_2").await.unwrap().is_some(), "what is pending is never forgotten");
        assert!(store.session_by_secret_hash(&hash(1)).await.unwrap().is_none());
    }
);
