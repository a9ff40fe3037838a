//! Where a reader goes next: never further than this origin and the configured sites.

use latchkey_entitlement::{SiteId, policy::SitePolicy};
use url::form_urlencoded;

use crate::ServerConfig;

/// Longest path that is carried through sign-in and Checkout, in bytes.
pub(crate) const MAX_PATH_LENGTH: usize = 2048;

/// A path with query on some origin of ours: begins with one `/`, and no browser reads it as another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalPath(String);

impl LocalPath {
    /// Reads a path; anything that a browser might take for another origin is refused.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let one_slash = chars.next() == Some('/') && chars.next() != Some('/');
        let plain = !text.chars().any(|c| c == '\\' || c.is_control() || c.is_whitespace());
        (one_slash && plain && text.len() <= MAX_PATH_LENGTH).then(|| Self(text.to_owned()))
    }

    /// The path, or the front page where there is none or it cannot be used.
    pub(crate) fn or_front(text: Option<&str>) -> Self {
        text.and_then(Self::parse).unwrap_or_else(|| Self("/".to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A page of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The site; `None` where none was named and the instance has several or none.
    pub(crate) site: Option<SiteId>,
    /// The page.
    pub(crate) to: LocalPath,
}

impl Target {
    /// Reads `site` and `to` as they stand in addresses and forms. An unknown site counts as none; the only site needs no name.
    pub(crate) fn read(config: &ServerConfig, site: Option<&str>, to: Option<&str>) -> Self {
        let named = site
            .and_then(|text| SiteId::parse(text).ok())
            .filter(|id| config.site(id).is_some());
        let only = match config.sites.as_slice() {
            [one] => Some(one.id.clone()),
            _ => None,
        };
        Self {
            site: named.or(only),
            to: LocalPath::or_front(to),
        }
    }

    /// `site=…&to=…`, for addresses on this origin.
    pub(crate) fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(site) = &self.site {
            query.append_pair("site", site.as_str());
        }
        query.append_pair("to", self.to.as_str()).finish()
    }

    /// The path on this origin that leads a signed-in reader on to the page.
    pub(crate) fn onward(&self) -> String {
        if self.site.is_some() {
            format!("/account/continue?{}", self.query())
        } else {
            "/account".to_owned()
        }
    }

    /// The address on the site that begins the hand-over; `None` without a site or without a host.
    pub(crate) fn enter_url(&self, config: &ServerConfig) -> Option<String> {
        let host = config.site(self.site.as_ref()?)?.hosts.first()?;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("to", self.to.as_str())
            .finish();
        Some(format!("{}/.latchkey/enter?{query}", host_origin(host)))
    }

    /// The page itself, for "back to what you were reading".
    pub(crate) fn page_url(&self, config: &ServerConfig) -> Option<String> {
        let host = config.site(self.site.as_ref()?)?.hosts.first()?;
        Some(format!("{}{}", host_origin(host), self.to.as_str()))
    }
}

/// Scheme and host of a site's host: plain http only for this machine's own names.
pub(crate) fn host_origin(host: &str) -> String {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let local = name == "localhost" || name.ends_with(".localhost");
    format!("{}://{host}", if local { "http" } else { "https" })
}

/// Every origin of the sites, for the form-action of pages whose forms lead there.
pub(crate) fn site_origins(sites: &[SitePolicy]) -> impl Iterator<Item = String> {
    sites
        .iter()
        .flat_map(|site| site.hosts.iter())
        .map(|host| host_origin(host))
}

/// A continuation on this origin after sign-in: only pages that are known to be harmless to land on.
pub(crate) fn next_path(text: Option<&str>) -> String {
    const KNOWN: [&str; 3] = ["/account", "/account/continue", "/support"];
    text.and_then(LocalPath::parse)
        .map(|path| path.0)
        .filter(|path| path.split(['?', '#']).next().is_some_and(|bare| KNOWN.contains(&bare)))
        .unwrap_or_else(|| "/account".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_to_another_host() {
        for bad in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\nb",
            "/a b",
            "/\t/evil",
            "\\/evil",
        ] {
            assert_eq!(LocalPath::parse(bad), None, "{bad:?} was accepted");
        }
        assert_eq!(LocalPath::or_front(Some("/a?b=//c")).as_str(), "/a?b=//c");
        for bad in [
            "/webhooks/stripe",
            "//account",
            "https://evil.example/account",
            "/accounts",
            "/account/../x",
        ] {
            assert_eq!(next_path(Some(bad)), "/account", "{bad:?} was followed");
        }
        assert_eq!(next_path(Some("/support?site=sit_a")), "/support?site=sit_a");
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        assert_eq!(host_origin("news.localhost:8080"), "http://news.localhost:8080");
        assert_eq!(host_origin("localhost.evil.example"), "https://localhost.evil.example");
    }
}
