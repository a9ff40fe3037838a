//! Signed deliveries of Stripe's, over connections that stay open, as quickly as they are answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use latchkey_billing::{Timestamp, sign};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::process::local;

/// What signs the deliveries.
pub const WEBHOOK_SECRET: &str = "whsec_of_a_measurement_0123456789";
/// Customers that the events are about, in turn.
const CUSTOMERS: u64 = 1_000;
/// An event as the Stripe sandbox delivers it; id and customer are put in.
const TEMPLATE: &str = include_str!("event.json");

/// Makes events, each with an id of its own.
#[derive(Debug, Default)]
pub struct Events(AtomicU64);

impl Events {
    /// The id and the body of the next one: about 2.5 KB, of one of a thousand customers.
    pub fn next(&self) -> (String, String) {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let id = format!("evt_{number:024}");
        let body = TEMPLATE
            .replace("EVENT_ID", &id)
            .replace("NUMBER", &format!("{:08}", number % CUSTOMERS));
        (id, body)
    }
}

/// Id and body of an event about one customer's subscription.
pub fn event_about(name: &str, customer: &str, subscription: &str) -> (String, String) {
    let id = format!("evt_{name}");
    let body = TEMPLATE
        .replace("EVENT_ID", &id)
        .replace("cus_NUMBER", customer)
        .replace("sub_NUMBER", subscription)
        .replace("NUMBER", name);
    (id, body)
}

/// What is delivered to.
#[derive(Clone, Copy, Debug)]
pub struct Receiver {
    /// Its port on the loopback.
    pub port: u16,
    /// The path of its webhook endpoint.
    pub path: &'static str,
}

/// The present in seconds, as a signature holds it.
#[expect(
    clippy::disallowed_methods,
    reason = "deliveries are signed for the clock of a server in another process"
)]
pub fn seconds() -> anyhow::Result<i64> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970")?;
    Ok(i64::try_from(since.as_secs())?)
}

/// Delivers over so many connections for `time`; gives how many were acknowledged a second. An answer other than 200 is an error: it
/// would be quick.
pub async fn per_second(
    receiver: Receiver,
    events: &Arc<Events>,
    connections: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut open = JoinSet::new();
    for _ in 0..connections {
        let events = Arc::clone(events);
        open.spawn(async move { one_connection(receiver, &events, begun + time).await });
    }
    let mut acknowledged: u32 = 0;
    while let Some(one) = open.join_next().await {
        acknowledged = acknowledged.saturating_add(one??);
    }
    Ok(f64::from(acknowledged) / begun.elapsed().as_secs_f64())
}

async fn one_connection(receiver: Receiver, events: &Events, until: Instant) -> anyhow::Result<u32> {
    let mut connection = Connection::open(receiver).await?;
    let mut acknowledged = 0;
    while Instant::now() < until {
        let (_, body) = events.next();
        connection.deliver(&body).await?;
        acknowledged += 1;
    }
    Ok(acknowledged)
}

/// One connection that stays open.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    receiver: Receiver,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(receiver: Receiver) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(local(receiver.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            receiver,
            answer: Vec::with_capacity(4096),
        })
    }

    /// Signs and delivers a body, and waits for 200.
    pub async fn deliver(&mut self, body: &str) -> anyhow::Result<()> {
        let now = Timestamp::from_seconds(seconds()?);
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nStripe-Signature: {}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.receiver.path,
            self.receiver.port,
            sign(body.as_bytes(), WEBHOOK_SECRET, now),
            body.len(),
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.answer.clear();
        while !is_whole(&self.answer) {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!(
                    "the connection was closed after {:?}",
                    String::from_utf8_lossy(&self.answer)
                );
            }
        }
        if !self.answer.starts_with(b"HTTP/1.1 200") {
            bail!("not acknowledged: {}", String::from_utf8_lossy(&self.answer));
        }
        Ok(())
    }
}

/// Whether an answer has arrived whole: by `Content-Length`, or by the last chunk.
fn is_whole(answer: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(answer) else {
        return false;
    };
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let field = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    match (field("content-length"), field("transfer-encoding")) {
        (Some(length), _) => length.parse().is_ok_and(|length: usize| body.len() >= length),
        (None, Some(_)) => body.ends_with("0\r\n\r\n"),
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn an_answer_is_whole_when_its_body_is_there() {
        for (answer, whole) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", false),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true),
        ] {
            assert_eq!(is_whole(answer.as_bytes()), whole, "{answer:?}");
        }
    }
}
