use latchkey_entitlement::{PriceId, SiteId};

use super::{NOW, account, at, at_once, event, hash, new_session, on_both, session};
use crate::{CodeOutcome, NewAttempt, NewEnterCode, NewLogin, NewSession, Proof, Store};

async fn login(store: &Store, id: &str, email: &str, seed: u8, now: i64) {
    let (link_hash, code_hash, browser_hash) = (hash(seed), hash(seed + 1), hash(seed + 2));
    store
        .create_login(NewLogin {
            id: event(id),
            account: account("ann"),
            email: email.to_owned(),
            link_hash,
            code_hash,
            browser_hash,
            return_to: "/".to_owned(),
            now: at(now),
            expires_at: at(now + 600),
        })
        .await
        .unwrap();
}

on_both!(
    a_link_is_used_once_however_many_click,
    store => {
        store.create_account(&account("ann"), NOW).await.unwrap();
        login(&store, "1", "Ann@example.org", 10, 0).await;
        assert_eq!(store.login_by_link(&hash(10), at(1)).await.unwrap().unwrap().email, "ann@example.org");
        assert!(store.consume_login_link(&hash(10), at(600)).await.unwrap().is_none(), "out of time");
        let used = at_once(&store, |store, _| async move { store.consume_login_link(&hash(10), at(2)).await.unwrap() }).await;
        assert_eq!(used.iter().flatten().count(), 1);
        assert!(store.login_by_link(&hash(10), at(3)).await.unwrap().is_none());
    }
);

on_both!(
    only_the_newest_login_of_a_browser_counts,
    store => {
        store.create_account(&account("ann"), NOW).await.unwrap();
        let of = |id: &str, link, browser_hash, now| NewLogin {
            id: event(id), account: account("ann"), email: "ann@example.org".into(), link_hash: hash(link), code_hash: hash(link + 1),
            browser_hash, return_to: "/".into(), now: at(now), expires_at: at(600),
        };
        store.create_login(of("1", 10, hash(1), 0)).await.unwrap();
        store.create_login(of("2", 20, hash(2), 1)).await.unwrap();
        store.create_login(of("3", 30, hash(1), 2)).await.unwrap();
        assert!(store.consume_login_link(&hash(10), at(3)).await.unwrap().is_none(), "she asked again");
        assert!(store.consume_login_link(&hash(20), at(3)).await.unwrap().is_some(), "another browser does not end it");
        assert_eq!(store.try_login_code(&hash(1), &hash(11), at(3), 5).await.unwrap(), CodeOutcome::Wrong { left: 4 });
        assert!(matches!(store.try_login_code(&hash(1), &hash(31), at(3), 5).await.unwrap(), CodeOutcome::Accepted(_)));
    }
);

on_both!(
    a_code_works_in_its_browser_for_so_many_tries,
    store => {
        store.create_account(&account("ann"), NOW).await.unwrap();
        login(&store, "1", "ann@example.org", 10, 0).await;
        assert_eq!(store.try_login_code(&hash(99), &hash(11), at(1), 5).await.unwrap(), CodeOutcome::Spent);
        assert_eq!(store.try_login_code(&hash(12), &hash(50), at(1), 2).await.unwrap(), CodeOutcome::Wrong { left: 1 });
        assert_eq!(store.try_login_code(&hash(12), &hash(50), at(1), 2).await.unwrap(), CodeOutcome::Wrong { left: 0 });
        assert_eq!(store.try_login_code(&hash(12), &hash(11), at(1), 2).await.unwrap(), CodeOutcome::Spent);
        assert!(store.login_by_link(&hash(10), at(1)).await.unwrap().is_some(), "the link still works");
        let right = store.try_login_code(&hash(12), &hash(11), at(1), 3).await.unwrap();
        assert!(matches!(right, CodeOutcome::Accepted(_)), "{right:?}");
        assert!(store.consume_login_link(&hash(10), at(2)).await.unwrap().is_none(), "and is used up with the code");
    }
);

on_both!(
    eight_tries_at_once_are_eight_tries,
    store => {
        store.create_account(&account("ann"), NOW).await.unwrap();
        login(&store, "1", "ann@example.org", 10, 0).await;
        let tries = at_once(&store, |store, index| async move {
            store.try_login_code(&hash(12), &hash(100 + index), at(1), 5).await.unwrap()
        }).await;
        assert_eq!(tries.iter().filter(|outcome| **outcome == CodeOutcome::Spent).count(), 3, "{tries:?}");

        login(&store, "2", "ann@example.org", 20, 2).await;
        let tries = at_once(&store, |store, _| async move { store.try_login_code(&hash(22), &hash(21), at(3), 5).await.unwrap() }).await;
        assert_eq!(tries.iter().filter(|outcome| matches!(outcome, CodeOutcome::Accepted(_))).count(), 1, "{tries:?}");
    }
);

