//! Fewer calls than Stripe refuses: one pace for all callers of the process, readers before background work.
//!
//! The order is decided by [`Line`], which knows no clock; [`Limiter`] waits with the gateway's.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use latchkey_billing::{Clock, Timestamp};

/// Calls a second to Stripe in live mode unless configured otherwise: Stripe takes 100 from an account and about 25 at one endpoint, and
/// other programs of the publisher use the same account.
pub const LIVE_CALLS_PER_SECOND: u32 = 25;
/// The same in test mode, where Stripe takes 25 from an account.
pub const TEST_CALLS_PER_SECOND: u32 = 20;
/// Most calls a second that may be configured: what Stripe takes from an account in live mode.
pub const MAX_CALLS_PER_SECOND: u32 = 100;
/// Most calls that wait for their turn; beyond it a call fails at once.
pub const MAX_WAITING: usize = 1_024;
/// Longest time that Stripe's `Retry-After` holds up all calls.
pub const MAX_HOLD: Duration = Duration::from_mins(1);
/// Readers that go in a row while background work waits; then it has a turn, so that neither starves.
const READERS_IN_A_ROW: u32 = 4;

/// For whom a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A reader waits for it, at checkout or on the way back.
    Reader,
    /// Nobody waits: the worker, reconciling.
    Background,
}

/// Who waits, and when the next may go. Times are microseconds of the clock.
#[derive(Debug)]
struct Line {
    /// Between two calls.
    interval: i64,
    /// When the next call may go.
    free_at: i64,
    readers: VecDeque<u64>,
    background: VecDeque<u64>,
    readers_in_a_row: u32,
    last: u64,
}

impl Line {
    fn new(calls_per_second: u32) -> Self {
        Self {
            interval: 1_000_000 / i64::from(calls_per_second.clamp(1, MAX_CALLS_PER_SECOND)),
            free_at: i64::MIN,
            readers: VecDeque::new(),
            background: VecDeque::new(),
            readers_in_a_row: 0,
            last: 0,
        }
    }

    /// A place in the line; `None` if it is full.
    fn enter(&mut self, urgency: Urgency) -> Option<u64> {
        if self.readers.len() + self.background.len() >= MAX_WAITING {
            return None;
        }
        self.last += 1;
        match urgency {
            Urgency::Reader => self.readers.push_back(self.last),
            Urgency::Background => self.background.push_back(self.last),
        }
        Some(self.last)
    }

    fn leave(&mut self, ticket: u64) {
        self.readers.retain(|own| *own != ticket);
        self.background.retain(|own| *own != ticket);
    }

    /// Whose turn is next.
    fn next(&self) -> Option<u64> {
        let (reader, other) = (self.readers.front(), self.background.front());
        let is_others_turn = reader.is_none() || self.readers_in_a_row >= READERS_IN_A_ROW;
        if is_others_turn {
            other.or(reader).copied()
        } else {
            reader.copied()
        }
    }

    /// Lets a ticket go, or says how many microseconds it waits at least before asking again.
    fn ask(&mut self, ticket: u64, now: i64) -> Result<(), i64> {
        if now < self.free_at {
            return Err(self.free_at - now);
        }
        if self.next() != Some(ticket) {
            return Err(self.interval);
        }
        if self.readers.front() == Some(&ticket) {
            self.readers.pop_front();
            // In a row only counts where somebody else waits.
            self.readers_in_a_row = if self.background.is_empty() {
                0
            } else {
                self.readers_in_a_row + 1
            };
        } else {
            self.background.pop_front();
            self.readers_in_a_row = 0;
        }
        // Who comes a little late does not slow the rest down; but no burst is saved up while nobody calls.
        let late = now.saturating_sub(self.free_at);
        let went = if late < self.interval { self.free_at } else { now };
        self.free_at = went + self.interval;
        Ok(())
    }

    /// Nobody goes before `until`.
    fn hold(&mut self, until: i64) {
        self.free_at = self.free_at.max(until);
    }
}

/// One pace for all calls of a gateway and of those made from it.
pub(crate) struct Limiter {
    line: Mutex<Line>,
    clock: Arc<dyn Clock>,
}

