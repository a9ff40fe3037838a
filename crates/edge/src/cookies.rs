//! Our cookies: their names on https and on plain http for localhost, reading, setting, and taking them out of what origins get.

use http::{HeaderMap, HeaderValue, header::COOKIE};

use crate::limits::{NONCE_SECONDS, PASS_COOKIE_SECONDS, RETRY_SECONDS, SESSION_COOKIE_SECONDS};

/// Where the refresh secret is sent: only to our own paths.
const REFRESH_PATH: &str = "/.latchkey/";

/// One of our cookies on the site's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// The pass.
    Pass,
    /// The refresh secret.
    Refresh,
    /// `1` if a refresh secret exists.
    Mark,
    /// The nonce of a hand-over under way.
    Nonce,
    /// When a browser was last sent to renew, in seconds since the epoch; kept for a minute.
    Retry,
}

impl Name {
    /// The name as browsers send it; `plain` on http for localhost, where the prefixes cannot be used.
    pub(crate) fn on(self, plain: bool) -> &'static str {
        match (self, plain) {
            (Self::Pass, false) => "__Host-latchkey_pass",
            (Self::Pass, true) => "latchkey_pass",
            (Self::Refresh, false) => "__Secure-latchkey_refresh",
            (Self::Refresh, true) => "latchkey_refresh",
            (Self::Mark, false) => "__Host-latchkey_s",
            (Self::Mark, true) => "latchkey_s",
            (Self::Nonce, false) => "__Host-latchkey_nonce",
            (Self::Nonce, true) => "latchkey_nonce",
            (Self::Retry, false) => "__Host-latchkey_retry",
            (Self::Retry, true) => "latchkey_retry",
        }
    }

    fn path(self) -> &'static str {
        if self == Self::Refresh { REFRESH_PATH } else { "/" }
    }

    fn life_seconds(self) -> i64 {
        match self {
            Self::Pass => PASS_COOKIE_SECONDS,
            Self::Refresh | Self::Mark => SESSION_COOKIE_SECONDS,
            Self::Nonce => NONCE_SECONDS,
            Self::Retry => RETRY_SECONDS,
        }
    }

    fn line(self, plain: bool, value: &str, seconds: i64) -> Option<HeaderValue> {
        let secure = if plain { "" } else { "; Secure" };
        let line = format!(
            "{}={value}; Path={}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}",
            self.on(plain),
            self.path()
        );
        // A value that would end the cookie early is never written.
        let clean = value
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'"' | b'\\'));
        let mut line = HeaderValue::from_str(&line).ok().filter(|_| clean)?;
        line.set_sensitive(true);
        Some(line)
    }

    /// The `Set-Cookie` line that sets it.
    pub(crate) fn set(self, plain: bool, value: &str) -> Option<HeaderValue> {
        self.line(plain, value, self.life_seconds())
    }

    /// The `Set-Cookie` line that takes it away.
    pub(crate) fn clear(self, plain: bool) -> Option<HeaderValue> {
        self.line(plain, "", 0)
    }
}

/// The cookies of one request. HTTP/2 may send each in a line of its own (RFC 9113 section 8.2.3), so lines count as one.
pub(crate) struct Cookies<'a> {
    headers: &'a HeaderMap,
    plain: bool,
}

impl<'a> Cookies<'a> {
    pub(crate) fn of(headers: &'a HeaderMap, plain: bool) -> Self {
        Self { headers, plain }
    }

    /// Every value of a cookie, in the order in which the browser sent them.
    pub(crate) fn all(&self, name: Name) -> impl Iterator<Item = &'a str> {
        let wanted = name.on(self.plain).as_bytes();
        self.headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|b| *b == b';'))
            .filter_map(move |pair| {
                let (key, value) = split(pair)?;
                (key == wanted).then(|| std::str::from_utf8(value).ok()).flatten()
            })
    }

    /// The first value of a cookie that is not empty.
    pub(crate) fn get(&self, name: Name) -> Option<&'a str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// Whether a mark is set.
    pub(crate) fn is_marked(&self, name: Name) -> bool {
        self.all(name).any(|value| value == "1")
    }
}

