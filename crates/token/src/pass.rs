//! The pass: short-lived, signed, verifiable offline.

use std::collections::HashMap;

use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Algorithm, JwkSet, MAX_KEYS, SigningKey,
    jws::{Parts, sign},
};

/// `typ` of a pass: no other kind of token can be used as one (RFC 8725, section 3.11).
pub const PASS_TYPE: &str = "latchkey-pass+jwt";
/// Largest pass that is made, in bytes: it travels with every request (docs/decisions/0003).
pub const MAX_PASS_BYTES: usize = 640;
/// Largest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 2048;
/// How far the issuer's clock may be ahead of ours, in seconds. There is none at the end of a pass.
pub const LEEWAY_SECONDS: i64 = 5;

/// What a pass says (RFC 7519; docs/CONTRACT.md). Times in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassClaims {
    /// Account origin, without a slash at the end.
    pub iss: String,
    /// One site id.
    pub aud: String,
    /// Pairwise subject of the reader on that site.
    pub sub: String,
    /// Session.
    pub sid: String,
    /// When it was issued.
    pub iat: i64,
    /// First second in which it is no longer valid.
    pub exp: i64,
    /// Unique name.
    pub jti: String,
    /// Sorted entitlements, separated by one space.
    pub scope: String,
    /// End of the entitlement, or none.
    pub until: Option<i64>,
    /// `warning`, `suspension` or `ban`, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<String>,
}

/// A pass that was not made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MintError {
    /// It would be too large for a cookie that travels with every request.
    #[error("the pass would have {0} bytes; at most {MAX_PASS_BYTES} are allowed: use fewer or shorter entitlements")]
    TooLarge(usize),
    /// It would end before it begins.
    #[error("the pass would end at {exp}, not after its beginning at {iat}")]
    Empty {
        /// `iat` as given.
        iat: i64,
        /// `exp` as given.
        exp: i64,
    },
    /// The signature could not be made.
    #[error("the pass could not be signed")]
    Signing,
}

/// Why a token is not believed. The text never holds the token.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum VerifyError {
    /// More bytes than any token of ours has.
    #[error("the token is too large")]
    TooLarge,
    /// Not three parts of unpadded base64url with a JSON header.
    #[error("the token is malformed")]
    Malformed,
    /// A header member is missing, of the wrong form, or one that is never accepted.
    #[error("the header's {0} is missing or not acceptable")]
    Header(&'static str),
    /// Another kind of token.
    #[error("the token is of another type")]
    Type,
    /// `kid` names no key that we have.
    #[error("the token is signed with a key that is not known")]
    UnknownKey,
    /// `alg` is not the key's.
    #[error("the algorithm is not the key's")]
    Algorithm,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("a claim is missing or of the wrong type")]
    Claims,
    /// `iss` is another.
    #[error("the issuer is another")]
    Issuer,
    /// `aud` is another site, or several.
    #[error("the audience is another")]
    Audience,
    /// `iat` lies in the future.
    #[error("the token is from the future")]
    Early,
    /// Past its end.
    #[error("the token ended {by_seconds} seconds ago")]
    Expired {
        /// Seconds since the end; 0 in the first one.
        by_seconds: i64,
    },
}

/// Makes a pass.
pub fn mint(key: &SigningKey, claims: &PassClaims) -> Result<String, MintError> {
    if claims.exp <= claims.iat {
        return Err(MintError::Empty {
            iat: claims.iat,
            exp: claims.exp,
        });
    }
    let header = json!({ "typ": PASS_TYPE, "alg": key.algorithm().as_str(), "kid": key.kid() });
    let payload = serde_json::to_vec(claims).map_err(|_| MintError::Signing)?;
    let pass = sign(key, &header, &payload)?;
    if pass.len() > MAX_PASS_BYTES {
        Err(MintError::TooLarge(pass.len()))
    } else {
        Ok(pass)
    }
}

/// Verifies passes of one issuer for one site.
pub struct Verifier {
    keys: HashMap<String, (Algorithm, DecodingKey)>,
    issuer: String,
    audience: String,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// Takes the usable keys of `jwks`; one that cannot be used verifies nothing and does no harm to the others.
    pub fn new(jwks: &JwkSet, issuer: &str, audience: &str) -> Self {
        let usable = jwks.keys.iter().take(MAX_KEYS).filter_map(|jwk| jwk.verifying().ok());
        Self {
            keys: usable.map(|(kid, algorithm, key)| (kid, (algorithm, key))).collect(),
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
        }
    }

    /// How many keys can verify.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Everything but the end: a pass whose end is past may still be honoured while the server is away.
    pub fn check(&self, token: &str, now_seconds: i64) -> Result<PassClaims, VerifyError> {
        let parts = Parts::split(token, MAX_TOKEN_BYTES)?;
        parts.refuse_forbidden(None)?;
        if parts.text("typ")? != PASS_TYPE {
            return Err(VerifyError::Type);
        }
        let (algorithm, key) = self.keys.get(parts.kid()?).ok_or(VerifyError::UnknownKey)?;
        let payload = parts.verified(*algorithm, key)?;
        let claims = read_claims(&payload)?;
        if claims.iss != self.issuer {
            return Err(VerifyError::Issuer);
        }
        if claims.aud != self.audience {
            return Err(VerifyError::Audience);
        }
        if claims.iat.saturating_sub(LEEWAY_SECONDS) > now_seconds {
            return Err(VerifyError::Early);
        }
        Ok(claims)
    }

    /// Everything: the pass is good now.
    pub fn verify(&self, token: &str, now_seconds: i64) -> Result<PassClaims, VerifyError> {
        let claims = self.check(token, now_seconds)?;
        if now_seconds < claims.exp {
            Ok(claims)
        } else {
            Err(VerifyError::Expired {
                by_seconds: now_seconds.saturating_sub(claims.exp),
            })
        }
    }
}

/// Reads the claims; an `aud` that is a list, even of one, is another audience (a pass is for exactly one site).
fn read_claims(payload: &[u8]) -> Result<PassClaims, VerifyError> {
    let value: Value = serde_json::from_slice(payload).map_err(|_| VerifyError::Claims)?;
    if value.get("aud").is_some_and(Value::is_array) {
        return Err(VerifyError::Audience);
    }
    if value.get("until").is_none() {
        return Err(VerifyError::Claims);
    }
    serde_json::from_value(value).map_err(|_| VerifyError::Claims)
}
