//! `latchkey migrate`.

use std::path::Path;

use crate::{
    cli::Exit,
    config::{Config, Environment},
    instance::open_store,
};

/// Brings the database up to date.
pub(crate) async fn run(file: &Path, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let store = open_store(&config).await?;
    let schema = store.schema().await?;
    println!("The database is at version {}.", schema.found);
    store.close().await;
    Ok(Exit::Done)
}
