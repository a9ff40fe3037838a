//! The parts of a world, put together as the binary does it.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use latchkey_billing::{DerivePolicy, MoneyBackPolicy, NoticePolicy, Plan, WebhookSecrets};
use latchkey_edge::{Edge, EdgeConfig, Limits, Secret as EdgeSecret, SiteOrigin};
use latchkey_entitlement::{
    Clock, SiteId, Timestamp,
    policy::SitePolicy,
    time::{MINUTE, Pause},
};
use latchkey_server::{Keys, MemoryMailbox, Parts as ServerParts, Secret, Server, ServerConfig, hash};
use latchkey_store::Store;
use latchkey_stripe_gateway::{CALL_TIMEOUT, Config as GatewayConfig, Gateway, SecretKey};
use latchkey_stripe_sandbox::{KEY_PREFIX, Sandbox, SandboxClock, SandboxConfig};
use latchkey_sync::{Effects, Ids, Stripe, Sync, SyncConfig};
use latchkey_token::SealKey;
use reqwest::{Client, redirect::Policy};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::{
    Database, SeededIds,
    checkout::{self, Selling},
    network::{Network, through},
    newspaper,
};

/// When every world begins: an ordinary Tuesday, in milliseconds.
const BEGIN: i64 = 1_795_500_000_000;
const SITE: &str = "sit_news";
const NAME: &str = "The Daily Example";

/// Everybody's time.
pub(crate) struct CityClock(pub(crate) Arc<SandboxClock>);

impl Clock for CityClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.now_ms())
    }

    fn pause(&self, length: Duration) -> Pause<'_> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// A running world.
pub(crate) struct Parts {
    pub(crate) clock: Arc<SandboxClock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) stripe_key: String,
    pub(crate) webhook_secret: String,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) network: Arc<Network>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) plans: Vec<Plan>,
    pub(crate) store: Store,
    pub(crate) sync: Arc<Sync>,
    pub(crate) effects: Arc<dyn Effects>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) mailbox: Arc<MemoryMailbox>,
    pub(crate) edge: Arc<Edge>,
    pub(crate) http: Client,
    pub(crate) account_origin: String,
    pub(crate) site: Url,
    pub(crate) stripe_pages: Url,
    _stop: DropGuard,
}

impl Parts {
    /// What is sold is said by `selling`, or else by [`checkout::plans`].
    pub(crate) async fn start(
        database: &Database,
        seed: u64,
        money_back: MoneyBackPolicy,
        selling: Option<&Selling<'_>>,
    ) -> Self {
        let [server, site, stripe_pages, stripe_api, origin] = [
            listener().await,
            listener().await,
            listener().await,
            listener().await,
            listener().await,
        ];
        let address = |listener: &TcpListener| listener.local_addr().expect("a bound listener has an address");
        let account_origin = format!("http://account.localhost:{}", address(&server).port());
        let site_host = format!("news.localhost:{}", address(&site).port());
        let stripe_origin = format!("http://stripe.localhost:{}", address(&stripe_pages).port());
        let stop = CancellationToken::new();
        let clock = Arc::new(SandboxClock::fixed(BEGIN));
        let now: Arc<dyn Clock> = Arc::new(CityClock(Arc::clone(&clock)));
        let ids: Arc<dyn Ids> = Arc::new(SeededIds::new(seed, Arc::clone(&now)));

        let stripe_key = format!("{KEY_PREFIX}{seed:020}");
        let webhook_secret = format!("whsec_{seed}");
        let config = sandbox_config(&stripe_key, &webhook_secret, address(&server), &stripe_origin);
        let sandbox = Sandbox::open(config, Arc::clone(&clock)).expect("the sandbox opens");
        let network = Arc::<Network>::default();
        let gateway = Arc::new(gateway(&stripe_key, address(&stripe_api), Arc::clone(&now)));
        serve(stripe_api, through(Arc::clone(&network), sandbox.api_router()), &stop);
        serve(stripe_pages, sandbox.pages_router(), &stop);
        let plans = checkout::sold(selling, &sandbox, gateway.as_ref()).await;

        let store = database.open().await;
        store
            .replace_plans(&plans, now.now())
            .await
            .expect("the plans are stored");
        let seal = SealKey::new(hash(&format!("{seed} seal")));
        let keys = Keys::load_or_create(store.clone(), seal, Arc::clone(&now), Arc::clone(&ids))
            .await
            .expect("keys");
        let mut sync_config = sync_config(&plans, &webhook_secret);
        sync_config.derive.money_back = money_back;
        let sync = Sync::new(
            store.clone(),
            Arc::clone(&gateway) as Arc<dyn Stripe>,
            Arc::clone(&now),
            Arc::clone(&ids),
            sync_config,
        );
        let mailbox = MemoryMailbox::new(Arc::clone(&now));
        let edge_token = format!("edge token {seed}").replace(' ', "-");
        let account = Server::new(ServerParts {
            config: server_config(&account_origin, &site_host, &stripe_origin, &plans, &edge_token),
            store: store.clone(),
            sync: Arc::clone(&sync),
            stripe: Arc::clone(&gateway) as Arc<dyn Stripe>,
            clock: Arc::clone(&now),
            ids: Arc::clone(&ids),
            mailer: Arc::<MemoryMailbox>::clone(&mailbox),
            keys: Arc::clone(&keys),
        });
        let effects = account.effects();
        let server_url = format!("http://{}/", address(&server));
        serve(server, account.router(), &stop);

        let own_site = format!("http://{}/", address(&origin));
        serve(origin, newspaper::router(), &stop);
        let mut config = edge_config(&site_host, &own_site, &server_url, &account_origin);
        config.edge_token = EdgeSecret::new(edge_token);
        config.bundle_key = keys.bundle_kid();
        let edge = Edge::start(config, now, stop.clone()).await.expect("the edge starts");
        serve(site, edge.router(), &stop);
        Self {
            clock,
            ids,
            stripe_key,
            webhook_secret,
            sandbox,
            network,
            gateway,
            plans,
            store,
            sync,
            effects,
            keys,
            mailbox,
            edge,
            http: client(),
            account_origin,
            site: format!("http://{site_host}/").parse().unwrap(),
            stripe_pages: stripe_origin.parse().unwrap(),
            _stop: stop.drop_guard(),
        }
    }
}

