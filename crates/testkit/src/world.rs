//! The world of a story.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use latchkey_billing::{MoneyBackPolicy, Plan};
use latchkey_entitlement::Timestamp;
use latchkey_store::{Alert, Customer, Event, EventState, MAX_ROWS, Store};
use latchkey_stripe_sandbox::Sandbox;
use latchkey_sync::{ReconcileReport, Stripe, Sync};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    Browser, Database, Offer, Reader, StripeHand, each_database, ids,
    start::{CityClock, Parts, sync_config},
};

/// How long a story waits for what must happen before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long it waits before it looks again.
const PAUSE: Duration = Duration::from_millis(20);
/// What falls due in a long time is done in steps of so many milliseconds, as by a server that runs all the time.
const STEP: i64 = 6 * latchkey_entitlement::time::HOUR;
/// Rounds of deliveries and syncs after which something goes round in circles.
const MAX_ROUNDS: usize = 100;

/// The whole of Latchkey, its readers' Stripe and its publisher's web server, in one process.
///
/// Nothing happens by itself: webhooks are delivered and marked customers synced in [`World::settle`], which
/// [`World::advance`] and [`World::finish`] call. Reconciling is left to the story. See also [`World::runs_by_itself`].
pub struct World {
    pub(crate) parts: Parts,
    database: String,
    seen_kept: AtomicUsize,
    finished: AtomicBool,
}

/// Tells a story in a world on each database, and looks afterwards that nothing was left undone; see [`each_database`].
pub async fn each_city(story: impl AsyncFn(&World)) {
    each_city_with(MoneyBackPolicy::default(), story).await;
}

/// The same where the publisher has decided otherwise about money that goes back.
pub async fn each_city_with(money_back: MoneyBackPolicy, story: impl AsyncFn(&World)) {
    each_database(async |database| {
        let city = World::with_policy(database, money_back).await;
        story(&city).await;
        city.finish().await;
    })
    .await;
}

impl World {
    /// A new world on `database`. Prints the seed that its identifiers and secrets follow from; the same one in
    /// `LATCHKEY_TEST_SEED` gives the same again. End it with [`World::finish`].
    pub async fn new(database: &Database) -> Self {
        Self::with_policy(database, MoneyBackPolicy::default()).await
    }

    /// The same where the publisher has decided otherwise about money that goes back.
    pub async fn with_policy(database: &Database, money_back: MoneyBackPolicy) -> Self {
        let seed = ids::seed();
        eprintln!("LATCHKEY_TEST_SEED={seed}");
        Self {
            parts: Parts::start(database, seed, money_back, None).await,
            database: database.kind().to_owned(),
            seen_kept: AtomicUsize::new(0),
            finished: AtomicBool::new(false),
        }
    }

    /// The same where other things are sold: `plans` makes them at Stripe, whose dashboard it may use, and gives the plans.
    pub async fn selling(database: &Database, plans: impl Fn(&Sandbox) -> Vec<Plan>) -> Self {
        let seed = ids::seed();
        eprintln!("LATCHKEY_TEST_SEED={seed}");
        Self {
            parts: Parts::start(database, seed, MoneyBackPolicy::default(), Some(&plans)).await,
            database: database.kind().to_owned(),
            seen_kept: AtomicUsize::new(0),
            finished: AtomicBool::new(false),
        }
    }

    /// A new browser.
    pub fn browser(&self) -> Browser {
        let clock = Arc::new(CityClock(Arc::clone(&self.parts.clock)));
        Browser::new(self.parts.http.clone(), clock)
    }

    /// An address of the account origin.
    pub fn account_page(&self, path_and_query: &str) -> Url {
        let origin = Url::parse(&self.parts.account_origin).unwrap();
        origin.join(path_and_query).expect("a path")
    }

