//! The revocation feed: as a stream while the server gives one, so that a revocation is in force at once, and else pulled.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::body::Incoming;
use latchkey_bundle::{MAX_PAGE_BYTES, Revocation, RevocationPage};
use tokio::time::{Instant, sleep_until};

use crate::{
    Edge,
    breaker::{Caller, backoff},
    event_stream::{EventStream, Said, StreamError},
    limits::{FEED_ASIDE, FEED_SILENCE, MAX_REVOCATION_PAGES, REVOCATIONS_EVERY, SERVER_TIMEOUT},
    server::{CallError, Server, status_of_pull, whole, within},
};

/// Streams that failed to open, with a good pull after each, after which the feed is pulled for a while.
const MISSES_TO_PULL: u32 = 2;
/// Least time between two times that the file of kept revocations is written.
const KEEP_EVERY: Duration = Duration::from_secs(2);

/// The feed, as the server gives it.
enum Feed {
    /// As a stream, and the first page of it.
    Stream(PageStream, RevocationPage),
    /// As one page.
    Page(RevocationPage),
}

/// What a stream of the feed says.
enum Heard {
    Page(RevocationPage),
    Alive,
    End,
}

/// Pages of the feed as they come.
struct PageStream(EventStream<Incoming>);

impl PageStream {
    /// What comes next. Nothing is lost if it is not awaited to the end.
    async fn next(&mut self) -> Result<Heard, CallError> {
        match self.0.next().await {
            Ok(None) => Ok(Heard::End),
            Ok(Some(Said::Alive)) => Ok(Heard::Alive),
            Ok(Some(Said::Event(data))) => RevocationPage::parse(&data)
                .map(Heard::Page)
                .map_err(|why| CallError::Odd(why.to_string())),
            Err(why @ StreamError::Broken(_)) => Err(CallError::Down(why.to_string())),
            Err(why @ StreamError::TooLong(_)) => Err(CallError::Odd(why.to_string())),
        }
    }
}

impl Server {
    /// The revocations after number `after` as a stream, with its first page, which the server sends at once; or one page, from a
    /// server that does not stream now.
    async fn feed(&self, after: u64) -> Result<Feed, CallError> {
        let request = self.feed_request(after, "text/event-stream, application/json;q=0.5")?;
        let result = within(SERVER_TIMEOUT, self.open_feed(request)).await;
        match &result {
            Err(CallError::Down(_)) => self.breaker.failed(Caller::Pull),
            _ => self.breaker.answered(Caller::Pull),
        }
        result
    }

    async fn open_feed(&self, request: Request<Full<Bytes>>) -> Result<Feed, CallError> {
        let (parts, body) = self.open(request).await?.into_parts();
        status_of_pull(parts.status)?;
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            let page = RevocationPage::parse(&whole(body, MAX_PAGE_BYTES).await?)
                .map_err(|why| CallError::Odd(why.to_string()))?;
            return Ok(Feed::Page(page));
        }
        let mut stream = PageStream(EventStream::new(body, MAX_PAGE_BYTES));
        loop {
            match stream.next().await? {
                Heard::Page(first) => return Ok(Feed::Stream(stream, first)),
                Heard::Alive => {}
                Heard::End => return Err(CallError::Down("the stream ended before its first page".to_owned())),
            }
        }
    }
}

/// Whether the next try is a stream. One that does not open is followed by a pull: if that is answered and the next stream does not
/// open either, something on the way does not stream.
#[derive(Default)]
struct Way {
    misses: u32,
    pull_next: bool,
    aside_until: Option<Instant>,
}

impl Way {
    fn streams(&self, now: Instant) -> bool {
        !self.pull_next && self.aside_until.is_none_or(|until| until <= now)
    }

    fn opened(&mut self) {
        *self = Self::default();
    }

    fn missed(&mut self) {
        self.misses = self.misses.saturating_add(1);
        self.pull_next = true;
    }

    fn refused(&mut self, now: Instant) {
        self.aside_until = Some(now + FEED_ASIDE);
    }

    /// After a pull that was answered: whether a stream is to be tried at once.
    fn pulled(&mut self, now: Instant) -> bool {
        let missed = std::mem::take(&mut self.pull_next);
        if missed && self.misses >= MISSES_TO_PULL {
            self.aside_until = Some(now + FEED_ASIDE);
        }
        missed && self.misses < MISSES_TO_PULL
    }
}

impl Edge {
    /// Follows the feed until the edge stops.
    pub(crate) async fn follow_revocations(self: Arc<Self>) {
        let mut failures = 0;
        let mut way = Way::default();
        let mut wait = Duration::ZERO;
        while self.pause(wait).await {
            wait = REVOCATIONS_EVERY;
            let result = if way.streams(Instant::now()) {
                self.try_stream(&mut way, &mut failures).await
            } else {
                let result = self.pull_revocations().await;
                if result.is_ok() && way.pulled(Instant::now()) {
                    wait = Duration::ZERO;
                }
                result
            };
            failures = self.note("revocations", failures, result.err().map(|why| why.to_string()));
            if failures > 0 {
                wait = backoff(REVOCATIONS_EVERY, failures);
            }
        }
    }

