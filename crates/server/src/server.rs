//! The parts put together.

use std::{ops::Deref, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::Response,
};
use futures::{StreamExt, stream};
use latchkey_billing::Stripe;
use latchkey_entitlement::Clock;
use latchkey_store::Store;
use latchkey_sync::{Effects, Ids, Sync};
use tokio::sync::{Mutex, Notify, Semaphore, watch};

use crate::{Keys, Mailer, ServerConfig, deliveries::DeliveryNotes, feed::Published, routes, target};

/// Streams of the revocation feed that are open at once; who finds no room gets pages.
pub const MAX_STREAMS: usize = 256;

/// What the server is made of.
pub struct Parts {
    /// Settings.
    pub config: ServerConfig,
    /// Where everything is kept.
    pub store: Store,
    /// Keeps grants in step with Stripe.
    pub sync: Arc<Sync>,
    /// Stripe itself, for Checkout and the portal.
    pub stripe: Arc<dyn Stripe>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Identifiers and secrets.
    pub ids: Arc<dyn Ids>,
    /// Letters out.
    pub mailer: Arc<dyn Mailer>,
    /// The keys of passes and of the bundle.
    pub keys: Arc<Keys>,
}

/// Everything that a handler may need.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    parts: Parts,
    pub(crate) published: Mutex<Option<Published>>,
    /// Told when this process revoked something; other processes' revocations are found by looking.
    pub(crate) revoked: Notify,
    /// Room for streams of the revocation feed.
    pub(crate) streams: Arc<Semaphore>,
    /// Becomes true when streams have to end.
    pub(crate) ending: watch::Sender<bool>,
    security: HeaderValue,
    /// What came of deliveries.
    pub(crate) deliveries: DeliveryNotes,
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Deref for Inner {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// The account origin.
pub struct Server {
    app: App,
}

impl Server {
    /// Puts the parts together; nothing listens yet.
    pub fn new(parts: Parts) -> Self {
        let security = content_security_policy(&parts.config);
        let inner = Inner {
            parts,
            published: Mutex::default(),
            revoked: Notify::new(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            ending: watch::Sender::new(false),
            security,
            deliveries: DeliveryNotes::default(),
        };
        Self {
            app: App(Arc::new(inner)),
        }
    }

    /// Ends the streams of the revocation feed, and gives pages from now on. To be called before the listener is asked to stop: it
    /// waits for every answer, and a stream has no end of its own.
    pub fn end_streams(&self) {
        self.app.ending.send_replace(true);
    }

    /// Does what waits in the outbox: to be given to [`Sync::work_outbox`].
    pub fn effects(&self) -> Arc<dyn Effects> {
        Arc::new(self.app.clone())
    }

    /// Every route of the account origin. For limits by network, serve it with
    /// [`axum::extract::connect_info::IntoMakeServiceWithConnectInfo`], or put a [`axum::extract::ConnectInfo`] into each request.
    pub fn router(&self) -> Router {
        routes::router()
            .layer(middleware::from_fn_with_state(self.app.clone(), harden))
            .layer(middleware::from_fn(hurry))
            .with_state(self.app.clone())
    }
}

/// Nothing but our own stylesheet. Browsers hold the redirects after a form to `form-action` too, so that the sites and the
/// payment pages stand there beside this origin.
fn content_security_policy(config: &ServerConfig) -> HeaderValue {
    let mut forms: Vec<String> = config.payment_origins.clone();
    forms.extend(target::site_origins(&config.sites));
    forms.sort();
    forms.dedup();
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {}; frame-ancestors 'none'; base-uri 'none'",
        forms.join(" ")
    );
    // Hosts with odd characters are refused by the configuration; should one get here, forms lead nowhere else.
    HeaderValue::from_str(&policy).unwrap_or_else(|_| {
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        )
    })
}

/// How long the body of a request may take to arrive. Every body here is small.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Gives up a body that does not come: who sends the head of a request and then nothing would hold a connection for ever.
async fn hurry(request: Request, next: Next) -> Response {
    let deadline = tokio::time::Instant::now() + BODY_TIMEOUT;
    let bounded = request.map(|body| {
        let parts = stream::unfold(Some(body.into_data_stream()), move |parts| async move {
            let mut parts = parts?;
            match tokio::time::timeout_at(deadline, parts.next()).await {
                Ok(part) => part.map(|part| (part, Some(parts))),
                Err(_) => Some((
                    Err(axum::Error::new(std::io::Error::from(std::io::ErrorKind::TimedOut))),
                    None,
                )),
            }
        });
        Body::from_stream(parts)
    });
    next.run(bounded).await
}

async fn harden(axum::extract::State(app): axum::extract::State<App>, request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    let mut default = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    default(header::CONTENT_SECURITY_POLICY, app.security.clone());
    default(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    default(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    default(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    default(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    default(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    if app.config.is_https() {
        default(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    answer
}
