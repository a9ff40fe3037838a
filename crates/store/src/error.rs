//! What can go wrong with the database, without repeating what is in it.

use std::borrow::Cow;

/// Why the store could not do what it was asked.
///
/// No variant carries a password, an address or other content of a row: messages of the drivers, which may quote values, are
/// reduced to their code and the constraint they name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// `DATABASE_URL` cannot be used. The URL itself is not shown, since it may hold a password.
    #[error("the database URL cannot be used: {what}")]
    Url {
        /// What is wrong and what to write instead.
        what: String,
    },
    /// The database cannot be reached, or is too busy, or out of resources. Worth trying again.
    #[error("the database is unavailable: {what}")]
    Unavailable {
        /// What happened and what to look at.
        what: String,
    },
    /// The database refused a statement.
    #[error("the database refused a statement: {what}")]
    Driver {
        /// Code, constraint and table, where known.
        what: String,
    },
    /// A stored value that this version cannot read.
    #[error(
        "table `{table}`, row `{row}`: column `{column}` holds a value that this version cannot read; it was written by another version or by hand"
    )]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id, empty if it has none.
        row: String,
    },
    /// Another worker has taken this customer meanwhile, or it belongs to another account now: nothing was changed.
    #[error("the lease on customer `{customer}` was lost: nothing was changed; the customer is synced again")]
    LeaseLost {
        /// The Stripe customer.
        customer: String,
    },
    /// The database was written by a newer version of the program.
    #[error(
        "the database has schema version {found}, and this program knows versions up to {known}: start the newer program, or restore the backup made before it was installed"
    )]
    NewerSchema {
        /// Version of the database.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
    /// An argument that cannot be stored.
    #[error("{what}")]
    Invalid {
        /// What is wrong with it.
        what: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed a little later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::LeaseLost { .. })
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into() }
    }
}

/// Codes that say "later" rather than "never", with what an operator should look at: SQLite's primary result codes
/// (sqlite.org/rescode.html) and PostgreSQL's SQLSTATE (its documentation, appendix A).
const RESOURCES: [(&str, &str); 15] = [
    (
        "5",
        "another process holds the file locked; only one server may use an SQLite file",
    ),
    (
        "6",
        "another process holds the file locked; only one server may use an SQLite file",
    ),
    ("8", "the file is read-only; look at its owner and permissions"),
    ("10", "reading or writing the file failed; look at the disk"),
    ("13", "the disk is full"),
    (
        "14",
        "the file cannot be opened; look at the path and at the permissions of its folder",
    ),
    (
        "25006",
        "the database is read-only: a standby, or default_transaction_read_only is on",
    ),
    ("25P03", "the transaction was idle too long"),
    ("40001", "two transactions collided"),
    ("40P01", "two transactions waited for each other"),
    ("53100", "the disk of the database server is full"),
    (
        "53300",
        "the database server has no connection left; raise max_connections or run fewer servers",
    ),
    ("57P01", "the database server is stopping"),
    ("57P02", "the database server crashed and restarts"),
    ("57P03", "the database server is starting"),
];

/// Codes that say that the address is wrong: PostgreSQL's SQLSTATE.
const ADDRESS: [(&str, &str); 3] = [
    (
        "28000",
        "the database server does not admit this user from here, or not unencrypted; look at pg_hba.conf",
    ),
    ("28P01", "user and password do not fit"),
    (
        "3D000",
        "the database server has no database of this name; make it with `createdb`",
    ),
];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => refused(database.as_ref()),
            sqlx::Error::Io(io) => Self::Unavailable {
                what: format!("the connection failed ({})", io.kind()),
            },
            sqlx::Error::Tls(_) => Self::Unavailable {
                what: "TLS could not be set up; look at `sslmode` and the certificate".to_owned(),
            },
            sqlx::Error::PoolTimedOut => Self::Unavailable {
                what: "no connection became free in time".to_owned(),
            },
            sqlx::Error::PoolClosed => Self::Unavailable {
                what: "the store is closed".to_owned(),
            },
            sqlx::Error::WorkerCrashed => Self::Unavailable {
                what: "the connection's thread ended".to_owned(),
            },
            sqlx::Error::ColumnNotFound(column) => Self::Driver {
                what: format!("an answer has no column `{column}`"),
            },
            sqlx::Error::ColumnDecode { index, .. } => Self::Driver {
                what: format!("column {index} has another type than expected"),
            },
            sqlx::Error::RowNotFound => Self::Driver {
                what: "a statement that always answers with a row answered with none".to_owned(),
            },
            sqlx::Error::Protocol(_) => Self::Driver {
                what: "the connection broke its protocol".to_owned(),
            },
            _ => Self::Driver {
                what: "the driver failed".to_owned(),
            },
        }
    }
}

fn refused(error: &dyn sqlx::error::DatabaseError) -> StoreError {
    let code = error.code().unwrap_or(Cow::Borrowed("without a code"));
    // SQLite's extended codes have the primary one in their low byte.
    let primary = match code.parse::<u32>() {
        Ok(extended) if code.len() < 5 || extended > 0xFFFF => (extended & 0xFF).to_string(),
        _ => code.clone().into_owned(),
    };
    if let Some((_, hint)) = RESOURCES.iter().find(|(known, _)| *known == primary) {
        return StoreError::Unavailable {
            what: format!("{hint} (code {code})"),
        };
    }
    // Class 08 is "connection exception".
    if code.len() == 5 && code.starts_with("08") {
        return StoreError::Unavailable {
            what: format!("the connection failed (code {code})"),
        };
    }
    if primary == "26" {
        return StoreError::Url {
            what: "the file is not an SQLite database, and was left as it is; name another file".to_owned(),
        };
    }
    if primary == "11" {
        return StoreError::Driver {
            what: format!("the SQLite file is damaged; restore it from a backup (code {code})"),
        };
    }
    if let Some((_, what)) = ADDRESS.iter().find(|(known, _)| *known == primary) {
        return StoreError::Url {
            what: format!("{what} (code {code})"),
        };
    }
    if primary == "42501" {
        return StoreError::Driver {
            what: format!("the database user lacks a permission; tables and schema must be its own (code {code})"),
        };
    }
    let mut what = format!("code {code}");
    if let Some(constraint) = error.constraint() {
        what.push_str(", constraint ");
        what.push_str(constraint);
    }
    if let Some(table) = error.table() {
        what.push_str(", table ");
        what.push_str(table);
    }
    if error.kind() == sqlx::error::ErrorKind::ForeignKeyViolation {
        what.push_str(" (a row that it names does not exist)");
    }
    StoreError::Driver { what }
}

/// Whether `error` says that a unique index already has the value.
pub(crate) fn is_duplicate(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
