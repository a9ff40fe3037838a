use latchkey_entitlement::{RevocationKind, SiteId, Source, Standing, StandingKind};

use super::{NOW, account, at, at_once, commit, event, grant, hash, new_session, on_both, session};
use crate::{
    Account, Matched, NewLogin, NewSession, Proof, ProveOutcome, StoreError, SubscriptionRow, SyncCommit,
    normalise_email,
};

#[test]
fn addresses_are_compared_without_case_and_space_and_impossible_ones_refused() {
    assert_eq!(
        normalise_email("  Ann.Lee@Example.ORG ").unwrap(),
        "ann.lee@example.org"
    );
    for bad in [
        "",
        "ann",
        "@x.org",
        "ann@",
        "a@b@c",
        "a b@c.org",
        "a\0@c.org",
        "<a@c.org>",
        &format!("{}@c.org", "x".repeat(250)),
    ] {
        assert!(
            matches!(normalise_email(bad), Err(StoreError::Invalid { .. })),
            "{bad:?} was accepted"
        );
    }
}

on_both!(
    an_unproven_address_finds_nobody,
    store => {
        let ann = account("ann");
        assert!(store.create_account(&ann, NOW).await.unwrap());
        assert!(!store.create_account(&ann, NOW).await.unwrap());
        assert!(store.set_unproven_email(&ann, "Ann@example.org", NOW).await.unwrap());
        assert!(store.account_by_proven_email("ann@example.org").await.unwrap().is_none());
        assert_eq!(store.prove_email(Proof::new(&ann, "ANN@example.org"), at(1)).await.unwrap(), ProveOutcome::Proven);
        assert_eq!(store.prove_email(Proof::new(&ann, "ann@example.org"), at(2)).await.unwrap(), ProveOutcome::Proven);
        let found = store.account_by_proven_email(" ann@Example.org").await.unwrap().unwrap();
        assert_eq!((found.id, found.email_unproven, found.email_proven_at), (ann, None, Some(at(1))));
        assert_eq!(store.accounts_by_email("AN", 10).await.unwrap().len(), 1);
        assert_eq!(store.accounts_by_email("%", 10).await.unwrap().len(), 0);
        assert_eq!(store.list_accounts(None, 10).await.unwrap().len(), 1);
    }
);

