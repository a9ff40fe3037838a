//! Everything around the server that does not die: Stripe, the mail server, the readers, the database.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use latchkey_entitlement::{AccountId, EventId, PriceId, Timestamp};
use latchkey_store::{EventState, NewAttempt, Store};
use latchkey_stripe_sandbox::{KEY_PREFIX, Sandbox, SandboxClock, SandboxConfig, SubscriptionStatus};
use latchkey_testkit::Database;
use serde_json::Value;
use tempfile::TempDir;

use crate::mail::MailServer;

/// Readers, each with a subscription of their own.
const READERS: u32 = 16;
/// Signing secret of the webhook endpoint.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_of_the_deaths";
/// How long a subscription that renews counts beyond its period, in milliseconds: the configuration's default.
const SLACK: i64 = 72 * 3_600_000;
/// Pause between two looks at what is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A reader who has paid.
pub(crate) struct Payer {
    pub(crate) account: AccountId,
    pub(crate) customer: String,
    pub(crate) subscription: String,
    pub(crate) session: String,
    pub(crate) email: String,
}

pub(crate) struct Town {
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    pub(crate) http: reqwest::Client,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) mail: MailServer,
    pub(crate) payers: Vec<Payer>,
    pub(crate) store: Store,
    key: String,
    database: String,
}

/// The present, in milliseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "a real server in another process has the system's clock"
)]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("not so far away")
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

impl Town {
    pub(crate) async fn new(database: &Database) -> Self {
        let (port, key) = (free_port(), format!("{KEY_PREFIX}deaths"));
        let config = SandboxConfig {
            secret_key: key.clone(),
            // An endpoint, so that events are signed for it; the load delivers them itself.
            webhook_url: Some(format!("http://127.0.0.1:{port}/webhooks/stripe")),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
            public_url: "http://stripe.localhost:1".to_owned(),
            data: None,
        };
        let sandbox = Sandbox::open(config, Arc::new(SandboxClock::new(now))).expect("the sandbox opens");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let stripe = listener.local_addr().expect("its address");
        let router = sandbox.api_router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut town = Self {
            port,
            folder: tempfile::tempdir().expect("a folder"),
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .build()
                .expect("a client"),
            sandbox,
            mail: MailServer::start().await,
            payers: vec![],
            store: database.open().await,
            key,
            database: database.url().to_owned(),
        };
        let product = town.posts("/v1/products", "name=Supporter");
        let price = format!(
            "product={}&currency=eur&unit_amount=500&recurring[interval]=month",
            id(&product)
        );
        let price = town.posts("/v1/prices", &price);
        town.configure(&id(&price), stripe.port());
        for number in 0..READERS {
            let payer = town.given_payer(number, &id(&price)).await;
            town.payers.push(payer);
        }
        town
    }

    fn configure(&self, price: &str, stripe: u16) {
        let text = format!(
            "[instance]\npublication = \"The Harbour Post\"\naccount_origin = \"http://account.localhost:{port}\"\n\
             [server]\nlisten = \"127.0.0.1:{port}\"\n[stripe]\nbase_url = \"http://127.0.0.1:{stripe}/\"\n\
             [mail]\nsmtp_host = \"localhost\"\nsmtp_port = {mail}\nfrom = \"The Harbour Post <post@publisher.example>\"\n\
             [[site]]\nid = \"sit_news\"\nhosts = [\"news.localhost:{port}\"]\norigin = \"http://127.0.0.1:1/\"\n\
             [[plan]]\nid = \"pln_supporter\"\nname = \"Supporter\"\nentitlements = \"ad_free\"\n\
             [[plan.price]]\nid = \"prc_monthly\"\nstripe_price = \"{price}\"\ncurrency = \"eur\"\namount_minor = 500\n\
             interval = \"month\"\n",
            port = self.port,
            mail = self.mail.port,
        );
        std::fs::write(self.folder.path().join("latchkey.toml"), text).expect("a file");
    }

