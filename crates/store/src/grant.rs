//! Grants: append-only, so that any past moment can be explained. A change closes a row and opens another one.

use latchkey_entitlement::{AccountId, Bought, EventId, Grant, GrantId, Scope, SiteId, Sites, Source, Timestamp};

use crate::{
    MAX_ROWS, Store, StoreError, account,
    allotment::{self, Writer},
    database::{link::Link, row::Row, value::args},
    external,
};

const TABLE: &str = "account_grant";
/// Longest `source_ref` and `because`, in bytes.
const MAX_TEXT: usize = 1_000;

/// What a grant that follows from Stripe carries besides.
pub(crate) struct Origin<'a> {
    pub(crate) customer: &'a str,
    pub(crate) livemode: bool,
}

/// A grant as it is recorded, and the customer and mode in Stripe that it follows from, if it does.
pub(crate) struct Recorded {
    pub(crate) grant: Grant,
    pub(crate) customer: Option<(String, bool)>,
}

impl Store {
    /// The grants of an account as they stand, also those that have not begun or have ended by themselves.
    pub async fn grants_of(&self, account: &AccountId) -> Result<Vec<Grant>, StoreError> {
        self.read()
            .await?
            .rows(CURRENT, args![account, i64::from(MAX_ROWS)])
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// The grants of an account as they stood at a moment.
    pub async fn grants_at(&self, account: &AccountId, moment: Timestamp) -> Result<Vec<Grant>, StoreError> {
        self.read()
            .await?
            .rows(AT, args![account, moment, i64::from(MAX_ROWS)])
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Opens a grant that does not come from Stripe, in place of a live one with the same source and reference; false if that one
    /// already says the same. What the account has bought as a length of time is laid out again around it, and so it is itself if it is
    /// such.
    pub async fn open_grant(&self, grant: &Grant, now: Timestamp) -> Result<bool, StoreError> {
        check(grant)?;
        let mut link = self.write().await?;
        // The account's row is locked, so that two calls for one grant come one after the other.
        if !account::lock(&mut link, &grant.account).await? {
            return Err(StoreError::invalid(
                "no such account, or it was merged into another one",
            ));
        }
        let writer = Writer {
            sync: None,
            name: grant.id.as_str(),
            now,
        };
        let own = std::slice::from_ref(grant);
        let change = allotment::change(&mut link, &grant.account, own, |_| false, &writer).await?;
        if change.is_nothing() {
            return Ok(false);
        }
        link.commit().await?;
        Ok(true)
    }

    /// Closes a grant that does not come from Stripe, with all pieces of it; false if there is none such that is live. What waited
    /// behind it moves forward.
    pub async fn close_grant(&self, id: &GrantId, now: Timestamp) -> Result<bool, StoreError> {
        let mut link = self.write().await?;
        let Some(row) = link.row(OWN_BY_ID, args![id]).await? else {
            return Ok(false);
        };
        let found = read(&row)?;
        let (account, reference) = (found.account.clone(), found.purchase_ref());
        if !account::lock(&mut link, &account).await? {
            return Ok(false);
        }
        let name = format!("{id}-c");
        let writer = Writer {
            sync: None,
            name: &name,
            now,
        };
        let closes = |row: &Recorded| {
            row.customer.is_none() && row.grant.source == found.source && row.grant.purchase_ref() == reference
        };
        let change = allotment::change(&mut link, &account, &[], closes, &writer).await?;
        if change.is_nothing() {
            return Ok(false);
        }
        external::forget(&mut link, &found).await?;
        link.commit().await?;
        Ok(true)
    }
}

/// Whether two grants say the same, whatever their ids.
pub(crate) fn same(a: &Grant, b: &Grant) -> bool {
    sites_text(&a.sites) == sites_text(&b.sites)
        && (&a.account, a.source, &a.source_ref) == (&b.account, b.source, &b.source_ref)
        && (&a.entitlements, a.from, a.until, &a.because) == (&b.entitlements, b.from, b.until, &b.because)
        && a.bought == b.bought
}

/// Refuses what could not be read back.
pub(crate) fn check(grant: &Grant) -> Result<(), StoreError> {
    let fits = |text: &str| text.len() <= MAX_TEXT && !text.contains('\0');
    if grant.source_ref.is_empty() || !fits(&grant.source_ref) || !fits(&grant.because) {
        return Err(StoreError::invalid(format!(
            "a grant needs a reference, and neither it nor its reason may exceed {MAX_TEXT} bytes"
        )));
    }
    if grant.sites == Sites::Only(vec![]) {
        return Err(StoreError::invalid("a grant must count on some site"));
    }
    Ok(())
}

/// The accounts that have something of a Stripe customer.
pub(crate) async fn accounts_of_customer(link: &mut Link, customer: &str) -> Result<Vec<AccountId>, StoreError> {
    let rows = link.rows(ACCOUNTS_OF_CUSTOMER, args![customer]).await?;
    rows.iter().map(|row| row.parsed(TABLE, "account")).collect()
}

/// Everything that an account has, also what has not begun or has ended by itself.
pub(crate) async fn recorded(link: &mut Link, account: &AccountId) -> Result<Vec<Recorded>, StoreError> {
    let rows = link.rows(ALL_LIVE, args![account]).await?;
    let read = |row: &Row| {
        Ok(Recorded {
            grant: read(row)?,
            customer: row.maybe_text("customer")?.zip(row.maybe_bool("livemode")?),
        })
    };
    rows.iter().map(read).collect()
}

/// Whether an account has anything at `now`.
pub(crate) async fn any_live(link: &mut Link, account: &AccountId, now: Timestamp) -> Result<bool, StoreError> {
    link.any(ANY_LIVE, args![account, now]).await
}

/// Closes whatever is live under the source and reference of `grant`.
pub(crate) async fn close_by_ref(
    link: &mut Link,
    grant: &Grant,
    sync: Option<&EventId>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    link.execute(
        CLOSE_BY_REF,
        args![&grant.account, grant.source.as_str(), &grant.source_ref, now, sync],
    )
    .await
}

pub(crate) async fn open(
    link: &mut Link,
    grant: &Grant,
    origin: Option<Origin<'_>>,
    sync_id: Option<&EventId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (customer, livemode) = origin.map_or((None, None), |origin| (Some(origin.customer), Some(origin.livemode)));
    let bought = grant.bought.as_ref();
    let args = args![
        &grant.id,
        &grant.account,
        customer,
        grant.source.as_str(),
        &grant.source_ref,
        grant.entitlements.to_string(),
        sites_text(&grant.sites),
        grant.from,
        grant.until,
        &grant.because,
        livemode,
        now,
        sync_id,
        bought.map(|bought| bought.paid_at),
        bought.map(|bought| bought.span.to_string()),
        bought.map(|bought| bought.zone.to_string())
    ];
    link.execute(OPEN, args).await.map(drop)
}

/// Moves every live grant: closes the row and opens one with the same id for the other account. Where that has one under the same
/// reference already, both are kept, and the moved one's reference says where it came from. Answers with the ids.
pub(crate) async fn move_all(
    link: &mut Link,
    from: &AccountId,
    into: &AccountId,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let rows = link.rows(ALL_LIVE, args![from]).await?;
    let mut ids = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, source, mut source_ref) = (row.text("id")?, row.text("source")?, row.text("source_ref")?);
        if link.any(LIVE, args![into, &source, &source_ref]).await? {
            source_ref = match source_ref.split_once(Grant::PIECE_MARK) {
                Some((purchase, piece)) => format!("{purchase} (of {from}){}{piece}", Grant::PIECE_MARK),
                None => format!("{source_ref} (of {from})"),
            };
        }
        link.execute(CLOSE_ONE, args![&id, from, now]).await?;
        let args = args![
            &id,
            into,
            row.maybe_text("customer")?,
            source,
            source_ref,
            row.text("entitlements")?,
            row.text("sites")?,
            row.int("from_at")?,
            row.maybe_moment("until_at")?,
            row.text("because")?,
            row.maybe_bool("livemode")?,
            now,
            row.maybe_text("sync_id")?,
            row.maybe_moment("paid_at")?,
            row.maybe_text("span")?,
            row.maybe_text("zone")?
        ];
        link.execute(OPEN, args).await?;
        ids.push(id);
    }
    Ok(ids)
}

