//! One SQL text, two drivers.
//!
//! [`Store`] holds the pools, [`Link`] is one connection or transaction of either driver, [`value`] what goes in, [`row`]
//! what comes out, and [`many`] one statement with many rows. Every other file has only SQL that both databases accept. The exceptions, all in this module: how a write
//! transaction begins, SQLite's pragmas, and the lock around a migration.

pub(crate) mod link;
pub(crate) mod many;
mod open;
pub(crate) mod row;
pub(crate) mod value;

use std::{panic::Location, sync::Arc};

use sqlx::{PgPool, SqlitePool};

use crate::{
    StoreError,
    commits::{CommitPlace, Commits},
};
use link::{Kind, Link};

/// Which database is behind a [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file, or memory.
    Sqlite,
    /// A server.
    Postgres,
}

#[derive(Clone)]
pub(crate) enum Pools {
    /// One writer: no busy errors, and faster than several. Readers cannot write at all.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    /// One pool for both.
    Postgres(PgPool),
}

/// Everything Latchkey keeps. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) pools: Pools,
    pub(crate) commits: Option<Arc<dyn Commits>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("backend", &self.backend())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Which database this is.
    pub fn backend(&self) -> Backend {
        match self.pools {
            Pools::Sqlite { .. } => Backend::Sqlite,
            Pools::Postgres(_) => Backend::Postgres,
        }
    }

    /// A connection for reading. On SQLite it cannot write, and must be given back before this task asks for another one: a
    /// database in memory has a single connection.
    pub(crate) async fn read(&self) -> Result<Link, StoreError> {
        Ok(Link::reading(match &self.pools {
            Pools::Sqlite { readers, .. } => Kind::SqliteRead(readers.acquire().await?),
            Pools::Postgres(pool) => Kind::PostgresRead(pool.acquire().await?),
        }))
    }

    /// A transaction that may write; undone unless it is committed.
    ///
    /// On SQLite it is the only one. On PostgreSQL the isolation is READ COMMITTED: what must not be decided twice is decided by
    /// an `UPDATE … WHERE … RETURNING`, which waits for the row and looks at it again, or by a unique index.
    #[track_caller]
    pub(crate) fn write(&self) -> impl Future<Output = Result<Link, StoreError>> + Send + '_ {
        let place = CommitPlace(Location::caller());
        async move {
            let kind = match &self.pools {
                Pools::Sqlite { writer, .. } => Kind::SqliteWrite(writer.begin_with("BEGIN IMMEDIATE").await?),
                Pools::Postgres(pool) => Kind::PostgresWrite(pool.begin().await?),
            };
            let watch = self.commits.as_ref().map(|commits| (Arc::clone(commits), place));
            Ok(Link::writing(kind, watch))
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read().await?.rows(PING, &[]).await.map(drop)
    }

    /// Closes all connections, after what is under way has ended. The store cannot be used any more.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

crate::statements! {
    PING = "SELECT 1 AS one";
}
