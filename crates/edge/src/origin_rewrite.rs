//! For trying the edge out before a site that believes to be elsewhere: what names the site's own host is made to name this one.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ALT_SVC, CONTENT_LOCATION, CONTENT_SECURITY_POLICY,
        CONTENT_SECURITY_POLICY_REPORT_ONLY, LINK, LOCATION, REFRESH, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
    },
};
use url::{Host, Position, Url};

use crate::{config::SiteHost, content_policy::PolicyMove};

/// Headers with addresses in them.
const ADDRESSES: [HeaderName; 7] = [
    LOCATION,
    CONTENT_LOCATION,
    LINK,
    REFRESH,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    CONTENT_SECURITY_POLICY,
    CONTENT_SECURITY_POLICY_REPORT_ONLY,
];

/// The two slashes before a host, and the colon before them, plain and as JSON, scripts and HTML escape them.
const SLASHES: [&str; 6] = [
    "//",
    "\\/\\/",
    "\\u002f\\u002f",
    "\\x2f\\x2f",
    "&#x2f;&#x2f;",
    "&#47;&#47;",
];
const COLONS: [&str; 5] = [":", "\\u003a", "\\x3a", "&#x3a;", "&#58;"];

/// Whether both addresses are of one site: on one host, or one on it and one on its `www.`. Another port of the same scheme is
/// another server, which is another site.
pub(crate) fn is_same_site(one: &Url, other: &Url) -> bool {
    let bare = |url: &Url| {
        let host = url.host_str().unwrap_or_default();
        host.strip_prefix("www.").unwrap_or(host).to_owned()
    };
    bare(one) == bare(other)
        && (one.scheme() != other.scheme() || one.port_or_known_default() == other.port_or_known_default())
}

/// From which host to which.
pub(crate) struct OriginRewrite {
    /// The origin's host with its port, and its `www.` or bare host.
    names: Vec<String>,
    /// The same with the port written out where it is the scheme's own.
    spellings: Vec<String>,
    host: String,
    /// Scheme, host and port of this host.
    base: String,
    /// The same for WebSockets.
    socket_base: String,
    plain: bool,
}

impl OriginRewrite {
    pub(crate) fn new(host: &SiteHost) -> Self {
        let origin = &host.origin[Position::BeforeHost..Position::AfterPort];
        let mut names = vec![origin.to_owned()];
        if matches!(host.origin.host(), Some(Host::Domain(_))) {
            names.push(
                origin
                    .strip_prefix("www.")
                    .map_or_else(|| format!("www.{origin}"), str::to_owned),
            );
        }
        let mut spellings = names.clone();
        if host.origin.port().is_none() {
            let with_port = |port: u16| names.iter().map(move |name| format!("{name}:{port}"));
            spellings.extend(with_port(443).chain(with_port(80)));
        }
        Self {
            names,
            spellings,
            host: host.host.clone(),
            base: host.base(),
            socket_base: format!("{}://{}", if host.plain { "ws" } else { "wss" }, host.host),
            plain: host.plain,
        }
    }

    /// Text with its absolute addresses (`https://host` and `//host`, with and without `www.`, escaped or not) moved to this host.
    pub(crate) fn text(&self, input: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(input.len());
        let mut rest = input;
        while let Some(at) = rest.iter().position(|b| matches!(b, b'/' | b'\\' | b'&')) {
            let (before, from) = rest.split_at(at);
            out.extend_from_slice(before);
            let moved = SLASHES.iter().find_map(|slashes| {
                let after = from.get(slashes.len()..).filter(|_| starts(from, slashes))?;
                let name = self.spellings.iter().find(|name| begins(after, name))?;
                Some((from.get(..slashes.len())?, after.get(name.len()..)?))
            });
            rest = if let Some((slashes, after)) = moved {
                self.move_scheme(&mut out);
                out.extend_from_slice(slashes);
                out.extend_from_slice(self.host.as_bytes());
                after
            } else {
                let (first, after) = from.split_at(1);
                out.extend_from_slice(first);
                after
            };
        }
        out.extend_from_slice(rest);
        out
    }

    /// Changes the scheme at the end of `out`, if one stands there, for that of this host.
    fn move_scheme(&self, out: &mut Vec<u8>) {
        let schemes = if self.plain {
            [("https", "http"), ("wss", "ws")]
        } else {
            [("http", "https"), ("ws", "wss")]
        };
        let Some(colon) = COLONS.iter().find(|colon| ends(out, colon)) else {
            return;
        };
        let at = out.len() - colon.len();
        let before = out.get(..at).unwrap_or_default();
        if let Some((from, to)) = schemes.iter().find(|(from, _)| ends(before, from)) {
            out.splice(at - from.len()..at, to.bytes());
        }
    }

