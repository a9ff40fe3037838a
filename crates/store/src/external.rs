//! What other systems of the publisher say about readers: app stores, print, bank transfers, comps. Each statement has a key of its
//! own, and saying it again changes nothing.
//!
//! A statement may name an address that nobody has proven yet. It waits then, and is given at the first proof.

use latchkey_entitlement::{AccountId, Grant, GrantId, Scope, Sites, Source, Timestamp};

use crate::{
    MAX_ROWS, Store, StoreError, account,
    allotment::{self, Writer},
    database::{link::Link, row::Row, value::args},
    grant, normalise_email,
};

const TABLE: &str = "external_grant";
/// How often a statement starts anew when its address is proven at the same moment.
const TRIES: u32 = 3;

/// Whom a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalReader {
    /// An account; one that was merged stands for the one that took it over.
    Account(AccountId),
    /// Whoever proves this address, or has proven it.
    Email(String),
}

/// A statement: who may do what, where, from when until when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewExternal {
    /// The publisher's word for the system that says so; `comp` and `import` are ours.
    pub source: String,
    /// That system's own id; with `source` it is the key.
    pub reference: String,
    /// Whom it is about.
    pub reader: ExternalReader,
    /// What they may do.
    pub entitlements: Scope,
    /// Where.
    pub sites: Sites,
    /// From when; from the present, or as it was said before, if `None`.
    pub from: Option<Timestamp>,
    /// Until when; `None` is open-ended.
    pub until: Option<Timestamp>,
    /// Why, in words for support.
    pub because: String,
}

/// A statement as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The word of the system.
    pub source: String,
    /// Its id.
    pub reference: String,
    /// The address, if the statement named one.
    pub email: Option<String>,
    /// The account that has it; `None` while it waits for a proof.
    pub account: Option<AccountId>,
    /// What they may do.
    pub entitlements: Scope,
    /// Where.
    pub sites: Sites,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Why.
    pub because: String,
}

/// What a statement changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// It is new.
    Created,
    /// It takes the place of another one under its key.
    Replaced,
    /// It said the same before.
    Unchanged,
}

impl External {
    /// The reference of its grant.
    pub fn grant_ref(&self) -> String {
        format!("{}/{}", self.source, self.reference)
    }

    /// The source of its grant.
    pub fn grant_source(&self) -> Source {
        match self.source.as_str() {
            "comp" => Source::Comp,
            "import" => Source::Import,
            _ => Source::External,
        }
    }

    fn grant(&self, id: GrantId, account: &AccountId) -> Grant {
        Grant {
            id,
            account: account.clone(),
            source: self.grant_source(),
            source_ref: self.grant_ref(),
            entitlements: self.entitlements.clone(),
            sites: self.sites.clone(),
            from: self.from,
            until: self.until,
            because: self.because.clone(),
            bought: None,
        }
    }
}

impl Store {
    /// Keeps a statement, in place of what was said under its key before, and grants what follows. `id` must be new. Refused if the
    /// account that it names does not exist.
    pub async fn put_external(
        &self,
        new: &NewExternal,
        id: &GrantId,
        now: Timestamp,
    ) -> Result<(PutOutcome, External), StoreError> {
        for _ in 0..TRIES {
            let mut link = self.write().await?;
            if let Some(done) = put(&mut link, new, id, now).await? {
                link.commit().await?;
                return Ok(done);
            }
            // The address was proven, or the account merged, between our look and our lock: the next transaction sees it.
        }
        Err(StoreError::Unavailable {
            what: "the reader of a grant is being changed by several requests at once".to_owned(),
        })
    }

    /// One statement.
    pub async fn external(&self, source: &str, reference: &str) -> Result<Option<External>, StoreError> {
        let row = self.read().await?.row(BY_KEY, args![source, reference]).await?;
        row.as_ref().map(read).transpose()
    }

    /// Statements about an address that wait for its proof.
    pub async fn unclaimed_external(&self, email: &str) -> Result<Vec<External>, StoreError> {
        let email = normalise_email(email)?;
        let mut link = self.read().await?;
        let rows = link.rows(UNCLAIMED, args![email, i64::from(MAX_ROWS)]).await?;
        rows.iter().map(read).collect()
    }

