//! The addresses of the account origin, one file each.

mod account;
mod account_continue;
mod account_enter;
mod account_plan;
mod account_portal;
mod account_prove;
mod account_subscription;
mod assets;
mod cancel;
mod checkout;
mod checkout_offer;
mod comments;
mod devices;
mod edge_bundle;
mod edge_enter;
mod edge_renew;
mod edge_revocations;
mod edge_token;
mod explain;
mod grants;
mod health;
mod jwks;
mod return_;
mod sign_in;
mod sign_in_code;
mod sign_in_link;
mod sign_out;
mod status;
mod support;
mod webhook;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    response::Redirect,
    routing::{get, post},
};
use latchkey_sync::MAX_WEBHOOK_BYTES;

use crate::{Problem, server::App};

/// Largest form or JSON body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 128 * 1024;

pub(crate) fn router() -> Router<App> {
    let webhooks = Router::new()
        .route("/webhooks/stripe", post(webhook::receive))
        .layer(DefaultBodyLimit::max(MAX_WEBHOOK_BYTES));
    let grants = Router::new()
        .route("/v1/grants", get(grants::list))
        .route(
            "/v1/grants/{source}/{id}",
            get(grants::get).put(grants::put).delete(grants::delete),
        )
        .layer(DefaultBodyLimit::max(grants::MAX_GRANT_BYTES));
    Router::new()
        .route("/", get(async || Redirect::to("/account")))
        .route("/support", get(support::show))
        .route("/support/checkout", post(checkout::begin))
        .route("/return", get(return_::arrive))
        .route("/sign-in", get(sign_in::show).post(sign_in::ask))
        .route("/sign-in/sent", get(sign_in::sent))
        .route("/sign-in/code", post(sign_in_code::try_code))
        .route("/sign-in/link", get(sign_in_link::show).post(sign_in_link::confirm))
        .route("/sign-out", post(sign_out::leave))
        .route("/account", get(account::show))
        .route("/account/continue", get(account_continue::onward))
        .route("/account/enter", get(account_enter::give_code))
        .route("/account/plan", get(account_plan::show).post(account_plan::preview))
        .route("/account/plan/confirm", post(account_plan::confirm))
        .route("/account/portal", post(account_portal::open))
        .route("/account/prove", post(account_prove::ask))
        .route("/account/subscription", post(account_subscription::change))
        .route("/cancel", get(cancel::show).post(cancel::ask))
        .route("/cancel/link", get(cancel::show_link).post(cancel::confirm))
        .route("/account/devices", post(devices::sign_out))
        .route("/assets/latchkey.css", get(assets::stylesheet))
        .route("/.well-known/jwks.json", get(jwks::show))
        .route("/edge/v1/bundle", get(edge_bundle::give))
        .route("/edge/v1/revocations", get(edge_revocations::give))
        .route("/edge/v1/enter", post(edge_enter::enter))
        .route("/edge/v1/renew", post(edge_renew::renew))
        .route("/v1/comments/check", post(comments::check))
        .route("/v1/readers/{reader}/explain", get(explain::show))
        .route("/v1/status", get(status::show))
        .route("/metrics", get(status::metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(health::ready))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .merge(webhooks)
        .merge(grants)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::wrong_method())
}
