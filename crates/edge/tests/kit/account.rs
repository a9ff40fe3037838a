//! The account server's side of the protocol.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use latchkey_bundle::{Bundle, Revocation, RevocationPage};
use latchkey_entitlement::{RevocationKind, Timestamp, policy::SitePolicy};
use latchkey_token::{Algorithm, JwkSet, PassClaims, SigningKey, mint};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc::Sender};

use super::{START, TOKEN, site};

const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(5);
pub const ISSUER: &str = "http://account.localhost:8080";

/// How the account server gives its revocation feed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Feeding {
    /// As a stream, where one is asked for.
    Streams,
    /// In pages alone.
    Pages,
    /// A stream that says nothing, as through a proxy that holds everything back.
    Silent,
    /// A stream whose first page is followed by an event that is no page.
    Garbled,
    /// A stream whose first page is followed by a line without an end.
    Endless,
}

pub struct Account {
    pass_key: SigningKey,
    bundle_key: SigningKey,
    policy: Mutex<Option<SitePolicy>>,
    pub version: AtomicUsize,
    down: AtomicBool,
    pub token_refused: AtomicBool,
    pub renewals: AtomicUsize,
    pub ended: Mutex<Vec<String>>,
    /// Refresh secrets that are alive, and what their passes say.
    pub sessions: Mutex<HashMap<String, String>>,
    /// Codes, each with the hash of the nonce that it is bound to.
    pub codes: Mutex<HashMap<String, String>>,
    revocations: Mutex<Vec<Revocation>>,
    pub feeding: Mutex<Feeding>,
    /// How often the feed was asked for: as a stream, and as a page.
    pub streams: AtomicUsize,
    pub pages: AtomicUsize,
    /// Streams that are open.
    pub open: AtomicUsize,
    changed: Notify,
    now: AtomicUsize,
}

impl Account {
    pub fn new() -> Self {
        Self {
            pass_key: SigningKey::generate(Algorithm::Es256).unwrap(),
            bundle_key: SigningKey::generate(Algorithm::Es256).unwrap(),
            policy: Mutex::default(),
            version: AtomicUsize::new(1),
            down: AtomicBool::new(false),
            token_refused: AtomicBool::new(false),
            renewals: AtomicUsize::new(0),
            ended: Mutex::default(),
            sessions: Mutex::default(),
            codes: Mutex::default(),
            revocations: Mutex::default(),
            feeding: Mutex::new(Feeding::Streams),
            streams: AtomicUsize::new(0),
            pages: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            changed: Notify::new(),
            now: AtomicUsize::new(usize::try_from(START).unwrap()),
        }
    }

    pub fn bundle_kid(&self) -> String {
        self.bundle_key.kid().to_owned()
    }

    pub fn set_policy(&self, policy: SitePolicy) {
        *self.policy.lock().unwrap() = Some(policy);
    }

    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// The moment at which the passes of renewals and hand-overs begin.
    pub fn set_now(&self, seconds: i64) {
        self.now.store(usize::try_from(seconds).unwrap(), Ordering::SeqCst);
    }

    pub fn pass(&self, iat: i64, scope: &str, until: Option<i64>) -> String {
        let claims = PassClaims {
            iss: ISSUER.to_owned(),
            aud: site().as_str().to_owned(),
            sub: "pseudonym".to_owned(),
            sid: "ses_1".to_owned(),
            iat,
            exp: iat + 900,
            jti: "jti".to_owned(),
            scope: scope.to_owned(),
            until,
            standing: None,
        };
        mint(&self.pass_key, &claims).unwrap()
    }

    /// Takes back whatever passes were made before a moment.
    pub fn revoke(&self, not_before: i64) {
        self.revoke_as(RevocationKind::Void, not_before);
    }

    pub fn revoke_as(&self, kind: RevocationKind, not_before: i64) {
        let mut revocations = self.revocations.lock().unwrap();
        let number = revocations.len() as u64 + 1;
        revocations.push(Revocation {
            number,
            site: Some(site()),
            subject: Some("pseudonym".to_owned()),
            session: None,
            kind,
            not_before,
            expires_at: Timestamp::from_seconds(START + 40 * 86_400),
        });
        drop(revocations);
        self.changed.notify_waiters();
    }

    fn page(&self, after: u64) -> RevocationPage {
        let revocations = self.revocations.lock().unwrap();
        let entries: Vec<Revocation> = revocations.iter().filter(|r| r.number > after).cloned().collect();
        let last = entries.last().map_or(after, |entry| entry.number);
        RevocationPage {
            last,
            entries,
            complete: true,
        }
    }

