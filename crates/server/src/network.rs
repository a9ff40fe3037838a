//! Which network a request came from, for limits: never kept in the clear.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use crate::{Problem, ServerConfig, secrets, server::App};

/// The network of the client: /24 for IPv4, /56 for IPv6, which is what one household or one phone has.
#[derive(Clone, Debug)]
pub(crate) struct Network(Option<String>);

impl FromRequestParts<App> for Network {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip());
        let client = peer.map(|peer| client(peer, &parts.headers, &app.config));
        // A client on this machine is a person trying things out, or a proxy that is not named as trusted: counting either
        // would refuse readers who have nothing to do with one another.
        Ok(Self(
            client
                .filter(|address| !address.to_canonical().is_loopback())
                .map(prefix),
        ))
    }
}

/// The last address that a trusted proxy did not vouch for as its own.
fn client(peer: IpAddr, headers: &HeaderMap, config: &ServerConfig) -> IpAddr {
    let trusted = |address: &IpAddr| config.trusted_proxies.iter().any(|net| net.contains(address));
    if !trusted(&peer) {
        return peer;
    }
    let forwarded = headers.get_all("x-forwarded-for");
    let named: Vec<IpAddr> = forwarded
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|address| address.trim().parse().ok())
        .collect();
    named
        .into_iter()
        .rev()
        .find(|address| !trusted(address))
        .unwrap_or(peer)
}

fn prefix(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(four) => (u32::from(four) >> 8).to_string(),
        IpAddr::V6(six) => format!("6-{:x}", u128::from(six) >> 72),
    }
}

/// How often something may happen within a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Name of the limit, part of every bucket.
    pub(crate) name: &'static str,
    pub(crate) window_ms: i64,
    pub(crate) most: u32,
}

impl Limit {
    /// Counts one more for `who`; too many are refused in words that say how long to wait.
    pub(crate) async fn hit(self, app: &App, who: &str, what: &str) -> Result<(), Problem> {
        if self.allows(app, who).await? {
            return Ok(());
        }
        Err(Problem::too_many(
            what,
            u32::try_from(self.window_ms / 1000).unwrap_or(u32::MAX),
        ))
    }

    /// Counts one more for `who` and says whether it is still allowed.
    pub(crate) async fn allows(self, app: &App, who: &str) -> Result<bool, Problem> {
        let hashed: String = secrets::encode(&secrets::hash(who)).chars().take(22).collect();
        Ok(app
            .store
            .hit(
                &format!("{}:{hashed}", self.name),
                self.window_ms,
                self.most,
                app.clock.now(),
            )
            .await?)
    }
}

impl Network {
    /// Counts one more request of this network for `whom`.
    pub(crate) async fn limit_for(&self, app: &App, limit: Limit, whom: &str, what: &str) -> Result<(), Problem> {
        let network = self.0.as_deref().unwrap_or("this machine");
        limit.hit(app, &format!("{network} {whom}"), what).await
    }

    /// Counts one more request of this network.
    pub(crate) async fn limit(&self, app: &App, limit: Limit, what: &str) -> Result<(), Problem> {
        match &self.0 {
            Some(network) => limit.hit(app, network, what).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[test]
    fn a_forwarded_address_counts_only_behind_a_trusted_proxy() {
        let mut config = ServerConfig::new("https://a.example", "A", Secret::new("t"));
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-forwarded-for",
            "198.51.100.7, 203.0.113.9, 10.0.0.2".parse().unwrap(),
        );
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(client(peer, &headers, &config), peer);
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        assert_eq!(
            client(peer, &headers, &config),
            "203.0.113.9".parse::<IpAddr>().unwrap()
        );
    }
}
