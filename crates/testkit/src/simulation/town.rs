//! A town of a few readers, two servers and a Stripe, in which one history is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use latchkey_billing::Plan;
use latchkey_entitlement::{AccountId, EventId, Timestamp};
use latchkey_store::Store;
use latchkey_stripe_sandbox::{AfterLastRetry, KEY_PREFIX, Sandbox, SandboxClock, SandboxConfig, Settings};
use latchkey_sync::Purchase;
use serde_json::Value;
use url::form_urlencoded;
use uuid::Uuid;

use super::{
    Place,
    counters::Counters,
    mail::Mail,
    oracle::Books,
    plan::{Dispute, MAX_READERS, SERVERS, Step},
    process::{Machine, Process},
    turns::at_once,
};
use crate::{Database, Offer, checkout, start::sync_config};

const BEGIN: i64 = 1_795_500_000_000;
const SECRET: &str = "whsec_simulated";
/// Tries of a reader whose page did not come.
const MAX_CLICKS: usize = 3;
/// More failed tries than any delivery gets.
const GIVE_UP: usize = 12;

pub(super) struct Reader {
    pub(super) account: AccountId,
    attempts: Mutex<u64>,
}

pub(super) struct Town {
    pub(super) machine: Machine,
    pub(super) clock: Arc<SandboxClock>,
    plans: Vec<Plan>,
    /// What each price entitles to.
    pub(super) sold: BTreeMap<String, String>,
    pub(super) readers: Vec<Reader>,
    pub(super) servers: Vec<Process>,
    /// How many processes there were, and the seed of their identifiers.
    started: u64,
    seed: u64,
    /// Events whose delivery was answered with 200.
    pub(super) acknowledged: Mutex<BTreeSet<String>>,
    /// Gone with the town.
    _database: Option<Database>,
}

impl Town {
    pub(super) async fn open(seed: u64, place: &Place, counters: Arc<Counters>) -> Self {
        let clock = Arc::new(SandboxClock::fixed(BEGIN));
        let stripe_key = format!("{KEY_PREFIX}{seed:020}");
        let config = SandboxConfig {
            secret_key: stripe_key.clone(),
            webhook_url: Some("http://localhost/webhooks/stripe".to_owned()),
            webhook_secret: SECRET.to_owned(),
            public_url: "http://localhost".to_owned(),
            data: None,
        };
        let sandbox = Sandbox::open(config, Arc::clone(&clock)).expect("the sandbox opens");
        let after_last_retry = match seed % 3 {
            0 => AfterLastRetry::Cancel,
            1 => AfterLastRetry::MarkUnpaid,
            _ => AfterLastRetry::LeavePastDue,
        };
        sandbox.control().set_settings(Settings {
            after_last_retry,
            ..Settings::default()
        });
        let database = match place {
            Place::Memory => None,
            Place::File => Some(Database::sqlite().await),
            Place::Postgres(server) => Some(Database::postgres(server).await),
        };
        let store = if let Some(database) = &database {
            database.open().await
        } else {
            let store = Store::open("sqlite::memory:").await.expect("a database");
            store.migrate().await.expect("its tables");
            store
        };
        let machine = Machine {
            clock: Arc::clone(&clock),
            sandbox,
            store,
            stripe_key,
            counters,
            mail: Mail::default(),
            unsure: Arc::default(),
        };
        let readers = (0..MAX_READERS)
            .map(|number| Reader {
                account: AccountId::from_uuid(Uuid::from_u128(number as u128 + 1)),
                attempts: Mutex::new(0),
            })
            .collect();
        let mut town = Self {
            machine,
            clock,
            plans: vec![],
            sold: BTreeMap::new(),
            readers,
            servers: vec![],
            started: 0,
            seed,
            acknowledged: Mutex::default(),
            _database: database,
        };
        let first = town.process();
        town.plans = checkout::plans(first.stripe.as_ref()).await;
        for plan in &town.plans {
            for price in &plan.prices {
                town.sold
                    .insert(price.stripe_price.clone(), plan.entitlements.to_string());
            }
        }
        town.servers = (0..SERVERS).map(|_| town.process()).collect();
        town
    }

