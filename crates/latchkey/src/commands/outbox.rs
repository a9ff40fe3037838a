//! `latchkey outbox`.

use std::path::Path;

use anyhow::{Context, ensure};
use latchkey_entitlement::{Clock, Timestamp};
use latchkey_store::{EventState, MAX_ROWS, Store};

use crate::{
    ambient::SystemClock,
    cli::{Exit, Listed, OutboxArgs, OutboxCommand, QueueState, Replayed},
    config::{Config, Environment},
    instance::open_store,
    moment::written,
};

/// Lists or puts back.
pub(crate) async fn run(file: &Path, asked: &OutboxArgs, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let store = open_store(&config).await?;
    match &asked.command {
        OutboxCommand::List(listed) => list(&store, listed).await?,
        OutboxCommand::Replay(replayed) => replay(&store, replayed, SystemClock.now()).await?,
    }
    store.close().await;
    Ok(Exit::Done)
}

async fn list(store: &Store, listed: &Listed) -> anyhow::Result<()> {
    for effect in store
        .list_effects(listed.state.map(QueueState::stored), listed.limit)
        .await?
    {
        let line = format!(
            "{}  {:7}  {}  {}  tried {}  {}",
            written(effect.created_at),
            effect.state.as_str(),
            effect.id,
            effect.kind,
            effect.tries,
            effect.error.as_deref().unwrap_or_default()
        );
        println!("{}", line.trim_end());
    }
    Ok(())
}

async fn replay(store: &Store, replayed: &Replayed, now: Timestamp) -> anyhow::Result<()> {
    if let Some(id) = &replayed.one {
        let id: u64 = id
            .parse()
            .context("an effect is named by its number, as `latchkey outbox list` shows it")?;
        ensure!(
            store.replay_effect(id, now).await?,
            "effect {id} is not among those given up; `latchkey outbox list --state failed` names them"
        );
        println!("Effect {id} is put back; the running server does it within seconds.");
        return Ok(());
    }
    let mut put_back = 0_u64;
    loop {
        let failed = store.list_effects(Some(EventState::Failed), MAX_ROWS).await?;
        if failed.is_empty() {
            break;
        }
        for effect in failed {
            put_back += u64::from(store.replay_effect(effect.id, now).await?);
        }
    }
    println!("{put_back} effects are put back; the running server does them within seconds.");
    Ok(())
}