on_both!(
    a_merge_moves_everything_and_keeps_every_grant,
    store => {
        let (old, new) = (account("old"), account("new"));
        for id in [&old, &new] {
            store.create_account(id, NOW).await.unwrap();
        }
        store.prove_email(Proof::new(&old, "ann@example.org"), NOW).await.unwrap();
        store.link_customer("cus_new", &new, false, NOW).await.unwrap();
        store.create_session(new_session("s", &new, 7)).await.unwrap();
        store.add_standing(&Standing {
            id: event("st"), account: new.clone(), site: None, kind: StandingKind::Warning, reason: "r".into(),
            moderator: "m".into(), from: NOW, until: None,
        }).await.unwrap();
        assert!(store.lease_customer("cus_new", "first", NOW, at(1_000)).await.unwrap());
        store.commit_sync(commit("1", "cus_new", "first", &new, vec![grant("sub", &new, "sub_1", 5_000)])).await.unwrap();
        // The same comp on both: neither may be lost.
        for (id, owner) in [("comp1", &old), ("comp2", &new)] {
            let mut comp = grant(id, owner, "desk", 1_000);
            comp.source = Source::Comp;
            assert!(store.open_grant(&comp, at(11)).await.unwrap());
        }
        // A sync under way, and an account that was merged before.
        assert!(store.lease_customer("cus_new", "second", at(20), at(1_000)).await.unwrap());

        let outcome = store.prove_email(Proof::new(&new, "Ann@Example.org"), at(30)).await.unwrap();
        assert_eq!(outcome, ProveOutcome::MergedInto(old.clone()));
        let mut grants: Vec<_> = store.grants_of(&old).await.unwrap();
        grants.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(grants.iter().map(|g| g.id.as_str()).collect::<Vec<_>>(), ["grt_comp1", "grt_comp2", "grt_sub"]);
        assert!(store.grants_of(&new).await.unwrap().is_empty());
        assert_eq!(store.grants_at(&new, at(29)).await.unwrap().len(), 2, "the past stays as it was");
        assert_eq!(store.grants_at(&old, at(29)).await.unwrap().len(), 1);
        assert!(store.sessions_of(&old).await.unwrap().is_empty(), "nobody knows whose they were");
        assert_eq!(store.standings_of(&old).await.unwrap().len(), 1);
        let customer = &store.customers_of(&old).await.unwrap()[0];
        assert_eq!((customer.id.as_str(), customer.dirty_at, customer.lease_owner.as_deref()), ("cus_new", Some(at(30)), None));
        let sleeper = store.commit_sync(commit("2", "cus_new", "second", &new, vec![])).await;
        assert!(matches!(sleeper, Err(StoreError::LeaseLost { .. })), "{sleeper:?}");

        let merged = store.account(&new).await.unwrap().unwrap();
        assert_eq!((merged.merged_into.as_ref(), merged.merged_at), (Some(&old), Some(at(30))));
        let log = &store.merges_into(&old).await.unwrap()[0];
        assert!(log.from == new && log.moved.contains("grt_sub") && log.moved.contains("cus_new"), "{log:?}");
        assert!(!store.set_unproven_email(&new, "x@example.org", at(31)).await.unwrap());
        // Whoever still knows the old name reaches its successor, and the sync after the merge finds its grant.
        assert_eq!(store.prove_email(Proof::new(&new, "ann@example.org"), at(32)).await.unwrap(), ProveOutcome::MergedInto(old.clone()));
        assert!(store.lease_customer("cus_new", "third", at(40), at(1_000)).await.unwrap());
        let again = store.commit_sync(commit("3", "cus_new", "third", &old, vec![grant("x", &old, "sub_1", 5_000)])).await.unwrap();
        assert_eq!((again.unchanged, again.opened.len(), again.closed.len()), (1, 0, 0));
    }
);

on_both!(
    a_payers_claim_comes_before_any_number_of_idle_ones,
    store => {
        let claim = async |name: &str, moment| {
            store.create_account(&account(name), at(moment)).await.unwrap();
            store.set_unproven_email(&account(name), "Ann@example.org", at(moment)).await.unwrap();
        };
        for (name, moment) in [("was", 0), ("payer", 1), ("tried", 2), ("idle", 3), ("later", 4)] {
            claim(name, moment).await;
        }
        let mut comp = grant("comp", &account("payer"), "desk", 1_000);
        comp.source = Source::Comp;
        store.open_grant(&comp, NOW).await.unwrap();
        // A Checkout that was begun makes a customer, and is nothing yet.
        store.link_customer("cus_tried", &account("tried"), false, NOW).await.unwrap();
        store.link_customer("cus_was", &account("was"), false, NOW).await.unwrap();
        assert!(store.lease_customer("cus_was", "first", NOW, at(1_000)).await.unwrap());
        let row = SubscriptionRow { id: "sub_was".into(), status: "canceled".into(), livemode: false, body: "{}".into(), note: None };
        let ended = SyncCommit { mirror: vec![row], ..commit("1", "cus_was", "first", &account("was"), vec![]) };
        store.commit_sync(ended).await.unwrap();
        claim("longer", 5).await;
        store.set_unproven_email(&account("longer"), "ann@example.org.au", at(5)).await.unwrap();
        let named = |accounts: Vec<Account>| accounts.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
        let claims = async |now, most| named(store.claims_of("ann@example.org", now, most).await.unwrap());
        let all = ["payer", "was", "later", "idle", "tried"].map(account);
        assert_eq!(claims(at(10), 9).await, all);
        assert_eq!(claims(at(10), 1).await, all[..1]);
        assert_eq!(claims(at(1_000), 1).await, all[1..2], "what has ended is nothing");
        assert_eq!(named(store.paid_claims_of("ann@example.org", 9).await.unwrap()), ["was", "payer"].map(account));
        store.prove_email(Proof::new(&account("was"), "ann@example.org"), at(6)).await.unwrap();
        store.prove_email(Proof::new(&account("later"), "ann@example.org"), at(7)).await.unwrap();
        assert_eq!(claims(at(10), 9).await, ["payer", "idle", "tried"].map(account));
    }
);

