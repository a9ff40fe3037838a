//! Changing what a subscription charges for, with proration by the second.

use crate::clock::period_at;
use crate::error::ApiError;
use crate::invoice::Line;
use crate::state::State;
use crate::subscription::{Subscription, SubscriptionStatus};

/// What becomes of the difference between the old and the new price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proration {
    None,
    NextInvoice,
    InvoiceNow,
}

/// A change of one item.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) item: String,
    pub(crate) price: String,
    pub(crate) quantity: i64,
    pub(crate) proration: Proration,
    /// Whether a failed payment undoes the change.
    pub(crate) strict: bool,
    /// The moment to prorate at; now if absent.
    pub(crate) at: Option<i64>,
}

/// `amount` for the part of the period that is left at `at`, rounded to the nearest minor unit.
fn part(amount: i64, subscription: &Subscription, at: i64) -> i64 {
    let whole = i128::from((subscription.period_end - subscription.period_start).max(1));
    let left = i128::from((subscription.period_end - at).clamp(0, subscription.period_end - subscription.period_start));
    let rounded = (i128::from(amount) * left * 2 + whole) / (whole * 2);
    i64::try_from(rounded).unwrap_or(amount)
}

impl State {
    /// Applies a change at once. A change of interval starts a new period now and is invoiced now.
    pub(crate) fn change_plan(&mut self, id: &str, change: &Change) -> Result<(), ApiError> {
        let before = self.subscription(id)?.clone();
        let Some(item) = before.items.iter().find(|item| item.id == change.item) else {
            return Err(ApiError::no_such_param("subscription_item", &change.item, "items"));
        };
        if (item.price == change.price) && (item.quantity == change.quantity) {
            return Ok(());
        }
        let old = self.price(&item.price, "price")?.clone();
        let new = self.price(&change.price, "price")?.clone();
        let (Some(old_term), Some(new_term)) = (old.recurring, new.recurring) else {
            return Err(ApiError::invalid(
                "The price specified is one-off; this field only accepts recurring prices.",
                Some("items"),
            ));
        };
        if !new.active {
            return Err(ApiError::invalid(
                "The price specified is inactive. This field only accepts active prices.",
                Some("items"),
            ));
        }
        if new.currency != before.currency {
            return Err(ApiError::invalid(
                "The price specified is in another currency than the subscription.",
                Some("items"),
            ));
        }
        let now = self.now;
        let trialing = before.status == SubscriptionStatus::Trialing;
        let new_cycle = old_term != new_term && !trialing;
        let at = change.at.unwrap_or(now).clamp(before.period_start, before.period_end);
        let mut lines = Vec::new();
        if change.proration != Proration::None && !trialing {
            let credit = -part(old.unit_amount * item.quantity, &before, at);
            let label = format!("Unused time on {}", self.product_name(&old.product));
            lines.push(Line::proration(
                self,
                credit,
                label,
                (at, before.period_end),
                (&old.id, item.quantity, id, &item.id),
            ));
            if !new_cycle {
                let charge = part(new.unit_amount * change.quantity, &before, at);
                let label = format!("Remaining time on {}", self.product_name(&new.product));
                let line = Line::proration(
                    self,
                    charge,
                    label,
                    (at, before.period_end),
                    (&new.id, change.quantity, id, &item.id),
                );
                lines.push(line);
            }
        }
        let pending_before = before.pending.clone();
        self.edit_subscription(id, |one| {
            if let Some(item) = one.items.iter_mut().find(|item| item.id == change.item) {
                item.price.clone_from(&change.price);
                item.quantity = change.quantity;
            }
            if new_cycle {
                one.anchor = now;
                (one.period_start, one.period_end) = period_at(now, new_term.interval, new_term.count, now);
                if one.cancel_at_period_end {
                    one.cancel_at = Some(one.period_end);
                }
            }
            one.pending.append(&mut lines);
        });
        if !(new_cycle || change.proration == Proration::InvoiceNow) || trialing {
            return Ok(());
        }
        match self.invoice_now(id, new_cycle) {
            Err(error) if change.strict => {
                self.undo_change(id, &before, pending_before);
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn undo_change(&mut self, id: &str, before: &Subscription, pending: Vec<Line>) {
        if let Some(invoice) = self.subscriptions.get(id).and_then(|one| one.latest_invoice.clone()) {
            self.void_invoice(&invoice);
        }
        let before = before.clone();
        self.edit_subscription(id, |one| *one = Subscription { pending, ..before });
    }

    /// Invoices what is pending, with the new period if one begins, and collects it.
    fn invoice_now(&mut self, id: &str, new_cycle: bool) -> Result<(), ApiError> {
        let mut lines = self
            .subscriptions
            .get_mut(id)
            .map(|one| std::mem::take(&mut one.pending))
            .unwrap_or_default();
        if new_cycle {
            lines.extend(self.period_lines(id, false));
        }
        if lines.is_empty() {
            return Ok(());
        }
        let invoice = self.draft_invoice(id, "subscription_update", lines);
        self.edit_subscription(id, |one| one.latest_invoice = Some(invoice.clone()));
        self.finalise(&invoice);
        self.collect(&invoice)
    }

    pub(crate) fn product_name(&self, id: &str) -> String {
        self.products
            .get(id)
            .map_or_else(|| id.to_owned(), |product| product.name.clone())
    }
}