    /// A page: the same as [`Self::text`]; its own policies are moved as those in headers are, and what is loaded from here may
    /// differ from what its checksum was made of.
    pub(crate) fn page(&self, input: &[u8]) -> Vec<u8> {
        let moved = self.text(input);
        let policy = |policy: &str| self.policy_move().policies(policy);
        latchkey_page::rehost(&moved, policy, |address| self.is_here(address)).unwrap_or(moved)
    }

    /// Whether an address that was moved already is one of this host.
    fn is_here(&self, address: &str) -> bool {
        let after = |start: &str| {
            let rest = address.strip_prefix(start)?;
            Some(rest.is_empty() || rest.starts_with(['/', '?', '#']))
        };
        after(&self.base)
            .or_else(|| after(&format!("//{}", self.host)))
            .unwrap_or_else(|| !address.starts_with("//") && !address.contains("://"))
    }

    fn policy_move(&self) -> PolicyMove<'_> {
        PolicyMove {
            names: &self.names,
            base: &self.base,
            socket_base: &self.socket_base,
        }
    }

    /// Moves the addresses in headers, and takes out what would send the browser away from plain http.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        headers.remove(STRICT_TRANSPORT_SECURITY);
        headers.remove(ALT_SVC);
        for name in ADDRESSES {
            let policy = name == CONTENT_SECURITY_POLICY || name == CONTENT_SECURITY_POLICY_REPORT_ONLY;
            self.each(headers, &name, |text| {
                if policy {
                    self.policy_move().policies(&text)
                } else {
                    Some(text)
                }
            });
        }
        self.each(headers, &SET_COOKIE, |line| Some(self.cookie(&line)));
    }

    fn each(&self, headers: &mut HeaderMap, name: &HeaderName, edit: impl Fn(String) -> Option<String>) {
        let lines: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
        headers.remove(name);
        for line in lines {
            let text = String::from_utf8(self.text(line.as_bytes())).ok();
            if let Some(line) = text.and_then(&edit).and_then(|text| HeaderValue::from_str(&text).ok()) {
                headers.append(name, line);
            }
        }
    }

    /// A cookie of this host alone; over plain http without what needs https. A name with a prefix is refused by browsers if it is
    /// not `Secure`, and they take that from `localhost`.
    fn cookie(&self, line: &str) -> String {
        let prefixed = ["__secure-", "__host-"]
            .iter()
            .any(|prefix| starts(line.trim_start().as_bytes(), prefix));
        let kept = line.split(';').filter(|part| {
            let part = part.trim().to_ascii_lowercase();
            !(part.starts_with("domain=")
                || self.plain && !prefixed && matches!(part.as_str(), "secure" | "samesite=none" | "partitioned"))
        });
        kept.collect::<Vec<_>>().join(";")
    }
}

fn starts(text: &[u8], start: &str) -> bool {
    text.get(..start.len())
        .is_some_and(|part| part.eq_ignore_ascii_case(start.as_bytes()))
}

fn ends(text: &[u8], end: &str) -> bool {
    let at = text.len().checked_sub(end.len());
    at.and_then(|at| text.get(at..))
        .is_some_and(|part| part.eq_ignore_ascii_case(end.as_bytes()))
}

