//! The account origin's parts, put together: database, keys, Stripe, sync, pages. `serve` and the demo differ in what they pass in.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use latchkey_billing::{DerivePolicy, Interval, NoticePolicy, Once, Plan, PlanPrice, WebhookSecrets};
use latchkey_entitlement::{Clock, SiteId, Sites, Zone, time};
use latchkey_server::{Keys, Mailer, Parts, Server, ServerConfig};
use latchkey_store::Store;
use latchkey_stripe_gateway::SecretKey;
use latchkey_sync::{Ids, Stripe, Sync, SyncConfig};
use latchkey_token::{SealKey, Secret};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::config::{Config, Environment, LettersSection, PlanSection, Secrets, setting, without_password};

/// How often keys are looked at: a rotation is due or was made by another server.
const KEYS_EVERY: Duration = Duration::from_secs(30);
/// How often what nothing needs any more is deleted.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// What an instance needs from outside; the demo has doubles for some of it.
pub(crate) struct Outside {
    pub(crate) stripe: Arc<dyn Stripe>,
    pub(crate) livemode: bool,
    pub(crate) webhook_secrets: Vec<String>,
    pub(crate) mailer: Arc<dyn Mailer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) seal: SealKey,
    pub(crate) edge_token: Secret,
    /// What opens the operator's API.
    pub(crate) api_token: Option<Secret>,
    /// Origins of Stripe's pages beside Stripe's own.
    pub(crate) payment_origins: Vec<String>,
}

/// A running account origin.
pub(crate) struct Instance {
    pub(crate) server: Server,
    pub(crate) router: axum::Router,
    pub(crate) keys: Arc<Keys>,
    pub(crate) store: Store,
}

/// Opens the database, bringing it up to date; a newer one is refused.
pub(crate) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let store = Store::open(&config.database.url)
        .await
        .with_context(|| format!("opening the database {}", without_password(&config.database.url)))?;
    store.migrate().await.context("bringing the database up to date")?;
    Ok(store)
}

/// Whether the Stripe key is a live one: what was bought in test mode is no revenue.
pub(crate) fn livemode(environment: &Environment) -> anyhow::Result<bool> {
    let key = Secrets(environment).required("STRIPE_SECRET_KEY")?;
    Ok(SecretKey::new(key.expose())
        .livemode()
        .ok_or(latchkey_stripe_gateway::ConfigError::Key)?)
}

/// The key that seals what is secret in the database.
pub(crate) fn seal_key(environment: &Environment) -> anyhow::Result<SealKey> {
    let text = Secrets(environment).required("LATCHKEY_SEAL_KEY")?;
    SealKey::from_base64(text.expose())
        .map_err(|why| setting(format!("LATCHKEY_SEAL_KEY cannot be used: {why}")).into())
}

