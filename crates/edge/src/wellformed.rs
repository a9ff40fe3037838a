//! Refuses requests that two servers could read in two ways (RFC 9112 sections 3.2, 6.1; RFC 9110 section 7.2), before anything
//! else looks at them. What hyper itself refuses is not repeated here.

use http::{
    HeaderMap, Method, Request, StatusCode, Version,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};

use crate::{
    config::normal_host,
    limits::{MAX_HEADER_BYTES, MAX_HEADERS, MAX_TARGET_BYTES, MAX_TO_BYTES},
};

/// Folder of our own paths on a site's host.
pub(crate) const OWN: &str = "/.latchkey/";

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

fn refuse<T>(status: StatusCode, why: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, why })
}

/// The host asked for, in normal form, if the request is well-formed.
pub(crate) fn check<B>(request: &Request<B>) -> Result<String, Refusal> {
    if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "TRACE and CONNECT are not served here.");
    }
    check_size(request)?;
    check_framing(request.headers())?;
    check_path(request.uri().path())?;
    host(request)
}

fn check_size<B>(request: &Request<B>) -> Result<(), Refusal> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET_BYTES {
        return refuse(StatusCode::URI_TOO_LONG, "The address is too long.");
    }
    let headers = request.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return refuse(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The headers are too many or too long.",
        );
    }
    Ok(())
}

fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let codings = headers.get_all(TRANSFER_ENCODING);
    let mut codings = codings.iter();
    match (codings.next(), codings.next()) {
        (None, _) => {}
        (Some(one), None) if one.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => {}
        _ => {
            return refuse(
                StatusCode::NOT_IMPLEMENTED,
                "No transfer coding but `chunked` is understood.",
            );
        }
    }
    if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return refuse(StatusCode::BAD_REQUEST, "More than one Content-Length.");
    }
    Ok(())
}

/// Refuses paths that an origin, a cache and a rule could read as different ones.
fn check_path(path: &str) -> Result<(), Refusal> {
    let bad = |why| refuse(StatusCode::BAD_REQUEST, why);
    if !path.starts_with('/') {
        return bad("The path does not begin with `/`.");
    }
    if path.starts_with("//") {
        return bad("The path begins with `//`.");
    }
    let decoded = decode(path.as_bytes());
    if decoded.iter().any(u8::is_ascii_control) || decoded.contains(&b'\\') {
        return bad("The path has a control character or a backslash.");
    }
    if decoded
        .split(|b| *b == b'/')
        .any(|segment| segment == b"." || segment == b"..")
    {
        return bad("The path has a dot segment.");
    }
    let own = |path: &[u8]| path.starts_with(b"/.latchkey");
    if own(&decoded) && !own(path.as_bytes())
        || collapse(&decoded).starts_with(OWN.as_bytes()) && !path.starts_with(OWN)
    {
        return bad("The path is written in an unusual way.");
    }
    Ok(())
}

/// Percent-decoded once; a `%` without two digits stays.
fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail
            .first_chunk::<2>()
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| *first == b'%' && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(byte);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

fn collapse(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    for byte in path {
        if *byte != b'/' || out.last() != Some(&b'/') {
            out.push(*byte);
        }
    }
    out
}

/// The one form in which rules see a path: decoded, with slashes in a row as one. The origin gets the path as it was sent.
pub(crate) fn rule_path(path: &str) -> String {
    String::from_utf8_lossy(&collapse(&decode(path.as_bytes()))).into_owned()
}

/// The host: of an absolute target before the `Host` line (RFC 9112 section 3.2.2), which must be there once all the same.
fn host<B>(request: &Request<B>) -> Result<String, Refusal> {
    let mut lines = request.headers().get_all(HOST).iter();
    let (line, second) = (lines.next(), lines.next());
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    if second.is_some() {
        return refuse(StatusCode::BAD_REQUEST, "More than one Host.");
    }
    let h2 = request.version() >= Version::HTTP_2;
    let line = match line {
        Some(line) => line.to_str().ok().and_then(normal_host).map(|(host, _)| host),
        None if h2 && authority.is_some() => None,
        None => return refuse(StatusCode::BAD_REQUEST, "No Host."),
    };
    let authority = match authority {
        Some(text) => match normal_host(text) {
            Some((host, _)) => Some(host),
            None => return refuse(StatusCode::BAD_REQUEST, "The host cannot be read."),
        },
        None => None,
    };
    match (authority, line) {
        (Some(authority), Some(line)) if h2 && authority != line => {
            refuse(StatusCode::BAD_REQUEST, "Two hosts that differ.")
        }
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => refuse(StatusCode::BAD_REQUEST, "The host cannot be read."),
    }
}

/// A `to` parameter that may be followed: a path on this host that cannot be read as another host, and is not ours.
pub(crate) fn to_path(to: &str) -> Option<&str> {
    let path = to.split(['?', '#']).next().unwrap_or_default();
    let plain = to.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let own = path.starts_with("/.latchkey");
    (to.len() <= MAX_TO_BYTES && plain && !own && !path.contains("//") && check_path(path).is_ok()).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_be_read_in_two_ways_are_refused() {
        for bad in [
            "//a/../b/%2e%2e/c",
            "//evil.example/",
            "/a/../b",
            "/a/%2E%2e/b",
            "/a/.",
            "/./a",
            "*",
            "/a\\b",
            "/a%5cb",
            "/a%00b",
            "/a%0d%0ab",
            "/%2elatchkey/auth",
            "/.latchke%79/auth",
        ] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
        for good in [
            "/",
            "/a/b.html",
            "/a..b/.c/...",
            "/a//b",
            "/100%",
            "/%zz",
            "/caf%C3%A9",
            "/.latchkey/auth",
            "/a%2Fb",
        ] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        assert_eq!(rule_path("/adv%65rtise//x"), "/advertise/x");
    }

    #[test]
    fn only_a_path_on_this_host_is_followed() {
        for bad in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "/a//b",
            "/\t/evil.example",
            "/a\nb",
            "/ö",
            "/.latchkey/leave",
            "/./x",
            "/%2e%2e/x",
            "/.latchkey",
        ] {
            assert_eq!(to_path(bad), None, "{bad:?}");
        }
        assert!(to_path(&format!("/{}", "x".repeat(MAX_TO_BYTES))).is_none());
        for good in ["/", "/a/b?u=https://x.example/&c=1#top"] {
            assert_eq!(to_path(good), Some(good));
        }
    }
}