/// Whether `text` begins with the authority `name`, and not with a longer one. A full stop after it ends a sentence.
fn begins(text: &[u8], name: &str) -> bool {
    if !starts(text, name) {
        return false;
    }
    let mut after = text.iter().skip(name.len());
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    match after.next() {
        Some(b'.' | b':') => !after.next().is_some_and(is_word),
        next => !next.is_some_and(is_word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite() -> OriginRewrite {
        OriginRewrite::new(&SiteHost {
            site: latchkey_entitlement::SiteId::parse("sit_a").unwrap(),
            host: "news.localhost:8080".to_owned(),
            plain: true,
            origin: url::Url::parse("https://www.example.com/").unwrap(),
        })
    }

    #[test]
    fn addresses_of_the_origin_alone_are_moved() {
        for (input, want) in [
            (
                "<a href=https://www.example.com/x>",
                "<a href=http://news.localhost:8080/x>",
            ),
            ("url(//www.example.com/x)", "url(//news.localhost:8080/x)"),
            (
                r#""https:\/\/www.example.com\/x""#,
                r#""http:\/\/news.localhost:8080\/x""#,
            ),
            (
                "https://www.example.com.evil/ https://www.example.com:81/",
                "https://www.example.com.evil/ https://www.example.com:81/",
            ),
            (
                "mail@www.example.com, https://img.example.com/",
                "mail@www.example.com, https://img.example.com/",
            ),
            ("https://www.example.com", "http://news.localhost:8080"),
            (
                "<a href=http://example.com/x>, HTTPS://WWW.Example.com:443/",
                "<a href=http://news.localhost:8080/x>, http://news.localhost:8080/",
            ),
            (
                r#""https:\u002F\u002Fexample.com\u002Fx", 'https\x3A\x2F\x2Fexample.com'"#,
                r#""http:\u002F\u002Fnews.localhost:8080\u002Fx", 'http\x3A\x2F\x2Fnews.localhost:8080'"#,
            ),
            (
                "<a href=https&#x3A;&#x2F;&#x2F;example.com&#x2F;x>",
                "<a href=http&#x3A;&#x2F;&#x2F;news.localhost:8080&#x2F;x>",
            ),
            (
                "new WebSocket('wss://example.com/live')",
                "new WebSocket('ws://news.localhost:8080/live')",
            ),
            (
                "See https://example.com. Or //xexample.com/, https://example.com.",
                "See http://news.localhost:8080. Or //xexample.com/, http://news.localhost:8080.",
            ),
        ] {
            assert_eq!(String::from_utf8(rewrite().text(input.as_bytes())).unwrap(), want);
        }
    }

    #[test]
    fn a_pages_own_policy_and_checksums_fit_this_host_and_words_about_them_stay() {
        for (page, want) in [
            (
                "<meta http-equiv=Content-Security-Policy content='upgrade-insecure-requests; img-src https:'><p>upgrade-insecure-requests",
                r#"<meta http-equiv=Content-Security-Policy content="img-src https: http://news.localhost:8080"><p>upgrade-insecure-requests"#,
            ),
            (
                "<meta content=\"default-src &#39;self&#39; https:; upgrade-insecure-requests\" http-equiv=content-security-policy>",
                "<meta content=\"default-src 'self' https: http://news.localhost:8080\" http-equiv=content-security-policy>",
            ),
            (
                "<meta http-equiv=content-security-policy content=upgrade-insecure-requests><p>",
                "<p>",
            ),
            (
                "<meta http-equiv=refresh content='upgrade-insecure-requests; https:'>",
                "<meta http-equiv=refresh content='upgrade-insecure-requests; https:'>",
            ),
            (
                "<script src=/a.js integrity=sha256-a></script><link href=//example.com/a.css integrity=sha256-a>",
                "<script src=/a.js></script><link href=//news.localhost:8080/a.css>",
            ),
            (
                "<script src=https://cdn.example/a.js integrity=sha256-a></script>",
                "<script src=https://cdn.example/a.js integrity=sha256-a></script>",
            ),
        ] {
            let got = String::from_utf8(rewrite().page(page.as_bytes())).unwrap();
            assert_eq!(got, want);
        }
    }

    #[test]
    fn a_cookie_with_a_prefix_stays_secure_since_browsers_refuse_it_otherwise() {
        let cookie = |line: &str| rewrite().cookie(line);
        assert_eq!(cookie("__Host-a=1; Path=/; Secure"), "__Host-a=1; Path=/; Secure");
        assert_eq!(
            cookie("__Secure-a=1; Domain=example.com; Secure"),
            "__Secure-a=1; Secure"
        );
    }

    #[test]
    fn a_site_is_its_host_with_and_without_www() {
        let same = |one: &str, other: &str| is_same_site(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("http://example.com", "https://www.example.com"));
        assert!(same("http://localhost:8080", "https://localhost:8443"));
        assert!(!same("http://localhost:8080", "http://localhost:9000"));
        assert!(!same("https://example.com", "https://img.example.com"));
    }

    #[test]
    fn headers_no_longer_send_the_browser_away() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("location", "https://www.example.com/next"),
            (
                "set-cookie",
                "a=1; Domain=.example.com; Secure; HttpOnly; SameSite=None",
            ),
            (
                "content-security-policy",
                "upgrade-insecure-requests; script-src https://www.example.com 'self'",
            ),
            ("content-security-policy-report-only", "upgrade-insecure-requests"),
            ("strict-transport-security", "max-age=1"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        rewrite().headers(&mut headers);
        assert_eq!(headers.len(), 3, "{headers:?}");
        assert_eq!(headers["location"], "http://news.localhost:8080/next");
        assert_eq!(headers["set-cookie"], "a=1; HttpOnly");
        assert_eq!(
            headers["content-security-policy"],
            "script-src http://news.localhost:8080 'self'"
        );
    }
}
