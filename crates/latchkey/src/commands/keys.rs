//! `latchkey keys`.

use std::{path::Path, sync::Arc};

use latchkey_server::Keys;

use crate::{
    ambient::{SystemClock, SystemIds},
    cli::{Exit, KeysCommand},
    config::{Config, Environment},
    instance::{open_store, seal_key},
};

/// Lists the keys, or begins a rotation.
pub(crate) async fn run(file: &Path, command: &KeysCommand, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let seal = seal_key(environment)?;
    let store = open_store(&config).await?;
    let keys = Keys::load_or_create(store.clone(), seal, Arc::new(SystemClock), Arc::new(SystemIds)).await?;
    if matches!(command, KeysCommand::Rotate) {
        keys.rotate().await?;
        println!("A new key is published; it signs ten minutes from now, once every verifier had time to learn it.");
    }
    for purpose in ["pass", "bundle"] {
        for key in store.keys(purpose).await? {
            println!("{purpose:<7} {:<9} {:<6} {}", key.state, key.algorithm, key.kid);
        }
    }
    println!(
        "\nEdges pin the bundle key: [edge] bundle_key = \"{}\"",
        keys.bundle_kid()
    );
    store.close().await;
    Ok(Exit::Done)
}
