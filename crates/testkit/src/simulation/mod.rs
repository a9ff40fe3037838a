//! Histories: a few readers, two servers and a Stripe live through everything at once, while processes die, calls are lost and
//! deliveries come twice, late, in another order or never. Afterwards every reader has what Stripe's own objects say they are due.
//!
//! The code that decides is the real one: the gateway, the sync, the inbox, the reconciliation and the store on an in-memory SQLite;
//! the Stripe is the sandbox. There are no sockets, no real time and no randomness but the history's number, so that a history is
//! told again by its number.

mod counters;
mod mail;
mod oracle;
mod plan;
mod process;
mod promises;
mod town;
mod turns;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

pub use counters::Counters;
use plan::{Step, draw, shrink};
use town::Town;

/// Longest time of one history: it has no waiting in it.
const HISTORY_TIMEOUT: Duration = Duration::from_mins(1);

/// Where the histories' databases are. The same history leaves the same state in each.
#[derive(Clone, Debug)]
pub enum Place {
    /// SQLite in memory: the fastest.
    Memory,
    /// SQLite in a file.
    File,
    /// On a PostgreSQL server; an address of any database there.
    Postgres(String),
}

/// What is to be simulated.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many histories.
    pub histories: u64,
    /// From which all of them follow.
    pub seed: u64,
    /// The number of the first one.
    pub first: u64,
    /// At once.
    pub threads: usize,
    /// Where their databases are.
    pub place: Place,
}

/// A history in which a promise was broken.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// Its number.
    pub history: u64,
    /// Which promise.
    pub what: String,
    /// The steps that are left after shortening.
    pub steps: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Histories that were told.
    pub histories: u64,
    /// What happened in them.
    pub counters: BTreeMap<String, u64>,
    /// The same for the same options: the sum of the digests of all states.
    pub digest: String,
    /// The first divergence, if there was one.
    pub divergence: Option<Divergence>,
}

/// Tells histories until one of them diverges. `progress` is called now and then with the number of those that are told.
pub fn simulate(options: &Options, progress: impl Fn(u64) + Sync) -> Report {
    let counters = Arc::new(Counters::default());
    let next = AtomicU64::new(options.first);
    let end = options.first.saturating_add(options.histories);
    let told = AtomicU64::new(0);
    let sum = Mutex::new([0_u8; 32]);
    let divergence: Mutex<Option<Divergence>> = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime");
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= end || divergence.lock().unwrap().is_some() {
                        return;
                    }
                    let steps = draw(mix(options.seed, number));
                    match runtime.block_on(tell(options, number, &steps, &counters)) {
                        Ok(digest) => add(&mut sum.lock().unwrap(), &digest),
                        Err(what) => {
                            let steps = runtime.block_on(shortened(options, number, steps));
                            let steps = steps.iter().map(|step| format!("{step:?}")).collect();
                            *divergence.lock().unwrap() = Some(Divergence {
                                history: number,
                                what,
                                steps,
                            });
                        }
                    }
                    progress(told.fetch_add(1, Ordering::SeqCst) + 1);
                }
            });
        }
    });
    let digest = sum.into_inner().unwrap();
    Report {
        histories: told.into_inner(),
        counters: counters.all(),
        digest: digest.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
        divergence: divergence.into_inner().unwrap(),
    }
}

/// One history from its beginning to where all is settled; gives the digest of the state.
async fn tell(options: &Options, number: u64, steps: &[Step], counters: &Arc<Counters>) -> Result<[u8; 32], String> {
    let story = async {
        let mut town = Town::open(mix(options.seed, number), &options.place, Arc::clone(counters)).await;
        for step in steps {
            town.step(step).await?;
        }
        town.settle().await?;
        town.can_everybody_buy().await?;
        let digest = town.digest().await;
        town.close().await;
        Ok(digest)
    };
    tokio::time::timeout(HISTORY_TIMEOUT, story)
        .await
        .unwrap_or_else(|_| Err("it does not come to an end".to_owned()))
}

async fn shortened(options: &Options, number: u64, steps: Vec<Step>) -> Vec<Step> {
    let aside = Arc::new(Counters::default());
    shrink(steps, async |steps: &[Step]| {
        tell(options, number, steps, &aside).await.is_err()
    })
    .await
}

/// A number for each history that shows nothing of its neighbours'.
fn mix(seed: u64, number: u64) -> u64 {
    let mut x = seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Bytewise, so that the order of histories makes no difference.
fn add(sum: &mut [u8; 32], digest: &[u8; 32]) {
    for (one, other) in sum.iter_mut().zip(digest) {
        *one = one.wrapping_add(*other);
    }
}
