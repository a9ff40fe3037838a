//! Changing what a subscription charges for, with proration by the second.

use crate::clock::period_at;
use crate::error::ApiError;
use crate::invoice::Line;
use crate::state::State;
use crate::subscription::{PendingUpdate, Subscription, SubscriptionStatus};

/// What becomes of the difference between the old and the new price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proration {
    None,
    NextInvoice,
    InvoiceNow,
}

/// What becomes of a change whose payment fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpaid {
    /// It is made all the same.
    Allow,
    /// It is not made.
    Refuse,
    /// It waits for the payment.
    Wait,
}

/// How long a change waits for its payment; Stripe gives it 23 hours.
const PENDING_SECONDS: i64 = 23 * 3600;

/// A change of one item.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) item: String,
    pub(crate) price: String,
    pub(crate) quantity: i64,
    pub(crate) proration: Proration,
    pub(crate) unpaid: Unpaid,
    /// The moment to prorate at; now if absent.
    pub(crate) at: Option<i64>,
}

/// What a change comes to.
pub(crate) struct Effect {
    /// Proration.
    pub(crate) lines: Vec<Line>,
    /// The new period, if one begins.
    pub(crate) cycle: Option<(i64, i64)>,
    trialing: bool,
}

/// `amount` for the part of the period that is left at `at`, rounded to the nearest minor unit.
fn part(amount: i64, subscription: &Subscription, at: i64) -> i64 {
    let whole = i128::from((subscription.period_end - subscription.period_start).max(1));
    let left = i128::from((subscription.period_end - at).clamp(0, subscription.period_end - subscription.period_start));
    let rounded = (i128::from(amount) * left * 2 + whole) / (whole * 2);
    i64::try_from(rounded).unwrap_or(amount)
}

impl State {
    /// What was asked for an item in the running period, reductions taken off; its whole price if no invoice says.
    fn paid_for(&self, subscription: &Subscription, item: &str, whole: i64) -> i64 {
        let invoices = self.invoices.values().rev();
        let own = invoices.filter(|one| one.subscription.as_deref() == Some(&subscription.id));
        let mut lines = own.flat_map(|invoice| &invoice.lines);
        let line = lines.find(|line| {
            line.item.as_deref() == Some(item) && !line.proration && line.start == subscription.period_start
        });
        line.map_or(whole, |line| line.amount - line.off())
    }

    /// What a change would come to, without making it.
    pub(crate) fn weigh_change(&mut self, id: &str, change: &Change) -> Result<Effect, ApiError> {
        let before = self.subscription(id)?.clone();
        let Some(item) = before.items.iter().find(|item| item.id == change.item) else {
            return Err(ApiError::no_such_param("subscription_item", &change.item, "items"));
        };
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
        let (Some(old_amount), Some(new_amount)) = (old.amount_in(&before.currency), new.amount_in(&before.currency))
        else {
            return Err(ApiError::invalid(
                "The price specified is in another currency than the subscription.",
                Some("items"),
            ));
        };
        let now = self.now;
        let trialing = before.status == SubscriptionStatus::Trialing;
        let cycle = (old_term != new_term && !trialing).then(|| period_at(now, new_term.interval, new_term.count, now));
        let at = change.at.unwrap_or(now);
        if !(before.period_start..=before.period_end).contains(&at) {
            let message = "`proration_date` must be within the current period.";
            return Err(ApiError::invalid(message, Some("proration_date")));
        }
        let mut lines = Vec::new();
        if change.proration != Proration::None && !trialing {
            let paid = self.paid_for(&before, &item.id, old_amount * item.quantity);
            let label = format!("Unused time on {}", self.product_name(&old.product));
            let span = (at, before.period_end);
            let of = (old.id.as_str(), item.quantity, id, item.id.as_str());
            lines.push(Line::proration(self, -part(paid, &before, at), label, span, of));
            if cycle.is_none() {
                let asked = new_amount * change.quantity;
                let asked = self.discounted(&before.discounts, &new.product, &before.currency, asked);
                let label = format!("Remaining time on {}", self.product_name(&new.product));
                let of = (new.id.as_str(), change.quantity, id, item.id.as_str());
                lines.push(Line::proration(self, part(asked, &before, at), label, span, of));
            }
        }
        Ok(Effect { lines, cycle, trialing })
    }

