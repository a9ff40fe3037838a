//! Subscriptions: the object, how it begins, and how it ends.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::period_at;
use crate::discount::Chosen;
use crate::error::ApiError;
use crate::invoice::Line;
use crate::list;
use crate::params::Metadata;
use crate::state::State;

/// The states of a subscription that the sandbox can bring about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// The first payment failed or waits.
    Incomplete,
    /// The first payment did not come within 23 hours.
    IncompleteExpired,
    /// In trial.
    Trialing,
    /// Paid.
    Active,
    /// A renewal failed and is being retried.
    PastDue,
    /// Retries ended without payment.
    Unpaid,
    /// A trial ended without a card.
    Paused,
    /// Over.
    Canceled,
}

impl SubscriptionStatus {
    /// Stripe's name of the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
        }
    }

    /// Whether nothing can change it any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }
}

/// One price of a subscription and how many of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) price: String,
    pub(crate) quantity: i64,
    pub(crate) metadata: Metadata,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) status: SubscriptionStatus,
    pub(crate) currency: String,
    pub(crate) items: Vec<Item>,
    /// All items share one period: Stripe asks for one interval per subscription made in Checkout.
    pub(crate) period_start: i64,
    pub(crate) period_end: i64,
    pub(crate) anchor: i64,
    pub(crate) cancel_at_period_end: bool,
    pub(crate) cancel_at: Option<i64>,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) cancel_reason: Option<String>,
    pub(crate) cancel_comment: Option<String>,
    pub(crate) cancel_feedback: Option<String>,
    pub(crate) trial_start: Option<i64>,
    pub(crate) trial_end: Option<i64>,
    pub(crate) trial_noticed: bool,
    pub(crate) latest_invoice: Option<String>,
    pub(crate) default_payment_method: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    /// The behaviour while collection is paused.
    pub(crate) pause_collection: Option<String>,
    /// Proration that waits for the next invoice.
    pub(crate) pending: Vec<Line>,
    /// What holds of discounts.
    #[serde(default)]
    pub(crate) discounts: Vec<String>,
    /// What becomes of a trial that ends without a card; `create_invoice` if not said.
    #[serde(default)]
    pub(crate) missing_payment_method: Option<String>,
    /// A change that waits for its payment.
    #[serde(default)]
    pub(crate) pending_update: Option<PendingUpdate>,
}

/// A change that waits for its payment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PendingUpdate {
    pub(crate) item: String,
    pub(crate) price: String,
    pub(crate) quantity: i64,
    pub(crate) invoice: String,
    pub(crate) expires_at: i64,
}

/// What a new subscription is made of.
#[derive(Debug, Default)]
pub(crate) struct NewSubscription {
    pub(crate) customer: String,
    /// Recurring prices with their quantities.
    pub(crate) items: Vec<(String, i64)>,
    /// One-off prices on the first invoice.
    pub(crate) once: Vec<(String, i64)>,
    pub(crate) payment_method: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) description: Option<String>,
    pub(crate) trial_end: Option<i64>,
    /// The payment intent that has already paid the first invoice.
    pub(crate) intent: Option<String>,
    /// The currency, where the price has several.
    pub(crate) currency: Option<String>,
    pub(crate) missing_payment_method: Option<String>,
    /// A discount, and the session that it comes from.
    pub(crate) discount: Option<(Chosen, String)>,
}

impl Subscription {
    fn render_item(&self, state: &State, item: &Item) -> Value {
        let price = state.prices.get(&item.price);
        json!({
            "id": item.id,
            "object": "subscription_item",
            "billing_thresholds": null,
            "created": item.created,
            "current_period_end": self.period_end,
            "current_period_start": self.period_start,
            "discounts": [],
            "metadata": item.metadata,
            "plan": price.map(crate::price::Price::render_plan),
            "price": price.map(crate::price::Price::render),
            "quantity": item.quantity,
            "subscription": self.id,
            "tax_rates": [],
        })
    }

    fn render_pending(&self, state: &State) -> Option<Value> {
        let pending = self.pending_update.as_ref()?;
        let price = state.prices.get(&pending.price);
        Some(json!({
            "billing_cycle_anchor": null,
            "discount": null,
            "discount_source": null,
            "discounts": null,
            "expires_at": pending.expires_at,
            "metadata": null,
            "subscription_items": [{
                "id": pending.item,
                "object": "subscription_item",
                "billing_thresholds": null,
                "created": self.created,
                "current_period_end": self.period_end,
                "current_period_start": self.period_start,
                "discounts": [],
                "metadata": {},
                "plan": price.map(crate::price::Price::render_plan),
                "price": price.map(crate::price::Price::render),
                "quantity": pending.quantity,
                "subscription": self.id,
                "tax_rates": [],
            }],
            "trial_end": null,
            "trial_from_plan": null,
        }))
    }

