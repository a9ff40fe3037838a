//! `latchkey demo`, and what its counters and its mailbox say.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use scraper::{Html, Selector};
use serde::{Deserialize, de::DeserializeOwned};
use tempfile::TempDir;

use crate::{
    equipment::{Running, eventually, free_port, latchkey},
    panel::Panel,
};

/// How long late ads get to come.
const LATE: Duration = Duration::from_secs(2);
/// Hosts of the demo that this test asks itself; browsers find `*.localhost` by themselves.
const HOSTS: [&str; 6] = ["news", "account", "ads", "stats", "mail", "stripe"];

/// A demo with its data. It ends with the test, or earlier when it is interrupted.
pub(crate) struct Demo {
    port: u16,
    http: reqwest::Client,
    database: Option<String>,
    arguments: Vec<String>,
    process: Option<Running>,
    data: TempDir,
}

impl Demo {
    /// A demo on SQLite, in a folder of its own.
    pub(crate) async fn start() -> Self {
        Self::start_on(None).await
    }

    /// A demo whose database is at that address.
    pub(crate) async fn start_on(database: Option<String>) -> Self {
        Self::start_with(database, vec![]).await
    }

    /// The same with more on its command line.
    pub(crate) async fn start_with(database: Option<String>, arguments: Vec<String>) -> Self {
        let port = free_port();
        let mut http = reqwest::Client::builder();
        for host in HOSTS {
            http = http.resolve(&format!("{host}.localhost"), ([127, 0, 0, 1], port).into());
        }
        let mut demo = Self {
            port,
            http: http.build().expect("a client"),
            database,
            arguments,
            process: None,
            data: tempfile::tempdir().expect("a folder"),
        };
        demo.run().await;
        demo
    }

    /// Starts the program with the data that is there, and waits until it answers.
    pub(crate) async fn run(&mut self) {
        let mut command = Command::new(latchkey());
        command
            .args(["demo", "--port", &self.port.to_string(), "--data"])
            .arg(self.data.path())
            .args(&self.arguments)
            .stdout(Stdio::null());
        if let Some(database) = &self.database {
            command.env("DATABASE_URL", database);
        }
        self.process = Some(Running(command.spawn().expect("the demo starts")));
        let front = self.front();
        eventually("the demo answers", async || {
            self.http
                .get(&front)
                .send()
                .await
                .is_ok_and(|r| r.status().is_success())
        })
        .await;
    }

    /// Sends Ctrl-C; how the program ended, and after how long.
    pub(crate) async fn interrupt(&mut self) -> (ExitStatus, Duration) {
        let mut process = self.process.take().expect("a running demo");
        let since = Instant::now();
        let sent = Command::new("kill")
            .args(["-INT", &process.0.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal was not sent");
        let mut ended = None;
        eventually("the demo ends", async || {
            ended = process.0.try_wait().expect("a process");
            ended.is_some()
        })
        .await;
        (ended.expect("an end"), since.elapsed())
    }

    /// An address on one of the demo's hosts.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}.localhost:{}{path}", self.port)
    }

    /// A client that follows no redirect.
    pub(crate) fn http_that_stays(&self) -> reqwest::Client {
        reqwest::Client::builder()
            .resolve("news.localhost", ([127, 0, 0, 1], self.port).into())
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client")
    }

    /// The page to begin at.
    pub(crate) fn front(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }

    /// The client that finds the demo's hosts.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The sandbox's control panel.
    pub(crate) fn panel(&self) -> Panel<'_> {
        Panel(self)
    }

    /// The body of a page, as a program without a browser gets it.
    pub(crate) async fn text(&self, host: &str, path: &str) -> String {
        let answer = self.http.get(self.url(host, path)).send().await.expect("an answer");
        answer.text().await.expect("text")
    }

