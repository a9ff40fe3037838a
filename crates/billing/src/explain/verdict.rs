//! What a reader had at a moment, by which grants, and what took it away.

use latchkey_entitlement::{
    AccountId, Entitlement, EventId, Grant, Scope, SiteId, Source, Standing, Timestamp, evaluate,
};

use super::history::{GrantRecord, History};

/// What is decided about one entitlement at one moment, the same on each of `sites`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The entitlement.
    pub entitlement: Entitlement,
    /// The sites, in the order of the configuration.
    pub sites: Vec<SiteId>,
    /// Whether the reader had it.
    pub has: bool,
    /// The grants that gave it.
    pub given: Vec<Given>,
    /// First moment at which it ends if nothing else happens; grants that follow each other are looked through.
    pub until: Option<Timestamp>,
    /// Why the reader did not have it.
    pub lacks: Option<Lack>,
    /// What is known now about that moment, and was not known then.
    pub hindsight: Vec<Hindsight>,
}

/// A grant, as the record had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// What it said.
    pub grant: Grant,
    /// When it was written down.
    pub recorded_at: Timestamp,
    /// The sync that wrote it.
    pub opened_by: Option<EventId>,
}

/// Why a reader did not have an entitlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// There was no account yet.
    NoAccount {
        /// When it was made.
        made_at: Timestamp,
    },
    /// A moderator's decision takes it, and a grant gives it or none is needed.
    Standing(Standing),
    /// A grant begins later.
    Later(Given),
    /// The last grant had reached its own end.
    RanOut(Given),
    /// The last grant was closed before its own end.
    Closed {
        /// The grant.
        given: Given,
        /// When it was closed.
        at: Timestamp,
        /// The sync that closed it; `None` if a person or another system did.
        by: Option<EventId>,
    },
    /// No grant ever gave it.
    Never,
}

/// What became known afterwards about a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindsight {
    /// A grant counted, and was written down later.
    RecordedLate {
        /// The grant.
        grant: Grant,
        /// When it was written down.
        learned_at: Timestamp,
    },
    /// Another account had it, which turned out to be the same person's.
    OnAnotherAccount {
        /// When the two were merged.
        merged_at: Timestamp,
    },
    /// What was paid for had ended, and this was found out later.
    EndedBefore {
        /// The grant that still stood in the record.
        grant: Grant,
        /// When it really ended.
        ended_at: Timestamp,
        /// When that was found out.
        learned_at: Timestamp,
    },
}

/// The account that is asked about, as it stood at a moment: one that was merged later still stood for itself.
pub(super) fn account_at<'a>(history: &'a History, asked: &'a AccountId, moment: Timestamp) -> &'a AccountId {
    let mut account = asked;
    // An account is merged once, so that each merge is followed at most once.
    for _ in &history.merges {
        match history.merges.iter().find(|merge| merge.from == *account) {
            Some(merge) if merge.merged_at <= moment => account = &merge.into,
            _ => break,
        }
    }
    account
}

/// The verdict on each of `names` on each of `sites`, those that say the same put together.
pub fn verdicts(
    history: &History,
    account: &AccountId,
    names: &Scope,
    sites: &[SiteId],
    moment: Timestamp,
    now: Timestamp,
) -> Vec<Verdict> {
    let mut all: Vec<Verdict> = vec![];
    for name in names.iter() {
        for site in sites {
            let one = verdict(history, account, name, site, moment, now);
            let same = all.iter_mut().find(|other| {
                Verdict {
                    sites: vec![],
                    ..(*other).clone()
                } == one
            });
            match same {
                Some(same) => same.sites.push(site.clone()),
                None => all.push(Verdict {
                    sites: vec![site.clone()],
                    ..one
                }),
            }
        }
    }
    all
}

fn verdict(
    history: &History,
    account: &AccountId,
    name: &Entitlement,
    site: &SiteId,
    moment: Timestamp,
    now: Timestamp,
) -> Verdict {
    let gives = |grant: &Grant| grant.sites.contains(site) && grant.entitlements.contains(name.as_str());
    let own: Vec<&GrantRecord> = history
        .grants
        .iter()
        .filter(|record| record.grant.account == *account && gives(&record.grant))
        .collect();
    let stood: Vec<&GrantRecord> = own.iter().copied().filter(|record| record.stood_at(moment)).collect();
    let grants: Vec<Grant> = stood.iter().map(|record| record.grant.clone()).collect();
    let standings = standings_at(history, account, moment);
    let entitled = evaluate(&grants, &standings, site, moment);
    let has = entitled.scope.contains(name.as_str());
    let live = stood.iter().filter(|record| record.grant.is_live(moment));
    let mut learned = hindsight(history, &own, moment, now);
    if !has {
        learned.extend(elsewhere(history, account, &gives, moment, now));
    }
    Verdict {
        entitlement: name.clone(),
        sites: vec![],
        has,
        given: live.map(|record| given(record)).collect(),
        until: entitled.until.filter(|_| has),
        lacks: (!has).then(|| lack(history, account, &own, &standings, name, site, moment)),
        hindsight: learned,
    }
}

fn given(record: &GrantRecord) -> Given {
    Given {
        grant: record.grant.clone(),
        recorded_at: record.recorded_at,
        opened_by: record.opened_by.clone(),
    }
}

