//! An edge with a real origin, and an account server that speaks the protocol of `/edge/v1` with real tokens and bundles.
#![allow(
    clippy::expect_used,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test file uses its part"
)]

pub mod account;
pub mod origin;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use latchkey_edge::{Edge, EdgeConfig, EdgeError, Limits, Secret, SiteOrigin};
use latchkey_entitlement::{Clock, SiteId, Timestamp, policy::SitePolicy, time::Pause};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

pub use account::Account;

pub const TOKEN: &str = "edge-token-for-tests-0123456789abcdef";
pub const START: i64 = 1_800_000_000;

/// A clock that stands until it is moved.
pub struct TestClock(AtomicI64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(START))
    }
}

impl TestClock {
    pub fn seconds(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.seconds())
    }

    fn pause(&self, length: Duration) -> Pause<'_> {
        Box::pin(tokio::time::sleep(length))
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn location(&self) -> &str {
        self.header("location").expect("a Location")
    }

    /// The value that an answer gives a cookie; empty if it is taken away.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.headers.get_all("set-cookie").iter().find_map(|line| {
            let (key, rest) = line.to_str().unwrap().split_once('=')?;
            (key == name).then(|| rest.split(';').next().unwrap().to_owned())
        })
    }
}

pub struct Setup {
    pub policy: SitePolicy,
    pub origin: Router,
    pub state_dir: Option<PathBuf>,
    pub auth_only: bool,
    pub limits: Limits,
    pub origin_url: Option<String>,
    /// The address under which the origin knows itself; it is reached where it really is.
    pub elsewhere: Option<&'static str>,
    pub server_down: bool,
    pub trusted: Vec<ipnet::IpNet>,
    /// A host that readers reach over https, in place of one on the loopback.
    pub https_host: Option<&'static str>,
}

impl Setup {
    pub fn new(origin: Router) -> Self {
        Self {
            policy: SitePolicy::new(site(), "The Example Post".to_owned()),
            origin,
            state_dir: None,
            auth_only: false,
            limits: Limits::default(),
            origin_url: None,
            elsewhere: None,
            server_down: false,
            trusted: vec![],
            https_host: None,
        }
    }

    pub fn without_calls(mut self) -> Self {
        self.policy.call.enabled = false;
        self
    }

    pub async fn start(self) -> Kit {
        let account = Arc::new(Account::new());
        self.start_with(account, Arc::default()).await.expect("the edge starts")
    }

    pub async fn start_with(self, account: Arc<Account>, clock: Arc<TestClock>) -> Result<Kit, EdgeError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let host = self
            .https_host
            .map_or_else(|| format!("news.localhost:{}", address.port()), str::to_owned);
        let mut policy = self.policy;
        policy.hosts = vec![host.clone()];
        account.set_policy(policy);
        account.set_down(self.server_down);
        let server = serve(account.router()).await;
        let origin = serve(self.origin).await;
        let shutdown = CancellationToken::new();
        let config = EdgeConfig {
            sites: vec![SiteOrigin {
                site: site(),
                hosts: vec![host.clone()],
                origin: self
                    .elsewhere
                    .map(str::to_owned)
                    .or(self.origin_url)
                    .unwrap_or_else(|| format!("http://{origin}/"))
                    .parse()
                    .unwrap(),
            }],
            server_url: format!("http://{server}/").parse().unwrap(),
            account_origin: account::ISSUER.to_owned(),
            edge_token: Secret::new(TOKEN),
            bundle_key: account.bundle_kid(),
            state_dir: self.state_dir,
            trusted_proxies: self.trusted,
            auth_only: self.auth_only,
            origin_rewrite: self.elsewhere.is_some(),
            origin_address: self.elsewhere.map(|_| origin),
            origin_ca: None,
            filter_lists: vec![],
            limits: self.limits,
        };
        let edge = Edge::start(config, clock.clone(), shutdown.clone()).await?;
        let service = edge.router().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Ok(Kit {
            clock,
            account,
            edge,
            address,
            host,
            origin,
            shutdown: Some(shutdown.drop_guard()),
        })
    }
}

pub struct Kit {
    pub clock: Arc<TestClock>,
    pub account: Arc<Account>,
    pub edge: Arc<Edge>,
    pub address: SocketAddr,
    pub host: String,
    pub origin: SocketAddr,
    pub shutdown: Option<tokio_util::sync::DropGuard>,
}

pub fn site() -> SiteId {
    SiteId::parse("sit_news").unwrap()
}

pub async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

impl Kit {
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers, "").await
    }

    /// What a browser sends when its reader goes to a page.
    pub async fn visit(&self, path: &str, cookies: &str) -> Answer {
        let navigation = [
            ("accept", "text/html,*/*;q=0.8"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        let mut headers = navigation.to_vec();
        if !cookies.is_empty() {
            headers.push(("cookie", cookies));
        }
        self.get(path, &headers).await
    }

    /// The same with `If-None-Match`.
    pub async fn revisit(&self, path: &str, cookies: &str, tag: &str) -> Answer {
        let headers = [
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("if-none-match", tag),
            ("cookie", cookies),
        ];
        self.get(path, &headers).await
    }

    /// A pass of 15 minutes from now.
    pub fn pass(&self) -> String {
        self.account.pass(self.clock.seconds(), "ad_free", None)
    }

    pub fn payer(&self) -> String {
        format!("latchkey_pass={}", self.pass())
    }

    /// Bytes as they are; the answer up to its end, or what came in a second.
    pub async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream
            .write_all(request.replace("HOST", &self.host).as_bytes())
            .await
            .unwrap();
        let mut out = vec![];
        let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut out)).await;
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Waits until `condition`, for a few seconds at most.
    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..200 {
            if condition(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{what} did not happen");
    }
}
