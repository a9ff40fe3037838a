//! Signatures of webhook deliveries: header `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>]`, HMAC-SHA256 over `{t}.{body}`.

use std::fmt;

use aws_lc_rs::hmac;
use latchkey_entitlement::Timestamp;

/// Largest body that is checked, in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Longest header that is read, in bytes.
pub const MAX_HEADER_BYTES: usize = 4096;
/// Most `v1` values that are tried.
pub const MAX_SIGNATURES: usize = 16;

/// The signing secrets of our endpoints (`whsec_…`): several while one is being replaced. Printed redacted.
#[derive(Clone, Default)]
pub struct WebhookSecrets(Vec<String>);

impl WebhookSecrets {
    /// From secrets as configured; surrounding white space and empty entries are dropped.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let trimmed = secrets.into_iter().map(|secret| secret.as_ref().trim().to_owned());
        Self(trimmed.filter(|secret| !secret.is_empty()).collect())
    }

    /// Whether there is none, so that no delivery can be accepted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSecrets({} redacted)", self.0.len())
    }
}

/// Why a delivery is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No secret is configured.
    #[error("no webhook secret is configured")]
    NoSecret,
    /// The header is absent, too long, or not of the form `t=…,v1=…`.
    #[error("the header Stripe-Signature is missing or malformed")]
    Header,
    /// The body is too large to be an event.
    #[error("the body is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// No signature fits any secret.
    #[error(
        "no signature fits a configured webhook secret; each endpoint has its own secret, and so has `stripe listen`, and the body must arrive unchanged"
    )]
    Mismatch,
    /// The signature fits, but was made too long ago or in the future.
    #[error("the signature was made {seconds} seconds away from our clock; check the clock of this machine")]
    Time {
        /// How far the clocks are apart; positive if the signature is old.
        seconds: i64,
    },
}

struct Header {
    time: String,
    seconds: i64,
    signatures: Vec<[u8; 32]>,
}

fn read_header(header: &str) -> Result<Header, SignatureError> {
    if header.len() > MAX_HEADER_BYTES {
        return Err(SignatureError::Header);
    }
    let mut time: Option<(String, i64)> = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        let Some((name, value)) = part.split_once('=') else {
            continue;
        };
        let value = value.trim();
        match name.trim() {
            "t" if time.is_some() => return Err(SignatureError::Header),
            "t" => {
                if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(SignatureError::Header);
                }
                let seconds = value.parse().map_err(|_| SignatureError::Header)?;
                time = Some((value.to_owned(), seconds));
            }
            "v1" if signatures.len() < MAX_SIGNATURES => signatures.extend(decode_hex(value)),
            // `v0` is for test mode and proves nothing; later schemes are not known here.
            _ => {}
        }
    }
    match time {
        Some((time, seconds)) if !signatures.is_empty() => Ok(Header {
            time,
            seconds,
            signatures,
        }),
        _ => Err(SignatureError::Header),
    }
}

/// Checks a delivery: `raw` is the body exactly as it came. The tolerance counts in both directions and is inclusive.
///
/// # Errors
/// See [`SignatureError`]; the time is judged only once a signature fits.
pub fn verify_signature(
    raw: &[u8],
    header: &str,
    secrets: &WebhookSecrets,
    now: Timestamp,
    tolerance_seconds: i64,
) -> Result<(), SignatureError> {
    if secrets.is_empty() {
        return Err(SignatureError::NoSecret);
    }
    if raw.len() > MAX_BODY_BYTES {
        return Err(SignatureError::TooLarge);
    }
    let header = read_header(header)?;
    let signed = signed_bytes(&header.time, raw);
    let fits = secrets.0.iter().any(|secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        header
            .signatures
            .iter()
            .any(|signature| hmac::verify(&key, &signed, signature).is_ok())
    });
    if !fits {
        return Err(SignatureError::Mismatch);
    }
    let seconds = now.seconds().saturating_sub(header.seconds);
    if seconds.saturating_abs() > tolerance_seconds {
        return Err(SignatureError::Time { seconds });
    }
    Ok(())
}

/// The header that Stripe would send with this body; for the sandbox and for tests.
pub fn sign(raw: &[u8], secret: &str, now: Timestamp) -> String {
    let time = now.seconds().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, &signed_bytes(&time, raw));
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    let hex: String = tag
        .as_ref()
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect();
    format!("t={time},v1={hex}")
}

fn signed_bytes(time: &str, raw: &[u8]) -> Vec<u8> {
    [time.as_bytes(), b".", raw].concat()
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut out = [0_u8; 32];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(out)
}