/// Decisions about the account as it was: those that came with a merge were another account's before it.
fn standings_at(history: &History, account: &AccountId, moment: Timestamp) -> Vec<Standing> {
    let owner_then = |standing: &Standing| {
        let brought = history
            .merges
            .iter()
            .find(|merge| merge.brought("standing", standing.id.as_str()));
        match brought {
            Some(merge) if moment < merge.merged_at => merge.from.clone(),
            _ => standing.account.clone(),
        }
    };
    let of_account = history
        .standings
        .iter()
        .filter(|standing| owner_then(standing) == *account);
    of_account.cloned().collect()
}

fn made_at(history: &History, account: &AccountId) -> Option<Timestamp> {
    if *account == history.account.id {
        return Some(history.account.created_at);
    }
    let merge = history.merges.iter().find(|merge| merge.from == *account)?;
    merge.created_at
}

fn lack(
    history: &History,
    account: &AccountId,
    own: &[&GrantRecord],
    standings: &[Standing],
    name: &Entitlement,
    site: &SiteId,
    moment: Timestamp,
) -> Lack {
    if let Some(made_at) = made_at(history, account).filter(|made| moment < *made) {
        return Lack::NoAccount { made_at };
    }
    if name.as_str() == Entitlement::COMMENTS {
        let silencing = standings
            .iter()
            .filter(|standing| standing.is_live(site, moment) && standing.kind.silences());
        if let Some(standing) = silencing.max_by_key(|standing| standing.kind) {
            return Lack::Standing(standing.clone());
        }
    }
    let known = own.iter().filter(|record| record.recorded_at <= moment);
    // What ended last is what the reader misses.
    let ended = known
        .clone()
        .filter_map(|record| Some((ended_at(record, moment)?, record)))
        .max_by_key(|(at, record)| (*at, record.recorded_at));
    if let Some((at, record)) = ended {
        let given = given(record);
        return if given.grant.until == Some(at) {
            Lack::RanOut(given)
        } else {
            Lack::Closed {
                given,
                at,
                by: record.closed_by.clone(),
            }
        };
    }
    let later = known.filter(|record| record.stood_at(moment) && moment < record.grant.from);
    later
        .min_by_key(|record| record.grant.from)
        .map_or(Lack::Never, |record| Lack::Later(given(record)))
}

/// When a row stopped counting, if it did until `moment`: at its own end, or when it was closed.
fn ended_at(record: &GrantRecord, moment: Timestamp) -> Option<Timestamp> {
    let closed = record.superseded_at.filter(|closed| *closed <= moment);
    let ran_out = record.grant.until.filter(|until| *until <= moment);
    // A row that is closed after its own end had ended by itself.
    match (ran_out, closed) {
        (Some(until), Some(closed)) => Some(until.min(closed)),
        (until, closed) => until.or(closed),
    }
}

/// What is known at `now` about `moment`, beyond the record of that time.
fn hindsight(history: &History, own: &[&GrantRecord], moment: Timestamp, now: Timestamp) -> Vec<Hindsight> {
    if now <= moment {
        return vec![];
    }
    let mut found = vec![];
    for record in own {
        let grant = &record.grant;
        let chain =
            |other: &&&GrantRecord| (other.grant.source, &other.grant.source_ref) == (grant.source, &grant.source_ref);
        let is_first = own
            .iter()
            .filter(chain)
            .all(|other| record.recorded_at <= other.recorded_at);
        if is_first && moment < record.recorded_at && grant.is_live(moment) && !moved(history, record) {
            found.push(Hindsight::RecordedLate {
                grant: grant.clone(),
                learned_at: record.recorded_at,
            });
        }
        if let Some(learned_at) = record.superseded_at
            && record.stood_at(moment)
            && grant.is_live(moment)
        {
            let next = own.iter().filter(chain).find(|other| other.recorded_at == learned_at);
            let ended_at = match next {
                Some(next) => next.grant.until,
                None => stripe_ended_at(history, grant),
            };
            if let Some(ended_at) = ended_at.filter(|ended| *ended <= moment) {
                found.push(Hindsight::EndedBefore {
                    grant: grant.clone(),
                    ended_at,
                    learned_at,
                });
            }
        }
    }
    found
}

/// Another account of the same person that gave it at `moment`, and stood for itself then.
fn elsewhere(
    history: &History,
    account: &AccountId,
    gives: &impl Fn(&Grant) -> bool,
    moment: Timestamp,
    now: Timestamp,
) -> Option<Hindsight> {
    let owner = |record: &&GrantRecord| {
        let grant = &record.grant;
        grant.account != *account && record.stood_at(moment) && grant.is_live(moment) && gives(grant)
    };
    let other = history.grants.iter().find(owner)?;
    // Of two accounts one was merged into the other.
    let of_merge = |id: &AccountId| history.merges.iter().find(|merge| merge.from == *id);
    let merge = of_merge(&other.grant.account).or_else(|| of_merge(account))?;
    let later = moment < merge.merged_at && merge.merged_at <= now;
    later.then_some(Hindsight::OnAnotherAccount {
        merged_at: merge.merged_at,
    })
}

/// Whether a row only came over from an account that was merged: nothing was learned with it.
fn moved(history: &History, record: &GrantRecord) -> bool {
    let id = record.grant.id.as_str();
    let at = |merge: &super::history::Merge| merge.merged_at == record.recorded_at;
    history
        .merges
        .iter()
        .any(|merge| at(merge) && merge.brought("account_grant", id))
}

fn stripe_ended_at(history: &History, grant: &Grant) -> Option<Timestamp> {
    let id = grant.source_ref.split('/').next().unwrap_or_default();
    let told = history.subscriptions.iter().find(|(told, _)| told.id == id)?;
    told.0.ended_at.filter(|_| grant.source == Source::Subscription)
}
