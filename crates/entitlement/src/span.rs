//! Lengths of time as they are sold, and the time zone in which a calendar is read.

use std::fmt;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::time::{DAY, HOUR, Timestamp};

/// Most years that one span may last; what is longer is a mistake of the configuration.
pub const MAX_SPAN_YEARS: u32 = 10;

/// A length of time that cannot be sold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a length of time: write `24h`, `7d`, `2 weeks`, `1 month` or `1 year`, above zero and at most {MAX_SPAN_YEARS} years"
)]
pub struct SpanError(pub String);

/// What a span counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpanUnit {
    /// 60 minutes.
    Hour,
    /// 24 hours, also where the clocks change.
    Day,
    /// 7 times 24 hours.
    Week,
    /// A month of the calendar: to the same day and time of day, or to the month's last day if that is missing.
    Month,
    /// A year of the calendar.
    Year,
}

impl SpanUnit {
    const ALL: [(Self, &'static str, &'static str, u32); 5] = [
        (Self::Hour, "h", "hour", MAX_SPAN_YEARS * 366 * 24),
        (Self::Day, "d", "day", MAX_SPAN_YEARS * 366),
        (Self::Week, "w", "week", MAX_SPAN_YEARS * 52),
        (Self::Month, "mo", "month", MAX_SPAN_YEARS * 12),
        (Self::Year, "y", "year", MAX_SPAN_YEARS),
    ];

    fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(own, ..)| *own == self);
        known.map_or("", |(_, _, word, _)| word)
    }
}

/// A length of time as it is sold: so many hours, which are exact, or so many months, which are the calendar's. Written `24 hours`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    count: u32,
    unit: SpanUnit,
}

impl Span {
    /// So many of a unit; `None` for zero, or for more than [`MAX_SPAN_YEARS`].
    pub fn new(count: u32, unit: SpanUnit) -> Option<Self> {
        let most = SpanUnit::ALL.iter().find(|(own, ..)| *own == unit)?.3;
        (1..=most).contains(&count).then_some(Self { count, unit })
    }

