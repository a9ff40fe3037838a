//! Hosts in addresses, and sets of them with their sub-domains.

use std::collections::HashMap;

use url::Url;

/// Longest address that is looked at, in bytes; `data:` addresses are long and never an ad's host.
const MAX_URL_BYTES: usize = 4096;

/// The host of an address as it stands in an attribute: absolute, or relative to the scheme (`//ads.example/x`).
pub(crate) fn host_of(address: &str) -> Option<String> {
    let address = address.trim();
    if address.len() > MAX_URL_BYTES || !address.contains("//") {
        return None;
    }
    let absolute = if address.starts_with("//") {
        format!("https:{address}")
    } else {
        address.to_owned()
    };
    let url = Url::parse(&absolute).ok()?;
    if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") {
        return None;
    }
    let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
    Some(host)
}

/// Hosts by name; each stands for its sub-domains too.
#[derive(Debug, Default)]
pub(crate) struct Hosts(HashMap<String, usize>);

impl Hosts {
    pub(crate) fn insert(&mut self, host: &str, rule: usize) {
        self.0.entry(host.to_ascii_lowercase()).or_insert(rule);
    }

    /// The rule for `host` or for the nearest parent domain.
    pub(crate) fn find(&self, host: &str) -> Option<usize> {
        let mut rest = host;
        loop {
            if let Some(rule) = self.0.get(rest) {
                return Some(*rule);
            }
            rest = rest.split_once('.')?.1;
        }
    }

    /// The rule for the host of `address`.
    pub(crate) fn find_address(&self, address: &str) -> Option<usize> {
        host_of(address).and_then(|host| self.find(&host))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.keys().cloned().collect();
        names.sort();
        names
    }
}

/// Every absolute or scheme-relative address in some text, such as markup within `<noscript>` or a `srcset`.
pub(crate) fn addresses(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ',' | ')' | '\\');
    text.split(ends).filter(|word| word.contains("//")).map(|word| {
        let start = word.find("http").or_else(|| word.find("//")).unwrap_or(0);
        word.get(start..).unwrap_or(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_stands_for_its_sub_domains_at_dots_alone() {
        let mut hosts = Hosts::default();
        hosts.insert("ads.example", 7);
        for address in [
            "https://ads.example/x",
            "//cdn.ads.example/x.js",
            "HTTPS://ADS.EXAMPLE./",
            "http://a.b.ads.example:8080/",
        ] {
            assert_eq!(hosts.find_address(address), Some(7), "{address}");
        }
        for address in [
            "https://badads.example/",
            "https://ads.example.org/",
            "/ads.example/",
            "data:x,//ads.example",
            "mailto:a@ads.example",
        ] {
            assert_eq!(hosts.find_address(address), None, "{address}");
        }
    }

    #[test]
    fn addresses_are_found_in_markup_and_lists() {
        let text = r#"<img src="https://p.example/1.gif"><img srcset="//a.example/1 1x, //b.example/2 2x" style='background:url(https://c.example/x)'>"#;
        let found: Vec<String> = addresses(text).filter_map(host_of).collect();
        assert_eq!(found, ["p.example", "a.example", "b.example", "c.example"]);
    }
}
