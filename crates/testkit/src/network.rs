//! The network between Latchkey and Stripe: it can be cut, be slow, and lead to a Stripe of a later version.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use latchkey_stripe_gateway::MAX_ANSWER_BYTES;
use tokio::sync::Semaphore;

use crate::dying::Grave;

/// What is wrong with the network at the moment.
#[derive(Default)]
pub(crate) struct Network {
    /// What every request is answered with, in place of Stripe.
    pub(crate) refusal: Mutex<Option<StatusCode>>,
    /// What is answered with 500, by a part of path and query.
    pub(crate) failing: Mutex<Option<String>>,
    pub(crate) held: Mutex<Vec<(String, Arc<Gate>)>>,
    /// A subscription's status as the sandbox writes it, and the word that arrives in its place.
    pub(crate) unknown_status: Mutex<Option<(String, String)>>,
    /// Where requests of a dying server end.
    pub(crate) grave: Arc<Grave>,
}

/// Two signals: the answer is on its way, and it may arrive.
pub(crate) struct Gate {
    answered: Semaphore,
    released: Semaphore,
}

/// An answer of Stripe's that was given, and has not arrived yet. Arrives when this value is dropped, at the latest.
pub struct HeldAnswer(pub(crate) Arc<Gate>);

impl HeldAnswer {
    /// Waits until Stripe has answered: what changes there from now on is not in the answer.
    pub async fn is_under_way(&self) {
        let waited = tokio::time::timeout(crate::world::PATIENCE, self.0.answered.acquire());
        drop(
            waited
                .await
                .expect("nobody asked Stripe for what is held back")
                .expect("open"),
        );
    }

    /// Lets it arrive.
    pub fn arrives(self) {
        drop(self);
    }
}

impl Drop for HeldAnswer {
    fn drop(&mut self) {
        self.0.released.add_permits(1);
    }
}

impl Network {
    /// Holds back the next answer to a request whose path begins so.
    pub(crate) fn hold(&self, path: &str) -> HeldAnswer {
        let gate = Arc::new(Gate {
            answered: Semaphore::new(0),
            released: Semaphore::new(0),
        });
        self.held.lock().unwrap().push((path.to_owned(), Arc::clone(&gate)));
        HeldAnswer(gate)
    }

    fn gate(&self, path: &str) -> Option<Arc<Gate>> {
        let mut held = self.held.lock().unwrap();
        let at = held.iter().position(|(prefix, _)| path.starts_with(prefix))?;
        Some(held.remove(at).1)
    }
}

/// `api` as it is reached through `network`.
pub(crate) fn through(network: Arc<Network>, api: Router) -> Router {
    api.layer(middleware::from_fn_with_state(network, pass))
}

async fn pass(State(network): State<Arc<Network>>, request: Request, next: Next) -> Response {
    let refusal = *network.refusal.lock().unwrap();
    if let Some(status) = refusal {
        return status.into_response();
    }
    let failing = network.failing.lock().unwrap().clone();
    if failing.is_some_and(|part| request.uri().to_string().contains(&part)) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let dies = network.grave.takes(request.method().as_str(), request.uri().path());
    if dies == Some(true) {
        network.grave.keeps().await;
    }
    let gate = network.gate(request.uri().path());
    let answer = next.run(request).await;
    if dies == Some(false) {
        network.grave.keeps().await;
    }
    if let Some(gate) = gate {
        gate.answered.add_permits(1);
        drop(gate.released.acquire().await);
    }
    let rewrite = network.unknown_status.lock().unwrap().clone();
    match rewrite {
        Some((from, to)) => with_status(answer, &from, &to).await,
        None => answer,
    }
}

async fn with_status(answer: Response, from: &str, to: &str) -> Response {
    let (mut head, body) = answer.into_parts();
    let body = to_bytes(body, MAX_ANSWER_BYTES)
        .await
        .expect("the sandbox answers whole");
    let body = String::from_utf8(body.to_vec()).expect("the sandbox answers in UTF-8");
    head.headers.remove(header::CONTENT_LENGTH);
    let [from, to] = [from, to].map(|word| format!("\"status\":\"{word}\""));
    Response::from_parts(head, Body::from(body.replace(&from, &to)))
}
