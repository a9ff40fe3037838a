//! `latchkey inbox`.

use std::path::Path;

use anyhow::{bail, ensure};
use latchkey_entitlement::{Clock, Timestamp};
use latchkey_store::{Event, EventState, Store};
use latchkey_sync::{ReplayOutcome, advice, replay_all, replay_event};

use crate::{
    ambient::SystemClock,
    cli::{Exit, InboxArgs, InboxCommand, Listed, QueueState, Replayed},
    config::{Config, Environment},
    instance::{livemode, open_store},
    moment::{ago, written},
};

/// Customers that need a person, as far as they are named.
const MAX_CUSTOMERS: u32 = 20;

/// Counts, lists, shows or puts back.
pub(crate) async fn run(file: &Path, asked: &InboxArgs, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let store = open_store(&config).await?;
    let now = SystemClock.now();
    let exit = match &asked.command {
        None => summary(&store, now).await?,
        Some(InboxCommand::List(listed)) => list(&store, listed).await?,
        Some(InboxCommand::Show { event }) => show(&store, event).await?,
        Some(InboxCommand::Replay(replayed)) => replay(&store, replayed, livemode(environment)?, now).await?,
    };
    store.close().await;
    Ok(exit)
}

impl QueueState {
    pub(crate) const fn stored(self) -> EventState {
        match self {
            Self::Pending => EventState::Pending,
            Self::Done => EventState::Done,
            Self::Failed => EventState::Failed,
        }
    }
}

async fn summary(store: &Store, now: Timestamp) -> anyhow::Result<Exit> {
    let depth = store.inbox_depth().await?;
    let dead = store.dead_customers(MAX_CUSTOMERS).await?;
    let oldest = depth
        .oldest_pending_at
        .map_or(String::new(), |at| format!(", the oldest came {}", ago(at, now)));
    println!("pending  {}{oldest}", depth.pending);
    println!("done     {}", store.events_done_kept().await?);
    println!("failed   {}", depth.failed);
    if !dead.is_empty() {
        println!("\nCustomers whose sync needs a person:");
    }
    for customer in &dead {
        println!(
            "  {}  tried {} times, since {}: {}",
            customer.id,
            customer.sync_tries,
            customer.dead_at.map(written).unwrap_or_default(),
            customer.sync_error.as_deref().unwrap_or_default()
        );
    }
    if depth.failed == 0 && dead.is_empty() {
        return Ok(Exit::Done);
    }
    println!("\n`latchkey inbox list --state failed` names them, `latchkey inbox show EVENT` says what to do.");
    Ok(Exit::Findings)
}

async fn list(store: &Store, listed: &Listed) -> anyhow::Result<Exit> {
    let state = listed.state.map(QueueState::stored);
    for event in store.list_events(state, listed.limit).await? {
        println!("{}", line(&event));
    }
    Ok(Exit::Done)
}

fn line(event: &Event) -> String {
    let line = format!(
        "{}  {:7}  {}  {}  {}  {}",
        written(event.received_at),
        event.state.as_str(),
        event.id,
        event.kind,
        event.customer.as_deref().unwrap_or("-"),
        event.error.as_deref().unwrap_or_default()
    );
    line.trim_end().to_owned()
}

async fn show(store: &Store, id: &str) -> anyhow::Result<Exit> {
    let Some(event) = store.event(id).await? else {
        bail!("there is no event {id} in the inbox; `latchkey inbox list` names those that there are");
    };
    println!("event     {}", event.id);
    println!("type      {}", event.kind);
    println!("mode      {}", if event.livemode { "live" } else { "test" });
    println!("state     {}", event.state.as_str());
    println!("received  {}", written(event.received_at));
    if let Some(at) = event.done_at {
        let what = if event.state == EventState::Failed {
            "given up"
        } else {
            "done"
        };
        println!("{what:9} {}", written(at));
    }
    if let Some(id) = &event.customer {
        println!("customer  {id}");
        if let Some(customer) = store.customer(id).await?
            && customer.sync_tries > 0
        {
            let (tries, error) = (customer.sync_tries, customer.sync_error.unwrap_or_default());
            println!("sync      failed {tries} times in a row: {error}");
            println!("next try  {}", customer.dirty_at.map_or("none".to_owned(), written));
        }
    }
    if let Some(error) = &event.error {
        println!("tries     {}", event.tries);
        println!("error     {error}");
    }
    println!("to do     {}\n", advice(&event));
    match serde_json::from_slice::<serde_json::Value>(&event.raw) {
        Ok(json) => println!("{json:#}"),
        // What is not JSON must not steer a terminal either.
        Err(_) => println!("{}", event.raw.escape_ascii()),
    }
    Ok(Exit::Done)
}

async fn replay(store: &Store, replayed: &Replayed, livemode: bool, now: Timestamp) -> anyhow::Result<Exit> {
    let Some(id) = &replayed.one else {
        let report = replay_all(store, livemode, now).await?;
        println!(
            "{} events and {} customers are put back, {} events stay as they are.",
            report.put_back, report.customers, report.still_dead
        );
        println!("The running server works them off within seconds.");
        return Ok(if report.still_dead > 0 {
            Exit::Findings
        } else {
            Exit::Done
        });
    };
    if id.starts_with("cus_") {
        ensure!(
            store.replay_customer(id, now).await?,
            "{id} is no customer whose sync needs a person; `latchkey inbox` names those that are"
        );
        println!("{id} is put back; the running server syncs it within seconds.");
        return Ok(Exit::Done);
    }
    match replay_event(store, id, livemode, now).await? {
        ReplayOutcome::Unknown => {
            bail!("there is no event {id} in the inbox; `latchkey inbox list` names those that there are")
        }
        ReplayOutcome::NotGivenUp(state) => {
            println!("{id} was not given up: it is {}. Nothing was changed.", state.as_str());
        }
        ReplayOutcome::PutBack => println!("{id} is put back; the running server works it off within seconds."),
        ReplayOutcome::StillDead(why) => {
            println!("{id} stays as it is: {why}");
            return Ok(Exit::Findings);
        }
    }
    Ok(Exit::Done)
}