pub(crate) fn sync_config(plans: &[Plan], webhook_secret: &str) -> SyncConfig {
    SyncConfig {
        plans: plans.to_vec(),
        derive: DerivePolicy::default(),
        webhook_secrets: WebhookSecrets::new([webhook_secret]),
        livemode: false,
        notices: NoticePolicy::default(),
        reconcile_every: 10 * MINUTE,
        // Stories say when.
        full_round_every: 0,
    }
}

fn sandbox_config(key: &str, webhook_secret: &str, server: SocketAddr, stripe_origin: &str) -> SandboxConfig {
    SandboxConfig {
        secret_key: key.to_owned(),
        webhook_url: Some(format!("http://{server}/webhooks/stripe")),
        webhook_secret: webhook_secret.to_owned(),
        public_url: stripe_origin.to_owned(),
        data: None,
    }
}

fn gateway(key: &str, api: SocketAddr, clock: Arc<dyn Clock>) -> Gateway {
    let config = GatewayConfig {
        secret_key: SecretKey::new(key),
        base_url: Some(format!("http://{api}/").parse().unwrap()),
        timeout: CALL_TIMEOUT,
        // One process has nobody to be spread from.
        jitter: Arc::new(|| 0.0),
        clock,
        wire: None,
    };
    Gateway::new(config).expect("a gateway")
}

fn server_config(origin: &str, site_host: &str, stripe: &str, plans: &[Plan], edge_token: &str) -> ServerConfig {
    let mut config = ServerConfig::new(origin, NAME, Secret::new(edge_token));
    let id = SiteId::parse(SITE).unwrap();
    let mut site = SitePolicy::new(id.clone(), NAME.to_owned());
    site.hosts = vec![site_host.to_owned()];
    config.sites = vec![site];
    config.plans = plans.to_vec();
    config.site_secrets = BTreeMap::from([(id, Secret::new("of the site"))]);
    config.payment_origins.push(stripe.to_owned());
    config
}

/// All but the token and the key of the bundle.
fn edge_config(site_host: &str, own_site: &str, server_url: &str, account_origin: &str) -> EdgeConfig {
    EdgeConfig {
        sites: vec![SiteOrigin {
            site: SiteId::parse(SITE).unwrap(),
            hosts: vec![site_host.to_owned()],
            origin: own_site.parse().unwrap(),
        }],
        server_url: server_url.parse().unwrap(),
        account_origin: account_origin.to_owned(),
        edge_token: EdgeSecret::new(""),
        bundle_key: String::new(),
        state_dir: None,
        trusted_proxies: vec![],
        auth_only: false,
        origin_rewrite: false,
        origin_address: None,
        origin_ca: None,
        filter_lists: vec![],
        limits: Limits::default(),
    }
}

/// Browsers resolve every `*.localhost` name to this machine (RFC 6761 section 6.3); system resolvers need not.
fn client() -> Client {
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let hosts = ["account.localhost", "news.localhost", "stripe.localhost"];
    let builder = Client::builder().redirect(Policy::none()).no_proxy();
    let builder = hosts.iter().fold(builder, |builder, host| builder.resolve(host, here));
    builder.build().expect("a client")
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

fn serve(listener: TcpListener, router: Router, stop: &CancellationToken) {
    let stop = stop.clone().cancelled_owned();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).with_graceful_shutdown(stop).await });
}