    async fn json<T: DeserializeOwned>(&self, host: &str, path: &str) -> T {
        let answer = self.http.get(self.url(host, path)).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// Every page of the news site that a reader can reach from its front page, in order.
    pub(crate) async fn pages(&self) -> Vec<String> {
        let links = Selector::parse("a[href]").expect("a selector");
        let (mut found, mut next) = (BTreeSet::new(), vec!["/".to_owned()]);
        while let Some(path) = next.pop() {
            if !found.insert(path.clone()) {
                continue;
            }
            let page = Html::parse_document(&self.text("news", &path).await);
            let paths = page.select(&links).filter_map(|link| link.attr("href"));
            let pages = paths.filter(|path| path.starts_with('/') && !path.contains('.'));
            next.extend(pages.map(|path| path.split('#').next().unwrap_or(path).to_owned()));
        }
        assert!(
            found.len() >= 15,
            "the site has too few pages to prove anything: {found:?}"
        );
        found.into_iter().collect()
    }

    /// What the ad server has been asked for so far, late ads included.
    pub(crate) async fn ads(&self) -> Ads {
        tokio::time::sleep(LATE).await;
        self.ads_so_far().await
    }

    /// The same without waiting.
    pub(crate) async fn ads_so_far(&self) -> Ads {
        self.json("ads", "/_counts").await
    }

    /// The page views that analytics has counted, by page.
    pub(crate) async fn views(&self) -> BTreeMap<String, u64> {
        self.json::<Views>("stats", "/_counts").await.by_page
    }

    /// Letters to one address that have a link to sign in, the oldest first.
    pub(crate) async fn letters(&self, to: &str) -> Vec<Letter> {
        let all: Vec<Letter> = self.json("mail", "/_mails").await;
        let signs_in = |letter: &Letter| letter.text.contains("/sign-in/link?");
        all.into_iter()
            .filter(|letter| letter.to == to && signs_in(letter))
            .collect()
    }
}

#[derive(Deserialize)]
struct Views {
    by_page: BTreeMap<String, u64>,
}

/// The ad server's counters.
#[derive(Debug, Deserialize)]
pub(crate) struct Ads {
    by_page: BTreeMap<String, OfPage>,
}

#[derive(Debug, Deserialize)]
struct OfPage {
    total: u64,
    by_reader: BTreeMap<String, u64>,
}

impl Ads {
    /// Requests by page since `before`; empty if nobody saw an ad.
    pub(crate) fn since(&self, before: &Self) -> BTreeMap<String, u64> {
        let grown = self.by_page.iter().map(|(page, now)| {
            let old = before.by_page.get(page).map_or(0, |old| old.total);
            (page.clone(), now.total.saturating_sub(old))
        });
        grown.filter(|(_, requests)| *requests > 0).collect()
    }

    /// Requests that `page` made with the ad server's cookie of `reader`.
    pub(crate) fn of(&self, page: &str, reader: &str) -> u64 {
        let of_page = self.by_page.get(page);
        of_page
            .and_then(|page| page.by_reader.get(reader))
            .copied()
            .unwrap_or(0)
    }
}

/// A letter from the demo's mailbox.
#[derive(Debug, Deserialize)]
pub(crate) struct Letter {
    to: String,
    text: String,
}

impl Letter {
    /// The link to sign in.
    pub(crate) fn link(&self) -> &str {
        let mut words = self.text.split_whitespace();
        words
            .find(|word| word.contains("/sign-in/link?"))
            .unwrap_or_else(|| panic!("no link in the letter: {}", self.text))
    }

    /// The code to type: eight capitals and digits, perhaps with a dash.
    pub(crate) fn code(&self) -> String {
        let is_code = |word: &&str| {
            word.replace('-', "").len() == 8
                && word
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')
        };
        let mut words = self
            .text
            .split_whitespace()
            .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        words
            .find(is_code)
            .unwrap_or_else(|| panic!("no code in the letter: {}", self.text))
            .to_owned()
    }
}