on_both!(
    an_address_that_was_proven_is_never_replaced,
    store => {
        let (ann, tried) = (account("ann"), account("tried"));
        for id in [&ann, &tried] {
            store.create_account(id, NOW).await.unwrap();
        }
        store.prove_email(Proof::new(&ann, "ann@example.org"), NOW).await.unwrap();
        let letter = |id: &str, to: &str, email: &str, link| NewLogin {
            id: event(id), account: account(to), email: email.into(), link_hash: hash(link), code_hash: hash(link + 1),
            browser_hash: hash(link + 2), return_to: "/".into(), now: NOW, expires_at: at(600),
        };
        // A claim to one address, a letter there, and then a claim to Ann's: the letter proves nothing any more.
        store.set_unproven_email(&tried, "a@evil.example", NOW).await.unwrap();
        store.create_login(letter("1", "tried", "a@evil.example", 10)).await.unwrap();
        store.set_unproven_email(&tried, "ann@example.org", at(1)).await.unwrap();
        let outcome = store.prove_email(Proof::new(&tried, "a@evil.example"), at(1)).await.unwrap();
        assert_eq!(outcome, ProveOutcome::Elsewhere);
        // Nor does it survive the merge.
        store.create_login(letter("2", "tried", "b@evil.example", 20)).await.unwrap();
        let claim = Proof { claim: true, ..Proof::new(&tried, "ann@example.org") };
        assert_eq!(store.prove_email(claim, at(2)).await.unwrap(), ProveOutcome::MergedInto(ann.clone()));
        assert!(store.login_by_link(&hash(20), at(3)).await.unwrap().is_none());
        for id in [&tried, &ann] {
            let outcome = store.prove_email(Proof::new(id, "b@evil.example"), at(4)).await.unwrap();
            assert_eq!(outcome, ProveOutcome::Elsewhere);
        }
        assert_eq!(store.account(&ann).await.unwrap().unwrap().email_proven.as_deref(), Some("ann@example.org"));
    }
);

on_both!(
    a_first_proof_shuts_account_pages_and_leaves_sites_where_it_is_known_who_paid,
    store => {
        let (paid, rival) = (0, 1);
        for case in 0..3 {
            let left: &[&str] = if case == paid { &["here", "here_site", "other_site"] } else { &["here", "here_site"] };
            let name = |part: &str| format!("{part}{case}");
            let email = format!("{}@example.org", name("ann"));
            let ann = account(&name("ann"));
            store.create_account(&ann, NOW).await.unwrap();
            store.set_unproven_email(&ann, &email, NOW).await.unwrap();
            let mut seed = 60 * case;
            for top in ["here", "other"] {
                for part in [top.to_owned(), format!("{top}_site")] {
                    seed += 1;
                    let is_site = part != top;
                    let new = NewSession {
                        site: is_site.then(|| SiteId::parse("sit_news").unwrap()),
                        parent: is_site.then(|| session(&name(top))),
                        ..new_session(&name(&part), &ann, seed)
                    };
                    assert!(store.create_session(new).await.unwrap());
                }
            }
            if case != 2 {
                let mut comp = grant(&name("own"), &ann, "desk", 1_000);
                comp.source = Source::Comp;
                store.open_grant(&comp, NOW).await.unwrap();
            }
            if case == rival {
                store.create_account(&account("rival"), NOW).await.unwrap();
                store.set_unproven_email(&account("rival"), &email, NOW).await.unwrap();
                let mut comp = grant("rival", &account("rival"), "desk", 1_000);
                comp.source = Source::Comp;
                store.open_grant(&comp, NOW).await.unwrap();
            }
            let here = session(&name("here"));
            let proof = Proof { here: Some(&here), ..Proof::new(&ann, &email) };
            store.prove_email(proof, at(1)).await.unwrap();
            let mut live: Vec<String> = store.sessions_of(&ann).await.unwrap().iter().map(|one| one.id.to_string()).collect();
            live.sort();
            let wanted: Vec<String> = left.iter().map(|part| session(&name(part)).to_string()).collect();
            assert_eq!(live, wanted, "case {case}");
            let late = NewSession { parent: Some(session(&name("other"))), ..new_session(&name("late"), &ann, seed + 1) };
            assert!(!store.create_session(late).await.unwrap(), "a session that has ended leads nowhere");
        }
        let all = store.revocations_after(0, 20).await.unwrap();
        let void: Vec<_> = all.into_iter().filter(|row| row.kind == RevocationKind::Void).collect();
        assert_eq!(void.iter().map(|row| row.session.clone().unwrap()).collect::<Vec<_>>(), [session("other_site1"), session("other_site2")], "one with a rival, one with nothing");
    }
);

