//! Who a pass is about, without saying so.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Bytes of the HMAC that are kept: 128 bits tell readers apart and cannot be guessed, and a pass stays small.
const KEPT: usize = 16;

/// The pairwise subject of an account on a site: HMAC-SHA256 under the site's secret, cut to 128 bits, base64url (22 characters).
/// Two sites cannot compare theirs.
pub fn subject(site_secret: &[u8], account_id: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, site_secret);
    let tag = hmac::sign(&key, account_id.as_bytes());
    URL_SAFE_NO_PAD.encode(tag.as_ref().get(..KEPT).unwrap_or_default())
}