on_both!(
    eight_logins_of_one_browser_at_once_leave_one_that_counts,
    store => {
        store.create_account(&account("ann"), NOW).await.unwrap();
        at_once(&store, |store, index| async move {
            // Under contention a request may be told to come again; it must not leave two that count.
            let login = NewLogin {
                id: event(&format!("l{index}")), account: account("ann"), email: "ann@example.org".into(), link_hash: hash(index),
                code_hash: hash(50), browser_hash: hash(60), return_to: "/".into(), now: at(1), expires_at: at(600),
            };
            match store.create_login(login).await {
                Ok(()) => {}
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
        }).await;
        let mut live = 0;
        for index in 0..8 {
            live += u32::from(store.login_by_link(&hash(index), at(2)).await.unwrap().is_some());
        }
        assert_eq!(live, 1);
    }
);

on_both!(
    an_enter_code_is_bound_to_host_nonce_and_a_live_session_and_used_once,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        store.create_session(new_session("s", &ann, 1)).await.unwrap();
        let new = |code: u8| NewEnterCode {
            code_hash: hash(code), account_session: session("s"), account: account("ann"), site: SiteId::parse("sit_news").unwrap(),
            host: "news.localhost:8080".into(), nonce_hash: hash(40), now: NOW, expires_at: at(60),
        };
        store.create_enter_code(new(30)).await.unwrap();
        assert!(store.consume_enter_code(&hash(30), "evil.localhost", &hash(40), at(1)).await.unwrap().is_none());
        assert!(store.consume_enter_code(&hash(30), "news.localhost:8080", &hash(41), at(1)).await.unwrap().is_none());
        assert!(store.consume_enter_code(&hash(30), "news.localhost:8080", &hash(40), at(60)).await.unwrap().is_none());
        let used = at_once(&store, |store, _| async move {
            store.consume_enter_code(&hash(30), "news.localhost:8080", &hash(40), at(1)).await.unwrap()
        }).await;
        assert_eq!(used.iter().flatten().count(), 1);
        assert_eq!(used.iter().flatten().next().unwrap().account, ann);

        store.create_enter_code(new(31)).await.unwrap();
        store.end_session(&session("s"), at(2)).await.unwrap();
        assert!(store.consume_enter_code(&hash(31), "news.localhost:8080", &hash(40), at(3)).await.unwrap().is_none());
        assert!(store.create_enter_code(new(32)).await.is_err());
    }
);

on_both!(
    a_paid_attempt_signs_in_its_browser_once_within_its_time,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        for (id, nonce) in [("a", 1), ("b", 2)] {
            let price = PriceId::parse("prc_month").unwrap();
            let (account, nonce_hash) = (ann.clone(), hash(nonce));
            store.create_attempt(NewAttempt { id: event(id), account, nonce_hash, price, site: None, return_to: "/x".into(), now: NOW })
                .await.unwrap();
        }
        assert!(store.attach_stripe_session(&event("a"), "cs_1").await.unwrap());
        assert!(store.attach_stripe_session(&event("a"), "cs_1").await.unwrap());
        assert!(!store.attach_stripe_session(&event("a"), "cs_2").await.unwrap());
        assert_eq!(store.attempt_by_stripe_session("cs_1").await.unwrap().unwrap().id, event("a"));
        assert_eq!(store.open_attempts(&ann).await.unwrap().len(), 1);
        let sign_in = async |store: &Store, nonce, now, seed: u8| {
            let new = NewSession { now, ..new_session(&format!("s{seed}"), &account("ann"), seed) };
            store.sign_in_by_attempt(&event("a"), &hash(nonce), &new, 100).await.unwrap()
        };
        assert!(!sign_in(&store, 1, at(1), 50).await, "not paid yet");
        let completed = at_once(&store, |store, _| async move { store.complete_attempt(&event("a"), at(1)).await.unwrap() }).await;
        assert_eq!(completed.iter().filter(|first| **first).count(), 1);
        assert!(!sign_in(&store, 2, at(1), 51).await, "another browser");
        assert!(!sign_in(&store, 1, at(101), 52).await, "too late");
        let used = at_once(&store, |store, index| async move { sign_in(&store, 1, at(100), 60 + index).await }).await;
        assert_eq!(used.iter().filter(|won| **won).count(), 1);
        assert_eq!(store.sessions_of(&ann).await.unwrap().len(), 1);

        // The owner of the address proves it while the payer of another attempt is on the way back.
        assert!(store.attach_stripe_session(&event("b"), "cs_3").await.unwrap());
        store.complete_attempt(&event("b"), at(1)).await.unwrap();
        store.prove_email(Proof::new(&ann, "ann@example.org"), at(2)).await.unwrap();
        let price = PriceId::parse("prc_month").unwrap();
        let late = NewAttempt { id: event("c"), account: ann.clone(), nonce_hash: hash(3), price, site: None, return_to: "/x".into(), now: at(3) };
        store.create_attempt(late).await.unwrap();
        store.complete_attempt(&event("c"), at(4)).await.unwrap();
        for (id, nonce) in [("b", 2), ("c", 3)] {
            let new = new_session("late", &ann, 90);
            assert!(!store.sign_in_by_attempt(&event(id), &hash(nonce), &new, 100_000).await.unwrap(), "{id}");
        }
        assert!(store.open_attempts(&ann).await.unwrap().is_empty());
    }
);
