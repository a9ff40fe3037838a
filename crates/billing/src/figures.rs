//! Figures of the business: what subscriptions bring in a month, who came and went, what was collected.
//!
//! Everything follows from Stripe's invoices and subscriptions, so that any past period can be worked out again. Amounts are minor units
//! of one currency; currencies are never added up. What counts as revenue follows the same rules as access ([`crate::ACCESS`]): a
//! period that is paid, one whose renewal is settling for as long as the slack lasts, one that is past due for as long as the grace lasts.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_entitlement::{PlanId, Timestamp};
use serde::Serialize;

use crate::{
    derive::DerivePolicy,
    plan::{Interval, Plan, PlanPrice},
    stripe::{Invoice, Subscription},
};

/// One reader's purchases, of all their Stripe customers.
#[derive(Clone, Debug, Default)]
pub struct Purchases {
    /// Every subscription, ended ones too.
    pub subscriptions: Vec<Subscription>,
    /// Every invoice.
    pub invoices: Vec<Invoice>,
}

/// From a moment (inclusive) to another (exclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// First moment.
    pub from: Timestamp,
    /// First moment after.
    pub to: Timestamp,
}

impl Period {
    fn has(self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.to
    }
}

/// What one currency came to in one period. `mrr_end = mrr_start + new + returned + expansion - contraction - churned`, exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Monthly recurring revenue at the start: what each subscription in force costs, without taxes and after discounts, brought to a
    /// month (a year is twelve) and rounded to the minor unit for each.
    pub mrr_start_minor: i64,
    /// The same of readers who had none at the start, and never before.
    pub new_minor: i64,
    /// Of readers who had none at the start, but had once.
    pub returned_minor: i64,
    /// What readers who had some pay more at the end than at the start.
    pub expansion_minor: i64,
    /// What readers who have some pay less at the end than at the start.
    pub contraction_minor: i64,
    /// Of readers who have none at the end, as it was at the start.
    pub churned_minor: i64,
    /// Monthly recurring revenue at the end.
    pub mrr_end_minor: i64,
    /// Readers with some at the start.
    pub readers_start: u64,
    /// Readers with some at the end who had none at the start, and never before.
    pub readers_new: u64,
    /// Readers with some at the end who had none at the start, but had once.
    pub readers_returned: u64,
    /// Readers with some at the start and none at the end.
    pub readers_churned: u64,
    /// Readers with some at the end.
    pub readers_end: u64,
    /// Trials that began in the period.
    pub trials_started: u64,
    /// Trials that ended in the period and were followed by a payment.
    pub trials_converted: u64,
    /// Trials running at the end.
    pub trials_running: u64,
    /// Invoices made in the period whose first collection failed.
    pub payments_failed: u64,
    /// Invoices paid in the period after a retry.
    pub payments_recovered: u64,
    /// Invoices made in the period that were tried and given up: void or uncollectible.
    pub payments_given_up: u64,
    /// Invoices paid in the period.
    pub payments: u64,
    /// What they were paid with, taxes included.
    pub collected_minor: i64,
    /// Taxes of those invoices.
    pub tax_minor: i64,
    /// What credit notes took off them again, whenever.
    pub credited_minor: i64,
}

impl Figures {
    /// Collected, less taxes and credit notes.
    pub const fn net_minor(&self) -> i64 {
        self.collected_minor - self.tax_minor - self.credited_minor
    }

    fn move_reader(&mut self, start: i64, end: i64, had_once: bool) {
        self.mrr_start_minor += start;
        self.mrr_end_minor += end;
        self.readers_start += u64::from(start > 0);
        self.readers_end += u64::from(end > 0);
        match (start > 0, end > 0) {
            (false, true) if had_once => {
                self.returned_minor += end;
                self.readers_returned += 1;
            }
            (false, true) => {
                self.new_minor += end;
                self.readers_new += 1;
            }
            (true, false) => {
                self.churned_minor += start;
                self.readers_churned += 1;
            }
            (true, true) => {
                self.expansion_minor += (end - start).max(0);
                self.contraction_minor += (start - end).max(0);
            }
            (false, false) => {}
        }
    }
}

