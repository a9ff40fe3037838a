//! The browser behind a request: its cookies, and whether a form really came from our own page.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::IntoResponseParts,
};

use crate::{Problem, ServerConfig, secrets, server::App};

/// The session on this origin.
pub(crate) const ACCOUNT: &str = "latchkey_account";
/// The nonce of a Checkout that this browser began.
pub(crate) const ATTEMPT: &str = "latchkey_attempt";
/// A random value that only this browser knows: forms and typed codes are bound to it.
pub(crate) const BROWSER: &str = "latchkey_browser";

/// The currency that was chosen on the support page.
pub(crate) const CURRENCY: &str = "latchkey_currency";

/// How long the browser's own cookie lasts, in seconds.
pub(crate) const BROWSER_SECONDS: i64 = 365 * 24 * 60 * 60;
/// How long a Checkout may take until the return no longer signs in, in seconds.
pub(crate) const ATTEMPT_SECONDS: i64 = 24 * 60 * 60;

/// What the request's cookies say.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    https: bool,
    /// Secret of the browser; made for this request if it brought none.
    pub(crate) secret: String,
    /// Whether `secret` must be set by the answer.
    fresh: bool,
    /// Secret of the session on this origin.
    pub(crate) account: Option<String>,
    /// Nonce of the Checkout.
    pub(crate) attempt: Option<String>,
    /// What the browser says of itself.
    pub(crate) user_agent: String,
    /// The languages that it asks for.
    pub(crate) languages: String,
    /// The currency that was chosen before.
    pub(crate) currency: Option<String>,
}

impl Browser {
    fn read(headers: &HeaderMap, app: &App) -> Self {
        let https = app.config.is_https();
        let find = |name| cookie(headers, &full_name(https, name));
        let kept = find(BROWSER);
        let header = |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        Self {
            https,
            fresh: kept.is_none(),
            secret: kept.unwrap_or_else(|| secrets::encode(&app.ids.secret())),
            account: find(ACCOUNT),
            attempt: find(ATTEMPT),
            user_agent: header(header::USER_AGENT),
            languages: header(header::ACCEPT_LANGUAGE),
            currency: find(CURRENCY),
        }
    }

    /// The token for this browser's forms.
    pub(crate) fn form_token(&self) -> String {
        secrets::encode(&secrets::derive(self.secret.as_bytes(), &["latchkey form"]))
    }

    /// The browser's secret, as it is stored.
    pub(crate) fn hash(&self) -> latchkey_store::Hash {
        secrets::hash(&self.secret)
    }

    /// Sets the browser's cookie if it had none.
    pub(crate) fn keep(&self) -> SetCookies {
        let mut cookies = SetCookies::default();
        if self.fresh {
            cookies.set(self.https, BROWSER, &self.secret, BROWSER_SECONDS);
        }
        cookies
    }

    /// Sets one cookie of this origin beside the browser's own.
    pub(crate) fn set(&self, name: &str, value: &str, seconds: i64) -> SetCookies {
        self.keep().and(self, name, value, seconds)
    }

    /// Takes one cookie of this origin away.
    pub(crate) fn clear(&self, name: &str) -> SetCookies {
        self.set(name, "", 0)
    }

    /// "Firefox on Android": enough for a reader to know the device again, never a fingerprint.
    pub(crate) fn device(&self) -> String {
        let agent = &self.user_agent;
        let find = |list: &[(&str, &'static str)]| {
            list.iter()
                .find(|(mark, _)| agent.contains(mark))
                .map(|(_, name)| *name)
        };
        let program = find(&[
            ("Edg/", "Edge"),
            ("OPR/", "Opera"),
            ("Firefox/", "Firefox"),
            ("Chrome/", "Chrome"),
            ("Safari/", "Safari"),
        ]);
        let system = find(&[
            ("Android", "Android"),
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Windows", "Windows"),
            ("Mac OS X", "macOS"),
            ("Linux", "Linux"),
        ]);
        match (program, system) {
            (Some(program), Some(system)) => format!("{program} on {system}"),
            (Some(name), None) | (None, Some(name)) => name.to_owned(),
            (None, None) => "a browser".to_owned(),
        }
    }
}

impl FromRequestParts<App> for Browser {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Self::read(&parts.headers, app))
    }
}

/// A browser whose request came from a page of this origin, as far as the browser itself says. Every form asks for it,
/// and for the token beside it ([`SameOrigin::form`]).
#[derive(Clone, Debug)]
pub(crate) struct SameOrigin(Browser);

impl SameOrigin {
    /// The browser, once the form's token holds.
    pub(crate) fn form(self, token: &str) -> Result<Browser, Problem> {
        let right = self.0.form_token();
        if !self.0.fresh && secrets::same(token.as_bytes(), right.as_bytes()) {
            Ok(self.0)
        } else {
            Err(Problem::form_token())
        }
    }
}

impl FromRequestParts<App> for SameOrigin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if came_from_here(&parts.headers, &app.config) {
            Ok(Self(Browser::read(&parts.headers, app)))
        } else {
            Err(Problem::foreign_form())
        }
    }
}

/// `Sec-Fetch-Site` decides where the browser sends it. `Origin: null` is what a browser without it sends from our own
/// pages that set `Referrer-Policy: no-referrer`: the form's token decides then, as it does without either header.
fn came_from_here(headers: &HeaderMap, config: &ServerConfig) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    headers
        .get(header::ORIGIN)
        .is_none_or(|origin| origin == "null" || origin.as_bytes() == config.account_origin.as_bytes())
}

fn full_name(https: bool, name: &str) -> String {
    if https {
        format!("__Host-{name}")
    } else {
        name.to_owned()
    }
}

/// The only cookie of that name; two of them are a sign of tossing, and neither is believed.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(own, _)| *own == name)
        .map(|(_, value)| value);
    let value = found
        .next()
        .filter(|value| !value.is_empty() && value.len() <= secrets::MAX_SECRET_LENGTH)?;
    found.next().is_none().then(|| value.to_owned())
}

/// Cookies to set, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetCookies(Vec<HeaderValue>);

impl SetCookies {
    /// One more.
    pub(crate) fn and(mut self, browser: &Browser, name: &str, value: &str, seconds: i64) -> Self {
        self.set(browser.https, name, value, seconds);
        self
    }

    fn set(&mut self, https: bool, name: &str, value: &str, seconds: i64) {
        let secure = if https { "; Secure" } else { "" };
        let name = full_name(https, name);
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        // Values are base64url, a currency or empty, so this never fails; if it did, no cookie is the safe answer.
        self.0.extend(HeaderValue::from_str(&text));
    }
}

impl IntoResponseParts for SetCookies {
    type Error = std::convert::Infallible;

    fn into_response_parts(
        self,
        mut answer: axum::response::ResponseParts,
    ) -> Result<axum::response::ResponseParts, Self::Error> {
        for value in self.0 {
            answer.headers_mut().append(header::SET_COOKIE, value);
        }
        Ok(answer)
    }
}
