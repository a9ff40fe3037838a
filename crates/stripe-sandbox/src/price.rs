//! Prices.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Interval;
use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::{Metadata, Params};
use crate::state::State;

const INTERVALS: [&str; 4] = ["day", "month", "week", "year"];
/// A list of prices is asked for by at most so many lookup keys.
const MAX_LOOKUP_KEYS: usize = 10;
const MAX_UNIT_AMOUNT: i64 = 99_999_999;
/// Stripe refuses intervals that add up to more than three years.
const MAX_INTERVAL_COUNT: [(Interval, i64); 4] = [
    (Interval::Day, 1095),
    (Interval::Week, 156),
    (Interval::Month, 36),
    (Interval::Year, 3),
];

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Price {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) active: bool,
    pub(crate) product: String,
    pub(crate) currency: String,
    pub(crate) unit_amount: i64,
    /// Amounts in other currencies.
    #[serde(default)]
    pub(crate) currency_options: BTreeMap<String, i64>,
    pub(crate) recurring: Option<Recurring>,
    pub(crate) lookup_key: Option<String>,
    pub(crate) nickname: Option<String>,
    pub(crate) tax_behavior: String,
    pub(crate) metadata: Metadata,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recurring {
    pub(crate) interval: Interval,
    pub(crate) count: i64,
}

impl Price {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "price",
            "active": self.active,
            "billing_scheme": "per_unit",
            "created": self.created,
            "currency": self.currency,
            "custom_unit_amount": null,
            "livemode": false,
            "lookup_key": self.lookup_key,
            "metadata": self.metadata,
            "nickname": self.nickname,
            "product": self.product,
            "recurring": self.recurring.map(|recurring| json!({
                "interval": recurring.interval.as_str(),
                "interval_count": recurring.count,
                "meter": null,
                "trial_period_days": null,
                "usage_type": "licensed",
            })),
            "tax_behavior": self.tax_behavior,
            "tiers_mode": null,
            "transform_quantity": null,
            "type": if self.recurring.is_some() { "recurring" } else { "one_time" },
            "unit_amount": self.unit_amount,
            "unit_amount_decimal": self.unit_amount.to_string(),
        })
    }

    /// The old plan object, which subscription items still carry.
    pub(crate) fn render_plan(&self) -> Value {
        let recurring = self.recurring.unwrap_or(Recurring {
            interval: Interval::Month,
            count: 1,
        });
        json!({
            "id": self.id,
            "object": "plan",
            "active": self.active,
            "amount": self.unit_amount,
            "amount_decimal": self.unit_amount.to_string(),
            "billing_scheme": "per_unit",
            "created": self.created,
            "currency": self.currency,
            "interval": recurring.interval.as_str(),
            "interval_count": recurring.count,
            "livemode": false,
            "metadata": self.metadata,
            "meter": null,
            "nickname": self.nickname,
            "product": self.product,
            "tiers_mode": null,
            "transform_usage": null,
            "trial_period_days": null,
            "usage_type": "licensed",
        })
    }

    /// Its amount in one of its currencies.
    pub(crate) fn amount_in(&self, currency: &str) -> Option<i64> {
        if currency == self.currency {
            return Some(self.unit_amount);
        }
        self.currency_options.get(currency).copied()
    }

    /// `currency_options`, which is given only if it is asked for with `expand[]`.
    pub(crate) fn render_options(&self) -> Value {
        let own = (&self.currency, &self.unit_amount);
        let option = |(currency, amount): (&String, &i64)| {
            let shown = json!({
                "custom_unit_amount": null,
                "tax_behavior": self.tax_behavior,
                "unit_amount": amount,
                "unit_amount_decimal": amount.to_string(),
            });
            (currency.clone(), shown)
        };
        Value::Object(std::iter::once(own).chain(&self.currency_options).map(option).collect())
    }

    /// The amount for people, such as `€5.00 per month`.
    pub(crate) fn show(&self) -> String {
        self.show_in(&self.currency)
    }

    /// The same in one of its currencies.
    pub(crate) fn show_in(&self, currency: &str) -> String {
        let amount = show_money(self.amount_in(currency).unwrap_or(self.unit_amount), currency);
        match self.recurring {
            None => amount,
            Some(Recurring { interval, count: 1 }) => format!("{amount} per {}", interval.as_str()),
            Some(Recurring { interval, count }) => format!("{amount} every {count} {}s", interval.as_str()),
        }
    }
}