    fn bundle(&self) -> String {
        let bundle = Bundle {
            version: self.version.load(Ordering::SeqCst) as u64,
            issued_at: Timestamp::from_seconds(START),
            issuer: ISSUER.to_owned(),
            jwks: JwkSet {
                keys: vec![self.pass_key.public()],
            },
            sites: self.policy.lock().unwrap().clone().into_iter().collect(),
            prices_line: None,
            support_url: format!("{ISSUER}/support"),
        };
        latchkey_bundle::sign(&bundle, &self.bundle_key).unwrap()
    }

    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/edge/v1/bundle", get(bundle))
            .route("/edge/v1/revocations", get(revocations))
            .route("/edge/v1/enter", post(enter))
            .route("/edge/v1/renew", post(renew))
            .layer(middleware::from_fn_with_state(self.clone(), guard))
            .with_state(self.clone())
    }
}

type Me = State<Arc<Account>>;

async fn guard(State(account): Me, request: Request, next: Next) -> Response {
    if account.down.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok());
    if account.token_refused.load(Ordering::SeqCst) || shown != Some(&format!("Bearer {TOKEN}")) {
        return problem(StatusCode::UNAUTHORIZED, "edge-token");
    }
    next.run(request).await
}

async fn bundle(State(account): Me, headers: HeaderMap) -> Response {
    let tag = format!("\"{}\"", account.version.load(Ordering::SeqCst));
    if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|held| held == tag.as_str())
    {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    (
        [
            (header::CONTENT_TYPE, "application/jose".to_owned()),
            (header::ETAG, tag),
        ],
        account.bundle(),
    )
        .into_response()
}

async fn revocations(State(account): Me, Query(query): Query<HashMap<String, u64>>, headers: HeaderMap) -> Response {
    let after = query["after"];
    let feeding = *account.feeding.lock().unwrap();
    let streams = headers[header::ACCEPT].to_str().unwrap().contains("text/event-stream");
    if !streams || feeding == Feeding::Pages {
        account.pages.fetch_add(1, Ordering::SeqCst);
        return Json(account.page(after)).into_response();
    }
    account.streams.fetch_add(1, Ordering::SeqCst);
    let (out, body) = tokio::sync::mpsc::channel::<Result<String, Infallible>>(1);
    tokio::spawn(feed(account, feeding, after, out));
    let body = futures::stream::unfold(body, |mut body| async { body.recv().await.map(|text| (text, body)) });
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        axum::body::Body::from_stream(body),
    )
        .into_response()
}

/// Writes the feed until nobody reads it or the server goes down.
async fn feed(account: Arc<Account>, feeding: Feeding, mut after: u64, out: Sender<Result<String, Infallible>>) {
    if feeding == Feeding::Silent {
        out.closed().await;
        return;
    }
    account.open.fetch_add(1, Ordering::SeqCst);
    let mut first = true;
    while !account.down.load(Ordering::SeqCst) {
        let changed = account.changed.notified();
        let page = account.page(after);
        after = page.last;
        if std::mem::take(&mut first) || !page.entries.is_empty() {
            let json = serde_json::to_string(&page).unwrap();
            if out.send(Ok(format!("id: {after}\ndata: {json}\n\n"))).await.is_err() {
                break;
            }
        }
        if feeding == Feeding::Garbled && out.send(Ok("data: {\"last\": \"one\"}\n\n".to_owned())).await.is_err() {
            break;
        }
        if feeding == Feeding::Endless {
            while out.send(Ok("x".repeat(64 * 1024))).await.is_ok() {}
            break;
        }
        tokio::select! {
            () = changed => {}
            () = out.closed() => break,
            () = tokio::time::sleep(KEEP_ALIVE) => drop(out.send(Ok(":\n\n".to_owned())).await),
        }
    }
    account.open.fetch_sub(1, Ordering::SeqCst);
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap().to_owned()
}

fn problem(status: StatusCode, kind: &str) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        json!({ "type": kind, "status": status.as_u16() }).to_string(),
    )
        .into_response()
}

async fn enter(State(account): Me, Json(body): Json<Value>) -> Response {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text(&body, "nonce").as_bytes());
    let bound = account.codes.lock().unwrap().remove(&text(&body, "code"));
    if bound != Some(URL_SAFE_NO_PAD.encode(digest)) {
        return problem(StatusCode::FORBIDDEN, "enter-code");
    }
    let now = i64::try_from(account.now.load(Ordering::SeqCst)).unwrap();
    account
        .sessions
        .lock()
        .unwrap()
        .insert("refresh-1".to_owned(), "ad_free".to_owned());
    Json(json!({ "pass": account.pass(now, "ad_free", None), "refresh": "refresh-1", "generation": 1, "until": null }))
        .into_response()
}

async fn renew(State(account): Me, Json(body): Json<Value>) -> Response {
    account.renewals.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let refresh = text(&body, "refresh");
    let Some(scope) = account.sessions.lock().unwrap().get(&refresh).cloned() else {
        return problem(StatusCode::UNAUTHORIZED, "signed-out");
    };
    if body["end"] == true {
        account.ended.lock().unwrap().push(refresh);
        return StatusCode::NO_CONTENT.into_response();
    }
    let now = i64::try_from(account.now.load(Ordering::SeqCst)).unwrap();
    Json(json!({ "pass": account.pass(now, &scope, None), "refresh": "refresh-2", "generation": 2 })).into_response()
}
