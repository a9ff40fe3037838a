//! The parts of a test, and a browser that keeps cookies.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use latchkey_billing::{Currency, Interval, NoticePolicy, Once, Plan, PlanPrice, PriceTerms, WebhookSecrets, explain};
use latchkey_entitlement::{
    Clock, PlanId, PriceId, Scope, SiteId, Sites, Timestamp, Zone,
    policy::{CommentPolicy, SitePolicy},
    time::Pause,
};
use latchkey_server::{Keys, Mail, MailError, Mailer, MemoryMailbox, Parts, Secret, Server, ServerConfig, hash};
use latchkey_store::Store;
use latchkey_sync::{Ids, Stripe, Sync, SyncConfig};
use latchkey_testkit::{Database, each_database};
use latchkey_token::SealKey;
use serde_json::Value;
use tower::ServiceExt;
use uuid::Uuid;

use crate::{
    browser::{Answer, Browser},
    stripe::FakeStripe,
};

pub(crate) const ORIGIN: &str = "https://account.example.org";
pub(crate) const HOST: &str = "news.example.org";
pub(crate) const API_TOKEN: &str = "api-token-of-the-tests-01234567890";
pub(crate) const EDGE_TOKEN: &str = "edge-token-of-the-tests-0123456789";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_of_the_tests";

pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn pause(&self, length: Duration) -> Pause<'_> {
        Box::pin(tokio::time::sleep(length))
    }
}

#[derive(Default)]
struct Counted(AtomicU64);

impl Ids for Counted {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::SeqCst)) + (7 << 76) + (2 << 62))
    }

    fn secret(&self) -> [u8; 32] {
        hash(&self.0.fetch_add(1, Ordering::SeqCst).to_string())
    }
}

/// A mail server that can be told to be down; what it takes lies in a mailbox.
pub(crate) struct MailServer {
    mailbox: Arc<MemoryMailbox>,
    down_for: AtomicU64,
}

