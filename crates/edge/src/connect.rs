//! Connections to origins and to the server: pooled HTTP/1.1, over TLS where the URL says so.

use std::{
    future::{Future, ready},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    vec,
};

use http_body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{
            HttpConnector,
            dns::{GaiResolver, Name},
        },
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tower::Service;

use crate::{
    EdgeError,
    limits::{CONNECT_TIMEOUT, IDLE_CONNECTION, MAX_IDLE_CONNECTIONS},
};

/// How connections are made.
pub(crate) type Connector = HttpsConnector<HttpConnector<Resolver>>;

/// Finds the addresses of a name: by the system, unless all connections go to one address.
#[derive(Clone)]
pub(crate) struct Resolver {
    system: GaiResolver,
    fixed: Option<SocketAddr>,
}

type Found = Pin<Box<dyn Future<Output = io::Result<vec::IntoIter<SocketAddr>>> + Send>>;

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Found;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Service::poll_ready(&mut self.system, context)
    }

    fn call(&mut self, name: Name) -> Found {
        if let Some(address) = self.fixed {
            return Box::pin(ready(Ok(vec![address].into_iter())));
        }
        let found = Service::call(&mut self.system, name);
        Box::pin(async move { Ok(found.await?.collect::<Vec<_>>().into_iter()) })
    }
}

/// Makes the connector; roots are Mozilla's, and those of `more` (PEM). Connections go to `fixed`, if it is given, whatever a name
/// resolves to; a port that the URL itself names stays.
pub(crate) fn connector(more: Option<&str>, fixed: Option<SocketAddr>) -> Result<Connector, EdgeError> {
    let mut http = HttpConnector::new_with_resolver(Resolver {
        system: GaiResolver::new(),
        fixed,
    });
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
