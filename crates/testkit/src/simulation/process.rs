//! One server process: the real sync, gateway and store, which dies where it is told to, or is not told what became of a call.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use latchkey_entitlement::{Clock, Timestamp, time::Pause};
use latchkey_store::{CommitPlace, Commits, Said, Store, StoreError};
use latchkey_stripe_gateway::{CALL_TIMEOUT, Config as GatewayConfig, Gateway, SecretKey, Wire, WireError};
use latchkey_stripe_sandbox::{Sandbox, SandboxClock};
use latchkey_sync::{Stripe, Sync, SyncConfig};
use tokio::sync::Notify;

use super::{counters::Counters, mail::Mail, turns::hand_over};
use crate::SeededIds;

/// A place at which a process can be struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Point {
    BeforeCommit,
    AfterCommit,
    BeforeCall,
    AfterCall,
}

impl Point {
    pub(super) const ALL: [Self; 4] = [Self::BeforeCommit, Self::AfterCommit, Self::BeforeCall, Self::AfterCall];

    const fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before a commit",
            Self::AfterCommit => "after a commit",
            Self::BeforeCall => "before a call",
            Self::AfterCall => "after a call",
        }
    }
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Blow {
    /// The process ends.
    Dies,
    /// It is told that what it did failed: which is so before, and not after.
    Fails,
}

/// Strikes at the next such place but `skip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) point: Point,
    pub(super) skip: u32,
    pub(super) blow: Blow,
}

/// The life of a process.
pub(super) struct Mortal {
    order: Mutex<Option<Order>>,
    dead: AtomicBool,
    death: Notify,
    counters: Arc<Counters>,
    unsure: Arc<AtomicU32>,
}

impl Mortal {
    /// Comes to a place; whether it fails there. Whatever is left of a dead process reaches neither database nor Stripe any more.
    fn fails_at(&self, point: Point, place: impl FnOnce() -> String) -> bool {
        if self.dead.load(Ordering::SeqCst) {
            return true;
        }
        let struck = {
            let mut order = self.order.lock().unwrap();
            match &mut *order {
                Some(one) if one.point == point && one.skip > 0 => {
                    one.skip -= 1;
                    None
                }
                Some(one) if one.point == point => {
                    let blow = one.blow;
                    *order = None;
                    Some(blow)
                }
                _ => None,
            }
        };
        let Some(blow) = struck else { return false };
        let word = if blow == Blow::Dies { "dies" } else { "fails" };
        self.counters.count(&format!("{word} {}", point.name()));
        let place = place();
        if place == "outbox" {
            self.unsure.fetch_add(1, Ordering::SeqCst);
        }
        self.counters.count(&format!("{word} {}: {place}", point.name()));
        if blow == Blow::Dies {
            self.dead.store(true, Ordering::SeqCst);
            self.death.notify_one();
        }
        true
    }
}

/// The file in which a transaction began, without the line: names must outlive an edit.
fn room(place: CommitPlace) -> String {
    let place = place.to_string();
    place.split('.').next().unwrap_or_default().to_owned()
}

/// Method and path, ids left out.
fn kind_of_call(request: &Request<Bytes>) -> String {
    let is_id = |part: &&str| part.bytes().any(|byte| byte.is_ascii_digit()) && *part != "v1";
    let path: Vec<&str> = request
        .uri()
        .path()
        .split('/')
        .map(|part| if is_id(&part) { "*" } else { part })
        .collect();
    format!("{} {}", request.method(), path.join("/"))
}

fn lost() -> StoreError {
    StoreError::Unavailable {
        what: "the connection broke".to_owned(),
    }
}

impl Commits for Mortal {
    fn before(&self, place: CommitPlace) -> Said<'_> {
        let fails = self.fails_at(Point::BeforeCommit, || room(place));
        Box::pin(async move { if fails { Err(lost()) } else { Ok(()) } })
    }

    fn after(&self, place: CommitPlace) -> Said<'_> {
        let fails = self.fails_at(Point::AfterCommit, || room(place));
        Box::pin(async move { if fails { Err(lost()) } else { Ok(()) } })
    }
}

/// The way to the sandbox, without sockets. Others may go on between the question and the answer.
struct SimulatedWire {
    sandbox: Arc<Sandbox>,
    mortal: Arc<Mortal>,
}

