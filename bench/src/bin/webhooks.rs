//! Webhooks acknowledged durably per second: `latchkey serve` against raw group inserts of the same bytes into the same database, and
//! against `@supabase/stripe-sync-engine` on the same PostgreSQL, at 1, 32 and 256 connections, in turns.
//!
//! Stripe does not answer here, so that the figure is that of the way from a delivery to its acknowledgement; what follows from an
//! event is measured by `bench/access`. The competitor stores the event's object and never asks Stripe.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use latchkey_bench::{
    deliveries::{self, Events, Receiver},
    figures::Figures,
    raw::Raw,
    receivers,
};
use sqlx::Connection;

const CONNECTIONS: [usize; 3] = [1, 32, 256];
/// Rounds that count; one before them warms up.
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_millis(1_500);
/// A port on which nothing listens.
const NO_STRIPE: u16 = 1;

struct Measured {
    what: &'static str,
    raw: Raw,
    ours: Receiver,
    engine: Option<Receiver>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(server), Some(script)) = (arguments.next(), arguments.next()) else {
        bail!("start it by bench/webhooks");
    };
    let folder = tempfile::tempdir()?;
    let (base, _) = server.rsplit_once('/').context("an address with a database")?;
    for name in ["ours", "engine"] {
        let mut connection = sqlx::PgConnection::connect(&server).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await?;
    }
    let postgres = format!("{base}/ours");
    let sqlite = format!("sqlite:{}", folder.path().join("latchkey.db").display());
    let on_sqlite = receivers::server(&folder.path().join("sqlite"), &sqlite, NO_STRIPE, "price_monthly")?;
    let on_postgres = receivers::server(&folder.path().join("postgres"), &postgres, NO_STRIPE, "price_monthly")?;
    let engine = receivers::stripe_sync_engine(&PathBuf::from(script), &format!("{base}/engine"))?;
    let mut measured = [
        Measured {
            what: "SQLite",
            raw: Raw::sqlite(folder.path()).await?,
            ours: on_sqlite.receiver,
            engine: None,
        },
        Measured {
            what: "PostgreSQL",
            raw: Raw::postgres(&postgres).await?,
            ours: on_postgres.receiver,
            engine: Some(engine.receiver),
        },
    ];
    let events = Arc::new(Events::default());
    println!(
        "Webhooks acknowledged durably per second, events of {} bytes; release build; {ROUNDS} rounds of {} s each, in turns",
        events.next().1.len(),
        TIME.as_secs_f32()
    );
    for connections in CONNECTIONS {
        for one in &mut measured {
            compare(one, &events, connections).await?;
        }
    }
    Ok(())
}

async fn compare(measured: &mut Measured, events: &Arc<Events>, connections: usize) -> anyhow::Result<()> {
    let (mut raw, mut ours, mut engine) = (vec![], vec![], vec![]);
    for round in 0..=ROUNDS {
        let row = measured.raw.per_second(events, connections, TIME).await?;
        let own = deliveries::per_second(measured.ours, events, connections, TIME).await?;
        let theirs = match measured.engine {
            Some(engine) => Some(deliveries::per_second(engine, events, connections, TIME).await?),
            None => None,
        };
        if round > 0 {
            raw.push(row);
            ours.push(own);
            engine.extend(theirs);
        }
    }
    let ratio = |to: &[f64]| Figures::new(ours.iter().zip(to).map(|(own, other)| own / other)).spread(2);
    println!("{} with {connections} connections", measured.what);
    println!(
        "  latchkey            {} a second",
        Figures::new(ours.iter().copied()).spread(0)
    );
    println!(
        "  raw group inserts   {} a second",
        Figures::new(raw.iter().copied()).spread(0)
    );
    println!("  ratio               {}", ratio(&raw));
    if !engine.is_empty() {
        println!(
            "  stripe-sync-engine  {} a second",
            Figures::new(engine.iter().copied()).spread(0)
        );
        println!("  ratio               {}", ratio(&engine));
    }
    Ok(())
}
