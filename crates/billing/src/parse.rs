//! Reads Stripe's JSON: only the fields that are used, with an error that names the field. Unknown fields are ignored.

mod pricing;

use std::collections::BTreeMap;

use latchkey_entitlement::Timestamp;
use serde_json::Value;
use time::Date;

use crate::{
    api::Page,
    papers,
    stripe::{
        CheckoutSession, Customer, Invoice, ItemPrice, Price, Product, SessionLine, Subscription, SubscriptionItem,
        SubscriptionStatus,
    },
};

pub use pricing::{parse_change_preview, parse_coupon, parse_promotion_code};

/// A JSON object that lacks what it needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object}: field `{field}` is {problem}")]
pub struct ParseError {
    /// What was read, such as `subscription`.
    pub object: &'static str,
    /// The field.
    pub field: String,
    /// What is wrong with it, such as `missing`.
    pub problem: &'static str,
}

/// A JSON object being read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    object: &'static str,
    value: &'a Value,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(object: &'static str, value: &'a Value) -> Result<Self, ParseError> {
        let reader = Self { object, value };
        if value.is_object() {
            Ok(reader)
        } else {
            Err(reader.error("(whole)", "not an object"))
        }
    }

    pub(crate) fn error(&self, field: &str, problem: &'static str) -> ParseError {
        ParseError {
            object: self.object,
            field: field.to_owned(),
            problem,
        }
    }

    /// The value at a dotted path; `null` counts as absent.
    pub(crate) fn get(&self, path: &str) -> Option<&'a Value> {
        let found = path.split('.').try_fold(self.value, |value, name| value.get(name))?;
        (!found.is_null()).then_some(found)
    }

    pub(crate) fn text(&self, path: &str) -> Result<String, ParseError> {
        self.opt_text(path)?.ok_or_else(|| self.error(path, "missing"))
    }

    pub(crate) fn opt_text(&self, path: &str) -> Result<Option<String>, ParseError> {
        match self.get(path) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.error(path, "not a string")),
        }
    }

    /// The id of an object that is given as its id or, if expanded, whole.
    pub(crate) fn opt_id(&self, path: &str) -> Result<Option<String>, ParseError> {
        match self.get(path) {
            None => Ok(None),
            Some(Value::String(id)) => Ok(Some(id.clone())),
            Some(value) => match value.get("id") {
                Some(Value::String(id)) => Ok(Some(id.clone())),
                _ => Err(self.error(path, "neither an id nor an object with one")),
            },
        }
    }

    pub(crate) fn id(&self, path: &str) -> Result<String, ParseError> {
        self.opt_id(path)?.ok_or_else(|| self.error(path, "missing"))
    }

    pub(crate) fn opt_int(&self, path: &str) -> Result<Option<i64>, ParseError> {
        match self.get(path) {
            None => Ok(None),
            Some(value) => value
                .as_i64()
                .map(Some)
                .ok_or_else(|| self.error(path, "not a whole number")),
        }
    }

    pub(crate) fn int(&self, path: &str) -> Result<i64, ParseError> {
        self.opt_int(path)?.ok_or_else(|| self.error(path, "missing"))
    }

    pub(crate) fn opt_time(&self, path: &str) -> Result<Option<Timestamp>, ParseError> {
        Ok(self.opt_int(path)?.map(Timestamp::from_seconds))
    }

    pub(crate) fn time(&self, path: &str) -> Result<Timestamp, ParseError> {
        self.int(path).map(Timestamp::from_seconds)
    }

    pub(crate) fn flag(&self, path: &str) -> Result<bool, ParseError> {
        match self.get(path) {
            None => Ok(false),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.error(path, "neither true nor false")),
        }
    }

    pub(crate) fn mode(&self) -> Result<bool, ParseError> {
        self.get("livemode")
            .ok_or_else(|| self.error("livemode", "missing"))?
            .as_bool()
            .ok_or_else(|| self.error("livemode", "neither true nor false"))
    }

    /// A list of strings; absent counts as empty.
    pub(crate) fn words(&self, path: &str) -> Result<Vec<String>, ParseError> {
        let Some(value) = self.get(path) else {
            return Ok(Vec::new());
        };
        let list = value.as_array().ok_or_else(|| self.error(path, "not a list"))?;
        let word = |word: &Value| {
            word.as_str()
                .map(str::to_owned)
                .ok_or_else(|| self.error(path, "not a list of strings"))
        };
        list.iter().map(word).collect()
    }

    pub(crate) fn metadata(&self) -> Result<BTreeMap<String, String>, ParseError> {
        let Some(value) = self.get("metadata") else {
            return Ok(BTreeMap::new());
        };
        let map = value
            .as_object()
            .ok_or_else(|| self.error("metadata", "not an object"))?;
        let entry = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        Ok(map.iter().filter_map(entry).collect())
    }
}

