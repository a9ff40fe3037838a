//! A payer's page through the edge against nginx as a plain proxy, before the same origin, in turns.
//!
//! The page may not be stored by anybody (`no-store`), so that each request reaches the origin on both ways. The edge also
//! verifies the pass and takes the ads out; nginx does neither.

use std::sync::Arc;

use anyhow::ensure;
use latchkey_bench::{
    account::Account,
    figures::Figures,
    page::{AD_MARKS, ARTICLE_MARK, article},
    process::{free_port, local},
    proxies::{self, Load},
};

const ROUNDS: usize = 7;
const SECONDS: u32 = 5;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let page = article();
    let port = free_port()?;
    let host = format!("news.localhost:{port}");
    let account = Arc::new(Account::new(&host)?);
    let account_port = account.serve().await?;
    let origin = proxies::origin(&folder.path().join("origin"), &page)?;
    let nginx = proxies::plain_proxy(&folder.path().join("nginx"), origin.port)?;
    let edge = proxies::edge(&folder.path().join("edge"), &account, account_port, port, origin.port)?;
    let payer = format!("latchkey_pass={}; theme=dark", account.pass()?);
    verify(port, &host, &payer).await?;

    let (mut ours, mut theirs) = (vec![], vec![]);
    for round in 0..=ROUNDS {
        let (first, second) = if round % 2 == 0 {
            (&nginx, &edge)
        } else {
            (&edge, &nginx)
        };
        let first_load = load(first.port, &host, &payer).await?;
        let second_load = load(second.port, &host, &payer).await?;
        let (their, our) = if round % 2 == 0 {
            (first_load, second_load)
        } else {
            (second_load, first_load)
        };
        // The first round warms up.
        if round > 0 {
            theirs.push(their);
            ours.push(our);
        }
    }
    let ratios = ours
        .iter()
        .zip(&theirs)
        .map(|(our, their)| our.per_second / their.per_second);
    let ratios = Figures::new(ratios);
    println!(
        "Payer's page of {} bytes (no-store), pass checked and ads taken out, against nginx as a plain proxy; release build",
        page.len()
    );
    println!("  {ROUNDS} rounds of {SECONDS} s each, in turns; wrk, 32 connections, same origin, same machine");
    println!("  edge     {} requests/s, p99 {} ms", rate(&ours), late(&ours));
    println!("  nginx    {} requests/s, p99 {} ms", rate(&theirs), late(&theirs));
    println!("  ratio    {}", ratios.spread(2));
    Ok(())
}

fn rate(loads: &[Load]) -> String {
    Figures::new(loads.iter().map(|load| load.per_second)).spread(0)
}

fn late(loads: &[Load]) -> String {
    Figures::new(loads.iter().map(|load| load.p99_ms)).spread(2)
}

async fn load(port: u16, host: &str, cookie: &str) -> anyhow::Result<Load> {
    let (host, cookie) = (host.to_owned(), cookie.to_owned());
    tokio::task::spawn_blocking(move || proxies::load(port, &host, &cookie, SECONDS)).await?
}

/// The figure counts only if what is measured is what a payer wants: no ads, the article whole.
async fn verify(port: u16, host: &str, cookie: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .resolve("news.localhost", local(port))
        .build()?;
    let request = client
        .get(format!("http://{host}/town/the-gauge-at-the-pier"))
        .header("accept", "text/html")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header("cookie", cookie);
    let html = request.send().await?.text().await?;
    ensure!(html.contains(ARTICLE_MARK), "the article is not whole");
    for mark in AD_MARKS {
        ensure!(!html.contains(mark), "the payer's page still holds {mark}");
    }
    Ok(())
}
