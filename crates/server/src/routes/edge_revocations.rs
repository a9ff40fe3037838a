use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream;
use serde::Deserialize;

use super::edge_token::Edge;
use crate::{Problem, feed, server::App};

/// How often another process's revocations are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize)]
pub(crate) struct After {
    #[serde(default)]
    after: u64,
}

/// One page, or with `Accept: text/event-stream` every page from there on, as they come.
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
    if !accept.contains("text/event-stream") {
        let page = feed::revocations(&app, asked.after).await.map_err(Problem::json)?;
        return Ok(Json(page).into_response());
    }
    let pages = stream::unfold((app, asked.after), |(app, after)| async move {
        loop {
            let waiting = app.revoked.notified();
            match feed::revocations(&app, after).await {
                Ok(page) if !page.entries.is_empty() => {
                    let event = Event::default().data(serde_json::to_string(&page).unwrap_or_default());
                    let last = page.last;
                    drop(waiting);
                    return Some((Ok::<_, Infallible>(event), (app, last)));
                }
                Ok(_) => {}
                // The edge connects again and goes on from the number that it has.
                Err(_) => return None,
            }
            // Either somebody here revoked something, or it is time to look.
            let _ = tokio::time::timeout(LOOK_EVERY, waiting).await;
        }
    });
    Ok(Sse::new(pages).keep_alive(KeepAlive::default()).into_response())
}