#[async_trait]
impl Wire for SimulatedWire {
    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        let call = || kind_of_call(&request);
        if self.mortal.fails_at(Point::BeforeCall, call) {
            return Err(WireError::NoConnection);
        }
        hand_over().await;
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let path = request.uri().path_and_query().unwrap().as_str().to_owned();
        let body = std::str::from_utf8(request.body()).unwrap();
        let answer = self
            .sandbox
            .call(request.method().as_str(), &path, &headers, body)
            .await;
        hand_over().await;
        if self.mortal.fails_at(Point::AfterCall, call) {
            return Err(WireError::Broken);
        }
        let mut response = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(Bytes::from(answer.body)).unwrap())
    }
}

/// The sandbox's time, off by some milliseconds; waiting lets others go on, and takes none of it.
pub(super) struct SimulatedClock {
    pub(super) clock: Arc<SandboxClock>,
    pub(super) skew: Arc<AtomicI64>,
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ms() + self.skew.load(Ordering::SeqCst))
    }

    fn pause(&self, _length: Duration) -> Pause<'_> {
        Box::pin(hand_over())
    }
}

/// What processes share.
pub(super) struct Machine {
    pub(super) clock: Arc<SandboxClock>,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) store: Store,
    pub(super) stripe_key: String,
    pub(super) counters: Arc<Counters>,
    pub(super) mail: Mail,
    /// How often a process was struck while it noted what became of a letter.
    pub(super) unsure: Arc<AtomicU32>,
}

/// A running process.
pub(super) struct Process {
    pub(super) sync: Arc<Sync>,
    pub(super) stripe: Arc<Gateway>,
    pub(super) store: Store,
    mortal: Arc<Mortal>,
    skew: Arc<AtomicI64>,
}

impl Process {
    /// Starts one; `seed` gives its identifiers, which no other process has.
    pub(super) fn start(machine: &Machine, config: SyncConfig, seed: u64) -> Self {
        let mortal = Arc::new(Mortal {
            order: Mutex::new(None),
            dead: AtomicBool::new(false),
            death: Notify::new(),
            counters: Arc::clone(&machine.counters),
            unsure: Arc::clone(&machine.unsure),
        });
        let skew = Arc::new(AtomicI64::new(0));
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock {
            clock: Arc::clone(&machine.clock),
            skew: Arc::clone(&skew),
        });
        let store = machine.store.watched(Arc::clone(&mortal) as Arc<dyn Commits>);
        let wire = SimulatedWire {
            sandbox: Arc::clone(&machine.sandbox),
            mortal: Arc::clone(&mortal),
        };
        let gateway = GatewayConfig {
            secret_key: SecretKey::new(&machine.stripe_key),
            base_url: Some("http://localhost/".parse().unwrap()),
            timeout: CALL_TIMEOUT,
            jitter: Arc::new(|| 0.0),
            clock: Arc::clone(&clock),
            wire: Some(Arc::new(wire)),
        };
        let stripe = Arc::new(Gateway::new(gateway).expect("a gateway"));
        let sync = Sync::new(
            store.clone(),
            Arc::clone(&stripe) as Arc<dyn Stripe>,
            Arc::clone(&clock),
            Arc::new(SeededIds::new(seed, clock)),
            config,
        );
        Self {
            sync,
            stripe,
            store,
            mortal,
            skew,
        }
    }

    /// Sets its clock off by so many milliseconds.
    pub(super) fn skew(&self, millis: i64) {
        self.skew.store(millis, Ordering::SeqCst);
    }

    /// Has it struck later.
    pub(super) fn arm(&self, order: Option<Order>) {
        *self.mortal.order.lock().unwrap() = order;
    }

    /// Whether its clock is.
    pub(super) fn is_off(&self) -> bool {
        self.skew.load(Ordering::SeqCst) != 0
    }

    /// Whether it is no more.
    pub(super) fn is_dead(&self) -> bool {
        self.mortal.dead.load(Ordering::SeqCst)
    }

    /// Does something in this process; `None` if it died over it, or before.
    pub(super) async fn runs<T>(&self, something: impl Future<Output = T>) -> Option<T> {
        if self.is_dead() {
            return None;
        }
        tokio::select! {
            biased;
            () = self.mortal.death.notified() => {
                // For whatever else runs in it at the same time.
                self.mortal.death.notify_one();
                None
            }
            // What a dead process comes to, nobody learns: which of the two ends first is not for the machine to say.
            done = something => (!self.is_dead()).then_some(done),
        }
    }
}
