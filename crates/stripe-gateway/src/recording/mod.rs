//! Recordings of what Stripe's test mode answers: made with a key by whoever has one, and played to a stand-in, to see where it differs.
//!
//! A recording is a file of JSON lines, one [`RecordedCall`] each, in order. Nothing secret and nobody's data stands in it.

mod compare;
mod replay;
mod scrub;
mod tour;

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use latchkey_billing::Clock;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::form_urlencoded;

use crate::wire::{Wire, WireError};
use scrub::Scrub;

pub use compare::{Difference, DifferenceKind, differences};
pub use replay::{PlayedCall, Replay};
pub use tour::TourStep;

/// Longest recording that is read, in bytes.
pub const MAX_RECORDING_BYTES: usize = 16 * 1024 * 1024;

/// One call and its answer. Ids are replaced by numbered ones, the same id by the same number throughout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedCall {
    /// When it was made, in seconds.
    pub at: i64,
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// The path, beginning with `/v1/`.
    pub path: String,
    /// Parameters of the query.
    pub query: Vec<(String, String)>,
    /// Parameters of the body.
    pub form: Vec<(String, String)>,
    /// The idempotency key.
    pub key: Option<String>,
    /// Status of the answer.
    pub status: u16,
    /// Whether the answer was repeated under its key (`Idempotent-Replayed`).
    pub replayed: bool,
    /// Body of the answer; a string if it was not JSON.
    pub body: Value,
}

/// Reads a recording.
///
/// # Errors
/// Says which line cannot be read.
pub fn read_recording(text: &str) -> Result<Vec<RecordedCall>, String> {
    if text.len() > MAX_RECORDING_BYTES {
        return Err(format!("the recording is larger than {MAX_RECORDING_BYTES} bytes"));
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| serde_json::from_str(line).map_err(|why| format!("line {}: {why}", number + 1)))
        .collect()
}

/// A way to Stripe that writes down what went over it.
pub struct Recorder {
    wire: Arc<dyn Wire>,
    clock: Arc<dyn Clock>,
    book: Mutex<Book>,
}

struct Book {
    out: Box<dyn Write + Send>,
    scrub: Scrub,
    calls: usize,
    failed: Option<std::io::Error>,
}

impl Recorder {
    /// Records what goes over `wire`, line by line, into `out`.
    pub fn new(wire: Arc<dyn Wire>, clock: Arc<dyn Clock>, out: Box<dyn Write + Send>) -> Self {
        let book = Book {
            out,
            scrub: Scrub::default(),
            calls: 0,
            failed: None,
        };
        Self {
            wire,
            clock,
            book: Mutex::new(book),
        }
    }

    /// How many calls were written.
    ///
    /// # Errors
    /// The first that could not be.
    pub fn finish(&self) -> std::io::Result<usize> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        match book.failed.take() {
            Some(error) => Err(error),
            None => book.out.flush().map(|()| book.calls),
        }
    }
}

/// Parameters in the order of the request.
fn pairs(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

#[async_trait]
impl Wire for Recorder {
    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        let uri = request.uri().clone();
        let form = String::from_utf8_lossy(request.body()).into_owned();
        let text = |name: &str| request.headers().get(name)?.to_str().ok().map(str::to_owned);
        let (method, key, at) = (request.method().to_string(), text("idempotency-key"), self.clock.now());
        let answer = self.wire.exchange(request).await?;
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let body = serde_json::from_slice(answer.body()).unwrap_or_else(|_| Value::from("not JSON"));
        let scrub = &mut book.scrub;
        let call = RecordedCall {
            at: at.seconds(),
            method,
            path: scrub.path(uri.path()),
            query: scrub.pairs(pairs(uri.query().unwrap_or_default())),
            form: scrub.pairs(pairs(&form)),
            key,
            status: answer.status().as_u16(),
            replayed: answer.headers().contains_key("idempotent-replayed"),
            body: scrub.body(body),
        };
        let line = serde_json::to_string(&call).map_err(std::io::Error::other);
        match line.and_then(|line| writeln!(book.out, "{line}")) {
            Ok(()) => book.calls += 1,
            Err(error) => {
                book.failed.get_or_insert(error);
            }
        }
        Ok(answer)
    }
}
