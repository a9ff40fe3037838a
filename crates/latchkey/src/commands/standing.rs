//! `latchkey ban` and `latchkey unban`.

use std::path::Path;

use anyhow::{Context, bail};
use latchkey_entitlement::{AccountId, Clock, RevocationKind, SiteId, Standing, StandingKind, Timestamp, time};
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
    let devices = renew_passes(&store, &account, now).await?;
    println!("{devices} of their devices fetch a new pass, which carries it. What they paid for stays theirs.");
    store.close().await;
    Ok(Exit::Done)
}

/// Lifts what stands against a reader.
pub(crate) async fn unban(file: &Path, unban: &Unban, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let site = site(&config, unban.site.as_deref())?;
    let store = open_store(&config).await?;
    let account = find(&store, &unban.reader).await?;
    let now = SystemClock.now();
    let lifted = store.lift_standings(&account, site.as_ref(), now).await?;
    println!("{account}: {lifted} lifted.");
    if lifted > 0 {
        renew_passes(&store, &account, now).await?;
    }
    store.close().await;
    Ok(if lifted == 0 { Exit::Findings } else { Exit::Done })
}

/// Has the passes renewed that say otherwise; each device fetches another one at its next click. Answers with how many devices it is.
async fn renew_passes(store: &Store, account: &AccountId, now: Timestamp) -> anyhow::Result<u32> {
    let devices = store.sessions_of(account).await?;
    Ok(store
        .revoke_passes_of(&devices, RevocationKind::Renew, now.seconds(), now)
        .await?)
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
