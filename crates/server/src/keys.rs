//! The keys that sign passes and the bundle: loaded from their sealed rows, swapped as they rotate.

use std::sync::{Arc, PoisonError, RwLock};

use latchkey_entitlement::{Clock, Timestamp};
use latchkey_store::{KeyRow, Store, StoreError};
use latchkey_sync::Ids;
use latchkey_token::{
    Algorithm, Jwk, JwkSet, KeyChange, KeyRecord, KeyState, RotationPolicy, SealKey, SigningKey, plan,
};

use crate::secrets;

/// Purpose of the keys that sign passes.
const PASS: &str = "pass";
/// Purpose of the key that signs bundles; edges pin its thumbprint, so it never rotates by itself.
const BUNDLE: &str = "bundle";
/// How often a change is tried again when another server made one at the same time.
const MAX_ROUNDS: usize = 4;

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The database did not give or take them.
    #[error("keys: {0}")]
    Store(#[from] StoreError),
    /// A sealed key cannot be opened.
    #[error(
        "the key {kid} cannot be opened\n  help: LATCHKEY_SEAL_KEY is not the one with which it was sealed; start with that one"
    )]
    Sealed {
        /// Which key.
        kid: String,
    },
    /// A row does not hold what it should.
    #[error("the key {kid} cannot be read: {what}")]
    Unreadable {
        /// Which key.
        kid: String,
        /// What is wrong with it.
        what: String,
    },
    /// A new key could not be made.
    #[error("a key could not be made: {0}")]
    Generate(String),
    /// Other servers kept changing the keys.
    #[error("the keys kept changing while they were read; try again")]
    Restless,
}

/// The keys in use at one moment.
pub(crate) struct Ring {
    pub(crate) pass: SigningKey,
    pub(crate) bundle: SigningKey,
    pub(crate) jwks: JwkSet,
    /// `jwks` as it is served.
    pub(crate) jwks_json: String,
    /// Entity tag of `jwks_json`.
    pub(crate) etag: String,
}

/// The keys of an instance. Private keys leave neither the process nor the database in the clear.
pub struct Keys {
    store: Store,
    seal: SealKey,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    policy: RotationPolicy,
    ring: RwLock<Arc<Ring>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("etag", &self.ring().etag)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Loads the keys, and makes those that an instance needs and does not have.
    pub async fn load_or_create(
        store: Store,
        seal: SealKey,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Arc<Self>, KeysError> {
        let policy = RotationPolicy::default();
        let loader = Loader {
            store: &store,
            seal: &seal,
            ids: ids.as_ref(),
            policy: &policy,
        };
        let ring = loader.bring_up_to_date(clock.now(), false).await?;
        let ring = RwLock::new(Arc::new(ring));
        Ok(Arc::new(Self {
            store,
            seal,
            clock,
            ids,
            policy,
            ring,
        }))
    }

    /// Does what the rotation is due to do, and takes over what other servers did. Call it every minute or so.
    pub async fn tick(&self) -> Result<(), KeysError> {
        self.change(false).await
    }

    /// Begins a rotation now: the next key is used once it was published for long enough.
    pub async fn rotate(&self) -> Result<(), KeysError> {
        self.change(true).await
    }

    async fn change(&self, rotate_now: bool) -> Result<(), KeysError> {
        let loader = Loader {
            store: &self.store,
            seal: &self.seal,
            ids: self.ids.as_ref(),
            policy: &self.policy,
        };
        let ring = loader.bring_up_to_date(self.clock.now(), rotate_now).await?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        Ok(())
    }

    /// Thumbprint of the bundle key, as edges pin it.
    pub fn bundle_kid(&self) -> String {
        self.ring().bundle.kid().to_owned()
    }

    /// The public keys of passes.
    pub fn jwks(&self) -> JwkSet {
        self.ring().jwks.clone()
    }

    pub(crate) fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Loader<'a> {
    store: &'a Store,
    seal: &'a SealKey,
    ids: &'a dyn Ids,
    policy: &'a RotationPolicy,
}

impl Loader<'_> {
    async fn bring_up_to_date(&self, now: Timestamp, rotate_now: bool) -> Result<Ring, KeysError> {
        let mut rotate = rotate_now;
        for _ in 0..MAX_ROUNDS {
            let rows = self.store.keys(PASS).await?;
            let records = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
            let changes = plan(&records, now.0, self.policy, rotate);
            rotate = false;
            let has_bundle = !self.store.keys(BUNDLE).await?.is_empty();
            if changes.is_empty() && has_bundle {
                return self.open_ring().await;
            }
            if !has_bundle {
                self.create(BUNDLE, KeyState::Current, now).await?;
            }
            self.apply(changes, now).await?;
        }
        Err(KeysError::Restless)
    }

