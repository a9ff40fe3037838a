//! Stripe as a stand-in in this process: the sandbox over HTTP, its reads of customers counted, and if asked its calls held to Stripe's
//! own limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use axum::{
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use latchkey_entitlement::{AccountId, Timestamp};
use latchkey_store::Store;
use latchkey_stripe_sandbox::{Sandbox, SandboxClock, SandboxConfig};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Mutex, time::Instant};

use crate::{
    deliveries::{WEBHOOK_SECRET, seconds},
    process::local,
    receivers::STRIPE_KEY,
};

/// Calls of one endpoint a second that Stripe allows.
const LIMIT: u32 = 25;

/// The stand-in.
pub struct Stripe {
    /// The sandbox itself.
    pub sandbox: Arc<Sandbox>,
    /// Its port.
    pub port: u16,
    /// Id of the one price.
    pub price: String,
    gate: Arc<Gate>,
}

/// Somebody who has paid.
#[derive(Clone, Debug)]
pub struct Payer {
    /// `cus_…`.
    pub customer: String,
    /// `sub_…`.
    pub subscription: String,
}

struct Gate {
    reads: AtomicU64,
    limited: AtomicBool,
    /// When the next read of a customer is let through. Each sync reads one, so that holding this endpoint holds them all.
    next: Mutex<Instant>,
}

impl Stripe {
    /// Starts it.
    pub async fn start() -> anyhow::Result<Self> {
        let config = SandboxConfig {
            secret_key: STRIPE_KEY.to_owned(),
            // An endpoint, so that there are events; the measurement delivers them itself.
            webhook_url: Some("http://127.0.0.1:1/".to_owned()),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
            public_url: "http://stripe.localhost:1".to_owned(),
            data: None,
        };
        let clock = SandboxClock::new(|| seconds().unwrap_or_default() * 1000);
        let sandbox = Sandbox::open(config, Arc::new(clock))?;
        let gate = Arc::new(Gate {
            reads: AtomicU64::new(0),
            limited: AtomicBool::new(false),
            next: Mutex::new(Instant::now()),
        });
        let listener = TcpListener::bind(local(0)).await?;
        let port = listener.local_addr()?.port();
        let router = sandbox
            .api_router()
            .layer(middleware::from_fn_with_state(Arc::clone(&gate), pass));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let product = posts(&sandbox, "/v1/products", "name=Supporter")?;
        let price = format!(
            "product={}&currency=eur&unit_amount=500&recurring[interval]=month",
            id(&product)?
        );
        let price = id(&posts(&sandbox, "/v1/prices", &price)?)?;
        Ok(Self {
            sandbox,
            port,
            price,
            gate,
        })
    }

    /// From now on at most 25 calls of one endpoint a second are let through, or as many as come.
    pub fn limits(&self, limited: bool) {
        self.gate.limited.store(limited, Ordering::SeqCst);
    }

    /// How often a customer was read: once for each sync.
    pub fn reads(&self) -> u64 {
        self.gate.reads.load(Ordering::SeqCst)
    }

    /// Somebody who has an account in `store` and has paid here.
    pub async fn payer(&self, store: &Store, number: usize) -> anyhow::Result<Payer> {
        let account = AccountId::parse(&format!("acc_{number}"))?;
        let now = Timestamp::from_seconds(seconds()?);
        store.create_account(&account, now).await?;
        let customer = id(&posts(
            &self.sandbox,
            "/v1/customers",
            &format!("metadata[latchkey_account]={account}"),
        )?)?;
        store.link_customer(&customer, &account, false, now).await?;
        let session = format!(
            "mode=subscription&customer={customer}&client_reference_id={account}&line_items[0][price]={}\
             &line_items[0][quantity]=1&success_url=http://account.localhost/return&cancel_url=http://account.localhost/",
            self.price
        );
        let session = id(&posts(&self.sandbox, "/v1/checkout/sessions", &session)?)?;
        self.sandbox.control().pay_session(&session, "4242424242424242")?;
        let all = self.sandbox.control().subscriptions();
        let own = all
            .into_iter()
            .rev()
            .find(|one| one.customer == customer)
            .context("a subscription")?;
        Ok(Payer {
            customer,
            subscription: own.id,
        })
    }

    /// Sets a subscription to end with its period or takes that back: access changes.
    pub fn sets_to_end(&self, payer: &Payer, end: bool) -> anyhow::Result<()> {
        let path = format!("/v1/subscriptions/{}", payer.subscription);
        posts(&self.sandbox, &path, &format!("cancel_at_period_end={end}")).map(drop)
    }
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let reads_customer = path.starts_with("/v1/customers/") && request.method() == "GET";
    if reads_customer {
        gate.reads.fetch_add(1, Ordering::SeqCst);
        if gate.limited.load(Ordering::SeqCst) {
            let turn = {
                let mut next = gate.next.lock().await;
                let turn = (*next).max(Instant::now());
                *next = turn + Duration::from_secs(1) / LIMIT;
                turn
            };
            tokio::time::sleep_until(turn).await;
        }
    }
    next.run(request).await
}

fn posts(sandbox: &Sandbox, path: &str, body: &str) -> anyhow::Result<Value> {
    let answer = sandbox.call_from_dashboard("POST", path, body);
    ensure!(answer.status == 200, "{path}: {}", answer.body);
    Ok(serde_json::from_str(&answer.body)?)
}

fn id(object: &Value) -> anyhow::Result<String> {
    let id = object.get("id").and_then(Value::as_str);
    Ok(id.context("an object has an id")?.to_owned())
}
