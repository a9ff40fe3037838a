//! Sandbox time: the system's clock plus an offset that only grows, and calendar arithmetic as Stripe does it.

use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime};

const SECONDS_PER_DAY: i64 = 86_400;

/// The clock that a [`Sandbox`](crate::Sandbox) lives by. Share it with whatever must see the same time.
pub struct SandboxClock {
    base: Box<dyn Fn() -> i64 + Send + Sync>,
    offset: AtomicI64,
}

impl std::fmt::Debug for SandboxClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxClock")
            .field("now_ms", &self.now_ms())
            .finish_non_exhaustive()
    }
}

impl SandboxClock {
    /// A clock over `base`, which gives the system's time in milliseconds since the Unix epoch.
    pub fn new(base: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self {
            base: Box::new(base),
            offset: AtomicI64::new(0),
        }
    }

    /// A clock that stands still at `at_ms` until it is advanced.
    pub fn fixed(at_ms: i64) -> Self {
        Self::new(move || at_ms)
    }

    /// Now, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        (self.base)().saturating_add(self.offset_ms())
    }

    /// Moves the clock forward by `ms` milliseconds; a negative value moves nothing, because Stripe's time never runs
    /// backwards. What falls due is handled by [`Sandbox::advance`](crate::Sandbox::advance), or at the next call.
    pub fn advance(&self, ms: i64) {
        let _ = self.offset.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |offset| {
            Some(offset.saturating_add(ms.max(0)))
        });
    }

    /// How far this clock is ahead of its base, in milliseconds.
    pub fn offset_ms(&self) -> i64 {
        self.offset.load(Ordering::SeqCst)
    }

    /// Brings the clock at least as far ahead as `offset_ms`, as after a restart.
    pub(crate) fn restore(&self, offset_ms: i64) {
        self.offset.fetch_max(offset_ms, Ordering::SeqCst);
    }
}

/// The unit of a recurring price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Interval {
    Day,
    Week,
    Month,
    Year,
}

impl Interval {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "day" => Some(Self::Day),
            "week" => Some(Self::Week),
            "month" => Some(Self::Month),
            "year" => Some(Self::Year),
            _ => None,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The longest this interval can be, in seconds: a span divided by it never overshoots.
    const fn longest_seconds(self) -> i64 {
        match self {
            Self::Day => SECONDS_PER_DAY,
            Self::Week => 7 * SECONDS_PER_DAY,
            Self::Month => 31 * SECONDS_PER_DAY,
            Self::Year => 366 * SECONDS_PER_DAY,
        }
    }
}

/// `anchor` (seconds) plus `count` intervals. Months and years keep the anchor's day of the month; where a month is too
/// short, its last day is used, and the next longer month has the anchor's day again.
pub(crate) fn add_intervals(anchor: i64, interval: Interval, count: i64) -> i64 {
    match interval {
        Interval::Day => anchor.saturating_add(count.saturating_mul(SECONDS_PER_DAY)),
        Interval::Week => anchor.saturating_add(count.saturating_mul(7 * SECONDS_PER_DAY)),
        Interval::Month => add_months(anchor, count),
        Interval::Year => add_months(anchor, count.saturating_mul(12)),
    }
}

fn add_months(anchor: i64, months: i64) -> i64 {
    let fallback = anchor.saturating_add(months.saturating_mul(30 * SECONDS_PER_DAY));
    let Ok(from) = OffsetDateTime::from_unix_timestamp(anchor) else {
        return fallback;
    };
    let total = i64::from(from.year()) * 12 + i64::from(u8::from(from.month())) - 1 + months;
    let shifted = i32::try_from(total.div_euclid(12)).ok().and_then(|year| {
        let month = Month::try_from(u8::try_from(total.rem_euclid(12) + 1).ok()?).ok()?;
        Date::from_calendar_date(year, month, from.day().min(month.length(year))).ok()
    });
    shifted.map_or(fallback, |date| {
        date.with_time(from.time()).assume_utc().unix_timestamp()
    })
}

/// The period that begins at or before `at` and ends after it, on the grid that `anchor` and `count` intervals span.
pub(crate) fn period_at(anchor: i64, interval: Interval, count: i64, at: i64) -> (i64, i64) {
    let count = count.max(1);
    let mut step = (at - anchor).max(0) / (interval.longest_seconds().saturating_mul(count));
    loop {
        let end = add_intervals(anchor, interval, (step + 1).saturating_mul(count));
        if end > at {
            return (add_intervals(anchor, interval, step.saturating_mul(count)), end);
        }
        step += 1;
    }
}

/// `seconds` as a date and time for pages, in UTC.
pub(crate) fn show(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds).map_or_else(
        |_| seconds.to_string(),
        |at| {
            let month = at.month().to_string();
            format!(
                "{} {} {} {:02}:{:02} UTC",
                at.day(),
                month.get(..3).unwrap_or(&month),
                at.year(),
                at.hour(),
                at.minute()
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn s(at: OffsetDateTime) -> i64 {
        at.unix_timestamp()
    }

    #[test]
    fn a_month_end_anchor_is_clamped_and_comes_back() {
        let anchor = s(datetime!(2027-01-31 10:00 UTC));
        assert_eq!(
            add_intervals(anchor, Interval::Month, 1),
            s(datetime!(2027-02-28 10:00 UTC))
        );
        assert_eq!(
            add_intervals(anchor, Interval::Month, 2),
            s(datetime!(2027-03-31 10:00 UTC))
        );
        assert_eq!(
            add_intervals(anchor, Interval::Month, 13),
            s(datetime!(2028-02-29 10:00 UTC))
        );
    }

    #[test]
    fn a_leap_day_year_is_clamped_and_comes_back() {
        let anchor = s(datetime!(2028-02-29 0:00 UTC));
        assert_eq!(
            add_intervals(anchor, Interval::Year, 1),
            s(datetime!(2029-02-28 0:00 UTC))
        );
        assert_eq!(
            add_intervals(anchor, Interval::Year, 4),
            s(datetime!(2032-02-29 0:00 UTC))
        );
    }

    #[test]
    fn periods_join_without_gap_over_many_years() {
        let anchor = s(datetime!(2027-08-31 23:59 UTC));
        let mut at = anchor;
        for _ in 0..120 {
            let (start, end) = period_at(anchor, Interval::Month, 1, at);
            assert_eq!(start, at);
            assert!(end > start);
            assert_eq!(period_at(anchor, Interval::Month, 1, end - 1), (start, end));
            at = end;
        }
        assert_eq!(at, s(datetime!(2037-08-31 23:59 UTC)));
    }

    #[test]
    fn the_clock_never_runs_backwards() {
        let clock = SandboxClock::fixed(1000);
        clock.advance(-5);
        assert_eq!(clock.now_ms(), 1000);
        clock.advance(5);
        assert_eq!(clock.now_ms(), 1005);
        clock.restore(2);
        assert_eq!(clock.offset_ms(), 5);
    }
}
