//! From an event's arrival to the changed access that follows from it, through the real server over SQLite and PostgreSQL.
//!
//! An event is done in the transaction of its effect: it is delivered, and its row is looked at until it is done. First one event after
//! the other, Stripe's stand-in answering at once: our own part. Then 500 events a second about 200 customers, without a limit and with
//! Stripe's, 25 calls of an endpoint a second: how far access lags behind, and how many events one sync serves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use latchkey_bench::{
    deliveries::{Connection, Receiver, event_about},
    figures::Figures,
    receivers,
    stripe::{Payer, Stripe},
};
use latchkey_store::{EventState, Store};
use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};

/// Events one after the other.
const SINGLE: usize = 200;
const CUSTOMERS: usize = 200;
const PER_SECOND: u32 = 500;
const TIME: Duration = Duration::from_secs(8);
/// Connections over which those come.
const CONNECTIONS: usize = 16;
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long what was delivered may take to be done.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(postgres) = std::env::args().nth(1) else {
        bail!("start it by bench/access");
    };
    let folder = tempfile::tempdir()?;
    let sqlite = format!("sqlite:{}", folder.path().join("latchkey.db").display());
    println!("Event to changed access; release build, Stripe's stand-in on the same machine");
    for (what, database) in [("SQLite", sqlite), ("PostgreSQL", postgres)] {
        let stripe = Stripe::start().await?;
        let server = receivers::server(&folder.path().join(what), &database, stripe.port, &stripe.price)?;
        let store = Store::open(&database).await?;
        let mut payers = vec![];
        for number in 0..CUSTOMERS {
            payers.push(stripe.payer(&store, number).await?);
        }
        quiet(&store).await?;
        println!("{what}");
        alone(&stripe, &store, server.receiver, &payers).await?;
        for limited in [false, true] {
            stripe.limits(limited);
            stream(&stripe, &store, server.receiver, &payers, limited).await?;
        }
        store.close().await;
    }
    Ok(())
}

/// Waits until nobody waits for a sync.
async fn quiet(store: &Store) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !store.list_events(Some(EventState::Pending), 1).await?.is_empty() || is_waiting(store).await? {
        if begun.elapsed() > PATIENCE {
            bail!("after {} s there is still something to do", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY * 20).await;
    }
    Ok(())
}

async fn is_waiting(store: &Store) -> anyhow::Result<bool> {
    let all = store
        .customers_not_synced_since(latchkey_entitlement::Timestamp(i64::MAX), latchkey_store::MAX_ROWS)
        .await?;
    Ok(all
        .iter()
        .any(|one| one.dirty_at.is_some() || one.lease_owner.is_some()))
}

async fn alone(stripe: &Stripe, store: &Store, receiver: Receiver, payers: &[Payer]) -> anyhow::Result<()> {
    let mut connection = Connection::open(receiver).await?;
    let mut times = vec![];
    for number in 0..SINGLE {
        let payer = payers.get(number % payers.len()).context("a payer")?;
        stripe.sets_to_end(payer, number < payers.len())?;
        let (id, body) = event_about(&format!("alone{number}"), &payer.customer, &payer.subscription);
        let begun = Instant::now();
        connection.deliver(&body).await?;
        while store
            .event(&id)
            .await?
            .is_none_or(|event| event.state != EventState::Done)
        {
            if begun.elapsed() > PATIENCE {
                bail!("{id} is not done after {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    let times = Figures::new(times);
    println!(
        "  one after the other: p50 {:.1} ms, p99 {:.1} ms, {} events",
        times.median(),
        times.percentile(99),
        times.count()
    );
    Ok(())
}

async fn stream(
    stripe: &Stripe,
    store: &Store,
    receiver: Receiver,
    payers: &[Payer],
    limited: bool,
) -> anyhow::Result<()> {
    let (sender, waiting) = mpsc::channel::<String>(PER_SECOND as usize);
    let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
    let mut senders: JoinSet<anyhow::Result<()>> = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let waiting = Arc::clone(&waiting);
        senders.spawn(async move {
            let mut connection = Connection::open(receiver).await?;
            loop {
                let Some(body) = waiting.lock().await.recv().await else {
                    return Ok(());
                };
                connection.deliver(&body).await?;
            }
        });
    }
    let reads = stripe.reads();
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut ids = vec![];
    while begun.elapsed() < TIME {
        ticks.tick().await;
        let number = ids.len();
        let payer = payers.get(number % payers.len()).context("a payer")?;
        let name = format!("stream{}n{number}", u8::from(limited));
        let (id, body) = event_about(&name, &payer.customer, &payer.subscription);
        ids.push(id);
        sender.send(body).await?;
    }
    drop(sender);
    while let Some(one) = senders.join_next().await {
        one??;
    }
    let delivered = begun.elapsed();
    quiet(store).await?;
    let mut lags = vec![];
    for id in &ids {
        let event = store.event(id).await?.context("an event that was acknowledged")?;
        let done = event.done_at.context("an event that is done")?;
        lags.push(f64::from(i32::try_from(done.since(event.received_at))?));
    }
    let (lags, reads) = (Figures::new(lags), stripe.reads() - reads);
    let limit = if limited {
        "with Stripe's limit"
    } else {
        "without a limit"
    };
    println!(
        "  {} events in {:.1} s {limit}: lag p50 {:.0} ms, p99 {:.0} ms; {reads} syncs, {:.1} events each",
        ids.len(),
        delivered.as_secs_f64(),
        lags.median(),
        lags.percentile(99),
        f64::from(u32::try_from(ids.len())?) / f64::from(u32::try_from(reads.max(1))?)
    );
    Ok(())
}
