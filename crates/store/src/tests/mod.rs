//! Every behaviour on both databases.
//!
//! SQLite always runs, on a file of its own. PostgreSQL runs where `LATCHKEY_TEST_POSTGRES` names a server on which the tests may
//! create databases; in CI it must.

mod doubles;
mod external;
mod history;
mod inbox;
mod offers;
mod people;
mod queue;
mod rest;
mod schema;
mod signing_in;
mod statements;
mod syncing;

use std::sync::atomic::{AtomicU32, Ordering};

use latchkey_entitlement::{AccountId, EventId, Grant, GrantId, Scope, SessionId, Sites, Source, Timestamp};
use sqlx::{Connection as _, PgConnection};

use crate::{Hash, NewSession, Store, SyncCommit};

/// An arbitrary present.
const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn at(millis: i64) -> Timestamp {
    NOW.plus(millis)
}

fn account(name: &str) -> AccountId {
    AccountId::parse(&format!("acc_{name}")).unwrap()
}

fn session(name: &str) -> SessionId {
    SessionId::parse(&format!("ses_{name}")).unwrap()
}

fn event(name: &str) -> EventId {
    EventId::parse(&format!("evt_{name}")).unwrap()
}

fn hash(seed: u8) -> Hash {
    [seed; 32]
}

fn grant(id: &str, owner: &AccountId, source_ref: &str, until: i64) -> Grant {
    Grant {
        id: GrantId::parse(&format!("grt_{id}")).unwrap(),
        account: owner.clone(),
        source: Source::Subscription,
        source_ref: source_ref.to_owned(),
        entitlements: Scope::parse("ad_free comments").unwrap(),
        sites: Sites::All,
        from: NOW,
        until: Some(at(until)),
        because: "paid until then".to_owned(),
        bought: None,
    }
}

fn new_session(id: &str, owner: &AccountId, secret: u8) -> NewSession {
    let (id, account) = (session(id), owner.clone());
    NewSession {
        id,
        account,
        site: None,
        parent: None,
        secret_hash: hash(secret),
        label: "Firefox".to_owned(),
        now: NOW,
    }
}

fn commit(id: &str, customer: &str, owner: &str, account: &AccountId, wanted: Vec<Grant>) -> SyncCommit {
    SyncCommit {
        sync_id: event(id),
        customer: customer.to_owned(),
        owner: owner.to_owned(),
        account: account.clone(),
        livemode: false,
        started_at: NOW,
        now: at(10),
        wanted,
        events_done: vec![],
        mirror: vec![],
        alerts: vec![],
        invoices: vec![],
        notices: vec![],
        effects: vec![],
        deleted: false,
        offers: vec![],
        trials: vec![],
    }
}

/// A migrated store of its own.
struct Fixture {
    store: Store,
    url: String,
    cleanup: Cleanup,
}

enum Cleanup {
    Folder(tempfile::TempDir),
    Database { server: String, name: String },
}

impl Fixture {
    async fn close(self) {
        self.store.close().await;
        match self.cleanup {
            Cleanup::Folder(folder) => folder.close().unwrap(),
            Cleanup::Database { server, name } => {
                let mut server = PgConnection::connect(&server).await.unwrap();
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
                    .execute(&mut server)
                    .await
                    .unwrap();
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where a server is"
)]
fn postgres_url() -> Option<String> {
    let url = std::env::var("LATCHKEY_TEST_POSTGRES")
        .ok()
        .filter(|url| !url.is_empty());
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    assert!(
        url.is_some() || !ci,
        "CI must set LATCHKEY_TEST_POSTGRES: half of these tests would not run"
    );
    if url.is_none() {
        eprintln!(
            "SKIPPED ON POSTGRESQL: set LATCHKEY_TEST_POSTGRES=postgres://USER@HOST:PORT/postgres to a server for tests"
        );
    }
    url
}

async fn empty_stores() -> Vec<Fixture> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("latchkey.db").display());
    let store = Store::open(&url).await.unwrap();
    let mut fixtures = vec![Fixture {
        store,
        url,
        cleanup: Cleanup::Folder(folder),
    }];
    if let Some(server) = postgres_url() {
        let name = format!(
            "latchkey_test_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let create = format!("CREATE DATABASE {name} TEMPLATE template0");
        sqlx::raw_sql(sqlx::AssertSqlSafe(create))
            .execute(&mut connection)
            .await
            .unwrap();
        let (host, _) = server.rsplit_once('/').unwrap();
        let url = format!("{host}/{name}");
        let store = Store::open(&url).await.unwrap();
        fixtures.push(Fixture {
            store,
            url,
            cleanup: Cleanup::Database { server, name },
        });
    }
    fixtures
}

/// A migrated store on each database.
async fn stores() -> Vec<Fixture> {
    let fixtures = empty_stores().await;
    for fixture in &fixtures {
        fixture.store.migrate().await.unwrap();
    }
    fixtures
}

/// Runs `call` in eight tasks that start together; what each said.
async fn at_once<T, F>(store: &Store, call: impl Fn(Store, u8) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(8));
    let tasks: Vec<_> = (0..8)
        .map(|index| {
            let (call, barrier) = (call(store.clone(), index), std::sync::Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                call.await
            })
        })
        .collect();
    let mut answers = vec![];
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// A test body that runs on every database.
macro_rules! on_both {
    ($(#[$doc:meta])* $name:ident, $store:ident => $body:block) => {
        $(#[$doc])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            for fixture in $crate::tests::stores().await {
                let $store = fixture.store.clone();
                $body
                fixture.close().await;
            }
        }
    };
}
use on_both;
