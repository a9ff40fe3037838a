//! Deliveries to a server on loopback.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::support::{Bench, KEY, clock, config};
use aws_lc_rs::hmac;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use latchkey_stripe_sandbox::{DeliveryMode, Sandbox};
use serde_json::Value;

const SECRET: &str = "whsec_sandbox_test";

#[derive(Default)]
struct Inbox {
    got: Vec<(String, String)>,
    answers: Vec<u16>,
}

type Shared = Arc<Mutex<Inbox>>;

async fn take(State(inbox): State<Shared>, headers: HeaderMap, body: String) -> StatusCode {
    let mut inbox = inbox.lock().unwrap();
    inbox
        .got
        .push((headers["stripe-signature"].to_str().unwrap().to_owned(), body));
    StatusCode::from_u16(inbox.answers.pop().unwrap_or(200)).unwrap()
}

async fn bench() -> (Bench, Shared) {
    let inbox = Shared::default();
    let listener = latchkey_stripe_sandbox::bind("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = axum::Router::new()
        .route("/webhooks/stripe", post(take))
        .with_state(Arc::clone(&inbox));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut config = config();
    config.webhook_url = Some(format!("http://account.localhost:{port}/webhooks/stripe"));
    (
        Bench {
            sandbox: Sandbox::open(config, clock()).unwrap(),
        },
        inbox,
    )
}

/// Whether some `v1` of the header signs the body with the secret; computed here, not by the sandbox.
fn verifies(header: &str, body: &str, secret: &str) -> bool {
    let fields: Vec<(&str, &str)> = header.split(',').filter_map(|field| field.split_once('=')).collect();
    let time = fields.iter().find(|(name, _)| *name == "t").unwrap().1;
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        format!("{time}.{body}").as_bytes(),
    );
    let hex: Vec<String> = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.concat();
    fields.iter().any(|(name, value)| *name == "v1" && *value == hex)
}

fn ids(inbox: &Shared) -> Vec<String> {
    let inbox = inbox.lock().unwrap();
    inbox
        .got
        .iter()
        .map(|(_, body)| crate::support::text(&serde_json::from_str::<Value>(body).unwrap(), "id"))
        .collect()
}

#[tokio::test]
async fn each_event_arrives_once_signed_and_not_in_the_order_of_making() {
    let (bench, inbox) = bench().await;
    let price = bench.price().await;
    bench.subscribe(&price, "4242424242424242").await;
    bench.sandbox.deliver_due().await;
    let arrived = ids(&inbox);
    let mut sorted = arrived.clone();
    sorted.sort();
    assert_eq!(sorted.len(), bench.sandbox.control().counts().events);
    assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]));
    assert_ne!(arrived, sorted);
    for (header, body) in &inbox.lock().unwrap().got {
        assert!(verifies(header, body, SECRET), "{header}");
        assert!(header.starts_with(&format!("t={},v1=", crate::support::START.unix_timestamp())));
    }
    assert_eq!(bench.sandbox.deliver_due().await, 0);
}

