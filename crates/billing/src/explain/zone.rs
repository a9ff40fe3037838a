//! Moments as people write and read them: in the publisher's time zone, with UTC beside it.

use jiff::{civil, tz::TimeZone};
use latchkey_entitlement::Timestamp;

/// Longest text that is read as a moment, in bytes.
const MAX_MOMENT_LENGTH: usize = 64;

/// A name that is no time zone.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a time zone; write a name of the IANA database, such as `Europe/Berlin` or `UTC`")]
pub struct ZoneError(String);

/// A text that is no moment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a moment; write `2026-11-24`, `2026-11-24 14:00` (in the publisher's time zone), `2026-11-24T14:00:00Z` (RFC 3339) or `3 days ago`"
)]
pub struct MomentError(String);

/// A time zone with its name. Its rules are those of the IANA database that is part of the program.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// The zone of a name, such as `Europe/Berlin`.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        let shown = || ZoneError(name.chars().take(MAX_MOMENT_LENGTH).collect());
        let rules = TimeZone::get(name).map_err(|_| shown())?;
        Ok(Self {
            name: name.to_owned(),
            rules,
        })
    }

    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads a moment: RFC 3339; a day, which is its first moment here; a day and a time here; or a span before or after `now`,
    /// such as `3 days ago` or `2 weeks`. A time that a change of clocks leaves out or repeats is the one counted with the offset
    /// before the change.
    ///
    /// # Errors
    /// Says which forms there are.
    pub fn read(&self, text: &str, now: Timestamp) -> Result<Timestamp, MomentError> {
        let text = text.trim();
        let wrong = || MomentError(text.chars().take(MAX_MOMENT_LENGTH).collect());
        if text.len() > MAX_MOMENT_LENGTH {
            return Err(wrong());
        }
        let of = |moment: jiff::Timestamp| Timestamp(moment.as_millisecond());
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Ok(of(moment));
        }
        if let Ok(time) = text.parse::<civil::DateTime>() {
            let moment = self.rules.to_ambiguous_timestamp(time).compatible();
            return moment.map(of).map_err(|_| wrong());
        }
        let span: jiff::Span = text.parse().map_err(|_| wrong())?;
        let present = jiff::Timestamp::from_millisecond(now.0).map_err(|_| wrong())?;
        let moved = present.to_zoned_datetime(self.rules.clone()).checked_add(span);
        moved.map(|moment| of(moment.timestamp())).map_err(|_| wrong())
    }

    /// A moment in words: `24 November 2026, 14:00 (Europe/Berlin; 13:00 UTC)`.
    pub fn moment(&self, at: Timestamp) -> String {
        let Some((here, there)) = self.both(at) else {
            return format!("{} ms after 1970", at.0);
        };
        let local = here.strftime("%-d %B %Y, %H:%M");
        if self.rules == TimeZone::UTC {
            return format!("{local} UTC");
        }
        let utc = if here.date() == there.date() {
            there.strftime("%H:%M")
        } else {
            there.strftime("%-d %B, %H:%M")
        };
        format!("{local} ({}; {utc} UTC)", self.name)
    }

    /// A moment for a list: `2026-11-24 14:00:05 (13:00:05 UTC)`.
    pub(super) fn stamp(&self, at: Timestamp) -> String {
        let Some((here, there)) = self.both(at) else {
            return format!("{} ms after 1970", at.0);
        };
        let local = here.strftime("%Y-%m-%d %H:%M:%S");
        if self.rules == TimeZone::UTC {
            return format!("{local} UTC");
        }
        let utc = if here.date() == there.date() {
            there.strftime("%H:%M:%S")
        } else {
            there.strftime("%Y-%m-%d %H:%M:%S")
        };
        format!("{local} ({utc} UTC)")
    }

    /// A moment for programs (RFC 3339, UTC).
    pub(super) fn rfc3339(at: Timestamp) -> String {
        jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |moment| moment.to_string())
    }

    fn both(&self, at: Timestamp) -> Option<(jiff::ZonedDateTime, jiff::ZonedDateTime)> {
        let moment = jiff::Timestamp::from_millisecond(at.0).ok()?;
        Some((
            moment.to_zoned_datetime(self.rules.clone()),
            moment.to_zoned_datetime(TimeZone::UTC),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_525_200_000);

    #[test]
    fn a_moment_names_its_zone_and_has_utc_beside_it() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        assert_eq!(berlin.moment(NOW), "24 November 2026, 14:00 (Europe/Berlin; 13:00 UTC)");
        // Two hours in summer, and another day in UTC just after midnight.
        let summer = berlin.read("2026-07-01 00:30", NOW).unwrap();
        assert_eq!(
            berlin.moment(summer),
            "1 July 2026, 00:30 (Europe/Berlin; 30 June, 22:30 UTC)"
        );
        assert_eq!(Zone::utc().moment(NOW), "24 November 2026, 13:00 UTC");
        let wrong = Zone::named("Europe/Atlantis").unwrap_err().to_string();
        assert!(wrong.contains("`Europe/Atlantis` is not a time zone"), "{wrong}");
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        for (text, utc) in [
            ("2026-11-24T14:00:00+02:00", "2026-11-24T12:00:00Z"),
            ("2026-11-24T14:00:00Z", "2026-11-24T14:00:00Z"),
            ("2026-11-24 14:00", "2026-11-24T13:00:00Z"),
            (" 2026-11-24 ", "2026-11-23T23:00:00Z"),
            ("3 days ago", "2026-11-21T13:00:00Z"),
            // A calendar month here, over the change from summer time.
            ("1 month ago", "2026-10-24T12:00:00Z"),
            // Left out by the change to summer time, and twice there at the change from it.
            ("2026-03-29 02:30", "2026-03-29T01:30:00Z"),
            ("2026-10-25 02:30", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(berlin.read(text, NOW).map(Zone::rfc3339).as_deref(), Ok(utc), "{text}");
        }
        for wrong in [
            "",
            "yesterday",
            "2026-13-01",
            "24.11.2026",
            "9999999999 years ago",
            &"9".repeat(100),
        ] {
            assert!(berlin.read(wrong, NOW).is_err(), "{wrong:?} was read");
        }
    }
}
