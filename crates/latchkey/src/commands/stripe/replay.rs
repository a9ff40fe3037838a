//! `latchkey stripe replay`: where the sandbox answers otherwise than Stripe did.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use latchkey_stripe_gateway::{Replay, read_recording};
use latchkey_stripe_sandbox::{KEY_PREFIX, Sandbox, SandboxClock, SandboxConfig};
use serde_json::Value;

use crate::cli::{Exit, StripeReplay};

/// Plays a recording to a new sandbox whose clock goes with it.
pub(super) async fn run(options: &StripeReplay) -> anyhow::Result<Exit> {
    let file = options.recording.display();
    let text = std::fs::read_to_string(&options.recording).with_context(|| format!("reading {file}"))?;
    let calls = read_recording(&text).map_err(|why| anyhow!("{file} is no recording: {why}"))?;
    let begin = calls.first().map_or(0, |call| call.at);
    let key = format!("{KEY_PREFIX}replay");
    let sandbox = Sandbox::open(
        SandboxConfig {
            secret_key: key.clone(),
            webhook_url: None,
            webhook_secret: "whsec_replay".to_owned(),
            public_url: "http://stripe.localhost".to_owned(),
            data: None,
        },
        Arc::new(SandboxClock::fixed(begin.saturating_mul(1000))),
    )?;
    let (mut replay, mut now, mut differing) = (Replay::default(), begin, 0);
    for (number, recorded) in calls.iter().enumerate() {
        let call = replay.call(recorded);
        sandbox.advance(call.at.saturating_sub(now).max(0).saturating_mul(1000));
        now = now.max(call.at);
        let mut headers = vec![("authorization".to_owned(), format!("Bearer {key}"))];
        headers.extend(call.key.clone().map(|key| ("idempotency-key".to_owned(), key)));
        let answer = sandbox.call(&call.method, &call.target, &headers, &call.body).await;
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| Value::from("not JSON"));
        let found = replay.answer(recorded, answer.status, &body);
        if found.is_empty() {
            continue;
        }
        differing += 1;
        println!("line {}: {} {}", number + 1, recorded.method, recorded.path);
        for difference in found {
            println!("  {difference}");
        }
    }
    println!("{} calls played, {differing} answered otherwise.", calls.len());
    Ok(if differing == 0 { Exit::Done } else { Exit::Findings })
}
