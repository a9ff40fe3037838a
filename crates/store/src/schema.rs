//! The schema's versions. The texts are in `migrations/`, one for both databases, and are part of the program.

use crate::{
    Backend, Store, StoreError,
    database::{link::Link, value::args},
};

struct Migration {
    version: i64,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        sql: include_str!("../../../migrations/0001_first.sql"),
    },
    Migration {
        version: 2,
        sql: include_str!("../../../migrations/0002_login_per_browser.sql"),
    },
    Migration {
        version: 3,
        sql: include_str!("../../../migrations/0003_revocation_kind.sql"),
    },
    Migration {
        version: 4,
        sql: include_str!("../../../migrations/0004_customer_deleted.sql"),
    },
    Migration {
        version: 5,
        sql: include_str!("../../../migrations/0005_double_subscription.sql"),
    },
    Migration {
        version: 6,
        sql: include_str!("../../../migrations/0006_bought_time.sql"),
    },
    Migration {
        version: 7,
        sql: include_str!("../../../migrations/0007_operations.sql"),
    },
    Migration {
        version: 8,
        sql: include_str!("../../../migrations/0008_revocation_session.sql"),
    },
    Migration {
        version: 9,
        sql: include_str!("../../../migrations/0009_prices.sql"),
    },
    Migration {
        version: 10,
        sql: include_str!("../../../migrations/0010_invoice.sql"),
    },
    Migration {
        version: 11,
        sql: include_str!("../../../migrations/0011_notice.sql"),
    },
    Migration {
        version: 12,
        sql: include_str!("../../../migrations/0012_leave_link.sql"),
    },
];

/// Version of the schema in the database, and the newest one that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// In the database; 0 is an empty one.
    pub found: i64,
    /// Known here.
    pub known: i64,
}

impl Schema {
    /// Whether the database has all that this program needs.
    pub const fn is_current(self) -> bool {
        self.found == self.known
    }
}

impl Store {
    /// Brings the schema to the version that this program knows. Several servers may call it at once.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut link = self.write().await?;
        if self.backend() == Backend::Postgres {
            link.rows(LOCK_POSTGRES, &[]).await?;
        }
        link.execute(CREATE_VERSION, &[]).await?;
        let schema = schema(&mut link).await?;
        refuse_newer(schema)?;
        for migration in MIGRATIONS.iter().filter(|migration| migration.version > schema.found) {
            link.script(migration.sql).await?;
            link.execute(ADD_VERSION, args![migration.version]).await?;
        }
        link.commit().await
    }

    /// The version of the database, for readiness checks.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let mut link = self.read().await?;
        let exists = match self.backend() {
            Backend::Sqlite => EXISTS_SQLITE,
            Backend::Postgres => EXISTS_POSTGRES,
        };
        if link.any(exists, &[]).await? {
            schema(&mut link).await
        } else {
            Ok(Schema {
                found: 0,
                known: known(),
            })
        }
    }

    pub(crate) async fn refuse_newer(&self) -> Result<(), StoreError> {
        refuse_newer(self.schema().await?)
    }
}

fn known() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}

async fn schema(link: &mut Link) -> Result<Schema, StoreError> {
    let found = link.one(VERSION, &[]).await?.int("version")?;
    Ok(Schema { found, known: known() })
}

fn refuse_newer(schema: Schema) -> Result<(), StoreError> {
    let Schema { found, known } = schema;
    if found > known {
        Err(StoreError::NewerSchema { found, known })
    } else {
        Ok(())
    }
}

// Not portable: SQLite's write transaction is its lock, and the catalogues differ.
const LOCK_POSTGRES: &str = "SELECT pg_advisory_xact_lock(5497853245)";
const EXISTS_SQLITE: &str = "SELECT 1 AS one FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'";
const EXISTS_POSTGRES: &str = "SELECT 1 AS one WHERE to_regclass('schema_version') IS NOT NULL";

crate::statements! {
    CREATE_VERSION = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)";
    VERSION = "SELECT COALESCE(max(version), 0) AS version FROM schema_version";
    ADD_VERSION = "INSERT INTO schema_version (version) VALUES ($1)";
}