    pub(crate) fn render(&self, state: &State) -> Value {
        let items = self
            .items
            .iter()
            .map(|item| self.render_item(state, item))
            .collect::<Vec<_>>();
        json!({
            "id": self.id,
            "object": "subscription",
            "application": null,
            "application_fee_percent": null,
            "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
            "billing_cycle_anchor": self.anchor,
            "billing_cycle_anchor_config": null,
            "billing_mode": { "flexible": { "proration_discounts": "included" }, "type": "flexible", "updated_at": self.created },
            "billing_schedules": [],
            "billing_thresholds": null,
            "cancel_at": self.cancel_at,
            "cancel_at_period_end": self.cancel_at_period_end,
            "canceled_at": self.canceled_at,
            "cancellation_details": {
                "comment": self.cancel_comment,
                "feedback": self.cancel_feedback,
                "reason": self.cancel_reason,
            },
            "collection_method": "charge_automatically",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "days_until_due": null,
            "default_payment_method": self.default_payment_method,
            "default_source": null,
            "default_tax_rates": [],
            "description": self.description,
            "discounts": self.discounts,
            "ended_at": self.ended_at,
            "invoice_settings": {
                "account_tax_ids": null,
                "custom_fields": null,
                "description": null,
                "footer": null,
                "issuer": { "type": "self" },
            },
            "items": list::whole(&format!("/v1/subscription_items?subscription={}", self.id), &items),
            "latest_invoice": self.latest_invoice,
            "livemode": false,
            "managed_payments": { "enabled": false },
            "metadata": self.metadata,
            "next_pending_invoice_item_invoice": null,
            "on_behalf_of": null,
            "pause_collection": self.pause_collection.as_ref().map(|behavior| json!({ "behavior": behavior, "resumes_at": null })),
            "payment_settings": {
                "payment_method_options": null,
                "payment_method_types": null,
                "save_default_payment_method": "off",
            },
            "pending_invoice_item_interval": null,
            "pending_setup_intent": null,
            "pending_update": self.render_pending(state),
            "schedule": null,
            "start_date": self.created,
            "status": self.status.as_str(),
            "test_clock": null,
            "transfer_data": null,
            "trial_end": self.trial_end,
            "trial_settings": { "end_behavior": { "missing_payment_method": self.missing_payment_method.as_deref().unwrap_or("create_invoice") } },
            "trial_start": self.trial_start,
        })
    }
}

impl State {
    pub(crate) fn render_subscription(&self, id: &str) -> Value {
        self.subscriptions
            .get(id)
            .map_or(Value::Null, |subscription| subscription.render(self))
    }

    pub(crate) fn subscriptions_of(&self, customer: &str) -> impl Iterator<Item = &Subscription> {
        self.subscriptions
            .values()
            .filter(move |one| one.customer == customer && !one.status.is_over())
    }

