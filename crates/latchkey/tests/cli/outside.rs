//! What an instance names outside of itself: Stripe, by the sandbox; mail servers, and room for origins.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, extract::Request, http::StatusCode, middleware::Next, response::IntoResponse};
use base64::{Engine, engine::general_purpose::STANDARD};
use latchkey_billing::{IdempotencyKey, Interval, NewPrice, Stripe};
use latchkey_entitlement::{Clock, Timestamp, time::Pause};
use latchkey_stripe_gateway::{CALL_TIMEOUT, Config, Gateway, SecretKey};
use latchkey_stripe_sandbox::{Sandbox, SandboxClock, SandboxConfig};
use tokio::runtime::Runtime;

use crate::program::{Place, SECRETS};

const NOW: i64 = 1_795_500_000_000;
/// What the polite mail server takes for the user `latchkey`.
pub(crate) const PASSWORD: &str = "hunter2hunter2mail";

/// What an instance names: Stripe with the two prices of the file that `init` writes, and room for origins.
pub(crate) struct Outside {
    pub(crate) runtime: Runtime,
    pub(crate) stripe: SocketAddr,
    pub(crate) sandbox: Arc<Sandbox>,
    /// How many calls still reach Stripe; after them it is as if this process had died: they have their effect, and no answer comes.
    pub(crate) lives: Arc<AtomicUsize>,
    pub(crate) prices: [String; 2],
    /// Method and path of each call that reached Stripe.
    pub(crate) calls: Arc<Mutex<Vec<String>>>,
}

impl Outside {
    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let calls = Arc::new(Mutex::new(vec![]));
        let sandbox = SandboxConfig {
            secret_key: SECRETS[0].1.to_owned(),
            webhook_url: None,
            webhook_secret: SECRETS[1].1.to_owned(),
            public_url: "http://stripe.localhost".to_owned(),
            data: None,
        };
        let sandbox = runtime
            .block_on(async { Sandbox::open(sandbox, Arc::new(SandboxClock::new(now))) })
            .unwrap();
        let (seen, lives) = (calls.clone(), Arc::new(AtomicUsize::new(usize::MAX)));
        let left = lives.clone();
        let note = move |request: Request, next: Next| {
            let line = format!("{} {}", request.method(), request.uri().path());
            seen.lock().unwrap().push(line);
            let dead = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err();
            let dying = left.load(SeqCst) == 0;
            async move {
                if dead {
                    return StatusCode::BAD_GATEWAY.into_response();
                }
                let answer = next.run(request).await;
                if dying {
                    StatusCode::BAD_GATEWAY.into_response()
                } else {
                    answer
                }
            }
        };
        let router = sandbox.api_router().layer(axum::middleware::from_fn(note));
        let stripe = serve(&runtime, router);
        let prices = runtime.block_on(prices(&gateway(stripe)));
        calls.lock().unwrap().clear();
        Self {
            runtime,
            stripe,
            sandbox,
            lives,
            prices,
            calls,
        }
    }

    /// A configured place that names all of it, with a database that is up to date.
    pub(crate) fn place(&self) -> Place {
        let origin = serve(&self.runtime, Router::new().fallback(async || "The tide is in."));
        let place = Place::configured()
            .edit(&[
                ("\"price_1\"", &format!("{:?}", self.prices[0])),
                ("\"price_2\"", &format!("{:?}", self.prices[1])),
                ("http://127.0.0.1:8080", &format!("http://{origin}")),
                ("https://account.gazette.test", "http://account.localhost:1"),
            ])
            .set("LATCHKEY_STRIPE__BASE_URL", &format!("http://{}/", self.stripe))
            .set("LATCHKEY_MAIL__SMTP_PORT", &mail_server(Manners::Polite).to_string());
        place.run(&["migrate"]).is(0);
        place
    }
}

/// The system's time in milliseconds, which the program under test goes by too.
#[expect(clippy::disallowed_methods, reason = "the program under test has the system's clock")]
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    since.as_millis().try_into().unwrap()
}