/// An amount in minor units as people read it. Decimals follow Stripe's list of zero- and three-decimal currencies.
pub(crate) fn show_money(minor: i64, currency: &str) -> String {
    let digits = match currency {
        "bif" | "clp" | "djf" | "gnf" | "jpy" | "kmf" | "krw" | "mga" | "pyg" | "rwf" | "vnd" | "vuv" | "xaf"
        | "xof" | "xpf" => 0,
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 3,
        _ => 2,
    };
    let sign = if minor < 0 { "−" } else { "" };
    let scale = 10_u64.pow(digits);
    let (whole, part) = (minor.unsigned_abs() / scale, minor.unsigned_abs() % scale);
    let number = match digits {
        0 => whole.to_string(),
        // Counted in hundredths, paid in whole units.
        _ if matches!(currency, "isk" | "ugx") && part == 0 => whole.to_string(),
        3 => format!("{whole}.{part:03}"),
        _ => format!("{whole}.{part:02}"),
    };
    match currency {
        "eur" => format!("{sign}€{number}"),
        "usd" => format!("{sign}${number}"),
        "gbp" => format!("{sign}£{number}"),
        "jpy" => format!("{sign}¥{number}"),
        other => format!("{sign}{number} {}", other.to_ascii_uppercase()),
    }
}

/// The recurring part of a price whose parameters begin with `below`, such as `recurring`.
pub(crate) fn read_recurring(params: &Params, below: &str) -> Result<Option<Recurring>, ApiError> {
    let (interval, interval_count) = (format!("{below}[interval]"), format!("{below}[interval_count]"));
    let count = params.integer(&interval_count)?;
    let Some(text) = params.choice(&interval, &INTERVALS)? else {
        return if count.is_some() {
            Err(ApiError::missing(&interval))
        } else {
            Ok(None)
        };
    };
    let Some(interval) = Interval::parse(text) else {
        return Ok(None);
    };
    let count = count.unwrap_or(1);
    let most = MAX_INTERVAL_COUNT
        .iter()
        .find(|(unit, _)| *unit == interval)
        .map_or(1, |(_, most)| *most);
    if !(1..=most).contains(&count) {
        return Err(ApiError::invalid(
            format!("This value must be between 1 and {most} for the interval {text}."),
            Some(&interval_count),
        ));
    }
    Ok(Some(Recurring { interval, count }))
}

pub(crate) fn read_currency(text: &str, param: &str) -> Result<String, ApiError> {
    let currency = text.to_ascii_lowercase();
    if currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
        Ok(currency)
    } else {
        Err(ApiError::invalid(format!("Invalid currency: {currency}."), Some(param)))
    }
}

/// An amount that can be charged in `currency`: whole units of the krona and the shilling of Uganda, tenths of thousandths.
pub(crate) fn read_amount(params: &Params, name: &str, currency: &str) -> Result<i64, ApiError> {
    let amount = params.integer(name)?.ok_or_else(|| ApiError::missing(name))?;
    if !(0..=MAX_UNIT_AMOUNT).contains(&amount) {
        return Err(ApiError::invalid("Invalid non-negative integer", Some(name)));
    }
    let step = match currency {
        "isk" | "ugx" => 100,
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 10,
        _ => 1,
    };
    if amount % step == 0 {
        return Ok(amount);
    }
    let code = currency.to_ascii_uppercase();
    let message = format!("Invalid amount. Amounts in {code} must be evenly divisible by {step}.");
    Err(ApiError::invalid(message, Some(name)).with_code("invalid_charge_amount"))
}

/// Frees `key` from the price that holds it, if `transfer` allows, or refuses.
fn claim_lookup_key(state: &mut State, key: &str, transfer: bool, taker: &str) -> Result<(), ApiError> {
    let holder = state
        .prices
        .values()
        .find(|price| price.id != taker && price.lookup_key.as_deref() == Some(key));
    let Some(holder) = holder.map(|price| price.id.clone()) else {
        return Ok(());
    };
    if !transfer {
        return Err(ApiError::invalid(
            format!("A price (`{holder}`) already uses that lookup key."),
            Some("lookup_key"),
        ));
    }
    edit(state, &holder, |price| price.lookup_key = None);
    Ok(())
}

