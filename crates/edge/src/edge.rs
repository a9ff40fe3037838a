//! The edge: what it holds, and the order in which a request is treated.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{body::Body, extract::ConnectInfo};
use http::{Request, Response};
use hyper_util::client::legacy::Client;
use latchkey_bundle::RevocationSet;
use latchkey_entitlement::{Clock, SiteId};
use latchkey_page::FilterList;
use latchkey_token::PassClaims;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    EdgeConfig, EdgeError,
    config::SiteHost,
    connect::{Connector, client, connector},
    cookies::{Cookies, Name},
    counters::{Counters, Counts},
    enter, headers,
    kept::Kept,
    limits::MAX_TUNNELS,
    memo::PageMemo,
    own, pages, proxy,
    reader::{self, Circumstances, Reader},
    renewal::{self, Renewals},
    server::Server,
    sites::{Site, Snapshot},
    wellformed,
};

/// The proxy on the hosts of an instance's sites.
pub struct Edge {
    pub(crate) config: EdgeConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) hosts: HashMap<String, SiteHost>,
    pub(crate) wanted: Vec<SiteId>,
    pub(crate) lists: Arc<Vec<FilterList>>,
    pub(crate) kept: Option<Kept>,
    pub(crate) snapshot: RwLock<Option<Arc<Snapshot>>>,
    pub(crate) revocations: RwLock<RevocationSet>,
    pub(crate) server: Server,
    pub(crate) origins: Client<Connector, Body>,
    pub(crate) renewals: Renewals,
    pub(crate) memo: Arc<PageMemo>,
    pub(crate) tunnels: Arc<Semaphore>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) shutdown: CancellationToken,
}

/// Where a hand-over arrives.
const ENTER: &str = "/.latchkey/enter";

/// One request, after it was judged well-formed and its host was found.
pub(crate) struct Visit {
    pub(crate) host: SiteHost,
    pub(crate) site: Arc<Site>,
    pub(crate) peer: SocketAddr,
    pub(crate) trusted: bool,
}

