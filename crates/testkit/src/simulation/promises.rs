//! What must hold once the dust has settled.

use std::{fmt::Write as _, sync::atomic::Ordering};

use latchkey_billing::ACCOUNT_KEY;
use latchkey_server::hash;
use latchkey_store::EventState;

use super::{
    oracle::{self, Due},
    plan::SERVERS,
    town::Town,
};
use crate::Offer;

/// Rounds in which everything must have settled; each takes [`ROUND`], so that leases and pauses run out.
const MAX_ROUNDS: usize = 40;
const ROUND: i64 = 3 * 60_000;
/// How long Stripe keeps an idempotency key, in seconds.
const KEY_LIFE: i64 = 86_400;
/// Within which time a letter is worth sending at all, in seconds, less what settling takes.
const RECENT: i64 = 2 * 86_400;
const GOOD_CARD: &str = "4242424242424242";

impl Town {
    /// Lets the dust settle, and looks whether every promise holds.
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        self.counters().count("settled");
        self.machine.sandbox.control().forget_faults();
        for server in &self.servers {
            server.arm(None);
            server.skew(0);
        }
        self.restart();
        let mut rounds = 0;
        loop {
            self.machine.sandbox.advance(ROUND);
            for server in 0..SERVERS {
                while self.delivers(server, 100, false, 0).await > 0 {}
                self.works(server).await;
                self.reconciles(server).await;
                self.works(server).await;
            }
            if self.is_quiet().await {
                break;
            }
            rounds += 1;
            if rounds == MAX_ROUNDS {
                return Err(format!("after {MAX_ROUNDS} rounds there is still something to do"));
            }
        }
        self.look().await
    }

    /// A round as a server does it by itself: what events did not tell, and what is marked. Once it came through and left nothing
    /// waiting, everyone has what they are due, whatever goes on around it.
    pub(super) async fn does_its_round(&self, server: usize) -> Result<(), String> {
        let came_through = self.reconciles(server).await && self.works(server).await;
        if !came_through || !self.is_quiet().await || self.servers[server].is_off() {
            self.counters().count("a round did not come through");
            return Ok(());
        }
        self.counters().count("looked at in the middle");
        for number in 0..self.readers.len() {
            self.has_what_is_due(number).await?;
        }
        Ok(())
    }

    async fn has_what_is_due(&self, number: usize) -> Result<(), String> {
        let has = self.has(number).await;
        let due = self.due(number).await;
        if has == due {
            return Ok(());
        }
        Err(format!(
            "reader {number} has {has:?}, and is due {due:?} at {}",
            self.now().seconds()
        ))
    }

    async fn is_quiet(&self) -> bool {
        let pending = self
            .machine
            .store
            .list_events(Some(EventState::Pending), 10)
            .await
            .expect("events");
        let mut dirty = false;
        for reader in 0..self.readers.len() {
            let account = &self.readers[reader].account;
            for customer in self.machine.store.customers_of(account).await.expect("customers") {
                // The lease of a dead process whose clock was ahead runs on for as long as that was.
                let leased = customer.lease_until.is_some_and(|until| self.now() < until);
                dirty |= customer.dirty_at.is_some() || leased;
            }
        }
        pending.is_empty() && !dirty
    }

    /// Whether every promise holds now that all is quiet.
    async fn look(&self) -> Result<(), String> {
        for number in 0..self.readers.len() {
            self.has_what_is_due(number).await?;
            self.is_told_of_doubles(number).await?;
        }
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        for id in acknowledged {
            if self.machine.store.event(&id).await.expect("events").is_none() {
                return Err(format!("event {id} was acknowledged, and is not there"));
            }
        }
        self.nothing_is_made_twice()?;
        self.letters_are_right().await?;
        // The same once more changes nothing.
        for number in 0..self.readers.len() {
            for customer in self.customers_of(number).await {
                let again = self.servers[0].sync.sync_customer(&customer).await;
                let again = again.map_err(|error| format!("syncing again fails: {error}"))?.done;
                // What has ended of itself may be put away.
                if !again.opened.is_empty() || again.closed.iter().any(|grant| grant.is_live(self.now())) {
                    return Err(format!("syncing again changes what reader {number} has: {again:?}"));
                }
            }
        }
        Ok(())
    }

    /// A reader is made a customer once, whatever was lost on the way, for as long as Stripe keeps an idempotency key.
    fn nothing_is_made_twice(&self) -> Result<(), String> {
        let list = self.calls("GET", "/v1/customers?limit=100", &[]).unwrap_or_default();
        let customers = list["data"].as_array().cloned().unwrap_or_default();
        for (number, reader) in self.readers.iter().enumerate() {
            let own = customers
                .iter()
                .filter(|it| it["metadata"][ACCOUNT_KEY] == reader.account.as_str());
            let mut made: Vec<i64> = own.filter_map(|it| it["created"].as_i64()).collect();
            made.sort_unstable();
            if made.windows(2).any(|pair| pair[1] - pair[0] < KEY_LIFE) {
                return Err(format!(
                    "reader {number} was made a customer twice within a day: {made:?}"
                ));
            }
        }
        Ok(())
    }

    /// What there is to be told was told, nothing else was, and nothing twice but where nobody knows whether it went out.
    async fn letters_are_right(&self) -> Result<(), String> {
        let sent = self.machine.mail.sent();
        let twice: u32 = sent.values().map(|times| times - 1).sum();
        let unsure = self.machine.unsure.load(Ordering::SeqCst);
        if twice > unsure {
            return Err(format!(
                "{twice} letters went out twice, and {unsure} may have: {sent:?}"
            ));
        }
        let now = self.now().seconds();
        for reader in 0..self.readers.len() {
            let subscriptions = self.subscriptions_of(reader).await;
            for invoice in self.invoices_of(reader).await {
                let (id, customer) = (invoice["id"].as_str().unwrap(), invoice["customer"].as_str().unwrap());
                let whole = self
                    .calls("GET", &format!("/v1/customers/{customer}"), &[])
                    .unwrap_or_default();
                if whole["deleted"] == true {
                    // Nobody knows any more what it was; nothing is written about it.
                    continue;
                }
                let letter = |kind: &str, more: &str| sent.contains_key(&format!("{customer}.{kind}.{id}{more}"));
                let subscription = &invoice["parent"]["subscription_details"]["subscription"];
                let of = subscriptions.iter().find(|it| it["id"] == *subscription);
                let paid_at = invoice["status_transitions"]["paid_at"].as_i64();
                let paid = invoice["status"] == "paid" && invoice["amount_paid"].as_i64() > Some(0);
                if paid && paid_at.is_some_and(|at| now - at < RECENT) && !letter("receipt", "") {
                    return Err(format!("reader {reader} has no receipt for {id}"));
                }
                if !paid && letter("receipt", "") {
                    return Err(format!("reader {reader} has a receipt for {id}, which is not paid"));
                }
                let attempts = invoice["attempt_count"].as_i64().unwrap_or(0);
                let failed = invoice["status"] == "open" && attempts > 0;
                let retried = of.is_some_and(|it| it["status"] == "past_due");
                if failed && retried && !letter("payment_failed", &format!("#{attempts}")) {
                    return Err(format!("reader {reader} was not told that {id} failed"));
                }
            }
        }
        Ok(())
    }

    /// Who has two subscriptions in force is an alert until somebody has mended it.
    async fn is_told_of_doubles(&self, reader: usize) -> Result<(), String> {
        let live = self.due(reader).await.len();
        let alerts = self.machine.store.alerts(100).await.expect("alerts");
        let own = self.customers_of(reader).await;
        let told = alerts
            .iter()
            .any(|alert| own.contains(&alert.customer) && alert.text.contains("live subscriptions"));
        let same_plan = {
            let mut scopes: Vec<String> = self.due(reader).await.into_iter().map(|(scope, _)| scope).collect();
            let count = scopes.len();
            scopes.dedup();
            scopes.len() < count
        };
        if same_plan {
            self.counters().count("paid twice, and told");
        }
        if same_plan && !told {
            return Err(format!(
                "reader {reader} pays for {live} subscriptions, and nobody is told"
            ));
        }
        Ok(())
    }

    /// Who has nothing can buy, and has it then.
    pub(super) async fn can_everybody_buy(&mut self) -> Result<(), String> {
        for number in 0..self.readers.len() {
            if self.has(number).await.is_empty() {
                for customer in self.customers_of(number).await {
                    let _ = self.machine.sandbox.control().fail_next_payments(&customer, 0);
                }
                self.buys(number, Offer::Monthly, GOOD_CARD, 0, true, false).await;
                if self.has(number).await.is_empty() {
                    return Err(format!("reader {number} has nothing, and cannot buy"));
                }
            }
        }
        Ok(())
    }

    async fn has(&self, reader: usize) -> Vec<Due> {
        let grants = self
            .machine
            .store
            .grants_of(&self.readers[reader].account)
            .await
            .expect("grants");
        let live = grants.iter().filter(|grant| grant.is_live(self.now()));
        let mut has: Vec<Due> = live
            .map(|grant| (grant.entitlements.to_string(), grant.until.expect("an end").seconds()))
            .collect();
        has.sort();
        has
    }

    async fn due(&self, reader: usize) -> Vec<Due> {
        oracle::due(&self.books_of(reader).await, &self.sold, self.now().seconds())
    }

    /// The same for the same history.
    pub(super) async fn digest(&self) -> [u8; 32] {
        let mut text = String::new();
        for reader in &self.readers {
            let grants = self.machine.store.grants_of(&reader.account).await.expect("grants");
            let _ = writeln!(text, "{grants:?}");
        }
        let events = self.machine.store.list_events(None, 1000).await.expect("events");
        let _ = writeln!(text, "{events:?}");
        text.push_str(&String::from_utf8_lossy(&self.machine.sandbox.snapshot()));
        text.push_str(&self.clock.now_ms().to_string());
        hash(&text)
    }
}
