//! Secrets as browsers carry them, and what is kept of them: only hashes.

use aws_lc_rs::{constant_time, digest, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use latchkey_store::Hash;

/// Longest secret, code or nonce that is looked at, in bytes.
pub(crate) const MAX_SECRET_LENGTH: usize = 128;
/// Characters of a typed code.
pub(crate) const CODE_LENGTH: usize = 8;
/// Letters and digits that are not mistaken for one another when read aloud or typed; 32 of them, so that none is more likely.
const CODE_ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// SHA-256 of a secret's text, as it is stored. The edge uses the same for the nonce of the hand-over.
pub fn hash(text: &str) -> Hash {
    let mut out = [0; 32];
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}

/// The form in which 32 random or derived bytes travel.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A hash that came in its travelling form.
pub(crate) fn decode_hash(text: &str) -> Option<Hash> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// HMAC-SHA256 of `parts` under `key`, kept apart by a byte that occurs in none of them.
pub(crate) fn derive(key: &[u8], parts: &[&str]) -> Hash {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(context.sign().as_ref()) {
        *to = *from;
    }
    out
}

/// Whether two secrets are equal, in a time that does not tell where they differ.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// A code for typing, from random bytes.
pub(crate) fn typed_code(random: &[u8; 32]) -> String {
    random
        .iter()
        .take(CODE_LENGTH)
        .filter_map(|byte| CODE_ALPHABET.get(usize::from(byte % 32)))
        .map(|letter| char::from(*letter))
        .collect()
}

/// A typed code as it was meant: upper case, without the spaces and dashes that people add.
pub(crate) fn normal_code(typed: &str) -> String {
    typed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .take(CODE_LENGTH + 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_how_people_type_it() {
        let code = typed_code(&[7; 32]);
        assert_eq!(code.len(), CODE_LENGTH);
        assert_eq!(
            normal_code(&format!(" {}-{} ", &code[..4].to_lowercase(), &code[4..])),
            code
        );
    }

    #[test]
    fn parts_that_join_to_the_same_text_give_different_keys() {
        assert_ne!(derive(b"key", &["ab", "c"]), derive(b"key", &["a", "bc"]));
    }
}
