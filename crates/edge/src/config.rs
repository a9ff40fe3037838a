//! What an edge is started with, and what is refused before it starts.

use std::{collections::HashMap, net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use latchkey_entitlement::SiteId;
use latchkey_token::Secret;
use url::{Host, Url};

use crate::limits::Limits;

/// Shortest thumbprint of a bundle key: RFC 7638 with SHA-256 gives 43 characters.
const THUMBPRINT_LENGTH: usize = 43;

/// One site and the web server behind it.
#[derive(Clone, Debug)]
pub struct SiteOrigin {
    /// The site; its policy comes in the bundle.
    pub site: SiteId,
    /// Hosts on which readers see the site, with port where it is not the scheme's own.
    pub hosts: Vec<String>,
    /// Scheme, host and port of the publisher's own server. Not used with `auth_only`.
    pub origin: Url,
}

/// What an edge is started with.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// The sites that are served; every other host is answered 421.
    pub sites: Vec<SiteOrigin>,
    /// Where the server is reached: https, or plain http on the loopback.
    pub server_url: Url,
    /// Where readers pay and sign in, as a browser sees it: scheme, host and port.
    pub account_origin: String,
    /// The token that the server knows its edges by.
    pub edge_token: Secret,
    /// Thumbprint (RFC 7638) of the key that signs bundles.
    pub bundle_key: String,
    /// Folder for the last good bundle and the revocations; without it an edge cannot start while the server is down.
    pub state_dir: Option<PathBuf>,
    /// Peers whose `X-Forwarded-…` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Only `/.latchkey/…` is served, for proxies that ask with a sub-request.
    pub auth_only: bool,
    /// The origin is a site that believes to be elsewhere: it is told its own scheme and host, and its absolute links, redirects,
    /// cookie domains and policies are rewritten. For trying the edge out, not for production.
    pub origin_rewrite: bool,
    /// Where every connection to an origin goes, whatever its name resolves to. The certificate is still checked for the name.
    pub origin_address: Option<SocketAddr>,
    /// Certificates (PEM) of authorities of the publisher's own, that origins may be signed by beside those of the web.
    pub origin_ca: Option<String>,
    /// Filter lists in EasyList syntax: name and text of each.
    pub filter_lists: Vec<(String, String)>,
    /// Bounds.
    pub limits: Limits,
}

/// Why an edge cannot start, or be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// A value that cannot be used; the text names it and says what to do.
    #[error("{0}")]
    Config(String),
    /// There is no bundle on disk and none could be pulled.
    #[error(
        "no bundle of policies and keys: none is kept{kept}, and the server at {server} gave none: {why}\n  help: start the server, or check server_url, the edge token and bundle_key"
    )]
    NoBundle {
        /// Where one would be kept; empty, or ` in <folder>`.
        kept: String,
        /// The server that was asked.
        server: String,
        /// The last failure.
        why: String,
    },
    /// The server gave nothing fresh; what was held before stays in use.
    #[error("nothing fresh came from the server: {0}")]
    Pull(String),
    /// The connector to origins could not be made.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// A host on which readers see a site.
#[derive(Clone, Debug)]
pub(crate) struct SiteHost {
    pub(crate) site: SiteId,
    /// Host and port as browsers write them.
    pub(crate) host: String,
    /// Whether readers come over plain http: only for `localhost` and `*.localhost`.
    pub(crate) plain: bool,
    pub(crate) origin: Url,
}

impl SiteHost {
    pub(crate) fn scheme(&self) -> &'static str {
        if self.plain { "http" } else { "https" }
    }

    pub(crate) fn base(&self) -> String {
        format!("{}://{}", self.scheme(), self.host)
    }
}

pub(crate) fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// A `Host` value in the form in which hosts are compared: lower case, without the scheme's own port; with whether it is plain http.
pub(crate) fn normal_host(host: &str) -> Option<(String, bool)> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if host.is_empty() || !host.bytes().all(allowed) {
        return None;
    }
    let authority: http::uri::Authority = host.parse().ok()?;
    let plain = is_localhost(authority.host().trim_end_matches('.'));
    let own_port = if plain { 80 } else { 443 };
    match authority.port() {
        Some(port) if port.as_u16() == own_port => Some((authority.host().to_owned(), plain)),
        Some(port) => Some((format!("{}:{}", authority.host(), port.as_u16()), plain)),
        None if authority.as_str() == authority.host() => Some((host, plain)),
        None => None,
    }
}

