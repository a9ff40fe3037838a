//! Server-sent events (WHATWG HTML, section 9.2), read as they come and within bounds.

use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::BodyExt;

/// Longest name of a field, with colon and space, that may precede a value of the longest event.
const MAX_FIELD_NAME: usize = 64;

/// What a stream said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// An event: its data.
    Event(Vec<u8>),
    /// Something that is no event yet, or none at all, such as a comment: the other side is alive.
    Alive,
}

/// Why a stream cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("an event or a line has more than {0} bytes")]
    TooLong(usize),
    #[error("the connection broke: {0}")]
    Broken(String),
}

/// A body that is read as events.
pub(crate) struct EventStream<B> {
    body: B,
    chunk: Bytes,
    decoder: Decoder,
}

impl<B> EventStream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    /// Reads `body`, whose events may have `max` bytes of data each.
    pub(crate) fn new(body: B, max: usize) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            decoder: Decoder::new(max),
        }
    }

    /// What comes next, or `None` at the end; a last event without its empty line is dropped. Nothing is lost if it is not awaited to
    /// the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Said>, StreamError> {
        loop {
            if let Some(event) = self.decoder.take(&mut self.chunk)? {
                return Ok(Some(Said::Event(event)));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(why)) => return Err(StreamError::Broken(why.to_string())),
                Some(Ok(frame)) => {
                    let Ok(chunk) = frame.into_data() else { continue };
                    self.chunk = chunk;
                    if let Some(event) = self.decoder.take(&mut self.chunk)? {
                        return Ok(Some(Said::Event(event)));
                    }
                    return Ok(Some(Said::Alive));
                }
            }
        }
    }
}

/// Bytes to events. Holds at most one line and one event.
struct Decoder {
    max: usize,
    line: Vec<u8>,
    data: Vec<u8>,
    /// Whether the event has a `data` field; one without is none.
    has_data: bool,
    /// Whether the event has a type of its own: not one of ours.
    foreign: bool,
    /// A line ended with CR: an LF right after it belongs to it.
    after_cr: bool,
    /// Nothing was read yet: a byte order mark is allowed here.
    first: bool,
}

impl Decoder {
    fn new(max: usize) -> Self {
        Self {
            max,
            line: vec![],
            data: vec![],
            has_data: false,
            foreign: false,
            after_cr: false,
            first: true,
        }
    }

    /// Takes bytes from `chunk` up to the end of an event.
    fn take(&mut self, chunk: &mut Bytes) -> Result<Option<Vec<u8>>, StreamError> {
        while let Some(byte) = chunk.first().copied() {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                chunk.advance(1);
                continue;
            }
            let end = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = chunk.split_to(end.unwrap_or(chunk.len()));
            if self.line.len() + part.len() > self.max.saturating_add(MAX_FIELD_NAME) {
                return Err(StreamError::TooLong(self.max));
            }
            self.line.extend_from_slice(&part);
            if end.is_some() {
                self.after_cr = chunk.first() == Some(&b'\r');
                chunk.advance(1);
                if let Some(event) = self.end_line()? {
                    return Ok(Some(event));
                }
            }
        }
        Ok(None)
    }

    fn end_line(&mut self) -> Result<Option<Vec<u8>>, StreamError> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if std::mem::take(&mut self.first) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            let counts = std::mem::take(&mut self.has_data) && !std::mem::take(&mut self.foreign);
            return Ok(counts.then_some(data));
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                if self.data.len() + value.len() > self.max {
                    return Err(StreamError::TooLong(self.max));
                }
                self.data.extend_from_slice(value);
            }
            b"event" => self.foreign = !value.is_empty() && value != b"message",
            // Where to go on is said in the data; unknown fields and comments (no name) are passed over.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 100;

    /// Every event of `text`, cut into pieces of `size` bytes.
    fn events(text: &str, size: usize) -> Result<Vec<String>, StreamError> {
        let mut decoder = Decoder::new(MAX);
        let mut events = vec![];
        for piece in text.as_bytes().chunks(size) {
            let mut chunk = Bytes::copy_from_slice(piece);
            while let Some(event) = decoder.take(&mut chunk)? {
                events.push(String::from_utf8(event).unwrap());
            }
        }
        Ok(events)
    }

    #[test]
    fn events_are_the_same_however_they_are_cut_and_whatever_ends_their_lines() {
        let text = "\u{feff}: hello\n\ndata: one\nid: 1\n\n:\n\nevent: message\ndata:two\ndata: lines\nretry: 5\nodd\n\ndata\n\n\
            event: other\ndata: not ours\n\nid: 7\n\ndata:  three\n\ndata: cut off";
        for ends in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', ends);
            for size in 1..text.len() {
                let read = events(&text, size).unwrap();
                assert_eq!(
                    read,
                    ["one", "two\nlines", "", " three"],
                    "{ends:?} in pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn an_event_and_a_line_are_bounded() {
        let longest = "x".repeat(MAX);
        assert_eq!(events(&format!("data: {longest}\n\n"), 7).unwrap().concat(), longest);
        for odd in [
            format!("data: {longest}x\n\n"),
            format!("data: {longest}\ndata: y\n\n"),
            "y".repeat(MAX + MAX_FIELD_NAME + 1),
            format!(": {}", "y".repeat(MAX + MAX_FIELD_NAME)),
        ] {
            assert!(matches!(events(&odd, 7), Err(StreamError::TooLong(MAX))), "{odd}");
        }
    }
}
