//! A content security policy (CSP Level 3) that was written for another host: made to allow here what it allows there.

/// Directives by which a policy sends the browser to https.
const UPGRADES: [&str; 2] = ["upgrade-insecure-requests", "block-all-mixed-content"];
/// Ports that a source may name where its scheme's own is meant.
const OWN_PORTS: [&str; 2] = [":443", ":80"];

/// What a policy's sources are held against.
pub(crate) struct PolicyMove<'a> {
    /// Hosts of the origin, with a port where it is not the scheme's own.
    pub(crate) names: &'a [String],
    /// Scheme, host and port of this host.
    pub(crate) base: &'a str,
    /// The same for WebSockets.
    pub(crate) socket_base: &'a str,
}

impl PolicyMove<'_> {
    /// The policies of one header line or one `<meta>`, whose absolute addresses name this host already; `None` if nothing is left.
    ///
    /// Sources that mean the origin without its whole address (`https:`, `www.site.example`, `*.site.example`) mean this host too.
    pub(crate) fn policies(&self, line: &str) -> Option<String> {
        let kept: Vec<String> = line.split(',').filter_map(|policy| self.policy(policy)).collect();
        (!kept.is_empty()).then(|| kept.join(", "))
    }

    fn policy(&self, policy: &str) -> Option<String> {
        let directives = policy.split(';').map(str::trim).filter(|directive| {
            !directive.is_empty() && !UPGRADES.iter().any(|upgrade| directive.eq_ignore_ascii_case(upgrade))
        });
        let kept: Vec<String> = directives.map(|directive| self.directive(directive)).collect();
        (!kept.is_empty()).then(|| kept.join("; "))
    }

    fn directive(&self, directive: &str) -> String {
        let sources: Vec<&str> = directive.split_ascii_whitespace().skip(1).collect();
        let mut more: Vec<&str> = sources.iter().filter_map(|source| self.here(source)).collect();
        more.retain(|one| !sources.contains(one));
        more.dedup();
        let mut text = directive.to_owned();
        for (i, source) in more.iter().enumerate() {
            if !more.iter().take(i).any(|before| before == source) {
                text.push(' ');
                text.push_str(source);
            }
        }
        text
    }

    /// What this host is called in place of a source that means the origin.
    fn here(&self, source: &str) -> Option<&str> {
        let source = source.to_ascii_lowercase();
        let (scheme, rest) = match source.split_once("://") {
            Some((scheme, rest)) => (scheme, Some(rest)),
            None => match source.strip_suffix(':') {
                Some(scheme) => (scheme, None),
                None => ("", Some(source.as_str())),
            },
        };
        let base = match scheme {
            "" | "http" | "https" => self.base,
            "ws" | "wss" => self.socket_base,
            _ => return None,
        };
        // A scheme alone, or with any host.
        let Some(rest) = rest else { return Some(base) };
        let authority = rest.split('/').next().unwrap_or_default();
        let any_port = authority.strip_suffix(":*");
        let host = any_port
            .or_else(|| OWN_PORTS.iter().find_map(|port| authority.strip_suffix(port)))
            .unwrap_or(authority);
        let is_origin = self.names.iter().any(|name| {
            let name = match any_port {
                Some(_) => name.split(':').next().unwrap_or_default(),
                None => name.as_str(),
            };
            host == name
                || host
                    .strip_prefix('*')
                    .is_some_and(|end| end.starts_with('.') && name.ends_with(end))
        });
        (is_origin || !scheme.is_empty() && host == "*").then_some(base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_allows_this_host_where_it_allowed_the_origin() {
        let names = ["www.example.com".to_owned(), "example.com".to_owned()];
        let policy = PolicyMove {
            names: &names,
            base: "http://news.localhost:8080",
            socket_base: "ws://news.localhost:8080",
        };
        for (line, more) in [
            ("img-src https: data:", " http://news.localhost:8080"),
            ("img-src https://*", " http://news.localhost:8080"),
            ("script-src www.example.com example.com", " http://news.localhost:8080"),
            ("script-src WWW.example.com:443/app/", " http://news.localhost:8080"),
            ("script-src www.example.com:*", " http://news.localhost:8080"),
            ("font-src https://*.example.com", " http://news.localhost:8080"),
            ("connect-src wss: 'self'", " ws://news.localhost:8080"),
            (
                "connect-src wss://*.example.com *.example.com",
                " ws://news.localhost:8080 http://news.localhost:8080",
            ),
            ("script-src 'nonce-a' https://cdn.example.net", ""),
            ("img-src *.ample.com notexample.com www.example.com:81 data:", ""),
            ("img-src * 'none'", ""),
            ("default-src https: http://news.localhost:8080", ""),
        ] {
            assert_eq!(policy.policies(line), Some(format!("{line}{more}")));
        }
    }

    #[test]
    fn no_policy_sends_the_browser_to_https() {
        let policy = PolicyMove {
            names: &[],
            base: "http://a.localhost",
            socket_base: "ws://a.localhost",
        };
        assert_eq!(policy.policies("Upgrade-Insecure-Requests;"), None);
        assert_eq!(policy.policies("").as_deref(), None);
        assert_eq!(
            policy.policies("block-all-mixed-content; base-uri 'self', upgrade-insecure-requests, img-src *"),
            Some("base-uri 'self', img-src *".to_owned())
        );
    }
}
