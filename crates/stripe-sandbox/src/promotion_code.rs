//! `/v1/promotion_codes`: words by which readers get a coupon.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::intent::IntentStatus;
use crate::list;
use crate::params::{Metadata, Params};
use crate::state::State;

const CODE_LENGTH: usize = 8;
const MAX_CODE_CHARS: usize = 500;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PromotionCode {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) code: String,
    pub(crate) coupon: String,
    pub(crate) active: bool,
    pub(crate) customer: Option<String>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) max_redemptions: Option<i64>,
    pub(crate) times_redeemed: i64,
    pub(crate) first_time: bool,
    pub(crate) minimum: Option<(String, i64)>,
    pub(crate) metadata: Metadata,
}

impl PromotionCode {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "promotion_code",
            "active": self.active,
            "code": self.code,
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "expires_at": self.expires_at,
            "livemode": false,
            "max_redemptions": self.max_redemptions,
            "metadata": self.metadata,
            "promotion": { "coupon": self.coupon, "type": "coupon" },
            "restrictions": {
                "first_time_transaction": self.first_time,
                "minimum_amount": self.minimum.as_ref().map(|(_, amount)| amount),
                "minimum_amount_currency": self.minimum.as_ref().map(|(currency, _)| currency),
            },
            "times_redeemed": self.times_redeemed,
        })
    }
}

/// What a code is used for.
pub(crate) struct Use<'a> {
    pub(crate) customer: Option<&'a str>,
    pub(crate) products: Vec<String>,
    pub(crate) currency: &'a str,
    pub(crate) amount: i64,
}

impl State {
    /// Whether a code is good for a use.
    pub(crate) fn admit_code(&self, code: &PromotionCode, wanted: &Use<'_>) -> Result<(), ApiError> {
        let refused = |message: &str| Err(ApiError::invalid(message, Some("discounts")));
        let used_up = code.max_redemptions.is_some_and(|most| code.times_redeemed >= most);
        if used_up {
            return refused(
                "This promotion code cannot be redeemed because it has already been redeemed the maximum number of times.",
            );
        }
        if !code.active || code.expires_at.is_some_and(|end| end <= self.now) {
            return refused("This promotion code is no longer valid.");
        }
        if code.customer.is_some() && code.customer.as_deref() != wanted.customer {
            return refused("This promotion code cannot be redeemed by this customer.");
        }
        let paid = |customer: &str| {
            let mut intents = self.payment_intents.values();
            intents.any(|one| one.customer.as_deref() == Some(customer) && one.status == IntentStatus::Succeeded)
        };
        if code.first_time && wanted.customer.is_some_and(paid) {
            return refused(
                "This promotion code cannot be redeemed because the associated customer has prior transactions.",
            );
        }
        let enough = code
            .minimum
            .as_ref()
            .is_none_or(|(currency, least)| currency == wanted.currency && wanted.amount >= *least);
        if !enough {
            return refused(
                "This promotion code cannot be redeemed because the order does not meet its minimum amount.",
            );
        }
        self.admit_coupon(&code.coupon, wanted)
    }

    /// Whether a coupon is good for a use.
    pub(crate) fn admit_coupon(&self, id: &str, wanted: &Use<'_>) -> Result<(), ApiError> {
        let coupon = self.coupon(id, Some("discounts"))?;
        let refused = |message: String| Err(ApiError::invalid(message, Some("discounts")));
        if !coupon.is_valid(self.now) {
            return refused(format!("Coupon expired: {id}"));
        }
        if coupon.off(wanted.amount, wanted.currency).is_none() {
            return refused(format!("The coupon {id} is not of the currency {}.", wanted.currency));
        }
        if !wanted.products.iter().any(|product| coupon.is_for(product)) {
            return refused(format!("The coupon {id} does not apply to any of the items."));
        }
        Ok(())
    }

