//! Why a reader may do what they may: finds the reader, reads the record, and has `billing` put it into words.

use std::collections::BTreeMap;

use latchkey_billing::{
    Plan,
    explain::{Explanation, FoundBy, MomentError, Question, Zone, explain},
};
use latchkey_entitlement::{AccountId, Scope, SessionId, SiteId, Timestamp, policy::SitePolicy};
use latchkey_store::{MAX_ROWS, Store, StoreError};
use latchkey_token::{Secret, subject};

/// Most accounts that are explained where several claim one address.
pub const MAX_CLAIMS: u32 = 5;
/// Most accounts that are tried to find whose subject a pass has: a subject cannot be turned back into its account.
pub const MAX_SUBJECTS: usize = 1_000_000;

/// What an explanation needs to know of the instance.
#[derive(Clone, Copy, Debug)]
pub struct ExplainConfig<'a> {
    /// Name of the publication.
    pub publication: &'a str,
    /// The publisher's time zone.
    pub time_zone: &'a Zone,
    /// Every site.
    pub sites: &'a [SitePolicy],
    /// What is sold.
    pub plans: &'a [Plan],
    /// Per site: the key of pairwise subjects.
    pub site_secrets: &'a BTreeMap<SiteId, Secret<Vec<u8>>>,
}

/// Why nothing was explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The moment cannot be read.
    #[error(transparent)]
    Moment(#[from] MomentError),
    /// There is no such site.
    #[error("there is no site `{site}`; the configuration has {}", known.join(", "))]
    Site {
        /// What was asked for.
        site: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Too many accounts for finding a subject.
    #[error(
        "the subject is none of the first {MAX_SUBJECTS} accounts'; name the reader by the `sid` of the pass (ses_…) instead"
    )]
    Subjects,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Explains what `reader` may do at `at` (now, if it is `None`), on `site` or on every site. One explanation for each account that the
/// name fits: none if nobody is known by it, several only where several accounts claim one address and none has proven it.
///
/// `reader` is an account's id, an e-mail address, a Stripe customer or subscription, a device (`ses_…`), or the `sub` of a pass on
/// `site`.
pub async fn explain_reader(
    store: &Store,
    config: &ExplainConfig<'_>,
    reader: &str,
    at: Option<&str>,
    site: Option<&str>,
    now: Timestamp,
) -> Result<Vec<Explanation>, ExplainError> {
    let moment = at.map_or(Ok(now), |at| config.time_zone.read(at, now))?;
    let sites: Vec<(SiteId, String)> = config
        .sites
        .iter()
        .filter(|own| site.is_none_or(|site| own.id.as_str() == site))
        .map(|own| (own.id.clone(), own.name.clone()))
        .collect();
    if let Some(site) = site.filter(|_| sites.is_empty()) {
        return Err(ExplainError::Site {
            site: site.chars().take(latchkey_entitlement::id::MAX_ID_LENGTH).collect(),
            known: config.sites.iter().map(|own| own.id.to_string()).collect(),
        });
    }
    let mut sold = Scope::empty();
    for plan in config.plans {
        sold.extend(&plan.entitlements);
    }
    let mut told = vec![];
    for (asked, found_by) in find(store, config, reader.trim(), site, now).await? {
        let Some(history) = store.history_of(&asked).await? else {
            continue;
        };
        let question = Question {
            publication: config.publication,
            zone: config.time_zone,
            sites: &sites,
            sold: &sold,
            asked: &asked,
            found_by,
            moment,
            now,
        };
        told.push(explain(&question, &history));
    }
    Ok(told)
}

async fn find(
    store: &Store,
    config: &ExplainConfig<'_>,
    reader: &str,
    site: Option<&str>,
    now: Timestamp,
) -> Result<Vec<(AccountId, FoundBy)>, ExplainError> {
    let one = |account: Option<AccountId>, by: FoundBy| account.map(|account| (account, by)).into_iter().collect();
    if reader.contains('@') {
        return by_email(store, reader, now).await;
    }
    if let Ok(id) = AccountId::parse(reader) {
        return Ok(vec![(id, FoundBy::Account)]);
    }
    if let Ok(id) = SessionId::parse(reader) {
        let session = store.session(&id).await?;
        return Ok(one(session.map(|session| session.account), FoundBy::Session(id)));
    }
    if reader.starts_with("cus_") {
        let account = store.account_of_customer(reader).await?;
        return Ok(one(account, FoundBy::Customer(reader.to_owned())));
    }
    if reader.starts_with("sub_") {
        let account = store.account_of_subscription(reader).await?;
        return Ok(one(account, FoundBy::Subscription(reader.to_owned())));
    }
    for (id, secret) in config.site_secrets {
        if site.is_none_or(|site| id.as_str() == site)
            && let Some(account) = by_subject(store, secret.expose(), reader).await?
        {
            return Ok(one(Some(account), FoundBy::Subject(id.clone(), reader.to_owned())));
        }
    }
    Ok(vec![])
}

async fn by_email(store: &Store, email: &str, now: Timestamp) -> Result<Vec<(AccountId, FoundBy)>, ExplainError> {
    // What is no address is nobody's.
    let Ok(email) = latchkey_store::normalise_email(email) else {
        return Ok(vec![]);
    };
    if let Some(account) = store.account_by_proven_email(&email).await? {
        return Ok(vec![(account.id, FoundBy::ProvenEmail(email))]);
    }
    let claims = store.claims_of(&email, now, MAX_CLAIMS).await?;
    let found = claims
        .into_iter()
        .map(|claim| (claim.id, FoundBy::UnprovenEmail(email.clone())));
    Ok(found.collect())
}

/// The account whose pairwise subject this is: all are tried, in pages.
async fn by_subject(store: &Store, secret: &[u8], wanted: &str) -> Result<Option<AccountId>, ExplainError> {
    // The form that every subject has, so that no scan is begun for a slip of the pen.
    if wanted.len() != subject(secret, "").len() {
        return Ok(None);
    }
    let mut after: Option<AccountId> = None;
    let mut tried = 0;
    loop {
        let page = store.list_accounts(after.as_ref(), MAX_ROWS).await?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        if tried >= MAX_SUBJECTS {
            return Err(ExplainError::Subjects);
        }
        tried += page.len();
        after = Some(last.id.clone());
        let found = page
            .into_iter()
            .find(|account| subject(secret, account.id.as_str()) == wanted);
        if let Some(found) = found {
            return Ok(Some(found.id));
        }
    }
}