    fn process(&mut self) -> Process {
        self.started += 1;
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(self.started);
        Process::start(&self.machine, sync_config(&self.plans, SECRET), seed)
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.machine.counters
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.machine.clock.now_ms())
    }

    /// Lets one step happen. An error is a promise that was broken.
    pub(super) async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::AtOnce { steps, seed } => {
                self.counters().count("at once");
                let town: &Self = self;
                at_once(*seed, steps.iter().map(|step| town.happens(step)).collect()).await;
            }
            Step::Settles => self.settle().await?,
            Step::DoesItsRound { server } => self.does_its_round(*server).await?,
            step => self.happens(step).await,
        }
        self.restart();
        Ok(())
    }

    pub(super) fn restart(&mut self) {
        for number in 0..self.servers.len() {
            if self.servers[number].is_dead() {
                self.servers[number] = self.process();
                self.counters().count("a process was started again");
            }
        }
    }

    async fn happens(&self, step: &Step) {
        match step {
            Step::InTurn { steps } => {
                for step in steps {
                    Box::pin(self.happens(step)).await;
                }
            }
            Step::Buys {
                reader,
                offer,
                card,
                server,
                returns,
                doubly,
            } => self.buys(*reader, *offer, card, *server, *returns, *doubly).await,
            Step::SetsToEnd { reader, end } => {
                let end = end.to_string();
                self.changes(*reader, &[("cancel_at_period_end", &end)]).await;
            }
            Step::SetsDay { reader, days } => {
                let day = (self.now().seconds() + days * 86_400).to_string();
                self.changes(*reader, &[("cancel_at", &day)]).await;
            }
            Step::EndsNow { reader } => {
                for subscription in self.subscriptions_of(*reader).await {
                    let id = subscription["id"].as_str().unwrap();
                    if self.calls("DELETE", &format!("/v1/subscriptions/{id}"), &[]).is_some() {
                        self.counters().count("ended at once");
                    }
                }
            }
            Step::MovesTo { reader, offer } => self.moves(*reader, *offer).await,
            Step::Declines { reader, times } => {
                for customer in self.customers_of(*reader).await {
                    if self
                        .machine
                        .sandbox
                        .control()
                        .fail_next_payments(&customer, *times)
                        .is_ok()
                    {
                        self.counters().count("charges to be declined");
                    }
                }
            }
            Step::Refunds { reader, half } => self.refunds(*reader, *half).await,
            Step::Disputes { reader, way } => self.disputes(*reader, *way).await,
            Step::PaysOpen { reader } => self.pays_open(*reader).await,
            Step::IsDeleted { reader } => {
                for customer in self.customers_of(*reader).await {
                    if self
                        .calls("DELETE", &format!("/v1/customers/{customer}"), &[])
                        .is_some()
                    {
                        self.counters().count("customer deleted");
                    }
                }
            }
            Step::Passes { millis } => self.machine.sandbox.advance(*millis),
            Step::Delivers {
                server,
                most,
                twice,
                seed,
            } => {
                self.delivers(*server, *most, *twice, *seed).await;
            }
            Step::Loses { most } => self.loses(*most),
            Step::Works { server } => drop(self.works(*server).await),
            Step::Reconciles { server } => drop(self.reconciles(*server).await),
            Step::Looks { server, reader } => self.looks(*server, *reader).await,
            Step::Strikes { server, order } => self.servers[*server].arm(Some(*order)),
            Step::Ails { fault, times } => {
                let name = format!("{fault:?}");
                let name = name.split(' ').next().unwrap_or_default().to_owned();
                self.counters().count(&format!("Stripe ails: {name}"));
                self.machine.sandbox.control().fail_next_calls(*times, *fault);
            }
            Step::Skews { server, millis } => {
                self.servers[*server].skew(*millis);
                self.counters().count("a clock was off");
            }
            Step::AtOnce { .. } | Step::Settles | Step::DoesItsRound { .. } => unreachable!("drawn at the top alone"),
        }
    }

    pub(super) async fn buys(
        &self,
        reader: usize,
        offer: Offer,
        card: &str,
        server: usize,
        returns: bool,
        doubly: bool,
    ) {
        let tabs = if doubly { 2 } else { 1 };
        let mut sessions = vec![];
        for _ in 0..tabs {
            let attempt = self.attempt(reader);
            for click in 0..MAX_CLICKS {
                let server = &self.servers[(server + click) % SERVERS];
                match server.runs(self.begins(server, reader, offer, &attempt)).await {
                    Some(Ok(Some(session))) => {
                        sessions.push(session);
                        break;
                    }
                    Some(Ok(None)) => break,
                    Some(Err(error)) => self
                        .counters()
                        .count(&format!("no page to pay: {}", without_ids(&error))),
                    None => {}
                }
            }
        }
        if sessions.len() == 2 {
            self.counters().count("two tabs");
        }
        for session in sessions {
            match self.machine.sandbox.control().pay_session(&session, card) {
                Ok(_) => self.counters().count("paid"),
                Err(error) => self.counters().count(&format!("declined: {error}")),
            }
        }
        if returns {
            self.looks(server, reader).await;
        }
    }

    fn attempt(&self, reader: usize) -> EventId {
        let mut attempts = self.readers[reader].attempts.lock().unwrap();
        *attempts += 1;
        EventId::from_uuid(Uuid::from_u128(((reader as u128 + 1) << 64) | u128::from(*attempts)))
    }

    /// As the server does it: none if there is something already.
    async fn begins(
        &self,
        server: &Process,
        reader: usize,
        offer: Offer,
        attempt: &EventId,
    ) -> Result<Option<String>, String> {
        let account = &self.readers[reader].account;
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let has_something = async || {
            let grants = server.store.grants_of(account).await.map_err(|error| words(&error))?;
            Ok::<_, String>(grants.iter().any(|grant| grant.is_live(self.now())))
        };
        server
            .store
            .create_account(account, self.now())
            .await
            .map_err(|error| words(&error))?;
        let known = server
            .store
            .customers_of(account)
            .await
            .map_err(|error| words(&error))?;
        for customer in &known {
            server
                .sync
                .sync_customer(&customer.id)
                .await
                .map_err(|error| words(&error))?;
        }
        if has_something().await? {
            self.counters().count("has something already");
            return Ok(None);
        }
        let price = self
            .plans
            .iter()
            .flat_map(|plan| &plan.prices)
            .find(|price| price.id.as_str() == offer.price());
        let purchase = Purchase {
            account: account.clone(),
            attempt: attempt.clone(),
            price: price.expect("it is sold").stripe_price.clone(),
            success_url: "http://localhost/return?session_id={CHECKOUT_SESSION_ID}".to_owned(),
            cancel_url: "http://localhost/support".to_owned(),
        };
        let session = server
            .sync
            .open_checkout(&purchase)
            .await
            .map_err(|error| words(&error))?;
        Ok(Some(session.id))
    }

    async fn changes(&self, reader: usize, fields: &[(&str, &str)]) {
        for subscription in self.subscriptions_of(reader).await {
            let id = subscription["id"].as_str().unwrap();
            if self.calls("POST", &format!("/v1/subscriptions/{id}"), fields).is_some() {
                self.counters().count("changed");
            }
        }
    }

    async fn moves(&self, reader: usize, offer: Offer) {
        let price = self
            .plans
            .iter()
            .flat_map(|plan| &plan.prices)
            .find(|price| price.id.as_str() == offer.price());
        let price = price.expect("it is sold").stripe_price.clone();
        for subscription in self.subscriptions_of(reader).await {
            let item = subscription["items"]["data"][0]["id"].as_str().unwrap();
            let path = format!("/v1/subscriptions/{}", subscription["id"].as_str().unwrap());
            let fields = [
                ("items[0][id]", item),
                ("items[0][price]", price.as_str()),
                ("proration_behavior", "always_invoice"),
            ];
            if self.calls("POST", &path, &fields).is_some() {
                self.counters().count("moved to another plan");
            }
        }
    }

    async fn pays_open(&self, reader: usize) {
        for invoice in self.invoices_of(reader).await {
            if invoice["status"] == "open" {
                let paid = self
                    .machine
                    .sandbox
                    .control()
                    .pay_invoice(invoice["id"].as_str().unwrap());
                self.counters().count(if paid.is_ok() {
                    "paid by hand"
                } else {
                    "not paid by hand"
                });
            }
        }
    }

    pub(super) async fn delivers(&self, server: usize, most: usize, twice: bool, seed: u64) -> usize {
        let mut due = self.machine.sandbox.take_deliveries(most);
        fastrand::Rng::with_seed(seed).shuffle(&mut due);
        let server = &self.servers[server];
        let copies = if twice { 2 } else { 1 };
        for delivery in &due {
            let mut outcome = Err("nobody there".to_owned());
            for _ in 0..copies {
                let received = server
                    .sync
                    .receive_webhook(delivery.body.as_bytes(), &delivery.signature);
                outcome = match server.runs(received).await {
                    Some(Ok(_)) => Ok(200),
                    Some(Err(_)) => Ok(503),
                    None => Err("the connection broke".to_owned()),
                };
            }
            if outcome == Ok(200) {
                let event: Value = serde_json::from_str(&delivery.body).unwrap();
                let id = event["id"].as_str().unwrap().to_owned();
                self.acknowledged.lock().unwrap().insert(id);
                self.counters()
                    .count(if twice { "delivered twice" } else { "delivered" });
            } else {
                self.counters().count("delivery failed");
            }
            self.machine.sandbox.record_delivery(delivery.number, outcome);
        }
        due.len()
    }

    fn loses(&self, most: usize) {
        for delivery in self.machine.sandbox.take_deliveries(most) {
            for _ in 0..GIVE_UP {
                self.machine
                    .sandbox
                    .record_delivery(delivery.number, Err("lost".to_owned()));
            }
            self.counters().count("delivery lost");
        }
    }

    /// Whether it came through.
    pub(super) async fn works(&self, server: usize) -> bool {
        let server = &self.servers[server];
        let synced = match server.runs(server.sync.work_off()).await {
            Some(Ok(synced)) => {
                self.counters().add("synced by the worker", synced.into());
                true
            }
            Some(Err(_)) => {
                self.counters().count("the worker was held up");
                false
            }
            None => false,
        };
        let letters = async {
            server.sync.post_notices().await?;
            server.sync.work_off_outbox(&self.machine.mail).await
        };
        match server.runs(letters).await {
            Some(Ok(sent)) => self.counters().add("letters", sent.into()),
            Some(Err(_)) => self.counters().count("letters were held up"),
            None => {}
        }
        synced
    }

    /// Whether it came through.
    pub(super) async fn reconciles(&self, server: usize) -> bool {
        let server = &self.servers[server];
        match server.runs(server.sync.reconcile()).await {
            Some(Ok(report)) => {
                self.counters().add("found by reconciling", report.missed.into());
                return true;
            }
            Some(Err(_)) => self.counters().count("reconciling was held up"),
            None => {}
        }
        false
    }

    async fn looks(&self, server: usize, reader: usize) {
        let server = &self.servers[server];
        for customer in self.customers_of(reader).await {
            match server.runs(server.sync.sync_customer(&customer)).await {
                Some(Ok(_)) => self.counters().count("synced by a return"),
                Some(Err(_)) => self.counters().count("a return was held up"),
                None => {}
            }
        }
    }

    pub(super) async fn customers_of(&self, reader: usize) -> Vec<String> {
        let customers = self
            .machine
            .store
            .customers_of(&self.readers[reader].account)
            .await
            .expect("customers");
        customers.into_iter().map(|customer| customer.id).collect()
    }

    /// Of the customers that are not deleted.
    pub(super) async fn subscriptions_of(&self, reader: usize) -> Vec<Value> {
        self.lists(reader, "subscriptions", "&status=all").await
    }

    pub(super) async fn invoices_of(&self, reader: usize) -> Vec<Value> {
        self.lists(reader, "invoices", "").await
    }

    /// Everything that Stripe has of a reader.
    pub(super) async fn books_of(&self, reader: usize) -> Books {
        let invoices = self.invoices_of(reader).await;
        let mut charges = vec![];
        for charge in self.lists(reader, "charges", "&expand[]=data.refunds").await {
            let intent = charge["payment_intent"].as_str().unwrap_or_default();
            let path = format!("/v1/invoice_payments?payment[type]=payment_intent&payment[payment_intent]={intent}");
            let payments = self.calls("GET", &path, &[]).unwrap_or_default();
            if let Some(invoice) = payments["data"][0]["invoice"].as_str() {
                charges.push((invoice.to_owned(), charge));
            }
        }
        let disputes = self.calls("GET", "/v1/disputes?limit=100", &[]).unwrap_or_default();
        Books {
            subscriptions: self.subscriptions_of(reader).await,
            invoices,
            charges,
            disputes: disputes["data"].as_array().cloned().unwrap_or_default(),
        }
    }

    /// Sends back the newest payment, or half of it.
    async fn refunds(&self, reader: usize, half: bool) {
        for customer in self.customers_of(reader).await {
            let control = self.machine.sandbox.control();
            let Some(charge) = control.paid_charges_of(&customer).pop() else {
                continue;
            };
            let whole = self
                .calls("GET", &format!("/v1/charges/{charge}"), &[])
                .unwrap_or_default();
            let amount = (whole["amount"].as_i64().unwrap_or(0) / 2).to_string();
            let fields = [("charge", charge.as_str()), ("amount", amount.as_str())];
            let fields = if half { &fields[..] } else { &fields[..1] };
            let done = self.calls("POST", "/v1/refunds", fields).is_some();
            self.counters().count(match (done, half) {
                (true, false) => "refunded",
                (true, true) => "refunded in part",
                (false, _) => "not refunded",
            });
        }
    }

    /// A bank asks about the newest payment, or takes it back; or the oldest such thing that is open comes to its end.
    async fn disputes(&self, reader: usize, way: Dispute) {
        for customer in self.customers_of(reader).await {
            let control = self.machine.sandbox.control();
            let charges = control.paid_charges_of(&customer);
            let done = match way {
                Dispute::Asks | Dispute::Opens => {
                    let Some(charge) = charges.last() else { continue };
                    control.open_dispute(charge, way == Dispute::Asks).is_ok()
                }
                Dispute::Won | Dispute::Lost => {
                    let list = self.calls("GET", "/v1/disputes?limit=100", &[]).unwrap_or_default();
                    let own = list["data"].as_array().cloned().unwrap_or_default();
                    let own = own
                        .iter()
                        .rev()
                        .find(|it| charges.iter().any(|charge| it["charge"] == *charge));
                    let Some(id) = own.and_then(|it| it["id"].as_str()) else {
                        continue;
                    };
                    if way == Dispute::Won {
                        control.win_dispute(id).is_ok()
                    } else {
                        control.lose_dispute(id).is_ok()
                    }
                }
            };
            if done {
                self.counters().count(&format!("dispute: {way:?}"));
            }
        }
    }

    async fn lists(&self, reader: usize, what: &str, more: &str) -> Vec<Value> {
        let mut all = vec![];
        for customer in self.customers_of(reader).await {
            let path = format!("/v1/{what}?customer={customer}&limit=100{more}");
            let list = self.calls("GET", &path, &[]).unwrap_or_default();
            all.extend(list["data"].as_array().cloned().unwrap_or_default());
        }
        all
    }

    /// A call of somebody in the dashboard: faults are for our own.
    pub(super) fn calls(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Option<Value> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let answer = self.machine.sandbox.call_from_dashboard(method, path, &body);
        (answer.status == 200).then(|| serde_json::from_str(&answer.body).unwrap())
    }

    pub(super) async fn close(self) {
        drop(self.servers);
        self.machine.store.close().await;
    }
}

/// The words of an error, so that the same errors are counted together.
fn without_ids(error: &str) -> String {
    let is_id = |word: &&str| word.contains('_') && word.bytes().any(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = error
        .split(' ')
        .map(|word| if is_id(&word) { "*" } else { word })
        .collect();
    words.join(" ")
}
