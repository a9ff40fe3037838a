//! Compact JWS (RFC 7515): the form of passes and bundles, judged before anything is decoded.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Algorithm, Jwk, MintError, SigningKey, VerifyError};

/// Header members that make a verifier fetch, trust or skip something (RFC 8725, sections 3.1 and 3.5). Never accepted on a pass.
const FORBIDDEN: [&str; 8] = ["jku", "jwk", "x5u", "x5c", "x5t", "crit", "zip", "b64"];
/// Longest `kid`, in characters.
const MAX_KID: usize = 64;

/// A compact JWS taken apart; nothing in it is believed yet.
pub(crate) struct Parts<'a> {
    pub(crate) header: Map<String, Value>,
    signed: &'a str,
    pub(crate) payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    /// Splits and reads the header. `max` bounds the whole text in bytes.
    pub(crate) fn split(token: &'a str, max: usize) -> Result<Self, VerifyError> {
        if token.len() > max {
            return Err(VerifyError::TooLarge);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(VerifyError::Malformed)?;
        if payload.contains('.') || signature.is_empty() {
            return Err(VerifyError::Malformed);
        }
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| VerifyError::Malformed)?;
        let header = serde_json::from_slice(&header).map_err(|_| VerifyError::Malformed)?;
        Ok(Self {
            header,
            signed,
            payload,
            signature,
        })
    }

    /// Refuses every header member of [`FORBIDDEN`], `except` that one which the caller handles itself.
    pub(crate) fn refuse_forbidden(&self, except: Option<&str>) -> Result<(), VerifyError> {
        match FORBIDDEN
            .iter()
            .find(|name| Some(**name) != except && self.header.contains_key(**name))
        {
            Some(name) => Err(VerifyError::Header(name)),
            None => Ok(()),
        }
    }

    /// A header member that must be a string.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, VerifyError> {
        self.header
            .get(name)
            .and_then(Value::as_str)
            .ok_or(VerifyError::Header(name))
    }

    pub(crate) fn kid(&self) -> Result<&str, VerifyError> {
        let kid = self.text("kid")?;
        let plain = kid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if plain && !kid.is_empty() && kid.len() <= MAX_KID {
            Ok(kid)
        } else {
            Err(VerifyError::Header("kid"))
        }
    }

    /// Checks `alg` against the key's own and the signature against the key; gives the payload.
    pub(crate) fn verified(&self, algorithm: Algorithm, key: &DecodingKey) -> Result<Vec<u8>, VerifyError> {
        if !algorithm.is_named(self.text("alg")?) {
            return Err(VerifyError::Algorithm);
        }
        let good = jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm.library());
        if !good.unwrap_or(false) {
            return Err(VerifyError::Signature);
        }
        URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| VerifyError::Malformed)
    }
}

/// Signs `payload` with `header` as compact JWS.
pub(crate) fn sign(key: &SigningKey, header: &Value, payload: &[u8]) -> Result<String, MintError> {
    let mut text = URL_SAFE_NO_PAD.encode(header.to_string());
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut text);
    let signature = jsonwebtoken::crypto::sign(text.as_bytes(), key.encoding(), key.algorithm().library())
        .map_err(|_| MintError::Signing)?;
    text.push('.');
    text.push_str(&signature);
    Ok(text)
}

/// Signs something other than a pass. The header carries the public key, for a verifier that pins its thumbprint.
pub fn sign_jws(key: &SigningKey, typ: &str, payload: &[u8]) -> Result<String, MintError> {
    let header = json!({ "typ": typ, "alg": key.algorithm().as_str(), "kid": key.kid(), "jwk": key.public() });
    sign(key, &header, payload)
}

/// Verifies what [`sign_jws`] signed: the key in the header is believed only if its thumbprint is `pinned_kid`.
pub fn verify_jws(jws: &str, typ: &str, pinned_kid: &str, max_bytes: usize) -> Result<Vec<u8>, VerifyError> {
    let parts = Parts::split(jws, max_bytes)?;
    parts.refuse_forbidden(Some("jwk"))?;
    if parts.text("typ")? != typ {
        return Err(VerifyError::Type);
    }
    let given = parts.header.get("jwk").ok_or(VerifyError::Header("jwk"))?;
    let jwk = Jwk::deserialize(given).map_err(|_| VerifyError::Header("jwk"))?;
    let (thumbprint, algorithm, key) = jwk.verifying().map_err(|_| VerifyError::Header("jwk"))?;
    if thumbprint != pinned_kid || parts.kid()? != pinned_kid {
        return Err(VerifyError::UnknownKey);
    }
    parts.verified(algorithm, &key)
}
