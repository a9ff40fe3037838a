//! What bookkeeping needs of an invoice: lines, taxes, the country, and what was given back.
//!
//! Amounts are minor units of the invoice's currency, as Stripe calculated them; nothing is calculated anew here.
//! Source: <https://docs.stripe.com/api/invoices/object>.

use latchkey_entitlement::Timestamp;
use serde::{Deserialize, Serialize};

use crate::parse::{ParseError, Reader};

/// A line of an invoice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// Before discounts, with taxes that are inclusive; negative for a credit.
    pub amount_minor: i64,
    /// What discounts take off it.
    pub discount_minor: i64,
    /// Taxes in `amount_minor` that are inclusive.
    pub inclusive_tax_minor: i64,
    /// Start of the time that it pays for.
    pub period_start: Timestamp,
    /// End of that time; the same as its start for what is bought once.
    pub period_end: Timestamp,
    /// `price_…`.
    pub price_id: Option<String>,
    /// `prod_…`.
    #[serde(default)]
    pub product_id: Option<String>,
    /// How many.
    pub quantity: u64,
    /// `sub_…`, if it bills one.
    pub subscription: Option<String>,
    /// Whether it settles a change within a period.
    pub proration: bool,
}

/// A tax on an invoice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceTax {
    /// `txr_…`, if Stripe says.
    pub rate: Option<String>,
    /// Whether prices hold it already.
    pub inclusive: bool,
    /// What it is counted from.
    pub taxable_minor: i64,
    /// What it comes to.
    pub amount_minor: i64,
}

/// What bookkeeping needs of an invoice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Papers {
    /// `cus_…`.
    pub customer: Option<String>,
    /// Live or test mode.
    pub livemode: bool,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// Why it was made, such as `subscription_cycle`.
    pub billing_reason: Option<String>,
    /// Of the billing address: ISO 3166-1, two letters.
    pub country: Option<String>,
    /// The sum of its lines.
    pub subtotal_minor: i64,
    /// What it comes to, discounts taken off and taxes on it.
    pub total_minor: i64,
    /// What it comes to without taxes.
    pub total_excluding_tax_minor: i64,
    /// Its taxes.
    pub taxes: Vec<InvoiceTax>,
    /// What credit notes took off it again, after it was paid.
    pub credited_minor: i64,
    /// The paper itself.
    pub pdf: Option<String>,
    /// Its lines, as many as Stripe shows with it.
    pub lines: Vec<InvoiceLine>,
    /// Whether it has more.
    pub more_lines: bool,
}

impl Papers {
    /// The sum of its taxes.
    pub fn tax_minor(&self) -> i64 {
        self.taxes.iter().map(|tax| tax.amount_minor).sum()
    }
}

pub(crate) fn parse(it: &Reader<'_>) -> Result<Papers, ParseError> {
    let total = it.opt_int("total")?.unwrap_or(0);
    Ok(Papers {
        customer: it.opt_id("customer")?,
        livemode: it.flag("livemode")?,
        paid_at: it.opt_time("status_transitions.paid_at")?,
        billing_reason: it.opt_text("billing_reason")?,
        country: it.opt_text("customer_address.country")?,
        subtotal_minor: it.opt_int("subtotal")?.unwrap_or(total),
        total_minor: total,
        total_excluding_tax_minor: it.opt_int("total_excluding_tax")?.unwrap_or(total),
        taxes: each(it, "total_taxes", "tax", parse_tax)?,
        credited_minor: it.opt_int("post_payment_credit_notes_amount")?.unwrap_or(0),
        pdf: it.opt_text("invoice_pdf")?,
        lines: each(it, "lines.data", "line_item", parse_line)?,
        more_lines: it.flag("lines.has_more")?,
    })
}

