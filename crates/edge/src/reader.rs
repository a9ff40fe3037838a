//! Who the reader is, from the pass alone: no call to anyone.

use std::sync::Arc;

use aws_lc_rs::digest;
use http::{HeaderMap, Method, header::ACCEPT};
use latchkey_entitlement::{Class, RevocationKind, Scope};
use latchkey_token::{PassClaims, VerifyError};

use crate::{
    cookies::{Cookies, Name},
    limits::{MAX_PASS_TRIES, MAX_TOKEN_BYTES, UNRENEWABLE_SECONDS},
    sites::Site,
};

/// Why a reader has the class that they have; one word, sent as `Latchkey-Reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There is no pass.
    NoPass,
    /// The pass holds.
    Pass,
    /// The pass expired, and is honoured because the server is down.
    OutageGrace,
    /// The pass expired, and is honoured because this request cannot be sent through a renewal.
    RenewalPending,
    /// The pass expired.
    Expired,
    /// What the pass stood for has ended.
    Ended,
    /// The pass was revoked.
    Revoked,
    /// The pass is not ours, or was tampered with.
    Invalid,
}

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NoPass => "no_pass",
            Self::Pass => "pass",
            Self::OutageGrace => "outage_grace",
            Self::RenewalPending => "renewal_pending",
            Self::Expired => "expired",
            Self::Ended => "ended",
            Self::Revoked => "revoked",
            Self::Invalid => "invalid",
        }
    }

    /// Whether the pass counts.
    pub(crate) fn honours(self) -> bool {
        matches!(self, Self::Pass | Self::OutageGrace | Self::RenewalPending)
    }
}

/// What beside the pass decides whether it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// Seconds since the epoch.
    pub(crate) now: i64,
    /// Whether the server counts as down.
    pub(crate) outage: bool,
    /// Whether the browser says that it holds a refresh secret.
    pub(crate) marked: bool,
    /// Whether this request can be sent through a renewal.
    pub(crate) renewable: bool,
}

/// A reader, as far as a page is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) class: Class,
    pub(crate) scope: Scope,
    pub(crate) reason: Reason,
    /// The claims behind the class; `None` unless the pass counts.
    pub(crate) claims: Option<Arc<PassClaims>>,
}

impl Reader {
    fn free(reason: Reason) -> Self {
        Self {
            class: Class::free(),
            scope: Scope::empty(),
            reason,
            claims: None,
        }
    }

    pub(crate) fn subject(&self) -> &str {
        self.claims.as_ref().map_or("", |claims| claims.sub.as_str())
    }
}

/// Reads the reader from a request's cookies.
pub(crate) fn read(
    site: &Site,
    cookies: &Cookies<'_>,
    revoked: impl Fn(&PassClaims) -> Option<RevocationKind>,
    circumstances: &Circumstances,
) -> Reader {
    let mut best = Reader::free(Reason::NoPass);
    for token in cookies
        .all(Name::Pass)
        .filter(|token| !token.is_empty())
        .take(MAX_PASS_TRIES)
    {
        let Some(claims) = verified(site, token, circumstances.now) else {
            best = Reader::free(Reason::Invalid);
            continue;
        };
        let revoked = revoked(&claims);
        let reason = judge(&claims, site.policy.outage_grace_seconds, revoked, circumstances);
        if !reason.honours() {
            return Reader::free(reason);
        }
        // A scope with a name that this version cannot read gives nothing rather than all.
        let scope = Scope::parse(&claims.scope).unwrap_or_default();
        return Reader {
            class: scope.class(&site.policy.page_changing),
            scope,
            reason,
            claims: Some(claims),
        };
    }
    best
}

fn verified(site: &Site, token: &str, now: i64) -> Option<Arc<PassClaims>> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    let hash = digest.as_ref().try_into().ok()?;
    if let Some(known) = site.passes.get(&hash) {
        return known;
    }
    match site.verifier.check(token, now) {
        Ok(claims) => {
            let claims = Arc::new(claims);
            site.passes.put(hash, Some(claims.clone()));
            Some(claims)
        }
        Err(why) => {
            if !will_change(&why) {
                site.passes.put(hash, None);
            }
            None
        }
    }
}

/// Whether the same token may verify later under the same keys.
fn will_change(why: &VerifyError) -> bool {
    matches!(why, VerifyError::Early | VerifyError::Expired { .. })
}

