//! `/v1/invoices/create_preview`: what a change of a subscription would cost, without making it.

use crate::error::{ApiError, ApiResult};
use crate::invoice::{Invoice, InvoiceStatus, Line};
use crate::params::{Metadata, Params};
use crate::plan_change::{Change, Proration, Unpaid};
use crate::state::State;

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&[
        "customer",
        "subscription",
        "subscription_details[items][#][id]",
        "subscription_details[items][#][price]",
        "subscription_details[items][#][quantity]",
        "subscription_details[proration_behavior]",
        "subscription_details[proration_date]",
    ])?;
    let id = params.required("subscription")?;
    let one = state.subscription(id)?.clone();
    if params.text("customer").is_some_and(|customer| customer != one.customer) {
        let message = "The subscription does not belong to this customer.";
        return Err(ApiError::invalid(message, Some("customer")));
    }
    if params.choice(
        "subscription_details[proration_behavior]",
        &["always_invoice", "create_prorations", "none"],
    )? != Some("always_invoice")
    {
        let message = "The sandbox previews changes that are invoiced at once.";
        return Err(ApiError::invalid(
            message,
            Some("subscription_details[proration_behavior]"),
        ));
    }
    let name = |field: &str| format!("subscription_details[items][0][{field}]");
    let item = params.required(&name("id"))?.to_owned();
    let known = one.items.iter().find(|own| own.id == item);
    let known = known.ok_or_else(|| ApiError::no_such_param("subscription_item", &item, &name("id")))?;
    let price = params.text(&name("price")).unwrap_or(&known.price).to_owned();
    let change = Change {
        quantity: params.integer(&name("quantity"))?.unwrap_or(known.quantity),
        price,
        item,
        proration: Proration::InvoiceNow,
        unpaid: Unpaid::Allow,
        at: params.integer("subscription_details[proration_date]")?,
    };
    let effect = state.weigh_change(id, &change)?;
    let mut lines = effect.lines;
    if let Some((start, end)) = effect.cycle {
        lines.extend(new_period(
            state,
            id,
            &change,
            &one.currency,
            &one.discounts,
            (start, end),
        ));
    }
    // A change within a trial is charged with the trial's end.
    if lines.is_empty() {
        lines.extend(state.period_lines(id, true));
    }
    Ok(unsaved(state, id, lines).render(state))
}

/// The first line of a period that the change would begin.
fn new_period(
    state: &mut State,
    id: &str,
    change: &Change,
    currency: &str,
    discounts: &[String],
    (start, end): (i64, i64),
) -> Option<Line> {
    let price = state.prices.get(&change.price)?.clone();
    let amount = price.amount_in(currency)? * change.quantity;
    let left = state.discounted(discounts, &price.product, currency, amount);
    let discount = discounts.first().filter(|_| left < amount);
    Some(Line {
        id: state.new_id("il", 10),
        amount,
        description: format!("{} × {}", change.quantity, state.product_name(&price.product)),
        start,
        end,
        price: price.id,
        quantity: change.quantity,
        subscription: Some(id.to_owned()),
        item: Some(change.item.clone()),
        proration: false,
        discounts: discount.map(|id| (id.clone(), amount - left)).into_iter().collect(),
    })
}

/// An invoice that is shown and not kept.
fn unsaved(state: &mut State, subscription: &str, lines: Vec<Line>) -> Invoice {
    let id = state.new_id("upcoming_in", 10);
    let one = state.subscriptions.get(subscription).cloned();
    let customer = one.as_ref().and_then(|one| state.customers.get(&one.customer));
    let balance = customer.map_or(0, |customer| customer.balance);
    let mut invoice = Invoice {
        id,
        created: state.now,
        email: customer.and_then(|customer| customer.email.clone()),
        name: customer.and_then(|customer| customer.name.clone()),
        starting_balance: balance,
        customer: one.as_ref().map(|one| one.customer.clone()).unwrap_or_default(),
        subscription: Some(subscription.to_owned()),
        subscription_metadata: one.as_ref().map(|one| one.metadata.clone()).unwrap_or_default(),
        reason: "upcoming".to_owned(),
        status: InvoiceStatus::Draft,
        currency: one.as_ref().map(|one| one.currency.clone()).unwrap_or_default(),
        number: None,
        lines,
        period_start: state.now,
        period_end: one.as_ref().map_or(state.now, |one| one.period_end),
        ending_balance: Some(0),
        amount_due: 0,
        amount_paid: 0,
        attempts: 0,
        next_attempt: None,
        finalise_at: None,
        finalised_at: None,
        paid_at: None,
        voided_at: None,
        uncollectible_at: None,
        intent: None,
        metadata: Metadata::new(),
    };
    let owed = invoice.total() + balance.min(0);
    invoice.amount_due = owed.max(0);
    invoice.ending_balance = Some(owed.min(0));
    invoice
}
