//! The server, as the edge sees it: four calls, each with a time-out and a bound, and a breaker that they feed.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use latchkey_bundle::RevocationPage;
use latchkey_token::Secret;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    breaker::{Breaker, Caller},
    connect::{Connector, client},
    limits::{MAX_SERVER_ANSWER_BYTES, SERVER_TIMEOUT},
};

/// A call that brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// No connection, a time-out, or 5xx.
    #[error("the server cannot be reached: {0}")]
    Down(String),
    /// The server does not know this edge.
    #[error(
        "the server refuses the edge token\n  help: LATCHKEY_EDGE_TOKEN must be the same on the server and on the edge"
    )]
    Token,
    /// Any other answer; an answer is never an outage.
    #[error("the server answered {0}")]
    Refused(StatusCode),
    /// An answer that is not what the protocol says.
    #[error("the server's answer cannot be read: {0}")]
    Odd(String),
}

/// What a hand-over brings.
#[derive(Deserialize)]
pub(crate) struct Entered {
    pub(crate) pass: String,
    pub(crate) refresh: String,
}

/// What a renewal brings; `refresh` if the secret was rotated.
#[derive(Deserialize)]
pub(crate) struct Renewed {
    pub(crate) pass: String,
    #[serde(default)]
    pub(crate) refresh: Option<String>,
}

/// The `type` of the problem (RFC 9457) by which the server says that a session is over.
const SIGNED_OUT: &str = "signed-out";

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize)]
struct EnterCall<'a> {
    host: &'a str,
    code: &'a str,
    nonce: &'a str,
}

#[derive(Serialize)]
struct RenewCall<'a> {
    host: &'a str,
    refresh: &'a str,
    end: bool,
}

/// The connection to the server.
pub(crate) struct Server {
    pub(crate) client: Client<Connector, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
    pub(crate) breaker: Breaker,
    hasher: RandomState,
}

