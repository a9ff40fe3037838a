//! The hand-over of a session from the account origin to a site's host.
//!
//! 1. `/.latchkey/enter?to=/path` sets a nonce and sends the browser to the account origin with its hash.
//! 2. The account origin sends it back with a code that is bound to this host and to that hash.
//! 3. `/.latchkey/enter?code=…&to=/path` exchanges code and nonce for a pass and a refresh secret.

use std::sync::Arc;

use aws_lc_rs::{digest, rand};
use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Request, Response, StatusCode, header::REFERRER_POLICY};
use url::form_urlencoded;

use crate::{
    Edge,
    cookies::{Cookies, Name},
    edge::Visit,
    own::{Query, to},
    pages::{self, CLEAR_SITE_DATA},
    renewal,
    server::CallError,
    wellformed,
};

/// Random bytes in a nonce.
const NONCE_BYTES: usize = 32;
/// The same as text.
const NONCE_LENGTH: usize = 43;
/// Longest code that is passed on to the server.
const MAX_CODE: usize = 128;

/// `GET /.latchkey/enter`
pub(crate) async fn serve(edge: &Arc<Edge>, visit: &Visit, request: &Request<()>) -> Response<Body> {
    let query = Query::of(request);
    let to = to(&query);
    let nonce = Cookies::of(request.headers(), visit.host.plain)
        .get(Name::Nonce)
        .filter(|nonce| is_nonce(nonce));
    let Some(code) = query.get("code") else {
        return match query.get("failed") {
            Some("away") => server_away(to),
            Some(_) => ask_again(to),
            None => begin(edge, visit, nonce, to),
        };
    };
    // A page that is loaded again shows its code again; who is signed in already simply goes on.
    let already = || edge.reader(visit, request).0.reason.honours();
    let Some(nonce) = nonce else {
        return if already() {
            pages::see_other(to, [])
        } else {
            failed("refused", to)
        };
    };
    if code.is_empty() || code.len() > MAX_CODE || !code.bytes().all(|b| b.is_ascii_graphic()) {
        return failed("refused", to);
    }
    match edge.server.enter(&visit.host.host, code, nonce).await {
        Ok(entered) => {
            let plain = visit.host.plain;
            let mut cookies = renewal::cookies(plain, &entered.pass, Some(&entered.refresh));
            cookies.extend([Name::Nonce.clear(plain), Name::Retry.clear(plain)]);
            let mut response = pages::see_other(to, cookies);
            response
                .headers_mut()
                .insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""));
            response
        }
        Err(CallError::Refused(status)) if status.is_client_error() => {
            if already() {
                pages::see_other(to, [])
            } else {
                failed("refused", to)
            }
        }
        Err(why) => {
            tracing::warn!(%why, "a hand-over failed");
            failed("away", to)
        }
    }
}

/// Leads on to the page that says what went wrong. Never that page itself at an address with a code in it: a script of the site
/// could read the address, in the history or as a referrer, and use the code elsewhere.
pub(crate) fn failed(why: &str, to: &str) -> Response<Body> {
    let query: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("failed", why)
        .append_pair("to", to)
        .finish();
    let mut response = pages::see_other(&format!("{}enter?{query}", wellformed::OWN), []);
    response
        .headers_mut()
        .insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn server_away(to: &str) -> Response<Body> {
    let content = format!(
        "<p>Signing in did not finish, because our account server cannot be reached. What you paid for is safe.</p>\n\
         <p><a href=\"{}\">Try again</a> or <a href=\"{}\">read on</a>.</p>",
        again(to),
        pages::escape(to)
    );
    pages::page(
        StatusCode::SERVICE_UNAVAILABLE,
        "Please try again in a moment",
        &content,
    )
}

/// Sends the browser to the account origin. A nonce that is there already is kept, so that two tabs can walk at once.
fn begin(edge: &Edge, visit: &Visit, nonce: Option<&str>, to: &str) -> Response<Body> {
    let Some(nonce) = nonce.map(str::to_owned).or_else(fresh_nonce) else {
        return pages::unavailable("There is no randomness.");
    };
    let hash = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, nonce.as_bytes()));
    let query: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("host", &visit.host.host)
        .append_pair("nonce", &hash)
        .append_pair("to", to)
        .finish();
    let location = format!("{}/account/enter?{query}", edge.config.account_base());
    pages::see_other(&location, [Name::Nonce.set(visit.host.plain, &nonce)])
}

fn fresh_nonce() -> Option<String> {
    let mut bytes = [0; NONCE_BYTES];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

fn is_nonce(text: &str) -> bool {
    text.len() == NONCE_LENGTH
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn again(to: &str) -> String {
    let query: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("to", to)
        .finish();
    pages::escape(&format!("/.latchkey/enter?{query}"))
}

fn ask_again(to: &str) -> Response<Body> {
    let content = format!(
        "<p>This link was used already, is more than a minute old, or was opened in another browser. If it happens again, \
         see whether your browser refuses cookies from this site: without them it cannot stay signed in.</p>\n\
         <p><a href=\"{}\">Sign in again</a> or <a href=\"{}\">read on</a>.</p>",
        again(to),
        pages::escape(to)
    );
    pages::page(StatusCode::FORBIDDEN, "Signing in did not finish", &content)
}