/// Reads a subscription. Periods stand on the items since version 2025-03-31; for older objects the subscription's own are taken.
pub fn parse_subscription(json: &Value) -> Result<Subscription, ParseError> {
    let it = Reader::new("subscription", json)?;
    let lines = it.get("items.data").ok_or_else(|| it.error("items.data", "missing"))?;
    let lines = lines.as_array().ok_or_else(|| it.error("items.data", "not a list"))?;
    let items = lines
        .iter()
        .map(|line| parse_item(&it, line))
        .collect::<Result<_, _>>()?;
    let created = it.time("created")?;
    let (discounts, unread_discounts) = pricing::parse_discounts(&it)?;
    Ok(Subscription {
        id: it.text("id")?,
        customer: it.id("customer")?,
        status: SubscriptionStatus::from(it.text("status")?),
        items,
        more_items: it.flag("items.has_more")?,
        cancel_at_period_end: it.flag("cancel_at_period_end")?,
        cancel_at: it.opt_time("cancel_at")?,
        canceled_at: it.opt_time("canceled_at")?,
        ended_at: it.opt_time("ended_at")?,
        trial_end: it.opt_time("trial_end")?,
        created,
        start_date: it.opt_time("start_date")?.unwrap_or(created),
        pause_collection: it.get("pause_collection").is_some(),
        latest_invoice: it.opt_id("latest_invoice")?,
        metadata: it.metadata()?,
        livemode: it.mode()?,
        default_payment_method: card_in_words(&it),
        card_expires_at: card_expires_at(&it)?,
        currency: it.opt_text("currency")?.unwrap_or_default().to_ascii_lowercase(),
        trial_start: it.opt_time("trial_start")?,
        discounts,
        unread_discounts,
        schedule: it.opt_id("schedule")?,
        pending_update: it.get("pending_update").is_some(),
    })
}

fn parse_item(subscription: &Reader<'_>, json: &Value) -> Result<SubscriptionItem, ParseError> {
    let it = Reader::new("subscription_item", json)?;
    let period = |name: &str| match it.opt_time(name)? {
        Some(time) => Ok(time),
        None => subscription.opt_time(name)?.ok_or_else(|| it.error(name, "missing")),
    };
    let quantity = it.opt_int("quantity")?.unwrap_or(1);
    Ok(SubscriptionItem {
        id: it.text("id")?,
        price_id: it.id("price")?,
        product_id: it.opt_id("price.product")?.unwrap_or_default(),
        quantity: u64::try_from(quantity).map_err(|_| it.error("quantity", "negative"))?,
        current_period_start: period("current_period_start")?,
        current_period_end: period("current_period_end")?,
        price: parse_item_price(&it)?,
    })
}

/// A card is good to the end of its month.
fn card_expires_at(it: &Reader<'_>) -> Result<Option<Timestamp>, ParseError> {
    let year = it.opt_int("default_payment_method.card.exp_year")?;
    let month = it.opt_int("default_payment_method.card.exp_month")?;
    let (Some(year), Some(month)) = (year, month) else {
        return Ok(None);
    };
    let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let first = i32::try_from(year).ok().and_then(|year| {
        let month = u8::try_from(month).ok()?.try_into().ok()?;
        Date::from_calendar_date(year, month, 1).ok()
    });
    Ok(first.map(|day| Timestamp::from_seconds(day.midnight().assume_utc().unix_timestamp())))
}

