//! The one decision: from grants and standing to what a reader may do now.

use serde::Serialize;

use crate::{Entitlement, Grant, GrantId, Scope, SiteId, Source, Standing, StandingKind, Timestamp};

/// Why a reader has an entitlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What is given.
    pub entitlement: Entitlement,
    /// The grant that gives it.
    pub grant: GrantId,
    /// Where that grant comes from.
    pub source: Source,
    /// Its end.
    pub until: Option<Timestamp>,
    /// The rule behind the end.
    pub because: String,
}

/// What a reader may do on one site at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entitled {
    /// The entitlements.
    pub scope: Scope,
    /// First moment at which something in `scope` may be lost if nothing else happens; `None` if nothing in it ends.
    pub until: Option<Timestamp>,
    /// Every live grant behind each entitlement, sorted by entitlement, then by grant.
    pub reasons: Vec<Reason>,
    /// The most severe live standing.
    pub standing: Option<StandingKind>,
}

/// Union of the live grants on `site`, less what a standing takes (comments alone, never what was paid for).
///
/// `until` is, over the entitlements in the scope, the earliest moment at which the last grant of one of them ends,
/// looking through grants that follow without a gap: a renewal that is already recorded does not shorten a pass.
pub fn evaluate(grants: &[Grant], standings: &[Standing], site: &SiteId, now: Timestamp) -> Entitled {
    let here: Vec<&Grant> = grants.iter().filter(|g| g.sites.contains(site)).collect();
    let mut reasons: Vec<Reason> = here
        .iter()
        .filter(|grant| grant.is_live(now))
        .flat_map(|grant| {
            grant.entitlements.iter().map(|entitlement| Reason {
                entitlement: entitlement.clone(),
                grant: grant.id.clone(),
                source: grant.source,
                until: grant.until,
                because: grant.because.clone(),
            })
        })
        .collect();
    reasons.sort_by(|a, b| (&a.entitlement, &a.grant).cmp(&(&b.entitlement, &b.grant)));

    let standing = standings.iter().filter(|s| s.is_live(site, now)).map(|s| s.kind).max();
    let mut scope: Scope = reasons.iter().map(|reason| reason.entitlement.clone()).collect();
    if standing.is_some_and(StandingKind::silences) {
        scope.remove(Entitlement::COMMENTS);
        reasons.retain(|reason| reason.entitlement.as_str() != Entitlement::COMMENTS);
    }
    let until = scope
        .iter()
        .filter_map(|entitlement| unbroken_end(&here, entitlement, now))
        .min();
    Entitled {
        scope,
        until,
        reasons,
        standing,
    }
}

/// The end of the unbroken time from `now` in which some grant gives `entitlement`; `None` if it never ends.
fn unbroken_end(grants: &[&Grant], entitlement: &Entitlement, now: Timestamp) -> Option<Timestamp> {
    let mut end = now;
    loop {
        let covering = grants
            .iter()
            .filter(|g| g.is_live(end) && g.entitlements.contains(entitlement.as_str()));
        let mut furthest = end;
        for grant in covering {
            furthest = furthest.max(grant.until?);
        }
        if furthest == end {
            return Some(end);
        }
        end = furthest;
    }
}

#[cfg(test)]
mod tests;
