//! `latchkey demo --origin`.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::Command,
};

use tempfile::TempDir;
use url::Url;

use crate::{
    equipment::{Running, eventually, free_port, latchkey},
    reader::Reader,
};

/// Hosts of the demo that a reader comes to; system resolvers need not know `*.localhost`.
const HOSTS: [&str; 3] = ["news.localhost", "account.localhost", "stripe.localhost"];

/// A demo before a site that is not its own. It ends with the test.
pub(crate) struct Demo {
    port: u16,
    folder: TempDir,
    _process: Running,
}

impl Demo {
    /// Starts the program before `origin`, which is reached at `address`, and waits until it answers.
    pub(crate) async fn before(origin: &str, address: SocketAddr, authority: Option<&Path>) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
        let said = File::create(folder.path().join("said")).expect("a file");
        let mut command = Command::new(latchkey());
        command
            .args(["demo", "--port", &port.to_string(), "--data"])
            .arg(folder.path().join("data"))
            .args(["--origin", origin, "--origin-address", &address.to_string()])
            .stdout(said.try_clone().expect("the same file"))
            .stderr(said);
        if let Some(authority) = authority {
            command.arg("--origin-ca").arg(authority);
        }
        let demo = Self {
            port,
            _process: Running(command.spawn().expect("`cargo build` comes before this test")),
            folder,
        };
        eventually("the demo is ready", async || demo.said().contains("demo is ready")).await;
        demo
    }

    /// Everything that the program said so far, on standard output and in its log.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).expect("what it said")
    }

    /// Waits until the program has said `words`.
    pub(crate) async fn says(&self, words: &str) {
        eventually(&format!("the demo says: {words}"), async || self.said().contains(words)).await;
    }

    /// The site's host as a reader sees it.
    pub(crate) fn host(&self) -> String {
        format!("news.localhost:{}", self.port)
    }

    /// An address on the site.
    pub(crate) fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.host()).parse().expect("an address")
    }

    /// A reader with a browser of their own.
    pub(crate) fn reader(&self) -> Reader<'_> {
        let mut http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        for host in HOSTS {
            http = http.resolve(host, ([127, 0, 0, 1], self.port).into());
        }
        Reader::new(self, http.build().expect("a client"))
    }
}
