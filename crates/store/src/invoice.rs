//! Invoices as Stripe told them last: for showing, bookkeeping and figures; never what a reader may do.
//!
//! A sync writes those that it read, the newest of its customer; older ones stay as they were. [`Store::put_invoices`] fills in what was
//! made before this instance knew of it.

use std::collections::BTreeMap;

use latchkey_billing::{Books, DerivePolicy, Figures, Invoice, Period, Plan, Purchases};
use latchkey_entitlement::{AccountId, PlanId, Timestamp};

use crate::{
    MAX_ROWS, Store, StoreError, capped,
    database::{link::Link, row::Row, value::args},
};

/// Most invoices that are shown of one account.
const MAX_SHOWN: u32 = 200;
/// Most accounts in one page of [`Store::purchases_after`].
const MAX_PAGE: u32 = 500;

/// Everything that an account bought through Stripe, as it was told last.
#[derive(Clone, Debug)]
pub struct AccountPurchases {
    /// Whose.
    pub account: AccountId,
    /// What.
    pub purchases: Purchases,
}

impl Store {
    /// Keeps invoices of customers that are known here, in place of what was read of them before `read_at`, when reading them began; those
    /// of others are left out. Gives how many are of customers here.
    pub async fn put_invoices(&self, invoices: &[Invoice], read_at: Timestamp) -> Result<u64, StoreError> {
        let mut link = self.write().await?;
        let mut kept = 0_u64;
        for invoice in invoices {
            let Some(customer) = &invoice.papers.customer else {
                continue;
            };
            if link.any(IS_KNOWN, args![customer]).await? {
                put(&mut link, customer, invoice, read_at).await?;
                kept += 1;
            }
        }
        link.commit().await?;
        Ok(kept)
    }

    /// The invoices of an account, newest first.
    pub async fn invoices_of(&self, account: &AccountId) -> Result<Vec<Invoice>, StoreError> {
        let args = args![account, capped(MAX_SHOWN)];
        self.read()
            .await?
            .rows(OF_ACCOUNT, args)
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Invoices that were paid from a moment (inclusive) to another (exclusive), in order of payment; at most `limit` after `after`,
    /// which is the last one of the page before.
    pub async fn invoices_paid(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<&Invoice>,
        limit: u32,
    ) -> Result<Vec<Invoice>, StoreError> {
        let (paid_at, id) = match after {
            Some(last) => (last.papers.paid_at.unwrap_or(from), last.id.as_str()),
            None => (from, ""),
        };
        let args = args![from, to, paid_at, id, capped(limit)];
        self.read().await?.rows(PAID, args).await?.iter().map(read).collect()
    }

    /// What accounts with a Stripe customer bought, in order of their ids: at most `limit` accounts after `after`. Empty at the end.
    pub async fn purchases_after(
        &self,
        after: Option<&AccountId>,
        livemode: bool,
        limit: u32,
    ) -> Result<Vec<AccountPurchases>, StoreError> {
        let after = after.map_or("", |after| after.as_str());
        let mut link = self.read().await?;
        let rows = link
            .rows(ACCOUNTS, args![after, livemode, capped(limit.min(MAX_PAGE))])
            .await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            let account: AccountId = row.parsed("customer", "account")?;
            let limit = i64::from(MAX_ROWS);
            let subscriptions = link.rows(SUBSCRIPTIONS, args![&account, livemode, limit]).await?;
            let subscriptions = subscriptions
                .iter()
                .map(|row| row.word("subscription", "body", |body| serde_json::from_str(body).ok()));
            let subscriptions = subscriptions.collect::<Result<_, _>>()?;
            let invoices = link.rows(INVOICES, args![&account, livemode, limit]).await?;
            all.push(AccountPurchases {
                purchases: Purchases {
                    subscriptions,
                    invoices: invoices.iter().map(read).collect::<Result<_, _>>()?,
                },
                account,
            });
        }
        Ok(all)
    }

    /// The figures of periods, by currency; of one plan alone, if it is named. What is kept in memory is one page of readers.
    pub async fn figures(
        &self,
        plans: &[Plan],
        policy: DerivePolicy,
        livemode: bool,
        periods: &[Period],
        plan: Option<&PlanId>,
    ) -> Result<Vec<BTreeMap<String, Figures>>, StoreError> {
        let mut books: Vec<Books<'_>> = periods
            .iter()
            .map(|period| Books::new(plans, policy, *period, plan.cloned()))
            .collect();
        let mut after = None;
        loop {
            let page = self.purchases_after(after.as_ref(), livemode, MAX_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.account.clone());
            for one in &page {
                for books in &mut books {
                    books.enter(&one.purchases);
                }
            }
        }
        Ok(books.into_iter().map(Books::close).collect())
    }
}

/// Writes one invoice within a transaction. A draft has no number and may go away without a word; it is kept all the same, since it
/// says that a renewal is settling.
pub(crate) async fn put(
    link: &mut Link,
    customer: &str,
    invoice: &Invoice,
    read_at: Timestamp,
) -> Result<(), StoreError> {
    let body = serde_json::to_string(invoice)
        .map_err(|error| StoreError::invalid(format!("an invoice cannot be stored: {error}")))?;
    let papers = &invoice.papers;
    let args = args![
        &invoice.id,
        customer,
        papers.livemode,
        invoice.status.as_deref().unwrap_or("draft"),
        &invoice.currency,
        papers.total_minor,
        papers.tax_minor(),
        invoice.amount_paid_minor,
        invoice.created,
        papers.paid_at,
        body,
        read_at
    ];
    link.execute(PUT, args).await.map(drop)
}

fn read(row: &Row) -> Result<Invoice, StoreError> {
    row.word("invoice", "body", |body| serde_json::from_str(body).ok())
}

crate::statements! {
    IS_KNOWN = "SELECT id FROM customer WHERE id = $1";
    PUT = "INSERT INTO invoice (id, customer, livemode, status, currency, total_minor, tax_minor, amount_paid_minor, created_at, paid_at, \
        body, synced_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO UPDATE SET customer = $2, \
        status = $4, total_minor = $6, tax_minor = $7, amount_paid_minor = $8, paid_at = $10, body = $11, synced_at = $12 \
        WHERE invoice.synced_at <= $12";
    OF_ACCOUNT = "SELECT body FROM invoice WHERE customer IN (SELECT id FROM customer WHERE account = $1) \
        ORDER BY created_at DESC, id DESC LIMIT $2";
    PAID = "SELECT body FROM invoice WHERE paid_at >= $1 AND paid_at < $2 AND (paid_at > $3 OR (paid_at = $3 AND id > $4)) \
        ORDER BY paid_at, id LIMIT $5";
    ACCOUNTS = "SELECT DISTINCT account FROM customer WHERE account > $1 AND livemode = $2 ORDER BY account LIMIT $3";
    SUBSCRIPTIONS = "SELECT body FROM subscription WHERE customer IN (SELECT id FROM customer WHERE account = $1 AND livemode = $2) \
        ORDER BY id LIMIT $3";
    INVOICES = "SELECT body FROM invoice WHERE customer IN (SELECT id FROM customer WHERE account = $1 AND livemode = $2) \
        ORDER BY created_at, id LIMIT $3";
}