    /// Applies a change at once. A change of interval starts a new period now and is invoiced now.
    pub(crate) fn change_plan(&mut self, id: &str, change: &Change) -> Result<(), ApiError> {
        let before = self.subscription(id)?.clone();
        let item = before.items.iter().find(|item| item.id == change.item);
        if item.is_some_and(|item| item.price == change.price && item.quantity == change.quantity) {
            return Ok(());
        }
        if before.pending_update.is_some() {
            let message = "This subscription has a pending update, which must be paid or expire before another change.";
            return Err(ApiError::invalid(message, Some("items")));
        }
        let Effect {
            mut lines,
            cycle,
            trialing,
        } = self.weigh_change(id, change)?;
        let now = self.now;
        let pending_before = before.pending.clone();
        self.edit_subscription(id, |one| {
            move_item(one, &change.item, &change.price, change.quantity);
            if let Some(cycle) = cycle {
                begin_cycle(one, now, cycle);
            }
            one.pending.append(&mut lines);
        });
        if !(cycle.is_some() || change.proration == Proration::InvoiceNow) || trialing {
            return Ok(());
        }
        match (self.invoice_now(id, cycle.is_some()), change.unpaid) {
            (Err(error), Unpaid::Refuse) => {
                let invoice = self.undo_change(id, &before, pending_before);
                if let Some(invoice) = invoice {
                    self.void_invoice(&invoice);
                }
                Err(error)
            }
            (Err(_), Unpaid::Wait) => {
                let invoice = self.undo_change(id, &before, pending_before);
                self.edit_subscription(id, |one| {
                    one.latest_invoice.clone_from(&invoice);
                    one.pending_update = invoice.map(|invoice| PendingUpdate {
                        item: change.item.clone(),
                        price: change.price.clone(),
                        quantity: change.quantity,
                        invoice,
                        expires_at: now + PENDING_SECONDS,
                    });
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Puts back what was before a change; gives the invoice that was made for it.
    fn undo_change(&mut self, id: &str, before: &Subscription, pending: Vec<Line>) -> Option<String> {
        let invoice = self.subscriptions.get(id).and_then(|one| one.latest_invoice.clone());
        // Nobody retries it by itself: whoever asked for the change pays it, or does not.
        if let Some(invoice) = invoice.as_ref().and_then(|id| self.invoices.get_mut(id)) {
            invoice.next_attempt = None;
        }
        let before = before.clone();
        self.edit_subscription(id, |one| *one = Subscription { pending, ..before });
        invoice
    }

    /// The payment of `invoice` makes the change that waited for it.
    pub(crate) fn settle_pending_update(&mut self, id: &str, invoice: &str) {
        let waiting = self.subscriptions.get(id).and_then(|one| one.pending_update.clone());
        let Some(update) = waiting.filter(|update| update.invoice == invoice) else {
            return;
        };
        let term = |price: &str| self.prices.get(price).and_then(|price| price.recurring);
        let old = self
            .subscriptions
            .get(id)
            .and_then(|one| term(&one.items.first()?.price));
        let cycle = term(&update.price).filter(|new| Some(*new) != old);
        let now = self.now;
        self.edit_subscription(id, |one| {
            one.pending_update = None;
            move_item(one, &update.item, &update.price, update.quantity);
            if let Some(term) = cycle {
                begin_cycle(one, now, period_at(now, term.interval, term.count, now));
            }
        });
        let shown = self.render_subscription(id);
        self.emit("customer.subscription.pending_update_applied", shown);
    }

    /// A change that nobody paid in time is dropped.
    pub(crate) fn drop_pending_update(&mut self, id: &str) {
        let Some(update) = self.subscriptions.get(id).and_then(|one| one.pending_update.clone()) else {
            return;
        };
        self.edit_subscription(id, |one| one.pending_update = None);
        self.void_invoice(&update.invoice);
        let shown = self.render_subscription(id);
        self.emit("customer.subscription.pending_update_expired", shown);
    }

    /// Invoices what is pending, with the new period if one begins, and collects it.
    fn invoice_now(&mut self, id: &str, new_cycle: bool) -> Result<(), ApiError> {
        let mut lines = self
            .subscriptions
            .get_mut(id)
            .map(|one| std::mem::take(&mut one.pending))
            .unwrap_or_default();
        if new_cycle {
            let mut period = self.period_lines(id, false);
            self.apply_discounts(id, &mut period);
            lines.extend(period);
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

fn move_item(one: &mut Subscription, item: &str, price: &str, quantity: i64) {
    if let Some(item) = one.items.iter_mut().find(|own| own.id == item) {
        price.clone_into(&mut item.price);
        item.quantity = quantity;
    }
}

fn begin_cycle(one: &mut Subscription, now: i64, cycle: (i64, i64)) {
    one.anchor = now;
    (one.period_start, one.period_end) = cycle;
    if one.cancel_at_period_end {
        one.cancel_at = Some(one.period_end);
    }
}
