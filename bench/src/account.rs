//! An account origin as an edge sees it: one bundle, no revocations, and passes made on the spot.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use latchkey_bundle::{Bundle, RevocationPage};
use latchkey_entitlement::{SiteId, Timestamp, policy::SitePolicy};
use latchkey_token::{Algorithm, JwkSet, PassClaims, SigningKey, mint};
use tokio::net::TcpListener;

use crate::process::local;

/// What the edge shows to the account origin.
pub const EDGE_TOKEN: &str = "edge-token-of-a-measurement-0123456789";
const ETAG: &str = "\"1\"";
const PASS_SECONDS: i64 = 900;

/// Issues passes and the bundle for one site.
pub struct Account {
    pass_key: SigningKey,
    bundle_key: SigningKey,
    policy: SitePolicy,
    issuer: String,
}

impl Account {
    /// An account origin for the site `host` (name and port).
    pub fn new(host: &str) -> anyhow::Result<Self> {
        let mut policy = SitePolicy::new(SiteId::parse("sit_news")?, "The Harbour Post".to_owned());
        policy.hosts = vec![host.to_owned()];
        Ok(Self {
            pass_key: SigningKey::generate(Algorithm::Es256)?,
            bundle_key: SigningKey::generate(Algorithm::Es256)?,
            policy,
            issuer: "http://account.localhost:8300".to_owned(),
        })
    }

    /// Where passes say that they come from.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Thumbprint of the key that signs the bundle.
    pub fn bundle_kid(&self) -> &str {
        self.bundle_key.kid()
    }

    /// A payer's pass of 15 minutes from now.
    pub fn pass(&self) -> anyhow::Result<String> {
        let iat = now()?;
        let claims = PassClaims {
            iss: self.issuer.clone(),
            aud: self.policy.id.as_str().to_owned(),
            sub: "b7mZx3nq0YtK5dVhS2LwPg".to_owned(),
            sid: "ses_0197f0b2-7c1e-7000-8000-000000000001".to_owned(),
            iat,
            exp: iat + PASS_SECONDS,
            jti: "b7mZx3nq0YtK5dVhS2LwPg".to_owned(),
            scope: "ad_free".to_owned(),
            until: None,
            standing: None,
        };
        Ok(mint(&self.pass_key, &claims)?)
    }

    fn bundle(&self) -> anyhow::Result<String> {
        let bundle = Bundle {
            version: 1,
            issued_at: Timestamp::from_seconds(now()?),
            issuer: self.issuer.clone(),
            jwks: JwkSet {
                keys: vec![self.pass_key.public()],
            },
            sites: vec![self.policy.clone()],
            prices_line: None,
            support_url: format!("{}/support", self.issuer),
        };
        Ok(latchkey_bundle::sign(&bundle, &self.bundle_key)?)
    }

    /// Serves edges on a port of its own.
    pub async fn serve(self: &Arc<Self>) -> anyhow::Result<u16> {
        let jws = self.bundle()?;
        let bundle = move |headers: HeaderMap| {
            let jws = jws.clone();
            async move { give(&headers, jws) }
        };
        let router = Router::new()
            .route("/edge/v1/bundle", get(bundle))
            .route("/edge/v1/revocations", get(async || Json(none())));
        let listener = TcpListener::bind(local(0)).await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(port)
    }
}

fn none() -> RevocationPage {
    RevocationPage {
        complete: true,
        ..RevocationPage::default()
    }
}

fn give(headers: &HeaderMap, jws: String) -> Response {
    if headers.get(header::IF_NONE_MATCH).is_some_and(|held| held == ETAG) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([(header::ETAG, ETAG)], jws).into_response()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a pass is made for the clock of a real edge in another process"
)]
fn now() -> anyhow::Result<i64> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970")?;
    Ok(i64::try_from(since.as_secs())?)
}
