//! Keys that sign, and the two algorithms there are.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Jwk;

/// How a pass is signed. A key has one algorithm; there is no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518, section 3.4): every proxy verifies it.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// The name in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads the name in `alg`.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Es256, Self::EdDsa]
            .into_iter()
            .find(|algorithm| algorithm.is_named(name))
    }

    /// Whether `name` names this algorithm; `Ed25519` is RFC 9864's name for `EdDSA` with that curve.
    pub fn is_named(self, name: &str) -> bool {
        name == self.as_str() || (self == Self::EdDsa && name == "Ed25519")
    }

    pub(crate) const fn library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// A key that cannot be made or read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Not PKCS#8 of a key of that algorithm.
    #[error("not a PKCS#8 key for {0}")]
    Pkcs8(&'static str),
    /// The operating system gave no randomness.
    #[error("no key could be generated: the operating system gave no randomness")]
    Randomness,
}

/// A private key. Printed without its secret; the copy in memory is wiped when dropped.
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    pkcs8: Zeroizing<Vec<u8>>,
    encoding: EncodingKey,
    public: Jwk,
    kid: String,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key from the system's randomness, which is what a key must come from.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let document = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
            Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random),
        };
        Self::from_pkcs8(algorithm, document.map_err(|_| KeyError::Randomness)?.as_ref())
    }

    /// Reads a PKCS#8 key (RFC 5208), DER.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let refuse = || KeyError::Pkcs8(algorithm.as_str());
        let (public, encoding) = match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| refuse())?;
                let (x, y) = match pair.public_key().as_ref() {
                    // SEC 1, section 2.3.3: 04, then both coordinates.
                    [0x04, point @ ..] if point.len() == 64 => point.split_at(32),
                    _ => return Err(refuse()),
                };
                (jwk(algorithm, "EC", "P-256", x, Some(y)), EncodingKey::from_ec_der(der))
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| refuse())?;
                (
                    jwk(algorithm, "OKP", "Ed25519", pair.public_key().as_ref(), None),
                    EncodingKey::from_ed_der(der),
                )
            }
        };
        let kid = public.kid.clone().unwrap_or_default();
        Ok(Self {
            algorithm,
            pkcs8: Zeroizing::new(der.to_vec()),
            encoding,
            public,
            kid,
        })
    }

    /// The key as PKCS#8, for sealing; wiped when dropped.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs8.clone()
    }

    /// The public half.
    pub fn public(&self) -> Jwk {
        self.public.clone()
    }

    /// RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm of this key.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) const fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }
}

fn jwk(algorithm: Algorithm, kty: &str, crv: &str, x: &[u8], y: Option<&[u8]>) -> Jwk {
    let mut key = Jwk {
        kty: kty.to_owned(),
        crv: crv.to_owned(),
        x: URL_SAFE_NO_PAD.encode(x),
        y: y.map(|y| URL_SAFE_NO_PAD.encode(y)),
        alg: Some(algorithm.as_str().to_owned()),
        use_: Some("sig".to_owned()),
        kid: None,
    };
    key.kid = Some(key.thumbprint());
    key
}
