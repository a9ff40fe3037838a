//! To the origin and back.

use std::sync::Arc;

use axum::body::Body;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, REFERER, SET_COOKIE, UPGRADE},
};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use url::Position;

use crate::{Edge, change, cookies, edge::Visit, headers, own, pages, plan::Plan, reader::Reader, server::chain};

/// Why there is no answer.
enum Failure {
    Unreachable(String),
    Late,
}

/// Sends a request to the origin, and its answer to the reader.
pub(crate) async fn serve(
    edge: &Arc<Edge>,
    visit: &Visit,
    reader: &Reader,
    mut request: Request<Body>,
) -> Response<Body> {
    let mut plan = Plan::of(edge, visit, reader, &request);
    let method = request.method().clone();
    let upgrade =
        headers::upgrade(request.headers()).filter(|_| method == Method::GET && request.body().is_end_stream());
    let Some(uri) = origin_uri(visit, request.uri()) else {
        return pages::refusal(StatusCode::BAD_REQUEST, "The address cannot be used.");
    };
    let tunnel = match upgrade {
        None => None,
        Some(protocol) => match edge.tunnels.clone().try_acquire_owned() {
            Ok(permit) => Some((hyper::upgrade::on(&mut request), permit, protocol)),
            Err(_) => return pages::unavailable("Too many connections of this kind are open."),
        },
    };
    prepare(edge, visit, reader, &mut plan, request.headers_mut());
    if let Some((_, _, protocol)) = &tunnel {
        request
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        request.headers_mut().insert(UPGRADE, protocol.clone());
    }
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    request.extensions_mut().clear();
    let mut answer = match send(edge, request, tunnel.is_some()).await {
        Ok(answer) => answer,
        Err(Failure::Late) => {
            edge.counters.origin_late();
            tracing::warn!(origin = %visit.host.origin, "the origin did not answer in time");
            return pages::origin_failed(StatusCode::GATEWAY_TIMEOUT);
        }
        Err(Failure::Unreachable(why)) => {
            edge.counters.origin_failed();
            tracing::warn!(origin = %visit.host.origin, why, "the origin cannot be reached");
            return pages::origin_failed(StatusCode::BAD_GATEWAY);
        }
    };
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return switch(edge, tunnel.map(|(client, permit, _)| (client, permit)), answer);
    }
    *answer.version_mut() = Version::HTTP_11;
    clean(answer.headers_mut());
    change::finish(edge, visit, reader, plan, &method, answer).await
}

fn origin_uri(visit: &Visit, asked: &Uri) -> Option<Uri> {
    let origin = &visit.host.origin;
    let target = asked.path_and_query().cloned()?;
    Uri::builder()
        .scheme(origin.scheme())
        .authority(authority(visit))
        .path_and_query(target)
        .build()
        .ok()
}

fn authority(visit: &Visit) -> &str {
    &visit.host.origin[Position::BeforeHost..Position::AfterPort]
}

/// Makes the request's headers those that the origin may see.
fn prepare(edge: &Edge, visit: &Visit, reader: &Reader, plan: &mut Plan, lines: &mut HeaderMap) {
    headers::delete_hop_by_hop(lines);
    cookies::remove_ours(lines);
    headers::set_forwarded(lines, visit.peer.ip(), visit.trusted, &visit.host);
    plan.prepare(lines);
    if edge.config.origin_rewrite {
        headers::forward_as_origin(lines, &visit.host);
        lines.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for name in [ORIGIN, REFERER] {
            let elsewhere = lines.get(&name).and_then(|value| {
                let rest = value.to_str().ok()?.strip_prefix(&visit.host.base())?;
                let rest = Some(rest).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
                HeaderValue::from_str(&format!("{}{rest}", visit.host.origin.origin().ascii_serialization())).ok()
            });
            if let Some(value) = elsewhere {
                lines.insert(name, value);
            }
        }
    }
    let host = if edge.config.origin_rewrite {
        authority(visit)
    } else {
        visit.host.host.as_str()
    };
    if let Ok(host) = HeaderValue::from_str(host) {
        lines.insert(HOST, host);
    }
    // Last, so that nothing a client sends can take them away again.
    own::describe(lines, reader);
}

/// Sends once, and a second time if a kept connection was closed under a request that may be repeated.
async fn send(edge: &Edge, request: Request<Body>, upgrade: bool) -> Result<Response<Body>, Failure> {
    let bodiless = request.body().is_end_stream();
    let limits = &edge.config.limits;
    let time = if bodiless {
        limits.origin_timeout
    } else {
        limits.upload_timeout
    };
    let repeatable = bodiless && !upgrade && matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let again = repeatable.then(|| {
        let mut copy = Request::new(Body::empty());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        copy
    });
    let first = match timeout(time, edge.origins.request(request)).await {
        Err(_) => return Err(Failure::Late),
        Ok(Ok(answer)) => return Ok(answer.map(Body::new)),
        Ok(Err(why)) => why,
    };
    match again {
        Some(copy) if !first.is_connect() => match timeout(time, edge.origins.request(copy)).await {
            Err(_) => Err(Failure::Late),
            Ok(answer) => answer
                .map(|answer| answer.map(Body::new))
                .map_err(|why| Failure::Unreachable(chain(&why))),
        },
        _ => Err(Failure::Unreachable(chain(&first))),
    }
}

/// Takes out of an answer what ends at this hop and what only this edge may say.
fn clean(lines: &mut HeaderMap) {
    headers::delete_hop_by_hop(lines);
    headers::delete_reserved(lines);
    drop_our_cookies(lines);
}

fn drop_our_cookies(lines: &mut HeaderMap) {
    let ours = |line: &HeaderValue| {
        cookies::is_ours(
            line.as_bytes()
                .split(|b| *b == b'=')
                .next()
                .unwrap_or_default()
                .trim_ascii(),
        )
    };
    if lines.get_all(SET_COOKIE).iter().any(ours) {
        let kept: Vec<HeaderValue> = lines
            .get_all(SET_COOKIE)
            .iter()
            .filter(|line| !ours(line))
            .cloned()
            .collect();
        lines.remove(SET_COOKIE);
        for line in kept {
            lines.append(SET_COOKIE, line);
        }
    }
}

/// Joins the two connections, now that the origin agreed to.
fn switch(
    edge: &Arc<Edge>,
    tunnel: Option<(OnUpgrade, OwnedSemaphorePermit)>,
    mut answer: Response<Body>,
) -> Response<Body> {
    let Some((client, permit)) = tunnel else {
        edge.counters.origin_failed();
        return pages::origin_failed(StatusCode::BAD_GATEWAY);
    };
    let origin = hyper::upgrade::on(&mut answer);
    let shutdown = edge.shutdown.clone();
    tokio::spawn(async move {
        let joined = async {
            let (client, origin) = tokio::try_join!(client, origin)?;
            let (mut client, mut origin) = (TokioIo::new(client), TokioIo::new(origin));
            // An end that goes away is the ordinary end of a tunnel.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut origin).await;
            Ok::<_, hyper::Error>(())
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            result = joined => if let Err(why) = result {
                tracing::debug!(%why, "a tunnel did not open");
            }
        }
        drop(permit);
    });
    let (mut parts, _) = answer.into_parts();
    let protocol = parts.headers.get(UPGRADE).cloned();
    clean(&mut parts.headers);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Some(protocol) = protocol {
        parts.headers.insert(UPGRADE, protocol);
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Response::from_parts(parts, Body::empty())
}
