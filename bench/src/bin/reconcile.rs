//! A full reconcile of N customers in the Stripe sandbox, in process: calls, time, memory. One in a hundred has changed unnoticed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use latchkey_billing::{
    Currency, DerivePolicy, IdempotencyKey, Interval, NewPrice, Plan, PlanPrice, Stripe, Subscription, WebhookSecrets,
};
use latchkey_entitlement::{AccountId, Clock, PlanId, PriceId, Scope, Sites, Timestamp, time::Pause};
use latchkey_store::{Store, SubscriptionRow, SyncCommit};
use latchkey_stripe_gateway::{CALL_TIMEOUT, Config, Gateway, LIVE_CALLS_PER_SECOND, SecretKey, Wire, WireError};
use latchkey_stripe_sandbox::{DeliveryMode, Sandbox, SandboxClock, SandboxConfig};
use latchkey_sync::{FullRound, Ids, Sync, SyncConfig};
use latchkey_testkit::SeededIds;

/// Customers unless told otherwise.
const CUSTOMERS: usize = 5_000;
/// One in so many has changed without an event.
const CHANGED: usize = 100;
const KEY: &str = "sk_test_sandbox_bench";
const NOW: i64 = 1_795_500_000_000;
const HOUR: i64 = 3_600_000;

/// The sandbox's clock; pauses do not happen, since the limiter is off.
struct Watch(Arc<SandboxClock>);

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.now_ms())
    }

    fn pause(&self, length: Duration) -> Pause<'_> {
        Box::pin(tokio::time::sleep(length))
    }
}

/// To the sandbox without a socket; counts.
struct Counting {
    sandbox: Arc<Sandbox>,
    calls: AtomicU64,
}

#[async_trait]
impl Wire for Counting {
    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect();
        let path = request
            .uri()
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default();
        let body = std::str::from_utf8(request.body()).unwrap_or_default();
        let answer = self
            .sandbox
            .call(request.method().as_str(), &path, &headers, body)
            .await;
        let mut response = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(name, value);
        }
        response.body(Bytes::from(answer.body)).map_err(|_| WireError::Broken)
    }
}

struct Bench {
    sandbox: Arc<Sandbox>,
    wire: Arc<Counting>,
    gateway: Arc<Gateway>,
    store: Store,
    sync: Arc<Sync>,
    ids: Arc<dyn Ids>,
    price: String,
    _folder: tempfile::TempDir,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let customers = match std::env::args().nth(1) {
        Some(number) => number.parse().context("the number of customers")?,
        None => CUSTOMERS,
    };
    let bench = Bench::new().await?;
    bench.given(customers).await?;
    let changed = bench.changes_unnoticed(customers).await?;

    let before = memory("VmRSS:")?;
    // Forgets the peak so far, which is the sandbox's own growth.
    std::fs::write("/proc/self/clear_refs", "5").context("resetting the peak of memory")?;
    bench.wire.calls.store(0, Ordering::Relaxed);
    let began = Instant::now();
    let mut round = bench.sync.full_round(false).await?;
    while bench.sync.go_on(&mut round).await? {}
    let walked = began.elapsed();
    let (calls, peak) = (bench.wire.calls.load(Ordering::Relaxed), memory("VmHWM:")?);
    let began = Instant::now();
    let synced = bench.sync.work_off().await?;
    let (repaired, repairs) = (began.elapsed(), bench.wire.calls.load(Ordering::Relaxed) - calls);

    let FullRound {
        subscriptions,
        differing,
        ..
    } = round;
    ensure!(
        subscriptions >= customers as u64 && differing == changed,
        "{round:?}, {changed} changed"
    );
    ensure!(u64::from(synced) == changed, "{synced} synced");
    let paced = |calls: u64| f64::from(u32::try_from(calls).unwrap_or(u32::MAX)) / f64::from(LIVE_CALLS_PER_SECOND);
    println!("Full reconcile of {customers} customers in the sandbox, in process; SQLite file");
    println!(
        "  walk     {calls} calls, {:.1} s; at {LIVE_CALLS_PER_SECOND} calls a second {:.0} s",
        walked.as_secs_f64(),
        paced(calls).max(walked.as_secs_f64())
    );
    println!("  found    {differing} differ");
    println!(
        "  repair   {repairs} calls, {:.1} s; at {LIVE_CALLS_PER_SECOND} calls a second {:.0} s",
        repaired.as_secs_f64(),
        paced(repairs).max(repaired.as_secs_f64())
    );
    println!(
        "  memory   {:.1} MiB more at the peak of the walk than before it ({:.0} MiB, most of it the sandbox)",
        (peak - before) / 1024.0,
        before / 1024.0
    );
    println!("  without  {} calls if every customer were read again", customers * 4);
    Ok(())
}

