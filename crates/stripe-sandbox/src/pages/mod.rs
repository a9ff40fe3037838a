//! Pages for people: Checkout, portal, invoices, control panel. Server-rendered, without JavaScript.

mod checkout;
mod control;
mod invoice;
mod money;
mod portal;

use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::config::is_loopback_host;
use crate::sandbox::Sandbox;

const MAX_FORM_BYTES: usize = 64 * 1024;
const STYLE: &str = include_str!("../../assets/sandbox.css");

/// Sent with every page. Nothing runs on these pages, and nothing frames them. There is no `form-action`: browsers
/// apply it to the redirect that follows a payment too.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
];

impl Sandbox {
    /// The pages: `/c/pay/{session}`, `/c/auth/{intent}`, `/p/session/{secret}`, `/i/{invoice}`, `/control`.
    pub fn pages_router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/", get(|| async { Redirect::to("/control") }))
            .route("/sandbox.css", get(style))
            .route("/c/pay/{id}", get(checkout::show).post(checkout::submit))
            .route("/c/pay/{id}/code", post(checkout::code))
            .route("/c/auth/{id}", get(checkout::ask).post(checkout::answer))
            .route("/p/session/{secret}", get(portal::show))
            .route("/p/session/{secret}/{act}", post(portal::act))
            .route("/i/{id}", get(invoice::show).post(invoice::pay))
            .route("/control", get(control::show))
            .route("/control/{act}", post(control::act))
            .route("/control/event/{id}", get(control::event))
            .fallback(|| async {
                message(
                    StatusCode::NOT_FOUND,
                    "Nothing here",
                    "The Stripe sandbox has no such page.",
                    None,
                )
            })
            .layer(axum::middleware::from_fn(dress))
            .layer(axum::middleware::from_fn(loopback_only))
            .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
            .with_state(Arc::clone(self))
    }
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

async fn dress(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Refuses requests that come from elsewhere, or that name a host that is not this machine.
pub(crate) async fn loopback_only(request: Request, next: Next) -> Response {
    let from = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0.ip());
    let host = request
        .headers()
        .get(header::HOST)
        .map(|value| value.to_str().unwrap_or_default());
    let host = host.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    if from.is_some_and(|ip| !ip.to_canonical().is_loopback()) || host.is_some_and(|host| !is_loopback_host(host)) {
        let text = "The Stripe sandbox answers on this machine only, under localhost or a loopback address.\n";
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    next.run(request).await
}

/// Whether a form was sent from another site's page: browsers say so, and none of ours does.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|value| value != "same-origin" && value != "none")
}

fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a sandbox page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "The page could not be rendered.").into_response()
        }
    }
}

/// A link at the end of a page.
struct Link {
    href: String,
    label: String,
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    title: &'a str,
    text: &'a str,
    link: Option<Link>,
}

fn message(status: StatusCode, title: &str, text: &str, link: Option<Link>) -> Response {
    page(status, &Message { title, text, link })
}

fn see_other(address: &str) -> Response {
    HeaderValue::from_str(address).map_or_else(
        |_| {
            message(
                StatusCode::OK,
                "Paid",
                "The payment went through, but the address to go on to cannot be used.",
                None,
            )
        },
        |address| (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response(),
    )
}
