//! `/v1/subscriptions`.

use serde_json::Value;

use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::{Metadata, Params};
use crate::plan_change::{Change, Proration, Unpaid};
use crate::state::State;
use crate::subscription::{NewSubscription, Subscription, SubscriptionStatus};

const STATUSES: [&str; 10] = [
    "active",
    "all",
    "canceled",
    "ended",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
];
const PRORATIONS: [&str; 3] = ["always_invoice", "create_prorations", "none"];
const FEEDBACK: [&str; 8] = [
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
];
const MAX_TRIAL_DAYS: i64 = 730;
const SECONDS_PER_DAY: i64 = 86_400;

/// A trial's end from a number of days, within Stripe's bound of two years.
pub(crate) fn trial_end(now: i64, days: Option<i64>, end: Option<i64>, param: &str) -> Result<Option<i64>, ApiError> {
    let until = end.or_else(|| days.map(|days| now.saturating_add(days.saturating_mul(SECONDS_PER_DAY))));
    match until {
        Some(at) if at <= now || at > now + MAX_TRIAL_DAYS * SECONDS_PER_DAY => Err(ApiError::invalid(
            format!("A trial ends in the future and at most {MAX_TRIAL_DAYS} days from now."),
            Some(param),
        )),
        other => Ok(other),
    }
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&[
        "customer",
        "items[#][price]",
        "items[#][quantity]",
        "default_payment_method",
        "description",
        "metadata[*]",
        "trial_period_days",
        "trial_end",
        "payment_behavior",
        "off_session",
    ])?;
    let customer = params.required("customer")?;
    let owner = state.live_customer(customer, "customer")?;
    let method = params
        .text("default_payment_method")
        .or(owner.default_payment_method.as_deref())
        .map(str::to_owned);
    if let Some(method) = &method {
        state.card_of(method, customer, "default_payment_method")?;
    } else {
        return Err(ApiError::invalid(
            "This customer has no attached payment source or default payment method. Please consider adding a default payment method.",
            None,
        )
        .with_code("resource_missing"));
    }
    let behavior = params.choice("payment_behavior", &["allow_incomplete", "error_if_incomplete"])?;
    let mut items = Vec::new();
    for index in params.indices("items") {
        let name = format!("items[{index}][price]");
        let price = state.price(params.required(&name)?, &name)?;
        items.push((
            price.id.clone(),
            params.integer(&format!("items[{index}][quantity]"))?.unwrap_or(1),
        ));
    }
    let end = params.integer("trial_end")?;
    let trial = trial_end(state.now, params.integer("trial_period_days")?, end, "trial_end")?;
    let new = NewSubscription {
        customer: customer.to_owned(),
        items,
        once: Vec::new(),
        payment_method: method,
        metadata: params.metadata("metadata")?,
        description: params.text("description").map(str::to_owned),
        trial_end: trial,
        ..NewSubscription::default()
    };
    let id = state.open_subscription(new, SubscriptionStatus::Incomplete)?;
    let paid = state
        .subscription(&id)?
        .latest_invoice
        .clone()
        .map_or(Ok(()), |invoice| state.collect(&invoice));
    match paid {
        Err(error) if behavior == Some("error_if_incomplete") => {
            state.end_subscription(&id, SubscriptionStatus::IncompleteExpired, None);
            Err(error)
        }
        _ => Ok(state.render_subscription(&id)),
    }
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    Ok(state.subscription(id)?.render(state))
}

const UPDATE: [&str; 18] = [
    "cancel_at_period_end",
    "cancel_at",
    "cancellation_details[comment]",
    "cancellation_details[feedback]",
    "default_payment_method",
    "description",
    "items[#][id]",
    "items[#][price]",
    "items[#][quantity]",
    "metadata",
    "metadata[*]",
    "off_session",
    "pause_collection",
    "pause_collection[behavior]",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
    "trial_end",
];

/// The fields of an update that are simply overwritten.
struct Edit {
    metadata: Metadata,
    cancel_at: Option<i64>,
    pause: Option<String>,
    feedback: Option<String>,
    trial_end: Option<i64>,
}

