//! Months, as people ask for them and as figures are shown.

use std::fmt;

use latchkey_entitlement::Timestamp;
use time::{Date, OffsetDateTime};

/// A month of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month {
    year: i32,
    /// 1 to 12.
    number: u8,
}

impl Month {
    /// Reads `2026-01`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "not a month; write it like 2026-01".to_owned();
        let (year, number) = text.split_once('-').ok_or_else(wrong)?;
        if year.len() != 4 || number.len() != 2 {
            return Err(wrong());
        }
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let year = year.parse().ok().filter(|_| digits(year)).ok_or_else(wrong)?;
        let number = number.parse().ok().filter(|_| digits(number)).ok_or_else(wrong)?;
        if (1..=12).contains(&number) && (1970..=9000).contains(&year) {
            Ok(Self { year, number })
        } else {
            Err(wrong())
        }
    }

    /// The month of a moment.
    pub(crate) fn of(moment: Timestamp) -> Self {
        let date = OffsetDateTime::from_unix_timestamp(moment.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self {
            year: date.year(),
            number: date.month().into(),
        }
    }

    pub(crate) fn next(self) -> Self {
        self.plus(1)
    }

    /// So many months later, or earlier.
    pub(crate) fn plus(self, months: i32) -> Self {
        let count = self.year * 12 + i32::from(self.number) - 1 + months;
        Self {
            year: count.div_euclid(12),
            number: u8::try_from(count.rem_euclid(12)).unwrap_or(0) + 1,
        }
    }

    /// Its first moment.
    pub(crate) fn begins(self) -> Timestamp {
        let month = time::Month::try_from(self.number).unwrap_or(time::Month::January);
        let day = Date::from_calendar_date(self.year, month, 1).unwrap_or(Date::MIN);
        Timestamp::from_seconds(day.midnight().assume_utc().unix_timestamp())
    }

    /// Every month from this one to `last`.
    pub(crate) fn until(self, last: Self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |month| Some(month.next())).take_while(move |month| *month <= last)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_follow_each_other_over_years() {
        let october = Month::parse("2026-10").unwrap();
        let shown: Vec<String> = october.until(october.plus(4)).map(|month| month.to_string()).collect();
        assert_eq!(shown, ["2026-10", "2026-11", "2026-12", "2027-01", "2027-02"]);
        assert_eq!(october.plus(-10).to_string(), "2025-12");
        assert_eq!(Month::of(october.begins()), october);
        assert_eq!(Month::of(october.begins().plus(-1)).to_string(), "2026-09");
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2026-1",
            "26-01",
            "2026-+1",
            "2026-01-01",
            "jan",
        ] {
            assert!(Month::parse(text).is_err(), "{text}");
        }
    }
}