impl MailServer {
    /// Refuses the next `letters` letters.
    pub(crate) fn refuse(&self, letters: u64) {
        self.down_for.store(letters, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Mailer for MailServer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let left = self.down_for.load(Ordering::SeqCst);
        if left == 0 {
            return self.mailbox.send(mail).await;
        }
        self.down_for.store(left - 1, Ordering::SeqCst);
        Err(MailError::Refused("connection failed".to_owned()))
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Store,
    pub(crate) stripe: Arc<FakeStripe>,
    pub(crate) mailbox: Arc<MemoryMailbox>,
    pub(crate) mail_server: Arc<MailServer>,
    pub(crate) sync: Arc<Sync>,
    pub(crate) server: Server,
    pub(crate) router: Router,
}

/// Runs a test on SQLite and on PostgreSQL, in a world of its own on each.
pub(crate) async fn each_world(test: impl AsyncFn(&World)) {
    each_database(async |database| {
        let world = World::new(database).await;
        test(&world).await;
        world.store.close().await;
    })
    .await;
}

impl World {
    async fn new(database: &Database) -> Self {
        let clock = Arc::new(ManualClock(AtomicI64::new(crate::stripe::at(1_795_500_000).0)));
        let store = database.open().await;
        let ids: Arc<dyn Ids> = Arc::new(Counted::default());
        let stripe = FakeStripe::new(clock.clone());
        let mailbox = MemoryMailbox::new(clock.clone());
        let mail_server = Arc::new(MailServer {
            mailbox: mailbox.clone(),
            down_for: AtomicU64::new(0),
        });
        let config = config();
        let sync_config = SyncConfig {
            plans: config.plans.clone(),
            derive: latchkey_billing::DerivePolicy::default(),
            webhook_secrets: WebhookSecrets::new([WEBHOOK_SECRET]),
            livemode: false,
            notices: NoticePolicy::default(),
            reconcile_every: 600_000,
            full_round_every: 0,
        };
        let sync = Sync::new(
            store.clone(),
            stripe.clone() as Arc<dyn Stripe>,
            clock.clone(),
            ids.clone(),
            sync_config,
        );
        let seal = SealKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let keys = Keys::load_or_create(store.clone(), seal, clock.clone(), ids.clone())
            .await
            .unwrap();
        let server = Server::new(Parts {
            config,
            store: store.clone(),
            sync: Arc::clone(&sync),
            stripe: stripe.clone(),
            clock: clock.clone(),
            ids,
            mailer: mail_server.clone(),
            keys,
        });
        Self {
            clock,
            store,
            stripe,
            mailbox,
            mail_server,
            router: server.router(),
            server,
            sync,
        }
    }

    /// Does what is due in the outbox.
    pub(crate) async fn work_outbox(&self) {
        let effects = self.server.effects();
        self.sync.work_off_outbox(effects.as_ref()).await.unwrap();
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser {
            router: self.router.clone(),
            jar: BTreeMap::new(),
            peer: None,
        }
    }

    /// A browser whose requests come from an address.
    pub(crate) fn browser_at(&self, address: &str) -> Browser {
        Browser {
            peer: Some(address.parse().unwrap()),
            ..self.browser()
        }
    }

    /// A call of an edge or of another program with the token.
    pub(crate) async fn edge(&self, method: &str, path: &str, body: Value) -> Answer {
        self.program(method, path, body, Some(EDGE_TOKEN)).await
    }

    pub(crate) async fn program(&self, method: &str, path: &str, body: Value, token: Option<&str>) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        Answer::read(self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap()).await
    }

    /// The same with a body that may be anything.
    pub(crate) async fn edge_raw(&self, path: &str, media: &str, body: &'static str) -> Answer {
        let request = Request::post(path)
            .header("content-type", media)
            .header("authorization", format!("Bearer {EDGE_TOKEN}"));
        let request = request.body(Body::from(body)).unwrap();
        Answer::read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// The newest letter's text.
    pub(crate) fn last_letter(&self) -> String {
        self.mailbox
            .letters()
            .last()
            .expect("no letter was sent")
            .mail
            .text
            .clone()
    }

    /// The path of the newest letter's link.
    pub(crate) fn last_link(&self) -> String {
        let letter = self.last_letter();
        let line = letter
            .lines()
            .find(|line| line.starts_with(ORIGIN))
            .expect("no link in the letter");
        line[ORIGIN.len()..].to_owned()
    }

    pub(crate) fn last_code(&self) -> String {
        let letter = self.last_letter();
        letter
            .lines()
            .find_map(|line| line.strip_prefix("    "))
            .expect("no code in the letter")
            .to_owned()
    }

    /// A reader chooses a plan and comes to the payment page. Gives the browser and the session's id.
    pub(crate) async fn begin_checkout(&self, browser: &mut Browser, email: &str) -> String {
        let page = browser.get("/support?site=sit_news&to=/article-1").await;
        let mut form = page.hidden();
        form.push(("email".into(), email.into()));
        form.push(("price".into(), "prc_month".into()));
        let answer = browser.post("/support/checkout", &form).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        answer.location().rsplit('/').next().unwrap().to_owned()
    }

    /// Somebody who owns the address signs in at a new browser, with the link from the letter.
    pub(crate) async fn signs_in(&self, email: &str) -> Browser {
        let mut browser = self.browser();
        browser.submit("/sign-in", "/sign-in", &[("email", email)]).await;
        let link = self.last_link();
        browser.submit(&link, "/sign-in/link", &[]).await;
        assert_eq!(browser.get("/account").await.status, StatusCode::OK);
        browser
    }

    /// The whole walk up to a signed-in payer on the account origin.
    pub(crate) async fn payer(&self, email: &str) -> Browser {
        let mut browser = self.browser();
        let session = self.begin_checkout(&mut browser, email).await;
        self.stripe.pay(&session);
        let answer = browser.get(&format!("/return?session_id={session}")).await;
        assert!(
            answer
                .location()
                .starts_with("https://news.example.org/.latchkey/enter"),
            "{answer:?}"
        );
        browser
    }

    /// The hand-over to the site; gives what the edge gets.
    pub(crate) async fn enter(&self, browser: &mut Browser) -> Value {
        let code = self.enter_code(browser, "nonce-1").await;
        let answer = self
            .edge(
                "POST",
                "/edge/v1/enter",
                serde_json::json!({"host": HOST, "code": code, "nonce": "nonce-1"}),
            )
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    pub(crate) async fn enter_code(&self, browser: &mut Browser, nonce: &str) -> String {
        let answer = browser
            .get(&format!(
                "/account/enter?host={HOST}&nonce={}&to=/article-1",
                nonce_hash(nonce)
            ))
            .await;
        let location = answer.location();
        assert!(
            location.starts_with("https://news.example.org/.latchkey/enter?code="),
            "{location}"
        );
        let query = location.split_once("code=").unwrap().1;
        query.split('&').next().unwrap().to_owned()
    }
}

pub(crate) fn nonce_hash(nonce: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash(nonce))
}

fn config() -> ServerConfig {
    let mut config = ServerConfig::new(ORIGIN, "The Daily Example", Secret::new(EDGE_TOKEN));
    config.api_token = Some(Secret::new(API_TOKEN));
    let news = SiteId::parse("sit_news").unwrap();
    let mut site = SitePolicy::new(news.clone(), "The Daily Example".into());
    site.hosts = vec![HOST.into()];
    site.comments = CommentPolicy {
        forbidden_words: vec!["darn".into()],
        entitlement_needed: false,
    };
    let sport = SiteId::parse("sit_sport").unwrap();
    let mut other = SitePolicy::new(sport.clone(), "Sport".into());
    other.hosts = vec!["sport.example.org".into()];
    config.sites = vec![site, other];
    config.site_secrets = BTreeMap::from([
        (news, Secret::new("secret of news")),
        (sport, Secret::new("secret of sport")),
    ]);
    let price = |id: &str, stripe: &str, amount_minor, interval| PlanPrice {
        id: PriceId::parse(id).unwrap(),
        stripe_price: stripe.into(),
        currency: Currency::parse("eur").unwrap(),
        amount_minor,
        interval,
        interval_count: 1,
        once: None,
        terms: PriceTerms::default(),
    };
    config.time_zone = explain::Zone::named("Europe/Berlin").unwrap();
    config.plans = vec![Plan {
        id: PlanId::parse("pln_support").unwrap(),
        key: "support".into(),
        name: "Supporter".into(),
        description: "Every page without ads.".into(),
        entitlements: Scope::parse("ad_free comments").unwrap(),
        sites: Sites::All,
        prices: vec![
            price("prc_month", "price_month", 400, Interval::Month),
            PlanPrice {
                terms: PriceTerms {
                    promotion_codes: true,
                    ..PriceTerms::default()
                },
                ..price("prc_year", "price_year", 4000, Interval::Year)
            },
            PlanPrice {
                once: Some(Once {
                    span: "7d".parse().unwrap(),
                    zone: Zone::default(),
                }),
                ..price("prc_week", "price_week", 200, Interval::Week)
            },
        ],
    }];
    config
}