impl Edit {
    fn read(state: &State, params: &Params, subscription: &Subscription) -> Result<Self, ApiError> {
        let pause = params.choice(
            "pause_collection[behavior]",
            &["keep_as_draft", "mark_uncollectible", "void"],
        )?;
        let feedback = params.choice("cancellation_details[feedback]", &FEEDBACK)?;
        if let Some(method) = params.text("default_payment_method") {
            state.card_of(method, &subscription.customer, "default_payment_method")?;
        }
        let cancel_at = params.integer("cancel_at")?;
        if cancel_at.is_some_and(|at| at <= state.now) {
            return Err(ApiError::invalid(
                "`cancel_at` must be a future timestamp.",
                Some("cancel_at"),
            ));
        }
        if cancel_at.is_some() && params.boolean("cancel_at_period_end")? == Some(true) {
            let message = "You may only specify one of these parameters: cancel_at, cancel_at_period_end.";
            return Err(ApiError::invalid(message, None));
        }
        let trial_end = if params.text("trial_end") == Some("now") {
            Some(state.now)
        } else {
            trial_end(state.now, None, params.integer("trial_end")?, "trial_end")?
        };
        if trial_end.is_some() && subscription.status != SubscriptionStatus::Trialing {
            let message = "The sandbox changes the end of a running trial only.";
            return Err(ApiError::invalid(message, Some("trial_end")));
        }
        let mut metadata = subscription.metadata.clone();
        params.change_metadata("metadata", &mut metadata)?;
        Ok(Self {
            metadata,
            cancel_at,
            pause: pause.map(str::to_owned),
            feedback: feedback.map(str::to_owned),
            trial_end,
        })
    }

    fn apply(self, params: &Params, one: &mut Subscription, now: i64) {
        one.metadata = self.metadata;
        if let Some(at) = self.cancel_at {
            one.cancel_at = Some(at);
            one.canceled_at = Some(now);
        } else if params.raw("cancel_at") == Some("") && !one.cancel_at_period_end {
            one.cancel_at = None;
            one.canceled_at = None;
        }
        if params.raw("pause_collection") == Some("") {
            one.pause_collection = None;
        }
        one.pause_collection = self.pause.or(one.pause_collection.take());
        one.cancel_feedback = self.feedback.or(one.cancel_feedback.take());
        params.change_text("cancellation_details[comment]", &mut one.cancel_comment);
        params.change_text("default_payment_method", &mut one.default_payment_method);
        params.change_text("description", &mut one.description);
        if let Some(until) = self.trial_end {
            one.trial_end = Some(until);
            one.period_end = until;
            one.anchor = until;
            if one.cancel_at_period_end {
                one.cancel_at = Some(until);
            }
        }
    }
}

pub(crate) fn update(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&UPDATE)?;
    let subscription = state.subscription(id)?.clone();
    if subscription.status.is_over() {
        let message = "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(ApiError::invalid(message, None));
    }
    refuse_with_pending(params)?;
    let edit = Edit::read(state, params, &subscription)?;
    let change = read_change(state, params, &subscription)?;
    let cancel = params.boolean("cancel_at_period_end")?;
    if let Some(change) = change {
        state.change_plan(id, &change)?;
    }
    if let Some(cancel) = cancel.filter(|cancel| *cancel != subscription.cancel_at_period_end) {
        state.set_cancel_at_period_end(id, cancel);
    }
    let now = state.now;
    state.edit_subscription(id, |one| edit.apply(params, one, now));
    // A trial that ends now is charged now.
    state.process_due();
    Ok(state.render_subscription(id))
}

/// A change that may wait for its payment is one of items alone.
fn refuse_with_pending(params: &Params) -> Result<(), ApiError> {
    const OTHERS: [&str; 6] = [
        "cancel_at_period_end",
        "cancel_at",
        "default_payment_method",
        "description",
        "metadata",
        "pause_collection",
    ];
    if params.text("payment_behavior") != Some("pending_if_incomplete") {
        return Ok(());
    }
    let other = OTHERS
        .into_iter()
        .find(|name| params.raw(name).is_some() || !params.keys(name).is_empty());
    other.map_or(Ok(()), |name| {
        let message = format!("When `payment_behavior` is `pending_if_incomplete`, you can't update `{name}`.");
        Err(ApiError::invalid(message, Some(name)))
    })
}