pub(crate) fn sites_text(sites: &Sites) -> String {
    match sites {
        Sites::All => "*".to_owned(),
        Sites::Only(sites) => {
            let mut ids: Vec<&str> = sites.iter().map(SiteId::as_str).collect();
            ids.sort_unstable();
            ids.dedup();
            ids.join(" ")
        }
    }
}

pub(crate) fn parse_sites(text: &str) -> Option<Sites> {
    if text == "*" {
        return Some(Sites::All);
    }
    text.split(' ')
        .map(|id| SiteId::parse(id).ok())
        .collect::<Option<Vec<_>>>()
        .map(Sites::Only)
}

pub(crate) fn read(row: &Row) -> Result<Grant, StoreError> {
    Ok(Grant {
        id: row.parsed(TABLE, "id")?,
        account: row.parsed(TABLE, "account")?,
        source: row.word(TABLE, "source", Source::parse)?,
        source_ref: row.text("source_ref")?,
        entitlements: row.word(TABLE, "entitlements", |text| Scope::parse(text).ok())?,
        sites: row.word(TABLE, "sites", parse_sites)?,
        from: row.moment("from_at")?,
        until: row.maybe_moment("until_at")?,
        because: row.text("because")?,
        bought: match row.maybe_moment("paid_at")? {
            Some(paid_at) => Some(Bought {
                paid_at,
                span: row.parsed(TABLE, "span")?,
                zone: row.parsed(TABLE, "zone")?,
            }),
            None => None,
        },
    })
}

