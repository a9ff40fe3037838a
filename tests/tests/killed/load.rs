//! What happens while a server lives: Stripe changes, deliveries over several connections, payers who come back.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use latchkey_store::{EventState, MAX_ROWS};
use latchkey_stripe_sandbox::signature_header;
use serde_json::Value;

use crate::{
    server::Server,
    town::{Town, WEBHOOK_SECRET, now},
};

/// Connections over which Stripe delivers at once.
const CONNECTIONS: usize = 4;
/// Most deliveries of one connection in one life of a server.
const MOST_DELIVERIES: usize = 400;
/// Changes at Stripe in one life.
const CHANGES: usize = 3;
/// Events beside Stripe's own that one life is offered: Stripe's list does not have them, so that reconciling cannot make up for a
/// loss.
const EXTRA_EVENTS: usize = 120;
/// No more of them are made while so many deliveries wait.
const MOST_WAITING: usize = 500;
/// How the ids of those begin.
const EXTRA: &str = "evt_extra";
/// Rounds of delivering what was not acknowledged, to a server that lives.
const MOST_ROUNDS: usize = 50;

/// An event on its way: id and body.
type Delivery = (String, String);

pub(crate) struct Load {
    /// What is to be delivered, again or for the first time.
    waiting: VecDeque<Delivery>,
    /// Bodies by id of all that was ever sent.
    sent: BTreeMap<String, String>,
    /// What a server answered 2xx to.
    acknowledged: BTreeSet<String>,
    number: usize,
    /// How often a death left a delivery over, without an answer or not begun.
    cut_off: usize,
    /// Events that a server acknowledged before it died.
    by_the_dead: usize,
}

impl Load {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            sent: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            number: 0,
            cut_off: 0,
            by_the_dead: 0,
        }
    }

    /// Load until the server is killed after `life`.
    pub(crate) async fn while_it_lives(&mut self, town: &Town, server: &mut Server, life: Duration, random: &mut Rng) {
        for _ in 0..CHANGES {
            changes_something(town, random);
        }
        self.takes_from_stripe(town);
        if self.waiting.len() < MOST_WAITING {
            self.makes_extra_events(town, random);
        }
        let shared = Arc::new(Mutex::new(std::mem::take(&mut self.waiting)));
        let mut senders = vec![];
        for _ in 0..CONNECTIONS {
            senders.push(tokio::spawn(deliver(town.port, Arc::clone(&shared))));
        }
        let back = random.usize(..town.payers.len());
        let returning = tokio::spawn(come_back(town.port, town.payers[back].session.clone()));
        tokio::time::sleep(life).await;
        server.is_killed();
        for sender in senders {
            self.acknowledged.extend(sender.await.expect("a sender ends"));
        }
        let _ = returning.await;
        self.waiting = std::mem::take(&mut *shared.lock().unwrap());
        self.by_the_dead = self.acknowledged.len();
        self.cut_off += self.waiting.len();
        // Some are delivered again although they were acknowledged, as Stripe may.
        for id in random.choose_multiple(self.acknowledged.iter(), 5) {
            self.waiting.push_back((id.clone(), self.sent[id].clone()));
        }
    }

    fn takes_from_stripe(&mut self, town: &Town) {
        for due in town.sandbox.take_deliveries(1_000) {
            town.sandbox.record_delivery(due.number, Ok(200));
            let event: Value = serde_json::from_str(&due.body).expect("an event");
            let id = event["id"].as_str().expect("an event has an id").to_owned();
            self.offers(id, due.body);
        }
    }

    fn makes_extra_events(&mut self, town: &Town, random: &mut Rng) {
        for _ in 0..EXTRA_EVENTS {
            self.number += 1;
            let id = format!("{EXTRA}{}", self.number);
            let payer = &town.payers[random.usize(..town.payers.len())];
            let body = serde_json::json!({
                "id": id, "object": "event", "type": "customer.subscription.updated", "livemode": false,
                "created": now() / 1000,
                "data": { "object": { "id": payer.subscription, "object": "subscription", "customer": payer.customer } },
            });
            self.offers(id, body.to_string());
        }
    }

    fn offers(&mut self, id: String, body: String) {
        self.sent.insert(id.clone(), body.clone());
        self.waiting.push_back((id, body));
    }

    /// Delivers until everything was acknowledged, and has every payer come back once more.
    pub(crate) async fn delivers_the_rest(&mut self, town: &Town) {
        self.takes_from_stripe(town);
        let rest = self.sent.iter().filter(|(id, _)| !self.acknowledged.contains(*id));
        self.waiting = rest.map(|(id, body)| (id.clone(), body.clone())).collect();
        for _ in 0..MOST_ROUNDS {
            let shared = Arc::new(Mutex::new(std::mem::take(&mut self.waiting)));
            self.acknowledged.extend(deliver(town.port, Arc::clone(&shared)).await);
            self.waiting = std::mem::take(&mut *shared.lock().unwrap());
            if self.waiting.is_empty() {
                break;
            }
        }
        assert_eq!(
            self.acknowledged.len(),
            self.sent.len(),
            "not everything is acknowledged in the end"
        );
        for payer in &town.payers {
            come_back(town.port, payer.session.clone()).await;
        }
    }

    /// Compares what was acknowledged with what is stored.
    pub(crate) async fn nothing_is_lost_or_doubled(&self, town: &Town) -> String {
        let mut lost = vec![];
        for id in &self.acknowledged {
            match town.store.event(id).await.unwrap() {
                None => lost.push(id),
                Some(event) => {
                    assert_eq!(event.state, EventState::Done, "{event:?}");
                    // Reconciling may have found one of Stripe's own events first, and stores what the list says of it.
                    let is_whole = !id.starts_with(EXTRA) || event.raw == self.sent[id].as_bytes();
                    assert!(is_whole, "{id} is stored otherwise than it came");
                }
            }
        }
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let failed = town
            .store
            .list_events(Some(EventState::Failed), MAX_ROWS)
            .await
            .unwrap();
        assert!(failed.is_empty(), "{failed:?}");
        let Self {
            cut_off, by_the_dead, ..
        } = self;
        assert!(
            *by_the_dead > 0 && *cut_off > 0,
            "no death was in the middle of the load"
        );
        format!(
            "{} events stored once, {by_the_dead} of them acknowledged by servers that died, {cut_off} times a delivery was left over at a death",
            self.acknowledged.len()
        )
    }
}

