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

/// How long before a period its payment may have been asked for, in seconds.
const BEFORE: i64 = 3_600;

/// What Stripe has of one reader.
#[derive(Default)]
pub(super) struct Books {
    pub(super) subscriptions: Vec<Value>,
    pub(super) invoices: Vec<Value>,
    /// With their refunds, and by the invoice that each paid.
    pub(super) charges: Vec<(String, Value)>,
    pub(super) disputes: Vec<Value>,
}

/// What follows at `now`, in seconds. `sold` says what each price entitles to.
pub(super) fn due(books: &Books, sold: &BTreeMap<String, String>, now: i64) -> Vec<Due> {
    let mut all: Vec<Due> = books
        .subscriptions
        .iter()
        .filter_map(|subscription| {
            let item = &subscription["items"]["data"][0];
            let scope = sold.get(item["price"]["id"].as_str()?)?.clone();
            let usual = until(subscription, item, &books.invoices)?;
            Some((
                scope,
                taken_back(books, subscription, item).map_or(usual, |end| end.min(usual)),
            ))
        })
        .filter(|(_, until)| *until > now)
        .collect();
    all.sort();
    all
}

/// When money that went back ended what the running period was paid for.
fn taken_back(books: &Books, subscription: &Value, item: &Value) -> Option<i64> {
    let start = item["current_period_start"].as_i64()?;
    let ends_later = |invoice: &Value| {
        let lines = invoice["lines"]["data"].as_array().cloned().unwrap_or_default();
        lines.iter().any(|line| line["period"]["end"].as_i64() > Some(start))
    };
    let paid: Vec<&Value> = books
        .invoices
        .iter()
        .filter(|it| it["parent"]["subscription_details"]["subscription"] == subscription["id"])
        .filter(|it| it["status"] == "paid" && it["amount_paid"].as_i64() > Some(0))
        .filter(|it| it["created"].as_i64() >= Some(start - BEFORE) && ends_later(it))
        .collect();
    let charges_of = |invoice: &Value| {
        let id = invoice["id"].as_str().unwrap_or_default().to_owned();
        books
            .charges
            .iter()
            .filter(move |(paid, _)| *paid == id)
            .map(|(_, charge)| charge)
    };
    let counted = |refund: &&Value| {
        matches!(
            refund["status"].as_str(),
            Some("pending" | "requires_action" | "succeeded")
        )
    };
    let mut newest = None;
    let mut all_back = !paid.is_empty();
    let mut ends = vec![];
    for invoice in paid {
        let mut back = 0;
        for charge in charges_of(invoice) {
            let refunds = charge["refunds"]["data"].as_array().cloned().unwrap_or_default();
            for refund in refunds.iter().filter(counted) {
                back += refund["amount"].as_i64()?;
                newest = newest.max(refund["created"].as_i64());
            }
            let own = books
                .disputes
                .iter()
                .filter(|dispute| dispute["charge"] == charge["id"]);
            let open =
                own.filter(|it| matches!(it["status"].as_str(), Some("needs_response" | "under_review" | "lost")));
            ends.extend(open.filter_map(|dispute| dispute["created"].as_i64()));
        }
        all_back &= invoice["amount_paid"].as_i64() <= Some(back);
    }
    ends.extend(newest.filter(|_| all_back));
    ends.into_iter().min()
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
