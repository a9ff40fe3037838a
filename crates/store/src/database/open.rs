//! From `DATABASE_URL` to connections.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Pools, Store};
use crate::StoreError;

/// Connections for reading an SQLite file.
const SQLITE_READERS: u32 = 4;
/// Connections to a PostgreSQL server, for each process.
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long a call waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long SQLite waits for a lock that another process holds, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

impl Store {
    /// Connects to `sqlite:PATH` (made if missing), `sqlite::memory:` (gone when closed), or `postgres://…`.
    ///
    /// Changes nothing in the database: see [`Store::migrate`]. A database of a newer version is refused.
    pub async fn open(database_url: &str) -> Result<Self, StoreError> {
        let scheme = database_url.split(':').next().unwrap_or_default();
        let pools = match scheme {
            "sqlite" => open_sqlite(database_url).await?,
            "postgres" | "postgresql" => open_postgres(database_url).await?,
            _ => {
                return Err(StoreError::Url {
                    what: "write `sqlite:PATH`, `sqlite::memory:` or `postgres://USER:PASSWORD@HOST/DATABASE`"
                        .to_owned(),
                });
            }
        };
        let store = Self { pools, commits: None };
        store.refuse_newer().await?;
        Ok(store)
    }
}

async fn open_sqlite(url: &str) -> Result<Pools, StoreError> {
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))
        .unwrap_or_default();
    if path.is_empty() {
        return Err(StoreError::Url {
            what: "`sqlite:` needs a path, as in `sqlite:latchkey.db`".to_owned(),
        });
    }
    if path == ":memory:" {
        // A database in memory belongs to its connection: there is one, it reads and writes, and it is never replaced.
        let options = common(SqliteConnectOptions::new().in_memory(true));
        let pool = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT);
        let pool = pool
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        return Ok(Pools::Sqlite {
            writer: pool.clone(),
            readers: pool,
        });
    }
    let file = common(SqliteConnectOptions::new().filename(path));
    let write = file
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // The default, NORMAL, may lose the last commits with the power: an acknowledged webhook must not be lost.
        .synchronous(SqliteSynchronous::Full);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT);
    let writer = writer.idle_timeout(None).max_lifetime(None).connect_with(write).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT);
    let readers = readers.connect_with(file.read_only(true)).await?;
    Ok(Pools::Sqlite { writer, readers })
}

fn common(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

async fn open_postgres(url: &str) -> Result<Pools, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::Url {
        what: "it is not of the form `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; odd characters in a password are written as %XX".to_owned(),
    })?;
    let options = options.application_name("latchkey").disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT);
    match pool.connect_with(options).await {
        Ok(pool) => Ok(Pools::Postgres(pool)),
        Err(sqlx::Error::PoolTimedOut) => Err(StoreError::Unavailable {
            what: "no connection to the PostgreSQL server within 10 s; look at host and port, and whether it runs"
                .to_owned(),
        }),
        Err(error) => Err(error.into()),
    }
}