/// Somebody changes their mind.
fn changes_something(town: &Town, random: &mut Rng) {
    let payer = &town.payers[random.usize(..town.payers.len())];
    let path = format!("/v1/subscriptions/{}", payer.subscription);
    town.posts(&path, &format!("cancel_at_period_end={}", random.bool()));
}

/// Delivers over one connection until nothing waits or the server is gone. What is not acknowledged waits again; gives what was.
async fn deliver(port: u16, waiting: Arc<Mutex<VecDeque<Delivery>>>) -> BTreeSet<String> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut acknowledged = BTreeSet::new();
    for _ in 0..MOST_DELIVERIES {
        let next = waiting.lock().unwrap().pop_front();
        let Some((id, body)) = next else {
            break;
        };
        let signature = signature_header(body.as_bytes(), &[WEBHOOK_SECRET], now() / 1000);
        let request = client
            .post(format!("http://127.0.0.1:{port}/webhooks/stripe"))
            .header("stripe-signature", signature)
            .body(body.clone());
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                acknowledged.insert(id);
            }
            Ok(answer) => {
                assert!(
                    answer.status().is_server_error(),
                    "{id} is refused: {}",
                    answer.status()
                );
                waiting.lock().unwrap().push_back((id, body));
            }
            Err(_) => {
                waiting.lock().unwrap().push_back((id, body));
                break;
            }
        }
    }
    acknowledged
}

/// A payer comes back from Stripe in a browser that did not begin the purchase, and is written to.
async fn come_back(port: u16, session: String) {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .expect("a client");
    let address = format!("http://127.0.0.1:{port}/return?session_id={session}");
    // The server may die meanwhile.
    let _ = client.get(address).send().await;
}