/// Whether a pass whose signature holds counts.
pub(crate) fn judge(
    claims: &PassClaims,
    outage_grace: u32,
    revoked: Option<RevocationKind>,
    at: &Circumstances,
) -> Reason {
    let mut late = at.now.saturating_sub(claims.exp);
    // What cannot be renewed at all would never get better by being refused.
    if revoked == Some(RevocationKind::Renew) && at.marked {
        late = late.max(0);
    }
    if revoked == Some(RevocationKind::Void) {
        Reason::Revoked
    } else if claims.until.is_some_and(|until| at.now >= until) {
        Reason::Ended
    } else if late < 0 {
        Reason::Pass
    } else if at.outage {
        if late <= i64::from(outage_grace) {
            Reason::OutageGrace
        } else {
            Reason::Expired
        }
    } else if at.marked && !at.renewable && late <= UNRENEWABLE_SECONDS {
        Reason::RenewalPending
    } else {
        Reason::Expired
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the browser accepts HTML by name.
pub(crate) fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|line| {
        line.to_str()
            .is_ok_and(|line| line.to_ascii_lowercase().contains("text/html"))
    })
}

/// Whether the browser goes to a page of its own, so that it may be sent elsewhere first.
pub(crate) fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    if *method != Method::GET {
        return false;
    }
    match (text(headers, "sec-fetch-mode"), text(headers, "sec-fetch-dest")) {
        (Some("navigate"), Some("document") | None) => true,
        (None, None) => accepts_html(headers),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(exp: i64, until: Option<i64>) -> PassClaims {
        PassClaims {
            iss: "https://account.example".to_owned(),
            aud: "sit_a".to_owned(),
            sub: "s".to_owned(),
            sid: "ses_1".to_owned(),
            iat: exp - 900,
            exp,
            jti: "j".to_owned(),
            scope: "ad_free".to_owned(),
            until,
            standing: None,
        }
    }

    #[test]
    fn what_an_expired_pass_is_worth() {
        const VOID: Option<RevocationKind> = Some(RevocationKind::Void);
        const RENEW: Option<RevocationKind> = Some(RevocationKind::Renew);
        let at = |now, outage, marked, renewable| Circumstances {
            now,
            outage,
            marked,
            renewable,
        };
        for (until, revoked, circumstances, want) in [
            (None, None, at(999, false, false, false), Reason::Pass),
            (None, None, at(1000, false, false, false), Reason::Expired),
            (None, None, at(1000, false, true, true), Reason::Expired),
            (None, None, at(1000, false, true, false), Reason::RenewalPending),
            (
                None,
                None,
                at(1000 + UNRENEWABLE_SECONDS + 1, false, true, false),
                Reason::Expired,
            ),
            (None, None, at(1100, true, false, false), Reason::OutageGrace),
            (None, None, at(1101, true, true, false), Reason::Expired),
            (Some(1050), None, at(1050, true, true, false), Reason::Ended),
            (Some(1050), None, at(1049, true, true, false), Reason::OutageGrace),
            (Some(500), None, at(600, false, true, false), Reason::Ended),
            (None, RENEW, at(10, false, true, true), Reason::Expired),
            (None, RENEW, at(10, false, true, false), Reason::RenewalPending),
            (None, RENEW, at(10, true, true, false), Reason::OutageGrace),
            (None, RENEW, at(10, false, false, false), Reason::Pass),
            (Some(10), RENEW, at(10, false, true, false), Reason::Ended),
            (None, VOID, at(1100, true, true, false), Reason::Revoked),
            (None, VOID, at(10, false, false, false), Reason::Revoked),
        ] {
            assert_eq!(
                judge(&claims(1000, until), 100, revoked, &circumstances),
                want,
                "{circumstances:?} {until:?} {revoked:?}"
            );
        }
    }

    #[test]
    fn a_navigation_is_a_get_that_the_browser_calls_one_or_that_asks_for_html() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.insert(*name, http::HeaderValue::from_static(value));
            }
            map
        };
        let navigate = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert!(is_navigation(&Method::GET, &headers(&navigate)));
        assert!(!is_navigation(&Method::POST, &headers(&navigate)));
        assert!(!is_navigation(
            &Method::GET,
            &headers(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")])
        ));
        assert!(!is_navigation(
            &Method::GET,
            &headers(&[("sec-fetch-mode", "cors"), ("accept", "text/html")])
        ));
        assert!(is_navigation(
            &Method::GET,
            &headers(&[("accept", "text/html,*/*;q=0.8")])
        ));
        assert!(!is_navigation(&Method::GET, &headers(&[("accept", "*/*")])));
    }
}
