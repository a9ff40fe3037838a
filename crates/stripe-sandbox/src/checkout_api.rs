//! `/v1/checkout/sessions`.

use crate::checkout::{LineItem, Session, SessionStatus};
use crate::customer::is_email;
use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::{Metadata, Params};
use crate::price::{Price, read_amount, read_currency, read_recurring};
use crate::promotion_code::Use;
use crate::state::State;
use crate::subscription_api::trial_end;

const DAY_SECONDS: i64 = 86_400;
const MIN_LIFE_SECONDS: i64 = 1800;
const MAX_LINE_ITEMS: usize = 20;

fn read_items(state: &mut State, params: &Params, mode: &str) -> Result<(Vec<LineItem>, String), ApiError> {
    let indices = params.indices("line_items");
    if indices.is_empty() {
        return Err(ApiError::missing("line_items"));
    }
    if indices.len() > MAX_LINE_ITEMS {
        return Err(ApiError::invalid(
            format!("A session can have up to {MAX_LINE_ITEMS} line items."),
            Some("line_items"),
        ));
    }
    let asked = params
        .text("currency")
        .map(|code| read_currency(code, "currency"))
        .transpose()?;
    let (mut items, mut currency, mut term) = (Vec::new(), asked, None);
    for index in indices {
        let name = format!("line_items[{index}][price]");
        let inline = inline_price(state, params, &index)?;
        let is_inline = inline.is_some();
        let price = match inline {
            Some(price) => price,
            None => state.price(params.required(&name)?, &name)?.clone(),
        };
        if !price.active && !is_inline {
            return Err(ApiError::invalid(
                "The price specified is inactive. This field only accepts active prices.",
                Some(&name),
            ));
        }
        if mode == "payment" && price.recurring.is_some() {
            return Err(ApiError::invalid(
                "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.",
                Some("line_items"),
            ));
        }
        let wanted = currency.get_or_insert_with(|| price.currency.clone());
        if price.amount_in(wanted).is_none() {
            return Err(ApiError::invalid(
                "All prices of a session must have the same currency.",
                Some("line_items"),
            ));
        }
        if let Some(recurring) = price.recurring
            && *term.get_or_insert(recurring) != recurring
        {
            return Err(ApiError::invalid(
                "All recurring prices of a session must have the same interval.",
                Some("line_items"),
            ));
        }
        let name = format!("line_items[{index}][quantity]");
        let quantity = params.integer(&name)?.ok_or_else(|| {
            ApiError::invalid(
                format!("Quantity is required. Add `quantity` to `line_items[{index}]`"),
                Some(&name),
            )
        })?;
        if !(1..=999_999).contains(&quantity) {
            return Err(ApiError::invalid(
                "This value must be between 1 and 999999.",
                Some(&name),
            ));
        }
        items.push(LineItem {
            id: state.new_id("li", 10),
            price: price.id,
            quantity,
        });
    }
    if mode == "subscription" && term.is_none() {
        return Err(ApiError::invalid(
            "You must provide at least one recurring price in `subscription` mode when using prices.",
            Some("line_items"),
        ));
    }
    Ok((items, currency.unwrap_or_default()))
}

/// A price that the session brings itself (`price_data`). It is stored as an inactive one, as with Stripe.
fn inline_price(state: &mut State, params: &Params, index: &str) -> Result<Option<Price>, ApiError> {
    let below = format!("line_items[{index}][price_data]");
    let name = |field: &str| format!("{below}[{field}]");
    let Some(currency) = params.text(&name("currency")) else {
        return Ok(None);
    };
    if params.text(&format!("line_items[{index}][price]")).is_some() {
        let message = "You may only specify one of these parameters: price, price_data.";
        return Err(ApiError::invalid(message, Some(&below)));
    }
    let currency = read_currency(currency, &name("currency"))?;
    let product = params.required(&name("product"))?;
    if !state.products.contains_key(product) {
        return Err(ApiError::no_such_param("product", product, &name("product")));
    }
    let price = Price {
        id: state.new_id("price", 10),
        created: state.now,
        active: false,
        product: product.to_owned(),
        unit_amount: read_amount(params, &name("unit_amount"), &currency)?,
        currency,
        currency_options: std::collections::BTreeMap::new(),
        recurring: read_recurring(params, &name("recurring"))?,
        lookup_key: None,
        nickname: None,
        tax_behavior: "unspecified".to_owned(),
        metadata: Metadata::new(),
    };
    state.prices.insert(price.id.clone(), price.clone());
    Ok(Some(price))
}

