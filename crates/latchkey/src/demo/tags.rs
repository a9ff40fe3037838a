//! The demo's tag manager: one script that loads one ad tag and one analytics tag by script.

use super::hosts::DemoHosts;
use super::html::{fill, uncached};
use axum::Router;
use axum::routing::get;

const TAG_MANAGER: &str = include_str!("assets/tag_manager.js");

/// What `tags.localhost` serves: `/tm.js`, and `/ns.html` for browsers without scripts.
pub(crate) fn router(hosts: &DemoHosts) -> Router {
    let script = fill(TAG_MANAGER, &hosts.values());
    Router::new()
        .route(
            "/tm.js",
            get(async move || uncached("text/javascript; charset=utf-8", script.clone())),
        )
        .route(
            "/ns.html",
            get(async || uncached("text/html; charset=utf-8", "<!doctype html><title>Tags</title>")),
        )
}
