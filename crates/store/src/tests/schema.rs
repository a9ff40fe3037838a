use latchkey_entitlement::PriceId;

use super::{NOW, account, empty_stores, event, on_both, stores};
use crate::{Backend, NewAttempt, Store, StoreError};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_empty_database_is_migrated_once_however_many_ask() {
    for fixture in empty_stores().await {
        let before = fixture.store.schema().await.unwrap();
        assert_eq!(before.found, 0);
        assert!(!before.is_current());
        for answer in super::at_once(&fixture.store, |store, _| async move { store.migrate().await }).await {
            answer.unwrap();
        }
        assert!(fixture.store.schema().await.unwrap().is_current());
        fixture.store.ping().await.unwrap();
        fixture.close().await;
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_with_advice() {
    for fixture in stores().await {
        let mut link = fixture.store.write().await.unwrap();
        link.script("INSERT INTO schema_version (version) VALUES (4711)")
            .await
            .unwrap();
        link.commit().await.unwrap();
        for error in [Store::open(&fixture.url).await.map(drop), fixture.store.migrate().await] {
            let error = error.unwrap_err();
            assert!(
                matches!(error, StoreError::NewerSchema { found: 4711, .. }),
                "{error:?}"
            );
            assert!(error.to_string().contains("start the newer program"), "{error}");
        }
        fixture.close().await;
    }
}

#[tokio::test]
async fn a_database_in_memory_works_and_other_urls_are_explained() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    assert_eq!(store.backend(), Backend::Sqlite);
    store.migrate().await.unwrap();
    assert!(store.create_account(&account("a"), NOW).await.unwrap());
    assert!(store.account(&account("a")).await.unwrap().is_some());

    for bad in [
        "",
        "mysql://root:hunter2@db/x",
        "sqlite:",
        "postgres://u:hunter2@h:notaport/x",
    ] {
        let error = Store::open(bad).await.unwrap_err();
        assert!(matches!(error, StoreError::Url { .. }), "{bad}: {error:?}");
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{error:?} shows a password"
        );
    }
    let error = Store::open("sqlite:/no/such/folder/latchkey.db").await.unwrap_err();
    assert!(error.to_string().contains("path"), "{error}");
    let error = Store::open("postgres://u:hunter2@127.0.0.1:1/x").await.unwrap_err();
    assert!(
        error.is_transient() && !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
}

on_both!(
    errors_name_the_constraint_and_no_values,
    store => {
        let nobody = NewAttempt {
            id: event("a"), account: account("secret-person"), nonce_hash: [1; 32], price: PriceId::parse("prc_month").unwrap(),
            site: None, return_to: "/".into(), now: NOW,
        };
        let error = store.create_attempt(nobody).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(matches!(error, StoreError::Driver { .. }) && !shown.contains("secret-person"), "{shown}");
    }
);

on_both!(
    what_was_written_by_another_version_is_named_and_not_guessed,
    store => {
        store.create_account(&account("a"), NOW).await.unwrap();
        let mut link = store.write().await.unwrap();
        link.script("INSERT INTO account_grant (id, account, source, source_ref, entitlements, sites, from_at, because, recorded_at) \
            VALUES ('grt_1', 'acc_a', 'comp', 'x', 'Not A Scope', '*', 0, '', 0)").await.unwrap();
        link.commit().await.unwrap();
        let error = store.grants_of(&account("a")).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Inconsistent { table: "account_grant", column: "entitlements", row } if row == "grt_1"),
            "{error:?}"
        );
    }
);