const CREATE: [&str; 38] = [
    "mode",
    "customer",
    "customer_email",
    "client_reference_id",
    "success_url",
    "cancel_url",
    "line_items[#][price]",
    "line_items[#][quantity]",
    "line_items[#][price_data][currency]",
    "line_items[#][price_data][product]",
    "line_items[#][price_data][unit_amount]",
    "line_items[#][price_data][recurring][interval]",
    "line_items[#][price_data][recurring][interval_count]",
    "currency",
    "discounts[#][coupon]",
    "discounts[#][promotion_code]",
    "subscription_data[trial_settings][end_behavior][missing_payment_method]",
    "metadata[*]",
    "subscription_data[metadata][*]",
    "subscription_data[description]",
    "subscription_data[trial_period_days]",
    "subscription_data[trial_end]",
    "payment_intent_data[metadata][*]",
    "locale",
    "expires_at",
    "allow_promotion_codes",
    "payment_method_collection",
    "payment_method_types[#]",
    "ui_mode",
    "automatic_tax[enabled]",
    "billing_address_collection",
    "customer_update[name]",
    "customer_update[address]",
    "phone_number_collection[enabled]",
    "adaptive_pricing[enabled]",
    "submit_type",
    "customer_creation",
    "invoice_creation[enabled]",
];

/// Refuses what is known to Stripe and would change what the page does, and what this page cannot do.
fn refuse_unsupported(params: &Params) -> Result<(), ApiError> {
    params.choice("ui_mode", &["hosted", "hosted_page"])?;
    params.choice("payment_method_collection", &["always", "if_required"])?;
    for name in ["automatic_tax[enabled]", "phone_number_collection[enabled]"] {
        if params.boolean(name)? == Some(true) {
            return Err(ApiError::invalid(
                format!("The sandbox does not support {name}=true."),
                Some(name),
            ));
        }
    }
    let known = |kind: &&str| matches!(*kind, "card" | "sepa_debit");
    if !params.list("payment_method_types").iter().all(known) {
        let message = "The sandbox supports the payment method types `card` and `sepa_debit` only.";
        return Err(ApiError::invalid(message, Some("payment_method_types")));
    }
    Ok(())
}

/// Refuses what fits only the other mode.
fn refuse_other_mode(params: &Params, session: &Session) -> Result<(), ApiError> {
    let trial = session.trial_days.is_some() || session.trial_end.is_some();
    let for_subscription = trial
        || session.missing_payment_method.is_some()
        || session.card_if_required
        || !session.subscription_metadata.is_empty()
        || session.subscription_description.is_some();
    if session.mode == "payment" && for_subscription {
        return Err(ApiError::invalid(
            "You can not pass `subscription_data` in `payment` mode.",
            Some("subscription_data"),
        ));
    }
    if session.mode == "subscription" && !session.intent_metadata.is_empty() {
        let message = "You can not pass `payment_intent_data` in `subscription` mode.";
        return Err(ApiError::invalid(message, Some("payment_intent_data")));
    }
    if session.mode == "subscription" && params.text("invoice_creation[enabled]").is_some() {
        let message = "You can only enable invoice creation when `mode` is set to `payment`.";
        return Err(ApiError::invalid(message, Some("invoice_creation")));
    }
    if params.text("customer_creation").is_some() && (session.mode == "subscription" || session.customer.is_some()) {
        let message = "You can only use `customer_creation` in `payment` mode and without `customer`.";
        return Err(ApiError::invalid(message, Some("customer_creation")));
    }
    Ok(())
}