/// Adds up the figures of one period, reader by reader: what is kept does not grow with their number.
#[derive(Debug)]
pub struct Books<'a> {
    plans: &'a [Plan],
    policy: DerivePolicy,
    period: Period,
    /// Only this plan.
    plan: Option<PlanId>,
    by_currency: BTreeMap<String, Figures>,
}

impl<'a> Books<'a> {
    /// Empty books; of one plan alone, if it is named. Purchases of what no plan sells are left out, as they are for access.
    pub const fn new(plans: &'a [Plan], policy: DerivePolicy, period: Period, plan: Option<PlanId>) -> Self {
        Self {
            plans,
            policy,
            period,
            plan,
            by_currency: BTreeMap::new(),
        }
    }

    /// Enters one reader. Each reader once, with everything they bought.
    pub fn enter(&mut self, reader: &Purchases) {
        self.enter_recurring(reader);
        self.enter_trials(reader);
        for invoice in &reader.invoices {
            self.enter_payment(invoice);
        }
    }

    /// The figures by currency.
    pub fn close(self) -> BTreeMap<String, Figures> {
        self.by_currency
    }

    fn of(&mut self, currency: &str) -> &mut Figures {
        self.by_currency.entry(currency.to_owned()).or_default()
    }

    fn enter_recurring(&mut self, reader: &Purchases) {
        let start = self.recurring(reader, self.period.from);
        let end = self.recurring(reader, self.period.to);
        let currencies: BTreeSet<&String> = start.keys().chain(end.keys()).collect();
        for currency in currencies {
            let at = |moment: &BTreeMap<String, i64>| moment.get(currency).copied().unwrap_or(0);
            let had_once = reader.invoices.iter().any(|invoice| {
                invoice.currency == *currency
                    && invoice.papers.paid_at.is_some_and(|paid| paid < self.period.from)
                    && self.lines(invoice).any(|(line, _)| line.amount_minor > 0)
            });
            let (start, end) = (at(&start), at(&end));
            self.of(currency).move_reader(start, end, had_once);
        }
    }

    /// What the reader's subscriptions bring in a month at `moment`, by currency.
    fn recurring(&self, reader: &Purchases, moment: Timestamp) -> BTreeMap<String, i64> {
        let mut sum = BTreeMap::new();
        for subscription in &reader.subscriptions {
            if subscription.ended_at.is_some_and(|ended| ended <= moment) {
                continue;
            }
            let mut own: Vec<&Invoice> = reader
                .invoices
                .iter()
                .filter(|invoice| invoice.subscription.as_ref() == Some(&subscription.id))
                .filter(|invoice| invoice.created <= moment && self.counts(invoice, moment))
                .collect();
            own.sort_by_key(|invoice| (invoice.created, &invoice.id));
            // The newest word on each line of the subscription counts: a change within a period credits the old price and charges
            // the new one.
            let mut in_force: BTreeMap<&str, (i64, &str)> = BTreeMap::new();
            for invoice in own {
                let current = self
                    .lines(invoice)
                    .filter(|(line, _)| line.period_start <= moment && moment < line.period_end);
                let (credits, charges): (Vec<_>, Vec<_>) = current.partition(|(line, _)| line.amount_minor < 0);
                for (line, _) in credits {
                    in_force.remove(line.price_id.as_deref().unwrap_or_default());
                }
                for (line, price) in charges {
                    let id = line.price_id.as_deref().unwrap_or_default();
                    in_force.insert(id, (monthly(line, price), &invoice.currency));
                }
            }
            for (minor, currency) in in_force.into_values().filter(|(minor, _)| *minor > 0) {
                *sum.entry(currency.to_owned()).or_default() += minor;
            }
        }
        sum
    }

    /// Whether an invoice's time counts at `moment`: the table of access, as far as an invoice tells.
    fn counts(&self, invoice: &Invoice, moment: Timestamp) -> bool {
        let settles_until = invoice.created.plus(self.policy.renewal_slack_ms);
        let owed_since = invoice.due_date.unwrap_or(invoice.created);
        match invoice.status.as_deref() {
            Some("paid") => true,
            Some("draft") => moment < settles_until,
            Some("open") if invoice.attempt_count == 0 => moment < settles_until,
            Some("open") => moment < owed_since.plus(self.policy.past_due_grace_ms),
            _ => false,
        }
    }

