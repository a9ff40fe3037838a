//! Public keys as JSON Web Keys (RFC 7517) and their thumbprints (RFC 7638).

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};

use crate::Algorithm;

/// Most keys in a set: next, current, and those whose passes may still be honoured.
pub const MAX_KEYS: usize = 16;

/// A key that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JwkError {
    /// Neither an EC key on P-256 nor an OKP key on Ed25519.
    #[error(
        "a key of type {kty} on {crv} is not one that passes are signed with: EC P-256 (ES256) or OKP Ed25519 (EdDSA)"
    )]
    Kind {
        /// `kty` as given.
        kty: String,
        /// `crv` as given.
        crv: String,
    },
    /// A coordinate is missing or is not base64url of 32 bytes.
    #[error("coordinate {0} is not base64url of 32 bytes")]
    Coordinate(&'static str),
    /// `kid` is there and is not the key's thumbprint.
    #[error("kid {0} is not the key's thumbprint (RFC 7638)")]
    KeyId(String),
    /// `alg` is there and is not the one that this key signs with.
    #[error("alg {0} does not belong to this key")]
    Algorithm(String),
}

/// A public key that verifies passes. Its `kid` is its RFC 7638 thumbprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// `EC` or `OKP`.
    pub kty: String,
    /// `P-256` or `Ed25519`.
    pub crv: String,
    /// First coordinate, or the Ed25519 key: base64url.
    pub x: String,
    /// Second coordinate of an EC key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// `ES256` or `EdDSA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// `sig`.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub use_: Option<String>,
    /// Thumbprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

impl Jwk {
    /// The one algorithm of this key, by its type and curve.
    pub fn algorithm(&self) -> Result<Algorithm, JwkError> {
        match (self.kty.as_str(), self.crv.as_str()) {
            ("EC", "P-256") => Ok(Algorithm::Es256),
            ("OKP", "Ed25519") => Ok(Algorithm::EdDsa),
            (kty, crv) => Err(JwkError::Kind {
                kty: kty.to_owned(),
                crv: crv.to_owned(),
            }),
        }
    }

    /// SHA-256 over the required members in lexicographic order (RFC 7638, section 3), base64url.
    pub fn thumbprint(&self) -> String {
        let text = match &self.y {
            Some(y) => format!(
                r#"{{"crv":"{}","kty":"{}","x":"{}","y":"{y}"}}"#,
                self.crv, self.kty, self.x
            ),
            None => format!(r#"{{"crv":"{}","kty":"{}","x":"{}"}}"#, self.crv, self.kty, self.x),
        };
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }

    /// The key for verifying, after type, coordinates, `kid` and `alg` were checked against one another.
    pub(crate) fn verifying(&self) -> Result<(String, Algorithm, DecodingKey), JwkError> {
        let algorithm = self.algorithm()?;
        check_coordinate(&self.x, "x")?;
        let key = match algorithm {
            Algorithm::Es256 => {
                let y = self.y.as_deref().ok_or(JwkError::Coordinate("y"))?;
                check_coordinate(y, "y")?;
                DecodingKey::from_ec_components(&self.x, y).map_err(|_| JwkError::Coordinate("x"))?
            }
            Algorithm::EdDsa => DecodingKey::from_ed_components(&self.x).map_err(|_| JwkError::Coordinate("x"))?,
        };
        let thumbprint = self.thumbprint();
        if let Some(kid) = self.kid.as_ref().filter(|kid| **kid != thumbprint) {
            return Err(JwkError::KeyId(kid.chars().take(64).collect()));
        }
        if let Some(alg) = self.alg.as_ref().filter(|alg| !algorithm.is_named(alg)) {
            return Err(JwkError::Algorithm(alg.chars().take(16).collect()));
        }
        Ok((thumbprint, algorithm, key))
    }
}

fn check_coordinate(text: &str, name: &'static str) -> Result<(), JwkError> {
    match URL_SAFE_NO_PAD.decode(text) {
        Ok(bytes) if bytes.len() == 32 => Ok(()),
        _ => Err(JwkError::Coordinate(name)),
    }
}

/// A set of public keys (RFC 7517, section 5), as `/.well-known/jwks.json` serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
    /// The keys; at most [`MAX_KEYS`] are used.
    pub keys: Vec<Jwk>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ed25519(x: &str) -> Jwk {
        Jwk {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            x: x.into(),
            y: None,
            alg: None,
            use_: None,
            kid: None,
        }
    }

    /// RFC 8037, appendix A.3.
    #[test]
    fn the_thumbprint_of_rfc_8037() {
        let key = ed25519("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(key.algorithm(), Ok(Algorithm::EdDsa));
    }

    #[test]
    fn keys_that_cannot_be_used_say_why() {
        let mut key = ed25519("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        key.kid = Some("another".into());
        assert!(matches!(key.verifying(), Err(JwkError::KeyId(_))));
        key.kid = None;
        key.alg = Some("ES256".into());
        assert!(matches!(key.verifying(), Err(JwkError::Algorithm(_))));
        assert!(matches!(ed25519("short").verifying(), Err(JwkError::Coordinate("x"))));
        let rsa = Jwk {
            kty: "RSA".into(),
            ..ed25519("x")
        };
        assert!(matches!(rsa.verifying(), Err(JwkError::Kind { .. })));
    }
}
