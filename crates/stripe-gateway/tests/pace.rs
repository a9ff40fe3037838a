//! The pace of calls, with a clock that does not sleep and a Stripe that answers from a script.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on may panic")]

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use latchkey_billing::{Clock, Stripe, StripeError, Timestamp};
use latchkey_stripe_gateway::{CALL_TIMEOUT, Config, Gateway, MAX_HOLD, SecretKey, Wire, WireError};

/// A pause is over at once, and moves the present.
#[derive(Default)]
struct Leaping(AtomicI64);

impl Clock for Leaping {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn pause(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let millis = i64::try_from(length.as_millis()).unwrap();
        self.0.fetch_add(millis, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
}

/// Answers each call with an empty list, unless told that there were too many; notes when each call came.
struct Script {
    clock: Arc<Leaping>,
    too_many: Mutex<VecDeque<&'static str>>,
    came_at: Mutex<Vec<i64>>,
}

#[async_trait]
impl Wire for Script {
    async fn exchange(&self, _: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        self.came_at.lock().unwrap().push(self.clock.now().0);
        let refused = self.too_many.lock().unwrap().pop_front();
        Ok(match refused {
            Some(seconds) => Response::builder()
                .status(429)
                .header("retry-after", seconds)
                .header("stripe-should-retry", "false")
                .body(Bytes::from_static(b"{}"))
                .unwrap(),
            None => Response::new(Bytes::from_static(br#"{"data":[],"has_more":false}"#)),
        })
    }
}

fn world(calls_per_second: u32, too_many: &[&'static str]) -> (Gateway, Arc<Script>) {
    let clock = Arc::new(Leaping::default());
    let script = Arc::new(Script {
        clock: Arc::clone(&clock),
        too_many: Mutex::new(too_many.iter().copied().collect()),
        came_at: Mutex::default(),
    });
    let gateway = Gateway::new(Config {
        secret_key: SecretKey::new("sk_test_secret"),
        base_url: None,
        timeout: CALL_TIMEOUT,
        jitter: Arc::new(|| 0.0),
        clock,
        wire: Some(Arc::clone(&script) as Arc<dyn Wire>),
    });
    (gateway.unwrap().limited(calls_per_second), script)
}

#[tokio::test]
async fn every_caller_keeps_to_one_pace() {
    let (gateway, script) = world(10, &[]);
    let background = gateway.in_background().unwrap();
    for _ in 0..3 {
        gateway.list_customers(None).await.unwrap();
        background.list_customers(None).await.unwrap();
    }
    assert_eq!(*script.came_at.lock().unwrap(), [0, 100, 200, 300, 400, 500]);
}

#[tokio::test]
async fn what_stripe_asks_of_one_call_holds_up_all() {
    let (gateway, script) = world(10, &["8"]);
    let background = gateway.in_background().unwrap();
    let refused = background.list_customers(None).await.unwrap_err();
    assert!(matches!(refused, StripeError::RateLimited { .. }), "{refused:?}");
    gateway.list_customers(None).await.unwrap();
    assert_eq!(*script.came_at.lock().unwrap(), [0, 8_000]);
}

#[tokio::test]
async fn nobody_waits_longer_than_the_budget_and_a_hold_has_an_end() {
    let (gateway, script) = world(10, &["86400"]);
    gateway.list_customers(None).await.unwrap_err();
    let waited = gateway.list_customers(None).await.unwrap_err();
    assert!(matches!(waited, StripeError::Unreachable { .. }), "{waited:?}");
    assert_eq!(script.came_at.lock().unwrap().len(), 1, "Stripe was not asked");
    script.clock.pause(MAX_HOLD).await;
    gateway.list_customers(None).await.unwrap();
}
