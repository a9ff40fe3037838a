//! One request as the edge would make it, for whoever checks a configuration.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::body::Body;
use http::{Request, Response, header};
use tokio::time::timeout;
use url::Url;

use crate::{
    config::is_localhost,
    connect::{client, connector},
};

/// How long a web server gets to answer [`reachable`], its connection included.
pub const REACHABLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks `url` for a page of `host`, and gives the head of its answer; the body is not read.
///
/// `more_roots` are certificates (PEM) that are trusted beside those of the web, as in `EdgeConfig::origin_ca`.
///
/// # Errors
/// Says in words why there was no answer.
pub async fn reachable(url: &Url, host: &str, more_roots: Option<&str>) -> Result<Response<()>, String> {
    // Names below localhost are this machine (RFC 6761 section 6.3), also where the system's resolver does not know them.
    let here = url.domain().filter(|name| is_localhost(name));
    let fixed = here.map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, url.port_or_known_default().unwrap_or(80))));
    let client = client::<Body>(connector(more_roots, fixed).map_err(|why| why.to_string())?);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let request = Request::get(url.as_str())
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("latchkey/", env!("CARGO_PKG_VERSION")))
        .header("x-forwarded-host", host)
        .header("x-forwarded-proto", if is_localhost(name) { "http" } else { "https" })
        .body(Body::empty())
        .map_err(|why| why.to_string())?;
    match timeout(REACHABLE_TIMEOUT, client.request(request)).await {
        Ok(Ok(answer)) => Ok(Response::from_parts(answer.into_parts().0, ())),
        Ok(Err(why)) => Err(innermost(&why)),
        Err(_) => Err(format!("no answer within {} s", REACHABLE_TIMEOUT.as_secs())),
    }
}

/// The innermost cause: "connection refused" rather than "client error".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
