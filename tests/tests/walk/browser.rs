//! Chromium, driven by chromedriver.

use std::process::{Command, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine};
use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, KeyAction, KeyActions},
    elements::Element,
    error::CmdError,
    key::Key,
    wd::WebDriverCompatibleCommand,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};
use url::{ParseError, Url};

use crate::equipment::{PATIENCE, Running, eventually, free_port};

/// Browsers that run at once, whatever the number of test threads.
static BROWSERS: Semaphore = Semaphore::const_new(2);

/// A command of the Chrome DevTools Protocol, as chromedriver passes it on.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (reqwest::Method, Option<String>) {
        let body = json!({ "cmd": self.0, "params": self.1 });
        (reqwest::Method::POST, Some(body.to_string()))
    }
}

/// One browser with a profile of its own.
pub(crate) struct Browser {
    client: Client,
    _driver: Running,
    _profile: TempDir,
    _permit: SemaphorePermit<'static>,
}

impl Browser {
    /// A browser as it comes.
    pub(crate) async fn open() -> Self {
        let permit = BROWSERS.acquire().await.expect("never closed");
        Self::start(permit, &[]).await
    }

    /// Two browsers that know nothing of each other. Taken together, so that two stories cannot wait for each other.
    pub(crate) async fn open_two() -> (Self, Self) {
        let mut permits = BROWSERS.acquire_many(2).await.expect("never closed");
        let other = permits.split(1).expect("two permits");
        (Self::start(permits, &[]).await, Self::start(other, &[]).await)
    }

    /// A browser in which pages' scripts do not run.
    pub(crate) async fn without_script() -> Self {
        let permit = BROWSERS.acquire().await.expect("never closed");
        Self::start(permit, &["--blink-settings=scriptEnabled=false"]).await
    }