impl Bench {
    async fn new() -> anyhow::Result<Self> {
        let clock = Arc::new(SandboxClock::fixed(NOW));
        let sandbox = Sandbox::open(
            SandboxConfig {
                secret_key: KEY.to_owned(),
                webhook_url: None,
                webhook_secret: "whsec_bench".to_owned(),
                public_url: "http://stripe.localhost".to_owned(),
                data: None,
            },
            Arc::clone(&clock),
        )?;
        sandbox.control().set_delivery_mode(DeliveryMode::Drop);
        let wire = Arc::new(Counting {
            sandbox: Arc::clone(&sandbox),
            calls: AtomicU64::new(0),
        });
        let clock: Arc<dyn Clock> = Arc::new(Watch(clock));
        let gateway = Arc::new(Gateway::new(Config {
            secret_key: SecretKey::new(KEY),
            base_url: None,
            timeout: CALL_TIMEOUT,
            jitter: Arc::new(|| 0.0),
            clock: Arc::clone(&clock),
            wire: Some(Arc::clone(&wire) as Arc<dyn Wire>),
        })?);
        let product = gateway
            .create_product(&IdempotencyKey::new("product"), "Supporter", &[])
            .await?;
        let new = NewPrice {
            once: false,
            product,
            currency: Currency::parse("eur")?,
            unit_amount_minor: 500,
            interval: Interval::Month,
            interval_count: 1,
            lookup_key: "monthly".to_owned(),
        };
        let price = gateway.create_price(&IdempotencyKey::new("price"), &new).await?;
        let folder = tempfile::tempdir()?;
        let store = Store::open(&format!("sqlite:{}", folder.path().join("bench.db").display())).await?;
        store.migrate().await?;
        let ids: Arc<dyn Ids> = Arc::new(SeededIds::new(1, Arc::clone(&clock)));
        let config = SyncConfig {
            notices: latchkey_billing::NoticePolicy::default(),
            plans: vec![plan(&price)?],
            derive: DerivePolicy::default(),
            webhook_secrets: WebhookSecrets::new(["whsec_bench"]),
            livemode: false,
            reconcile_every: 0,
            full_round_every: 0,
        };
        let sync = Sync::new(
            store.clone(),
            Arc::clone(&gateway) as Arc<dyn Stripe>,
            clock,
            Arc::clone(&ids),
            config,
        );
        Ok(Self {
            sandbox,
            wire,
            gateway,
            store,
            sync,
            ids,
            price,
            _folder: folder,
        })
    }

    /// So many subscribers in Stripe, each with an account here and what a sync would have recorded.
    async fn given(&self, customers: usize) -> anyhow::Result<()> {
        for number in 0..customers {
            let email = format!("reader{number}@reader.example");
            self.sandbox
                .control()
                .buy_elsewhere(&email, &self.price, "4242424242424242")?;
        }
        let mut after = None;
        loop {
            let page = self.gateway.list_subscriptions(after.as_deref()).await?;
            for subscription in &page.items {
                self.record(subscription).await?;
            }
            after = page.items.last().map(|last| last.id.clone());
            if !page.has_more {
                return Ok(());
            }
        }
    }

    async fn record(&self, subscription: &Subscription) -> anyhow::Result<()> {
        let (now, customer) = (Timestamp(NOW), subscription.customer.clone());
        let account = AccountId::from_uuid(self.ids.uuid());
        self.store.create_account(&account, now).await?;
        self.store.link_customer(&customer, &account, false, now).await?;
        self.store
            .lease_customer(&customer, "bench", now, now.plus(HOUR))
            .await?;
        let row = SubscriptionRow {
            note: None,
            id: subscription.id.clone(),
            status: subscription.status.as_str().to_owned(),
            livemode: false,
            body: serde_json::to_string(subscription)?,
        };
        let commit = SyncCommit {
            trials: vec![],
            offers: vec![],
            notices: vec![],
            sync_id: self.ids.event(),
            customer,
            owner: "bench".to_owned(),
            account,
            livemode: false,
            started_at: now,
            now,
            wanted: vec![],
            events_done: vec![],
            mirror: vec![row],
            invoices: vec![],
            alerts: vec![],
            effects: vec![],
            deleted: false,
        };
        self.store.commit_sync(commit).await?;
        Ok(())
    }

    /// Ends one subscription in a hundred, and tells nobody. Gives how many.
    async fn changes_unnoticed(&self, customers: usize) -> anyhow::Result<u64> {
        self.sandbox.advance(HOUR);
        let authorization = [("authorization".to_owned(), format!("Bearer {KEY}"))];
        let mut changed = 0;
        for subscription in self
            .sandbox
            .control()
            .subscriptions()
            .iter()
            .take(customers)
            .step_by(CHANGED)
        {
            let path = format!("/v1/subscriptions/{}", subscription.id);
            let answer = self.sandbox.call("DELETE", &path, &authorization, "").await;
            ensure!(answer.status == 200, "{}", answer.body);
            changed += 1;
        }
        Ok(changed)
    }
}

fn plan(price: &str) -> anyhow::Result<Plan> {
    Ok(Plan {
        id: PlanId::parse("pln_supporter")?,
        key: "pln_supporter".to_owned(),
        name: "Supporter".to_owned(),
        description: String::new(),
        entitlements: Scope::parse("ad_free")?,
        sites: Sites::All,
        prices: vec![PlanPrice {
            terms: latchkey_billing::PriceTerms::default(),
            once: None,
            id: PriceId::parse("prc_monthly")?,
            stripe_price: price.to_owned(),
            currency: Currency::parse("eur")?,
            amount_minor: 500,
            interval: Interval::Month,
            interval_count: 1,
        }],
    })
}

/// A line of the kernel's account of this process, in KiB.
fn memory(name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .context("no such line")?;
    let number = line.split_whitespace().nth(1).context("no number")?;
    Ok(number.parse()?)
}
