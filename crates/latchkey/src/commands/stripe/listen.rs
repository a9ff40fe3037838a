//! `latchkey stripe listen`: Stripe's events without an address that Stripe could reach.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use axum::body::Body;
use http::{Request, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use latchkey_billing::{StripeError, is_wanted, sign};
use latchkey_entitlement::Clock;
use latchkey_store::Store;
use latchkey_stripe_gateway::Gateway;
use latchkey_sync::{ReceiveOutcome, Stripe, Sync};
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use super::{told, way};
use crate::{
    ambient::{SystemClock, SystemIds},
    cli::{Exit, StripeListen},
    config::{Config, Environment, Secrets, authority, is_local, setting},
    instance::{open_store, plans, sync_config},
    listen::stop_when_asked,
};

/// How long a server gets to answer a forwarded event.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(10);

/// Where events go.
enum Destination {
    /// The inbox of this instance's database.
    Inbox(Arc<Sync>),
    /// A server on this machine, signed with a secret.
    Server {
        client: Box<Client<HttpConnector, Body>>,
        url: Url,
        host: String,
        secret: String,
    },
}

struct Listener {
    gateway: Arc<Gateway>,
    store: Store,
    destination: Destination,
    /// Name under which the newest event that went on is kept.
    mark: String,
    stop: CancellationToken,
}

/// Pulls until it is asked to stop.
pub(super) async fn run(file: &Path, options: &StripeListen, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let gateway = Arc::new(way(&config, environment)?);
    let store = open_store(&config).await?;
    let mode = if gateway.livemode() { "live" } else { "test" };
    let (destination, word) = match &options.forward_to {
        Some(url) => (server(url, environment)?, "forwarded"),
        None => (inbox(&config, &store, &gateway, environment), "newest"),
    };
    let listener = Listener {
        gateway,
        store,
        destination,
        mark: format!("listen.{word}_event.{mode}"),
        stop: CancellationToken::new(),
    };
    stop_when_asked(listener.stop.clone());
    let ended = listener.listen(options, mode).await;
    listener.store.close().await;
    ended.map(|()| Exit::Done)
}

fn inbox(config: &Config, store: &Store, gateway: &Arc<Gateway>, environment: &Environment) -> Destination {
    // Nothing is signed on this way, so that a secret is not needed.
    let secrets = Secrets(environment).webhook_secrets().unwrap_or_default();
    Destination::Inbox(Sync::new(
        store.clone(),
        Arc::clone(gateway) as Arc<dyn Stripe>,
        Arc::new(SystemClock),
        Arc::new(SystemIds),
        sync_config(config, plans(config), secrets, gateway.livemode()),
    ))
}

fn server(url: &Url, environment: &Environment) -> anyhow::Result<Destination> {
    let here = match url.host() {
        Some(Host::Domain(name)) => is_local(name),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if url.scheme() != "http" || !here {
        return Err(setting(format!(
            "--forward-to {url} is not on this machine\n  help: write it like http://account.localhost:8300/webhooks/stripe; elsewhere Stripe delivers itself"
        ))
        .into());
    }
    let secrets = Secrets(environment).webhook_secrets()?;
    let mut address = url.clone();
    // Names below localhost are this machine by RFC 6761, whatever resolves names here.
    if url.domain().is_some() {
        address.set_host(Some("127.0.0.1")).context("--forward-to")?;
    }
    Ok(Destination::Server {
        client: Box::new(Client::builder(TokioExecutor::new()).build(HttpConnector::new())),
        url: address,
        host: authority(url),
        secret: secrets.into_iter().next().unwrap_or_default(),
    })
}

impl Listener {
    async fn listen(&self, options: &StripeListen, mode: &str) -> anyhow::Result<()> {
        let mut mark = self.store.setting(&self.mark).await?;
        if mark.is_none() && !options.all {
            mark = Some(self.newest().await?);
            self.keep(mark.as_deref().unwrap_or_default()).await?;
        }
        let mut mark = mark.unwrap_or_default();
        println!("Listening for events of Stripe's {mode} mode. Ctrl-C stops.");
        while !self.stop.is_cancelled() {
            let more = match self.pull(&mut mark).await {
                Ok(more) => more,
                Err(error) if transient(&error) && !options.once => {
                    eprintln!("{error:#}; trying again in {} s", options.every);
                    false
                }
                Err(error) => return Err(error),
            };
            if options.once && !more {
                break;
            }
            // A full page is followed at once by the next one, and no sooner than Stripe's limit of calls allows.
            let pause = if more { 1 } else { u64::from(options.every) };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(Duration::from_secs(pause)) => {}
            }
        }
        Ok(())
    }

    /// The newest event there is; empty if Stripe has none.
    async fn newest(&self) -> anyhow::Result<String> {
        let newest = self.gateway.newest_event().await.map_err(|error| stripe(&error))?;
        Ok(newest.unwrap_or_default())
    }

    async fn keep(&self, mark: &str) -> anyhow::Result<()> {
        Ok(self.store.put_setting(&self.mark, mark).await?)
    }

    /// Takes what is newer than `mark`; true if there is more.
    async fn pull(&self, mark: &mut String) -> anyhow::Result<bool> {
        let known = if mark.is_empty() {
            None
        } else {
            self.gateway.events_after(mark).await.map_err(|error| stripe(&error))?
        };
        let (events, more) = match known {
            Some(page) => (page.events, page.has_more),
            // Nothing is known yet, or Stripe has forgotten it; what is here already counts once.
            None => (self.gateway.all_events().await.map_err(|error| stripe(&error))?, false),
        };
        for event in events {
            if self.stop.is_cancelled() {
                return Ok(false);
            }
            let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
            let (id, kind) = (text("id"), text("type"));
            if is_wanted(kind) {
                let became = self.deliver(&event).await?;
                println!("{id}  {kind}  {became}");
            }
            id.clone_into(mark);
            self.keep(id).await?;
        }
        Ok(more)
    }

    async fn deliver(&self, event: &Value) -> anyhow::Result<String> {
        let raw = event.to_string();
        match &self.destination {
            Destination::Inbox(sync) => Ok(match sync.receive_pulled(raw.as_bytes()).await? {
                ReceiveOutcome::New => "new",
                ReceiveOutcome::Duplicate => "known already",
                ReceiveOutcome::Kept => "kept, and not acted on",
            }
            .to_owned()),
            Destination::Server {
                client,
                url,
                host,
                secret,
            } => {
                let request = Request::post(url.as_str())
                    .header(header::HOST, host)
                    .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
                    .header("stripe-signature", sign(raw.as_bytes(), secret, SystemClock.now()))
                    .body(Body::from(raw))?;
                match timeout(FORWARD_TIMEOUT, client.request(request)).await {
                    Ok(Ok(answer)) => Ok(answer.status().to_string()),
                    Ok(Err(error)) if error.is_connect() => Err(Away(format!("{host} does not answer")).into()),
                    Ok(Err(_)) => Err(Away(format!("{host} broke off")).into()),
                    Err(_) => bail!("{host} gave no answer within {} s", FORWARD_TIMEOUT.as_secs()),
                }
            }
        }
    }
}

/// What may go by itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Away(String);

fn stripe(error: &StripeError) -> anyhow::Error {
    let words = told(error);
    if error.retry() {
        Away(words).into()
    } else {
        anyhow::anyhow!(words)
    }
}

fn transient(error: &anyhow::Error) -> bool {
    error.is::<Away>() || error.is::<latchkey_sync::ReceiveError>()
}
