//! How often something is paid, in words and on the calendar.

use latchkey_entitlement::{Timestamp, time::DAY};
use time::{Date, Month, OffsetDateTime};

use crate::plan::Interval;

/// How often, behind an amount: `a month`, `every 3 months`.
pub fn per(interval: Interval, count: u32) -> String {
    match count {
        1 => format!("a {}", interval.as_str()),
        count => format!("every {count} {}s", interval.as_str()),
    }
}

/// How often, alone: `monthly`, `every 2 weeks`.
pub fn rhythm(interval: Interval, count: u32) -> String {
    match (interval, count) {
        (Interval::Day, 1) => "daily".to_owned(),
        (Interval::Week, 1) => "weekly".to_owned(),
        (Interval::Month, 1) => "monthly".to_owned(),
        (Interval::Year, 1) => "yearly".to_owned(),
        (interval, count) => format!("every {count} {}s", interval.as_str()),
    }
}

/// How long `periods` of them last: `the first month`, `the first 3 months`.
pub fn first(interval: Interval, count: u32, periods: u32) -> String {
    match count.saturating_mul(periods) {
        1 => format!("the first {}", interval.as_str()),
        units => format!("the first {units} {}s", interval.as_str()),
    }
}

/// `count` intervals after `from`. Months and years keep the day of the month; where a month is too short, its last day counts, as
/// with Stripe's billing cycle (<https://docs.stripe.com/billing/subscriptions/billing-cycle>).
pub fn add(from: Timestamp, interval: Interval, count: u32) -> Timestamp {
    let count = i64::from(count);
    match interval {
        Interval::Day => from.plus(count.saturating_mul(DAY)),
        Interval::Week => from.plus(count.saturating_mul(7 * DAY)),
        Interval::Month => months(from, count),
        Interval::Year => months(from, count.saturating_mul(12)),
    }
}

fn months(from: Timestamp, count: i64) -> Timestamp {
    let shifted = || {
        let at = OffsetDateTime::from_unix_timestamp(from.seconds()).ok()?;
        let total = i64::from(at.year()) * 12 + i64::from(u8::from(at.month())) - 1 + count;
        let year = i32::try_from(total.div_euclid(12)).ok()?;
        let month = Month::try_from(u8::try_from(total.rem_euclid(12) + 1).ok()?).ok()?;
        let day = at.day().min(month.length(year));
        let date = Date::from_calendar_date(year, month, day).ok()?;
        Some(Timestamp::from_seconds(
            date.with_time(at.time()).assume_utc().unix_timestamp(),
        ))
    };
    // Beyond the calendar there are no dates to keep.
    shifted().unwrap_or_else(|| from.plus(count.saturating_mul(30 * DAY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_interval_and_count_has_its_words() {
        assert_eq!(per(Interval::Month, 1), "a month");
        assert_eq!(per(Interval::Month, 3), "every 3 months");
        assert_eq!(rhythm(Interval::Week, 2), "every 2 weeks");
        assert_eq!(rhythm(Interval::Year, 1), "yearly");
        assert_eq!(first(Interval::Month, 1, 1), "the first month");
        assert_eq!(first(Interval::Month, 3, 2), "the first 6 months");
    }

    #[test]
    fn a_month_that_is_too_short_has_its_last_day_and_the_leap_day_comes_back() {
        // 31 January 2027 10:00 UTC, and 29 February 2028 0:00 UTC.
        let january = Timestamp::from_seconds(1_801_389_600);
        assert_eq!(add(january, Interval::Month, 1), Timestamp::from_seconds(1_803_808_800));
        assert_eq!(add(january, Interval::Month, 2), Timestamp::from_seconds(1_806_487_200));
        let leap = Timestamp::from_seconds(1_835_395_200);
        assert_eq!(add(leap, Interval::Year, 1), Timestamp::from_seconds(1_866_931_200));
        assert_eq!(add(leap, Interval::Year, 4), Timestamp::from_seconds(1_961_625_600));
        assert_eq!(add(january, Interval::Week, 2), january.plus(14 * DAY));
    }
}