fn edit(state: &mut State, id: &str, change: impl FnOnce(&mut Price)) {
    if let Some(price) = state.prices.get_mut(id) {
        let before = price.render();
        change(price);
        let after = price.render();
        state.emit_change("price.updated", before, after);
    }
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&[
        "currency",
        "unit_amount",
        "product",
        "product_data[name]",
        "product_data[metadata][*]",
        "currency_options[*][unit_amount]",
        "recurring[interval]",
        "recurring[interval_count]",
        "recurring[usage_type]",
        "lookup_key",
        "transfer_lookup_key",
        "nickname",
        "active",
        "tax_behavior",
        "billing_scheme",
        "metadata[*]",
    ])?;
    let currency = read_currency(params.required("currency")?, "currency")?;
    params.choice("recurring[usage_type]", &["licensed"])?;
    params.choice("billing_scheme", &["per_unit"])?;
    let tax_behavior = params
        .choice("tax_behavior", &["exclusive", "inclusive", "unspecified"])?
        .unwrap_or("unspecified");
    let unit_amount = read_amount(params, "unit_amount", &currency)?;
    let mut currency_options = BTreeMap::new();
    for code in params.keys("currency_options") {
        let name = format!("currency_options[{code}][unit_amount]");
        let code = read_currency(&code, &name)?;
        let amount = read_amount(params, &name, &code)?;
        currency_options.insert(code, amount);
    }
    currency_options.remove(&currency);
    let recurring = read_recurring(params, "recurring")?;
    let metadata = params.metadata("metadata")?;
    let product = match (params.text("product"), params.text("product_data[name]")) {
        (Some(product), None) if state.products.contains_key(product) => product.to_owned(),
        (Some(product), None) => return Err(ApiError::no_such_param("product", product, "product")),
        (None, Some(name)) => {
            let metadata = params.metadata("product_data[metadata]")?;
            let id = state.add_product(None, name, &Params::default())?;
            if let Some(product) = state.products.get_mut(&id) {
                product.metadata = metadata;
            }
            id
        }
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "You may only specify one of these parameters: product, product_data.",
                Some("product"),
            ));
        }
        (None, None) => return Err(ApiError::missing("product")),
    };
    let id = state.new_id("price", 10);
    if let Some(key) = params.text("lookup_key") {
        claim_lookup_key(state, key, params.boolean("transfer_lookup_key")?.unwrap_or(false), &id)?;
    }
    let price = Price {
        id: id.clone(),
        created: state.now,
        active: params.boolean("active")?.unwrap_or(true),
        product,
        currency,
        unit_amount,
        currency_options,
        recurring,
        lookup_key: params.text("lookup_key").map(str::to_owned),
        nickname: params.text("nickname").map(str::to_owned),
        tax_behavior: tax_behavior.to_owned(),
        metadata,
    };
    let shown = price.render();
    state.prices.insert(id, price);
    state.emit("price.created", shown.clone());
    Ok(shown)
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    state
        .prices
        .get(id)
        .map(Price::render)
        .ok_or_else(|| ApiError::no_such("price", id))
}

pub(crate) fn update(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&[
        "active",
        "nickname",
        "metadata",
        "metadata[*]",
        "lookup_key",
        "transfer_lookup_key",
    ])?;
    let mut price = state
        .prices
        .get(id)
        .ok_or_else(|| ApiError::no_such("price", id))?
        .clone();
    price.active = params.boolean("active")?.unwrap_or(price.active);
    params.change_text("nickname", &mut price.nickname);
    params.change_text("lookup_key", &mut price.lookup_key);
    params.change_metadata("metadata", &mut price.metadata)?;
    if let Some(key) = params.text("lookup_key") {
        claim_lookup_key(state, key, params.boolean("transfer_lookup_key")?.unwrap_or(false), id)?;
    }
    edit(state, id, |stored| *stored = price);
    get(state, &Params::default(), id)
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&[
        "active",
        "product",
        "currency",
        "type",
        "lookup_keys[#]",
        "recurring[interval]",
    ])?;
    let (active, keys) = (params.boolean("active")?, params.list("lookup_keys"));
    if keys.len() > MAX_LOOKUP_KEYS {
        return Err(ApiError::invalid(
            format!("You can pass up to {MAX_LOOKUP_KEYS} lookup keys."),
            Some("lookup_keys"),
        ));
    }
    let (product, currency) = (params.text("product"), params.text("currency"));
    let kind = params.choice("type", &["one_time", "recurring"])?;
    let interval = params.choice("recurring[interval]", &INTERVALS)?;
    list::page(
        "price",
        "/v1/prices",
        params,
        &state.prices,
        |price| {
            active.is_none_or(|active| price.active == active)
                && product.is_none_or(|product| price.product == product)
                && currency.is_none_or(|currency| price.currency == currency)
                && kind.is_none_or(|kind| (kind == "recurring") == price.recurring.is_some())
                && interval.is_none_or(|unit| price.recurring.is_some_and(|r| r.interval.as_str() == unit))
                && (keys.is_empty() || price.lookup_key.as_deref().is_some_and(|key| keys.contains(&key)))
        },
        |price| price.created,
        Price::render,
    )
}
