//! How one request reaches Stripe, and one answer comes back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::{gateway::ConfigError, transport::MAX_ANSWER_BYTES};

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The request was never sent.
    NoConnection,
    /// It was sent, and the connection broke before or within the answer.
    Broken,
    /// The answer is larger than [`MAX_ANSWER_BYTES`].
    TooLarge,
}

/// One exchange, without any retry and without a limit of time: both are the caller's.
#[async_trait]
pub trait Wire: Send + Sync {
    /// Sends a request; the answer is whole.
    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError>;
}

/// The usual way: HTTP over TLS, or over plain TCP if the address says so; for whoever watches what goes over it.
///
/// # Errors
/// The TLS library could not be set up.
pub fn https() -> Result<Arc<dyn Wire>, ConfigError> {
    Ok(Arc::new(Https::new().map_err(|_| ConfigError::Tls)?))
}

/// HTTP over TLS; over plain TCP if the address says so.
pub(crate) struct Https(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Https {
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self(client))
    }
}

#[async_trait]
impl Wire for Https {
    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        let answer = self.0.request(request.map(Full::new)).await.map_err(|error| {
            if error.is_connect() {
                WireError::NoConnection
            } else {
                WireError::Broken
            }
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                WireError::TooLarge
            } else {
                WireError::Broken
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}