impl Outside {
    /// One call by the account's owner in Stripe's dashboard.
    pub(crate) fn dashboard(&self, method: &str, path: &str, body: &str) -> serde_json::Value {
        let answer = self.sandbox.call_from_dashboard(method, path, body);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The entries of a list.
    pub(crate) fn listed(&self, path: &str) -> Vec<serde_json::Value> {
        self.dashboard("GET", path, "")["data"].as_array().unwrap().clone()
    }
}

pub(crate) fn serve(runtime: &Runtime, router: Router) -> SocketAddr {
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    })
}

/// Pauses are real ones, and nobody asks for the present.
struct Watch;

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        Timestamp(NOW)
    }

    fn pause(&self, length: Duration) -> Pause<'_> {
        Box::pin(tokio::time::sleep(length))
    }
}

fn gateway(stripe: SocketAddr) -> Gateway {
    Gateway::new(Config {
        secret_key: SecretKey::new(SECRETS[0].1),
        base_url: Some(format!("http://{stripe}/").parse().unwrap()),
        timeout: CALL_TIMEOUT,
        jitter: Arc::new(|| 0.0),
        clock: Arc::new(Watch),
        wire: None,
    })
    .unwrap()
}

/// Makes the prices of the file that `init` writes.
async fn prices(gateway: &Gateway) -> [String; 2] {
    let key = IdempotencyKey::new("product");
    let product = gateway.create_product(&key, "Supporter", &[]).await.unwrap();
    let make = async |interval: Interval, amount| {
        let new = NewPrice {
            product: product.clone(),
            currency: "eur".parse().unwrap(),
            unit_amount_minor: amount,
            interval,
            interval_count: 1,
            once: false,
            lookup_key: interval.as_str().to_owned(),
        };
        let key = IdempotencyKey::new(interval.as_str());
        gateway.create_price(&key, &new).await.unwrap()
    };
    [make(Interval::Month, 500).await, make(Interval::Year, 5000).await]
}

/// Archives a price, as somebody does in Stripe's dashboard.
pub(crate) fn archive(outside: &Outside, price: &str) {
    post(outside, &format!("prices/{price}"), &[("active", "false")]);
}

/// Makes or changes something in Stripe's dashboard.
pub(crate) fn post(outside: &Outside, path: &str, fields: &[(&str, &str)]) {
    let url = format!("http://{}/v1/{path}", outside.stripe);
    let done = outside.runtime.block_on(async {
        let request = reqwest::Client::new().post(url).bearer_auth(SECRETS[0].1);
        request.form(fields).send().await.unwrap().status()
    });
    assert_eq!(done, 200);
}

#[derive(Clone, Copy)]
pub(crate) enum Manners {
    /// As RFC 5321 has it; a login must be `latchkey` with [`PASSWORD`] (RFC 4954).
    Polite,
    /// Takes connections and never says a word.
    Silent,
    /// Turns everybody away.
    Refusing,
    /// No mail server at all.
    Web,
}

/// A mail server, on threads that end with the tests.
pub(crate) fn mail_server(manners: Manners) -> u16 {
    mail_server_on("127.0.0.1", manners)
}

pub(crate) fn mail_server_on(address: &str, manners: Manners) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || converse(&stream, manners));
        }
    });
    port
}

fn converse(stream: &TcpStream, manners: Manners) {
    let say = |mut stream: &TcpStream, words: &str| drop(stream.write_all(words.as_bytes()));
    match manners {
        Manners::Polite => say(stream, "220 mail.test ESMTP\r\n"),
        Manners::Refusing => say(stream, "554 mail.test no service here\r\n"),
        Manners::Web => say(stream, "HTTP/1.1 400 Bad Request\r\n\r\n"),
        Manners::Silent => {}
    }
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let answer = match line.split_once(' ') {
            _ if matches!(manners, Manners::Silent) => continue,
            Some(("EHLO", _)) => "250-mail.test\r\n250 AUTH PLAIN\r\n",
            Some(("AUTH", words)) if is_login(words) => "235 welcome\r\n",
            Some(("AUTH", _)) => "535 latchkey is not known here\r\n",
            Some(("MAIL" | "RCPT", _)) => panic!("a letter was begun: {line}"),
            _ => "250 yes\r\n",
        };
        say(stream, answer);
    }
}

fn is_login(words: &str) -> bool {
    let told = words.strip_prefix("PLAIN ").unwrap_or_default();
    STANDARD.decode(told).unwrap_or_default() == format!("\0latchkey\0{PASSWORD}").into_bytes()
}