    /// Takes a statement back, with what was granted by it; false if there is none.
    pub async fn delete_external(&self, source: &str, reference: &str, now: Timestamp) -> Result<bool, StoreError> {
        for _ in 0..TRIES {
            let mut link = self.write().await?;
            let Some(row) = link.row(BY_KEY, args![source, reference]).await? else {
                return Ok(false);
            };
            let old = read(&row)?;
            if let Some(account) = &old.account
                && !account::lock(&mut link, account).await?
            {
                continue;
            }
            lock(&mut link).await?;
            let again = link.row(BY_KEY, args![source, reference]).await?;
            if again
                .as_ref()
                .map(read)
                .transpose()?
                .is_none_or(|again| again.account != old.account)
            {
                continue;
            }
            if let Some(account) = &old.account {
                withdraw(&mut link, &old, account, now).await?;
            }
            link.execute(DELETE, args![source, reference]).await?;
            link.commit().await?;
            return Ok(true);
        }
        Err(StoreError::Unavailable {
            what: "a grant is being changed by several requests at once".to_owned(),
        })
    }
}

/// Gives an account whatever waits for the address that it has just proven. Its lock is held, and so is [`lock`].
pub(crate) async fn claim(link: &mut Link, account: &AccountId, email: &str, now: Timestamp) -> Result<(), StoreError> {
    let rows = link.rows(CLAIM, args![email, account]).await?;
    let mut own = Vec::with_capacity(rows.len());
    let name = account.as_str().strip_prefix(AccountId::PREFIX).unwrap_or_default();
    for (number, row) in (1_usize..).zip(&rows) {
        let id = GrantId::parse(&format!("{}{name}-x{number}", GrantId::PREFIX));
        let id = id.map_err(|error| StoreError::invalid(error.to_string()))?;
        own.push(read(row)?.grant(id, account));
    }
    if own.is_empty() {
        return Ok(());
    }
    let name = format!("{account}-x");
    let writer = Writer {
        sync: None,
        name: &name,
        now,
    };
    allotment::change(link, account, &own, |_| false, &writer)
        .await
        .map(drop)
}

/// Forgets the statement behind a grant that was closed by hand, so that saying it again gives it again.
pub(crate) async fn forget(link: &mut Link, grant: &Grant) -> Result<(), StoreError> {
    link.execute(FORGET, args![&grant.account, &grant.source_ref])
        .await
        .map(drop)
}

/// `None` if the reader was proven or merged meanwhile.
async fn put(
    link: &mut Link,
    new: &NewExternal,
    id: &GrantId,
    now: Timestamp,
) -> Result<Option<(PutOutcome, External)>, StoreError> {
    let key = (new.source.as_str(), new.reference.as_str());
    let old = link
        .row(BY_KEY, args![key.0, key.1])
        .await?
        .as_ref()
        .map(read)
        .transpose()?;
    let (email, account) = reader(link, &new.reader).await?;
    let mut accounts: Vec<AccountId> = account
        .iter()
        .cloned()
        .chain(old.iter().filter_map(|old| old.account.clone()))
        .collect();
    accounts.sort();
    accounts.dedup();
    for account in &accounts {
        if !account::lock(link, account).await? {
            return Ok(None);
        }
    }
    lock(link).await?;
    let again = link
        .row(BY_KEY, args![key.0, key.1])
        .await?
        .as_ref()
        .map(read)
        .transpose()?;
    if again != old || reader(link, &new.reader).await? != (email.clone(), account.clone()) {
        return Ok(None);
    }
    let wanted = External {
        source: new.source.clone(),
        reference: new.reference.clone(),
        email,
        account,
        entitlements: new.entitlements.clone(),
        sites: new.sites.clone(),
        from: new.from.or(old.as_ref().map(|old| old.from)).unwrap_or(now),
        until: new.until,
        because: new.because.clone(),
    };
    if old.as_ref() == Some(&wanted) {
        return Ok(Some((PutOutcome::Unchanged, wanted)));
    }
    let moves = old.as_ref().and_then(|old| Some((old, old.account.as_ref()?)));
    if let Some((old, account)) = moves.filter(|(_, account)| Some(*account) != wanted.account.as_ref()) {
        withdraw(link, old, account, now).await?;
    }
    if let Some(account) = &wanted.account {
        let grant = wanted.grant(id.clone(), account);
        grant::check(&grant)?;
        let writer = Writer {
            sync: None,
            name: id.as_str(),
            now,
        };
        allotment::change(link, account, std::slice::from_ref(&grant), |_| false, &writer).await?;
    }
    write(link, &wanted, now).await?;
    let outcome = if old.is_some() {
        PutOutcome::Replaced
    } else {
        PutOutcome::Created
    };
    Ok(Some((outcome, wanted)))
}

