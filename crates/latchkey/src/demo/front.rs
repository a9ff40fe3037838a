//! The page at the demo's plain address: what there is and what to click.

use super::ads::{AdServer, json};
use super::hosts::DemoHosts;
use super::html::{fill, tool_page, uncached};
use super::stats::StatsServer;
use axum::Router;
use axum::routing::get;
use serde::Serialize;

const FRONT: &str = include_str!("assets/front.html");
const SCRIPT: &str = include_str!("assets/front.js");

/// The numbers that the page shows and keeps fresh.
#[derive(Serialize)]
struct Numbers {
    ad_requests: u64,
    ad_pages: usize,
    page_views: u64,
}

/// What `localhost` serves: `/`, `/numbers` (JSON) and the script that keeps the numbers fresh.
pub(crate) fn router(hosts: &DemoHosts, ads: &AdServer, stats: &StatsServer) -> Router {
    let body = fill(FRONT, &hosts.values());
    let front = hosts.front.clone();
    let (ads, stats) = (ads.clone(), stats.clone());
    let numbers = async move || {
        let counts = ads.counts();
        json(&Numbers {
            ad_requests: counts.total,
            ad_pages: counts.by_page.len(),
            page_views: stats.counts().total,
        })
    };
    Router::new()
        .route("/", get(async move || tool_page("Latchkey demo", &front, &body)))
        .route("/numbers", get(numbers))
        .route(
            "/front.js",
            get(async || uncached("text/javascript; charset=utf-8", SCRIPT)),
        )
}
