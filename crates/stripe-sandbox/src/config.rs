//! What a sandbox is opened with, and the guards that keep it away from anything real.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use url::{Host, Url};

/// Every key the sandbox accepts begins so; no real Stripe key does.
pub const KEY_PREFIX: &str = "sk_test_sandbox_";

/// What a [`Sandbox`](crate::Sandbox) is opened with.
#[derive(Clone)]
pub struct SandboxConfig {
    /// The API key that callers present; begins with [`KEY_PREFIX`].
    pub secret_key: String,
    /// Where events are sent; a loopback http address, or none.
    pub webhook_url: Option<String>,
    /// The signing secret of `webhook_url` (`whsec_…`).
    pub webhook_secret: String,
    /// Where the pages are reached, without a final slash, such as `http://stripe.localhost:8080`.
    pub public_url: String,
    /// The folder for the state file; without one the state lives in memory.
    pub data: Option<PathBuf>,
}

impl std::fmt::Debug for SandboxConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxConfig")
            .field("webhook_url", &self.webhook_url)
            .field("public_url", &self.public_url)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// Why a sandbox cannot be opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The key is a live key, or not the sandbox's kind.
    #[error(
        "the sandbox takes only keys that begin with {KEY_PREFIX}: it must never see a key of a real Stripe account"
    )]
    Key,
    /// An address is not on this machine.
    #[error("{what} {address:?} is not a loopback address: the sandbox talks to this machine only")]
    NotLoopback {
        /// Which address it is.
        what: &'static str,
        /// The address as given.
        address: String,
    },
    /// An address cannot be read.
    #[error("{what} {address:?} is not an address: {reason}")]
    Address {
        /// Which address it is.
        what: &'static str,
        /// The address as given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The state file cannot be read or written.
    #[error("state file {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or the parser said.
        reason: String,
    },
    /// An object that a control function names does not exist.
    #[error("no such {what}: {id}")]
    NoSuch {
        /// The kind of object.
        what: &'static str,
        /// The id as given.
        id: String,
    },
    /// A control function asks for what Stripe itself would refuse.
    #[error("{0}")]
    Refused(String),
    /// A socket cannot be bound.
    #[error("cannot listen on {address}: {reason}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
}

impl SandboxConfig {
    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        if !self.secret_key.starts_with(KEY_PREFIX) || self.secret_key.len() == KEY_PREFIX.len() {
            return Err(SandboxError::Key);
        }
        check_loopback_url("public_url", &self.public_url)?;
        if let Some(address) = &self.webhook_url {
            check_loopback_url("webhook_url", address)?;
        }
        Ok(())
    }
}

/// Refuses an address that is not http on this machine: `localhost`, `*.localhost` (RFC 6761 6.3), 127.0.0.0/8 or ::1.
pub(crate) fn check_loopback_url(what: &'static str, address: &str) -> Result<Url, SandboxError> {
    let fail = |reason: String| SandboxError::Address {
        what,
        address: address.to_owned(),
        reason,
    };
    let url = Url::parse(address).map_err(|error| fail(error.to_string()))?;
    if url.scheme() != "http" {
        return Err(fail("only http is spoken on loopback".to_owned()));
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => is_loopback_name(name),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if loopback {
        Ok(url)
    } else {
        Err(SandboxError::NotLoopback {
            what,
            address: address.to_owned(),
        })
    }
}

fn is_loopback_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether a Host header names this machine. Others are refused, so that no foreign name can be pointed at the sandbox
/// to read its pages (DNS rebinding).
pub(crate) fn is_loopback_host(authority: &str) -> bool {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => authority,
    };
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    ip.map_or_else(|_| is_loopback_name(name), |ip| ip.is_loopback())
}

/// Refuses a socket address that others could reach.
pub fn check_loopback(address: SocketAddr) -> Result<(), SandboxError> {
    if address.ip().is_loopback() {
        Ok(())
    } else {
        Err(SandboxError::NotLoopback {
            what: "listen address",
            address: address.to_string(),
        })
    }
}

/// Listens on `address`, which must be a loopback address.
pub async fn bind(address: SocketAddr) -> Result<tokio::net::TcpListener, SandboxError> {
    check_loopback(address)?;
    let bound = tokio::net::TcpListener::bind(address).await;
    bound.map_err(|error| SandboxError::Bind {
        address,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for good in [
            "http://localhost:1/x",
            "http://a.localhost",
            "http://127.0.0.1:80",
            "http://127.8.0.1",
            "http://[::1]:9",
        ] {
            assert!(check_loopback_url("webhook_url", good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "http://0.0.0.0:80",
            "https://localhost",
            "ftp://localhost",
            "localhost",
            "http://127.0.0.1.nip.io",
        ] {
            assert!(check_loopback_url("webhook_url", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn host_headers_with_and_without_port_are_judged() {
        for good in [
            "localhost",
            "stripe.localhost:8080",
            "127.0.0.1:80",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(is_loopback_host(good), "{good}");
        }
        for bad in [
            "evil.example:8080",
            "localhost.evil.example",
            "10.1.1.1",
            "[fe80::1]:80",
            "",
        ] {
            assert!(!is_loopback_host(bad), "{bad}");
        }
    }
}
