//! Where a site really is: asked once, before an edge is put before it.

use std::net::SocketAddr;

use axum::body::Body;
use http::{
    Request,
    header::{ACCEPT, ACCEPT_ENCODING, HOST, LOCATION, USER_AGENT},
};
use hyper_util::client::legacy::Client;
use tokio::time::timeout;
use url::{Position, Url};

use crate::{
    EdgeError,
    connect::{Connector, client, connector},
    limits::{MAX_PROBE_REDIRECTS, PROBE_TIMEOUT},
    origin_rewrite::is_same_site,
    server::chain,
};

/// Why a site's own web server cannot be used as an origin just now.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It cannot even be asked.
    #[error(transparent)]
    Setup(#[from] EdgeError),
    /// No connection, or none that can be trusted.
    #[error("{origin} does not answer: {why}\n  help: {help}")]
    Unreachable {
        /// The address that was asked.
        origin: String,
        /// What failed, from the outermost cause to the innermost.
        why: String,
        /// What to do.
        help: &'static str,
    },
    /// No answer in time.
    #[error("{origin} does not answer within {} s\n  help: see whether the web server is overloaded", PROBE_TIMEOUT.as_secs())]
    Late {
        /// The address that was asked.
        origin: String,
    },
    /// An answer of the kind 5xx.
    #[error("{origin} answers with status {status}\n  help: see the web server's own log")]
    Failing {
        /// The address that was asked.
        origin: String,
        /// The status.
        status: u16,
    },
    /// It leads to another site.
    #[error("{origin} sends its readers to {to}: begin with that address after --origin")]
    Elsewhere {
        /// The address that was asked.
        origin: String,
        /// Where it leads.
        to: String,
    },
    /// It leads on and on.
    #[error(
        "{origin} sends its readers on more than {MAX_PROBE_REDIRECTS} times\n  help: name the address that browsers show in the end"
    )]
    Endless {
        /// The address that was asked first.
        origin: String,
    },
}

/// Asks for the first page of the site at `origin`, and follows it from http to https and between its bare host and `www.`, as often
/// as [`MAX_PROBE_REDIRECTS`] says and for [`PROBE_TIMEOUT`] at most; gives scheme, host and port where the site is in the end.
///
/// `origin_ca` and `origin_address` are as in [`crate::EdgeConfig`].
pub async fn probe(
    origin: &Url,
    origin_ca: Option<&str>,
    origin_address: Option<SocketAddr>,
) -> Result<Url, ProbeError> {
    let client = client::<Body>(connector(origin_ca, origin_address)?);
    let first = root(origin);
    match timeout(PROBE_TIMEOUT, follow(&client, first.clone())).await {
        Ok(found) => found,
        Err(_) => Err(ProbeError::Late {
            origin: first.to_string(),
        }),
    }
}

async fn follow(client: &Client<Connector, Body>, first: Url) -> Result<Url, ProbeError> {
    let mut page = first.clone();
    for _ in 0..=MAX_PROBE_REDIRECTS {
        let here = root(&page);
        let Some(to) = redirect(client, &page).await? else {
            return Ok(here);
        };
        if to.origin() == page.origin() {
            return Ok(here);
        }
        if !is_same_site(&page, &to) {
            return Err(ProbeError::Elsewhere {
                origin: here.to_string(),
                to: root(&to).to_string(),
            });
        }
        page = to;
    }
    Err(ProbeError::Endless {
        origin: first.to_string(),
    })
}

/// Asks for `page`; where it redirects to, if it does.
async fn redirect(client: &Client<Connector, Body>, page: &Url) -> Result<Option<Url>, ProbeError> {
    let unreachable = |why: String| ProbeError::Unreachable {
        origin: root(page).to_string(),
        help: help_for(&why),
        why,
    };
    let request = Request::get(&page[..Position::AfterQuery])
        .header(HOST, &page[Position::BeforeHost..Position::AfterPort])
        .header(USER_AGENT, "Mozilla/5.0 (compatible; Latchkey)")
        .header(ACCEPT, "text/html,*/*;q=0.8")
        .header(ACCEPT_ENCODING, "identity")
        .body(Body::empty())
        .map_err(|why| unreachable(why.to_string()))?;
    let answer = client.request(request).await.map_err(|why| unreachable(chain(&why)))?;
    let status = answer.status();
    if status.is_server_error() {
        return Err(ProbeError::Failing {
            origin: root(page).to_string(),
            status: status.as_u16(),
        });
    }
    let location = answer.headers().get(LOCATION).filter(|_| status.is_redirection());
    let to = location.and_then(|to| page.join(to.to_str().ok()?).ok());
    Ok(to.filter(|to| matches!(to.scheme(), "http" | "https") && to.has_host()))
}

/// Scheme, host and port alone.
fn root(url: &Url) -> Url {
    let mut root = url.clone();
    root.set_path("/");
    root.set_query(None);
    root.set_fragment(None);
    // Refused only for addresses without a host.
    let _ = root.set_username("");
    let _ = root.set_password(None);
    root
}

fn help_for(why: &str) -> &'static str {
    if why.contains("certificate") {
        "the certificate must be valid for this name; if it comes from an authority of your own, name that with --origin-ca"
    } else if why.contains("dns") || why.contains("lookup") {
        "see whether the name is spelt right, and whether this machine can look it up"
    } else {
        "see whether the web server runs, and whether this machine may connect to it"
    }
}