    /// Lines of an invoice for what is sold here, with their prices.
    fn lines<'b>(
        &'b self,
        invoice: &'b Invoice,
    ) -> impl Iterator<Item = (&'b crate::papers::InvoiceLine, &'b PlanPrice)> {
        invoice.papers.lines.iter().filter_map(|line| {
            let id = line.price_id.as_ref()?;
            let product = line.product_id.as_deref().unwrap_or_default();
            let plans = self
                .plans
                .iter()
                .filter(|plan| self.plan.as_ref().is_none_or(|own| *own == plan.id));
            let price = plans
                .flat_map(|plan| &plan.prices)
                .find(|price| price.sold(id, product))?;
            Some((line, price))
        })
    }

    fn sells(&self, subscription: &Subscription) -> Option<&PlanPrice> {
        let plans = self
            .plans
            .iter()
            .filter(|plan| self.plan.as_ref().is_none_or(|own| *own == plan.id));
        let mut prices = plans.flat_map(|plan| &plan.prices);
        prices.find(|price| {
            subscription
                .items
                .iter()
                .any(|item| price.sold(&item.price_id, &item.product_id))
        })
    }

    fn enter_trials(&mut self, reader: &Purchases) {
        for subscription in &reader.subscriptions {
            let Some(trial_end) = subscription.trial_end else {
                continue;
            };
            let Some(currency) = self.sells(subscription).map(|price| price.currency.to_string()) else {
                continue;
            };
            let end = subscription.ended_at.map_or(trial_end, |ended| ended.min(trial_end));
            let paid_after = reader.invoices.iter().any(|invoice| {
                invoice.subscription.as_ref() == Some(&subscription.id)
                    && invoice.amount_paid_minor > 0
                    && invoice.papers.paid_at.is_some_and(|paid| trial_end <= paid)
            });
            let period = self.period;
            let figures = self.of(&currency);
            figures.trials_started += u64::from(period.has(subscription.created));
            figures.trials_converted += u64::from(period.has(trial_end) && paid_after);
            figures.trials_running += u64::from(subscription.created < period.to && period.to <= end);
        }
    }

    fn enter_payment(&mut self, invoice: &Invoice) {
        if self.lines(invoice).next().is_none() {
            return;
        }
        let period = self.period;
        let status = invoice.status.as_deref().unwrap_or_default();
        let paid = invoice.papers.paid_at.filter(|_| status == "paid");
        let given_up = matches!(status, "void" | "uncollectible") && invoice.attempt_count > 0;
        let failed = invoice.attempt_count > 1 || (status == "open" && invoice.attempt_count > 0) || given_up;
        let figures = self.of(&invoice.currency);
        if period.has(invoice.created) {
            figures.payments_failed += u64::from(failed);
            figures.payments_given_up += u64::from(given_up);
        }
        if paid.is_some_and(|at| period.has(at)) && invoice.amount_paid_minor > 0 {
            figures.payments += 1;
            figures.payments_recovered += u64::from(invoice.attempt_count > 1);
            figures.collected_minor += invoice.amount_paid_minor;
            figures.tax_minor += invoice.papers.tax_minor();
            figures.credited_minor += invoice.papers.credited_minor;
        }
    }
}

/// A line brought to a month, rounded half up to the minor unit.
fn monthly(line: &crate::papers::InvoiceLine, price: &PlanPrice) -> i64 {
    let amount = if line.proration {
        // It pays for a part of a period; the price says for what a whole one stands.
        price
            .amount_minor
            .saturating_mul(i64::try_from(line.quantity).unwrap_or(0))
    } else {
        line.amount_minor - line.discount_minor - line.inclusive_tax_minor
    };
    // How many periods a year has, as a fraction.
    let (times, of) = match price.interval {
        Interval::Day => (365, 1),
        Interval::Week => (365, 7),
        Interval::Month => (12, 1),
        Interval::Year => (1, 1),
    };
    let above = i128::from(amount) * times;
    let below = 12 * of * i128::from(price.interval_count.max(1));
    let rounded = (2 * above + below).div_euclid(2 * below);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}