/// The address that is meant, and the account, if it is known.
async fn reader(link: &mut Link, reader: &ExternalReader) -> Result<(Option<String>, Option<AccountId>), StoreError> {
    match reader {
        ExternalReader::Email(email) => {
            let email = normalise_email(email)?;
            let holder = link.row(HOLDER, args![&email]).await?;
            let holder = holder.map(|row| row.parsed::<AccountId>("account", "id")).transpose()?;
            Ok((Some(email), holder))
        }
        ExternalReader::Account(id) => {
            let Some(row) = link.row(ACCOUNT, args![id]).await? else {
                return Err(StoreError::invalid("there is no such account"));
            };
            let found = account::read(&row)?;
            Ok((None, Some(found.merged_into.unwrap_or(found.id))))
        }
    }
}

async fn withdraw(link: &mut Link, old: &External, account: &AccountId, now: Timestamp) -> Result<(), StoreError> {
    // The moment makes the name new: one key can be withdrawn often.
    let name = format!("{account}-w{}", now.0);
    let writer = Writer {
        sync: None,
        name: &name,
        now,
    };
    let (source, reference) = (old.grant_source(), old.grant_ref());
    let theirs = |row: &grant::Recorded| {
        row.customer.is_none() && row.grant.source == source && row.grant.source_ref == reference
    };
    allotment::change(link, account, &[], theirs, &writer).await.map(drop)
}

/// Statements and proofs come one after the other, so that none falls between. Taken after the locks of accounts, before anything else.
pub(crate) async fn lock(link: &mut Link) -> Result<(), StoreError> {
    link.execute(LOCK, &[]).await.map(drop)
}

async fn write(link: &mut Link, new: &External, now: Timestamp) -> Result<(), StoreError> {
    let args = args![
        &new.source,
        &new.reference,
        new.email.clone(),
        new.account.as_ref(),
        new.entitlements.to_string(),
        grant::sites_text(&new.sites),
        new.from,
        new.until,
        &new.because,
        now
    ];
    link.execute(PUT, args).await.map(drop)
}

fn read(row: &Row) -> Result<External, StoreError> {
    Ok(External {
        source: row.text("source")?,
        reference: row.text("ref")?,
        email: row.maybe_text("email")?,
        account: row.maybe_parsed(TABLE, "account")?,
        entitlements: row.word(TABLE, "entitlements", |text| Scope::parse(text).ok())?,
        sites: row.word(TABLE, "sites", grant::parse_sites)?,
        from: row.moment("from_at")?,
        until: row.maybe_moment("until_at")?,
        because: row.text("because")?,
    })
}

crate::statements! {
    BY_KEY = "SELECT * FROM external_grant WHERE source = $1 AND ref = $2";
    UNCLAIMED = "SELECT * FROM external_grant WHERE email = $1 AND account IS NULL ORDER BY source, ref LIMIT $2";
    HOLDER = "SELECT id FROM account WHERE email_proven = $1";
    ACCOUNT = "SELECT * FROM account WHERE id = $1";
    LOCK = "UPDATE counter SET value = value + 1 WHERE name = 'external'";
    CLAIM = "UPDATE external_grant SET account = $2 WHERE email = $1 AND account IS NULL RETURNING *";
    FORGET = "DELETE FROM external_grant WHERE account = $1 AND source || '/' || ref = $2";
    DELETE = "DELETE FROM external_grant WHERE source = $1 AND ref = $2";
    PUT = "INSERT INTO external_grant (source, ref, email, account, entitlements, sites, from_at, until_at, because, put_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (source, ref) DO UPDATE SET email = $3, account = $4, \
        entitlements = $5, sites = $6, from_at = $7, until_at = $8, because = $9, put_at = $10";
}
