//! Moments and lengths of time, for people.

use latchkey_entitlement::{
    Timestamp,
    time::{DAY, HOUR, MINUTE, SECOND},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A moment in UTC, to the second.
pub(crate) fn written(at: Timestamp) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(&Rfc3339).unwrap_or_default()
}

/// A length in milliseconds in its largest whole unit, such as `3 h`.
pub(crate) fn length(millis: i64) -> String {
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")];
    let unit = units.into_iter().find(|(unit, _)| millis >= *unit);
    unit.map_or("0 s".to_owned(), |(unit, name)| format!("{} {name}", millis / unit))
}

/// How long ago a moment was.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    format!("{} ago", length(now.since(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_told_in_its_largest_unit() {
        assert_eq!(length(-5), "0 s");
        assert_eq!(length(59_999), "59 s");
        assert_eq!(length(3 * HOUR + 5), "3 h");
        assert_eq!(ago(Timestamp(0), Timestamp(2 * DAY)), "2 d ago");
    }
}