    /// The active code that somebody typed, in either case.
    pub(crate) fn typed_code(&self, typed: &str) -> Option<&PromotionCode> {
        let mut codes = self.promotion_codes.values();
        codes.find(|one| one.active && one.code.eq_ignore_ascii_case(typed.trim()))
    }
}

fn read_coupon(params: &Params) -> Result<&str, ApiError> {
    params.required("promotion[type]")?;
    params.choice("promotion[type]", &["coupon"])?;
    params.required("promotion[coupon]")
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&[
        "promotion[type]",
        "promotion[coupon]",
        "code",
        "active",
        "customer",
        "expires_at",
        "max_redemptions",
        "restrictions[first_time_transaction]",
        "restrictions[minimum_amount]",
        "restrictions[minimum_amount_currency]",
        "metadata[*]",
    ])?;
    let coupon = state
        .coupon(read_coupon(params)?, Some("promotion[coupon]"))?
        .id
        .clone();
    if let Some(customer) = params.text("customer") {
        state.live_customer(customer, "customer")?;
    }
    let id = state.new_id("promo", 10);
    let code = match params.text("code") {
        Some(code) if code.len() <= MAX_CODE_CHARS && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
            code.to_owned()
        }
        Some(_) => {
            let message = "Promotion codes may only contain the characters a-z, A-Z, 0-9 and dashes.";
            return Err(ApiError::invalid(message, Some("code")));
        }
        None => state.scatter(&id, CODE_LENGTH).to_ascii_uppercase(),
    };
    let active = params.boolean("active")?.unwrap_or(true);
    if active && state.typed_code(&code).is_some() {
        let message = format!("An active promotion code with `code: {code}` already exists.");
        return Err(ApiError::invalid(message, Some("code")).with_code("resource_already_exists"));
    }
    let minimum = match params.integer("restrictions[minimum_amount]")? {
        Some(least) => {
            let currency = params.required("restrictions[minimum_amount_currency]")?;
            Some((currency.to_ascii_lowercase(), least))
        }
        None => None,
    };
    let code = PromotionCode {
        id: id.clone(),
        created: state.now,
        code,
        coupon,
        active,
        customer: params.text("customer").map(str::to_owned),
        expires_at: params.integer("expires_at")?,
        max_redemptions: params.integer("max_redemptions")?,
        times_redeemed: 0,
        first_time: params.boolean("restrictions[first_time_transaction]")?.unwrap_or(false),
        minimum,
        metadata: params.metadata("metadata")?,
    };
    let shown = code.render();
    state.promotion_codes.insert(id, code);
    state.emit("promotion_code.created", shown.clone());
    Ok(shown)
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    let found = state.promotion_codes.get(id).map(PromotionCode::render);
    found.ok_or_else(|| ApiError::no_such("promotion_code", id))
}

pub(crate) fn update(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&["active", "metadata", "metadata[*]"])?;
    let found = state.promotion_codes.get(id).cloned();
    let mut code = found.ok_or_else(|| ApiError::no_such("promotion_code", id))?;
    let before = code.render();
    code.active = params.boolean("active")?.unwrap_or(code.active);
    params.change_metadata("metadata", &mut code.metadata)?;
    let after = code.render();
    state.promotion_codes.insert(id.to_owned(), code);
    state.emit_change("promotion_code.updated", before, after.clone());
    Ok(after)
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["active", "code", "coupon", "customer"])?;
    let (active, code) = (params.boolean("active")?, params.text("code"));
    let (coupon, customer) = (params.text("coupon"), params.text("customer"));
    list::page(
        "promotion_code",
        "/v1/promotion_codes",
        params,
        &state.promotion_codes,
        |one| {
            active.is_none_or(|active| one.active == active)
                && code.is_none_or(|code| one.code.eq_ignore_ascii_case(code))
                && coupon.is_none_or(|coupon| one.coupon == coupon)
                && customer.is_none_or(|customer| one.customer.as_deref() == Some(customer))
        },
        |one| one.created,
        PromotionCode::render,
    )
}
