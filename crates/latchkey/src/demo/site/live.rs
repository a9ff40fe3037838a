//! The live desk: a stream of server-sent events, and a page under a strict content security policy.

use super::super::hosts::DemoHosts;
use axum::response::sse::{Event, KeepAlive, Sse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::Stream;
use futures::stream;
use std::convert::Infallible;
use std::time::Duration;

/// The pause between two readings.
const PAUSE: Duration = Duration::from_secs(2);
/// After so many readings the stream ends and the browser asks anew.
const READINGS: u32 = 300;
const NONCE_BYTES: usize = 16;

/// A new nonce, in the alphabet that a policy and an attribute can carry.
pub(super) fn nonce() -> Option<String> {
    let mut random = [0_u8; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    Some(STANDARD.encode(random))
}

/// Only scripts with the nonce run, and what those load; ads and analytics come from their hosts.
pub(super) fn policy(hosts: &DemoHosts, nonce: &str) -> String {
    let DemoHosts { ads, stats, tags, .. } = hosts;
    format!(
        "default-src 'self'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data: http://{ads} http://{stats}; frame-src http://{ads} http://{tags}; \
         connect-src 'self' http://{ads} http://{stats}; object-src 'none'; base-uri 'none'"
    )
}

/// `GET /live`: one tide reading at once, and then one every two seconds.
pub(super) async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let readings = stream::unfold(0_u32, |number| async move {
        if number >= READINGS {
            return None;
        }
        if number > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        // A tide that rises and falls by whole centimetres, as a gauge on the quay would print it.
        let phase = number % 60;
        let height = 140 + 4 * phase.min(60 - phase);
        let event = Event::default().event("tide").id(number.to_string());
        Some((
            Ok(event.data(format!("{{\"reading\":{number},\"centimetres\":{height}}}"))),
            number + 1,
        ))
    });
    Sse::new(readings).keep_alive(KeepAlive::default())
}