fn split(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let pair = pair.trim_ascii();
    let at = pair.iter().position(|b| *b == b'=')?;
    let (key, value) = pair.split_at(at);
    let value = value.strip_prefix(b"=").unwrap_or(value).trim_ascii();
    let unquoted = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\""));
    Some((key.trim_ascii(), unquoted.unwrap_or(value)))
}

/// Whether a cookie is ours, under any prefix.
pub(crate) fn is_ours(name: &[u8]) -> bool {
    let bare = name
        .strip_prefix(b"__Host-")
        .or_else(|| name.strip_prefix(b"__Secure-"))
        .unwrap_or(name);
    bare.starts_with(b"latchkey_")
}

/// Takes our cookies out of a request; the publisher's own stay as they were, byte for byte. Several lines become one, as an origin that
/// speaks HTTP/1.1 must get them (RFC 9113 section 8.2.3).
pub(crate) fn remove_ours(headers: &mut HeaderMap) {
    let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    let has_ours = |line: &HeaderValue| line.as_bytes().split(|b| *b == b';').any(is_our_pair);
    if lines.len() < 2 && !lines.iter().any(has_ours) {
        return;
    }
    headers.remove(COOKIE);
    let kept: Vec<Vec<u8>> = lines
        .iter()
        .map(|line| {
            let pairs: Vec<&[u8]> = line
                .as_bytes()
                .split(|b| *b == b';')
                .filter(|pair| !is_our_pair(pair))
                .collect();
            pairs.join(&b';').trim_ascii().to_vec()
        })
        .filter(|line| !line.is_empty())
        .collect();
    if let Some(line) = HeaderValue::from_bytes(&kept.join(b"; ".as_slice()))
        .ok()
        .filter(|line| !line.is_empty())
    {
        headers.insert(COOKIE, line);
    }
}

fn is_our_pair(pair: &[u8]) -> bool {
    let pair = pair.trim_ascii();
    is_ours(pair.split(|b| *b == b'=').next().unwrap_or(pair).trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn only_ours_are_taken_out_and_the_rest_keeps_its_bytes() {
        for (line, want) in [
            ("a=1; __Host-latchkey_pass=x; b=\"2\"", Some("a=1; b=\"2\"")),
            ("latchkey_s=1", None),
            ("__Secure-latchkey_refresh=r;a=1", Some("a=1")),
            ("a=1;  b=2; =odd; c", Some("a=1;  b=2; =odd; c")),
            (
                "a=latchkey_pass; xlatchkey_pass=1; latchkey_gift",
                Some("a=latchkey_pass; xlatchkey_pass=1"),
            ),
        ] {
            let mut headers = headers(&[line]);
            remove_ours(&mut headers);
            assert_eq!(headers.get(COOKIE).map(|v| v.to_str().unwrap()), want, "{line}");
        }
    }

    #[test]
    fn several_lines_become_one() {
        let mut headers = headers(&["a=1", "latchkey_pass=x", "b=2; c=3"]);
        remove_ours(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    #[test]
    fn values_are_found_across_lines_in_order() {
        let headers = headers(&["a=1; latchkey_pass=one", "latchkey_pass=two; latchkey_s=1"]);
        let cookies = Cookies::of(&headers, true);
        assert_eq!(cookies.all(Name::Pass).collect::<Vec<_>>(), ["one", "two"]);
        assert!(cookies.is_marked(Name::Mark) && !Cookies::of(&headers, false).is_marked(Name::Mark));
    }

    #[test]
    fn a_value_that_would_end_the_cookie_early_is_never_written() {
        assert!(Name::Pass.set(false, "a; Domain=evil").is_none());
        let line = Name::Refresh.set(false, "r").unwrap();
        assert_eq!(
            line.to_str().unwrap(),
            "__Secure-latchkey_refresh=r; Path=/.latchkey/; Max-Age=34560000; HttpOnly; SameSite=Lax; Secure"
        );
    }
}