impl EdgeConfig {
    /// Checks everything that can be checked without the server, and gives the hosts by their normal form.
    pub(crate) fn hosts(&self) -> Result<HashMap<String, SiteHost>, EdgeError> {
        let wrong = |text: String| Err(EdgeError::Config(text));
        let account = self.account()?;
        if self.bundle_key.len() != THUMBPRINT_LENGTH {
            return wrong(format!(
                "bundle_key `{}` is not a key's thumbprint of {THUMBPRINT_LENGTH} characters\n  help: `latchkey keys list` prints it",
                self.bundle_key
            ));
        }
        if !may_carry_secrets(&self.server_url) {
            return wrong(format!(
                "server_url `{}` would send secrets in the clear\n  help: use https, or http on the loopback",
                self.server_url
            ));
        }
        if self.edge_token.expose().is_empty() || !self.edge_token.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return wrong("the edge token is empty, or has characters that a header cannot carry".to_owned());
        }
        let mut hosts = HashMap::new();
        for site in &self.sites {
            if !self.auth_only {
                check_origin(site)?;
            }
            for host in &site.hosts {
                if host.contains("://") {
                    return wrong(format!(
                        "`{host}` is not a host\n  help: write it without scheme, such as `www.publisher.example`"
                    ));
                }
                let Some((name, plain)) = normal_host(host) else {
                    return wrong(format!("`{host}` is not a host name with an optional port"));
                };
                if name == account {
                    return wrong(format!(
                        "`{host}` is both a site's host and the account origin\n  help: third-party scripts run on a site; give the account origin a host of its own"
                    ));
                }
                let entry = SiteHost {
                    site: site.site.clone(),
                    host: name.clone(),
                    plain,
                    origin: site.origin.clone(),
                };
                if hosts.insert(name, entry).is_some() {
                    return wrong(format!("the host `{host}` is named twice"));
                }
            }
        }
        if hosts.is_empty() {
            return wrong("no host is named\n  help: give each site at least one host".to_owned());
        }
        Ok(hosts)
    }

    /// The account origin's host in normal form, after its scheme was checked.
    fn account(&self) -> Result<String, EdgeError> {
        let wrong = |why: &str| EdgeError::Config(format!("account_origin `{}` {why}", self.account_origin));
        let url = Url::parse(&self.account_origin)
            .map_err(|_| wrong("is not a URL such as https://account.publisher.example"))?;
        let host = url.host_str().ok_or_else(|| wrong("has no host"))?;
        match url.scheme() {
            "https" => {}
            "http" if is_localhost(host) => {}
            _ => {
                return Err(wrong(
                    "is not https\n  help: plain http is only for localhost and *.localhost",
                ));
            }
        }
        let authority = url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        normal_host(&authority)
            .map(|(name, _)| name)
            .ok_or_else(|| wrong("has an odd host"))
    }

    /// The account origin without a slash at its end.
    pub(crate) fn account_base(&self) -> &str {
        self.account_origin.trim_end_matches('/')
    }
}

fn may_carry_secrets(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => is_localhost(name),
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

fn check_origin(site: &SiteOrigin) -> Result<(), EdgeError> {
    let url = &site.origin;
    let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty() && url.password().is_none();
    if matches!(url.scheme(), "http" | "https") && url.host().is_some() && bare {
        return Ok(());
    }
    Err(EdgeError::Config(format!(
        "the origin `{url}` of site `{}` is not scheme, host and port alone\n  help: write it like http://127.0.0.1:8080",
        site.site
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_without_case_and_without_the_schemes_own_port() {
        for (host, want) in [
            ("WWW.Publisher.Example", Some(("www.publisher.example", false))),
            ("www.publisher.example:443", Some(("www.publisher.example", false))),
            (
                "www.publisher.example:8443",
                Some(("www.publisher.example:8443", false)),
            ),
            ("news.localhost:8080", Some(("news.localhost:8080", true))),
            ("news.localhost:80", Some(("news.localhost", true))),
            ("user@www.publisher.example", None),
            ("www.publisher.example:x", None),
            ("www publisher", None),
            ("", None),
        ] {
            let got = normal_host(host);
            assert_eq!(
                got.as_ref().map(|(name, plain)| (name.as_str(), *plain)),
                want,
                "{host}"
            );
        }
    }

    fn config() -> EdgeConfig {
        EdgeConfig {
            sites: vec![SiteOrigin {
                site: SiteId::parse("sit_news").unwrap(),
                hosts: vec!["www.publisher.example".to_owned()],
                origin: Url::parse("http://10.0.0.7:8080").unwrap(),
            }],
            server_url: Url::parse("http://127.0.0.1:8300").unwrap(),
            account_origin: "https://account.publisher.example".to_owned(),
            edge_token: Secret::new("token"),
            bundle_key: "k".repeat(THUMBPRINT_LENGTH),
            state_dir: None,
            trusted_proxies: vec![],
            auth_only: false,
            origin_rewrite: false,
            origin_address: None,
            origin_ca: None,
            filter_lists: vec![],
            limits: Limits::default(),
        }
    }

    type Edit = fn(&mut EdgeConfig);

    #[test]
    fn what_cannot_be_served_safely_is_refused_with_its_name() {
        assert!(config().hosts().is_ok());
        let table: [(&str, Edit); 11] = [
            ("account_origin `http://account.publisher.example` is not https", |c| {
                c.account_origin = "http://account.publisher.example".to_owned();
            }),
            ("is both a site's host and the account origin", |c| {
                c.account_origin = "https://WWW.publisher.example:443/".to_owned();
            }),
            ("is not a URL", |c| {
                c.account_origin = "account.publisher.example".to_owned();
            }),
            ("would send secrets in the clear", |c| {
                c.server_url = Url::parse("http://10.0.0.5:8300").unwrap();
            }),
            ("is not a key's thumbprint", |c| c.bundle_key = "short".to_owned()),
            ("the edge token is empty", |c| c.edge_token = Secret::new("")),
            ("`http://www.publisher.example` is not a host", |c| {
                set_host(c, "http://www.publisher.example");
            }),
            ("`a b` is not a host name", |c| set_host(c, "a b")),
            ("is named twice", |c| c.sites.push(c.sites[0].clone())),
            ("no host is named", |c| c.sites.clear()),
            ("is not scheme, host and port alone", |c| {
                c.sites[0].origin = Url::parse("http://10.0.0.7/path").unwrap();
            }),
        ];
        for (want, edit) in table {
            let mut config = config();
            edit(&mut config);
            let why = config.hosts().unwrap_err().to_string();
            assert!(why.contains(want), "{why}");
        }
        assert!(
            !format!("{:?}", config()).contains("\"token\""),
            "the token is never printed"
        );
    }

    fn set_host(config: &mut EdgeConfig, host: &str) {
        config.sites[0].hosts = vec![host.to_owned()];
    }
}
