//! `latchkey figures`.

use std::{collections::BTreeMap, io, path::Path};

use anyhow::{Context, bail};
use latchkey_billing::{Figures, Period, format_money};
use latchkey_entitlement::{Clock, PlanId, Timestamp};
use serde::Serialize;

use crate::{
    ambient::SystemClock,
    cli::{Exit, FiguresArgs},
    config::{Config, Environment},
    instance::{derive_policy, livemode, open_store, plans},
    month::Month,
};

/// Months that are shown unless others are asked for.
const MONTHS: i32 = 12;
/// Most months in one answer.
const MAX_MONTHS: usize = 240;
/// Characters of the longest bar.
const BAR: u64 = 40;

/// One month in one currency.
#[derive(Serialize)]
struct Line<'a> {
    month: String,
    currency: &'a str,
    #[serde(flatten)]
    figures: &'a Figures,
    net_minor: i64,
}

/// Shows what came in.
pub(crate) async fn run(file: &Path, asked: &FiguresArgs, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let plan = asked
        .plan
        .as_deref()
        .map(|plan| known_plan(&config, plan))
        .transpose()?;
    let now = SystemClock.now();
    let last = asked.to.unwrap_or(Month::of(now));
    let first = asked.from.unwrap_or(last.plus(1 - MONTHS));
    let months: Vec<Month> = first.until(last).take(MAX_MONTHS + 1).collect();
    if months.is_empty() || months.len() > MAX_MONTHS {
        bail!("--from {first} to {last} is not between 1 and {MAX_MONTHS} months");
    }
    let periods: Vec<Period> = months.iter().map(|month| period(*month, now)).collect();
    let store = open_store(&config).await?;
    let books = store
        .figures(
            &plans(&config),
            derive_policy(&config),
            livemode(environment)?,
            &periods,
            plan.as_ref(),
        )
        .await?;
    store.close().await;

    let lines: Vec<Line<'_>> = months
        .iter()
        .zip(&books)
        .flat_map(|(month, books)| {
            books.iter().map(|(currency, figures)| Line {
                month: month.to_string(),
                currency,
                figures,
                net_minor: figures.net_minor(),
            })
        })
        .collect();
    if asked.json {
        println!("{}", serde_json::to_string_pretty(&lines)?);
    } else if asked.csv {
        write_csv(&lines)?;
    } else {
        show(&months, &books);
    }
    Ok(Exit::Done)
}

fn known_plan(config: &Config, wanted: &str) -> anyhow::Result<PlanId> {
    let plan = PlanId::parse(wanted).context("--plan")?;
    if config.plans.iter().any(|own| own.id == plan) {
        return Ok(plan);
    }
    let known: Vec<&str> = config.plans.iter().map(|plan| plan.id.as_str()).collect();
    bail!("there is no plan {plan}; the configuration has {}", known.join(", "))
}

fn period(month: Month, now: Timestamp) -> Period {
    let from = month.begins();
    Period {
        from,
        to: month.next().begins().min(now.max(from)),
    }
}

/// One line a month and currency; the names are those of the JSON.
fn write_csv(lines: &[Line<'_>]) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_writer(io::stdout().lock());
    for (number, line) in lines.iter().enumerate() {
        // The library cannot flatten, so that names and values are taken from the JSON.
        let serde_json::Value::Object(fields) = serde_json::to_value(line)? else {
            continue;
        };
        if number == 0 {
            out.write_record(fields.keys())?;
        }
        let values = fields.values().map(|value| match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        out.write_record(values)?;
    }
    out.flush()?;
    Ok(())
}

fn show(months: &[Month], books: &[BTreeMap<String, Figures>]) {
    let mut currencies: Vec<&String> = books.iter().flat_map(BTreeMap::keys).collect();
    currencies.sort();
    currencies.dedup();
    if currencies.is_empty() {
        println!("No subscription has brought anything in these months.");
        println!("Invoices are read as the server runs; `latchkey invoices fetch` has older ones read again.");
    }
    for currency in currencies {
        let none = Figures::default();
        let rows: Vec<(&Month, &Figures)> = months
            .iter()
            .zip(books)
            .map(|(month, books)| (month, books.get(currency).unwrap_or(&none)))
            .collect();
        table(currency, &rows);
        plot(currency, &rows);
    }
}

fn table(currency: &str, rows: &[(&Month, &Figures)]) {
    let money = |minor| format_money(minor, currency);
    println!(
        "{:7} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>7} {:>6} {:>12} {:>12}",
        currency.to_uppercase(),
        "recurring",
        "new",
        "back",
        "up",
        "down",
        "gone",
        "readers",
        "failed",
        "collected",
        "net"
    );
    for (month, it) in rows {
        println!(
            "{month:7} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>7} {:>6} {:>12} {:>12}",
            money(it.mrr_end_minor),
            money(it.new_minor),
            money(it.returned_minor),
            money(it.expansion_minor),
            money(it.contraction_minor),
            money(it.churned_minor),
            it.readers_end,
            it.payments_failed,
            money(it.collected_minor),
            money(it.net_minor()),
        );
    }
    let total = |of: fn(&Figures) -> u64| rows.iter().map(|(_, it)| of(it)).sum::<u64>();
    println!(
        "Trials: {} began, {} ended in a payment, {} are running. Failed payments: {}, saved by a retry: {}, given up: {}.",
        total(|it| it.trials_started),
        total(|it| it.trials_converted),
        rows.last().map_or(0, |(_, it)| it.trials_running),
        total(|it| it.payments_failed),
        total(|it| it.payments_recovered),
        total(|it| it.payments_given_up),
    );
}

/// Recurring revenue as bars.
fn plot(currency: &str, rows: &[(&Month, &Figures)]) {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let value = |it: &Figures| u64::try_from(it.mrr_end_minor).unwrap_or(0);
    let most = rows.iter().map(|(_, it)| value(it)).max().unwrap_or(0);
    if most == 0 {
        return;
    }
    println!("\nRecurring revenue in {}", currency.to_uppercase());
    for (month, it) in rows {
        let eighths = usize::try_from(u128::from(value(it)) * u128::from(BAR) * 8 / u128::from(most)).unwrap_or(0);
        let part = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
        println!(
            "{month} {}{part} {}",
            "█".repeat(eighths / 8),
            format_money(it.mrr_end_minor, currency)
        );
    }
    println!();
}
