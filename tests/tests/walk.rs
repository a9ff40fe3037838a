//! The walk: a reader pays, and the ads are gone. Real binary, real Chromium; the sandbox stands in for Stripe alone.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use tempfile::TempDir;

const ARTICLE: &str = "/town/the-new-tide-clock";
/// How long the demo, the driver and a page may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long late ads get to come.
const LATE: Duration = Duration::from_secs(2);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .expect("a free port")
        .local_addr()
        .expect("its address")
        .port()
}

/// The program as `tests/run` built it, next to this test's own.
fn latchkey() -> PathBuf {
    let mut path = std::env::current_exe().expect("this test");
    path.pop();
    path.pop();
    path.join("latchkey")
}

fn on_path(name: &str) -> bool {
    Command::new(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// Whether the walk can be walked; says loudly what is missing, and fails for it when `CI=true`.
#[expect(clippy::disallowed_methods, reason = "CI tells itself by its environment")]
fn equipped() -> bool {
    let missing: Vec<&str> = ["chromium", "chromedriver"]
        .into_iter()
        .filter(|name| !on_path(name))
        .collect();
    if missing.is_empty() && latchkey().exists() {
        return true;
    }
    let what = format!(
        "needs {missing:?} and {} (tests/run sees to both)",
        latchkey().display()
    );
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
    eprintln!("SKIPPED: the walk {what}");
    false
}

struct Demo {
    port: u16,
    http: reqwest::Client,
    _process: Running,
    _data: TempDir,
}

impl Demo {
    async fn start(database: Option<&str>) -> Self {
        let (port, data) = (free_port(), tempfile::tempdir().expect("a folder"));
        let mut command = Command::new(latchkey());
        command
            .args(["demo", "--port", &port.to_string(), "--data"])
            .arg(data.path())
            .stdout(Stdio::null());
        if let Some(database) = database {
            command.env("DATABASE_URL", database);
        }
        let process = Running(command.spawn().expect("the demo starts"));
        let http = reqwest::Client::builder().resolve("news.localhost", ([127, 0, 0, 1], port).into());
        let http = http.resolve("ads.localhost", ([127, 0, 0, 1], port).into());
        let http = http.resolve("stats.localhost", ([127, 0, 0, 1], port).into());
        let http = http.resolve("mail.localhost", ([127, 0, 0, 1], port).into());
        let demo = Self {
            port,
            http: http.build().expect("a client"),
            _process: process,
            _data: data,
        };
        demo.wait().await;
        demo
    }

    async fn wait(&self) {
        let until = tokio::time::Instant::now() + PATIENCE;
        while self.http.get(self.url("news", "/")).send().await.is_err() {
            assert!(tokio::time::Instant::now() < until, "the demo did not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}.localhost:{}{path}", self.port)
    }

    async fn json(&self, host: &str, path: &str) -> Value {
        self.http
            .get(self.url(host, path))
            .send()
            .await
            .expect("answer")
            .json()
            .await
            .expect("JSON")
    }

    /// Requests that the ad server has seen in all.
    async fn ad_requests(&self) -> u64 {
        tokio::time::sleep(LATE).await;
        self.json("ads", "/_counts").await["total"].as_u64().expect("a total")
    }

    /// Page views that analytics has seen in all.
    async fn page_views(&self) -> u64 {
        self.json("stats", "/_counts").await["total"].as_u64().expect("a total")
    }
}

async fn browser() -> (Running, Client, TempDir) {
    let port = free_port();
    let driver = Command::new("chromedriver")
        .arg(format!("--port={port}"))
        .stdout(Stdio::null())
        .spawn()
        .expect("driver");
    let driver = Running(driver);
    let profile = tempfile::tempdir().expect("a folder");
    let arguments = json!([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        format!("--user-data-dir={}", profile.path().display()),
    ]);
    let capabilities = json!({ "goog:chromeOptions": { "args": arguments } });
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        builder.capabilities(capabilities.as_object().expect("an object").clone());
        match builder.connect(&format!("http://127.0.0.1:{port}")).await {
            Ok(client) => return (driver, client, profile),
            Err(error) => assert!(tokio::time::Instant::now() < until, "no browser: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn fill(client: &Client, selector: &str, text: &str) {
    let field = client
        .wait()
        .at_most(PATIENCE)
        .for_element(Locator::Css(selector))
        .await
        .expect(selector);
    field.clear().await.expect("clear");
    field.send_keys(text).await.expect("type");
}

async fn press(client: &Client, selector: &str) {
    let button = client
        .wait()
        .at_most(PATIENCE)
        .for_element(Locator::Css(selector))
        .await
        .expect(selector);
    button.click().await.expect("press");
}

async fn text(client: &Client) -> String {
    client
        .find(Locator::Css("body"))
        .await
        .expect("a body")
        .text()
        .await
        .expect("its text")
}

/// Waits until the address is `url`.
async fn arrives(client: &Client, url: &str) {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let now = client.current_url().await.expect("an address").to_string();
        if now == url {
            return;
        }
        assert!(
            tokio::time::Instant::now() < until,
            "at {now}, not at {url}: {}",
            text(client).await
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// From the article through Checkout and back to it.
async fn pays(demo: &Demo, client: &Client, email: &str) {
    client.goto(&demo.url("news", ARTICLE)).await.expect("the article");
    press(client, ".latchkey-call a").await;
    fill(client, "#email", email).await;
    press(client, "button[value=prc_monthly]").await;
    fill(client, "[name=number]", "4242424242424242").await;
    fill(client, "[name=expiry]", "12 / 40").await;
    fill(client, "[name=cvc]", "123").await;
    if client.find(Locator::Css("[name=name]")).await.is_ok() {
        fill(client, "[name=name]", "Ada Reader").await;
    }
    press(client, "form button[type=submit], form button.pay, form button").await;
    arrives(client, &demo.url("news", ARTICLE)).await;
}

async fn walk(database: Option<&str>) {
    let demo = Demo::start(database).await;
    let (_driver, ada, _profile) = browser().await;

    // A free reader sees the call and the ads.
    ada.goto(&demo.url("news", ARTICLE)).await.expect("the article");
    assert!(text(&ada).await.contains("Support The Harbour Post – go ad-free!"));
    let free = demo.ad_requests().await;
    assert!(free > 0, "a free reader's page asked for no ads");
    let views = demo.page_views().await;
    assert_eq!(views, 1);

    // She pays and is back on the article: no ads, thanks in place of the call, analytics as before.
    pays(&demo, &ada, "ada@reader.example").await;
    assert!(text(&ada).await.contains("Thank you for supporting The Harbour Post."));
    assert!(text(&ada).await.contains("tide clock"));
    demo.ad_requests().await;
    let (before, views) = (demo.ad_requests().await, demo.page_views().await);
    for path in [ARTICLE, "/", "/science/why-the-sea-glows", "/live-desk"] {
        ada.goto(&demo.url("news", path)).await.expect(path);
    }
    ada.back().await.expect("back");
    ada.refresh().await.expect("reload");
    assert_eq!(demo.ad_requests().await, before, "a payer's pages asked for ads");
    assert!(demo.page_views().await >= views + 4, "analytics lost page views");

    // On another browser she signs in with the typed code from the letter, and sees no ads either.
    let (_driver2, other, _profile2) = browser().await;
    other.goto(&demo.url("account", "/sign-in")).await.expect("sign-in");
    fill(&other, "#email", "ada@reader.example").await;
    press(&other, "form button").await;
    other
        .wait()
        .at_most(PATIENCE)
        .for_element(Locator::Css("#code"))
        .await
        .expect("the code's field");
    let letters = demo.json("mail", "/_mails").await;
    let letter = letters.as_array().and_then(|all| all.last()).expect("a letter")["text"]
        .as_str()
        .expect("text")
        .to_owned();
    let code = letter
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .find(|word| {
            word.replace('-', "").len() == 8
                && word
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')
        })
        .unwrap_or_else(|| panic!("no code in the letter: {letter}"))
        .to_owned();
    fill(&other, "#code", &code).await;
    press(&other, "form button").await;
    other
        .wait()
        .at_most(PATIENCE)
        .for_element(Locator::Css("form[action='/account/portal']"))
        .await
        .expect("her account");
    assert!(text(&other).await.contains("Supporter"), "{}", text(&other).await);

    other.close().await.expect("close");
    ada.close().await.expect("close");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_pays_and_the_ads_are_gone_on_sqlite() {
    if equipped() {
        walk(None).await;
    }
}

/// A database of its own on the tests' server, or none where there is no server.
#[expect(clippy::disallowed_methods, reason = "tests/run says where PostgreSQL is")]
fn postgres() -> Option<String> {
    let Ok(server) = std::env::var("LATCHKEY_TEST_POSTGRES") else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "LATCHKEY_TEST_POSTGRES is not set (tests/run sets it)"
        );
        eprintln!("SKIPPED: the walk on PostgreSQL needs LATCHKEY_TEST_POSTGRES (tests/run sets it)");
        return None;
    };
    let name = format!("latchkey_walk_{}_{}", std::process::id(), free_port());
    let made = Command::new("psql")
        .arg(&server)
        .args(["-qc", &format!("CREATE DATABASE {name}")])
        .status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "psql could not make a database"
    );
    let (base, _) = server.rsplit_once('/').expect("an address with a database");
    Some(format!("{base}/{name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_pays_and_the_ads_are_gone_on_postgresql() {
    if !equipped() {
        return;
    }
    if let Some(database) = postgres() {
        walk(Some(&database)).await;
        let asked = Command::new("psql")
            .arg(&database)
            .args(["-Atqc", "SELECT count(*) FROM account_grant"])
            .output();
        let grants = String::from_utf8(asked.expect("psql").stdout).expect("a number");
        assert_eq!(grants.trim(), "1", "the walk was not on PostgreSQL");
    }
}