on_both!(
    a_merge_that_brings_something_has_the_passes_of_the_account_renewed,
    store => {
        let (ann, payer) = (account("ann"), account("payer"));
        for id in [&ann, &payer] {
            store.create_account(id, NOW).await.unwrap();
        }
        store.prove_email(Proof::new(&ann, "ann@example.org"), NOW).await.unwrap();
        let on_site = NewSession { site: SiteId::parse("sit_news").ok(), ..new_session("s", &ann, 1) };
        store.create_session(on_site).await.unwrap();
        let mut comp = grant("comp", &payer, "desk", 1_000);
        comp.source = Source::Comp;
        store.open_grant(&comp, NOW).await.unwrap();
        store.add_standing(&Standing {
            id: event("stn"), account: payer.clone(), site: None, kind: StandingKind::Ban, reason: "spam".into(),
            moderator: "m".into(), from: NOW, until: None,
        }).await.unwrap();
        let claim = Proof { claim: true, ..Proof::new(&payer, "ann@example.org") };
        store.prove_email(claim, at(30)).await.unwrap();
        assert!(store.standings_of(&ann).await.unwrap().is_empty(), "whoever merely claimed her address was banned, not she");
        let feed = store.revocations_after(0, 9).await.unwrap();
        assert_eq!(feed.iter().map(|row| (row.kind, row.not_before)).collect::<Vec<_>>(), [(RevocationKind::Renew, at(30).seconds() + 1)]);
        assert_eq!(feed[0].session, Some(session("s")));
    }
);

on_both!(
    a_site_that_is_entered_during_a_merge_does_not_come_along,
    store => {
        let (ann, claim) = (account("ann"), account("claim"));
        for id in [&ann, &claim] {
            store.create_account(id, NOW).await.unwrap();
        }
        store.prove_email(Proof::new(&ann, "ann@example.org"), NOW).await.unwrap();
        store.create_session(new_session("root", &claim, 1)).await.unwrap();
        let entered = at_once(&store, |store, index| async move {
            if index == 3 {
                let claim = account("claim");
                let proof = Proof { claim: true, ..Proof::new(&claim, "ann@example.org") };
                store.prove_email(proof, at(1)).await.unwrap();
                return false;
            }
            let site = NewSession {
                site: SiteId::parse("sit_news").ok(), parent: Some(session("root")),
                ..new_session(&format!("site{index}"), &account("claim"), 100 + index)
            };
            store.create_session(site).await.unwrap()
        }).await;
        assert_eq!(entered.len(), 8);
        for id in [&ann, &claim] {
            assert!(store.sessions_of(id).await.unwrap().is_empty(), "entered: {entered:?}");
        }
        let late = NewSession { parent: Some(session("root")), ..new_session("late", &ann, 200) };
        assert!(!store.create_session(late).await.unwrap());
        assert!(!store.create_session(new_session("late", &claim, 201)).await.unwrap(), "an emptied account has no sessions");
    }
);

