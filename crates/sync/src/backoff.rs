//! How long to wait after a failure: twice as long each time, up to a limit, and never all at once.

use latchkey_entitlement::time::{HOUR, MINUTE, SECOND};

/// First pause after a failure that passes by itself, in milliseconds.
const FIRST: i64 = 5 * SECOND;
/// Longest pause after such failures, in milliseconds.
pub(crate) const LONGEST_PASSING: i64 = 5 * MINUTE;
/// First pause where only a person can mend the reason (a key that Stripe refuses, an answer that cannot be read), in milliseconds:
/// what was mended within minutes is found soon.
const FIRST_UNMENDED: i64 = MINUTE;
/// Longest pause after such failures, in milliseconds. Their events were all delivered, so that nothing but this would tell of the
/// customer afterwards.
pub(crate) const LONGEST_UNMENDED: i64 = HOUR;

/// How long a customer waits whose sync failed `tries` times in a row, the last time for a reason that passes by itself or not.
pub(crate) fn after_sync(passing: bool, tries: u32, random: &[u8; 32]) -> i64 {
    if passing {
        pause(FIRST, LONGEST_PASSING, tries, random)
    } else {
        pause(FIRST_UNMENDED, LONGEST_UNMENDED, tries, random)
    }
}

/// The pause after `tries` failures (1 at least), in milliseconds: `first`, doubled for each further one up to `longest`. Between half
/// and the whole of it, by `random`, so that what failed together does not come back together.
pub(crate) fn pause(first: i64, longest: i64, tries: u32, random: &[u8; 32]) -> i64 {
    let doubled = 1_i64 << tries.saturating_sub(1).min(20);
    let half = first.saturating_mul(doubled).min(longest) / 2;
    let [high, low, ..] = *random;
    half + half * i64::from(u16::from_be_bytes([high, low])) / i64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit_with_jitter() {
        let range = |passing, tries| {
            let ends = [[0; 32], [255; 32]].map(|random| after_sync(passing, tries, &random) / SECOND);
            (ends[0], ends[1])
        };
        assert_eq!(range(true, 1), (2, 5));
        assert_eq!(range(true, 3), (10, 20));
        assert_eq!(range(true, 40), (150, 300));
        assert_eq!(range(false, 1), (30, 60));
        assert_eq!(range(false, 40), (1_800, 3_600));
        assert_eq!(range(true, u32::MAX), (150, 300));
    }
}