/// The ways to pay that were asked for; without any, those that the account has switched on and that fit.
fn methods(params: &Params, session: &Session) -> Vec<String> {
    let asked = params.list("payment_method_types");
    if !asked.is_empty() {
        return asked.into_iter().map(str::to_owned).collect();
    }
    let debits = session.mode == "payment" && session.currency == "eur";
    let fitting = ["card", "sepa_debit"]
        .into_iter()
        .filter(|kind| *kind == "card" || debits);
    fitting.map(str::to_owned).collect()
}

fn read_expiry(params: &Params, now: i64) -> Result<i64, ApiError> {
    let expires_at = params.integer("expires_at")?.unwrap_or(now + DAY_SECONDS);
    if (now + MIN_LIFE_SECONDS..=now + DAY_SECONDS).contains(&expires_at) {
        return Ok(expires_at);
    }
    let message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.";
    Err(ApiError::invalid(message, Some("expires_at")))
}

/// A customer with a subscription that is not over pays in its currency alone.
fn refuse_other_currency(state: &State, session: &Session) -> Result<(), ApiError> {
    let Some(customer) = &session.customer else {
        return Ok(());
    };
    let other = state
        .subscriptions_of(customer)
        .find(|one| one.currency != session.currency);
    other.map_or(Ok(()), |one| {
        let message = format!(
            "You cannot combine currencies on a single customer. This customer has an active subscription, subscription schedule, discount, quote, or invoice item with currency {}.",
            one.currency
        );
        Err(ApiError::invalid(message, Some("currency")))
    })
}

impl State {
    /// What a session would use a coupon for.
    pub(crate) fn use_of<'a>(&self, session: &'a Session) -> Use<'a> {
        let price = |item: &LineItem| {
            let price = self.prices.get(&item.price)?;
            Some((
                price.product.clone(),
                price.amount_in(&session.currency)? * item.quantity,
            ))
        };
        let lines: Vec<(String, i64)> = session.line_items.iter().filter_map(price).collect();
        Use {
            customer: session.customer.as_deref(),
            amount: lines.iter().map(|line| line.1).sum(),
            products: lines.into_iter().map(|line| line.0).collect(),
            currency: &session.currency,
        }
    }
}

/// The customer and the e-mail that a session begins with; at most one of them.
fn read_buyer(state: &State, params: &Params) -> Result<(Option<String>, Option<String>), ApiError> {
    let (customer, email) = (params.text("customer"), params.text("customer_email"));
    if let Some(id) = customer {
        state.live_customer(id, "customer")?;
        if email.is_some() {
            let message = "You may only specify one of these parameters: customer, customer_email.";
            return Err(ApiError::invalid(message, None));
        }
    }
    if let Some(email) = email.filter(|email| !is_email(email)) {
        let refusal = ApiError::invalid(format!("Invalid email address: {email}"), Some("customer_email"));
        return Err(refusal.with_code("email_invalid"));
    }
    Ok((customer.map(str::to_owned), email.map(str::to_owned)))
}