fn each<T>(
    it: &Reader<'_>,
    path: &str,
    object: &'static str,
    read: fn(&Reader<'_>) -> Result<T, ParseError>,
) -> Result<Vec<T>, ParseError> {
    let Some(list) = it.get(path) else { return Ok(vec![]) };
    let list = list.as_array().ok_or_else(|| it.error(path, "not a list"))?;
    list.iter().map(|one| read(&Reader::new(object, one)?)).collect()
}

fn parse_tax(it: &Reader<'_>) -> Result<InvoiceTax, ParseError> {
    Ok(InvoiceTax {
        rate: it.opt_id("tax_rate_details.tax_rate")?,
        inclusive: it.opt_text("tax_behavior")?.as_deref() == Some("inclusive"),
        taxable_minor: it.opt_int("taxable_amount")?.unwrap_or(0),
        amount_minor: it.int("amount")?,
    })
}

fn parse_line(it: &Reader<'_>) -> Result<InvoiceLine, ParseError> {
    let of_item = "parent.subscription_item_details";
    let inclusive = each(it, "taxes", "tax", parse_tax)?;
    let discounts = each(it, "discount_amounts", "discount", |one| one.int("amount"))?;
    Ok(InvoiceLine {
        amount_minor: it.int("amount")?,
        discount_minor: discounts.iter().sum(),
        inclusive_tax_minor: inclusive
            .iter()
            .filter(|tax| tax.inclusive)
            .map(|tax| tax.amount_minor)
            .sum(),
        period_start: it.time("period.start")?,
        period_end: it.time("period.end")?,
        // Where it stood before version 2025-03-31.
        price_id: match it.opt_id("pricing.price_details.price")? {
            Some(price) => Some(price),
            None => it.opt_id("price")?,
        },
        product_id: it.opt_id("pricing.price_details.product")?,
        quantity: u64::try_from(it.opt_int("quantity")?.unwrap_or(1)).unwrap_or(0),
        subscription: match it.opt_id(&format!("{of_item}.subscription"))? {
            Some(subscription) => Some(subscription),
            None => it.opt_id("subscription")?,
        },
        proration: it.flag(&format!("{of_item}.proration"))? || it.flag("proration")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::parse_invoice;

    #[test]
    fn an_invoice_with_taxes_and_a_discount_is_read() {
        let invoice = parse_invoice(&json!({
            "id": "in_1", "status": "paid", "amount_due": 450, "amount_paid": 450, "currency": "eur", "created": 1_800_000_000,
            "customer": "cus_1", "livemode": true, "billing_reason": "subscription_cycle",
            "status_transitions": { "paid_at": 1_800_000_100 },
            "customer_address": { "country": "DE" },
            "subtotal": 500, "total": 450, "total_excluding_tax": 378,
            "total_taxes": [{ "amount": 72, "tax_behavior": "inclusive", "taxable_amount": 378,
                "tax_rate_details": { "tax_rate": "txr_1" }, "type": "tax_rate_details" }],
            "post_payment_credit_notes_amount": 50,
            "lines": { "has_more": false, "data": [{
                "amount": 500, "discount_amounts": [{ "amount": 50, "discount": "di_1" }],
                "taxes": [{ "amount": 72, "tax_behavior": "inclusive", "taxable_amount": 378 }],
                "period": { "start": 1_800_000_000, "end": 1_802_592_000 }, "quantity": 1,
                "pricing": { "price_details": { "price": "price_1", "product": "prod_1" }, "type": "price_details" },
                "parent": { "subscription_item_details": { "subscription": "sub_1", "proration": false } },
            }] },
        }))
        .unwrap();
        let papers = &invoice.papers;
        assert_eq!(papers.tax_minor(), 72);
        assert_eq!(
            (
                papers.total_minor,
                papers.total_excluding_tax_minor,
                papers.credited_minor
            ),
            (450, 378, 50)
        );
        assert_eq!(papers.country.as_deref(), Some("DE"));
        let line = &papers.lines[0];
        assert_eq!(
            (line.amount_minor, line.discount_minor, line.inclusive_tax_minor),
            (500, 50, 72)
        );
        assert_eq!(
            (line.price_id.as_deref(), line.subscription.as_deref()),
            (Some("price_1"), Some("sub_1"))
        );
    }

    #[test]
    fn an_invoice_of_an_older_version_is_read() {
        let invoice = parse_invoice(&json!({
            "id": "in_1", "status": "paid", "amount_due": 500, "currency": "eur", "created": 1_600_000_000, "total": 500,
            "lines": { "data": [{ "amount": 500, "period": { "start": 1_600_000_000, "end": 1_602_592_000 },
                "price": { "id": "price_1" }, "subscription": "sub_1", "proration": true }] },
        }))
        .unwrap();
        let line = &invoice.papers.lines[0];
        assert_eq!(
            (line.price_id.as_deref(), line.subscription.as_deref()),
            (Some("price_1"), Some("sub_1"))
        );
        assert!(line.proration);
    }
}