impl Edge {
    /// Starts: takes the last good bundle from disk, or waits a few seconds for the server's; then keeps both it and the
    /// revocations fresh until `shutdown`.
    pub async fn start(
        config: EdgeConfig,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Result<Arc<Self>, EdgeError> {
        let hosts = config.hosts()?;
        let server = Server::new(&config.server_url, &config.edge_token, connector(None, None)?)
            .ok_or_else(|| EdgeError::Config("the edge token has characters that a header cannot carry".to_owned()))?;
        let lists = config
            .filter_lists
            .iter()
            .map(|(name, text)| FilterList::parse(name, text))
            .collect();
        let mut wanted: Vec<SiteId> = config.sites.iter().map(|site| site.site.clone()).collect();
        wanted.sort();
        wanted.dedup();
        let edge = Arc::new(Self {
            origins: client(connector(config.origin_ca.as_deref(), config.origin_address)?),
            server,
            hosts,
            wanted,
            lists: Arc::new(lists),
            kept: config.state_dir.clone().map(Kept::new),
            snapshot: RwLock::default(),
            revocations: RwLock::default(),
            renewals: Renewals::default(),
            memo: Arc::new(PageMemo::new(config.limits.max_memo_bytes)),
            tunnels: Arc::new(Semaphore::new(MAX_TUNNELS)),
            counters: Arc::default(),
            clock,
            shutdown,
            config,
        });
        edge.first_bundle().await?;
        edge.spawn_pulls();
        Ok(edge)
    }

    /// A router that gives every request to [`Edge::handle`]. The peer is taken from [`ConnectInfo`]; without it no proxy is trusted.
    pub fn router(self: &Arc<Self>) -> axum::Router {
        let edge = self.clone();
        axum::Router::new().fallback(move |request: Request<Body>| {
            let edge = edge.clone();
            async move {
                let peer = request
                    .extensions()
                    .get::<ConnectInfo<SocketAddr>>()
                    .map(|ConnectInfo(peer)| *peer);
                edge.handle(request, peer.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0))))
                    .await
            }
        })
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// The version of the bundle that is in use.
    pub fn bundle_version(&self) -> u64 {
        self.current().map_or(0, |snapshot| snapshot.version)
    }

    /// Whether the server counts as down, so that expired passes are honoured.
    pub fn is_outage(&self) -> bool {
        self.server.breaker.is_open()
    }

    /// How many revocations are held.
    pub fn revocations_held(&self) -> usize {
        self.revocations.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Answers one request of `peer`. Never fails: what goes wrong is a page of its own.
    pub async fn handle(self: &Arc<Self>, request: Request<Body>, peer: SocketAddr) -> Response<Body> {
        let started = tokio::time::Instant::now();
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let mut class = String::new();
        let response = self.answer(request, peer, &mut class).await;
        tracing::info!(
            target: "latchkey::access",
            %method,
            path,
            status = response.status().as_u16(),
            class,
            ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        );
        response
    }

    async fn answer(
        self: &Arc<Self>,
        mut request: Request<Body>,
        peer: SocketAddr,
        class: &mut String,
    ) -> Response<Body> {
        let asked = match wellformed::check(&request) {
            Ok(host) => host,
            Err(refusal) => {
                self.counters.refused();
                // A code must not stay in the address of a page, whatever else is wrong with the request.
                let uri = request.uri();
                if uri.path() == ENTER && uri.query().is_some_and(|query| query.contains("code=")) {
                    return enter::failed("refused", "/");
                }
                return pages::refusal(refusal.status, refusal.why);
            }
        };
        let address = peer.ip().to_canonical();
        let trusted = headers::is_trusted(address, &self.config.trusted_proxies);
        let Some(host) = self.host(&asked, trusted, &request) else {
            return pages::refusal(http::StatusCode::MISDIRECTED_REQUEST, "This host is not served here.");
        };
        let Some(site) = self.current().and_then(|snapshot| snapshot.site(&host.site)) else {
            return pages::unavailable("The site is not ready yet.");
        };
        headers::delete_reserved(request.headers_mut());
        let visit = Visit {
            host,
            site,
            peer: SocketAddr::new(address, peer.port()),
            trusted,
        };
        let path = request.uri().path();
        if path == "/.latchkey" || path.starts_with(wellformed::OWN) {
            return own::serve(self, &visit, request).await;
        }
        if self.config.auth_only {
            return pages::not_found();
        }
        let (reader, renewable) = self.reader(&visit, &request);
        *class = reader.class.to_string();
        if renewable && !reader.reason.honours() {
            return renewal::send_to(self, &visit.host, &request);
        }
        proxy::serve(self, &visit, &reader, request).await
    }

    fn host<B>(&self, asked: &str, trusted: bool, request: &Request<B>) -> Option<SiteHost> {
        if let Some(host) = self.hosts.get(asked) {
            return Some(host.clone());
        }
        // A proxy's sub-request may carry the edge's own host; then the proxy says which one the reader asked for.
        let sub_request = trusted && request.uri().path() == "/.latchkey/auth";
        let (name, _) = headers::forwarded_host(request.headers())
            .filter(|_| sub_request)
            .and_then(crate::config::normal_host)?;
        self.hosts.get(&name).cloned()
    }

    /// The reader, and whether this request can be sent through a renewal.
    pub(crate) fn reader<B>(&self, visit: &Visit, request: &Request<B>) -> (Reader, bool) {
        let cookies = Cookies::of(request.headers(), visit.host.plain);
        let outage = self.server.breaker.is_open();
        let marked = cookies.is_marked(Name::Mark);
        let now = self.clock.now().seconds();
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let renewable = marked
            && !outage
            && !renewal::was_tried(&cookies, now)
            && reader::is_navigation(request.method(), request.headers())
            && (wellformed::to_path(target).is_some() || target.starts_with(wellformed::OWN));
        let circumstances = Circumstances {
            now,
            outage,
            marked,
            renewable,
        };
        let revoked = |claims: &PassClaims| {
            let revocations = self.revocations.read().unwrap_or_else(PoisonError::into_inner);
            revocations.verdict(&claims.aud, &claims.sub, &claims.sid, claims.iat)
        };
        (reader::read(&visit.site, &cookies, revoked, &circumstances), renewable)
    }

    pub(crate) fn current(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
