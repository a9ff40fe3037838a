//! `latchkey status`.

use std::path::Path;

use latchkey_entitlement::{Clock, Timestamp, time};
use latchkey_sync::{QueueStatus, Status};

use crate::{
    ambient::SystemClock,
    cli::{Exit, StatusArgs},
    config::{Config, Environment},
    instance::open_store,
    moment::{ago, length},
};

/// Says how the instance stands, and whether something needs a person.
pub(crate) async fn run(file: &Path, asked: &StatusArgs, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let store = open_store(&config).await?;
    let status = Status::read(&store, SystemClock.now()).await?;
    store.close().await;
    let found = status.needs_a_person(
        i64::from(config.server.reconcile_minutes) * time::MINUTE,
        i64::from(config.server.reconcile_full_hours) * time::HOUR,
    );
    if asked.json {
        let mut json = serde_json::to_value(&status)?;
        if let Some(fields) = json.as_object_mut() {
            fields.insert("needs_a_person".to_owned(), serde_json::to_value(&found)?);
        }
        println!("{json:#}");
    } else {
        show(&status, &found);
    }
    Ok(if found.is_empty() { Exit::Done } else { Exit::Findings })
}

fn show(status: &Status, found: &[String]) {
    let now = status.at;
    let since = |at: Option<Timestamp>| at.map_or("never".to_owned(), |at| ago(at, now));
    let queue = |queue: &QueueStatus| {
        let oldest = queue.oldest_pending_at.map_or(String::new(), |at| {
            format!(" (the oldest for {})", length(now.since(at)))
        });
        format!("{} waiting{oldest}, {} given up", queue.pending, queue.failed)
    };
    println!("database        {}, schema {}", status.database, status.schema);
    println!("inbox           {}", queue(&status.inbox));
    println!("outbox          {}", queue(&status.outbox));
    println!(
        "customers       {} wait for a sync, {} need a person",
        status.customers_waiting, status.customers_dead
    );
    println!("last sync       {}", since(status.synced_at));
    println!("last reconcile  {}", since(status.reconciled_at));
    println!("full reconcile  {}", since(status.fully_reconciled_at));
    println!(
        "readers whose access differs from Stripe: {}, checked {}",
        status.differing_readers,
        since(status.fully_reconciled_at)
    );
    for finding in found {
        println!("finding: {finding}");
    }
}