/// What becomes of a trial without a card; only a trial has it.
fn read_missing_card(params: &Params, trial: bool) -> Result<Option<String>, ApiError> {
    const NAME: &str = "subscription_data[trial_settings][end_behavior][missing_payment_method]";
    let found = params.choice(NAME, &["cancel", "create_invoice", "pause"])?;
    if found.is_some() && !trial {
        let message = "`trial_settings` can only be given with a trial.";
        return Err(ApiError::invalid(message, Some(NAME)));
    }
    Ok(found.map(str::to_owned))
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&CREATE)?;
    refuse_unsupported(params)?;
    params.required("mode")?;
    let mode = params.choice("mode", &["payment", "subscription"])?.unwrap_or_default();
    let success_url = params
        .address("success_url")?
        .ok_or_else(|| ApiError::missing("success_url"))?;
    let (customer, customer_email) = read_buyer(state, params)?;
    let owned = |name: &str| params.text(name).map(str::to_owned);
    let trial_days = params.integer("subscription_data[trial_period_days]")?;
    let mut session = Session {
        id: String::new(),
        created: state.now,
        expires_at: read_expiry(params, state.now)?,
        status: SessionStatus::Open,
        mode: mode.to_owned(),
        payment_status: "unpaid".to_owned(),
        customer,
        customer_email,
        typed_email: None,
        typed_name: None,
        client_reference_id: owned("client_reference_id"),
        metadata: params.metadata("metadata")?,
        subscription_metadata: params.metadata("subscription_data[metadata]")?,
        subscription_description: owned("subscription_data[description]"),
        trial_days,
        trial_end: params.integer("subscription_data[trial_end]")?,
        intent_metadata: params.metadata("payment_intent_data[metadata]")?,
        line_items: Vec::new(),
        currency: String::new(),
        amount_total: 0,
        locale: owned("locale"),
        allow_promotion_codes: params.boolean("allow_promotion_codes")?,
        discount: None,
        amount_discount: 0,
        card_if_required: params.text("payment_method_collection") == Some("if_required"),
        missing_payment_method: None,
        success_url,
        cancel_url: params.address("cancel_url")?,
        subscription: None,
        invoice: None,
        intent: None,
        methods: Vec::new(),
        invoice_creation: params.boolean("invoice_creation[enabled]")?.unwrap_or(false),
        debit: None,
    };
    refuse_other_mode(params, &session)?;
    let trial = trial_end(state.now, trial_days, session.trial_end, "subscription_data[trial_end]")?;
    session.missing_payment_method = read_missing_card(params, trial.is_some())?;
    (session.line_items, session.currency) = read_items(state, params, mode)?;
    session.methods = methods(params, &session);
    refuse_other_currency(state, &session)?;
    session.discount = state.read_discount(params, &state.use_of(&session))?;
    state.total_session(&mut session);
    let id = state.new_id("cs_test", 40);
    session.id.clone_from(&id);
    state.sessions.insert(id.clone(), session);
    Ok(state.render_session(&id))
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    Ok(state.session(id)?.render(state))
}

pub(crate) fn line_items(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&["limit", "starting_after", "ending_before"])?;
    Ok(state.session(id)?.render_items(state))
}

pub(crate) fn expire(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    let session = state.session(id)?;
    if !session.is_open() {
        let message = format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `{}`.",
            if session.status == SessionStatus::Complete {
                "complete"
            } else {
                "expired"
            }
        );
        return Err(ApiError::invalid(message, Some("session")));
    }
    state.expire_session(id);
    Ok(state.render_session(id))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["customer", "subscription", "payment_intent", "status"])?;
    let status = params.choice("status", &["complete", "expired", "open"])?;
    let (customer, subscription) = (params.text("customer"), params.text("subscription"));
    let intent = params.text("payment_intent");
    list::page(
        "checkout.session",
        "/v1/checkout/sessions",
        params,
        &state.sessions,
        |one| {
            customer.is_none_or(|id| one.customer.as_deref() == Some(id))
                && subscription.is_none_or(|id| one.subscription.as_deref() == Some(id))
                && intent.is_none_or(|id| one.mode == "payment" && one.intent.as_deref() == Some(id))
                && status.is_none_or(|status| match one.status {
                    SessionStatus::Open => status == "open",
                    SessionStatus::Complete => status == "complete",
                    SessionStatus::Expired => status == "expired",
                })
        },
        |one| one.created,
        |one| one.render(state),
    )
}
