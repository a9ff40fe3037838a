use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, stream};
use latchkey_bundle::RevocationPage;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::edge_token::Edge;
use crate::{Problem, extract::Query, feed, server::App};

/// How often another process's revocations are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After how long without a page a comment is sent, so that an edge can tell a quiet stream from a dead one.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize)]
pub(crate) struct After {
    #[serde(default)]
    after: u64,
}

/// One page, or with `Accept: text/event-stream` every page from there on, as they come; the first comes at once, empty or not. While
/// there is no room for another stream, or the server stops, one page is the answer to both.
pub(crate) async fn give(
    State(app): State<App>,
    _edge: Edge,
    Query(asked): Query<After>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    // Subscribed before the page is read: what is revoked in between must not wait.
    let ending = app.ending.subscribe();
    let room = accept
        .contains("text/event-stream")
        .then(|| Arc::clone(&app.streams).try_acquire_owned().ok())
        .flatten()
        .filter(|_| !*ending.borrow());
    let page = feed::revocations(&app, asked.after).await.map_err(Problem::json)?;
    let Some(room) = room else {
        return Ok(Json(page).into_response());
    };
    let pages = Pages {
        last: page.last,
        first: Some(page),
        app,
        ending,
        _room: room,
    };
    let mut answer = Sse::new(pages.into_stream())
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response();
    // nginx would hold events back otherwise.
    let unbuffered = (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    answer.headers_mut().extend([unbuffered]);
    Ok(answer)
}

/// A stream that is open.
struct Pages {
    app: App,
    first: Option<RevocationPage>,
    last: u64,
    ending: watch::Receiver<bool>,
    _room: OwnedSemaphorePermit,
}

impl Pages {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut pages| async move {
            let page = pages.next().await?;
            pages.last = page.last;
            let event = Event::default()
                .id(page.last.to_string())
                .data(serde_json::to_string(&page).ok()?);
            Some((Ok(event), pages))
        })
    }

    /// The next page that says something; `None` at the end, after which the edge connects again and goes on from the number it has.
    async fn next(&mut self) -> Option<RevocationPage> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let waiting = self.app.revoked.notified();
            if *self.ending.borrow() {
                return None;
            }
            let page = feed::new_revocations(&self.app, self.last).await.ok()?;
            if !page.entries.is_empty() {
                return Some(page);
            }
            // Somebody here revoked something, or it is time to look for what others did.
            tokio::select! {
                () = waiting => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = self.ending.changed() => {}
            }
        }
    }
}
