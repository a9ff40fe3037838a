//! The bundle: its content, signing, opening.

use std::collections::HashSet;

use latchkey_entitlement::{SiteId, Timestamp, policy::SitePolicy};
use latchkey_token::{JwkSet, MintError, SigningKey, Verifier, VerifyError, sign_jws, verify_jws};
use serde::{Deserialize, Serialize};

/// `typ` of a bundle, so that nothing else signed with the key passes for one.
pub const BUNDLE_TYPE: &str = "latchkey-bundle+jws";
/// Longest bundle, signed, in bytes; checked before anything is decoded.
pub const MAX_BUNDLE_BYTES: usize = 4 * 1024 * 1024;
/// Most sites in one bundle.
pub const MAX_SITES: usize = 256;

/// What an edge needs to work alone. Members that an edge does not know are ignored, so that a newer server can speak to an older edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Grows with every change of content; the edge's guard against a rollback.
    pub version: u64,
    /// When it was made.
    pub issued_at: Timestamp,
    /// The account origin, `iss` of passes; without a slash at its end.
    pub issuer: String,
    /// Keys of passes: next, current and previous.
    pub jwks: JwkSet,
    /// Policies, one per site.
    pub sites: Vec<SitePolicy>,
    /// One line on prices for the call, if it is to be shown there.
    #[serde(default)]
    pub prices_line: Option<String>,
    /// Where the call leads.
    pub support_url: String,
}

/// Why a bundle was not signed or not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BundleError {
    /// It would be longer than [`MAX_BUNDLE_BYTES`].
    #[error("the bundle has {0} bytes; at most {MAX_BUNDLE_BYTES} are allowed")]
    TooLong(usize),
    /// It could not be written.
    #[error("the bundle could not be signed: {0}")]
    Sign(#[from] MintError),
    /// Its signature, type, form or length was refused.
    #[error("the bundle is not one of the pinned key: {0}")]
    Signature(#[from] VerifyError),
    /// The content is no bundle.
    #[error("the bundle cannot be read: {0}")]
    Json(String),
    /// Older than the one that is held.
    #[error("the bundle has version {offered}, but version {held} is held; a rollback has to be forced")]
    Rollback {
        /// Version of the one that is held.
        held: u64,
        /// Version of the one that was offered.
        offered: u64,
    },
    /// Without keys no pass could be verified: every payer would see ads.
    #[error("the bundle has no key that can verify a pass")]
    NoKeys,
    /// The issuer is not an origin without a slash at its end.
    #[error("`{0}` is not the origin of an issuer: http(s)://host, without a slash at the end")]
    Issuer(String),
    /// More sites than [`MAX_SITES`].
    #[error("{0} sites in the bundle; at most {MAX_SITES} are allowed")]
    TooManySites(usize),
    /// A site id or a host is there twice.
    #[error("`{0}` is there twice in the bundle")]
    Twice(String),
    /// The rules of a site do not compile.
    #[error("the rules of {site} cannot be used: {what}")]
    Rules {
        /// The site.
        site: SiteId,
        /// What is wrong.
        what: String,
    },
}

impl Bundle {
    /// Whether an edge can work with it: done before signing and after opening.
    pub fn validate(&self) -> Result<(), BundleError> {
        // Counted as a verifier would: keys of no use are as bad as none.
        if Verifier::new(&self.jwks, "", "").key_count() == 0 {
            return Err(BundleError::NoKeys);
        }
        let host = self
            .issuer
            .strip_prefix("https://")
            .or_else(|| self.issuer.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', ' '])) {
            return Err(BundleError::Issuer(self.issuer.clone()));
        }
        if self.sites.len() > MAX_SITES {
            return Err(BundleError::TooManySites(self.sites.len()));
        }
        let mut seen = HashSet::new();
        for site in &self.sites {
            for name in std::iter::once(site.id.as_str()).chain(site.hosts.iter().map(String::as_str)) {
                if !seen.insert(name) {
                    return Err(BundleError::Twice(name.to_owned()));
                }
            }
            latchkey_page::Compiled::new(&site.strip, &[]).map_err(|error| BundleError::Rules {
                site: site.id.clone(),
                what: error.to_string(),
            })?;
        }
        Ok(())
    }

    /// The policy of a host (lower-case, with port where it is not the scheme's own).
    pub fn site_of_host(&self, host: &str) -> Option<&SitePolicy> {
        self.sites
            .iter()
            .find(|site| site.hosts.iter().any(|known| known == host))
    }
}

/// Signs a bundle with the bundle key, after [`Bundle::validate`].
pub fn sign(bundle: &Bundle, key: &SigningKey) -> Result<String, BundleError> {
    bundle.validate()?;
    let json = serde_json::to_vec(bundle).map_err(|error| BundleError::Json(error.to_string()))?;
    let jws = sign_jws(key, BUNDLE_TYPE, &json)?;
    if jws.len() > MAX_BUNDLE_BYTES {
        return Err(BundleError::TooLong(jws.len()));
    }
    Ok(jws)
}

/// Opens a bundle signed by the key whose thumbprint is `pinned_kid`. One older than `held_version` is refused unless `force`; the same
/// version again is taken.
pub fn open(jws: &str, pinned_kid: &str, held_version: Option<u64>, force: bool) -> Result<Bundle, BundleError> {
    let json = verify_jws(jws, BUNDLE_TYPE, pinned_kid, MAX_BUNDLE_BYTES)?;
    let bundle: Bundle = serde_json::from_slice(&json).map_err(|error| BundleError::Json(error.to_string()))?;
    if let Some(held) = held_version.filter(|held| bundle.version < *held && !force) {
        return Err(BundleError::Rollback {
            held,
            offered: bundle.version,
        });
    }
    bundle.validate()?;
    Ok(bundle)
}
