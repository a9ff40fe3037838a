//! Claims to signed pass (JWT) and back; keys, their states, JWKS. Pure: the present is an argument.
//!
//! The pass and its claims are fixed in docs/CONTRACT.md. The rules for verifying follow RFC 8725: the algorithm is taken from
//! the key and never from the token, the type is explicit, and a header that points at keys elsewhere is refused.

mod jwk;
mod jws;
mod key;
mod life;
mod pass;
mod seal;
mod secret;
mod subject;

pub use jwk::{Jwk, JwkError, JwkSet, MAX_KEYS};
pub use jws::{sign_jws, verify_jws};
pub use key::{Algorithm, KeyError, SigningKey};
pub use life::{KeyChange, KeyRecord, KeyState, RotationPolicy, plan};
pub use pass::{
    LEEWAY_SECONDS, MAX_PASS_BYTES, MAX_TOKEN_BYTES, MintError, PASS_TYPE, PassClaims, Verifier, VerifyError, mint,
};
pub use seal::{SealError, SealKey};
pub use secret::Secret;
pub use subject::subject;
