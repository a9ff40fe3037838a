//! Connections to origins and to the server: pooled HTTP/1.1, over TLS where the URL says so.

use http_body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::limits::{CONNECT_TIMEOUT, IDLE_CONNECTION, MAX_IDLE_CONNECTIONS};

/// How connections are made.
pub(crate) type Connector = HttpsConnector<HttpConnector>;

/// Makes the connector; roots are Mozilla's.
pub(crate) fn connector() -> Result<Connector, rustls::Error> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.set_nodelay(true);
    let builder =
        HttpsConnectorBuilder::new().with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())?;
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}

/// A client with a pool of its own.
pub(crate) fn client<B>(connector: Connector) -> Client<Connector, B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .build(connector)
}