    /// Reads `24h`, `7d`, `2w`, `24 hours`, `1 month`, `1 year`.
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let wrong = || SpanError(text.chars().take(40).collect());
        let trimmed = text.trim();
        let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
        let (count, word) = trimmed.split_at_checked(digits).ok_or_else(wrong)?;
        let word = word.trim();
        let (unit, ..) = SpanUnit::ALL
            .into_iter()
            .find(|(_, short, long, _)| word == *short || word == *long || word.strip_suffix('s') == Some(*long))
            .ok_or_else(wrong)?;
        let count = count.parse().map_err(|_| wrong())?;
        Self::new(count, unit).ok_or_else(wrong)
    }

    /// The same so many times, as for several of one thing; `None` above [`MAX_SPAN_YEARS`].
    pub fn times(self, count: u32) -> Option<Self> {
        Self::new(self.count.checked_mul(count)?, self.unit)
    }

    /// The moment at which the span is over if it begins at `from`, by the calendar of `zone`.
    ///
    /// A time of day that the clocks skip becomes the one after the gap, one that they repeat the first of the two. Beyond the
    /// calendar (the year 9999) it is [`Timestamp::NEVER`].
    pub fn after(self, from: Timestamp, zone: &Zone) -> Timestamp {
        let count = i64::from(self.count);
        let exact = |length: i64| from.plus(count.saturating_mul(length)).min(Timestamp::NEVER);
        let calendar = match self.unit {
            SpanUnit::Hour => return exact(HOUR),
            SpanUnit::Day => return exact(DAY),
            SpanUnit::Week => return exact(7 * DAY),
            SpanUnit::Month => jiff::Span::new().try_months(count),
            SpanUnit::Year => jiff::Span::new().try_years(count),
        };
        let moved = calendar.and_then(|span| {
            let here = jiff::ZonedDateTime::new(jiff::Timestamp::from_millisecond(from.0)?, zone.rules());
            here.checked_add(span)
        });
        moved.map_or(Timestamp::NEVER, |there| Timestamp(there.timestamp().as_millisecond()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.count, self.unit.word())
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;
    fn try_from(text: String) -> Result<Self, SpanError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        Self::parse(text)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

/// A time zone that is not in the IANA database.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a time zone: write a name of the IANA database, such as `Europe/Berlin` or `UTC`")]
pub struct ZoneError(pub String);

/// A time zone by its name in the IANA database, which is built in: the same on every machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(String);

impl Zone {
    /// Reads a name.
    pub fn parse(name: &str) -> Result<Self, ZoneError> {
        match TimeZone::get(name) {
            Ok(zone) => Ok(Self(zone.iana_name().unwrap_or("UTC").to_owned())),
            Err(_) => Err(ZoneError(name.chars().take(60).collect())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a moment: RFC 3339, or a day such as `2027-01-31`, which is the end of that day here.
    pub fn end_of(&self, text: &str) -> Option<Timestamp> {
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Some(Timestamp(moment.as_millisecond()));
        }
        let day: jiff::civil::Date = text.parse().ok()?;
        let next = day.tomorrow().ok()?.to_zoned_datetime(self.rules()).ok()?;
        Some(Timestamp(next.timestamp().as_millisecond()))
    }

    fn rules(&self) -> TimeZone {
        // Every name was looked up when it was read.
        TimeZone::get(&self.0).unwrap_or(TimeZone::UTC)
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self("UTC".to_owned())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Zone {
    type Error = ZoneError;
    fn try_from(name: String) -> Result<Self, ZoneError> {
        Self::parse(&name)
    }
}

impl std::str::FromStr for Zone {
    type Err = ZoneError;
    fn from_str(name: &str) -> Result<Self, ZoneError> {
        Self::parse(name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(span: &str, from: &str, zone: &str) -> String {
        let from: jiff::Timestamp = from.parse().unwrap();
        let end = Span::parse(span)
            .unwrap()
            .after(Timestamp(from.as_millisecond()), &Zone::parse(zone).unwrap());
        jiff::Timestamp::from_millisecond(end.0).unwrap().to_string()
    }

    /// Berlin's clocks go forward on 2026-03-29 and 2027-03-28 at 02:00, and back on 2026-10-25 at 03:00. Kiritimati is at UTC+14.
    const REAL_DATES: &str = "\
24h | 2026-11-24T14:30:00Z | UTC | 2026-11-25T14:30:00Z | a day is 24 hours
7d | 2026-11-24T14:30:00Z | UTC | 2026-12-01T14:30:00Z | seven days are 168 hours
24h | 2026-03-28T12:00:00Z | Europe/Berlin | 2026-03-29T12:00:00Z | hours are exact over a clock change
7d | 2026-10-20T12:00:00Z | Europe/Berlin | 2026-10-27T12:00:00Z | days are exact over a clock change
1 month | 2026-03-10T11:00:00Z | Europe/Berlin | 2026-04-10T10:00:00Z | a month keeps the time of day: an hour less
1 month | 2026-10-10T10:00:00Z | Europe/Berlin | 2026-11-10T11:00:00Z | and an hour more
1 month | 2026-03-10T11:00:00Z | UTC | 2026-04-10T11:00:00Z | without a zone it is UTC's
1 month | 2027-02-28T01:30:00Z | Europe/Berlin | 2027-03-28T01:30:00Z | 02:30 is skipped there: 03:30 summer time
1 month | 2027-01-31T09:00:00Z | UTC | 2027-02-28T09:00:00Z | month end to a shorter month
1 month | 2028-01-31T09:00:00Z | UTC | 2028-02-29T09:00:00Z | month end to a leap February
1 year | 2028-02-29T09:00:00Z | UTC | 2029-02-28T09:00:00Z | 29 February to a year without one
4 years | 2028-02-29T09:00:00Z | UTC | 2032-02-29T09:00:00Z | 29 February to the next one
12 months | 2027-08-31T09:00:00Z | UTC | 2028-08-31T09:00:00Z | twelve months are a year
1 month | 2027-01-30T11:00:00Z | Pacific/Kiritimati | 2027-02-27T11:00:00Z | UTC+14: there it is the 31st already
1 month | 2027-03-01T11:00:00Z | Etc/GMT+12 | 2027-03-29T11:00:00Z | UTC-12: there it is still 28 February";

    /// What `lay_out` and the purchases rely on, with real dates: COMPLAINTS 15.
    #[test]
    fn complaint_15_spans_are_honest_at_month_ends_leap_days_clock_changes_and_the_edges_of_the_world() {
        for row in REAL_DATES.lines() {
            let [span, from, zone, end, what] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
                panic!("not a row: {row}");
            };
            assert_eq!(ends(span, from, zone), end, "{what}: {span} from {from} in {zone}");
        }
    }

    #[test]
    fn spans_and_zones_are_read_strictly_and_written_alike() {
        for (text, written) in [
            ("24h", "24 hours"),
            ("7d", "7 days"),
            ("1 month", "1 month"),
            (" 2 weeks ", "2 weeks"),
            ("1y", "1 year"),
        ] {
            let span = Span::parse(text).unwrap();
            assert_eq!(span.to_string(), written);
            assert_eq!(Span::parse(written), Ok(span), "what is written can be read");
        }
        for bad in [
            "",
            "h",
            "0h",
            "-1d",
            "1.5d",
            "1 fortnight",
            "11 years",
            "4294967296d",
            "7 d d",
            "١d",
            "1 months long",
        ] {
            assert!(Span::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(Zone::default().as_str(), "UTC");
        assert_eq!(
            Zone::parse("Europe/Berlin").map(String::from),
            Ok("Europe/Berlin".to_owned())
        );
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let iso = |text| {
            berlin
                .end_of(text)
                .map(|at| jiff::Timestamp::from_millisecond(at.0).unwrap().to_string())
        };
        assert_eq!(
            iso("2027-01-31").as_deref(),
            Some("2027-01-31T23:00:00Z"),
            "the whole day counts"
        );
        assert_eq!(
            iso("2027-01-31T12:00:00+01:00").as_deref(),
            Some("2027-01-31T11:00:00Z")
        );
        assert_eq!((iso("31.01.2027"), iso("2027-02-29"), iso("")), (None, None, None));
        for bad in ["", "Berlin", "Europe/Atlantis", "../etc/passwd", "+02:00"] {
            assert!(Zone::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
