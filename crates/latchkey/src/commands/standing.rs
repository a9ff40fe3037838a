//! `latchkey ban` and `latchkey unban`.

use std::path::Path;

use anyhow::{Context, bail};
use latchkey_entitlement::{AccountId, Clock, SiteId, Standing, StandingKind, time};
use latchkey_store::Store;
use latchkey_sync::Ids;

use crate::{
    ambient::{SystemClock, SystemIds},
    cli::{Ban, Exit, Unban},
    config::{Config, Environment},
    instance::open_store,
};

/// Bans a reader from commenting.
pub(crate) async fn ban(file: &Path, ban: &Ban, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let site = site(&config, ban.site.as_deref())?;
    let store = open_store(&config).await?;
    let account = find(&store, &ban.reader).await?;
    let now = SystemClock.now();
    let standing = Standing {
        id: SystemIds.event(),
        account: account.clone(),
        site,
        kind: if ban.days.is_some() {
            StandingKind::Suspension
        } else {
            StandingKind::Ban
        },
        reason: ban.reason.clone(),
        moderator: ban.moderator.clone(),
        from: now,
        until: ban.days.map(|days| now.plus(i64::from(days) * time::DAY)),
    };
    store.add_standing(&standing).await?;
    println!(
        "{account} may not comment{}.",
        ban.days.map_or(String::new(), |days| format!(" for {days} days"))
    );
    println!("The next pass carries it; what they paid for stays theirs.");
    store.close().await;
    Ok(Exit::Done)
}

/// Lifts what stands against a reader.
pub(crate) async fn unban(file: &Path, unban: &Unban, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let site = site(&config, unban.site.as_deref())?;
    let store = open_store(&config).await?;
    let account = find(&store, &unban.reader).await?;
    let lifted = store.lift_standings(&account, site.as_ref(), SystemClock.now()).await?;
    println!("{account}: {lifted} lifted.");
    store.close().await;
    Ok(if lifted == 0 { Exit::Findings } else { Exit::Done })
}

fn site(config: &Config, wanted: Option<&str>) -> anyhow::Result<Option<SiteId>> {
    let Some(wanted) = wanted else { return Ok(None) };
    let site = SiteId::parse(wanted).context("--site")?;
    if config.sites.iter().any(|own| own.id == site) {
        return Ok(Some(site));
    }
    let known: Vec<&str> = config.sites.iter().map(|site| site.id.as_str()).collect();
    bail!("there is no site {site}; the configuration has {}", known.join(", "))
}

async fn find(store: &Store, reader: &str) -> anyhow::Result<AccountId> {
    if reader.contains('@') {
        let account = store.account_by_proven_email(reader).await?;
        return Ok(account.context("no account has proven that address")?.id);
    }
    let id =
        AccountId::parse(reader).context("a reader is named by an account id (acc_…) or a proven e-mail address")?;
    let account = store
        .account(&id)
        .await?
        .with_context(|| format!("there is no account {id}"))?;
    Ok(account.merged_into.unwrap_or(account.id))
}
