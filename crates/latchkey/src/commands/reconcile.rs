//! `latchkey reconcile`.

use std::{io::IsTerminal, path::Path, sync::Arc};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use latchkey_entitlement::Clock as _;
use latchkey_store::Store;
use latchkey_sync::{FullRound, RoundPart, Stripe, Sync};

use crate::{
    ambient::{SystemClock, SystemIds},
    cli::{Exit, ReconcileArgs, ReconcileCommand},
    commands::serve::{gateway, limited},
    config::{Config, Environment, Secrets},
    instance::{open_store, plans, sync_config},
    moment::{ago, length, written},
};

/// Pages between two lines where no bar can be drawn.
const PAGES_A_LINE: u64 = 25;

/// Walks through Stripe, or lists what earlier walks found.
pub(crate) async fn run(file: &Path, asked: &ReconcileArgs, environment: &Environment) -> anyhow::Result<Exit> {
    let config = Config::load(file, environment)?;
    let store = open_store(&config).await?;
    if let Some(ReconcileCommand::List { all, limit }) = &asked.command {
        list(&store, *all, *limit).await?;
        store.close().await;
        return Ok(Exit::Done);
    }
    let key = Secrets(environment).required("STRIPE_SECRET_KEY")?;
    let gateway = Arc::new(limited(gateway(key.expose(), config.stripe.base_url.clone())?, &config));
    let sync = Sync::new(
        store.clone(),
        Arc::clone(&gateway) as Arc<dyn Stripe>,
        Arc::new(SystemClock),
        Arc::new(SystemIds),
        sync_config(&config, plans(&config), vec![], gateway.livemode()),
    );
    let exit = if asked.full {
        full(&sync, &store, asked.dry_run).await?
    } else {
        let report = sync.reconcile().await?;
        let synced = sync.work_off().await?;
        println!(
            "{} events read, {} of them missed before; {synced} customers synced.",
            report.read, report.missed
        );
        Exit::Done
    };
    store.close().await;
    Ok(exit)
}

async fn full(sync: &Sync, store: &Store, dry_run: bool) -> anyhow::Result<Exit> {
    let mut round = sync.full_round(dry_run).await?;
    if round.pages > 0 {
        println!(
            "Going on with the round that began {}.",
            ago(round.started_at, SystemClock.now())
        );
    }
    let progress = Progress::new(store.walk_size().await?);
    while sync.go_on(&mut round).await? {
        progress.show(&round);
    }
    progress.bar.finish_and_clear();
    let synced = if dry_run { 0 } else { sync.work_off().await? };
    println!(
        "Compared {} subscriptions and {} customers in {} pages, {}.",
        round.subscriptions,
        round.customers,
        round.pages,
        length(SystemClock.now().since(round.started_at))
    );
    println!("{} differ from what is stored here.", round.differing);
    println!(
        "{} are for what is sold here and belong to no account yet.",
        round.unclaimed
    );
    println!("{} have nothing to do with what is sold here.", round.foreign);
    if dry_run {
        println!("Nothing was changed. Without --dry-run what differs is read again from Stripe.");
        return Ok(if round.differing > 0 {
            Exit::Findings
        } else {
            Exit::Done
        });
    }
    let (left, _) = store.differing_readers().await?;
    println!("{synced} customers were synced; {left} readers differ still.");
    Ok(if left > 0 { Exit::Findings } else { Exit::Done })
}

async fn list(store: &Store, all: bool, limit: u32) -> anyhow::Result<()> {
    for one in store.divergences(!all, limit).await? {
        let found = one.found;
        let or_nothing = |side: String| if side.is_empty() { "nothing".to_owned() } else { side };
        println!("{}  {}  {}", written(one.found_at), found.customer, found.kind.as_str());
        println!("  Stripe    {}", or_nothing(found.theirs));
        let since = found
            .ours_at
            .map_or(String::new(), |at| format!(", read {}", written(at)));
        println!("  here      {}{since}", or_nothing(found.ours));
        println!("  repaired  {}", one.repaired_at.map_or("not yet".to_owned(), written));
    }
    Ok(())
}

/// A bar on a terminal, and a line now and then elsewhere.
struct Progress {
    bar: ProgressBar,
    is_drawn: bool,
}

impl Progress {
    /// `expected` is how many subscriptions and customers are known here; Stripe does not say how many it has.
    fn new(expected: u64) -> Self {
        let is_drawn = std::io::stderr().is_terminal();
        let target = if is_drawn {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(expected), target);
        if let Ok(style) = ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len}, {elapsed}") {
            bar.set_style(style);
        }
        Self { bar, is_drawn }
    }

    fn show(&self, round: &FullRound) {
        let part = match round.part {
            RoundPart::Subscriptions => "subscriptions",
            RoundPart::Customers => "customers",
            RoundPart::Remaining | RoundPart::Done => "what no list had",
        };
        let met = round.subscriptions + round.customers;
        self.bar.set_message(part);
        self.bar.set_length(self.bar.length().unwrap_or_default().max(met));
        self.bar.set_position(met);
        if !self.is_drawn && round.pages.is_multiple_of(PAGES_A_LINE) {
            let FullRound { pages, differing, .. } = round;
            println!("{part}: {pages} pages, {met} compared, {differing} differ");
        }
    }
}
