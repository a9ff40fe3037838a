//! `latchkey serve`.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use latchkey_edge::Edge;
use latchkey_server::{SmtpConfig, SmtpMailer, SmtpSecurity};
use latchkey_stripe_gateway::{
    CALL_TIMEOUT, Config as GatewayConfig, Gateway, LIVE_CALLS_PER_SECOND, SecretKey, TEST_CALLS_PER_SECOND, Wire,
};
use latchkey_sync::Ids;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{
    ambient::{SystemClock, SystemIds},
    cli::{Exit, Serve},
    commands::edge::edge_config,
    config::{Config, Environment, Secrets, examples, setting},
    instance::{Instance, Outside, end_streams, seal_key},
    listen,
};

/// Secrets without which there is nothing to serve.
pub(crate) const NEEDED: [&str; 4] = [
    "LATCHKEY_EDGE_TOKEN",
    "LATCHKEY_SEAL_KEY",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRETS",
];

/// Runs the account origin, and the edge beside it if asked, until it is asked to stop.
pub(crate) async fn run(file: &Path, serve: &Serve, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let secrets = Secrets(environment);
    secrets.all(&NEEDED)?;
    for finding in examples(&config) {
        tracing::warn!("{finding}");
    }
    let token = secrets.edge_token()?;
    let gateway = gateway(
        secrets.required("STRIPE_SECRET_KEY")?.expose(),
        config.stripe.base_url.clone(),
    )?;
    let gateway = match &config.stripe.portal_configuration {
        Some(id) => gateway.with_portal_configuration(id),
        None => gateway,
    };
    let gateway = limited(gateway, &config);
    let outside = Outside {
        livemode: gateway.livemode(),
        stripe: Arc::new(gateway),
        webhook_secrets: secrets.webhook_secrets()?,
        mailer: Arc::new(SmtpMailer::new(&smtp(&config, environment)?)?),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        seal: seal_key(environment)?,
        edge_token: token.clone(),
        api_token: secrets.api_token()?,
        payment_origins: vec![],
    };
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    listen::allow_connections();
    let listener = listen::bind(config.server.listen, "[server] listen").await?;
    let edge_listener = if serve.edge {
        Some(listen::bind(config.edge.listen, "[edge] listen").await?)
    } else {
        None
    };
    let address = listener.local_addr()?;
    let instance = Instance::start(&config, outside, &stop, &tasks).await?;
    let edge_settings = edge_config(&config, token, instance.keys.bundle_kid(), Some(address))?;
    let edge_stop = CancellationToken::new();
    let server = tasks.spawn(listen::serve(listener, instance.router, stop.clone(), listen::DRAIN));
    println!("The account origin listens on {address}. Ctrl-C stops it.");
    listen::stop_when_asked(edge_stop.clone());
    tasks.spawn(end_streams(instance.server, edge_stop.clone()));
    if let Some(listener) = edge_listener {
        let edge = Edge::start(edge_settings, Arc::new(SystemClock), edge_stop.clone()).await?;
        println!("The edge listens on {}.", config.edge.listen);
        listen::serve(listener, edge.router(), edge_stop.clone(), listen::DRAIN).await?;
    }
    // The edge stops first: it may still ask the server while it finishes.
    edge_stop.cancelled().await;
    stop.cancel();
    server.await??;
    tasks.close();
    tasks.wait().await;
    instance.store.close().await;
    Ok(Exit::Done)
}

/// The way to Stripe.
pub(crate) fn gateway(key: &str, base_url: Option<Url>) -> anyhow::Result<Gateway> {
    gateway_over(key, base_url, None)
}

/// The same over another wire than HTTPS.
pub(crate) fn gateway_over(key: &str, base_url: Option<Url>, wire: Option<Arc<dyn Wire>>) -> anyhow::Result<Gateway> {
    let jitter = || f64::from(SystemIds.secret().first().copied().unwrap_or_default()) / 256.0;
    let config = GatewayConfig {
        secret_key: SecretKey::new(key),
        base_url,
        timeout: CALL_TIMEOUT,
        jitter: Arc::new(jitter),
        clock: Arc::new(SystemClock),
        wire,
    };
    Gateway::new(config).context("STRIPE_SECRET_KEY or [stripe] base_url cannot be used")
}

/// At the pace of the configuration, or at the usual one of the key's mode.
pub(crate) fn limited(gateway: Gateway, config: &Config) -> Gateway {
    let usual = if gateway.livemode() {
        LIVE_CALLS_PER_SECOND
    } else {
        TEST_CALLS_PER_SECOND
    };
    gateway.limited(config.stripe.calls_per_second.unwrap_or(usual))
}

/// The mail server that letters go to.
pub(crate) fn smtp(config: &Config, environment: &Environment) -> anyhow::Result<SmtpConfig> {
    let mail = &config.mail;
    let host = mail.smtp_host.clone().ok_or_else(|| {
        setting(
            "[mail] smtp_host is not set\n  help: readers sign in by mail; name a mail server, or try `latchkey demo`",
        )
    })?;
    let from = mail.from.clone().ok_or_else(|| {
        setting("[mail] from is not set\n  help: write the sender of sign-in mails, like \"The Post <hello@publisher.example>\"")
    })?;
    let password = Secrets(environment).optional("LATCHKEY_SMTP_PASSWORD")?;
    let login = match (&mail.smtp_user, password) {
        (Some(user), Some(password)) => Some((user.clone(), password)),
        (Some(_), None) => {
            return Err(setting(
                "[mail] smtp_user is set and LATCHKEY_SMTP_PASSWORD is not\n  help: set it, or remove smtp_user for a mail server that asks for no password",
            )
            .into());
        }
        (None, _) => None,
    };
    let security = match (host.as_str(), mail.smtp_port) {
        ("localhost" | "127.0.0.1" | "::1", _) => SmtpSecurity::None,
        (_, Some(587)) => SmtpSecurity::StartTls,
        _ => SmtpSecurity::Tls,
    };
    Ok(SmtpConfig {
        host,
        port: mail.smtp_port,
        security,
        login,
        from,
    })
}
