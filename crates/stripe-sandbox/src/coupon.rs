//! `/v1/coupons`: what can be taken off, and how long.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::{Metadata, Params};
use crate::state::State;

const MAX_ID_CHARS: usize = 200;
/// Hundredths of a percent in a whole.
const WHOLE: i128 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Duration {
    Once,
    Repeating,
    Forever,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Coupon {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) name: Option<String>,
    /// In hundredths of a percent.
    pub(crate) percent: Option<i64>,
    /// By currency; the coupon's own is `currency`.
    pub(crate) amounts: BTreeMap<String, i64>,
    pub(crate) currency: Option<String>,
    pub(crate) duration: Duration,
    pub(crate) months: Option<i64>,
    pub(crate) max_redemptions: Option<i64>,
    pub(crate) times_redeemed: i64,
    pub(crate) redeem_by: Option<i64>,
    pub(crate) products: Vec<String>,
    pub(crate) metadata: Metadata,
}

impl Coupon {
    pub(crate) fn is_valid(&self, now: i64) -> bool {
        self.max_redemptions.is_none_or(|most| self.times_redeemed < most) && self.redeem_by.is_none_or(|by| now < by)
    }

    /// What it takes off an amount; none if it is not of this currency.
    pub(crate) fn off(&self, amount: i64, currency: &str) -> Option<i64> {
        if let Some(percent) = self.percent {
            let off = (i128::from(amount) * i128::from(percent) * 2 + WHOLE) / (WHOLE * 2);
            return i64::try_from(off).ok();
        }
        self.amounts.get(currency).map(|off| (*off).min(amount))
    }

    pub(crate) fn is_for(&self, product: &str) -> bool {
        self.products.is_empty() || self.products.iter().any(|own| own == product)
    }

    pub(crate) fn render(&self, now: i64) -> Value {
        let own = self.currency.as_ref().and_then(|code| self.amounts.get(code));
        json!({
            "id": self.id,
            "object": "coupon",
            "amount_off": own,
            "created": self.created,
            "currency": self.currency,
            "duration": self.duration,
            "duration_in_months": self.months,
            "livemode": false,
            "max_redemptions": self.max_redemptions,
            "metadata": self.metadata,
            "name": self.name,
            "percent_off": self.percent.map(percent),
            "redeem_by": self.redeem_by,
            "times_redeemed": self.times_redeemed,
            "valid": self.is_valid(now),
        })
    }

    /// What is given only if it is asked for with `expand[]`.
    pub(crate) fn render_hidden(&self, field: &str) -> Option<Value> {
        match field {
            "applies_to" if self.products.is_empty() => Some(Value::Null),
            "applies_to" => Some(json!({ "products": self.products })),
            "currency_options" => {
                let option = |(code, off): (&String, &i64)| (code.clone(), json!({ "amount_off": off }));
                Some(Value::Object(self.amounts.iter().map(option).collect()))
            }
            _ => None,
        }
    }

    /// How it reads on pages, such as `50% off for 3 months`.
    pub(crate) fn show(&self) -> String {
        let off = match (self.percent, &self.currency) {
            (Some(hundredths), _) => format!("{}%", percent(hundredths)),
            (None, Some(code)) => crate::price::show_money(self.amounts.get(code).copied().unwrap_or_default(), code),
            (None, None) => String::new(),
        };
        match (self.duration, self.months) {
            (Duration::Once, _) => format!("{off} off"),
            (Duration::Repeating, Some(months)) => format!("{off} off for {months} months"),
            _ => format!("{off} off forever"),
        }
    }
}

/// Hundredths of a percent as Stripe writes them: `25.5`, and `50.0` for a whole number.
fn percent(hundredths: i64) -> f64 {
    f64::from(i32::try_from(hundredths).unwrap_or_default()) / 100.0
}

fn read_percent(params: &Params) -> Result<Option<i64>, ApiError> {
    let Some(text) = params.text("percent_off") else {
        return Ok(None);
    };
    let wrong = || {
        ApiError::invalid(
            "Invalid percent_off: must be greater than 0 and at most 100, with up to two decimal places.",
            Some("percent_off"),
        )
    };
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 2 || whole.starts_with(['-', '+']) {
        return Err(wrong());
    }
    let value: i64 = format!("{whole}{part:0<2}").parse().map_err(|_| wrong())?;
    if (1..=10_000).contains(&value) {
        Ok(Some(value))
    } else {
        Err(wrong())
    }
}

