//! Connections to origins and to the server: pooled HTTP/1.1, over TLS where the URL says so.

use std::sync::Arc;

use http_body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{
    EdgeError,
    limits::{CONNECT_TIMEOUT, IDLE_CONNECTION, MAX_IDLE_CONNECTIONS},
};

/// How connections are made.
pub(crate) type Connector = HttpsConnector<HttpConnector>;

/// Makes the connector; roots are Mozilla's, and those of `more` (PEM).
pub(crate) fn connector(more: Option<&str>) -> Result<Connector, EdgeError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.set_nodelay(true);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| EdgeError::Tls(why.to_string()))?
        .with_root_certificates(roots(more)?)
        .with_no_client_auth();
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}

fn roots(more: Option<&str>) -> Result<RootCertStore, EdgeError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let Some(pem) = more else { return Ok(roots) };
    let wrong = |why: String| {
        EdgeError::Config(format!(
            "the certificates of origin_ca cannot be used: {why}\n  help: give a PEM file of certificates, each between BEGIN CERTIFICATE and END CERTIFICATE"
        ))
    };
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|why| wrong(why.to_string()))?;
        roots.add(certificate).map_err(|why| wrong(why.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(wrong("there is none".to_owned()));
    }
    Ok(roots)
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
