//! The life of a key: next, current, previous, gone. Decided here, done elsewhere.

use crate::{Algorithm, Jwk};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published, so that verifiers learn it; signs nothing yet.
    Next,
    /// Signs.
    Current,
    /// Signs no more; still verifies.
    Previous,
    /// Forgotten.
    Gone,
}

impl KeyState {
    /// The word stored in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Gone => "gone",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Next, Self::Current, Self::Previous, Self::Gone]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A key as it is kept; times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Thumbprint.
    pub kid: String,
    /// Its one algorithm.
    pub algorithm: Algorithm,
    /// Where it is in its life.
    pub state: KeyState,
    /// The public half.
    pub public: Jwk,
    /// When it was made.
    pub created_at: i64,
    /// When it came into `state`.
    pub changed_at: i64,
}

/// How long each part of a key's life lasts, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    /// From publication to first use: longer than verifiers cache a JWKS without asking again (Envoy: 600 s).
    pub publish_before_ms: i64,
    /// From one first use to the next.
    pub rotate_every_ms: i64,
    /// How long a previous key verifies: life of a pass, outage grace, leeway.
    pub keep_previous_ms: i64,
}

impl Default for RotationPolicy {
    fn default() -> Self {
        Self {
            publish_before_ms: 10 * MINUTE,
            rotate_every_ms: 90 * DAY,
            keep_previous_ms: 31 * DAY,
        }
    }
}

/// One thing to do. All of them together are done in one transaction, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// Make a key in this state.
    Create {
        /// `Current` for an instance's first key, `Next` otherwise.
        state: KeyState,
    },
    /// Move a key on.
    Become {
        /// Which.
        kid: String,
        /// Where to.
        state: KeyState,
    },
}

/// What is due at `now_ms`. Never leaves an instance without a current key.
///
/// `rotate_now` begins a rotation that is not due yet; the next key is still published for `publish_before_ms` before it signs.
pub fn plan(keys: &[KeyRecord], now_ms: i64, policy: &RotationPolicy, rotate_now: bool) -> Vec<KeyChange> {
    let age = |key: &KeyRecord| now_ms.saturating_sub(key.changed_at);
    let mut changes = Vec::new();
    let mut move_on = |key: &KeyRecord, state| {
        changes.push(KeyChange::Become {
            kid: key.kid.clone(),
            state,
        });
    };
    for key in keys
        .iter()
        .filter(|key| key.state == KeyState::Previous && age(key) >= policy.keep_previous_ms)
    {
        move_on(key, KeyState::Gone);
    }
    let current = keys.iter().find(|key| key.state == KeyState::Current);
    let next = keys.iter().find(|key| key.state == KeyState::Next);
    match (current, next) {
        (None, None) => changes.push(KeyChange::Create {
            state: KeyState::Current,
        }),
        (None, Some(next)) => {
            move_on(next, KeyState::Current);
        }
        (Some(current), Some(next)) => {
            if age(next) >= policy.publish_before_ms {
                move_on(current, KeyState::Previous);
                move_on(next, KeyState::Current);
            }
        }
        (Some(current), None) => {
            if rotate_now || age(current) >= policy.rotate_every_ms.saturating_sub(policy.publish_before_ms) {
                changes.push(KeyChange::Create { state: KeyState::Next });
            }
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(keys: &mut Vec<KeyRecord>, changes: &[KeyChange], now: i64, made: &mut u32) {
        for change in changes {
            match change {
                KeyChange::Create { state } => {
                    *made += 1;
                    let public = Jwk {
                        kty: "OKP".into(),
                        crv: "Ed25519".into(),
                        x: String::new(),
                        y: None,
                        alg: None,
                        use_: None,
                        kid: None,
                    };
                    let kid = format!("k{made}");
                    keys.push(KeyRecord {
                        kid,
                        algorithm: Algorithm::Es256,
                        state: *state,
                        public,
                        created_at: now,
                        changed_at: now,
                    });
                }
                KeyChange::Become { kid, state } => {
                    let key = keys.iter_mut().find(|key| key.kid == *kid).unwrap();
                    key.state = *state;
                    key.changed_at = now;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn there_is_always_one_current_key_and_each_was_published_before_it_signed(
            steps in prop::collection::vec((0i64..40 * DAY, any::<bool>()), 1..60),
        ) {
            let policy = RotationPolicy::default();
            let (mut keys, mut now, mut made) = (Vec::new(), 0, 0);
            for (wait, rotate_now) in steps {
                now += wait;
                let before: Vec<KeyRecord> = keys.clone();
                apply(&mut keys, &plan(&before, now, &policy, rotate_now), now, &mut made);
                prop_assert_eq!(keys.iter().filter(|key| key.state == KeyState::Current).count(), 1);
                prop_assert!(keys.iter().filter(|key| key.state == KeyState::Next).count() <= 1);
                for key in &keys {
                    let old = before.iter().find(|old| old.kid == key.kid);
                    match (old.map(|old| old.state), key.state) {
                        (Some(KeyState::Next), KeyState::Current) => {
                            prop_assert!(now - key.created_at >= policy.publish_before_ms);
                        }
                        (None, KeyState::Current) => prop_assert!(before.is_empty()),
                        (Some(KeyState::Previous), KeyState::Gone) => {
                            prop_assert!(now - old.unwrap().changed_at >= policy.keep_previous_ms);
                        }
                        (Some(KeyState::Current), state) => {
                            prop_assert!(matches!(state, KeyState::Current | KeyState::Previous));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    #[test]
    fn a_rotation_by_hand_publishes_first() {
        let policy = RotationPolicy::default();
        let (mut keys, mut made) = (Vec::new(), 0);
        for (now, by_hand) in [(0, false), (1, true)] {
            let changes = plan(&keys, now, &policy, by_hand);
            apply(&mut keys, &changes, now, &mut made);
        }
        assert_eq!(plan(&keys, 1, &policy, true), vec![], "a second word changes nothing");
        assert_eq!(plan(&keys, policy.publish_before_ms, &policy, false), vec![]);
        assert_eq!(plan(&keys, policy.publish_before_ms + 1, &policy, false).len(), 2);
    }
}
