//! What the database can do by itself: the bytes of the same events, in groups, with nothing around them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{
    Connection, PgConnection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::deliveries::Events;

/// Most rows of one transaction, as in Latchkey's inbox.
const MAX_GROUP: usize = 256;

/// A table with the id and the bytes of events.
#[derive(Debug)]
pub enum Raw {
    /// In a file, as durable as Latchkey's own.
    Sqlite(SqliteConnection),
    /// On a server.
    Postgres(PgConnection),
}

impl Raw {
    /// A file in `folder`.
    pub async fn sqlite(folder: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(folder.join("raw.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::query("CREATE TABLE raw (id TEXT PRIMARY KEY, body BYTEA NOT NULL)")
            .execute(&mut connection)
            .await?;
        Ok(Self::Sqlite(connection))
    }

    /// A table of its own beside Latchkey's.
    pub async fn postgres(url: &str) -> anyhow::Result<Self> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query("CREATE TABLE raw (id TEXT PRIMARY KEY, body BYTEA NOT NULL)")
            .execute(&mut connection)
            .await?;
        Ok(Self::Postgres(connection))
    }

    /// Rows a second, one transaction after the other, each with as many rows as `connections` can have waiting.
    pub async fn per_second(&mut self, events: &Events, connections: usize, time: Duration) -> anyhow::Result<f64> {
        let (begun, mut rows) = (Instant::now(), 0_u32);
        while begun.elapsed() < time {
            let group: Vec<(String, String)> = (0..connections.min(MAX_GROUP)).map(|_| events.next()).collect();
            rows = rows.saturating_add(u32::try_from(group.len())?);
            self.insert(group).await?;
        }
        Ok(f64::from(rows) / begun.elapsed().as_secs_f64())
    }

    async fn insert(&mut self, group: Vec<(String, String)>) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(connection) => {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                for (id, body) in group {
                    sqlx::query("INSERT INTO raw (id, body) VALUES ($1, $2)")
                        .bind(id)
                        .bind(body.into_bytes())
                        .execute(&mut *transaction)
                        .await?;
                }
                transaction.commit().await?;
            }
            Self::Postgres(connection) => {
                let (ids, bodies): (Vec<String>, Vec<Vec<u8>>) =
                    group.into_iter().map(|(id, body)| (id, body.into_bytes())).unzip();
                sqlx::query("INSERT INTO raw (id, body) SELECT * FROM unnest($1::TEXT[], $2::BYTEA[])")
                    .bind(ids)
                    .bind(bodies)
                    .execute(connection)
                    .await?;
            }
        }
        Ok(())
    }
}
