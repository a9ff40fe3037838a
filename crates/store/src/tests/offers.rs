use latchkey_billing::{ChangePreview, CheckoutTerms, Interval, Offer, PriceChange, Quote};
use latchkey_entitlement::{PriceId, time::DAY};

use super::{NOW, account, at, commit, event, on_both};
use crate::{PriceChangeRow, Proof, Store, SyncCommit, TrialUse};

fn offer(amount_minor: i64) -> Offer {
    Offer {
        price: PriceId::parse("prc_1").unwrap(),
        stripe_price: "price_1".to_owned(),
        checkout: CheckoutTerms::default(),
        quote: Quote {
            currency: "eur".parse().unwrap(),
            interval: Interval::Month,
            interval_count: 1,
            today_minor: amount_minor,
            trial: None,
            first_payment: NOW,
            reduced: None,
            regular_minor: amount_minor,
        },
        statement: Some("I study.".to_owned()),
    }
}

/// A sync of `cus_NAME`, the customer of an account, that says more.
async fn synced(store: &Store, name: &str, say: impl FnOnce(&mut SyncCommit)) {
    let (customer, owner) = (format!("cus_{name}"), account(name));
    store.create_account(&owner, NOW).await.unwrap();
    store.link_customer(&customer, &owner, false, NOW).await.unwrap();
    let lease = format!("lease-{name}");
    assert!(store.lease_customer(&customer, &lease, NOW, at(1_000)).await.unwrap());
    let mut sync = commit(name, &customer, &lease, &owner, vec![]);
    say(&mut sync);
    store.commit_sync(sync).await.unwrap();
}

on_both!(
    an_offer_is_kept_once_and_outlives_its_attempt_if_it_was_accepted,
    store => {
        let ada = account("ada");
        store.create_account(&ada, NOW).await.unwrap();
        store.keep_offer(&event("taken"), &ada, &offer(500), None, NOW).await.unwrap();
        store.keep_offer(&event("taken"), &ada, &offer(900), None, at(1)).await.unwrap();
        store.keep_offer(&event("left"), &ada, &offer(500), None, NOW).await.unwrap();
        store.keep_offer(&event("later"), &ada, &offer(700), Some("sub_1"), at(2)).await.unwrap();
        let kept = store.offer(&event("taken")).await.unwrap().unwrap();
        assert_eq!((kept.offer, kept.accepted_at), (offer(500), None));
        synced(&store, "ada", |sync| sync.offers = vec![(event("taken"), "sub_1".to_owned())]).await;
        let of_subscription = store.offers_of(Some("evt_taken"), "sub_1").await.unwrap();
        let ids: Vec<_> = of_subscription.iter().map(|row| row.id.clone()).collect();
        assert_eq!(ids, [event("later"), event("taken")]);
        assert_eq!(of_subscription[1].accepted_at, Some(at(10)));
        assert!(store.offers_of(None, "sub_2").await.unwrap().is_empty());
        store.prune(NOW.plus(400 * DAY)).await.unwrap();
        assert!(store.offer(&event("left")).await.unwrap().is_none());
        assert!(store.offer(&event("taken")).await.unwrap().is_some());
    }
);

on_both!(
    a_trial_is_remembered_by_account_and_proven_address_over_merges,
    store => {
        let (ada, other) = (account("ada"), account("other"));
        let trial = || vec![TrialUse { subscription: "sub_1".to_owned(), started_at: NOW }];
        synced(&store, "ada", |sync| sync.trials = trial()).await;
        let had = async |account: &_, email| store.had_trial(account, email, false).await.unwrap();
        store.create_account(&other, NOW).await.unwrap();
        assert!(had(&ada, None).await && !had(&other, Some("ada@example.org")).await);
        // Read again after the address was confirmed, it is the address's too.
        store.prove_email(Proof::new(&ada, "ada@example.org"), at(20)).await.unwrap();
        assert!(store.lease_customer("cus_ada", "again", at(20), at(2_000)).await.unwrap());
        let again = SyncCommit { trials: trial(), ..commit("again", "cus_ada", "again", &ada, vec![]) };
        store.commit_sync(again).await.unwrap();
        assert!(had(&other, Some("ada@example.org")).await && !had(&other, Some("bob@example.org")).await);
        assert!(!store.had_trial(&ada, Some("ada@example.org"), true).await.unwrap(), "live and test mode apart");
        // An account that had one without an address, and is merged into another.
        let trial = || vec![TrialUse { subscription: "sub_2".to_owned(), started_at: NOW }];
        synced(&store, "eve", |sync| sync.trials = trial()).await;
        store.prove_email(Proof::new(&other, "bob@example.org"), at(30)).await.unwrap();
        assert!(!had(&other, Some("bob@example.org")).await);
        store.prove_email(Proof::new(&account("eve"), "bob@example.org"), at(31)).await.unwrap();
        assert!(had(&other, Some("bob@example.org")).await);
    }
);

on_both!(
    a_change_of_price_is_its_accounts_and_confirmed_once,
    store => {
        let (ada, bob) = (account("ada"), account("bob"));
        for one in [&ada, &bob] {
            store.create_account(one, NOW).await.unwrap();
        }
        let row = PriceChangeRow {
            id: event("change"),
            account: ada.clone(),
            change: PriceChange {
                subscription: "sub_1".to_owned(),
                customer: "cus_1".to_owned(),
                item: "si_1".to_owned(),
                price: "price_2".to_owned(),
                proration_date: NOW,
            },
            preview: ChangePreview { currency: "eur".to_owned(), due_minor: 500, credit_minor: 0, renews_at: at(1) },
            offer: offer(900),
            created_at: NOW,
        };
        store.keep_price_change(&row).await.unwrap();
        assert_eq!(store.price_change(&row.id, &ada).await.unwrap(), Some(row.clone()));
        assert_eq!(store.price_change(&row.id, &bob).await.unwrap(), None);
        assert!(store.confirm_price_change(&row.id, at(1)).await.unwrap());
        assert!(!store.confirm_price_change(&row.id, at(2)).await.unwrap());
    }
);
