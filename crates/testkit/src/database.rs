//! A database of a test's own: SQLite always, PostgreSQL where a server for tests is named.

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

use latchkey_store::Store;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

/// A migrated database that is gone when this value is.
pub struct Database {
    url: String,
    place: Place,
}

enum Place {
    /// The folder of the file; deleted with it.
    Sqlite { _folder: TempDir },
    /// A database on the server at `server`.
    Postgres { server: String, name: String },
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// Runs a story on SQLite, and on PostgreSQL if `LATCHKEY_TEST_POSTGRES` names a server on which databases may be made.
///
/// Without one that half is skipped, which is said; in CI it is a failure. The name of the database in use is printed, so that a
/// failing test says on which one it failed.
pub async fn each_database(story: impl AsyncFn(&Database)) {
    let sqlite = Database::sqlite().await;
    eprintln!("on SQLite");
    story(&sqlite).await;
    drop(sqlite);
    if let Some(server) = postgres_server() {
        let postgres = Database::postgres(&server).await;
        eprintln!("on PostgreSQL");
        story(&postgres).await;
    }
}

impl Database {
    /// An SQLite file in a folder of its own.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the database");
        let url = format!("sqlite:{}", folder.path().join("latchkey.db").display());
        let place = Place::Sqlite { _folder: folder };
        Self { url, place }.migrated().await
    }

    /// A new database on the PostgreSQL server at `server`, which is an address of any database there.
    pub async fn postgres(server: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("latchkey_testkit_{}_{number}", std::process::id());
        // The emptiest template: nobody is ever connected to it, so that tests that begin at once do not hinder each other.
        run(server, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        let mut url = url::Url::parse(server).expect("LATCHKEY_TEST_POSTGRES is a URL");
        url.set_path(&name);
        let server = server.to_owned();
        Self {
            url: url.into(),
            place: Place::Postgres { server, name },
        }
        .migrated()
        .await
    }

    async fn migrated(self) -> Self {
        let store = self.open().await;
        store.migrate().await.expect("the database takes the schema");
        store.close().await;
        self
    }

    /// Connects to it, as one server would; several may be connected at once.
    pub async fn open(&self) -> Store {
        Store::open(&self.url).await.expect("the database opens")
    }

    /// Its address, for a server in another process.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// So much time passes that every claim of a dead worker has run out: on a customer, and on an effect of the outbox.
    pub async fn given_claims_ran_out(&self) {
        const RUN_OUT: &str = "UPDATE customer SET lease_until = 0 WHERE lease_until IS NOT NULL; \
            UPDATE outbox_effect SET due_at = 0 WHERE state = 'pending'";
        match &self.place {
            Place::Postgres { .. } => run(&self.url, RUN_OUT).await,
            Place::Sqlite { .. } => {
                let connection = SqliteConnection::connect(&self.url).await;
                let mut connection = connection.expect("the file opens");
                let done = sqlx::raw_sql(RUN_OUT).execute(&mut connection).await;
                done.expect("the file can be written to");
                let _ = connection.close().await;
            }
        }
    }

    /// `SQLite` or `PostgreSQL`.
    pub fn kind(&self) -> &'static str {
        match self.place {
            Place::Sqlite { .. } => "SQLite",
            Place::Postgres { .. } => "PostgreSQL",
        }
    }
}

impl Drop for Database {
    /// Also after a story that failed: a server for tests must not fill up with their databases.
    fn drop(&mut self) {
        let Place::Postgres { server, name } = &self.place else {
            return;
        };
        let (server, command) = (server.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        // A thread, since this one may be running a runtime, which cannot wait for another.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(run(&server, &command));
        });
        if dropping.join().is_err() {
            eprintln!("the database {name} was left behind");
        }
    }
}

async fn run(server: &str, command: &str) {
    let mut connection = PgConnection::connect(server)
        .await
        .expect("the server of LATCHKEY_TEST_POSTGRES answers");
    let result = sqlx::raw_sql(sqlx::AssertSqlSafe(command.to_owned()))
        .execute(&mut connection)
        .await;
    result.unwrap_or_else(|error| panic!("{command}: {error}"));
    let _ = connection.close().await;
}

/// The address in `LATCHKEY_TEST_POSTGRES`. Without one it is said that half of a test is skipped; in CI that is a failure.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where a server is"
)]
pub fn postgres_server() -> Option<String> {
    let server = std::env::var("LATCHKEY_TEST_POSTGRES").ok();
    let server = server.filter(|server| !server.is_empty());
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    assert!(
        server.is_some() || !ci,
        "CI must set LATCHKEY_TEST_POSTGRES: half of this test would not run"
    );
    if server.is_none() {
        eprintln!(
            "SKIPPED ON POSTGRESQL: set LATCHKEY_TEST_POSTGRES=postgres://USER@HOST:PORT/postgres to a server for tests"
        );
    }
    server
}
