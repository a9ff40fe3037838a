//! What a walk through Stripe found to differ from what is kept here: when, what each side said, and when it was repaired.

use latchkey_entitlement::{EventId, Timestamp};

use crate::{
    Store, StoreError, capped, customer,
    database::{link::Link, row::Row, value::args},
};

const TABLE: &str = "divergence";
/// Longest description of one side that is kept, in characters.
const MAX_SIDE_CHARS: usize = 500;

/// How the two sides differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DivergenceKind {
    /// Both have a subscription, and it is not the same.
    Changed,
    /// Stripe has a subscription of a known customer, and here it is missing.
    MissingHere,
    /// Here is a subscription or a customer that Stripe does not list any more.
    MissingThere,
    /// Stripe has a customer who bought what is sold here, and nothing here knows the customer.
    UnknownCustomer,
}

impl DivergenceKind {
    const ALL: [Self; 4] = [
        Self::Changed,
        Self::MissingHere,
        Self::MissingThere,
        Self::UnknownCustomer,
    ];

    /// The word stored in the database and shown in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::MissingHere => "missing_here",
            Self::MissingThere => "missing_there",
            Self::UnknownCustomer => "unknown_customer",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A difference that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDivergence {
    /// Identifier.
    pub id: EventId,
    /// The Stripe customer.
    pub customer: String,
    /// Whether it is of Stripe's live mode.
    pub livemode: bool,
    /// How they differ.
    pub kind: DivergenceKind,
    /// What is kept here, in words without personal data.
    pub ours: String,
    /// What Stripe says, in the same words.
    pub theirs: String,
    /// When what is kept here was read.
    pub ours_at: Option<Timestamp>,
}

/// A difference that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// What was found.
    pub found: NewDivergence,
    /// When it was found first.
    pub found_at: Timestamp,
    /// When a sync made both sides the same.
    pub repaired_at: Option<Timestamp>,
}

/// What is kept here of a customer and one subscription, for a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whether the customer belongs to an account.
    pub is_readers: bool,
    /// Whether a sync is due anyway, and was not given up.
    pub is_due: bool,
    /// When the customer was synced last.
    pub synced_at: Option<Timestamp>,
    /// The subscription as Stripe told it last, in JSON; `None` if it is missing here.
    pub body: Option<String>,
}

impl Store {
    /// Looks up what is kept of subscriptions, each by its customer and its own id, and notes that Stripe lists them; `None` where the
    /// customer is unknown. In the order given.
    pub async fn walk_subscriptions(
        &self,
        listed: &[(String, String)],
        now: Timestamp,
    ) -> Result<Vec<Option<Kept>>, StoreError> {
        let mut link = self.write().await?;
        let mut kept = Vec::with_capacity(listed.len());
        for (customer, subscription) in in_order(listed) {
            link.execute(WALK_SUBSCRIPTION, args![subscription, now]).await?;
            let row = link.row(KEPT, args![customer, subscription]).await?;
            kept.push((subscription, row.as_ref().map(read_kept).transpose()?));
        }
        link.commit().await?;
        let of = |wanted: &String| {
            let found = kept.binary_search_by(|(id, _)| (*id).cmp(wanted)).ok();
            found.and_then(|at| kept.get(at)).and_then(|(_, kept)| kept.clone())
        };
        Ok(listed.iter().map(|(_, subscription)| of(subscription)).collect())
    }

    /// Notes that Stripe lists these customers; which of them are known here, in the order given.
    pub async fn walk_customers(&self, listed: &[String], now: Timestamp) -> Result<Vec<bool>, StoreError> {
        let mut order: Vec<(usize, &String)> = listed.iter().enumerate().collect();
        order.sort_by_key(|(_, id)| *id);
        let mut known = vec![false; listed.len()];
        let mut link = self.write().await?;
        for (index, id) in order {
            let is_known = link.execute(WALK_CUSTOMER, args![id, now]).await? > 0;
            if let Some(slot) = known.get_mut(index) {
                *slot = is_known;
            }
        }
        link.commit().await?;
        Ok(known)
    }

    /// Customers of readers with an id after `after` whom a walk that began at `since` should have met, and did not, or one of whose
    /// subscriptions it did not meet. In the order of ids; with the moment of the last sync.
    pub async fn not_walked(
        &self,
        since: Timestamp,
        livemode: bool,
        after: &str,
        limit: u32,
    ) -> Result<Vec<(String, Option<Timestamp>)>, StoreError> {
        let rows = self
            .read()
            .await?
            .rows(NOT_WALKED, args![since, livemode, after, capped(limit)])
            .await?;
        rows.iter()
            .map(|row| Ok((row.text("id")?, row.maybe_moment("synced_at")?)))
            .collect()
    }