    async fn try_stream(&self, way: &mut Way, failures: &mut u32) -> Result<(), CallError> {
        let feed = tokio::select! {
            () = self.shutdown.cancelled() => return Ok(()),
            feed = self.server.feed(self.last_revocation()) => feed,
        };
        match feed {
            Ok(Feed::Stream(stream, first)) => {
                way.opened();
                *failures = self.note("revocations", *failures, None);
                tracing::debug!("the revocation feed is a stream");
                if let Err(why) = self.listen(stream, first).await {
                    // Whether the server is away is said by the next try.
                    tracing::debug!(%why, "the stream of revocations ended");
                }
                Ok(())
            }
            Ok(Feed::Page(page)) => {
                way.refused(Instant::now());
                self.apply(&page);
                self.keep_revocations(page.entries).await;
                Ok(())
            }
            Err(why) => {
                way.missed();
                Err(why)
            }
        }
    }

    /// Takes up page after page, until the stream ends, says nothing for too long, or cannot be used up, or the edge stops.
    async fn listen(&self, mut stream: PageStream, first: RevocationPage) -> Result<(), CallError> {
        let mut heard = Heard::Page(first);
        let mut news = vec![];
        let mut keep_at = Instant::now();
        let result = loop {
            self.server.breaker.answered(Caller::Pull);
            match heard {
                Heard::Alive => {}
                Heard::End => break Ok(()),
                Heard::Page(page) => {
                    let refused = self.apply(&page);
                    news.extend(page.entries);
                    if refused > 0 {
                        break Ok(());
                    }
                }
            }
            let silent = Instant::now() + FEED_SILENCE;
            let next = loop {
                tokio::select! {
                    () = self.shutdown.cancelled() => break Ok(Heard::End),
                    next = stream.next() => break next,
                    () = sleep_until(silent) => {
                        break Err(CallError::Down(format!("nothing was said for {} s", FEED_SILENCE.as_secs())));
                    }
                    () = sleep_until(keep_at), if !news.is_empty() => {
                        self.keep_revocations(std::mem::take(&mut news)).await;
                        keep_at = Instant::now() + KEEP_EVERY;
                    }
                }
            };
            match next {
                Ok(next) => heard = next,
                Err(why) => break Err(why),
            }
        };
        self.keep_revocations(news).await;
        result
    }

    /// Takes up a page; gives the number of entries for which there was no room.
    pub(crate) fn apply(&self, page: &RevocationPage) -> usize {
        let now = self.clock.now();
        let mut set = self.revocations.write().unwrap_or_else(PoisonError::into_inner);
        set.forget_expired(now);
        let refused = set.apply(page);
        if refused > 0 {
            tracing::error!(
                refused,
                held = set.len(),
                "no room for more revocations; they are asked for again"
            );
        }
        refused
    }

    fn last_revocation(&self) -> u64 {
        self.revocations.read().unwrap_or_else(PoisonError::into_inner).last()
    }

    pub(crate) async fn pull_revocations(&self) -> Result<(), CallError> {
        let mut news = vec![];
        for _ in 0..MAX_REVOCATION_PAGES {
            let after = self.last_revocation();
            let page = self.server.revocations(after).await?;
            self.apply(&page);
            let done = page.complete || self.last_revocation() == after;
            news.extend(page.entries);
            if done {
                break;
            }
        }
        self.keep_revocations(news).await;
        Ok(())
    }

    /// Adds what is new to the file. Failing to is logged, and no more: the revocations are in use.
    async fn keep_revocations(&self, news: Vec<Revocation>) {
        let Some(kept) = self.kept.clone().filter(|_| !news.is_empty()) else {
            return;
        };
        let (last, now) = (self.last_revocation(), self.clock.now());
        let folder = kept.folder().display().to_string();
        let result = tokio::task::spawn_blocking(move || kept.add_revocations(news, last, now)).await;
        if let Err(why) = result.unwrap_or_else(|why| Err(std::io::Error::other(why))) {
            tracing::warn!(folder, %why, "the revocations are in use, but could not be kept on disk");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_does_not_stream_is_pulled_and_tried_again_later() {
        let now = Instant::now();
        let mut way = Way::default();
        assert!(way.streams(now));
        way.missed();
        assert!(!way.streams(now), "a pull tells whether the server is there");
        assert!(way.pulled(now) && way.streams(now));
        way.missed();
        assert!(!way.pulled(now) && !way.streams(now));
        assert!(way.streams(now + FEED_ASIDE));
        way.missed();
        assert!(
            !way.pulled(now) && !way.streams(now),
            "one more miss is enough from here on"
        );
    }

    #[test]
    fn a_server_that_comes_back_is_followed_at_once() {
        let now = Instant::now();
        let mut way = Way::default();
        way.missed();
        assert!(way.pulled(now) && way.streams(now));
        way.opened();
        way.missed();
        assert!(way.pulled(now), "an earlier miss does not count");
    }
}
