use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use latchkey_entitlement::SessionId;
use latchkey_store::NewSession;
use serde::{Deserialize, Serialize};

use super::edge_token::Edge;
use crate::{Problem, entitled, extract::Json, secrets, server::App};

#[derive(Deserialize)]
pub(crate) struct Enter {
    host: String,
    code: String,
    nonce: String,
}

/// What the edge turns into cookies.
#[derive(Serialize)]
pub(crate) struct Entered {
    pub(crate) pass: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh: Option<String>,
    pub(crate) generation: u64,
    pub(crate) until: Option<i64>,
}

/// The last step of the hand-over: the code, from the host it was made for, by the browser that holds the nonce.
pub(crate) async fn enter(State(app): State<App>, _edge: Edge, Json(asked): Json<Enter>) -> Result<Response, Problem> {
    begin_session(&app, &asked)
        .await
        .map(|entered| Json(entered).into_response())
        .map_err(Problem::json)
}

async fn begin_session(app: &App, asked: &Enter) -> Result<Entered, Problem> {
    let now = app.clock.now();
    let host = asked.host.to_ascii_lowercase();
    let (code, nonce) = (secrets::hash(&asked.code), secrets::hash(&asked.nonce));
    let Some(code) = app.store.consume_enter_code(&code, &host, &nonce, now).await? else {
        return Err(no_code());
    };
    let account_session = app.store.session(&code.account_session).await?;
    let refresh = secrets::encode(&app.ids.secret());
    let session = SessionId::from_uuid(app.ids.uuid());
    let made = app
        .store
        .create_session(NewSession {
            id: session.clone(),
            account: code.account.clone(),
            site: Some(code.site.clone()),
            parent: Some(code.account_session),
            secret_hash: secrets::hash(&refresh),
            label: account_session.map(|session| session.label).unwrap_or_default(),
            now,
        })
        .await?;
    if !made {
        return Err(no_code());
    }
    let minted = entitled::pass(app, &code.account, &session, &code.site).await?;
    Ok(Entered {
        pass: minted.pass,
        refresh: Some(refresh),
        generation: 0,
        until: minted.until,
    })
}

fn no_code() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "enter-code",
        "The code does not hold",
        "It was used, is older than a minute, was made for another host or browser, or its reader has signed out. Begin again at /.latchkey/enter.",
    )
}
