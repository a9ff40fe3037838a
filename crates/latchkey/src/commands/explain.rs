//! `latchkey explain`.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use latchkey_billing::explain::unknown_reader;
use latchkey_entitlement::{Clock, SiteId};
use latchkey_server::{ExplainConfig, ExplainError, explain_reader};
use latchkey_store::Store;
use latchkey_token::Secret;

use crate::{
    ambient::SystemClock,
    cli::{Exit, Explain},
    config::{Config, Environment, setting},
    instance::{open_store, plans, seal_key, site_secret_name},
};

/// Beginnings of the names of readers that need no secret to be found.
const PLAIN: [&str; 4] = ["acc_", "ses_", "cus_", "sub_"];

/// Prints why a reader may do what they may.
pub(crate) async fn run(file: &Path, asked: &Explain, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let store = open_store(&config).await?;
    let is_plain = asked.reader.contains('@') || PLAIN.iter().any(|prefix| asked.reader.starts_with(prefix));
    let site_secrets = match &asked.site {
        Some(site) if !is_plain => site_secret(&store, site, environment).await?,
        _ => BTreeMap::new(),
    };
    let (zone, plans, policies) = (config.zone(), plans(&config), config.policies());
    let explaining = ExplainConfig {
        publication: &config.instance.publication,
        time_zone: &zone,
        sites: &policies,
        plans: &plans,
        site_secrets: &site_secrets,
    };
    let (at, site) = (asked.at.as_deref(), asked.site.as_deref());
    let told = explain_reader(&store, &explaining, &asked.reader, at, site, SystemClock.now()).await;
    store.close().await;
    let told = told.map_err(|error| match error {
        ExplainError::Moment(error) => anyhow::Error::new(error).context("--at"),
        ExplainError::Site { .. } => anyhow::Error::new(error).context("--site"),
        error => error.into(),
    })?;
    if told.is_empty() {
        print!("{}", unknown_reader(&config.instance.publication, &asked.reader));
        return Ok(Exit::Findings);
    }
    if asked.json {
        let answers: Vec<_> = told.into_iter().map(|told| told.json).collect();
        let answers = serde_json::json!({ "readers": answers });
        println!("{}", serde_json::to_string_pretty(&answers)?);
        return Ok(Exit::Done);
    }
    if told.len() > 1 {
        println!(
            "{} accounts claim that address, and none has proven it; each is explained.\n",
            told.len()
        );
    }
    for one in &told {
        print!("{}", one.reader);
        if !asked.for_reader {
            print!("\n{}\n{}", "-".repeat(72), one.operator);
        }
        if told.len() > 1 {
            println!("{}", "=".repeat(72));
        }
    }
    Ok(Exit::Done)
}

/// The key of a site's pairwise subjects, if the site was ever served.
async fn site_secret(
    store: &Store,
    site: &str,
    environment: &Environment,
) -> anyhow::Result<BTreeMap<SiteId, Secret<Vec<u8>>>> {
    let site = SiteId::parse(site).context("--site")?;
    let name = site_secret_name(&site);
    let Some(sealed) = store.setting(&name).await? else {
        return Ok(BTreeMap::new());
    };
    let secret = seal_key(environment)?.open(&name, &sealed).map_err(|_| {
        setting(
            "LATCHKEY_SEAL_KEY is not the key with which the site's secret was sealed; use that of `latchkey serve`",
        )
    })?;
    Ok(BTreeMap::from([(site, Secret::new(secret.to_vec()))]))
}