    /// Everything that is kept.
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// Somebody at a new browser, with the address `NAME@example.org`.
    pub fn reader(&self, name: &str) -> Reader<'_> {
        Reader::new(self, name)
    }

    /// Stripe's side of the story.
    pub fn stripe(&self) -> StripeHand<'_> {
        StripeHand(self)
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.parts.clock.now_ms())
    }

    /// What keeps grants in step with Stripe, in the server.
    pub fn sync(&self) -> &Arc<Sync> {
        &self.parts.sync
    }

    /// The same of a second server on the same database.
    pub fn sync_of_another_server(&self) -> Arc<Sync> {
        self.sync_with_full_rounds(0)
    }

    /// The same of a server that walks through all that Stripe lists every so many milliseconds.
    pub fn sync_with_full_rounds(&self, every: i64) -> Arc<Sync> {
        let parts = &self.parts;
        Sync::new(
            parts.store.clone(),
            Arc::clone(&parts.gateway) as Arc<dyn Stripe>,
            Arc::new(CityClock(Arc::clone(&parts.clock))),
            Arc::clone(&parts.ids),
            latchkey_sync::SyncConfig {
                full_round_every: every,
                ..sync_config(&parts.plans, &parts.webhook_secret)
            },
        )
    }

    /// Stripe's id of an offer's price.
    pub fn stripe_price(&self, offer: Offer) -> String {
        let mut prices = self.parts.plans.iter().flat_map(|plan| &plan.prices);
        let price = prices.find(|price| price.id.as_str() == offer.price());
        price.expect("every offer has a price").stripe_price.clone()
    }

    /// Hands letters about purchases whose day has come to the mail server. Gives the subjects of all letters to `email` so far.
    pub async fn posts_letters_to(&self, email: &str) -> Vec<String> {
        let sync = &self.parts.sync;
        sync.post_notices().await.expect("the store answers");
        // What was posted on its day is sent now, whatever the day.
        sync.work_off_outbox(self.parts.effects.as_ref())
            .await
            .expect("the store answers");
        let letters = self.parts.mailbox.letters().into_iter();
        letters
            .filter(|letter| letter.mail.to == email)
            .map(|letter| letter.mail.subject)
            .collect()
    }

    /// Everything that letters to `email` have said so far.
    pub fn told_to(&self, email: &str) -> String {
        let letters = self.parts.mailbox.letters().into_iter();
        let texts = letters.filter(|letter| letter.mail.to == email);
        texts.map(|letter| letter.mail.text + &letter.mail.html).collect()
    }

    /// The link in the newest letter to `email`.
    #[track_caller]
    pub fn link_in_last_letter_to(&self, email: &str) -> Url {
        let letters = self.parts.mailbox.letters();
        let letter = letters.iter().rev().find(|letter| letter.mail.to == email);
        let text = &letter.unwrap_or_else(|| panic!("no letter to {email}")).mail.text;
        let link = text.lines().find(|line| line.starts_with(&self.parts.account_origin));
        link.expect("a letter has a link")
            .trim()
            .parse()
            .expect("a link is a URL")
    }

    /// Time passes: `millis` milliseconds, with everything that falls due on the way done about when it does.
    pub async fn advance(&self, millis: i64) {
        self.settle().await;
        let mut left = millis;
        while left > 0 {
            let step = left.min(STEP);
            left -= step;
            self.parts.sandbox.advance(step);
            self.parts.keys.tick().await.expect("keys");
            self.work().await;
        }
        self.settle().await;
    }

    /// Time passes, and nobody does anything: every server is down.
    pub fn sleeps(&self, millis: i64) {
        self.parts.sandbox.advance(millis);
    }

    /// Time passes until `moment`; see [`World::advance`].
    pub async fn advance_to(&self, moment: Timestamp) {
        let millis = moment.since(self.now());
        assert!(millis >= 0, "{moment:?} is over");
        self.advance(millis).await;
    }

    /// Delivers what is due, syncs who is marked, and lets the edge hear of it. What Stripe's absence hinders stays undone.
    pub async fn settle(&self) {
        self.work().await;
        self.parts.edge.refresh().await.expect("the edge reaches the server");
    }

    pub(crate) async fn work(&self) {
        for _ in 0..MAX_ROUNDS {
            let delivered = self.parts.sandbox.deliver_due().await;
            self.parts.sync.post_notices().await.expect("the store answers");
            match self.parts.sync.work_off().await {
                Ok(synced) if synced == 0 && delivered == 0 && self.works_outbox().await == 0 => return,
                Ok(_) => {}
                Err(error) if error.is_transient() => {
                    eprintln!("left for later: {error}");
                    return;
                }
                Err(error) => panic!("the worker fails: {error}"),
            }
        }
        panic!("after {MAX_ROUNDS} rounds there is still something to do");
    }

    /// Time passes, and nobody does anything.
    pub fn only_time_passes(&self, millis: i64) {
        self.parts.sandbox.advance(millis);
    }

    /// Does what waits in the outbox and is due. Gives how many effects were tried.
    pub async fn works_outbox(&self) -> u32 {
        let done = self.parts.sync.work_off_outbox(self.parts.effects.as_ref()).await;
        done.expect("the store answers")
    }

    /// The same by a second server on the same database at the same time.
    pub async fn two_servers_work_the_outbox(&self) {
        let other = self.sync_of_another_server();
        let effects = self.parts.effects.as_ref();
        let (one, two) = tokio::join!(self.parts.sync.work_off_outbox(effects), other.work_off_outbox(effects));
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    }

    /// What was written to an address: subject and text of each letter, the oldest first.
    pub fn letters_to(&self, email: &str) -> Vec<(String, String)> {
        let letters = self.parts.mailbox.letters().into_iter();
        let own = letters.filter(|letter| letter.mail.to == email);
        own.map(|letter| (letter.mail.subject, letter.mail.text)).collect()
    }

    /// Reads Stripe's event list for what no delivery brought, and syncs whom it concerns.
    pub async fn reconcile(&self) -> ReconcileReport {
        let report = self.parts.sync.reconcile().await.expect("Stripe answers");
        self.settle().await;
        report
    }

    /// From now on everything happens by itself, as in production: webhooks are delivered, the worker works, reconciling goes its
    /// rounds. Until the value that this gives is dropped.
    pub fn runs_by_itself(&self) -> impl Drop + use<> {
        let stop = CancellationToken::new();
        tokio::spawn(Arc::clone(&self.parts.sync).work(stop.clone().cancelled_owned()));
        let deliveries = self.parts.sandbox.start_deliveries();
        let stopped = stop.clone();
        tokio::spawn(async move {
            stopped.cancelled().await;
            deliveries.abort();
        });
        stop.drop_guard()
    }

    /// Whether there is nothing left to do: no delivery under way, no event pending, no customer waiting or being synced.
    pub async fn is_quiet(&self) -> bool {
        let delivered = self.stripe().control().counts().pending_deliveries == 0;
        delivered && self.events(EventState::Pending).await.is_empty() && self.waiting().await.is_empty()
    }

    async fn waiting(&self) -> Vec<Customer> {
        let mut customers = self.customers().await;
        customers.retain(|customer| customer.dirty_at.is_some() || customer.lease_owner.is_some());
        customers
    }

    /// Waits in real time until `what` is so. Fails after 20 seconds.
    pub async fn until(&self, what: impl AsyncFn() -> bool) {
        let waiting = async {
            while !what().await {
                tokio::time::sleep(PAUSE).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "it did not happen within {} s", PATIENCE.as_secs());
    }

    /// Events that were kept for a person to look at. From now on they count as seen.
    pub async fn kept_events(&self) -> Vec<Event> {
        let kept = self.events(EventState::Failed).await;
        self.seen_kept.store(kept.len(), Ordering::SeqCst);
        kept
    }

    /// Every event of the inbox in one state, the newest first.
    pub async fn events(&self, state: EventState) -> Vec<Event> {
        let events = self.parts.store.list_events(Some(state), MAX_ROWS).await;
        events.expect("the store answers")
    }

    /// What an operator should look at.
    pub async fn alerts(&self) -> Vec<Alert> {
        self.parts.store.alerts(MAX_ROWS).await.expect("the store answers")
    }

    /// Every Stripe customer that is known.
    pub async fn customers(&self) -> Vec<Customer> {
        let ever = Timestamp(i64::MAX);
        let customers = self.parts.store.customers_not_synced_since(ever, MAX_ROWS).await;
        customers.expect("the store answers")
    }

    /// Ends the story. Fails if something was left undone: a customer that waits for a sync or is still leased, an event that
    /// was not worked off, or one that was kept and that the story did not look at.
    pub async fn finish(&self) {
        self.settle().await;
        self.finished.store(true, Ordering::SeqCst);
        let undone = self.waiting().await;
        assert!(undone.is_empty(), "customers still wait for a sync: {undone:#?}");
        let pending = self.events(EventState::Pending).await;
        assert!(pending.is_empty(), "events were not worked off: {}", named(&pending));
        let kept = self.events(EventState::Failed).await;
        let seen = self.seen_kept.load(Ordering::SeqCst);
        assert_eq!(
            kept.len(),
            seen,
            "events were kept that the story did not look at: {}",
            named(&kept)
        );
        self.parts.store.close().await;
    }
}

fn named(events: &[Event]) -> String {
    let events = events.iter();
    let lines: Vec<String> = events
        .map(|event| {
            format!(
                "{} {} {}",
                event.id,
                event.kind,
                event.error.as_deref().unwrap_or_default()
            )
        })
        .collect();
    lines.join("; ")
}

impl Drop for World {
    fn drop(&mut self) {
        let finished = self.finished.load(Ordering::SeqCst);
        assert!(
            finished || std::thread::panicking(),
            "a world on {} was left without World::finish, which looks for what was left undone",
            self.database
        );
    }
}
