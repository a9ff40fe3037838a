//! What comes out of a statement.

use std::str::FromStr;

use latchkey_entitlement::Timestamp;
use sqlx::{Row as _, postgres::PgRow, sqlite::SqliteRow};

use crate::StoreError;

pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! get {
    ($($(#[$doc:meta])* $name:ident -> $type:ty;)*) => { $(
        $(#[$doc])*
        pub(crate) fn $name(&self, column: &'static str) -> Result<$type, StoreError> {
            Ok(match self {
                Self::Sqlite(row) => row.try_get(column)?,
                Self::Postgres(row) => row.try_get(column)?,
            })
        }
    )* };
}

impl Row {
    get! {
        text -> String;
        maybe_text -> Option<String>;
        int -> i64;
        maybe_int -> Option<i64>;
        bool -> bool;
        maybe_bool -> Option<bool>;
        bytes -> Vec<u8>;
    }

    pub(crate) fn moment(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp)
    }

    pub(crate) fn maybe_moment(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.maybe_int(column)?.map(Timestamp))
    }

    /// A column that holds a word or an id.
    pub(crate) fn parsed<T: FromStr>(&self, table: &'static str, column: &'static str) -> Result<T, StoreError> {
        self.word(table, column, |word| word.parse().ok())
    }

    pub(crate) fn maybe_parsed<T: FromStr>(
        &self,
        table: &'static str,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        match self.maybe_text(column)? {
            Some(word) => word.parse().map(Some).map_err(|_| self.inconsistent(table, column)),
            None => Ok(None),
        }
    }

    pub(crate) fn word<T>(
        &self,
        table: &'static str,
        column: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        read(&self.text(column)?).ok_or_else(|| self.inconsistent(table, column))
    }

    /// A count, which is never negative.
    pub(crate) fn count<T: TryFrom<i64>>(&self, table: &'static str, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.int(column)?).map_err(|_| self.inconsistent(table, column))
    }

    pub(crate) fn hash(&self, table: &'static str, column: &'static str) -> Result<crate::Hash, StoreError> {
        self.bytes(column)?
            .try_into()
            .map_err(|_| self.inconsistent(table, column))
    }

    pub(crate) fn inconsistent(&self, table: &'static str, column: &'static str) -> StoreError {
        StoreError::Inconsistent {
            table,
            column,
            row: self.text("id").unwrap_or_default(),
        }
    }
}
