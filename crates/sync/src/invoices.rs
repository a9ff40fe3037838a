//! Invoices: those made before this instance knew of them are filled in, since a sync reads the newest of its customer alone; and the
//! figures that follow from all.

use std::collections::BTreeMap;

use latchkey_billing::{Figures, Period, StripeError};
use latchkey_entitlement::PlanId;
use latchkey_store::{Store, StoreError};

use crate::{Sync, SyncConfig, SyncError};

/// The last invoice of the page that was read last; [`DONE`] once all are read.
const CURSOR: &str = "invoices.read_until";
const DONE: &str = "all";

/// What was filled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Invoices read.
    pub read: u64,
    /// Those of customers that are known here.
    pub kept: u64,
    /// Whether all are read.
    pub done: bool,
}

impl Sync {
    /// Reads at most `max_pages` pages (of 100) of Stripe's invoices, from where it was left last, towards older ones. Once all are
    /// read it does nothing, until [`Sync::fill_invoices_again`].
    pub async fn fill_invoices(&self, max_pages: u32) -> Result<Filled, SyncError> {
        let mut filled = Filled::default();
        let mut cursor = self.store.setting(CURSOR).await?.filter(|cursor| !cursor.is_empty());
        for _ in 0..max_pages {
            if cursor.as_deref() == Some(DONE) {
                break;
            }
            let read_at = self.clock.now();
            let page = match self.background.list_invoices(cursor.as_deref()).await {
                // The invoice that it was left at is gone, as a draft can be.
                Err(StripeError::NotFound) if cursor.is_some() => {
                    self.fill_invoices_again().await?;
                    return Ok(filled);
                }
                page => page?,
            };
            filled.read += page.items.len() as u64;
            filled.kept += self.store.put_invoices(&page.items, read_at).await?;
            let next = match page.items.last() {
                Some(last) if page.has_more => last.id.clone(),
                _ => DONE.to_owned(),
            };
            self.store.put_setting(CURSOR, &next).await?;
            cursor = Some(next);
        }
        filled.done = cursor.as_deref() == Some(DONE);
        Ok(filled)
    }

    /// The figures of periods, by currency; of one plan alone, if it is named.
    pub async fn figures(
        &self,
        periods: &[Period],
        plan: Option<&PlanId>,
    ) -> Result<Vec<BTreeMap<String, Figures>>, SyncError> {
        let SyncConfig {
            plans,
            derive,
            livemode,
            ..
        } = &self.config;
        Ok(self.store.figures(plans, *derive, *livemode, periods, plan).await?)
    }

    /// See [`read_invoices_again`].
    pub async fn fill_invoices_again(&self) -> Result<(), SyncError> {
        Ok(read_invoices_again(&self.store).await?)
    }
}

/// Has all invoices read once more by whichever server runs, such as after customers were adopted.
pub async fn read_invoices_again(store: &Store) -> Result<(), StoreError> {
    store.put_setting(CURSOR, "").await
}