impl Instance {
    /// Starts everything but the listener; tasks end when `stop` is cancelled and are waited for through `tasks`.
    pub(crate) async fn start(
        config: &Config,
        outside: Outside,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> anyhow::Result<Self> {
        let store = open_store(config).await?;
        let plans = plans(config);
        store.replace_plans(&plans, outside.clock.now()).await?;
        let site_secrets = site_secrets(config, &store, &outside).await?;
        let keys = Keys::load_or_create(
            store.clone(),
            outside.seal,
            Arc::clone(&outside.clock),
            Arc::clone(&outside.ids),
        )
        .await?;
        let sync = Sync::new(
            store.clone(),
            Arc::clone(&outside.stripe),
            Arc::clone(&outside.clock),
            Arc::clone(&outside.ids),
            sync_config(config, plans.clone(), outside.webhook_secrets, outside.livemode),
        );
        let mut settings = ServerConfig::new(config.issuer(), &config.instance.publication, outside.edge_token);
        settings.api_token = outside.api_token;
        settings.sites = config.policies();
        settings.plans = plans;
        settings.pass_life_seconds = config.server.pass_life_seconds;
        settings.session_life_days = config.server.session_life_days;
        settings.site_secrets = site_secrets;
        settings.time_zone = config.zone();
        settings.payment_origins.extend(outside.payment_origins);
        let server = Server::new(Parts {
            config: settings,
            store: store.clone(),
            sync: Arc::clone(&sync),
            stripe: outside.stripe,
            clock: Arc::clone(&outside.clock),
            ids: outside.ids,
            mailer: outside.mailer,
            keys: Arc::clone(&keys),
        });
        tasks.spawn(Arc::clone(&sync).work_outbox(server.effects(), stop.clone().cancelled_owned()));
        tasks.spawn(sync.work(stop.clone().cancelled_owned()));
        tasks.spawn(turn_keys(Arc::clone(&keys), stop.clone()));
        tasks.spawn(prune(store.clone(), outside.clock, stop.clone()));
        Ok(Self {
            router: server.router(),
            server,
            keys,
            store,
        })
    }
}

/// What a sync needs to know of the configuration.
pub(crate) fn sync_config(
    config: &Config,
    plans: Vec<Plan>,
    webhook_secrets: Vec<String>,
    livemode: bool,
) -> SyncConfig {
    SyncConfig {
        plans,
        derive: derive_policy(config),
        webhook_secrets: WebhookSecrets::new(webhook_secrets),
        livemode,
        notices: notice_policy(config),
        reconcile_every: i64::from(config.server.reconcile_minutes) * time::MINUTE,
        full_round_every: i64::from(config.server.reconcile_full_hours) * time::HOUR,
    }
}

pub(crate) fn derive_policy(config: &Config) -> DerivePolicy {
    DerivePolicy {
        renewal_slack_ms: i64::from(config.server.renewal_slack_hours) * time::HOUR,
        past_due_grace_ms: i64::from(config.server.past_due_grace_days) * time::DAY,
        money_back: config.money_back,
    }
}

const fn notice_policy(config: &Config) -> NoticePolicy {
    let LettersSection {
        receipts,
        renewal_ahead_days,
        trial_ending_days,
        card_expiring_days,
        access_ended,
    } = config.letters;
    NoticePolicy {
        receipts,
        renewal_ahead_days,
        trial_ending_days,
        card_expiring_days,
        access_ended,
    }
}

/// The plans of the configuration; each counts on every site.
pub(crate) fn plans(config: &Config) -> Vec<Plan> {
    let zone = config.instance.time_zone.clone().unwrap_or_default();
    config.plans.iter().map(|section| plan(section, &zone)).collect()
}

fn plan(section: &PlanSection, zone: &Zone) -> Plan {
    let prices = section.prices.iter().map(|price| PlanPrice {
        id: price.id.clone(),
        stripe_price: price.stripe_price.clone(),
        currency: price.currency.clone(),
        amount_minor: price.amount_minor,
        // A price has either; the configuration was checked.
        interval: price.interval.unwrap_or(Interval::Day),
        interval_count: price.interval_count,
        once: price.once.map(|span| Once {
            span,
            zone: zone.clone(),
        }),
        terms: price.terms(),
    });
    Plan {
        id: section.id.clone(),
        key: section.id.as_str().to_owned(),
        name: section.name.clone(),
        description: section.description.clone(),
        entitlements: section.entitlements.clone(),
        sites: Sites::All,
        prices: prices.collect(),
    }
}

/// Under which setting the key of a site's pairwise subjects is kept.
pub(crate) fn site_secret_name(site: &SiteId) -> String {
    format!("site_secret.{site}")
}

/// The keys of pairwise subjects, one a site, made once and kept sealed.
async fn site_secrets(
    config: &Config,
    store: &Store,
    outside: &Outside,
) -> anyhow::Result<BTreeMap<SiteId, Secret<Vec<u8>>>> {
    let mut secrets = BTreeMap::new();
    for site in &config.sites {
        let name = site_secret_name(&site.id);
        let mut nonce = [0; 12];
        nonce
            .iter_mut()
            .zip(outside.ids.secret())
            .for_each(|(to, from)| *to = from);
        let sealed = outside.seal.seal(&name, nonce, &outside.ids.secret());
        let kept = store.put_setting_if_absent(&name, &sealed).await?;
        let secret = outside.seal.open(&name, &kept).map_err(|_| {
            setting(format!(
                "the secret of {} in the database cannot be opened\n  help: LATCHKEY_SEAL_KEY is not the one with which it was sealed; start with that one",
                site.id
            ))
        })?;
        secrets.insert(site.id.clone(), Secret::new(secret.to_vec()));
    }
    Ok(secrets)
}

/// Ends the streams of `server` when `stop` is cancelled, so that its listener need not wait for them.
pub(crate) async fn end_streams(server: Server, stop: CancellationToken) {
    stop.cancelled().await;
    server.end_streams();
}

async fn turn_keys(keys: Arc<Keys>, stop: CancellationToken) {
    while sleep(KEYS_EVERY, &stop).await {
        if let Err(error) = keys.tick().await {
            tracing::warn!(%error, "keys were not looked at; trying again");
        }
    }
}

async fn prune(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) {
    while sleep(PRUNE_EVERY, &stop).await {
        if let Err(error) = store.prune(clock.now()).await {
            tracing::warn!(%error, "nothing was pruned; trying again");
        }
    }
}

/// Sleeps; false if it was time to stop.
async fn sleep(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}
