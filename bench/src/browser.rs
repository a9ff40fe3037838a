//! A browser without a window: keeps cookies, follows redirects, sends forms. Each `*.localhost` name leads to one port.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder, Response, Url};
use scraper::{ElementRef, Html, Selector};

/// A page as it arrived.
pub struct Page {
    /// Where it came from, after every redirect.
    pub url: Url,
    /// Its text.
    pub html: String,
    /// When the first byte of its body was there.
    pub first_byte: Instant,
}

/// One reader's browser.
pub struct Browser(Client);

fn selector(text: &str) -> anyhow::Result<Selector> {
    match Selector::parse(text) {
        Ok(selector) => Ok(selector),
        Err(why) => bail!("{text}: {why}"),
    }
}

impl Browser {
    /// A new one, without cookies.
    pub fn new(names: &[&str], address: SocketAddr) -> anyhow::Result<Self> {
        let mut builder = Client::builder()
            .cookie_store(true)
            .timeout(Duration::from_secs(30))
            .user_agent("Mozilla/5.0 (X11; Linux x86_64) measurement");
        for name in names {
            builder = builder.resolve(name, address);
        }
        Ok(Self(builder.build()?))
    }

    async fn send(request: RequestBuilder) -> anyhow::Result<Page> {
        let request = request
            .header("accept", "text/html,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        let mut answer: Response = request.send().await?;
        let (url, status) = (answer.url().clone(), answer.status());
        let first = answer.chunk().await?;
        let first_byte = Instant::now();
        let mut bytes = first.map(Vec::from).unwrap_or_default();
        while let Some(more) = answer.chunk().await? {
            bytes.extend_from_slice(&more);
        }
        let html = String::from_utf8(bytes)?;
        if !status.is_success() {
            bail!("{url} answered {status}: {html}");
        }
        Ok(Page { url, html, first_byte })
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) -> anyhow::Result<Page> {
        Self::send(self.0.get(url)).await
    }

    /// Fills in the form that holds `button` and presses it, as a page of the same origin does.
    pub async fn submit(&self, page: &Page, button: &str, typed: &[(&str, &str)]) -> anyhow::Result<Page> {
        let (url, fields) = form(page, button, typed)?;
        let request = self
            .0
            .post(url)
            .header("origin", page.url.origin().ascii_serialization())
            .header("sec-fetch-site", "same-origin")
            .form(&fields);
        Self::send(request).await
    }
}

/// Where the form that holds `button` leads, and its fields.
fn form(page: &Page, button: &str, typed: &[(&str, &str)]) -> anyhow::Result<(Url, Vec<(String, String)>)> {
    let html = Html::parse_document(&page.html);
    let button = html
        .select(&selector(button)?)
        .next()
        .with_context(|| format!("no {button} on {}", page.url))?;
    let form = button
        .ancestors()
        .filter_map(ElementRef::wrap)
        .find(|element| element.value().name() == "form")
        .context("the button belongs to no form")?;
    let hidden = selector("input[type=hidden]")?;
    let value = |element: ElementRef<'_>, name: &str| element.value().attr(name).map(str::to_owned);
    let mut fields: Vec<(String, String)> = form
        .select(&hidden)
        .filter_map(|input| Some((value(input, "name")?, value(input, "value")?)))
        .collect();
    fields.extend(
        typed
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
    );
    if let (Some(name), Some(text)) = (value(button, "name"), value(button, "value")) {
        fields.push((name, text));
    }
    let action = value(form, "action").unwrap_or_default();
    Ok((page.url.join(&action)?, fields))
}
