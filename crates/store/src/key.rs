//! Signing keys, sealed by the caller. One key signs per purpose, and at most one waits: the database sees to it.

use latchkey_entitlement::Timestamp;

use crate::{
    MAX_ROWS, Store, StoreError,
    database::{row::Row, value::args},
};

/// A signing key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// `pass` or `bundle`.
    pub purpose: String,
    /// `ES256` or `EdDSA`.
    pub algorithm: String,
    /// `next`, `current`, `previous` or `gone`.
    pub state: String,
    /// The private key, sealed.
    pub sealed: String,
    /// The public key as a JWK.
    pub public_jwk: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub changed_at: Timestamp,
}

impl std::fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            kid,
            purpose,
            algorithm,
            state,
            ..
        } = self;
        f.debug_struct("KeyRow")
            .field("kid", kid)
            .field("purpose", purpose)
            .field("algorithm", algorithm)
            .field("state", state)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// The keys of a purpose, oldest first.
    pub async fn keys(&self, purpose: &str) -> Result<Vec<KeyRow>, StoreError> {
        self.read()
            .await?
            .rows(OF_PURPOSE, args![purpose, i64::from(MAX_ROWS)])
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Adds a key; false if it exists, or if its purpose has a `current` or `next` key already and this would be the second: then
    /// another server was quicker, and its key counts.
    pub async fn insert_key(&self, key: &KeyRow) -> Result<bool, StoreError> {
        let KeyRow {
            kid,
            purpose,
            algorithm,
            state,
            sealed,
            public_jwk,
            created_at,
            changed_at,
        } = key;
        self.change(
            INSERT,
            args![
                kid,
                purpose,
                algorithm,
                state,
                sealed,
                public_jwk,
                *created_at,
                *changed_at
            ],
        )
        .await
    }

    /// Changes the state of one key; false if it is unknown, or would be the second one of its kind.
    pub async fn set_key_state(&self, kid: &str, state: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.set_key_states(&[(kid.to_owned(), state.to_owned())], now).await
    }

    /// Changes the states of several keys (kid, state), all or none, those that step down first; false, and nothing changed, if one
    /// is unknown or would be the second `current` or `next` one.
    pub async fn set_key_states(&self, changes: &[(String, String)], now: Timestamp) -> Result<bool, StoreError> {
        let rank = |state: &str| match state {
            "gone" => 0,
            "previous" => 1,
            "current" => 2,
            _ => 3,
        };
        let mut changes: Vec<&(String, String)> = changes.iter().collect();
        changes.sort_by(|a, b| (rank(&a.1), &a.0).cmp(&(rank(&b.1), &b.0)));
        let mut link = self.write().await?;
        for (kid, state) in changes {
            if link.execute_unless_duplicate(SET_STATE, args![kid, state, now]).await? != Some(1) {
                return Ok(false);
            }
        }
        link.commit().await?;
        Ok(true)
    }
}

fn read(row: &Row) -> Result<KeyRow, StoreError> {
    Ok(KeyRow {
        kid: row.text("kid")?,
        purpose: row.text("purpose")?,
        algorithm: row.text("algorithm")?,
        state: row.text("state")?,
        sealed: row.text("sealed")?,
        public_jwk: row.text("public_jwk")?,
        created_at: row.moment("created_at")?,
        changed_at: row.moment("changed_at")?,
    })
}

crate::statements! {
    OF_PURPOSE = "SELECT * FROM signing_key WHERE purpose = $1 ORDER BY created_at, kid LIMIT $2";
    INSERT = "INSERT INTO signing_key (kid, purpose, algorithm, state, sealed, public_jwk, created_at, changed_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    SET_STATE = "UPDATE signing_key SET state = $2, changed_at = CASE WHEN state = $2 THEN changed_at ELSE $3 END WHERE kid = $1";
}
