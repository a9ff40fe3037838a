//! One connection or transaction of either driver.

use std::sync::Arc;

use sqlx::{Postgres, Sqlite, Transaction, pool::PoolConnection};

use super::{row::Row, value::Value};
use crate::{
    StoreError,
    commits::{CommitPlace, Commits},
    error::is_duplicate,
};

pub(crate) struct Link {
    kind: Kind,
    /// Asked when this is committed.
    watch: Option<(Arc<dyn Commits>, CommitPlace)>,
}

pub(crate) enum Kind {
    SqliteRead(PoolConnection<Sqlite>),
    SqliteWrite(Transaction<'static, Sqlite>),
    PostgresRead(PoolConnection<Postgres>),
    PostgresWrite(Transaction<'static, Postgres>),
}

/// A query of one driver with its arguments.
macro_rules! bound {
    ($driver:ty, $sql:expr, $args:expr) => {{
        let mut query = sqlx::query::<$driver>($sql);
        for argument in $args {
            query = match argument {
                Value::Text(text) => query.bind(text.clone()),
                Value::Int(int) => query.bind(*int),
                Value::Bool(bool) => query.bind(*bool),
                Value::Bytes(bytes) => query.bind(bytes.clone()),
            };
        }
        query
    }};
}

impl Link {
    pub(crate) fn reading(kind: Kind) -> Self {
        Self { kind, watch: None }
    }

    pub(crate) fn writing(kind: Kind, watch: Option<(Arc<dyn Commits>, CommitPlace)>) -> Self {
        Self { kind, watch }
    }

    /// Runs a statement and says how many rows it changed.
    pub(crate) async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, StoreError> {
        Ok(self.try_execute(sql, args).await?)
    }

    /// Like [`Link::execute`], but a unique index that already has the value is `None`. On PostgreSQL the transaction is lost then.
    pub(crate) async fn execute_unless_duplicate(
        &mut self,
        sql: &'static str,
        args: &[Value],
    ) -> Result<Option<u64>, StoreError> {
        match self.try_execute(sql, args).await {
            Ok(changed) => Ok(Some(changed)),
            Err(error) if is_duplicate(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn try_execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, sqlx::Error> {
        match &mut self.kind {
            Kind::SqliteRead(c) => Ok(bound!(Sqlite, sql, args).execute(&mut **c).await?.rows_affected()),
            Kind::SqliteWrite(c) => Ok(bound!(Sqlite, sql, args).execute(&mut **c).await?.rows_affected()),
            Kind::PostgresRead(c) => Ok(bound!(Postgres, sql, args).execute(&mut **c).await?.rows_affected()),
            Kind::PostgresWrite(c) => Ok(bound!(Postgres, sql, args).execute(&mut **c).await?.rows_affected()),
        }
    }

    /// All rows of a statement. Statements that may answer with many have a LIMIT.
    pub(crate) async fn rows(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        Ok(match &mut self.kind {
            Kind::SqliteRead(c) => wrap(bound!(Sqlite, sql, args).fetch_all(&mut **c).await?, Row::Sqlite),
            Kind::SqliteWrite(c) => wrap(bound!(Sqlite, sql, args).fetch_all(&mut **c).await?, Row::Sqlite),
            Kind::PostgresRead(c) => wrap(bound!(Postgres, sql, args).fetch_all(&mut **c).await?, Row::Postgres),
            Kind::PostgresWrite(c) => wrap(bound!(Postgres, sql, args).fetch_all(&mut **c).await?, Row::Postgres),
        })
    }

    /// The first row, if there is one.
    pub(crate) async fn row(&mut self, sql: &'static str, args: &[Value]) -> Result<Option<Row>, StoreError> {
        // All rows are fetched: a statement that is left half-way keeps SQLite's transaction open.
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// The first row of a statement that always has one.
    pub(crate) async fn one(&mut self, sql: &'static str, args: &[Value]) -> Result<Row, StoreError> {
        self.row(sql, args)
            .await?
            .ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// Whether the statement has a row.
    pub(crate) async fn any(&mut self, sql: &'static str, args: &[Value]) -> Result<bool, StoreError> {
        Ok(self.row(sql, args).await?.is_some())
    }

    /// Runs several statements, without arguments.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        let _changed = match &mut self.kind {
            Kind::SqliteRead(c) => sqlx::raw_sql(sql).execute(&mut **c).await?.rows_affected(),
            Kind::SqliteWrite(c) => sqlx::raw_sql(sql).execute(&mut **c).await?.rows_affected(),
            Kind::PostgresRead(c) => sqlx::raw_sql(sql).execute(&mut **c).await?.rows_affected(),
            Kind::PostgresWrite(c) => sqlx::raw_sql(sql).execute(&mut **c).await?.rows_affected(),
        };
        Ok(())
    }

    /// Asks the driver to parse and check a statement.
    #[cfg(test)]
    pub(crate) async fn prepare(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        use sqlx::{Executor as _, SqlSafeStr as _};
        match &mut self.kind {
            Kind::SqliteRead(c) => drop((&mut **c).prepare(sql.into_sql_str()).await?),
            Kind::SqliteWrite(c) => drop((&mut **c).prepare(sql.into_sql_str()).await?),
            Kind::PostgresRead(c) => drop((&mut **c).prepare(sql.into_sql_str()).await?),
            Kind::PostgresWrite(c) => drop((&mut **c).prepare(sql.into_sql_str()).await?),
        }
        Ok(())
    }

    /// Makes what was written durable and visible.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        if let Some((commits, place)) = &self.watch {
            commits.before(*place).await?;
        }
        match self.kind {
            Kind::SqliteWrite(transaction) => transaction.commit().await?,
            Kind::PostgresWrite(transaction) => transaction.commit().await?,
            Kind::SqliteRead(_) | Kind::PostgresRead(_) => {}
        }
        if let Some((commits, place)) = &self.watch {
            commits.after(*place).await?;
        }
        Ok(())
    }
}

fn wrap<R>(rows: Vec<R>, row: impl Fn(R) -> Row) -> Vec<Row> {
    rows.into_iter().map(row).collect()
}
