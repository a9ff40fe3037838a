//! One file a command: read what it needs, do it, say how it ended.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod edge;
pub(crate) mod explain;
pub(crate) mod figures;
pub(crate) mod grant;
pub(crate) mod inbox;
pub(crate) mod init;
pub(crate) mod invoices;
pub(crate) mod keys;
pub(crate) mod migrate;
pub(crate) mod online;
pub(crate) mod outbox;
pub(crate) mod reconcile;
pub(crate) mod serve;
pub(crate) mod standing;
pub(crate) mod status;
pub(crate) mod strip;
pub(crate) mod stripe;
