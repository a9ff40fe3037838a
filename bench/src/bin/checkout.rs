//! From pressing "Subscribe" at Checkout to the first byte of the article without ads, in the demo.
//!
//! The way in between is the whole one: the sandbox takes the payment, `/return` reads the customer back from it over HTTP and
//! records the grant, the site host is entered by a one-time code, and the edge fetches the article and strips it.

use std::{process::Command, time::Instant};

use anyhow::ensure;
use latchkey_bench::{
    browser::Browser,
    figures::Figures,
    process::{Running, free_port, latchkey, local},
};

/// How many readers pay.
const READERS: usize = 200;
/// Readers before the first that counts.
const WARM_UP: usize = 5;
const ARTICLE: &str = "/town/the-new-tide-clock";
const CARD: [(&str, &str); 4] = [
    ("number", "4242424242424242"),
    ("expiry", "12 / 40"),
    ("cvc", "123"),
    ("name", "Ada Reader"),
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port = free_port()?;
    let data = tempfile::tempdir()?;
    let mut command = Command::new(latchkey()?);
    command
        .args(["demo", "--port", &port.to_string(), "--data"])
        .arg(data.path());
    let _demo = Running::start(&mut command, port)?;
    let mut times = Vec::with_capacity(READERS);
    for number in 0..WARM_UP + READERS {
        let time = pays(port, number).await?;
        if number >= WARM_UP {
            times.push(time);
        }
    }
    let figures = Figures::new(times);
    println!("Checkout submit to first byte of the clean page; release build, SQLite");
    println!("  readers  {}", figures.count());
    println!("  median   {:.1} ms", figures.median());
    println!("  p99      {:.1} ms", figures.percentile(99));
    println!("  slowest  {:.1} ms", figures.percentile(100));
    Ok(())
}

/// One reader's way, in milliseconds from the press of the button.
async fn pays(port: u16, number: usize) -> anyhow::Result<f64> {
    let names = ["news.localhost", "account.localhost", "stripe.localhost"];
    let browser = Browser::new(&names, local(port))?;
    let article = format!("http://news.localhost:{port}{ARTICLE}");
    let free = browser.open(&article).await?;
    ensure!(free.html.contains("adsbygoogle"), "the free page has no ads");
    let support = format!("http://account.localhost:{port}/support?site=sit_news&to={ARTICLE}");
    let support = browser.open(&support).await?;
    let email = format!("reader{number}@reader.example");
    let checkout = browser
        .submit(&support, "button[value=prc_monthly]", &[("email", &email)])
        .await?;
    let pressed = Instant::now();
    let page = browser.submit(&checkout, "#pay", &CARD).await?;
    ensure!(
        page.url.as_str() == article,
        "came to {} and not back to the article",
        page.url
    );
    ensure!(
        !page.html.contains("adsbygoogle") && page.html.contains("Thank you for supporting"),
        "the page after paying still has ads"
    );
    Ok((page.first_byte - pressed).as_secs_f64() * 1000.0)
}
