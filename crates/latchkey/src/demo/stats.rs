//! The demo's analytics server, which counts page views. A payer's page is counted as any other.

use super::ads::{PIXEL, json, percent_decode};
use super::hosts::DemoHosts;
use super::html::{each, escape, fill, tool_page, uncached};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::{any, get, post};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

const ANALYTICS: &str = include_str!("assets/analytics.js");
/// Beyond so many pages, new ones are counted together.
const MAX_PAGES: usize = 1_000;
/// A page path longer than this is cut.
const MAX_PATH_CHARS: usize = 200;

/// Page views since the start or the last reset.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct PageViews {
    /// All page views.
    pub(crate) total: u64,
    /// By the news site's path.
    pub(crate) by_page: BTreeMap<String, u64>,
}

/// The analytics server. Clones share one count.
#[derive(Debug, Clone)]
pub(crate) struct StatsServer {
    hosts: DemoHosts,
    views: Arc<Mutex<PageViews>>,
}

impl StatsServer {
    /// An analytics server that has seen nobody.
    pub(crate) fn new(hosts: &DemoHosts) -> Self {
        Self {
            hosts: hosts.clone(),
            views: Arc::default(),
        }
    }

    /// The page views counted so far.
    pub(crate) fn counts(&self) -> PageViews {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets every count.
    pub(crate) fn reset(&self) {
        *self.views.lock().unwrap_or_else(PoisonError::into_inner) = PageViews::default();
    }

    /// What `stats.localhost` serves: `/a.js`, `/hit?page=…`, `/_counts`, `/_counts/reset` and a page for people.
    pub(crate) fn router(&self) -> Router {
        let script = fill(ANALYTICS, &self.hosts.values());
        Router::new()
            .route("/", get(overview))
            .route(
                "/a.js",
                get(async move || uncached("text/javascript; charset=utf-8", script.clone())),
            )
            .route("/hit", any(hit))
            .route(
                "/_counts",
                get(async |State(server): State<Self>| json(&server.counts())),
            )
            .route("/_counts/reset", post(reset))
            .with_state(self.clone())
    }

    fn record(&self, page: &str) {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        views.total += 1;
        let mut page: String = page.chars().take(MAX_PATH_CHARS).collect();
        if views.by_page.len() >= MAX_PAGES && !views.by_page.contains_key(&page) {
            "(all others)".clone_into(&mut page);
        }
        *views.by_page.entry(page).or_default() += 1;
    }
}

async fn hit(State(server): State<StatsServer>, uri: Uri) -> Response {
    let page = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("page="));
    server.record(&percent_decode(page.unwrap_or("(not told)")));
    uncached("image/gif", PIXEL)
}

async fn reset(State(server): State<StatsServer>) -> StatusCode {
    server.reset();
    StatusCode::NO_CONTENT
}

async fn overview(State(server): State<StatsServer>) -> Response {
    let views = server.counts();
    let rows = each(&views.by_page, |(page, number)| {
        format!("<tr><td>{}</td><td class=\"n\">{number}</td></tr>", escape(page))
    });
    let body = format!(
        "<h1>Page views</h1><p class=\"lead\">The publisher's analytics. It works for payers as for everyone.</p>\
         <div class=\"numbers\"><div class=\"number\"><b>{}</b><span>page views</span></div></div>\
         <div class=\"table\"><table><tr><th>Page</th><th class=\"n\">Views</th></tr>{rows}</table></div>",
        views.total
    );
    tool_page("Page views – Latchkey demo", &server.hosts.front, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_counted_by_page_and_bounded() {
        let server = StatsServer::new(&DemoHosts::on_port(8080));
        for number in 0..2 * MAX_PAGES {
            server.record(&format!("/{number}"));
        }
        server.record("/1");
        let views = server.counts();
        assert_eq!(views.total, 2 * MAX_PAGES as u64 + 1);
        assert_eq!(views.by_page["/1"], 2);
        assert_eq!(views.by_page.len(), MAX_PAGES + 1);
    }
}