#[tokio::test]
async fn failures_and_redirects_are_retried_with_growing_waits() {
    let (bench, inbox) = bench().await;
    inbox.lock().unwrap().answers = vec![301, 500];
    bench.customer().await;
    assert_eq!(bench.sandbox.deliver_due().await, 1);
    assert_eq!(bench.sandbox.deliver_due().await, 0);
    bench.sandbox.advance(2000);
    assert_eq!(bench.sandbox.deliver_due().await, 1);
    bench.sandbox.advance(9000);
    assert_eq!(bench.sandbox.deliver_due().await, 0);
    bench.sandbox.advance(1000);
    assert_eq!(bench.sandbox.deliver_due().await, 1);
    let log = bench.sandbox.control().deliveries();
    assert_eq!((log[0].tries, log[0].status, log[0].delivered), (3, Some(200), true));
    assert_eq!(
        bench.get("/v1/events?delivery_success=false").await["data"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

#[tokio::test]
async fn a_dead_endpoint_is_given_up_after_days_and_shows_in_the_events_list() {
    let mut config = config();
    config.webhook_url = Some("http://127.0.0.1:1/hook".to_owned());
    let bench = Bench {
        sandbox: Sandbox::open(config, clock()).unwrap(),
    };
    bench.customer().await;
    for _ in 0..20 {
        bench.sandbox.deliver_due().await;
        bench.sandbox.advance(crate::support::DAY_MS);
    }
    let log = bench.sandbox.control().deliveries();
    assert_eq!((log[0].tries, log[0].delivered), (9, false));
    assert_eq!(bench.sandbox.control().counts().pending_deliveries, 0);
    assert_eq!(
        bench.get("/v1/events?delivery_success=false").await["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn modes_drop_double_delay_spoil_and_pause() {
    let (bench, inbox) = bench().await;
    let control = bench.sandbox.control();
    let arrive = async |mode| {
        inbox.lock().unwrap().got.clear();
        bench.sandbox.control().set_delivery_mode(mode);
        bench.customer().await;
        bench.sandbox.deliver_due().await;
        ids(&inbox).len()
    };
    assert_eq!(arrive(DeliveryMode::Drop).await, 0);
    assert_eq!(arrive(DeliveryMode::Double).await, 2);
    assert_eq!(arrive(DeliveryMode::Delay(5000)).await, 0);
    bench.sandbox.advance(5000);
    assert_eq!(bench.sandbox.deliver_due().await, 1);
    assert_eq!(arrive(DeliveryMode::Reorder).await, 0);
    bench.sandbox.advance(3000);
    assert_eq!(bench.sandbox.deliver_due().await, 1);
    assert_eq!(arrive(DeliveryMode::BadSignature).await, 1);
    let (header, body) = inbox.lock().unwrap().got[0].clone();
    assert!(!verifies(&header, &body, SECRET));
    assert_eq!(arrive(DeliveryMode::OldTimestamp).await, 1);
    let (header, body) = inbox.lock().unwrap().got[0].clone();
    assert!(verifies(&header, &body, SECRET));
    control.pause_deliveries(true);
    assert_eq!(arrive(DeliveryMode::Normal).await, 0);
    control.pause_deliveries(false);
    assert_eq!(bench.sandbox.deliver_due().await, 1);
    let event = ids(&inbox)[0].clone();
    control.resend(&event).unwrap();
    bench.sandbox.deliver_due().await;
    assert_eq!(ids(&inbox), [event.clone(), event]);
    assert!(control.resend("evt_none").is_err());
}

#[tokio::test]
async fn a_rolled_secret_signs_beside_the_old_one_for_a_day() {
    let (bench, inbox) = bench().await;
    let fresh = bench.sandbox.control().roll_secret().unwrap();
    bench.customer().await;
    bench.sandbox.deliver_due().await;
    bench.sandbox.advance(crate::support::DAY_MS);
    bench.customer().await;
    bench.sandbox.deliver_due().await;
    let got = inbox.lock().unwrap().got.clone();
    let check = |(header, body): &(String, String)| (verifies(header, body, &fresh), verifies(header, body, SECRET));
    assert_eq!((check(&got[0]), check(&got[1])), ((true, true), (true, false)));
}

#[tokio::test]
async fn the_worker_delivers_by_itself_and_endpoints_choose_their_events() {
    let (bench, inbox) = bench().await;
    let url = bench.get("/v1/webhook_endpoints").await["data"][0]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let made = bench
        .post(
            "/v1/webhook_endpoints",
            &[
                ("url", &url),
                ("enabled_events[0]", "customer.*"),
                ("api_version", "2026-09-30.endive"),
            ],
        )
        .await;
    let secret = crate::support::text(&made, "secret");
    assert_eq!(
        bench
            .refused(
                "POST",
                "/v1/webhook_endpoints",
                &[("url", "https://example.org"), ("enabled_events[0]", "*")]
            )
            .await
            .0,
        400
    );
    let worker = bench.sandbox.start_deliveries();
    bench.customer().await;
    bench.post("/v1/products", &[("name", "A")]).await;
    for _ in 0..200 {
        if bench.sandbox.control().counts().delivered == 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    worker.abort();
    let got = inbox.lock().unwrap().got.clone();
    let mut by_secret: BTreeMap<bool, usize> = BTreeMap::new();
    for (header, body) in &got {
        *by_secret.entry(verifies(header, body, &secret)).or_default() += 1;
    }
    assert_eq!(by_secret, BTreeMap::from([(true, 1), (false, 2)]));
    assert!(!KEY.is_empty());
}
