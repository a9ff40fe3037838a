//! Log lines hold no secret and no address: a whole walk with everything that can be logged, and then a search.

use std::{cell::RefCell, io, sync::Once};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use latchkey_billing::sign;
use latchkey_entitlement::Clock;
use serde_json::json;
use tower::ServiceExt;
use tracing_subscriber::EnvFilter;

use crate::world::{EDGE_TOKEN, HOST, WEBHOOK_SECRET, World, each_world};

const ADDRESS: &str = "ada@example.org";

thread_local! {
    /// What was logged on this thread: one test, whose runtime has no other.
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes log lines to [`LINES`].
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Collects for the whole process: `tracing` remembers of each place that logs whether anybody listens, and another test, on a thread
/// where nobody does, may be the first to come by.
fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("off,latchkey=trace"))
            .with_ansi(false)
            .with_writer(|| Lines)
            .init();
    });
    LINES.take();
}

/// Everything that must not be logged, with a name for the message.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn add(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 6, "{name} is too short to be searched for: {secret:?}");
        self.0.push((name.to_owned(), secret.to_owned()));
    }

    fn add_jar(&mut self, browser: &crate::browser::Browser) {
        for (name, value) in &browser.jar {
            if value.len() >= 6 {
                self.add(&format!("cookie {name}"), value);
            }
        }
    }
}

async fn webhook(world: &World, body: &str, signature: String) -> StatusCode {
    let request = Request::post("/webhooks/stripe")
        .header("stripe-signature", signature)
        .body(Body::from(body.to_owned()))
        .unwrap();
    world.router.clone().oneshot(request).await.unwrap().status()
}

/// Pays, comes back elsewhere, signs in by letter, enters a site, renews, signs out; and what goes wrong on the way.
async fn walk(world: &World, secrets: &mut Secrets) {
    let mut payer = world.browser();
    let session = world.begin_checkout(&mut payer, ADDRESS).await;
    secrets.add("Checkout session", &session);
    secrets.add_jar(&payer);
    world.stripe.pay(&session);
    let mut other = world.browser();
    other.get(&format!("/return?session_id={session}")).await;
    world.mail_server.refuse(1);
    world.work_outbox().await;
    world.clock.advance(3_600_000);
    world.work_outbox().await;
    secrets.add("link of the letter after payment", &world.last_link());

    world.mail_server.refuse(1);
    other.submit("/sign-in", "/sign-in", &[("email", ADDRESS)]).await;
    other.submit("/sign-in", "/sign-in", &[("email", ADDRESS)]).await;
    let link = world.last_link();
    secrets.add("token of the link", link.split_once("token=").unwrap().1);
    secrets.add("typed code", &world.last_code());
    other.get("/sign-in/link?token=wrong-token-of-a-link").await;
    secrets.add("wrong token", "wrong-token-of-a-link");
    other.submit(&link, "/sign-in/link", &[]).await;
    secrets.add_jar(&other);
    assert_eq!(other.get("/account").await.status, StatusCode::OK);

    let nonce = "nonce-of-the-hand-over";
    let code = world.enter_code(&mut other, nonce).await;
    secrets.add("nonce", nonce);
    secrets.add("enter code", &code);
    let enter = json!({"host": HOST, "code": code, "nonce": nonce});
    let entered = world.edge("POST", "/edge/v1/enter", enter.clone()).await.json();
    assert_eq!(
        world.edge("POST", "/edge/v1/enter", enter).await.status,
        StatusCode::FORBIDDEN
    );
    let refresh = entered["refresh"].as_str().unwrap();
    secrets.add("refresh secret", refresh);
    secrets.add("pass", entered["pass"].as_str().unwrap());
    world.clock.advance(2 * 86_400_000);
    let renewed = world
        .edge(
            "POST",
            "/edge/v1/renew",
            json!({"host": HOST, "refresh": refresh, "end": false}),
        )
        .await;
    assert_eq!(renewed.status, StatusCode::OK, "{}", renewed.body);
    secrets.add("renewed pass", renewed.json()["pass"].as_str().unwrap());
    if let Some(refresh) = renewed.json()["refresh"].as_str() {
        secrets.add("next refresh secret", refresh);
    }
    let odd = json!({"host": HOST, "refresh": "refresh-secret-of-nobody", "end": false});
    assert_eq!(
        world.edge("POST", "/edge/v1/renew", odd).await.status,
        StatusCode::UNAUTHORIZED
    );
    secrets.add("wrong refresh secret", "refresh-secret-of-nobody");

    world
        .program("GET", "/edge/v1/bundle", json!(null), Some("token-of-no-edge"))
        .await;
    secrets.add("wrong edge token", "token-of-no-edge");
    let body = json!({"id": "evt_9", "object": "event", "type": "customer.updated", "created": 1, "livemode": false,
        "data": {"object": {"id": "cus_9", "object": "customer", "email": ADDRESS}}})
    .to_string();
    let now = world.clock.now();
    assert_eq!(
        webhook(world, &body, sign(body.as_bytes(), "whsec_other", now)).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        webhook(world, &body, sign(body.as_bytes(), WEBHOOK_SECRET, now)).await,
        StatusCode::OK
    );
    let unreadable = format!("no event of {ADDRESS}");
    assert_eq!(
        webhook(world, &unreadable, sign(unreadable.as_bytes(), WEBHOOK_SECRET, now)).await,
        StatusCode::OK
    );
    other.submit("/account", "/sign-out", &[]).await;
}

#[tokio::test]
async fn log_lines_hold_no_secret_and_no_address() {
    each_world(async |world| {
        collect();
        let mut secrets = Secrets::default();
        secrets.add("address", ADDRESS);
        secrets.add("edge token", EDGE_TOKEN);
        secrets.add("webhook secret", WEBHOOK_SECRET);
        secrets.add("site secret", "secret of news");
        walk(world, &mut secrets).await;
        let text = String::from_utf8(LINES.take()).unwrap();
        for expected in [
            "customer synced",
            "a letter did not go out",
            "an effect was not done",
            "not acted on",
        ] {
            assert!(text.contains(expected), "the walk logs `{expected}`:\n{text}");
        }
        for (name, secret) in &secrets.0 {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{name} is in a log line");
        }
    })
    .await;
}
