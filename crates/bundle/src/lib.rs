//! What an edge needs to work alone: the bundle (policies, keys, version; signed, never rolled back), and the numbered feed of revocations.
//!
//! The signing key is a separate, long-lived one whose thumbprint is in the edge's configuration, so that a server that answers wrongly can
//! neither change what is stripped nor who is believed.

mod content;
mod revocation;

pub use content::{BUNDLE_TYPE, Bundle, BundleError, MAX_BUNDLE_BYTES, MAX_SITES, open, sign};
pub use revocation::{
    MAX_PAGE_BYTES, MAX_PAGE_ENTRIES, MAX_REVOCATIONS, PageError, Revocation, RevocationPage, RevocationSet,
};