fn read_change(state: &State, params: &Params, subscription: &Subscription) -> Result<Option<Change>, ApiError> {
    let proration = match params.choice("proration_behavior", &PRORATIONS)? {
        Some("none") => Proration::None,
        Some("always_invoice") => Proration::InvoiceNow,
        _ => Proration::NextInvoice,
    };
    let behaviors = ["allow_incomplete", "error_if_incomplete", "pending_if_incomplete"];
    let unpaid = match params.choice("payment_behavior", &behaviors)? {
        Some("error_if_incomplete") => Unpaid::Refuse,
        Some("pending_if_incomplete") => Unpaid::Wait,
        _ => Unpaid::Allow,
    };
    let at = params.integer("proration_date")?;
    let indices = params.indices("items");
    let [index] = indices.as_slice() else {
        return if indices.is_empty() {
            Ok(None)
        } else {
            Err(ApiError::invalid(
                "The sandbox changes one item of a subscription at a time.",
                Some("items"),
            ))
        };
    };
    let name = |field: &str| format!("items[{index}][{field}]");
    let item = params.text(&name("id")).map_or_else(
        || {
            Err(ApiError::invalid(
                "The sandbox changes existing items only: name one by its id.",
                Some(&name("id")),
            )
            .with_code("parameter_missing"))
        },
        |id| {
            let found = subscription.items.iter().find(|item| item.id == id);
            found.ok_or_else(|| ApiError::no_such_param("subscription_item", id, &name("id")))
        },
    )?;
    let price = match params.text(&name("price")) {
        Some(price) => state.price(price, &name("price"))?.id.clone(),
        None => item.price.clone(),
    };
    let quantity = params.integer(&name("quantity"))?.unwrap_or(item.quantity);
    if quantity < 1 {
        return Err(ApiError::invalid(
            "This value must be greater than or equal to 1.",
            Some(&name("quantity")),
        ));
    }
    Ok(Some(Change {
        item: item.id.clone(),
        price,
        quantity,
        proration,
        unpaid,
        at,
    }))
}

/// Cancels at once.
pub(crate) fn cancel(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&[
        "invoice_now",
        "prorate",
        "cancellation_details[comment]",
        "cancellation_details[feedback]",
    ])?;
    if params.boolean("invoice_now")? == Some(true) || params.boolean("prorate")? == Some(true) {
        return Err(ApiError::invalid(
            "The sandbox does not settle what is left of a period on cancellation.",
            Some("prorate"),
        ));
    }
    let feedback = params.choice("cancellation_details[feedback]", &FEEDBACK)?;
    if state.subscription(id)?.status.is_over() {
        return Err(ApiError::no_such("subscription", id));
    }
    if let Some(subscription) = state.subscriptions.get_mut(id) {
        params.change_text("cancellation_details[comment]", &mut subscription.cancel_comment);
        subscription.cancel_feedback = feedback.map(str::to_owned).or(subscription.cancel_feedback.take());
    }
    state.cancel_subscription(id, "cancellation_requested");
    Ok(state.render_subscription(id))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["customer", "status", "price"])?;
    let status = params.choice("status", &STATUSES)?;
    let (customer, price) = (params.text("customer"), params.text("price"));
    let fits = |subscription: &Subscription| match status {
        Some("all") => true,
        // Without a status Stripe leaves out what is cancelled.
        None => subscription.status != SubscriptionStatus::Canceled,
        Some("ended") => subscription.status.is_over(),
        Some(status) => subscription.status.as_str() == status,
    };
    list::page(
        "subscription",
        "/v1/subscriptions",
        params,
        &state.subscriptions,
        |one| {
            fits(one)
                && customer.is_none_or(|customer| one.customer == customer)
                && price.is_none_or(|price| one.items.iter().any(|item| item.price == price))
        },
        |one| one.created,
        |one| -> Value { one.render(state) },
    )
}
