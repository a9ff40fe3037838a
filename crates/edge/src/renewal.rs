//! Renewal: an expired pass and the mark of a refresh secret become a fresh pass, on the way to a page.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::digest;
use axum::body::Body;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use http::{HeaderValue, Request, Response, StatusCode};
use url::form_urlencoded;

use crate::{
    Edge,
    config::SiteHost,
    cookies::{Cookies, Name},
    edge::Visit,
    limits::{MAX_RENEWALS, RETRY_SECONDS},
    own::{Query, to},
    pages,
    server::{CallError, Renewed},
    wellformed,
};

/// What came of a renewal.
#[derive(Clone)]
pub(crate) enum Outcome {
    Renewed(Arc<Renewed>),
    /// The server knows no such session any more.
    SignedOut,
    /// Nothing was learnt; the browser keeps what it has.
    Later,
}

type Flight = Shared<BoxFuture<'static, Outcome>>;

/// Renewals under way, by a hash of the refresh secret: tabs that come at once share one call.
#[derive(Default)]
pub(crate) struct Renewals(Mutex<HashMap<[u8; 32], Flight>>);

impl Renewals {
    fn join(&self, edge: &Arc<Edge>, host: &str, refresh: &str) -> Option<Flight> {
        let key: [u8; 32] = digest::digest(&digest::SHA256, refresh.as_bytes())
            .as_ref()
            .try_into()
            .ok()?;
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key) {
            return Some(flight.clone());
        }
        if flights.len() >= MAX_RENEWALS {
            return None;
        }
        let (edge, host, refresh) = (edge.clone(), host.to_owned(), refresh.to_owned());
        let call = async move {
            let outcome = outcome(&edge, edge.server.renew(&host, &refresh).await);
            edge.renewals
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&key);
            outcome
        };
        // A task of its own: a browser that goes away must not lose the answer for the others.
        let task = tokio::spawn(call);
        let flight = async move { task.await.unwrap_or(Outcome::Later) }.boxed().shared();
        flights.insert(key, flight.clone());
        Some(flight)
    }
}

fn outcome(edge: &Edge, result: Result<Renewed, CallError>) -> Outcome {
    match result {
        Ok(renewed) => {
            edge.counters.renewed();
            Outcome::Renewed(Arc::new(renewed))
        }
        Err(CallError::Refused(StatusCode::UNAUTHORIZED)) => Outcome::SignedOut,
        Err(why) => {
            edge.counters.renewal_failed();
            tracing::warn!(%why, "a pass was not renewed");
            Outcome::Later
        }
    }
}

/// The mark that keeps a browser from being sent to renew again for [`RETRY_SECONDS`]. It says when it was set: what counts is
/// the edge's clock, which a demo moves, and not how long the browser keeps the cookie.
fn tried(edge: &Edge, plain: bool) -> Option<HeaderValue> {
    Name::Retry.set(plain, &edge.clock.now().seconds().to_string())
}

/// Whether the browser was sent to renew less than [`RETRY_SECONDS`] ago; `now` in seconds.
pub(crate) fn was_tried(cookies: &Cookies<'_>, now: i64) -> bool {
    cookies
        .all(Name::Retry)
        .filter_map(|at| at.parse::<i64>().ok())
        .any(|at| now.abs_diff(at) < RETRY_SECONDS.unsigned_abs())
}

/// Sends a navigation through a renewal, and marks the browser so that it is not sent again for a minute.
pub(crate) fn send_to<B>(edge: &Edge, host: &SiteHost, request: &Request<B>) -> Response<Body> {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    let query: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("to", path)
        .finish();
    pages::see_other(&format!("{}renew?{query}", wellformed::OWN), [tried(edge, host.plain)])
}

/// The cookies of a fresh pass.
pub(crate) fn cookies(plain: bool, pass: &str, refresh: Option<&str>) -> Vec<Option<HeaderValue>> {
    let mut lines = vec![Name::Pass.set(plain, pass)];
    if let Some(refresh) = refresh {
        lines.extend([Name::Refresh.set(plain, refresh), Name::Mark.set(plain, "1")]);
    }
    lines
}

/// Takes away whatever says that a reader is signed in.
pub(crate) fn signed_out(plain: bool) -> [Option<HeaderValue>; 4] {
    [Name::Pass, Name::Refresh, Name::Mark, Name::Nonce].map(|name| name.clear(plain))
}

/// `GET /.latchkey/renew?to=…`
pub(crate) async fn serve(edge: &Arc<Edge>, visit: &Visit, request: &Request<()>) -> Response<Body> {
    let plain = visit.host.plain;
    let query = Query::of(request);
    let to = to(&query);
    let retry = tried(edge, plain);
    let Some(refresh) = Cookies::of(request.headers(), plain).get(Name::Refresh) else {
        return pages::see_other(to, [Name::Mark.clear(plain), retry]);
    };
    let flight = edge.renewals.join(edge, &visit.host.host, refresh);
    let outcome = match flight {
        Some(flight) => flight.await,
        None => Outcome::Later,
    };
    match outcome {
        Outcome::Renewed(renewed) => {
            // A secret that was not rotated is not set again: another tab may have got its successor in the meantime.
            let mut lines = cookies(plain, &renewed.pass, renewed.refresh.as_deref());
            lines.push(retry);
            pages::see_other(to, lines)
        }
        Outcome::SignedOut => pages::see_other(to, signed_out(plain)),
        Outcome::Later => pages::see_other(to, [retry]),
    }
}