/// A place in the line, given up when its call is.
struct Place<'l> {
    limiter: &'l Limiter,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.limiter.line().leave(self.ticket);
    }
}

impl Limiter {
    pub(crate) fn new(calls_per_second: u32, clock: Arc<dyn Clock>) -> Self {
        Self {
            line: Mutex::new(Line::new(calls_per_second)),
            clock,
        }
    }

    /// Waits for a turn; false if too many wait already, or for longer than `budget`.
    pub(crate) async fn turn(&self, urgency: Urgency, budget: Duration) -> bool {
        let Some(ticket) = self.line().enter(urgency) else {
            return false;
        };
        let place = Place { limiter: self, ticket };
        let mut left = budget;
        loop {
            let asked = self.line().ask(place.ticket, self.now());
            let Err(wait) = asked else { return true };
            // The clock counts milliseconds: less than one would be asked for again at once.
            let wait = Duration::from_micros(u64::try_from(wait).unwrap_or_default()).max(Duration::from_millis(1));
            // Counted and not read from the clock, which a simulation may let stand still.
            let Some(rest) = left.checked_sub(wait) else {
                return false;
            };
            left = rest;
            self.clock.pause(wait).await;
        }
    }

    /// Stripe asks for fewer calls: nobody makes one for so long.
    pub(crate) fn hold(&self, wait: Duration) {
        let until = self.now().saturating_add(micros(wait.min(MAX_HOLD)));
        self.line().hold(until);
    }

    fn now(&self) -> i64 {
        let Timestamp(millis) = self.clock.now();
        millis.saturating_mul(1_000)
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who goes at which microsecond, as long as somebody waits.
    fn goes(line: &mut Line, from: i64) -> Vec<(u64, i64)> {
        let (mut now, mut went) = (from, vec![]);
        while let Some(next) = line.next() {
            match line.ask(next, now) {
                Ok(()) => went.push((next, now)),
                Err(wait) => now += wait,
            }
        }
        went
    }

    #[test]
    fn calls_keep_the_pace_and_no_burst_is_saved_up() {
        let mut line = Line::new(25);
        for _ in 0..50 {
            line.enter(Urgency::Background).unwrap();
        }
        let first: Vec<i64> = goes(&mut line, 0).into_iter().map(|(_, at)| at).collect();
        assert_eq!(first, (0..50).map(|n| n * 40_000).collect::<Vec<_>>());
        // A minute later the pace is what it was.
        for _ in 0..3 {
            line.enter(Urgency::Reader).unwrap();
        }
        let later: Vec<i64> = goes(&mut line, 60_000_000).into_iter().map(|(_, at)| at).collect();
        assert_eq!(later, [60_000_000, 60_040_000, 60_080_000]);
    }

    #[test]
    fn readers_go_first_and_background_work_is_not_starved() {
        let mut line = Line::new(25);
        let work: Vec<u64> = (0..3).map(|_| line.enter(Urgency::Background).unwrap()).collect();
        let readers: Vec<u64> = (0..10).map(|_| line.enter(Urgency::Reader).unwrap()).collect();
        let order: Vec<u64> = goes(&mut line, 0).into_iter().map(|(ticket, _)| ticket).collect();
        let expected = [
            &readers[..4],
            &work[..1],
            &readers[4..8],
            &work[1..2],
            &readers[8..],
            &work[2..],
        ];
        assert_eq!(order, expected.concat());
    }

    #[test]
    fn a_hold_is_for_all_and_who_leaves_holds_up_nobody() {
        let mut line = Line::new(25);
        let gone = line.enter(Urgency::Reader).unwrap();
        let stays = line.enter(Urgency::Background).unwrap();
        line.leave(gone);
        line.hold(2_000_000);
        assert_eq!(line.ask(stays, 500_000), Err(1_500_000));
        assert_eq!(goes(&mut line, 500_000), [(stays, 2_000_000)]);
    }

    #[test]
    fn the_line_has_an_end() {
        let mut line = Line::new(1);
        for _ in 0..MAX_WAITING {
            assert!(line.enter(Urgency::Background).is_some());
        }
        assert_eq!(line.enter(Urgency::Reader), None);
    }
}
