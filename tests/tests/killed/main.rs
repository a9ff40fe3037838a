//! The running server is killed with SIGKILL under a load of webhooks, again and again, and is started again on the same database.
//!
//! Afterwards what it acknowledged is compared with what is stored: nothing lost, nothing doubled, every event done, grants as Stripe's
//! state says, and no letter twice. Fifty deaths over both databases; a thousand with `tests/run --full`. The moments of death and the
//! load follow from a seed that is printed; `LATCHKEY_TEST_SEED` gives the same ones again, as far as a machine's own timing allows.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod load;
mod mail;
mod server;
mod town;

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use fastrand::Rng;
use latchkey_testkit::{Database, each_database};

use load::Load;
use server::Server;
use town::Town;

/// Deaths on each database.
const DEATHS: u32 = 25;
/// Deaths on each database with `tests/run --full`.
const DEATHS_FULL: u32 = 500;
/// The longest life of a server after it answered for the first time, in milliseconds.
const LONGEST_LIFE_MS: u64 = 220;
/// How long the last server has to finish everything: longer than any claim of a dead one lasts.
const PATIENCE: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    let seed = seed();
    let full = is_full();
    let deaths = if full { DEATHS_FULL } else { DEATHS };
    eprintln!("LATCHKEY_TEST_SEED={seed}; {deaths} deaths on each database");
    each_database(async |database| dies(database, deaths, full, Rng::with_seed(seed)).await).await;
}

async fn dies(database: &Database, deaths: u32, full: bool, mut random: Rng) {
    let town = Town::new(database).await;
    let mut load = Load::new();
    for death in 0..deaths {
        let mut server = Server::start(&town).await;
        town.mail.life_begins(death);
        let life = Duration::from_millis(random.u64(1..=LONGEST_LIFE_MS));
        load.while_it_lives(&town, &mut server, life, &mut random).await;
    }
    // What was not acknowledged is delivered again, as Stripe does.
    if !full {
        // The claims that the dead left behind run out after two minutes, which `--full` waits for.
        database.given_claims_ran_out().await;
    }
    let server = Server::start(&town).await;
    town.mail.life_begins(deaths);
    load.delivers_the_rest(&town).await;
    town.is_quiet_within(PATIENCE).await;
    let told = load.nothing_is_lost_or_doubled(&town).await;
    town.grants_are_what_stripe_says().await;
    let letters = town.every_payer_got_one_letter();
    drop(server);
    eprintln!("{deaths} deaths on {}: {told}; {letters}", database.kind());
    town.close().await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever repeats a test gives its seed in the environment"
)]
fn seed() -> u64 {
    match std::env::var("LATCHKEY_TEST_SEED") {
        Ok(text) => text.parse().expect("LATCHKEY_TEST_SEED is a number"),
        Err(_) => RandomState::new().hash_one("deaths"),
    }
}

#[expect(clippy::disallowed_methods, reason = "tests/run --full says so in the environment")]
fn is_full() -> bool {
    std::env::var("LATCHKEY_TEST_FULL").as_deref() == Ok("yes")
}