/// `None` if the price was not given whole, or is not recurring.
fn parse_item_price(it: &Reader<'_>) -> Result<Option<ItemPrice>, ParseError> {
    let (Some(currency), Some(interval)) = (it.opt_text("price.currency")?, it.opt_text("price.recurring.interval")?)
    else {
        return Ok(None);
    };
    let count = it.opt_int("price.recurring.interval_count")?.unwrap_or(1);
    Ok(Some(ItemPrice {
        currency: currency.to_ascii_lowercase(),
        unit_amount_minor: it.opt_int("price.unit_amount")?,
        interval,
        interval_count: u32::try_from(count).map_err(|_| it.error("price.recurring.interval_count", "out of range"))?,
    }))
}

fn card_in_words(it: &Reader<'_>) -> Option<String> {
    let brand = it.get("default_payment_method.card.brand")?.as_str()?;
    let last4 = it.get("default_payment_method.card.last4")?.as_str()?;
    let brand = match brand {
        "amex" => "American Express".to_owned(),
        "diners" => "Diners Club".to_owned(),
        "jcb" => "JCB".to_owned(),
        "unionpay" => "UnionPay".to_owned(),
        "unknown" => "Card".to_owned(),
        other => {
            let mut letters = other.chars();
            let first = letters.next().map(char::to_uppercase);
            first.into_iter().flatten().chain(letters).collect()
        }
    };
    Some(format!("{brand} •••• {last4}"))
}

/// Ways to pay whose charge is made when the payment is asked for, days before it settles (or fails).
const SETTLE_LATER: [&str; 10] = [
    "acss_debit",
    "au_becs_debit",
    "bacs_debit",
    "bank_transfer",
    "customer_balance",
    "nz_bank_account",
    "sepa_credit_transfer",
    "sepa_debit",
    "us_bank_account",
    "sofort",
];

/// When a session was paid, as far as it tells: what is not expanded tells nothing.
fn paid_at(it: &Reader<'_>) -> Result<Option<Timestamp>, ParseError> {
    if let Some(at) = it.opt_time("invoice.status_transitions.paid_at")? {
        return Ok(Some(at));
    }
    let method = match it.opt_text("payment_intent.latest_charge.payment_method_details.type")? {
        Some(method) => Some(method),
        None => it.opt_text("payment_intent.payment_method.type")?,
    };
    if method.is_some_and(|method| SETTLE_LATER.contains(&method.as_str())) {
        return Ok(None);
    }
    match it.opt_time("payment_intent.latest_charge.created")? {
        Some(at) => Ok(Some(at)),
        None => it.opt_time("payment_intent.created"),
    }
}

fn parse_line(json: &Value) -> Result<SessionLine, ParseError> {
    let it = Reader::new("line_item", json)?;
    let quantity = it.opt_int("quantity")?.unwrap_or(1);
    Ok(SessionLine {
        id: it.text("id")?,
        price_id: it.opt_id("price")?.unwrap_or_default(),
        quantity: u32::try_from(quantity).map_err(|_| it.error("quantity", "out of range"))?,
    })
}

/// Reads a Checkout session. Its lines, and what tells when it was paid, are there if they were expanded.
pub fn parse_session(json: &Value) -> Result<CheckoutSession, ParseError> {
    let it = Reader::new("checkout.session", json)?;
    Ok(CheckoutSession {
        id: it.text("id")?,
        status: it.opt_text("status")?,
        payment_status: it.text("payment_status")?,
        mode: it.text("mode")?,
        customer: it.opt_id("customer")?,
        subscription: it.opt_id("subscription")?,
        client_reference_id: it.opt_text("client_reference_id")?,
        url: it.opt_text("url")?,
        metadata: it.metadata()?,
        expires_at: it.time("expires_at")?,
        livemode: it.mode()?,
        lines: match it.get("line_items.data").and_then(Value::as_array) {
            Some(lines) => lines.iter().map(parse_line).collect::<Result<_, _>>()?,
            None => vec![],
        },
        more_lines: it.flag("line_items.has_more")?,
        paid_at: paid_at(&it)?,
    })
}

