//! `latchkey grant`, `latchkey revoke` and `latchkey grants`.

use std::path::Path;

use anyhow::{Context, bail};
use latchkey_entitlement::{AccountId, Clock, Grant as Held, GrantId, SiteId, Sites, Timestamp};
use latchkey_store::{ExternalReader, NewExternal};
use latchkey_sync::Ids;
use time::OffsetDateTime;

use crate::{
    ambient::{SystemClock, SystemIds},
    cli::{Exit, Grant, Grants, Revoke},
    config::{Config, Environment},
    instance::open_store,
};

/// The word of what is given by hand.
const SOURCE: &str = "comp";

/// Gives a reader something, without a payment.
pub(crate) async fn grant(file: &Path, grant: &Grant, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let now = SystemClock.now();
    let zone = config.instance.time_zone.clone().unwrap_or_default();
    let until = match (&grant.until, grant.lasting) {
        (Some(day), _) => Some(zone.end_of(day).with_context(|| {
            format!("--until {day} is neither a day such as 2027-01-31 nor a moment such as 2027-01-31T12:00:00Z")
        })?),
        (None, Some(span)) => Some(span.after(now, &zone)),
        (None, None) => None,
    };
    if until.is_some_and(|until| until <= now) {
        bail!("--until is over already");
    }
    if grant.entitlements.is_empty() {
        bail!("--entitlements names nothing; write ad_free");
    }
    let id = GrantId::from_uuid(SystemIds.uuid());
    let new = NewExternal {
        source: SOURCE.to_owned(),
        reference: id.as_str().trim_start_matches(GrantId::PREFIX).to_owned(),
        reader: reader(&grant.reader)?,
        entitlements: grant.entitlements.clone(),
        sites: sites(&config, &grant.site)?,
        from: None,
        until,
        because: grant.because.clone(),
    };
    let store = open_store(&config).await?;
    let (_, kept) = store.put_external(&new, &id, now).await?;
    let end = until.map_or("until it is revoked".to_owned(), |until| {
        format!("until {}", minute(until))
    });
    match &kept.account {
        Some(account) => {
            println!("{account} has {} {end}: {id}", kept.entitlements);
            println!("Their devices without anything so far fetch a new pass at the next click.");
        }
        None => println!(
            "Nobody has proven that address yet: {} {end} waits for it as {SOURCE}/{}",
            kept.entitlements, kept.reference
        ),
    }
    store.close().await;
    Ok(Exit::Done)
}

/// Takes something back.
pub(crate) async fn revoke(file: &Path, revoke: &Revoke, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let now = SystemClock.now();
    let store = open_store(&config).await?;
    let done = if let Some((source, reference)) = revoke.grant.split_once('/') {
        store.delete_external(source, reference, now).await?
    } else {
        let id = GrantId::parse(&revoke.grant).context("a grant is named by its id (grt_…) or by SOURCE/ID")?;
        store.close_grant(&id, now).await?
    };
    store.close().await;
    if !done {
        bail!(
            "{} is no grant that can be revoked here; what Stripe sold is cancelled or refunded at Stripe",
            revoke.grant
        );
    }
    println!("{} is revoked.", revoke.grant);
    Ok(Exit::Done)
}

/// Prints what a reader has.
pub(crate) async fn list(file: &Path, grants: &Grants, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let store = open_store(&config).await?;
    let now = SystemClock.now();
    let (account, waiting) = match reader(&grants.reader)? {
        ExternalReader::Account(id) => {
            let known = store
                .account(&id)
                .await?
                .with_context(|| format!("there is no account {id}"))?;
            (Some(known.merged_into.unwrap_or(known.id)), vec![])
        }
        ExternalReader::Email(email) => {
            let known = store.account_by_proven_email(&email).await?.map(|known| known.id);
            (known, store.unclaimed_external(&email).await?)
        }
    };
    let held = match &account {
        Some(account) => store.grants_of(account).await?,
        None => vec![],
    };
    store.close().await;
    match &account {
        Some(account) => println!("{account}"),
        None => println!("No account has proven that address."),
    }
    for grant in &held {
        println!("{}", line(grant, now));
    }
    for waits in &waiting {
        let (from, until) = (minute(waits.from), end(waits.until));
        println!(
            "  unclaimed  {}/{}  {}  {from} to {until}  {}",
            waits.source, waits.reference, waits.entitlements, waits.because
        );
    }
    if held.is_empty() && waiting.is_empty() {
        println!("  nothing");
    }
    Ok(Exit::Done)
}

fn line(grant: &Held, now: Timestamp) -> String {
    let state = match (grant.is_live(now), now < grant.from) {
        (true, _) => "live",
        (false, true) => "queued",
        (false, false) => "ended",
    };
    let term = if grant.waits() {
        "waits for what has no end".to_owned()
    } else {
        format!("{} to {}", minute(grant.from), end(grant.until))
    };
    let source = grant.source.as_str();
    format!(
        "  {state:<9}  {source:<12}  {}  {}  {term}  {}",
        grant.id, grant.entitlements, grant.because
    )
}

fn end(until: Option<Timestamp>) -> String {
    until.map_or("no end".to_owned(), minute)
}

/// `2026-11-24 09:05 UTC`.
fn minute(at: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp(at.seconds()).map_or_else(
        |_| String::new(),
        |at| format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute()),
    )
}

fn reader(text: &str) -> anyhow::Result<ExternalReader> {
    if text.contains('@') {
        return Ok(ExternalReader::Email(latchkey_store::normalise_email(text)?));
    }
    let id = AccountId::parse(text).context("a reader is named by an account id (acc_…) or an e-mail address")?;
    Ok(ExternalReader::Account(id))
}

fn sites(config: &Config, wanted: &[String]) -> anyhow::Result<Sites> {
    if wanted.is_empty() {
        return Ok(Sites::All);
    }
    let known: Vec<&SiteId> = config.sites.iter().map(|site| &site.id).collect();
    let find = |wanted: &String| {
        let found = known.iter().find(|site| site.as_str() == wanted);
        found.map(|site| (*site).clone()).with_context(|| {
            let names: Vec<&str> = known.iter().map(|site| site.as_str()).collect();
            format!("there is no site {wanted}; the configuration has {}", names.join(", "))
        })
    };
    wanted.iter().map(find).collect::<anyhow::Result<_>>().map(Sites::Only)
}