on_both!(
    eight_accounts_that_prove_one_address_at_once_become_one,
    store => {
        for index in 0..8 {
            store.create_account(&account(&format!("n{index}")), NOW).await.unwrap();
        }
        let outcomes = at_once(&store, |store, index| async move {
            store.prove_email(Proof::new(&account(&format!("n{index}")), "one@example.org"), at(1)).await
        }).await;
        let mut proven = 0;
        for outcome in outcomes {
            proven += u32::from(outcome.unwrap() == ProveOutcome::Proven);
        }
        assert_eq!(proven, 1);
        let keeper = store.account_by_proven_email("one@example.org").await.unwrap().unwrap().id;
        assert_eq!(store.merges_into(&keeper).await.unwrap().len(), 7);
    }
);

on_both!(
    a_session_is_found_by_its_secret_and_by_the_one_before,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        store.create_session(new_session("s", &ann, 1)).await.unwrap();
        let (found, matched) = store.session_by_secret_hash(&hash(1)).await.unwrap().unwrap();
        assert_eq!((found.generation, matched), (0, Matched::Current));
        assert!(store.rotate_session(&session("s"), 0, &hash(2), at(1)).await.unwrap());
        assert!(store.rotate_session(&session("s"), 0, &hash(2), at(2)).await.unwrap(), "the same again is the same");
        assert!(!store.rotate_session(&session("s"), 0, &hash(3), at(3)).await.unwrap(), "another secret of the same generation");
        assert!(store.session_by_secret_hash(&hash(3)).await.unwrap().is_none());
        let (found, matched) = store.session_by_secret_hash(&hash(1)).await.unwrap().unwrap();
        assert_eq!((found.generation, found.rotated_at, found.presented_at, matched), (1, at(1), None, Matched::Previous));
        store.mark_presented(&session("s"), 1, at(5)).await.unwrap();
        store.mark_presented(&session("s"), 1, at(9)).await.unwrap();
        let (found, matched) = store.session_by_secret_hash(&hash(2)).await.unwrap().unwrap();
        assert_eq!((found.presented_at, matched), (Some(at(5)), Matched::Current));
        store.touch_session(&session("s"), at(7)).await.unwrap();
        store.touch_session(&session("s"), at(6)).await.unwrap();
        assert_eq!(store.session(&session("s")).await.unwrap().unwrap().used_at, at(7));
    }
);

on_both!(
    of_eight_rotations_of_one_generation_one_counts,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        store.create_session(new_session("s", &ann, 100)).await.unwrap();
        let answers = at_once(&store, |store, index| async move {
            store.rotate_session(&session("s"), 0, &hash(index), at(1)).await.unwrap()
        }).await;
        assert_eq!(answers.iter().filter(|won| **won).count(), 1);
        let winner = u8::try_from(answers.iter().position(|won| *won).unwrap()).unwrap();
        assert!(store.session_by_secret_hash(&hash(winner)).await.unwrap().is_some());
    }
);

on_both!(
    a_session_ends_with_those_made_from_it_and_an_ended_one_opens_nothing,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        store.create_session(new_session("top", &ann, 1)).await.unwrap();
        let mut child = new_session("child", &ann, 2);
        child.parent = Some(session("top"));
        store.create_session(child).await.unwrap();
        store.create_session(new_session("other", &ann, 3)).await.unwrap();
        assert_eq!(store.end_session(&session("top"), at(1)).await.unwrap().len(), 2);
        assert_eq!(store.end_session(&session("top"), at(2)).await.unwrap().len(), 0);
        assert!(store.session_by_secret_hash(&hash(2)).await.unwrap().is_none());
        assert!(!store.rotate_session(&session("child"), 0, &hash(9), at(3)).await.unwrap());
        assert_eq!(store.sessions_of(&ann).await.unwrap().len(), 1);
        assert_eq!(store.end_sessions_of(&ann, at(4)).await.unwrap().len(), 1);
        assert_eq!(store.session(&session("top")).await.unwrap().unwrap().ended_at, Some(at(1)));
    }
);