crate::statements! {
    CURRENT = "SELECT * FROM account_grant WHERE account = $1 AND superseded_at IS NULL ORDER BY from_at, id LIMIT $2";
    AT = "SELECT * FROM account_grant WHERE account = $1 AND recorded_at <= $2 AND (superseded_at IS NULL OR superseded_at > $2) \
        ORDER BY from_at, id LIMIT $3";
    LIVE = "SELECT * FROM account_grant WHERE account = $1 AND source = $2 AND source_ref = $3 AND superseded_at IS NULL";
    ALL_LIVE = "SELECT * FROM account_grant WHERE account = $1 AND superseded_at IS NULL ORDER BY id";
    ANY_LIVE = "SELECT 1 AS one FROM account_grant WHERE account = $1 AND superseded_at IS NULL AND from_at <= $2 \
        AND (until_at IS NULL OR until_at > $2) LIMIT 1";
    ACCOUNTS_OF_CUSTOMER = "SELECT DISTINCT account FROM account_grant WHERE customer = $1 AND superseded_at IS NULL";
    OWN_BY_ID = "SELECT * FROM account_grant WHERE id = $1 AND customer IS NULL AND superseded_at IS NULL";
    CLOSE_ONE = "UPDATE account_grant SET superseded_at = $3 WHERE id = $1 AND account = $2 AND superseded_at IS NULL";
    CLOSE_BY_REF = "UPDATE account_grant SET superseded_at = $4, closed_sync_id = $5 \
        WHERE account = $1 AND source = $2 AND source_ref = $3 AND superseded_at IS NULL";
    OPEN = "INSERT INTO account_grant (id, account, customer, source, source_ref, entitlements, sites, from_at, until_at, because, \
        livemode, recorded_at, sync_id, paid_at, span, zone) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
}