    pub(crate) fn secrets(&self) -> [(&'static str, &str); 5] {
        [
            ("STRIPE_SECRET_KEY", &self.key),
            ("STRIPE_WEBHOOK_SECRETS", WEBHOOK_SECRET),
            ("LATCHKEY_SEAL_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
            ("LATCHKEY_EDGE_TOKEN", "edge-token-of-the-deaths-0123456789"),
            ("DATABASE_URL", &self.database),
        ]
    }

    /// Somebody who has begun to pay here and has paid at Stripe; how a browser does both is told elsewhere.
    async fn given_payer(&self, number: u32, price: &str) -> Payer {
        let account = AccountId::parse(&format!("acc_{number}")).unwrap();
        let attempt = EventId::parse(&format!("evt_attempt{number}")).unwrap();
        let (email, at) = (format!("reader{number}@reader.example"), Timestamp(now()));
        self.store.create_account(&account, at).await.unwrap();
        self.store.set_unproven_email(&account, &email, at).await.unwrap();
        let customer = id(&self.posts("/v1/customers", &format!("metadata[latchkey_account]={account}")));
        self.store.link_customer(&customer, &account, false, at).await.unwrap();
        let new = NewAttempt {
            id: attempt.clone(),
            account: account.clone(),
            nonce_hash: [0; 32],
            price: PriceId::parse("prc_monthly").unwrap(),
            site: None,
            return_to: "/".to_owned(),
            now: at,
        };
        self.store.create_attempt(new).await.unwrap();
        let session = id(&self.posts(
            "/v1/checkout/sessions",
            &format!(
                "mode=subscription&customer={customer}&client_reference_id={account}&line_items[0][price]={price}\
                 &line_items[0][quantity]=1&success_url=http://account.localhost/return&cancel_url=http://account.localhost/support"
            ),
        ));
        assert!(self.store.attach_stripe_session(&attempt, &session).await.unwrap());
        self.sandbox
            .control()
            .pay_session(&session, "4242424242424242")
            .expect("the card is good");
        let all = self.sandbox.control().subscriptions();
        let own = all.iter().find(|one| one.customer == customer).expect("it was bought");
        Payer {
            account,
            subscription: own.id.clone(),
            customer,
            session,
            email,
        }
    }

    /// A call of Stripe's API, as from its dashboard.
    pub(crate) fn posts(&self, path: &str, body: &str) -> Value {
        let answer = self.sandbox.call_from_dashboard("POST", path, body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).expect("the sandbox answers in JSON")
    }

    /// What every server said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    /// Waits until nothing is left to do: no event pending, no customer waiting or leased, no letter due.
    pub(crate) async fn is_quiet_within(&self, patience: Duration) {
        let until = tokio::time::Instant::now() + patience;
        loop {
            let pending = self.store.list_events(Some(EventState::Pending), 1).await.unwrap();
            let mut waiting = self
                .store
                .customers_not_synced_since(Timestamp(i64::MAX), 1000)
                .await
                .unwrap();
            waiting.retain(|customer| customer.dirty_at.is_some() || customer.lease_owner.is_some());
            let letters = self.mail.letters();
            let unsent = self
                .payers
                .iter()
                .filter(|payer| !letters.contains_key(&payer.email))
                .count();
            if pending.is_empty() && waiting.is_empty() && unsent == 0 {
                return;
            }
            assert!(
                tokio::time::Instant::now() < until,
                "after {patience:?} there are still events ({pending:?}), customers ({waiting:?}) or letters ({unsent}): {}",
                self.said()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What each reader has follows from Stripe's own objects, worked out here once more and more simply.
    pub(crate) async fn grants_are_what_stripe_says(&self) {
        let all = self.sandbox.control().subscriptions();
        for payer in &self.payers {
            let mut due: Vec<(String, i64)> = all
                .iter()
                .filter(|one| one.customer == payer.customer && one.status == SubscriptionStatus::Active)
                .map(|one| {
                    let slack = if one.cancel_at_period_end { 0 } else { SLACK };
                    (one.id.clone(), one.period_end * 1000 + slack)
                })
                .collect();
            due.sort();
            let grants = self.store.grants_of(&payer.account).await.unwrap();
            let mut has: Vec<(String, i64)> = grants
                .into_iter()
                .map(|grant| (grant.source_ref, grant.until.map_or(i64::MAX, |until| until.0)))
                .collect();
            has.sort();
            assert_eq!(has, due, "{} ({})", payer.account, payer.customer);
        }
    }

    /// One letter each. A mail server cannot be asked what it has taken: the one letter that was under way at a death may come again in
    /// a later life, and no other.
    pub(crate) fn every_payer_got_one_letter(&self) -> String {
        let letters = self.mail.letters();
        assert_eq!(letters.len(), self.payers.len(), "{letters:?}");
        let mut again = vec![];
        for (email, lives) in &letters {
            for pair in lives.windows(2) {
                assert!(
                    pair[0] < pair[1],
                    "{email} got a letter twice in one life of the server: {letters:?}"
                );
                again.push(pair[0]);
            }
        }
        again.sort_unstable();
        let ends = again.len();
        again.dedup();
        assert_eq!(
            again.len(),
            ends,
            "more than one letter of one life came again: {letters:?}"
        );
        format!(
            "{} letters, {ends} of them again after a death in the middle of sending",
            letters.len()
        )
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an object has an id").to_owned()
}
