//! Why a reader may do what they may: now, or at any past moment, as it stood in the record then.
//!
//! Pure: from what was recorded ([`History`]) to words and JSON ([`Explanation`]). The record of grants is append-only, so that what was
//! known at a moment can be told apart from what is known about it by now ([`Hindsight`]).

mod history;
mod text;
mod timeline;
mod verdict;
pub mod words;
mod zone;

use latchkey_entitlement::{AccountId, Scope, SessionId, SiteId, Timestamp};
use serde::Serialize;

pub use history::{
    BegunPurchase, Device, GrantRecord, History, KnownAccount, KnownCustomer, Merge, Revoked, SeenEvent, SyncRun,
};
pub use text::unknown_reader;
pub use timeline::Entry;
pub use verdict::{Given, Hindsight, Lack, Verdict, verdicts};
pub use zone::{MomentError, Zone, ZoneError};

/// Most entries of the history that the reader's part tells; the newest are kept.
pub const MAX_READER_ENTRIES: usize = 12;
/// Most entries of the history, before the moment and after it, that the operator's part and JSON tell; those nearest the moment are
/// kept.
pub const MAX_ENTRIES: usize = 200;

/// By what a reader was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// An account's id.
    Account,
    /// An address that the account has proven.
    ProvenEmail(String),
    /// An address that the account merely claims.
    UnprovenEmail(String),
    /// A Stripe customer.
    Customer(String),
    /// A Stripe subscription.
    Subscription(String),
    /// A device, the `sid` of a pass.
    Session(SessionId),
    /// The `sub` of a pass on a site.
    Subject(SiteId, String),
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Name of the publication.
    pub publication: &'a str,
    /// The publisher's time zone.
    pub zone: &'a Zone,
    /// The sites that are asked about, with their names.
    pub sites: &'a [(SiteId, String)],
    /// What is sold, so that its absence is explained too.
    pub sold: &'a Scope,
    /// The account that was named; it may have been merged since.
    pub asked: &'a AccountId,
    /// By what it was named.
    pub found_by: FoundBy,
    /// The moment that is asked about.
    pub moment: Timestamp,
    /// The present.
    pub now: Timestamp,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// For the reader: plain words without ids, to be sent on as it is.
    pub reader: String,
    /// For the operator: the same with ids, and the whole history.
    pub operator: String,
    /// For programs.
    pub json: Answer,
}

/// The answer for programs. Moments are milliseconds, with the asked one as RFC 3339 (UTC) beside it.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The account, as it stood at the moment.
    pub account: AccountId,
    /// The account that stands for it now.
    pub stands_for_now: AccountId,
    /// The moment that is asked about.
    pub at: String,
    /// The same in milliseconds.
    pub moment: Timestamp,
    /// When this was answered.
    pub answered_at: Timestamp,
    /// Name of the time zone of the texts.
    pub time_zone: String,
    /// Each entitlement.
    pub entitlements: Vec<EntitlementAnswer>,
    /// What happened until then, the oldest first.
    pub history: Vec<Entry>,
    /// What happened between then and now.
    pub afterwards: Vec<Entry>,
    /// Lists of which older entries were left out.
    pub cut: Vec<String>,
    /// The text for the reader.
    pub reader: String,
    /// The text for the operator.
    pub operator: String,
}

/// One entitlement for programs.
#[derive(Clone, Debug, Serialize)]
pub struct EntitlementAnswer {
    /// Its name.
    pub entitlement: String,
    /// The sites that this is about.
    pub sites: Vec<SiteId>,
    /// Whether the reader had it.
    pub has: bool,
    /// First moment at which it ends if nothing else happens.
    pub until: Option<Timestamp>,
    /// The ids of the grants that gave it.
    pub grants: Vec<String>,
    /// In words, without ids.
    pub words: Vec<String>,
}

/// Explains what a reader may do, and why.
pub fn explain(question: &Question<'_>, history: &History) -> Explanation {
    let account = verdict::account_at(history, question.asked, question.moment).clone();
    let mut names = question.sold.clone();
    for record in &history.grants {
        names.extend(&record.grant.entitlements);
    }
    let sites: Vec<SiteId> = question.sites.iter().map(|(id, _)| id.clone()).collect();
    let all = verdicts(history, &account, &names, &sites, question.moment, question.now);
    let (past, future): (Vec<Entry>, Vec<Entry>) = timeline::timeline(question, history)
        .into_iter()
        .filter(|entry| entry.at <= question.now.max(question.moment))
        .partition(|entry| entry.at <= question.moment);
    let told = text::Told {
        question,
        history,
        account: &account,
        verdicts: &all,
        past: &past,
        future: &future,
    };
    let (reader, operator) = (told.reader(), told.operator());
    let skipped = past.len().saturating_sub(MAX_ENTRIES);
    let mut cut: Vec<String> = history.cut.iter().map(|list| (*list).to_owned()).collect();
    if skipped > 0 || future.len() > MAX_ENTRIES {
        cut.push("history".to_owned());
    }
    let json = Answer {
        account: account.clone(),
        stands_for_now: history.account.id.clone(),
        at: Zone::rfc3339(question.moment),
        moment: question.moment,
        answered_at: question.now,
        time_zone: question.zone.name().to_owned(),
        entitlements: all.iter().map(|verdict| told.for_programs(verdict)).collect(),
        history: past.iter().skip(skipped).cloned().collect(),
        afterwards: future.iter().take(MAX_ENTRIES).cloned().collect(),
        cut,
        reader: reader.clone(),
        operator: operator.clone(),
    };
    Explanation { reader, operator, json }
}
