//! `latchkey edge`.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use anyhow::Context;
use ipnet::IpNet;
use latchkey_edge::{Edge, EdgeConfig, Limits, SiteOrigin};
use latchkey_token::Secret;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    ambient::SystemClock,
    cli::{EdgeArgs, Exit},
    config::{Config, Environment, Secrets},
    listen,
};

/// Runs the proxy until it is asked to stop.
pub(crate) async fn run(file: &Path, args: &EdgeArgs, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let token = Secrets(environment).edge_token()?;
    let bundle_key = config
        .edge
        .bundle_key
        .clone()
        .context("[edge] bundle_key is not set\n  help: `latchkey keys list` on the server prints it")?;
    let mut edge = edge_config(&config, token, bundle_key, None)?;
    edge.auth_only = args.auth_only;
    let stop = CancellationToken::new();
    let listener = listen::bind(config.edge.listen, "[edge] listen").await?;
    let edge = Edge::start(edge, Arc::new(SystemClock), stop.clone()).await?;
    println!("The edge listens on {}. Ctrl-C stops it.", config.edge.listen);
    stop_when_asked(stop.clone());
    listen::serve(listener, edge.router(), stop).await?;
    Ok(Exit::Done)
}

/// Cancels `stop` at Ctrl-C or SIGTERM.
pub(crate) fn stop_when_asked(stop: CancellationToken) {
    tokio::spawn(async move {
        listen::asked_to_stop().await;
        eprintln!("Stopping: what was begun is finished.");
        stop.cancel();
    });
}

/// The edge's settings from the file; `server` is the account origin within the same process, if it runs there.
pub(crate) fn edge_config(
    config: &Config,
    edge_token: Secret,
    bundle_key: String,
    server: Option<SocketAddr>,
) -> anyhow::Result<EdgeConfig> {
    let server_url = match (&config.edge.server_url, server) {
        (Some(url), _) => url.clone(),
        (None, Some(address)) => Url::parse(&format!("http://{address}/"))?,
        (None, None) => config.instance.account_origin.clone(),
    };
    let trusted = config.edge.trusted_proxies.iter().map(|text| {
        text.parse::<IpNet>()
            .with_context(|| format!("[edge] trusted_proxies: `{text}` is not a network such as 10.0.0.0/8"))
    });
    let lists = config.edge.filter_lists.iter().map(|file| read_list(file));
    let sites = config.sites.iter().map(|site| SiteOrigin {
        site: site.id.clone(),
        hosts: site.hosts.clone(),
        origin: site.origin.clone(),
    });
    Ok(EdgeConfig {
        sites: sites.collect(),
        server_url,
        account_origin: config.issuer(),
        edge_token,
        bundle_key,
        state_dir: config.edge.state_dir.clone(),
        trusted_proxies: trusted.collect::<anyhow::Result<_>>()?,
        auth_only: false,
        origin_rewrite: false,
        filter_lists: lists.collect::<anyhow::Result<_>>()?,
        limits: Limits::default(),
    })
}

/// A filter list: its name and its text.
pub(crate) fn read_list(file: &Path) -> anyhow::Result<(String, String)> {
    let bytes = fs::read(file).with_context(|| format!("reading the filter list {}", file.display()))?;
    Ok((file.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()))
}
