//! For trying the edge out before a site that believes to be elsewhere: what names the site's own host is made to name this one.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ALT_SVC, CONTENT_LOCATION, CONTENT_SECURITY_POLICY,
        CONTENT_SECURITY_POLICY_REPORT_ONLY, LINK, LOCATION, REFRESH, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
    },
};
use url::Position;

use crate::config::SiteHost;

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

/// From which host to which.
pub(crate) struct OriginRewrite {
    origin: Vec<u8>,
    host: Vec<u8>,
    scheme: &'static [u8],
    plain: bool,
}

impl OriginRewrite {
    pub(crate) fn new(host: &SiteHost) -> Self {
        let origin = &host.origin[Position::BeforeHost..Position::AfterPort];
        Self {
            origin: origin.as_bytes().to_vec(),
            host: host.host.as_bytes().to_vec(),
            scheme: host.scheme().as_bytes(),
            plain: host.plain,
        }
    }

    /// Text with its absolute addresses (`https://host`, `//host`, and both as JSON escapes them) moved to this host.
    pub(crate) fn text(&self, input: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(input.len());
        let mut rest = input;
        while let Some(at) = find(rest, &self.origin) {
            let (before, from) = rest.split_at(at);
            let after = from.get(self.origin.len()..).unwrap_or_default();
            let ends = !after
                .first()
                .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'_'));
            out.extend_from_slice(before);
            let slashes = [b"//".as_slice(), b"\\/\\/"]
                .into_iter()
                .find(|slashes| out.ends_with(slashes));
            match slashes.filter(|_| ends) {
                Some(slashes) => {
                    out.truncate(out.len() - slashes.len());
                    if let Some(scheme) = [b"https:".as_slice(), b"http:"]
                        .into_iter()
                        .find(|scheme| out.ends_with(scheme))
                    {
                        out.truncate(out.len() - scheme.len());
                        out.extend_from_slice(self.scheme);
                        out.push(b':');
                    }
                    out.extend_from_slice(slashes);
                    out.extend_from_slice(&self.host);
                }
                None => out.extend_from_slice(&self.origin),
            }
            rest = after;
        }
        out.extend_from_slice(rest);
        out
    }

    /// Moves the addresses in headers, and takes out what would send the browser away from plain http.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        headers.remove(STRICT_TRANSPORT_SECURITY);
        headers.remove(ALT_SVC);
        for name in ADDRESSES {
            let policy = name == CONTENT_SECURITY_POLICY || name == CONTENT_SECURITY_POLICY_REPORT_ONLY;
            self.each(headers, &name, |text| {
                if policy { without_upgrades(&text) } else { Some(text) }
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

    /// A cookie of this host alone; over plain http without what needs https.
    fn cookie(&self, line: &str) -> String {
        let kept = line.split(';').filter(|part| {
            let part = part.trim().to_ascii_lowercase();
            !(part.starts_with("domain=")
                || self.plain && matches!(part.as_str(), "secure" | "samesite=none" | "partitioned"))
        });
        kept.collect::<Vec<_>>().join(";")
    }
}

fn without_upgrades(policy: &str) -> Option<String> {
    let kept: Vec<&str> = policy
        .split(';')
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
        .filter(|directive| {
            !directive.eq_ignore_ascii_case("upgrade-insecure-requests")
                && !directive.eq_ignore_ascii_case("block-all-mixed-content")
        })
        .collect();
    (!kept.is_empty()).then(|| kept.join("; "))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len().max(1))
        .position(|window| window == needle)
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
        ] {
            assert_eq!(String::from_utf8(rewrite().text(input.as_bytes())).unwrap(), want);
        }
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
