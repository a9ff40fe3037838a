//! `expand[]`: ids in an answer replaced by their objects.

use serde_json::Value;

use crate::card::PaymentMethod;
use crate::customer::Customer;
use crate::debit::BankAccount;
use crate::discount::Discount;
use crate::dispute::Dispute;
use crate::error::ApiError;
use crate::intent::PaymentIntent;
use crate::params::Params;
use crate::price::Price;
use crate::product::Product;
use crate::promotion_code::PromotionCode;
use crate::refund::Refund;
use crate::state::State;

const MAX_DEPTH: usize = 4;

pub(crate) fn expand(state: &State, answer: &mut Value, params: &Params) -> Result<(), ApiError> {
    for path in params.list("expand") {
        let parts: Vec<&str> = path.split('.').collect();
        if parts.len() > MAX_DEPTH + 1 {
            return Err(ApiError::invalid(
                format!("You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}"),
                None,
            ));
        }
        walk(state, answer, &parts)
            .map_err(|()| ApiError::invalid(format!("This property cannot be expanded ({path})."), Some("expand")))?;
    }
    Ok(())
}

fn walk(state: &State, value: &mut Value, path: &[&str]) -> Result<(), ()> {
    if let Value::Array(rows) = value {
        return rows.iter_mut().try_for_each(|row| walk(state, row, path));
    }
    if let Value::String(id) = value {
        if let Some(object) = find(state, id) {
            *value = object;
        } else if path.is_empty() {
            return Err(());
        }
    }
    let Some((first, rest)) = path.split_first() else {
        return Ok(());
    };
    match value {
        Value::Object(fields) => {
            // Line items are left out of a session until they are asked for.
            let session = fields.get("object").and_then(Value::as_str) == Some("checkout.session");
            if *first == "line_items" && session && !fields.contains_key("line_items") {
                let id = fields.get("id").and_then(Value::as_str).unwrap_or_default();
                let items = state.render_line_items(id);
                fields.insert("line_items".to_owned(), items);
                return Ok(());
            }
            let charge = fields.get("object").and_then(Value::as_str) == Some("charge");
            if *first == "refunds" && charge && !fields.contains_key("refunds") {
                let id = fields.get("id").and_then(Value::as_str).unwrap_or_default();
                let refunds = state.render_refunds_of(id);
                fields.insert("refunds".to_owned(), refunds);
                return Ok(());
            }
            let id = fields.get("id").and_then(Value::as_str).unwrap_or_default();
            let hidden = match fields.get("object").and_then(Value::as_str) {
                Some("price") if *first == "currency_options" => state.prices.get(id).map(Price::render_options),
                Some("coupon") => state.coupons.get(id).and_then(|coupon| coupon.render_hidden(first)),
                _ => None,
            };
            if let Some(hidden) = hidden {
                fields.insert((*first).to_owned(), hidden);
            }
            walk(state, fields.get_mut(*first).ok_or(())?, rest)
        }
        Value::Null => Ok(()),
        _ => Err(()),
    }
}

fn find(state: &State, id: &str) -> Option<Value> {
    state
        .customers
        .get(id)
        .map(Customer::render)
        .or_else(|| state.products.get(id).map(Product::render))
        .or_else(|| state.prices.get(id).map(Price::render))
        .or_else(|| state.coupons.get(id).map(|one| one.render(state.now)))
        .or_else(|| state.promotion_codes.get(id).map(PromotionCode::render))
        .or_else(|| state.discounts.get(id).map(Discount::render))
        .or_else(|| state.subscriptions.get(id).map(|one| one.render(state)))
        .or_else(|| state.invoices.get(id).map(|one| one.render(state)))
        .or_else(|| state.payment_intents.get(id).map(PaymentIntent::render))
        .or_else(|| state.payment_methods.get(id).map(PaymentMethod::render))
        .or_else(|| state.bank_accounts.get(id).map(BankAccount::render))
        .or_else(|| state.sessions.get(id).map(|one| one.render(state)))
        .or_else(|| state.charges.get(id).map(|one| one.render(state)))
        .or_else(|| state.refunds.get(id).map(Refund::render))
        .or_else(|| state.disputes.get(id).map(Dispute::render))
}