impl Server {
    pub(crate) fn new(url: &Url, token: &Secret, connector: Connector) -> Option<Self> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok()?;
        authorization.set_sensitive(true);
        Some(Self {
            client: client(connector),
            base: url.as_str().trim_end_matches('/').to_owned(),
            authorization,
            breaker: Breaker::default(),
            hasher: RandomState::new(),
        })
    }

    /// Sends one request and reads at most `max` bytes of the answer.
    async fn call(
        &self,
        caller: Caller,
        request: Request<Full<Bytes>>,
        max: usize,
    ) -> Result<Response<Bytes>, CallError> {
        let exchange = async {
            let (parts, body) = self.open(request).await?.into_parts();
            Ok(Response::from_parts(parts, whole(body, max).await?))
        };
        let result = within(SERVER_TIMEOUT, exchange).await;
        match &result {
            Ok(_) => self.breaker.answered(caller),
            Err(_) => self.breaker.failed(caller),
        }
        result
    }

    /// Sends a request; what comes back is the head of an answer, and no server error.
    pub(crate) async fn open(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, CallError> {
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|why| CallError::Down(chain(&why)))?;
        if answer.status().is_server_error() {
            return Err(CallError::Down(format!("it answered {}", answer.status())));
        }
        Ok(answer)
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, CallError> {
        let uri: Uri = format!("{}{path}", self.base)
            .parse()
            .map_err(|why| CallError::Odd(format!("{why}")))?;
        Request::builder()
            .method(method)
            .uri(uri)
            .header(AUTHORIZATION, self.authorization.clone())
            .body(Full::new(body))
            .map_err(|why| CallError::Odd(why.to_string()))
    }

    /// The bundle as a JWS, unless it still is version `held`.
    pub(crate) async fn bundle(&self, held: Option<u64>) -> Result<Option<Bytes>, CallError> {
        let mut request = self.request(Method::GET, "/edge/v1/bundle", Bytes::new())?;
        if let Some(tag) = held.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
            request.headers_mut().insert(IF_NONE_MATCH, tag);
        }
        let answer = self
            .call(Caller::Pull, request, latchkey_bundle::MAX_BUNDLE_BYTES)
            .await?;
        let status = answer.status();
        if status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        status_of_pull(status)?;
        Ok(Some(answer.into_body()))
    }

    pub(crate) fn feed_request(&self, after: u64, accept: &'static str) -> Result<Request<Full<Bytes>>, CallError> {
        let path = format!("/edge/v1/revocations?after={after}");
        let mut request = self.request(Method::GET, &path, Bytes::new())?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        Ok(request)
    }

    /// One page of the revocations after number `after`.
    pub(crate) async fn revocations(&self, after: u64) -> Result<RevocationPage, CallError> {
        let request = self.feed_request(after, "application/json")?;
        let answer = self
            .call(Caller::Pull, request, latchkey_bundle::MAX_PAGE_BYTES)
            .await?;
        status_of_pull(answer.status())?;
        RevocationPage::parse(answer.body()).map_err(|why| CallError::Odd(why.to_string()))
    }

    async fn post<B: Serialize>(&self, session: &str, path: &str, body: &B) -> Result<Response<Bytes>, CallError> {
        let body = serde_json::to_vec(body).map_err(|why| CallError::Odd(why.to_string()))?;
        let mut request = self.request(Method::POST, path, body.into())?;
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let caller = Caller::Session(self.hasher.hash_one(session));
        let answer = self.call(caller, request, MAX_SERVER_ANSWER_BYTES).await?;
        if answer.status() != StatusCode::UNAUTHORIZED || is_signed_out(answer.body()) {
            return Ok(answer);
        }
        Err(CallError::Token)
    }

    /// Exchanges the code of a hand-over for a session on `host`.
    pub(crate) async fn enter(&self, host: &str, code: &str, nonce: &str) -> Result<Entered, CallError> {
        // Anyone can make up codes, so that all of them count as one session.
        let answer = self
            .post("", "/edge/v1/enter", &EnterCall { host, code, nonce })
            .await?;
        read(&answer)
    }

    /// A new pass for the session behind `refresh`.
    pub(crate) async fn renew(&self, host: &str, refresh: &str) -> Result<Renewed, CallError> {
        let answer = self
            .post(
                refresh,
                "/edge/v1/renew",
                &RenewCall {
                    host,
                    refresh,
                    end: false,
                },
            )
            .await?;
        read(&answer)
    }

    /// Ends the session behind `refresh`.
    pub(crate) async fn end(&self, host: &str, refresh: &str) -> Result<(), CallError> {
        let answer = self
            .post(
                refresh,
                "/edge/v1/renew",
                &RenewCall {
                    host,
                    refresh,
                    end: true,
                },
            )
            .await?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(CallError::Refused(answer.status()))
        }
    }
}

/// Whether a 401 speaks of the reader's session. One that does not (a wrong edge token, a proxy between) must sign no reader out.
fn is_signed_out(body: &[u8]) -> bool {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    problem.is_some_and(|problem| problem.kind == SIGNED_OUT)
}

fn read<T: for<'a> Deserialize<'a>>(answer: &Response<Bytes>) -> Result<T, CallError> {
    match answer.status() {
        // The text of the error would quote the secrets in the answer.
        StatusCode::OK => {
            serde_json::from_slice(answer.body()).map_err(|_| CallError::Odd("not the JSON it should be".to_owned()))
        }
        other => Err(CallError::Refused(other)),
    }
}

/// The whole body of an answer, of at most `max` bytes.
pub(crate) async fn whole(body: Incoming, max: usize) -> Result<Bytes, CallError> {
    let body = Limited::new(body, max).collect().await;
    Ok(body.map_err(|why| CallError::Down(why.to_string()))?.to_bytes())
}

/// What a pull's status says if it is not 200.
pub(crate) fn status_of_pull(status: StatusCode) -> Result<(), CallError> {
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(CallError::Token),
        other => Err(CallError::Refused(other)),
    }
}

/// The result of `exchange`, or that there was none in time.
pub(crate) async fn within<T>(
    time: Duration,
    exchange: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    tokio::time::timeout(time, exchange)
        .await
        .unwrap_or_else(|_| Err(CallError::Down(format!("no answer in {} s", time.as_secs()))))
}

/// An error with its causes, which hyper's own text leaves out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
