use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use latchkey_entitlement::{
    SiteId, Timestamp,
    time::{DAY, SECOND},
};
use latchkey_store::{Matched, Session};
use serde::Deserialize;

use super::{edge_enter::Entered, edge_token::Edge};
use crate::{Problem, entitled, extract::Json, reader, secrets, server::App};

/// How old a refresh secret may get before it is replaced, in milliseconds.
const ROTATE_EVERY: i64 = DAY;
/// How long a predecessor holds after its successor was presented, in milliseconds: for requests that were under way.
const PREDECESSOR_GRACE: i64 = 60 * SECOND;

#[derive(Deserialize)]
pub(crate) struct Renew {
    host: String,
    refresh: String,
    #[serde(default)]
    end: bool,
}

/// A new pass for a device, or with `end` its sign-out.
pub(crate) async fn renew(State(app): State<App>, _edge: Edge, Json(asked): Json<Renew>) -> Result<Response, Problem> {
    answer(&app, &asked).await.map_err(Problem::json)
}

async fn answer(app: &App, asked: &Renew) -> Result<Response, Problem> {
    let found = app.store.session_by_secret_hash(&secrets::hash(&asked.refresh)).await?;
    let here = app.config.site_of_host(&asked.host).map(|site| site.id.clone());
    let Some((session, matched)) = found else {
        return Err(signed_out());
    };
    let Some(site) = session.site.clone().filter(|site| here.as_ref() == Some(site)) else {
        return Err(signed_out());
    };
    let now = app.clock.now();
    if asked.end || reader::is_stale(app, &session, now) {
        app.store.end_session(&session.id, now).await?;
        app.revoked.notify_waiters();
        return if asked.end {
            Ok(StatusCode::NO_CONTENT.into_response())
        } else {
            Err(signed_out())
        };
    }
    let (refresh, generation) = match decide(&session, matched, now) {
        Decision::SignedOut => return Err(signed_out()),
        Decision::Keep => (None, session.generation),
        Decision::Successor => (
            Some(successor(app, &site, &session, session.generation, &asked.refresh)?),
            session.generation,
        ),
        Decision::Rotate => rotate(app, &site, &session, &asked.refresh, now).await?,
    };
    if matched == Matched::Current {
        app.store.mark_presented(&session.id, session.generation, now).await?;
    }
    app.store.touch_session(&session.id, now).await?;
    let minted = entitled::pass(app, &session.account, &session.id, &site).await?;
    Ok(Json(Entered {
        pass: minted.pass,
        refresh,
        generation,
        until: minted.until,
    })
    .into_response())
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// The secret stays.
    Keep,
    /// The secret is old enough to be replaced.
    Rotate,
    /// It was replaced, and the browser may not have got the successor: it gets the same one again.
    Successor,
    /// Its successor has been in use for a while: this device must sign in, the one with the successor goes on.
    SignedOut,
}

fn decide(session: &Session, matched: Matched, now: Timestamp) -> Decision {
    match matched {
        Matched::Current if now.since(session.rotated_at) >= ROTATE_EVERY => Decision::Rotate,
        Matched::Current => Decision::Keep,
        Matched::Previous if session.presented_at.is_some_and(|at| now.since(at) > PREDECESSOR_GRACE) => {
            Decision::SignedOut
        }
        Matched::Previous => Decision::Successor,
    }
}

/// Replaces the secret. If another request of the same device was faster, its successor is this one too: both follow from the
/// same secret, generation and key, so that renewal is idempotent per (session, generation).
async fn rotate(
    app: &App,
    site: &SiteId,
    session: &Session,
    refresh: &str,
    now: Timestamp,
) -> Result<(Option<String>, u64), Problem> {
    let next = session.generation + 1;
    let secret = successor(app, site, session, next, refresh)?;
    let rotated = app
        .store
        .rotate_session(&session.id, session.generation, &secrets::hash(&secret), now)
        .await?;
    Ok(if rotated {
        (Some(secret), next)
    } else {
        (None, session.generation)
    })
}

/// Whoever steals a secret cannot compute its successor: the site's key is part of it.
fn successor(app: &App, site: &SiteId, session: &Session, generation: u64, refresh: &str) -> Result<String, Problem> {
    let key = app
        .config
        .site_secrets
        .get(site)
        .ok_or_else(|| Problem::internal(&format!("no secret for {site}")))?;
    let parts = [
        "latchkey refresh",
        session.id.as_str(),
        &generation.to_string(),
        refresh,
    ];
    Ok(secrets::encode(&secrets::derive(key.expose(), &parts)))
}

fn signed_out() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "signed-out",
        "This device is signed out",
        "The refresh secret is unknown, was replaced, or belongs to another host. Clear the cookies; the reader signs in again.",
    )
}