/// Reads an invoice. Its subscription stands under `parent` since version 2025-03-31.
pub fn parse_invoice(json: &Value) -> Result<Invoice, ParseError> {
    let it = Reader::new("invoice", json)?;
    let subscription = match it.opt_id("parent.subscription_details.subscription")? {
        Some(id) => Some(id),
        None => it.opt_id("subscription")?,
    };
    let created = it.time("created")?;
    Ok(Invoice {
        id: it.text("id")?,
        status: it.opt_text("status")?,
        subscription,
        amount_due_minor: it.int("amount_due")?,
        amount_paid_minor: it.opt_int("amount_paid")?.unwrap_or(0),
        currency: it.text("currency")?.to_ascii_lowercase(),
        created,
        due_date: it.opt_time("due_date")?,
        attempt_count: u32::try_from(it.opt_int("attempt_count")?.unwrap_or(0)).unwrap_or(0),
        next_payment_attempt: it.opt_time("next_payment_attempt")?,
        hosted_invoice_url: it.opt_text("hosted_invoice_url")?,
        period_end: it.opt_time("period_end")?.unwrap_or(created),
        number: it.opt_text("number")?,
        papers: papers::parse(&it)?,
        lines_end: lines_end(&it),
    })
}

/// The latest end of the lines that an invoice shows.
fn lines_end(it: &Reader<'_>) -> Option<Timestamp> {
    let lines = it.get("lines.data")?.as_array()?;
    let ends = lines.iter().filter_map(|line| line.pointer("/period/end")?.as_i64());
    ends.max().map(Timestamp::from_seconds)
}

/// Reads a customer, a deleted one (`{id, deleted: true}`) too.
pub fn parse_customer(json: &Value) -> Result<Customer, ParseError> {
    let it = Reader::new("customer", json)?;
    let deleted = it.flag("deleted")?;
    Ok(Customer {
        id: it.text("id")?,
        deleted,
        livemode: if deleted { it.flag("livemode")? } else { it.mode()? },
        email: it.opt_text("email")?,
        metadata: it.metadata()?,
    })
}

/// Reads a price.
pub fn parse_price(json: &Value) -> Result<Price, ParseError> {
    let it = Reader::new("price", json)?;
    let interval = it.opt_text("recurring.interval")?;
    let count = it
        .opt_int("recurring.interval_count")?
        .unwrap_or_else(|| i64::from(interval.is_some()));
    Ok(Price {
        id: it.text("id")?,
        product: it.id("product")?,
        active: it.flag("active")?,
        currency: it.text("currency")?.to_ascii_lowercase(),
        unit_amount_minor: it.opt_int("unit_amount")?,
        interval,
        interval_count: u32::try_from(count).map_err(|_| it.error("recurring.interval_count", "out of range"))?,
        lookup_key: it.opt_text("lookup_key")?,
        livemode: it.mode()?,
        other_currencies: other_currencies(&it),
    })
}

/// The fixed amounts of `currency_options` beside the price's own currency.
fn other_currencies(it: &Reader<'_>) -> BTreeMap<String, i64> {
    let own = it.get("currency").and_then(Value::as_str).unwrap_or_default();
    let options = it.get("currency_options").and_then(Value::as_object);
    options
        .into_iter()
        .flatten()
        .filter(|(code, _)| *code != own)
        .filter_map(|(code, option)| Some((code.to_ascii_lowercase(), option.get("unit_amount")?.as_i64()?)))
        .collect()
}

/// Reads a product.
pub fn parse_product(json: &Value) -> Result<Product, ParseError> {
    let it = Reader::new("product", json)?;
    Ok(Product {
        id: it.text("id")?,
        name: it.text("name")?,
        active: it.flag("active")?,
        metadata: it.metadata()?,
    })
}

/// Reads one page of a list, each entry with `entry`.
pub fn parse_page<T>(json: &Value, entry: impl Fn(&Value) -> Result<T, ParseError>) -> Result<Page<T>, ParseError> {
    let it = Reader::new("list", json)?;
    let data = it.get("data").ok_or_else(|| it.error("data", "missing"))?;
    let data = data.as_array().ok_or_else(|| it.error("data", "not a list"))?;
    Ok(Page {
        items: data.iter().map(entry).collect::<Result<_, _>>()?,
        has_more: it.flag("has_more")?,
    })
}
