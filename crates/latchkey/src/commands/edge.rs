//! `latchkey edge`.

use std::{fs, io::Read, net::SocketAddr, path::Path, sync::Arc};

use ipnet::IpNet;
use latchkey_edge::{Edge, EdgeConfig, Limits, SiteOrigin};
use latchkey_token::Secret;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    ambient::SystemClock,
    cli::{EdgeArgs, Exit},
    config::{Config, ConfigError, Environment, Secrets, setting},
    listen,
};

/// Runs the proxy until it is asked to stop.
pub(crate) async fn run(file: &Path, args: &EdgeArgs, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let token = Secrets(environment).edge_token()?;
    let bundle_key =
        config.edge.bundle_key.clone().ok_or_else(|| {
            setting("[edge] bundle_key is not set\n  help: `latchkey keys list` on the server prints it")
        })?;
    let mut edge = edge_config(&config, token, bundle_key, None)?;
    edge.auth_only = args.auth_only;
    let stop = CancellationToken::new();
    listen::allow_connections();
    let listener = listen::bind(config.edge.listen, "[edge] listen").await?;
    let edge = Edge::start(edge, Arc::new(SystemClock), stop.clone()).await?;
    println!("The edge listens on {}. Ctrl-C stops it.", config.edge.listen);
    listen::stop_when_asked(stop.clone());
    listen::serve(listener, edge.router(), stop, listen::DRAIN).await?;
    Ok(Exit::Done)
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
        text.parse::<IpNet>().map_err(|_| {
            setting(format!(
                "[edge] trusted_proxies: `{text}` is not a network such as 10.0.0.0/8 or 192.0.2.7/32"
            ))
        })
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
        trusted_proxies: trusted.collect::<Result<_, _>>()?,
        auth_only: false,
        origin_rewrite: false,
        origin_address: None,
        origin_ca: config.edge.origin_ca.as_deref().map(read_ca).transpose()?,
        filter_lists: lists.collect::<Result<_, _>>()?,
        limits: Limits::default(),
    })
}

/// Certificates of an authority, as text.
pub(crate) fn read_ca(file: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|why| {
        setting(format!(
            "[edge] origin_ca names {}, which cannot be read: {why}\n  help: give a PEM file of certificates",
            file.display()
        ))
    })
}

/// Largest filter list, in bytes; EasyList has about 2 MB.
const MAX_LIST_BYTES: u64 = 64 * 1024 * 1024;

/// A filter list: its name and its text.
pub(crate) fn read_list(file: &Path) -> Result<(String, String), ConfigError> {
    let name = file.display().to_string();
    let wrong = |why: String| {
        setting(format!(
            "the filter list {name} {why}\n  help: give a file in EasyList syntax, such as easylist.txt"
        ))
    };
    let mut bytes = Vec::new();
    fs::File::open(file)
        .and_then(|file| file.take(MAX_LIST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|why| wrong(format!("cannot be read: {why}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_LIST_BYTES) {
        return Err(wrong(format!("is larger than {MAX_LIST_BYTES} bytes")));
    }
    Ok((name, String::from_utf8_lossy(&bytes).into_owned()))
}
