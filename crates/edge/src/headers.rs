//! Headers on their way through: what is ours alone, what ends at this hop, and who the client says it is.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, FORWARDED, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use ipnet::IpNet;
use url::Position;

use crate::config::SiteHost;

/// What the origin is told a reader may see changed; `free` if nothing.
pub(crate) const CLASS: HeaderName = HeaderName::from_static("latchkey-class");
/// The reader's pseudonym on this site; empty if unknown.
pub(crate) const SUBJECT: HeaderName = HeaderName::from_static("latchkey-subject");
/// Why the class is what it is, in one word.
pub(crate) const REASON: HeaderName = HeaderName::from_static("latchkey-reason");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Hop-by-hop by name (RFC 9110 section 7.6.1), beside what `Connection` names.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Headers by which a client could make an origin see another target than the one that was judged here.
const MISLEADING: [&str; 4] = ["x-original-url", "x-rewrite-url", "x-original-host", "proxy"];

/// Names that only a proxy in front may set.
fn is_forwarding(folded: &str) -> bool {
    folded.starts_with("x-forwarded-") || folded == "forwarded" || folded == "x-real-ip"
}

/// The name as CGI, WSGI and PHP see it, which know no difference between `_` and `-`.
fn folded(name: &HeaderName) -> String {
    name.as_str().replace('_', "-")
}

fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| unwanted(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Deletes whatever a client sent under a name that only this edge may set.
pub(crate) fn delete_reserved(headers: &mut HeaderMap) {
    remove_where(headers, |name| {
        let folded = folded(name);
        folded.starts_with("latchkey-") || MISLEADING.contains(&folded.as_str())
    });
}

/// Deletes what ends at this hop, and what `Connection` says does.
pub(crate) fn delete_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|option| HeaderName::from_bytes(option.trim().as_bytes()).ok())
        .filter(|name| *name != http::header::HOST && *name != http::header::CONTENT_LENGTH)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Whether `Connection` asks for an upgrade, and to what; `None` for protocols that must not pass a proxy.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    let mut lines = headers.get_all(UPGRADE).iter();
    let (protocol, more) = (lines.next()?, lines.next());
    let name = protocol.to_str().ok()?;
    // h2c would carry requests past every check made here.
    let passes = !name.contains(',')
        && !["h2c", "tls", "http"]
            .iter()
            .any(|p| name.to_ascii_lowercase().starts_with(p));
    (asks && more.is_none() && passes).then(|| protocol.clone())
}

/// Whether `peer` is a proxy whose word counts.
pub(crate) fn is_trusted(peer: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|net| net.contains(&peer))
}

/// Says who the client is. Its own word is replaced, unless it is a trusted proxy.
pub(crate) fn set_forwarded(headers: &mut HeaderMap, peer: IpAddr, trusted: bool, host: &SiteHost) {
    let before: Vec<String> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|line| line.to_str().ok().map(str::to_owned))
        .filter(|_| trusted)
        .chain([peer.to_string()])
        .collect();
    let scheme = headers
        .get(FORWARDED_PROTO)
        .filter(|v| trusted && matches!(v.as_bytes(), b"http" | b"https"))
        .cloned();
    remove_where(headers, |name| {
        let text = folded(name);
        is_forwarding(&text) && (!trusted || text != name.as_str())
    });
    headers.remove(FORWARDED);
    if let Ok(line) = HeaderValue::from_str(&before.join(", ")) {
        headers.insert(FORWARDED_FOR, line);
    }
    headers.insert(
        FORWARDED_PROTO,
        scheme.unwrap_or(HeaderValue::from_static(host.scheme())),
    );
    if let Ok(name) = HeaderValue::from_str(&host.host) {
        headers.insert(FORWARDED_HOST, name);
    }
}

/// Tells an origin that believes to be elsewhere its own scheme and host. Told of plain http, it would send the browser to https,
/// which leads back here, without end; told of a host that is not its own, it may refuse to answer.
pub(crate) fn forward_as_origin(headers: &mut HeaderMap, host: &SiteHost) {
    remove_where(headers, |name| {
        is_forwarding(&folded(name)) && *name != FORWARDED_FOR && folded(name) != "x-real-ip"
    });
    let authority = &host.origin[Position::BeforeHost..Position::AfterPort];
    for (name, value) in [(FORWARDED_PROTO, host.origin.scheme()), (FORWARDED_HOST, authority)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}

/// The host that a trusted proxy's sub-request asks about.
pub(crate) fn forwarded_host(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(FORWARDED_HOST).iter();
    let (one, more) = (lines.next()?, lines.next());
    one.to_str().ok().filter(|text| more.is_none() && !text.contains(','))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn site() -> SiteHost {
        SiteHost {
            site: latchkey_entitlement::SiteId::parse("sit_a").unwrap(),
            host: "a.example".to_owned(),
            plain: false,
            origin: url::Url::parse("http://127.0.0.1/").unwrap(),
        }
    }

    #[test]
    fn reserved_names_go_in_every_spelling() {
        let mut headers = map(&[
            ("latchkey-class", "a"),
            ("latchkey_class", "b"),
            ("latchkey-class", "c"),
            ("latchkey_-x", "d"),
            ("x-latchkey", "kept"),
            ("x_original-url", "/admin"),
        ]);
        delete_reserved(&mut headers);
        assert_eq!(
            headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["x-latchkey"]
        );
    }

    #[test]
    fn what_connection_names_ends_here_but_never_host_or_length() {
        let mut headers = map(&[
            ("connection", "close, X-Gone, Host, content-length"),
            ("x-gone", "1"),
            ("host", "a"),
            ("content-length", "1"),
            ("te", "gzip"),
        ]);
        delete_hop_by_hop(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host"]);
    }

    #[test]
    fn a_strangers_word_about_itself_is_replaced_and_a_trusted_proxys_is_kept() {
        let sent = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x_forwarded_for", "2.2.2.2"),
            ("x-forwarded-proto", "http"),
            ("x-real-ip", "3.3.3.3"),
            ("forwarded", "for=4"),
        ];
        let peer: IpAddr = "9.9.9.9".parse().unwrap();
        let get = |headers: &HeaderMap, name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        let mut headers = map(&sent);
        set_forwarded(&mut headers, peer, false, &site());
        assert_eq!(get(&headers, "x-forwarded-for").as_deref(), Some("9.9.9.9"));
        assert_eq!(get(&headers, "x-forwarded-proto").as_deref(), Some("https"));
        assert_eq!(headers.len(), 3, "{headers:?}");
        let mut headers = map(&sent);
        set_forwarded(&mut headers, peer, true, &site());
        assert_eq!(get(&headers, "x-forwarded-for").as_deref(), Some("1.1.1.1, 9.9.9.9"));
        assert_eq!(get(&headers, "x-forwarded-proto").as_deref(), Some("http"));
        assert!(get(&headers, "x_forwarded_for").is_none() && get(&headers, "forwarded").is_none());
    }

    #[test]
    fn only_upgrades_that_a_proxy_can_carry_are_carried() {
        for (protocol, passes) in [
            ("websocket", true),
            ("h2c", false),
            ("websocket, h2c", false),
            ("TLS/1.0", false),
        ] {
            let mut headers = map(&[("connection", "keep-alive, Upgrade")]);
            headers.insert(UPGRADE, HeaderValue::from_static(protocol));
            assert_eq!(upgrade(&headers).is_some(), passes, "{protocol}");
        }
        assert!(upgrade(&map(&[("upgrade", "websocket")])).is_none());
    }
}
