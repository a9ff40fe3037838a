use latchkey_entitlement::{AccountId, Grant, GrantId, Scope, Sites, Source, time::DAY};

use super::{NOW, account, at, at_once, grant, on_both};
use crate::{ExternalReader, NewExternal, Proof, PutOutcome, Store};

fn said(reference: &str, reader: ExternalReader, until: i64) -> NewExternal {
    NewExternal {
        source: "app_store".to_owned(),
        reference: reference.to_owned(),
        reader,
        entitlements: Scope::parse("ad_free").unwrap(),
        sites: Sites::All,
        from: None,
        until: Some(at(until)),
        because: "bought in the app".to_owned(),
    }
}

fn email(address: &str) -> ExternalReader {
    ExternalReader::Email(address.to_owned())
}

fn id(name: &str) -> GrantId {
    GrantId::parse(&format!("grt_{name}")).unwrap()
}

async fn live(store: &Store, owner: &AccountId) -> Vec<Grant> {
    store.grants_of(owner).await.unwrap()
}

on_both!(
    the_same_statement_changes_nothing_another_one_takes_its_place_and_one_taken_back_is_gone,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        let by_id = || ExternalReader::Account(ann.clone());
        let (first, kept) = store.put_external(&said("1", by_id(), 9), &id("a"), at(1)).await.unwrap();
        assert_eq!((first, kept.from, &kept.account), (PutOutcome::Created, at(1), &Some(ann.clone())));
        let again = store.put_external(&said("1", by_id(), 9), &id("b"), at(2)).await.unwrap();
        assert_eq!(again, (PutOutcome::Unchanged, kept));
        assert_eq!(live(&store, &ann).await[0].id, id("a"));
        let (longer, _) = store.put_external(&said("1", by_id(), 99), &id("c"), at(3)).await.unwrap();
        assert_eq!(longer, PutOutcome::Replaced);
        let now = live(&store, &ann).await;
        assert_eq!((now.len(), now[0].from, now[0].until), (1, at(1), Some(at(99))));
        assert_eq!((now[0].source, now[0].source_ref.as_str()), (Source::External, "app_store/1"));
        assert!(store.delete_external("app_store", "1", at(4)).await.unwrap());
        assert!(!store.delete_external("app_store", "1", at(5)).await.unwrap());
        assert!(live(&store, &ann).await.is_empty());
        assert!(store.put_external(&said("1", ExternalReader::Account(account("nobody")), 9), &id("d"), at(6)).await.is_err());
    }
);

on_both!(
    a_statement_about_an_address_waits_for_its_first_proof_and_is_given_once,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        store.set_unproven_email(&ann, "ann@example.org", NOW).await.unwrap();
        let (_, kept) = store.put_external(&said("1", email(" Ann@Example.org"), DAY), &id("a"), at(1)).await.unwrap();
        assert_eq!((kept.account, kept.email.as_deref()), (None, Some("ann@example.org")));
        assert!(live(&store, &ann).await.is_empty(), "who typed an address has not proven it");
        assert_eq!(store.unclaimed_external("ann@example.org").await.unwrap().len(), 1);
        let proof = Proof::new(&ann, "ann@example.org");
        store.prove_email(proof, at(2)).await.unwrap();
        store.prove_email(proof, at(3)).await.unwrap();
        assert_eq!(live(&store, &ann).await.len(), 1);
        assert!(store.unclaimed_external("ann@example.org").await.unwrap().is_empty());
        assert_eq!(store.external("app_store", "1").await.unwrap().unwrap().account, Some(ann.clone()));
        // From now on it is given at once, and follows the account that the reader's is merged into.
        store.put_external(&said("2", email("ann@example.org"), DAY), &id("b"), at(4)).await.unwrap();
        assert_eq!(live(&store, &ann).await.len(), 2);
        let other = account("other");
        store.create_account(&other, NOW).await.unwrap();
        store.put_external(&said("3", ExternalReader::Account(other.clone()), DAY), &id("c"), at(5)).await.unwrap();
        store.prove_email(Proof::new(&other, "ann@example.org"), at(6)).await.unwrap();
        assert_eq!((live(&store, &ann).await.len(), live(&store, &other).await.len()), (3, 0));
        let (moved, _) = store.put_external(&said("3", ExternalReader::Account(other), 2 * DAY), &id("d"), at(7)).await.unwrap();
        assert_eq!((moved, live(&store, &ann).await.len()), (PutOutcome::Replaced, 3), "still one grant for one key");
    }
);

on_both!(
    however_statements_and_proofs_meet_each_is_given_once,
    store => {
        for round in 0..20 {
            let ann = account(&format!("ann{round}"));
            store.create_account(&ann, NOW).await.unwrap();
            let address = format!("ann{round}@example.org");
            at_once(&store, |store, index| {
                let (ann, address) = (ann.clone(), address.clone());
                async move {
                    if index == 0 {
                        store.prove_email(Proof::new(&ann, &address), at(2)).await.map(drop)
                    } else {
                        let key = format!("r{round}i{index}");
                        store.put_external(&said(&key, email(&address), DAY), &id(&key), at(2)).await.map(drop)
                    }
                }
            }).await.into_iter().for_each(|done| done.unwrap());
            assert_eq!(live(&store, &ann).await.len(), 7, "round {round}");
            assert!(store.unclaimed_external(&address).await.unwrap().is_empty(), "round {round}");
        }
    }
);

on_both!(
    a_statement_moves_to_another_reader_and_what_was_revoked_by_hand_can_be_said_again,
    store => {
        let (ann, bob) = (account("ann"), account("bob"));
        for who in [&ann, &bob] {
            store.create_account(who, NOW).await.unwrap();
        }
        store.put_external(&said("1", ExternalReader::Account(ann.clone()), DAY), &id("a"), at(1)).await.unwrap();
        store.open_grant(&Grant { source: Source::Comp, ..grant("own", &ann, "desk", 99) }, at(1)).await.unwrap();
        store.put_external(&said("1", ExternalReader::Account(bob.clone()), DAY), &id("b"), at(2)).await.unwrap();
        assert_eq!((live(&store, &ann).await.len(), live(&store, &bob).await.len()), (1, 1));
        assert!(store.close_grant(&id("b"), at(3)).await.unwrap());
        let (again, _) = store.put_external(&said("1", ExternalReader::Account(bob.clone()), DAY), &id("c"), at(4)).await.unwrap();
        assert_eq!((again, live(&store, &bob).await.len()), (PutOutcome::Created, 1));
    }
);