    /// Keeps a difference and marks its customer for a sync, which repairs it. False if one of the same customer is open already.
    pub async fn diverges(&self, found: &NewDivergence, now: Timestamp) -> Result<bool, StoreError> {
        let NewDivergence {
            id,
            customer,
            livemode,
            kind,
            ours,
            theirs,
            ours_at,
        } = found;
        let [ours, theirs] = [ours, theirs].map(|side| side.chars().take(MAX_SIDE_CHARS).collect::<String>());
        let mut link = self.write().await?;
        customer::mark(&mut link, customer, *livemode, now).await?;
        let args = args![id, customer, *livemode, kind.as_str(), ours, theirs, *ours_at, now];
        let new = link.execute(ADD, args).await? > 0;
        link.commit().await?;
        Ok(new)
    }

    /// Differences, the newest first: those not repaired yet, or all.
    pub async fn divergences(&self, open_only: bool, limit: u32) -> Result<Vec<Divergence>, StoreError> {
        let sql = if open_only { LIST_OPEN } else { LIST };
        let rows = self.read().await?.rows(sql, args![capped(limit)]).await?;
        rows.iter().map(read).collect()
    }

    /// Readers whose access differs from Stripe: of how many a difference was found that no sync has repaired yet, and when the oldest
    /// of these was found.
    pub async fn differing_readers(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        let row = self.read().await?.one(DIFFERING, &[]).await?;
        Ok((row.count(TABLE, "number")?, row.maybe_moment("oldest")?))
    }

    /// How many subscriptions and customers are known here, together. Reads all of them, so that it is for people and not for probes.
    pub async fn walk_size(&self) -> Result<u64, StoreError> {
        self.read().await?.one(SIZE, &[]).await?.count("customer", "number")
    }
}

/// Notes within a transaction that a customer is the same on both sides.
pub(crate) async fn repaired(link: &mut Link, customer: &str, now: Timestamp) -> Result<(), StoreError> {
    link.execute(REPAIRED, args![customer, now]).await.map(drop)
}

/// By subscription, so that two walks at once cannot wait for each other.
fn in_order(listed: &[(String, String)]) -> Vec<(&String, &String)> {
    let mut order: Vec<(&String, &String)> = listed.iter().map(|(customer, id)| (customer, id)).collect();
    order.sort_by_key(|(_, id)| *id);
    order
}

fn read_kept(row: &Row) -> Result<Kept, StoreError> {
    Ok(Kept {
        is_readers: row.maybe_text("account")?.is_some(),
        is_due: row.maybe_moment("dirty_at")?.is_some() && row.maybe_moment("dead_at")?.is_none(),
        synced_at: row.maybe_moment("synced_at")?,
        body: row.maybe_text("body")?,
    })
}

fn read(row: &Row) -> Result<Divergence, StoreError> {
    Ok(Divergence {
        found: NewDivergence {
            id: row.parsed(TABLE, "id")?,
            customer: row.text("customer")?,
            livemode: row.bool("livemode")?,
            kind: row.word(TABLE, "kind", DivergenceKind::parse)?,
            ours: row.text("ours")?,
            theirs: row.text("theirs")?,
            ours_at: row.maybe_moment("ours_at")?,
        },
        found_at: row.moment("found_at")?,
        repaired_at: row.maybe_moment("repaired_at")?,
    })
}

crate::statements! {
    WALK_SUBSCRIPTION = "UPDATE subscription SET walked_at = $2 WHERE id = $1";
    KEPT = "SELECT customer.account, customer.dirty_at, customer.dead_at, customer.synced_at, subscription.body FROM customer \
        LEFT JOIN subscription ON subscription.customer = customer.id AND subscription.id = $2 WHERE customer.id = $1";
    WALK_CUSTOMER = "UPDATE customer SET walked_at = $2 WHERE id = $1";
    NOT_WALKED = "SELECT id, synced_at FROM customer WHERE account IS NOT NULL AND deleted_at IS NULL AND livemode = $2 AND id > $3 \
        AND created_at < $1 AND (synced_at IS NULL OR synced_at < $1) AND (dirty_at IS NULL OR dead_at IS NOT NULL) \
        AND (walked_at IS NULL OR walked_at < $1 OR EXISTS (SELECT 1 FROM subscription WHERE subscription.customer = customer.id \
        AND (subscription.walked_at IS NULL OR subscription.walked_at < $1))) ORDER BY id LIMIT $4";
    ADD = "INSERT INTO divergence (id, customer, livemode, kind, ours, theirs, ours_at, found_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
        ON CONFLICT (customer) WHERE repaired_at IS NULL DO NOTHING";
    REPAIRED = "UPDATE divergence SET repaired_at = $2 WHERE customer = $1 AND repaired_at IS NULL";
    LIST_OPEN = "SELECT * FROM divergence WHERE repaired_at IS NULL ORDER BY found_at DESC, id DESC LIMIT $1";
    LIST = "SELECT * FROM divergence ORDER BY found_at DESC, id DESC LIMIT $1";
    SIZE = "SELECT (SELECT count(*) FROM customer) + (SELECT count(*) FROM subscription) AS number";
    DIFFERING = "SELECT count(*) AS number, min(found_at) AS oldest FROM divergence JOIN customer ON customer.id = divergence.customer \
        WHERE divergence.repaired_at IS NULL AND customer.account IS NOT NULL";
}