fn read_amounts(params: &Params) -> Result<(BTreeMap<String, i64>, Option<String>), ApiError> {
    let Some(off) = params.integer("amount_off")? else {
        return Ok((BTreeMap::new(), None));
    };
    let positive = |off: i64, name: &str| {
        if off > 0 {
            Ok(off)
        } else {
            Err(ApiError::invalid(
                "This value must be greater than or equal to 1.",
                Some(name),
            ))
        }
    };
    let currency = params.required("currency")?.to_ascii_lowercase();
    let mut amounts = BTreeMap::from([(currency.clone(), positive(off, "amount_off")?)]);
    for code in params.keys("currency_options") {
        let name = format!("currency_options[{code}][amount_off]");
        let off = params.integer(&name)?.ok_or_else(|| ApiError::missing(&name))?;
        amounts.insert(code.to_ascii_lowercase(), positive(off, &name)?);
    }
    Ok((amounts, Some(currency)))
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&[
        "id",
        "name",
        "percent_off",
        "amount_off",
        "currency",
        "currency_options[*][amount_off]",
        "duration",
        "duration_in_months",
        "max_redemptions",
        "redeem_by",
        "applies_to[products][#]",
        "metadata[*]",
    ])?;
    let percent = read_percent(params)?;
    let (amounts, currency) = read_amounts(params)?;
    if percent.is_some() == currency.is_some() {
        let message = "Must provide exactly one of the following: percent_off, amount_off.";
        return Err(ApiError::invalid(message, None));
    }
    let duration = match params.choice("duration", &["forever", "once", "repeating"])? {
        Some("repeating") => Duration::Repeating,
        Some("forever") => Duration::Forever,
        _ => Duration::Once,
    };
    let months = params.integer("duration_in_months")?;
    if (duration == Duration::Repeating) != months.is_some() || months.is_some_and(|months| months < 1) {
        let message = "`duration_in_months` is required with a duration of repeating, and not allowed otherwise.";
        return Err(ApiError::invalid(message, Some("duration_in_months")));
    }
    let products: Vec<String> = params.list_below("applies_to", "products");
    for product in &products {
        if !state.products.contains_key(product) {
            return Err(ApiError::no_such_param("product", product, "applies_to[products]"));
        }
    }
    let id = match params.text("id") {
        Some(id) if state.coupons.contains_key(id) => {
            return Err(ApiError::invalid("Coupon already exists.", Some("id")).with_code("resource_already_exists"));
        }
        Some(id) if id.len() <= MAX_ID_CHARS => id.to_owned(),
        Some(_) => return Err(ApiError::invalid("This id is too long.", Some("id"))),
        None => state.scatter(&format!("coupon{}", state.coupons.len()), 8),
    };
    let coupon = Coupon {
        id: id.clone(),
        created: state.now,
        name: params.text("name").map(str::to_owned),
        percent,
        amounts,
        currency,
        duration,
        months,
        max_redemptions: params.integer("max_redemptions")?,
        times_redeemed: 0,
        redeem_by: params.integer("redeem_by")?,
        products,
        metadata: params.metadata("metadata")?,
    };
    let shown = coupon.render(state.now);
    state.coupons.insert(id, coupon);
    state.emit("coupon.created", shown.clone());
    Ok(shown)
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    Ok(state.coupon(id, None)?.render(state.now))
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&[])?;
    list::page(
        "coupon",
        "/v1/coupons",
        params,
        &state.coupons,
        |_| true,
        |coupon| coupon.created,
        |coupon| coupon.render(state.now),
    )
}

/// Deletes a coupon: nobody gets it any more, and who has it keeps it.
pub(crate) fn delete(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    let gone = state.coupon(id, None)?.render(state.now);
    if let Some(coupon) = state.coupons.get_mut(id) {
        coupon.redeem_by = Some(state.now);
    }
    state.emit("coupon.deleted", gone);
    Ok(json!({ "id": id, "object": "coupon", "deleted": true }))
}

impl State {
    pub(crate) fn coupon(&self, id: &str, param: Option<&str>) -> Result<&Coupon, ApiError> {
        self.coupons.get(id).ok_or_else(|| match param {
            Some(param) => ApiError::no_such_param("coupon", id, param),
            None => ApiError::no_such("coupon", id),
        })
    }
}
