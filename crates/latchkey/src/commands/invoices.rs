//! `latchkey invoices`.

use std::{collections::BTreeMap, io, path::Path};

use anyhow::bail;
use latchkey_billing::Invoice;
use latchkey_entitlement::Clock;
use latchkey_store::Store;

use crate::{
    ambient::SystemClock,
    cli::{Exit, InvoicesArgs, InvoicesCommand, Months},
    config::{Config, Environment},
    instance::{livemode, open_store},
    moment::written,
    month::Month,
};

/// Invoices read from the database at once.
const PAGE: u32 = 500;

/// Lists invoices, adds up taxes, or has older invoices read.
pub(crate) async fn run(file: &Path, asked: &InvoicesArgs, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let store = open_store(&config).await?;
    let livemode = livemode(environment)?;
    match &asked.command {
        InvoicesCommand::List(months) => list(&store, months, livemode).await?,
        InvoicesCommand::Taxes(months) => taxes(&store, months, livemode).await?,
        InvoicesCommand::Fetch => {
            latchkey_sync::read_invoices_again(&store).await?;
            println!("The running server reads all invoices once more, 1,000 every ten minutes.");
        }
    }
    store.close().await;
    Ok(Exit::Done)
}

/// Gives every paid invoice of the months to `enter`, in order of payment.
async fn each(
    store: &Store,
    months: &Months,
    livemode: bool,
    mut enter: impl FnMut(Month, &Invoice) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let this = Month::of(SystemClock.now());
    let (first, last) = (months.from.unwrap_or(this), months.to.unwrap_or(this));
    if last < first {
        bail!("--from {first} is after --to {last}");
    }
    let mut after: Option<Invoice> = None;
    loop {
        let page = store
            .invoices_paid(first.begins(), last.next().begins(), after.as_ref(), PAGE)
            .await?;
        let Some(end) = page.last() else { return Ok(()) };
        for invoice in page.iter().filter(|invoice| invoice.papers.livemode == livemode) {
            enter(Month::of(invoice.papers.paid_at.unwrap_or(invoice.created)), invoice)?;
        }
        after = Some(end.clone());
    }
}

async fn list(store: &Store, months: &Months, livemode: bool) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_writer(io::stdout().lock());
    out.write_record([
        "paid_at",
        "number",
        "invoice",
        "customer",
        "subscription",
        "country",
        "currency",
        "net_minor",
        "tax_minor",
        "total_minor",
        "paid_minor",
        "credited_minor",
    ])?;
    each(store, months, livemode, |_, invoice| {
        let papers = &invoice.papers;
        out.write_record([
            written(papers.paid_at.unwrap_or(invoice.created)),
            plain(invoice.number.as_deref()),
            plain(Some(&invoice.id)),
            plain(papers.customer.as_deref()),
            plain(invoice.subscription.as_deref()),
            plain(papers.country.as_deref()),
            invoice.currency.clone(),
            (papers.total_minor - papers.tax_minor()).to_string(),
            papers.tax_minor().to_string(),
            papers.total_minor.to_string(),
            invoice.amount_paid_minor.to_string(),
            papers.credited_minor.to_string(),
        ])?;
        Ok(())
    })
    .await?;
    out.flush()?;
    Ok(())
}

/// What is handed in together: month, currency, country, Stripe's tax rate, percent.
type Group = (Month, String, String, String, String);

#[derive(Default)]
struct Sum {
    invoices: u64,
    taxable_minor: i64,
    tax_minor: i64,
}

async fn taxes(store: &Store, months: &Months, livemode: bool) -> anyhow::Result<()> {
    let mut groups: BTreeMap<Group, Sum> = BTreeMap::new();
    each(store, months, livemode, |month, invoice| {
        let papers = &invoice.papers;
        let mut enter = |rate: &str, percent: String, taxable: i64, tax: i64| {
            let country = plain(papers.country.as_deref());
            let sum = groups
                .entry((month, invoice.currency.clone(), country, rate.to_owned(), percent))
                .or_default();
            sum.invoices += 1;
            sum.taxable_minor += taxable;
            sum.tax_minor += tax;
        };
        if papers.taxes.is_empty() && invoice.amount_paid_minor > 0 {
            enter("", "0.00".to_owned(), papers.total_minor, 0);
        }
        for tax in &papers.taxes {
            let rate = tax.rate.as_deref().unwrap_or_default();
            enter(
                rate,
                percent(tax.amount_minor, tax.taxable_minor),
                tax.taxable_minor,
                tax.amount_minor,
            );
        }
        Ok(())
    })
    .await?;
    let mut out = csv::Writer::from_writer(io::stdout().lock());
    out.write_record([
        "month",
        "currency",
        "country",
        "tax_rate",
        "percent",
        "invoices",
        "taxable_minor",
        "tax_minor",
    ])?;
    for ((month, currency, country, rate, percent), sum) in groups {
        out.write_record([
            month.to_string(),
            currency,
            country,
            rate,
            percent,
            sum.invoices.to_string(),
            sum.taxable_minor.to_string(),
            sum.tax_minor.to_string(),
        ])?;
    }
    out.flush()?;
    Ok(())
}

/// The rate that an amount stands for, to the half per cent: rates are round, amounts are rounded.
fn percent(tax: i64, taxable: i64) -> String {
    if taxable == 0 {
        return "0.00".to_owned();
    }
    let (tax, taxable) = (i128::from(tax), i128::from(taxable));
    // Half per cents, rounded.
    let halves = (2 * 200 * tax + taxable).div_euclid(2 * taxable);
    format!("{}.{}", halves / 2, if halves % 2 == 0 { "00" } else { "50" })
}

/// Text for a cell: a spreadsheet must not take it for a formula.
fn plain(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_told_from_rounded_amounts() {
        assert_eq!(percent(80, 420), "19.00");
        assert_eq!(percent(33, 467), "7.00");
        assert_eq!(percent(85, 1000), "8.50");
        assert_eq!(percent(0, 500), "0.00");
        assert_eq!(percent(0, 0), "0.00");
    }

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(plain(Some("=1+1")), "'=1+1");
        assert_eq!(plain(Some("DE")), "DE");
        assert_eq!(plain(None), "");
    }
}
