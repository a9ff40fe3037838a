//! A browser: keeps cookies as RFC 6265 says, and follows redirects between the origins.

use std::sync::{Arc, Mutex};

use latchkey_entitlement::{Clock, Timestamp, time::SECOND};
use reqwest::{Client, Method, RequestBuilder, Response, header};
use url::{Url, form_urlencoded};

use crate::Page;

/// Most redirects that are followed for one page; Firefox and Chrome stop at 20.
const MAX_REDIRECTS: usize = 20;
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

struct Cookie {
    /// Cookies know no port: every part of a world has a host name of its own.
    host: String,
    path: String,
    name: String,
    value: String,
    expires_at: Option<Timestamp>,
}

/// One browser with its cookies.
pub struct Browser {
    client: Client,
    clock: Arc<dyn Clock>,
    jar: Mutex<Vec<Cookie>>,
    /// What it sends as `Accept-Language`.
    languages: Mutex<String>,
}

impl Browser {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            clock,
            jar: Mutex::default(),
            languages: Mutex::default(),
        }
    }

    /// From now on it asks for these languages, such as `de-DE,de;q=0.9`.
    pub fn speaks(&self, languages: &str) {
        languages.clone_into(&mut self.languages.lock().unwrap());
    }

    /// Goes to an address, and on to wherever it leads.
    pub async fn goes_to(&self, url: &Url) -> Page {
        let first = self.get(url).await;
        self.follow(url.clone(), first).await
    }

    /// Sends a form of a page of the same origin, and goes on to wherever that leads.
    pub async fn sends(&self, url: &Url, fields: &[(String, String)]) -> Page {
        let first = self.post(url, fields).await;
        self.follow(url.clone(), first).await
    }

    /// Sends a form, and gives the address that the answer leads to without going there.
    ///
    /// Fails if it leads nowhere.
    pub async fn sends_and_stops(&self, url: &Url, fields: &[(String, String)]) -> Url {
        let answer = self.post(url, fields).await;
        match location(url, &answer) {
            Some(next) => next,
            None => panic!(
                "{url} led nowhere: {} {}",
                answer.status(),
                answer.text().await.unwrap()
            ),
        }
    }

    async fn follow(&self, mut url: Url, mut answer: Response) -> Page {
        for _ in 0..MAX_REDIRECTS {
            let Some(next) = location(&url, &answer) else {
                return Page {
                    status: answer.status(),
                    url,
                    body: answer.text().await.expect("the page arrives whole"),
                };
            };
            answer = self.get(&next).await;
            url = next;
        }
        panic!("more than {MAX_REDIRECTS} redirects, the last to {url}");
    }

    async fn get(&self, url: &Url) -> Response {
        let request = self
            .client
            .get(url.clone())
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        self.send(url, request).await
    }

    async fn post(&self, url: &Url, fields: &[(String, String)]) -> Response {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .client
            .request(Method::POST, url.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ORIGIN, url.origin().ascii_serialization())
            .header("sec-fetch-site", "same-origin")
            .body(body);
        self.send(url, request).await
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Response {
        let mut request = request
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "text/html,*/*;q=0.8");
        let languages = self.languages.lock().unwrap().clone();
        if !languages.is_empty() {
            request = request.header(header::ACCEPT_LANGUAGE, languages);
        }
        let cookies = self.cookies_for(url);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies);
        }
        let answer = request.send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        for line in answer.headers().get_all(header::SET_COOKIE) {
            self.keep(url, line.to_str().expect("a cookie is text"));
        }
        answer
    }

    fn cookies_for(&self, url: &Url) -> String {
        let now = self.clock.now();
        let mut jar = self.jar.lock().unwrap();
        jar.retain(|cookie| cookie.expires_at.is_none_or(|at| now < at));
        let host = url.host_str().unwrap_or_default();
        let fits = |cookie: &&Cookie| cookie.host == host && url.path().starts_with(&cookie.path);
        let pairs = jar.iter().filter(fits);
        let pairs: Vec<String> = pairs
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        pairs.join("; ")
    }

    fn keep(&self, url: &Url, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("name=value");
        let mut cookie = Cookie {
            host: url.host_str().unwrap_or_default().to_owned(),
            path: "/".to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
            expires_at: None,
        };
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key.to_ascii_lowercase().as_str() {
                "path" => value.clone_into(&mut cookie.path),
                "max-age" => {
                    let age: i64 = value.parse().expect("Max-Age is a number");
                    cookie.expires_at = Some(self.clock.now().plus(age * SECOND));
                }
                // Over http a browser refuses what is not on the loopback and Secure; nothing here may need it.
                "secure" => panic!("a Secure cookie over plain http: {name}"),
                "httponly" | "samesite" => {}
                other => panic!("an attribute that this browser does not know: {other}"),
            }
        }
        let mut jar = self.jar.lock().unwrap();
        jar.retain(|old| (&old.host, &old.path, &old.name) != (&cookie.host, &cookie.path, &cookie.name));
        jar.push(cookie);
    }
}

fn location(url: &Url, answer: &Response) -> Option<Url> {
    let to = answer
        .headers()
        .get(header::LOCATION)
        .filter(|_| answer.status().is_redirection())?;
    let to = to.to_str().expect("a location is text");
    Some(
        url.join(to)
            .unwrap_or_else(|error| panic!("{url} leads to {to}: {error}")),
    )
}