    async fn start(permit: SemaphorePermit<'static>, more: &[&str]) -> Self {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("driver");
        let driver = Running(driver);
        let profile = tempfile::tempdir().expect("a folder");
        let mut arguments = vec![
            "--headless=new".to_owned(),
            // Chromium ends with its driver, however that ends.
            "--remote-debugging-pipe".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            // Pages of real sites name hosts that are not here: they are to be missing at once.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"
                .to_owned(),
            "--window-size=1280,900".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        arguments.extend(more.iter().map(ToString::to_string));
        let capabilities = json!({ "goog:chromeOptions": { "args": arguments } });
        let until = tokio::time::Instant::now() + PATIENCE;
        let client = loop {
            let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
            builder.capabilities(capabilities.as_object().expect("an object").clone());
            match builder.connect(&format!("http://127.0.0.1:{port}")).await {
                Ok(client) => break client,
                Err(error) => assert!(tokio::time::Instant::now() < until, "no browser: {error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        };
        Self {
            client,
            _driver: driver,
            _profile: profile,
            _permit: permit,
        }
    }

    /// Opens an address and waits until the page is loaded.
    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.expect(url);
    }

    /// The address of the page.
    pub(crate) async fn url(&self) -> String {
        self.client.current_url().await.expect("an address").to_string()
    }

    /// Waits until the address is `url`.
    pub(crate) async fn arrives(&self, url: &str) {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let now = self.url().await;
            if now == url {
                return;
            }
            assert!(
                tokio::time::Instant::now() < until,
                "at {now}, not at {url}: {}",
                self.text().await
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        self.client.refresh().await.expect("reload");
    }

    /// One page back.
    pub(crate) async fn back(&self) {
        self.client.back().await.expect("back");
    }

    /// What the page says.
    pub(crate) async fn text(&self) -> String {
        let body = self.client.find(Locator::Css("body")).await.expect("a body");
        body.text().await.expect("its text")
    }

    /// Waits until the page says `words`.
    pub(crate) async fn reads(&self, words: &str) {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            // The page may just be going; it is looked for again then.
            let text = match self.client.find(Locator::Css("body")).await {
                Ok(body) => body.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            if text.contains(words) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < until,
                "`{words}` is not at {}: {text}",
                self.url().await
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Whether the page has such an element.
    pub(crate) async fn has(&self, selector: &str) -> bool {
        !self
            .client
            .find_all(Locator::Css(selector))
            .await
            .expect(selector)
            .is_empty()
    }

    /// The element, as soon as it is there.
    pub(crate) async fn element(&self, selector: &str) -> Element {
        let wait = self.client.wait().at_most(PATIENCE);
        match wait.for_element(Locator::Css(selector)).await {
            Ok(element) => element,
            Err(why) => panic!("no `{selector}` at {}: {why}; {}", self.url().await, self.text().await),
        }
    }

    /// Types into a field what replaces its content.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let field = self.element(selector).await;
            let cleared = field.clear().await;
            if !gone(&cleared, until) {
                cleared.expect(selector);
                return field.send_keys(text).await.expect(selector);
            }
        }
    }

    /// Presses a button or follows a link.
    pub(crate) async fn press(&self, selector: &str) {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let clicked = self.element(selector).await.click().await;
            if !gone(&clicked, until) {
                return clicked.expect(selector);
            }
        }
    }

    /// Chooses the option whose label begins so.
    pub(crate) async fn choose(&self, selector: &str, label: &str) {
        let options = self.element(selector).await;
        let options = options.find_all(Locator::Css("option")).await.expect("options");
        for option in options {
            if option.text().await.expect("a label").contains(label) {
                option.click().await.expect("choose");
                return;
            }
        }
        panic!("no `{label}` in `{selector}`: {}", self.text().await);
    }

    /// Presses one key.
    pub(crate) async fn key(&self, key: Key) {
        let value = key.into();
        let keys = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value });
        self.client.perform_actions(keys).await.expect("a key");
    }

    /// Types where the focus is.
    pub(crate) async fn type_text(&self, text: &str) {
        let field = self.client.active_element().await.expect("a focus");
        field.send_keys(text).await.expect("typing");
    }

    /// What a script of the test's own finds in the page.
    pub(crate) async fn script(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.expect("a script")
    }

    /// The value of a cookie of `url`, if the browser has it; also one that scripts cannot read.
    pub(crate) async fn cookie(&self, url: &str, name: &str) -> Option<String> {
        let found = self.devtools("Network.getCookies", json!({ "urls": [url] })).await;
        let cookies = found["cookies"].as_array().cloned().unwrap_or_default();
        let cookie = cookies.into_iter().find(|cookie| cookie["name"] == name)?;
        cookie["value"].as_str().map(str::to_owned)
    }

    /// A telephone's window, 390 px wide.
    pub(crate) async fn narrow(&self) {
        let size = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// A desk's window again.
    pub(crate) async fn wide(&self) {
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    /// A reader who prefers dark pages, or `light` ones.
    pub(crate) async fn prefers(&self, scheme: &str) {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// Another tab, with the focus.
    pub(crate) async fn new_tab(&self) -> Tab {
        self.new_window(true).await
    }

    /// Another window, with the focus.
    pub(crate) async fn new_window(&self, as_tab: bool) -> Tab {
        let tab = self.client.new_window(as_tab).await.expect("a window").handle;
        self.switch_to(&tab).await;
        tab
    }

    /// The tab that has the focus.
    pub(crate) async fn tab(&self) -> Tab {
        self.client.window().await.expect("a window")
    }

    /// Gives a tab the focus.
    pub(crate) async fn switch_to(&self, tab: &Tab) {
        self.client.switch_to_window(tab.clone()).await.expect("that window");
    }

    /// Waits until the page's own scripts and pictures are there.
    pub(crate) async fn loaded(&self) {
        eventually("the page is loaded", async || {
            self.client
                .execute("return document.readyState", vec![])
                .await
                .is_ok_and(|state| state == "complete")
        })
        .await;
    }

    /// A picture of the whole page, in PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let parameters = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.devtools("Page.captureScreenshot", parameters).await;
        let data = answer["data"].as_str().expect("a picture");
        BASE64_STANDARD.decode(data).expect("base64")
    }

    /// Closes it as people do.
    pub(crate) async fn close(self) {
        self.client.clone().close().await.expect("close");
    }

    async fn devtools(&self, command: &'static str, parameters: Value) -> Value {
        let answer = self.client.issue_cmd(DevTools(command, parameters)).await;
        answer.unwrap_or_else(|why| panic!("{command}: {why}"))
    }
}

/// One tab or window.
pub(crate) type Tab = fantoccini::wd::WindowHandle;

/// Whether the page was replaced between finding an element and using it, so that it is to be found again; not after `until`.
fn gone(used: &Result<(), CmdError>, until: tokio::time::Instant) -> bool {
    let stale = used.as_ref().is_err_and(CmdError::is_stale_element_reference);
    stale && tokio::time::Instant::now() < until
}
