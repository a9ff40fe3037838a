//! What each reader is due, worked out from Stripe's own objects: written apart from `billing::derive`, and more simply, so that a
//! fault in one is not the other's too.

use std::collections::BTreeMap;

use serde_json::Value;

/// Three days in which a renewal may settle, in seconds.
const SLACK: i64 = 3 * 86_400;
/// A week for who could not pay, in seconds.
const GRACE: i64 = 7 * 86_400;

/// Something that a reader is due: entitlements, and the second in which they end.
pub(super) type Due = (String, i64);

/// What follows from a customer's subscriptions and invoices at `now`, in seconds. `sold` says what each price entitles to.
pub(super) fn due(subscriptions: &[Value], invoices: &[Value], sold: &BTreeMap<String, String>, now: i64) -> Vec<Due> {
    let mut all: Vec<Due> = subscriptions
        .iter()
        .filter_map(|subscription| {
            let item = &subscription["items"]["data"][0];
            let scope = sold.get(item["price"]["id"].as_str()?)?.clone();
            Some((scope, until(subscription, item, invoices)?))
        })
        .filter(|(_, until)| *until > now)
        .collect();
    all.sort();
    all
}

fn until(subscription: &Value, item: &Value, invoices: &[Value]) -> Option<i64> {
    let period_end = item["current_period_end"].as_i64()?;
    let cancel_at = subscription["cancel_at"]
        .as_i64()
        .or_else(|| (subscription["cancel_at_period_end"] == true).then_some(period_end));
    let usual = match subscription["status"].as_str()? {
        "active" => period_end + SLACK,
        "trialing" => subscription["trial_end"].as_i64()? + SLACK,
        "past_due" => {
            let own = |invoice: &&Value| {
                invoice["parent"]["subscription_details"]["subscription"] == subscription["id"]
                    && invoice["status"] == "open"
                    && invoice["amount_due"].as_i64() > Some(0)
            };
            let first = invoices
                .iter()
                .filter(own)
                .filter_map(|it| it["due_date"].as_i64().or(it["created"].as_i64()));
            first.min().or(item["current_period_start"].as_i64())? + GRACE
        }
        _ => return None,
    };
    Some(cancel_at.map_or(usual, |stop| stop.min(usual)))
}
