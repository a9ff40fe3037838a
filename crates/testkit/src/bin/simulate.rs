//! Tells histories, and says in which one a promise was broken.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of developers"
)]

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use latchkey_testkit::simulation::{Options, Place, simulate};

/// Lives of readers, with processes that die, calls that are lost and deliveries that come twice, late, in another order or never.
/// Afterwards each reader must have what Stripe's own objects say they are due.
#[derive(Parser)]
struct Asked {
    /// How many histories.
    #[arg(long, default_value_t = 1000)]
    histories: u64,
    /// All histories follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of the first history; with `--histories 1` one is told again.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Histories at once.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// `memory`, `file` (SQLite both), or the address of a PostgreSQL server on which databases may be made.
    #[arg(long, default_value = "memory")]
    database: String,
}

fn main() -> ExitCode {
    let asked = Asked::parse();
    let options = Options {
        histories: asked.histories,
        seed: asked.seed,
        first: asked.first,
        threads: asked.threads,
        place: match asked.database.as_str() {
            "memory" => Place::Memory,
            "file" => Place::File,
            server => Place::Postgres(server.to_owned()),
        },
    };
    let began = Instant::now();
    let report = simulate(&options, |told| {
        if told.is_multiple_of(100) {
            eprint!(
                "\r{told} of {} histories, {:.0} s",
                asked.histories,
                began.elapsed().as_secs_f64()
            );
        }
    });
    eprintln!();
    for (what, times) in &report.counters {
        println!("{times:>10}  {what}");
    }
    let took = began.elapsed();
    let each = took / u32::try_from(report.histories.max(1)).unwrap_or(u32::MAX);
    println!(
        "{} histories of seed {} in {took:.1?}, {each:.1?} each",
        report.histories, asked.seed
    );
    println!("state {}", report.digest);
    let Some(divergence) = report.divergence else {
        println!("no divergence");
        return ExitCode::SUCCESS;
    };
    println!("history {}: {}", divergence.history, divergence.what);
    for step in &divergence.steps {
        println!("    {step}");
    }
    println!(
        "again: simulate --seed {} --first {} --histories 1",
        asked.seed, divergence.history
    );
    ExitCode::FAILURE
}