    async fn apply(&self, changes: Vec<KeyChange>, now: Timestamp) -> Result<(), KeysError> {
        let mut moved = vec![];
        let mut wanted = vec![];
        for change in changes {
            match change {
                KeyChange::Become { kid, state } => moved.push((kid, state.as_str().to_owned())),
                KeyChange::Create { state } => wanted.push(state),
            }
        }
        if !moved.is_empty() {
            self.store.set_key_states(&moved, now).await?;
        }
        for state in wanted {
            self.create(PASS, state, now).await?;
        }
        Ok(())
    }

    /// Makes a key. Another server may have been faster; then its key is the one, and ours was never used.
    async fn create(&self, purpose: &str, state: KeyState, now: Timestamp) -> Result<(), KeysError> {
        let key = SigningKey::generate(Algorithm::Es256).map_err(|error| KeysError::Generate(error.to_string()))?;
        let mut nonce = [0; 12];
        for (to, from) in nonce.iter_mut().zip(self.ids.secret()) {
            *to = from;
        }
        let row = KeyRow {
            kid: key.kid().to_owned(),
            purpose: purpose.to_owned(),
            algorithm: key.algorithm().as_str().to_owned(),
            state: state.as_str().to_owned(),
            sealed: self.seal.seal(&context(purpose, key.kid()), nonce, &key.to_pkcs8()),
            public_jwk: serde_json::to_string(&key.public()).map_err(|error| KeysError::Generate(error.to_string()))?,
            created_at: now,
            changed_at: now,
        };
        self.store.insert_key(&row).await?;
        Ok(())
    }

    async fn open_ring(&self) -> Result<Ring, KeysError> {
        let rows = self.store.keys(PASS).await?;
        let jwks = public_keys(&rows)?;
        let jwks_json = serde_json::to_string(&jwks).unwrap_or_default();
        let etag = format!(
            "\"{}\"",
            secrets::encode(&secrets::hash(&jwks_json))
                .chars()
                .take(16)
                .collect::<String>()
        );
        let bundles = self.store.keys(BUNDLE).await?;
        Ok(Ring {
            pass: self.current(&rows)?,
            bundle: self.current(&bundles)?,
            jwks,
            jwks_json,
            etag,
        })
    }

    fn current(&self, rows: &[KeyRow]) -> Result<SigningKey, KeysError> {
        let row = rows
            .iter()
            .find(|row| row.state == KeyState::Current.as_str())
            .ok_or(KeysError::Restless)?;
        let plain = self
            .seal
            .open(&context(&row.purpose, &row.kid), &row.sealed)
            .map_err(|_| KeysError::Sealed { kid: row.kid.clone() })?;
        SigningKey::from_pkcs8(algorithm(row)?, &plain).map_err(|error| unreadable(row, &error))
    }
}

/// Keys in the order in which verifiers should learn them: next, current, previous.
fn public_keys(rows: &[KeyRow]) -> Result<JwkSet, KeysError> {
    let mut keys = vec![];
    for state in [KeyState::Next, KeyState::Current, KeyState::Previous] {
        for row in rows.iter().rev().filter(|row| row.state == state.as_str()) {
            keys.push(record(row)?.public);
        }
    }
    Ok(JwkSet { keys })
}

fn record(row: &KeyRow) -> Result<KeyRecord, KeysError> {
    let state = KeyState::parse(&row.state).ok_or_else(|| unreadable(row, &"its state is unknown"))?;
    let public: Jwk = serde_json::from_str(&row.public_jwk).map_err(|error| unreadable(row, &error))?;
    Ok(KeyRecord {
        kid: row.kid.clone(),
        algorithm: algorithm(row)?,
        state,
        public,
        created_at: row.created_at.0,
        changed_at: row.changed_at.0,
    })
}

fn algorithm(row: &KeyRow) -> Result<Algorithm, KeysError> {
    Algorithm::parse(&row.algorithm).ok_or_else(|| unreadable(row, &"its algorithm is unknown"))
}

fn unreadable(row: &KeyRow, what: &dyn std::fmt::Display) -> KeysError {
    KeysError::Unreadable {
        kid: row.kid.clone(),
        what: what.to_string(),
    }
}

fn context(purpose: &str, kid: &str) -> String {
    format!("latchkey key {purpose} {kid}")
}
