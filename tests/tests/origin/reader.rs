//! A reader with a browser that keeps cookies and follows redirects, and refuses what a real one would refuse over plain http.

use std::{cell::RefCell, collections::BTreeMap};

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use scraper::{Html, Selector};
use url::Url;

use crate::demo::Demo;

const MAX_REDIRECTS: usize = 20;

/// A person who reads the site.
pub(crate) struct Reader<'a> {
    demo: &'a Demo,
    http: reqwest::Client,
    jar: RefCell<BTreeMap<(String, String, String), String>>,
}

/// Where a browser ended, and what it shows.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) body: String,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(demo: &'a Demo, http: reqwest::Client) -> Self {
        Self {
            demo,
            http,
            jar: RefCell::default(),
        }
    }

    /// Opens a page of the site.
    pub(crate) async fn opens(&self, path: &str) -> Page {
        self.goes_to(self.demo.url(path)).await
    }

    /// Opens any address, and goes on to wherever it leads.
    pub(crate) async fn goes_to(&self, url: Url) -> Page {
        let answer = self.send(&url, self.get(&url)).await;
        self.follow(url, answer).await
    }

    /// Opens a page of the site with a header more, and follows nothing.
    pub(crate) async fn asks(&self, path: &str, name: header::HeaderName, value: &str) -> Page {
        let url = self.demo.url(path);
        let answer = self.send(&url, self.get(&url).header(name, value)).await;
        page(url, answer).await
    }

    /// Asks for a part of a film, as the element that plays it does.
    pub(crate) async fn plays(&self, path: &str, range: &str) -> Page {
        let url = self.demo.url(path);
        let request = self.http.get(url.clone()).header("sec-fetch-dest", "video");
        let answer = self.send(&url, request.header(header::RANGE, range)).await;
        page(url, answer).await
    }

    /// Fills in and sends the form on `from` that is selected, with its hidden fields and these.
    pub(crate) async fn sends(&self, from: &Page, form: &str, fields: &[(&str, &str)]) -> Page {
        let (action, mut all) = from.form(form);
        all.extend(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let request = self
            .http
            .request(Method::POST, action.clone())
            .header(header::ORIGIN, from.url.origin().ascii_serialization())
            .header(header::REFERER, from.url.as_str())
            .header("sec-fetch-site", "same-origin")
            .form(&all);
        let answer = self.send(&action, request).await;
        self.follow(action, answer).await
    }

    async fn follow(&self, mut url: Url, mut answer: Response) -> Page {
        for _ in 0..MAX_REDIRECTS {
            let refreshed = answer.headers().get(header::REFRESH).map(|line| {
                let line = line.to_str().expect("text");
                line.split_once("url=").expect("an address").1.to_owned()
            });
            let led = answer
                .headers()
                .get(header::LOCATION)
                .filter(|_| answer.status().is_redirection())
                .map(|to| to.to_str().expect("text").to_owned());
            let Some(to) = led.or(refreshed) else {
                return page(url, answer).await;
            };
            url = url.join(&to).expect("an address");
            assert_eq!(url.scheme(), "http", "the browser was led away to {url}");
            answer = self.send(&url, self.get(&url)).await;
        }
        panic!("more than {MAX_REDIRECTS} redirects, the last to {url}");
    }

    fn get(&self, url: &Url) -> RequestBuilder {
        self.http
            .get(url.clone())
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Response {
        let host = url.host_str().unwrap_or_default();
        assert!(host.ends_with(".localhost"), "the browser was led away to {url}");
        let cookies: Vec<String> = self
            .jar
            .borrow()
            .iter()
            .filter(|((of, path, _), _)| of == host && url.path().starts_with(path))
            .map(|((_, _, name), value)| format!("{name}={value}"))
            .collect();
        let answer = request
            .header(header::ACCEPT, "text/html,*/*;q=0.8")
            .header(header::ACCEPT_ENCODING, "gzip, br")
            .header(header::COOKIE, cookies.join("; "))
            .send()
            .await
            .unwrap_or_else(|why| panic!("{url}: {why:?}"));
        for line in answer.headers().get_all(header::SET_COOKIE) {
            self.keep(host, line.to_str().expect("a cookie is text"));
        }
        answer
    }

    fn keep(&self, host: &str, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("name=value");
        let (mut path, mut gone) = ("/".to_owned(), false);
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match (key.to_ascii_lowercase().as_str(), value.to_ascii_lowercase().as_str()) {
                ("path", _) => value.clone_into(&mut path),
                ("max-age", age) => gone = age.starts_with('-') || age == "0",
                ("httponly", _) | ("samesite", "lax" | "strict") => {}
                _ => panic!("{host}: a browser refuses this cookie over plain http: {line}"),
            }
        }
        let key = (host.to_owned(), path, name.to_owned());
        if gone {
            self.jar.borrow_mut().remove(&key);
        } else {
            self.jar.borrow_mut().insert(key, value.to_owned());
        }
    }
}

async fn page(url: Url, answer: Response) -> Page {
    Page {
        url,
        status: answer.status(),
        headers: answer.headers().clone(),
        body: answer.text().await.expect("an answer arrives whole"),
    }
}

impl Page {
    /// One header's text; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Every address in the page that a browser loads or a reader can follow, made absolute; without those of forms that are posted.
    pub(crate) fn addresses(&self) -> Vec<Url> {
        let mut found = self.links("a[href], link[href], script[src], img[src], iframe[src]");
        let (html, base) = self.parsed();
        for image in html.select(&Selector::parse("[srcset]").expect("a selector")) {
            let candidates = image.attr("srcset").unwrap_or_default().split(',');
            let addresses = candidates.filter_map(|one| one.split_whitespace().next());
            found.extend(addresses.filter_map(|address| base.join(address).ok()));
        }
        found
    }

    /// The addresses of the elements that are selected.
    pub(crate) fn links(&self, selector: &str) -> Vec<Url> {
        let (html, base) = self.parsed();
        let selector = Selector::parse(selector).expect("a selector");
        html.select(&selector)
            .filter_map(|element| element.attr("href").or(element.attr("src")))
            .filter_map(|address| base.join(address).ok())
            .collect()
    }

    fn parsed(&self) -> (Html, Url) {
        let html = Html::parse_document(&self.body);
        let base = Selector::parse("base[href]").expect("a selector");
        let base = html.select(&base).find_map(|base| base.attr("href"));
        let base = base.map_or_else(|| self.url.clone(), |base| self.url.join(base).expect("a base"));
        (html, base)
    }

    fn form(&self, selector: &str) -> (Url, Vec<(String, String)>) {
        let (html, base) = self.parsed();
        let form = Selector::parse(selector).expect("a selector");
        let form = html.select(&form).next();
        let form = form.unwrap_or_else(|| panic!("no {selector} in {self:?}"));
        // A form without an action is sent to the page that it stands on.
        let action = form
            .attr("action")
            .map_or_else(|| self.url.clone(), |action| base.join(action).expect("an address"));
        let hidden = Selector::parse("input[type=hidden]").expect("a selector");
        let fields = form.select(&hidden).filter_map(|field| {
            let value = field.attr("value").unwrap_or_default();
            Some((field.attr("name")?.to_owned(), value.to_owned()))
        });
        (action, fields.collect())
    }
}