    /// Changes a subscription and emits `customer.subscription.updated` if anything shows.
    pub(crate) fn edit_subscription(&mut self, id: &str, edit: impl FnOnce(&mut Subscription)) {
        let before = self.render_subscription(id);
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            edit(subscription);
        }
        let after = self.render_subscription(id);
        self.emit_change("customer.subscription.updated", before, after);
    }

    /// Makes a subscription with its first invoice, which is finalised but not yet paid. Emits the creation of both.
    pub(crate) fn open_subscription(
        &mut self,
        new: NewSubscription,
        status: SubscriptionStatus,
    ) -> Result<String, ApiError> {
        let (first, _) = new.items.first().ok_or_else(|| ApiError::missing("items"))?;
        let price = self.price(first, "items[0][price]")?.clone();
        let recurring = price.recurring.ok_or_else(|| {
            ApiError::invalid(
                format!("The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`: {first}"),
                Some("items[0][price]"),
            )
        })?;
        let (id, now) = (self.new_id("sub", 10), self.now);
        let anchor = new.trial_end.unwrap_or(now);
        let period = new.trial_end.map_or_else(
            || period_at(now, recurring.interval, recurring.count, now),
            |end| (now, end),
        );
        let items: Vec<Item> = new
            .items
            .iter()
            .map(|(price, quantity)| Item {
                id: self.new_id("si", 8),
                created: now,
                price: price.clone(),
                quantity: *quantity,
                metadata: Metadata::new(),
            })
            .collect();
        let subscription = Subscription {
            id: id.clone(),
            created: now,
            customer: new.customer.clone(),
            status: if new.trial_end.is_some() {
                SubscriptionStatus::Trialing
            } else {
                status
            },
            currency: new.currency.clone().unwrap_or_else(|| price.currency.clone()),
            items,
            period_start: period.0,
            period_end: period.1,
            anchor,
            cancel_at_period_end: false,
            cancel_at: None,
            canceled_at: None,
            ended_at: None,
            cancel_reason: None,
            cancel_comment: None,
            cancel_feedback: None,
            trial_start: new.trial_end.map(|_| now),
            trial_end: new.trial_end,
            trial_noticed: false,
            latest_invoice: None,
            default_payment_method: new.payment_method,
            description: new.description,
            metadata: new.metadata,
            pause_collection: None,
            pending: Vec::new(),
            discounts: Vec::new(),
            missing_payment_method: new.missing_payment_method,
            pending_update: None,
        };
        let currency = subscription.currency.clone();
        self.subscriptions.insert(id.clone(), subscription);
        self.edit_customer(&new.customer, |customer| customer.currency = Some(currency));
        if let Some((chosen, session)) = &new.discount {
            let discount = self.begin_discount(chosen, &new.customer, &id, session);
            if let Some(subscription) = self.subscriptions.get_mut(&id) {
                subscription.discounts.push(discount);
            }
        }
        let mut lines = self.period_lines(&id, new.trial_end.is_some());
        for (price, quantity) in &new.once {
            lines.extend(self.once_line(price, *quantity));
        }
        self.apply_discounts(&id, &mut lines);
        let invoice = self.draft_invoice(&id, "subscription_create", lines);
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.latest_invoice = Some(invoice.clone());
        }
        self.finalise_with(&invoice, new.intent);
        let shown = self.render_subscription(&id);
        self.emit("customer.subscription.created", shown);
        Ok(id)
    }

    /// Ends a subscription now. What is open of its invoices stays open and is no longer collected.
    pub(crate) fn cancel_subscription(&mut self, id: &str, reason: &str) {
        self.end_subscription(id, SubscriptionStatus::Canceled, Some(reason));
    }

    pub(crate) fn end_subscription(&mut self, id: &str, status: SubscriptionStatus, reason: Option<&str>) {
        let now = self.now;
        let Some(subscription) = self.subscriptions.get_mut(id).filter(|one| !one.status.is_over()) else {
            return;
        };
        subscription.status = status;
        subscription.ended_at = Some(now);
        if status == SubscriptionStatus::Canceled {
            subscription.canceled_at.get_or_insert(now);
            subscription.cancel_reason = subscription.cancel_reason.take().or_else(|| reason.map(str::to_owned));
        }
        subscription.pending.clear();
        for invoice in self
            .invoices
            .values_mut()
            .filter(|invoice| invoice.subscription.as_deref() == Some(id))
        {
            invoice.next_attempt = None;
            invoice.finalise_at = None;
        }
        let shown = self.render_subscription(id);
        // An incomplete subscription that expires is updated, not deleted.
        let kind = if status == SubscriptionStatus::Canceled {
            "customer.subscription.deleted"
        } else {
            "customer.subscription.updated"
        };
        self.emit(kind, shown);
    }

    /// Sets or lifts the cancellation at the end of the period.
    pub(crate) fn set_cancel_at_period_end(&mut self, id: &str, cancel: bool) {
        let now = self.now;
        self.edit_subscription(id, |one| {
            one.cancel_at_period_end = cancel;
            one.cancel_at = cancel.then_some(one.period_end);
            one.canceled_at = cancel.then_some(now);
            one.cancel_reason = cancel.then(|| "cancellation_requested".to_owned());
            if !cancel {
                one.cancel_comment = None;
                one.cancel_feedback = None;
            }
        });
    }

    /// The card that pays for a subscription: its own, else the customer's.
    pub(crate) fn paying_card(&self, subscription: &Subscription) -> Option<String> {
        let customer = self.customers.get(&subscription.customer);
        subscription
            .default_payment_method
            .clone()
            .or_else(|| customer.and_then(|one| one.default_payment_method.clone()))
    }
}
