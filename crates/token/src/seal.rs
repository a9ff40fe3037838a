//! Secrets at rest: AES-256-GCM under one key of the instance.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// What a sealed text begins with; another scheme would have another.
const VERSION: &str = "v1.";

/// Sealing or opening that failed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// Not 32 bytes in base64.
    #[error("the seal key is not 32 bytes in base64; make one with `openssl rand -base64 32`")]
    Key,
    /// Another key, another context, or a changed text.
    #[error("the sealed text cannot be opened: it was sealed with another key or for another purpose, or was changed")]
    Open,
}

/// The key that seals; wiped when dropped, never printed.
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey([redacted])")
    }
}

impl SealKey {
    /// From 32 bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// From 32 bytes in standard base64.
    pub fn from_base64(text: &str) -> Result<Self, SealError> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| SealError::Key)?);
        <[u8; 32]>::try_from(bytes.as_slice())
            .map(Self::new)
            .map_err(|_| SealError::Key)
    }

    /// Seals `plain` for one purpose, named by `context`. `nonce` must never be used twice with this key.
    pub fn seal(&self, context: &str, nonce: [u8; NONCE_LEN], plain: &[u8]) -> String {
        let mut sealed = nonce.to_vec();
        let mut text = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        // Fails for texts of 64 GiB alone.
        if self.key().is_some_and(|key| {
            key.seal_in_place_append_tag(nonce, Aad::from(context), &mut text)
                .is_ok()
        }) {
            sealed.append(&mut text);
        }
        format!("{VERSION}{}", STANDARD.encode(sealed))
    }

    /// Opens what was sealed for the same purpose.
    pub fn open(&self, context: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let text = sealed.strip_prefix(VERSION).ok_or(SealError::Open)?;
        let mut bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| SealError::Open)?);
        let (nonce, body) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(SealError::Open)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Open)?;
        let key = self.key().ok_or(SealError::Open)?;
        let plain = key
            .open_in_place(nonce, Aad::from(context), body)
            .map_err(|_| SealError::Open)?;
        Ok(Zeroizing::new(plain.to_vec()))
    }

    fn key(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, self.0.as_slice())
            .ok()
            .map(LessSafeKey::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_with_the_same_key_and_purpose_alone() {
        let key = SealKey::new([7; 32]);
        let sealed = key.seal("pass key a", [1; 12], b"secret");
        assert_eq!(key.open("pass key a", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(key.open("pass key b", &sealed), Err(SealError::Open));
        assert_eq!(SealKey::new([8; 32]).open("pass key a", &sealed), Err(SealError::Open));
        for at in 3..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(key.open("pass key a", &changed).ok(), None, "byte {at}");
        }
        for odd in ["", "v1.", "v2.AAAA", "v1.AAAA", "v1.!"] {
            assert_eq!(key.open("pass key a", odd), Err(SealError::Open), "{odd:?}");
        }
    }

    #[test]
    fn a_seal_key_is_32_bytes_in_base64() {
        assert!(SealKey::from_base64(&STANDARD.encode([1; 32])).is_ok());
        for odd in ["", "AAAA", &STANDARD.encode([1; 31]), "not base64"] {
            assert_eq!(SealKey::from_base64(odd).err(), Some(SealError::Key), "{odd:?}");
        }
        assert_eq!(format!("{:?}", SealKey::new([1; 32])), "SealKey([redacted])");
    }
}
