//! Events whole, for whoever takes them in place of a delivery; and what Stripe could not deliver.

use latchkey_billing::StripeError;
use serde_json::Value;

use crate::{gateway::Gateway, setup::list};

fn id(event: &Value) -> Option<&str> {
    event.get("id").and_then(Value::as_str)
}

/// Part of Stripe's event list, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PulledEvents {
    /// The events, as a delivery would bring them.
    pub events: Vec<Value>,
    /// Whether Stripe has newer ones.
    pub has_more: bool,
}

impl Gateway {
    /// Up to a hundred events that are newer than `after`, the oldest first. `None` after an id that Stripe has forgotten.
    pub async fn events_after(&self, after: &str) -> Result<Option<PulledEvents>, StripeError> {
        let query = [("ending_before".to_owned(), after.to_owned())];
        match self.get(list("/events", &query, None)).await {
            Ok(json) => Ok(Some(page(&json)?)),
            Err(StripeError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The id of the newest event, if there is any.
    pub async fn newest_event(&self) -> Result<Option<String>, StripeError> {
        let page = page(&self.get(list("/events", &[], None)).await?)?;
        Ok(page.events.last().and_then(id).map(str::to_owned))
    }

    /// Every event that Stripe still has (30 days), the oldest first.
    pub async fn all_events(&self) -> Result<Vec<Value>, StripeError> {
        let request = |older| list("/events", &[], older);
        let cursor = |page: &[Value]| page.last().and_then(id).map(str::to_owned);
        let pages = self.whole(request, |json| Ok(json.clone()), cursor).await?;
        let mut events: Vec<Value> = pages.into_iter().flat_map(|page| page.items).collect();
        events.reverse();
        Ok(events)
    }

    /// How many of the hundred newest events made since `since` (seconds) could not be delivered to some endpoint.
    pub async fn undelivered_since(&self, since: i64, until: i64) -> Result<usize, StripeError> {
        let query = [
            ("delivery_success".to_owned(), "false".to_owned()),
            ("created[gte]".to_owned(), since.to_string()),
            ("created[lte]".to_owned(), until.to_string()),
        ];
        Ok(page(&self.get(list("/events", &query, None)).await?)?.events.len())
    }
}

fn page(json: &Value) -> Result<PulledEvents, StripeError> {
    let malformed = || StripeError::Malformed {
        what: "events: not a list".to_owned(),
    };
    let mut events = json
        .get("data")
        .and_then(Value::as_array)
        .ok_or_else(malformed)?
        .clone();
    events.reverse();
    Ok(PulledEvents {
        events,
        has_more: json.get("has_more").and_then(Value::as_bool).unwrap_or(false),
    })
}

impl Gateway {
    /// How many of the hundred newest invoices wait for an address before their tax can be calculated.
    pub async fn invoices_without_tax_location(&self) -> Result<usize, StripeError> {
        let json = self.get(list("/invoices", &[], None)).await?;
        let invoices = json.get("data").and_then(Value::as_array).into_iter().flatten();
        let waits = |invoice: &&Value| {
            invoice.pointer("/automatic_tax/status").and_then(Value::as_str) == Some("requires_location_inputs")
        };
        Ok(invoices.filter(waits).count())
    }
}
