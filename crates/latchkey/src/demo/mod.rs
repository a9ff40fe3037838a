//! `latchkey demo`: a news site full of ads, an ad server that counts, a Stripe of its own, and Latchkey between them, on one port.

mod ads;
mod front;
mod hosts;
mod html;
mod mailbox;
mod real_site;
mod setup;
mod site;
mod stats;
mod tags;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use latchkey_edge::Edge;
use latchkey_entitlement::{Clock, Timestamp, time::Pause};
use latchkey_server::{MemoryMailbox, hash};
use latchkey_stripe_sandbox::{Sandbox, SandboxClock, SandboxConfig};
use latchkey_token::{SealKey, Secret};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::{
    ambient::{SystemClock, SystemIds},
    cli::{Demo, Exit},
    commands::{
        edge::{edge_config, read_list},
        serve::gateway,
    },
    config::{Config, Environment},
    instance::{Instance, Outside, end_streams},
    listen,
};
use hosts::DemoHosts;
use real_site::RealSite;

/// How long requests under way get to end at a stop: nobody waits for a demo.
const DRAIN: Duration = Duration::from_secs(2);

/// The demo's time: the system's, moved forward by the sandbox's control panel.
struct DemoClock(Arc<SandboxClock>);

impl Clock for DemoClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.now_ms())
    }

    fn pause(&self, length: Duration) -> Pause<'_> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// Runs the demo until Ctrl-C.
pub(crate) async fn run(options: Demo, environment: &Environment) -> anyhow::Result<Exit> {
    let port = options.port;
    let lists: Vec<_> = options
        .filter_list
        .iter()
        .map(|file| read_list(file))
        .collect::<Result<_, _>>()?;
    let public = listen::bind(SocketAddr::from(([127, 0, 0, 1], port)), "--port").await?;
    let data = data_folder(&options.data)?;
    let hosts = DemoHosts::on_port(port);
    let secrets = setup::Secrets::load_or_create(&data)?;
    let (origin, inside, stripe) = (loopback().await?, loopback().await?, loopback().await?);
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();

    let time = Arc::new(SandboxClock::new(|| SystemClock.now().0));
    let clock: Arc<dyn Clock> = Arc::new(DemoClock(Arc::clone(&time)));
    let sandbox = open_sandbox(&secrets, &hosts, inside.local_addr()?, &data, time)?;
    let stripe_url = format!("http://{}/", stripe.local_addr()?).parse()?;
    tasks.spawn(listen::serve(stripe, sandbox.api_router(), stop.clone(), DRAIN));
    let own_site = format!("http://{}/", origin.local_addr()?);
    tasks.spawn(listen::serve(origin, site::router(&hosts), stop.clone(), DRAIN));
    let gateway = Arc::new(gateway(&secrets.stripe_key, Some(stripe_url))?);
    let prices = setup::prices(gateway.as_ref())
        .await
        .context("setting up the sandbox's prices")?;
    let real_site = RealSite::find(&options).await?;
    let site_origin = real_site.as_ref().map_or(own_site, |site| site.origin.to_string());
    // Nothing but the database is taken from the environment: a demo must never meet real keys.
    let database = environment
        .plain("DATABASE_URL")
        .map(|url| ("DATABASE_URL".to_owned(), url));
    let database = Environment::from_pairs(database);
    let config = Config::from_toml(&setup::configuration(&hosts, &site_origin, &data, &prices), &database)?;

    let mailbox = MemoryMailbox::new(Arc::clone(&clock));
    let edge_token = Secret::new(secrets.edge);
    let outside = Outside {
        stripe: gateway,
        livemode: false,
        webhook_secrets: vec![secrets.webhook.clone()],
        mailer: Arc::<MemoryMailbox>::clone(&mailbox),
        clock: Arc::clone(&clock),
        ids: Arc::new(SystemIds),
        seal: SealKey::new(hash(&secrets.seal)),
        edge_token: edge_token.clone(),
        api_token: None,
        payment_origins: vec![format!("http://{}", hosts.stripe)],
    };
    let instance = Instance::start(&config, outside, &stop, &tasks).await?;
    let inside_address = inside.local_addr()?;
    tasks.spawn(listen::serve(inside, instance.router.clone(), stop.clone(), DRAIN));
    let mut settings = edge_config(&config, edge_token, instance.keys.bundle_kid(), Some(inside_address))?;
    if let Some(site) = &real_site {
        site.apply(&mut settings);
    }
    settings.filter_lists.extend(lists);
    let edge = Edge::start(settings, Arc::clone(&clock), stop.clone()).await?;
    let deliveries = sandbox.start_deliveries();

    let ads = ads::AdServer::new(&hosts);
    let stats = stats::StatsServer::new(&hosts);
    let letters = move || setup::letters(&mailbox);
    let by_host = vec![
        (hosts.account.clone(), instance.router),
        (hosts.site.clone(), edge.router()),
        (hosts.ads.clone(), ads.router()),
        (hosts.tags.clone(), tags::router(&hosts)),
        (hosts.stats.clone(), stats.router()),
        (hosts.stripe.clone(), sandbox.pages_router()),
        (hosts.mail.clone(), mailbox::router(&hosts, letters)),
        (hosts.front.clone(), front::router(&hosts, &ads, &stats)),
    ];
    setup::announce(&hosts, &data);
    if let Some(site) = &real_site {
        site.announce();
    }
    let public_stop = CancellationToken::new();
    listen::stop_when_asked(public_stop.clone());
    tasks.spawn(end_streams(instance.server, public_stop.clone()));
    listen::serve(public, dispatch(by_host), public_stop, DRAIN).await?;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    deliveries.abort();
    sandbox.flush()?;
    instance.store.close().await;
    println!("Stopped. The next start goes on with the data in {}.", data.display());
    Ok(Exit::Done)
}

/// The folder of the demo's data, made if it is not there.
fn data_folder(wanted: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(wanted)
        .and_then(|()| wanted.canonicalize())
        .with_context(|| {
            format!(
                "the demo's data cannot be kept in {}; --data says where",
                wanted.display()
            )
        })
}

fn open_sandbox(
    secrets: &setup::Secrets,
    hosts: &DemoHosts,
    server: SocketAddr,
    data: &Path,
    time: Arc<SandboxClock>,
) -> anyhow::Result<Arc<Sandbox>> {
    let config = SandboxConfig {
        secret_key: secrets.stripe_key.clone(),
        webhook_url: Some(format!("http://{server}/webhooks/stripe")),
        webhook_secret: secrets.webhook.clone(),
        public_url: format!("http://{}", hosts.stripe),
        data: Some(data.join("stripe")),
    };
    Ok(Sandbox::open(config, time)?)
}

async fn loopback() -> anyhow::Result<TcpListener> {
    listen::bind(SocketAddr::from(([127, 0, 0, 1], 0)), "--port").await
}

/// Every host of the demo on one listener.
fn dispatch(by_host: Vec<(String, Router)>) -> Router {
    let by_host = Arc::new(by_host);
    Router::new().fallback(move |request: Request<Body>| {
        let by_host = Arc::clone(&by_host);
        async move { route(&by_host, request).await }
    })
}

async fn route(by_host: &[(String, Router)], request: Request<Body>) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let host = host.to_ascii_lowercase();
    let router = by_host
        .iter()
        .find(|(name, _)| *name == host)
        .map(|(_, router)| router.clone());
    match router {
        Some(router) => router.oneshot(request).await.into_response(),
        None => (
            StatusCode::MISDIRECTED_REQUEST,
            "The demo has no such host. Begin at http://localhost and its port.\n",
        )
            .into_response(),
    }
}
