//! Judgements on what is found around Stripe: endpoints, deliveries, clocks. Pure; each says what is wrong and what to do.

use latchkey_entitlement::Timestamp;
use time::{OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::{setup_api::WebhookEndpoint, webhook_events::EventDifference};

/// From here on a clock is told to be off, in seconds.
pub const SKEW_NOTED: i64 = 30;
/// From here on signatures fail, in seconds: Stripe's own tolerance.
pub const SKEW_FATAL: i64 = 300;
/// How long Stripe may take to deliver before it counts as late, in milliseconds.
pub const DELIVERY_LATE: i64 = 5 * 60_000;

/// One thing that is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: &'static str,
}

fn fault(what: impl Into<String>, help: &'static str) -> Fault {
    Fault {
        what: what.into(),
        help,
    }
}

/// What is wrong with the endpoints that send to `url`; empty if exactly one does, as it should.
pub fn endpoint_faults(url: &str, api_version: &str, found: &[WebhookEndpoint]) -> Vec<Fault> {
    let ours: Vec<&WebhookEndpoint> = found.iter().filter(|endpoint| endpoint.url == url).collect();
    let mut faults = Vec::new();
    if ours.is_empty() {
        faults.push(no_endpoint(url, found));
        return faults;
    }
    for endpoint in &ours {
        let id = &endpoint.id;
        match endpoint.api_version.as_deref() {
            Some(version) if version == api_version => {}
            version => {
                let what = match version {
                    None => format!(
                        "{id} is pinned to no API version, so that its events are written in the account's own, whatever that is; this program reads {api_version}"
                    ),
                    Some(version) => format!("{id} is pinned to {version}, and this program reads {api_version}"),
                };
                faults.push(fault(
                    what,
                    "an endpoint's version cannot be changed: `latchkey stripe setup` makes another; keep both secrets in STRIPE_WEBHOOK_SECRETS until this one is deleted in Stripe's dashboard",
                ));
            }
        }
        if !endpoint.enabled {
            faults.push(fault(
                format!("{id} is disabled, so that Stripe sends nothing there"),
                "`latchkey stripe setup` enables it; Stripe disables what failed for days, so look at the rest of this report first",
            ));
        }
        let difference = EventDifference::of(&endpoint.enabled_events);
        if !difference.missing.is_empty() {
            faults.push(fault(
                format!("{id} does not send {}", difference.missing.join(", ")),
                "`latchkey stripe setup` makes the list exact",
            ));
        }
        if !difference.superfluous.is_empty() {
            faults.push(fault(
                format!("{id} sends for nothing {}", difference.superfluous.join(", ")),
                "`latchkey stripe setup` makes the list exact",
            ));
        }
    }
    if let [_, _, ..] = ours.as_slice() {
        let ids: Vec<&str> = ours.iter().map(|endpoint| endpoint.id.as_str()).collect();
        faults.push(fault(
            format!("{} endpoints send to {url}: {}", ids.len(), ids.join(", ")),
            "each event comes once for each, which is harmless and slow; keep the newest, and delete the others in Stripe's dashboard once its secret is in STRIPE_WEBHOOK_SECRETS",
        ));
    }
    faults
}

/// Nobody sends to `url`; perhaps somebody sends to nearly that.
fn no_endpoint(url: &str, found: &[WebhookEndpoint]) -> Fault {
    let (_, path) = url.split_once("://").unwrap_or(("", url));
    let path = path.find('/').map_or("", |at| path.get(at..).unwrap_or_default());
    let near = found
        .iter()
        .find(|endpoint| endpoint.url.trim_end_matches('/').ends_with(path));
    match near {
        Some(near) => fault(
            format!("no endpoint sends to {url}; {} sends to {}", near.id, near.url),
            "compare [instance] account_origin with that address; `latchkey stripe setup` makes an endpoint for the former",
        ),
        None => fault(
            format!("no endpoint sends to {url}"),
            "`latchkey stripe setup` makes it; without one, what happens in Stripe is found by the walk through its events, minutes later",
        ),
    }
}

/// What is known of deliveries to this instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// When a signature last held.
    pub verified_at: Option<Timestamp>,
    /// When one last did not, and why.
    pub refused: Option<(Timestamp, String)>,
    /// Events of the last day that Stripe could not deliver to some endpoint.
    pub undelivered: usize,
}

/// Whether the signing secrets are those of the endpoint, told by what came of deliveries. `Ok` says what speaks for it.
pub fn secret_in_use(deliveries: &Deliveries) -> Result<String, Fault> {
    let at = |time: Timestamp| utc(time);
    match (&deliveries.verified_at, &deliveries.refused) {
        (verified, Some((refused, why))) if verified.is_none_or(|verified| verified.0 < refused.0) => Err(fault(
            format!("the newest delivery, {}, was refused: {why}", at(*refused)),
            "compare STRIPE_WEBHOOK_SECRETS with the signing secret of this very endpoint in Stripe's dashboard; during a rotation both belong there",
        )),
        (_, _) if deliveries.undelivered > 0 => Err(fault(
            format!(
                "Stripe could not deliver {} of the last day's events",
                deliveries.undelivered
            ),
            "Stripe's dashboard says under the endpoint what it was answered; nothing is lost, since the walk through Stripe's events finds them",
        )),
        (Some(verified), _) => Ok(format!("a delivery was verified {}", at(*verified))),
        (None, _) => Ok(String::new()),
    }
}

fn utc(time: Timestamp) -> String {
    const FORM: &[BorrowedFormatItem<'_>] =
        format_description!("on [year]-[month]-[day] at [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp(time.seconds())
        .ok()
        .and_then(|time| time.format(FORM).ok())
        .unwrap_or_default()
}

/// How far our clock is from another's, in seconds; positive if ours is ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSkew(pub i64);

impl ClockSkew {
    /// From the header `Date` of an answer (RFC 9110 section 5.6.7) that came between two readings of our clock. The header has whole
    /// seconds, so that a second either way is nothing; the time on the way is given to it as well.
    pub fn of(date: &str, before: Timestamp, after: Timestamp) -> Option<Self> {
        const FORM: &[BorrowedFormatItem<'_>] =
            format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
        let theirs = PrimitiveDateTime::parse(date.trim(), FORM).ok()?.assume_utc();
        let theirs = theirs.unix_timestamp();
        let (earliest, latest) = (before.seconds(), after.seconds());
        Some(Self(if theirs < earliest {
            earliest - theirs
        } else if theirs > latest {
            latest - theirs
        } else {
            0
        }))
    }

    /// Whether signatures fail for it.
    pub const fn is_fatal(self) -> bool {
        self.0.abs() >= SKEW_FATAL
    }

    /// Whether somebody should look.
    pub const fn is_noted(self) -> bool {
        self.0.abs() > SKEW_NOTED
    }

    /// In words.
    pub fn in_words(self) -> String {
        match self.0 {
            -1..=1 => "agrees with Stripe's".to_owned(),
            ahead @ 2.. => format!("is {ahead} s ahead of Stripe's"),
            behind => format!("is {} s behind Stripe's", -behind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook_events::WEBHOOK_EVENTS;

    const URL: &str = "https://account.publisher.example/webhooks/stripe";
    const VERSION: &str = "2026-09-30.endive";

    fn endpoint() -> WebhookEndpoint {
        WebhookEndpoint {
            id: "we_1".to_owned(),
            url: URL.to_owned(),
            enabled: true,
            api_version: Some(VERSION.to_owned()),
            enabled_events: WEBHOOK_EVENTS.iter().map(ToString::to_string).collect(),
            created: Timestamp(0),
            metadata: std::collections::BTreeMap::default(),
        }
    }

    #[test]
    fn one_endpoint_as_it_should_be_has_no_fault() {
        assert_eq!(endpoint_faults(URL, VERSION, &[endpoint()]), []);
    }

    /// Complaint 13: endpoints made without a pinned version write what nobody expects. The refusal names the version that is read.
    #[test]
    fn complaint_13_an_unpinned_endpoint_is_refused_by_name() {
        for version in [None, Some("2024-06-20".to_owned())] {
            let found = WebhookEndpoint {
                api_version: version.clone(),
                ..endpoint()
            };
            let faults = endpoint_faults(URL, VERSION, &[found]);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].what.contains("we_1") && faults[0].what.contains(VERSION));
            assert!(faults[0].help.contains("latchkey stripe setup"));
            if let Some(version) = version {
                assert!(faults[0].what.contains(&version));
            }
        }
    }

    /// Complaint 8: leftover and duplicate endpoints, and one that is disabled.
    #[test]
    fn complaint_8_leftover_double_and_disabled_endpoints_are_found() {
        let leftover = WebhookEndpoint {
            url: "https://old.publisher.example/webhooks/stripe".to_owned(),
            ..endpoint()
        };
        let faults = endpoint_faults(URL, VERSION, &[leftover]);
        assert!(
            faults[0].what.contains("we_1 sends to https://old.publisher.example"),
            "{faults:?}"
        );
        let second = WebhookEndpoint {
            id: "we_2".to_owned(),
            enabled: false,
            ..endpoint()
        };
        let faults = endpoint_faults(URL, VERSION, &[endpoint(), second]);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].what.contains("we_2 is disabled"));
        assert!(
            faults[1]
                .what
                .contains("2 endpoints send to https://account.publisher.example/webhooks/stripe: we_1, we_2")
        );
    }

    #[test]
    fn a_secret_is_judged_by_the_newest_delivery() {
        let told = |verified: Option<i64>, refused: Option<i64>, undelivered| {
            secret_in_use(&Deliveries {
                verified_at: verified.map(Timestamp),
                refused: refused.map(|at| (Timestamp(at), "no signature fits".to_owned())),
                undelivered,
            })
        };
        assert_eq!(told(None, None, 0), Ok(String::new()));
        assert!(told(Some(2), Some(1), 0).is_ok());
        assert!(told(Some(1), Some(2), 0).is_err());
        assert!(told(None, Some(1), 0).is_err());
        assert!(told(Some(1), None, 3).is_err());
    }

    #[test]
    fn clocks_are_compared_by_the_date_header_and_the_way_counts_for_it() {
        let date = "Tue, 24 Nov 2026 14:45:39 GMT";
        let then = 1_795_531_539_i64;
        let skew = |before: i64, after: i64| {
            ClockSkew::of(
                date,
                Timestamp::from_seconds(then + before),
                Timestamp::from_seconds(then + after),
            )
            .unwrap()
        };
        assert_eq!(skew(-3, 3), ClockSkew(0));
        assert_eq!(skew(31, 40), ClockSkew(31));
        assert_eq!(skew(-40, -31), ClockSkew(-31));
        assert!(!skew(30, 30).is_noted() && skew(31, 31).is_noted() && !skew(299, 299).is_fatal());
        assert!(skew(300, 300).is_fatal() && skew(-300, -300).is_fatal());
        for odd in [
            "",
            "yesterday",
            "Tue, 24 Nov 2026 14:45 GMT",
            "Tue, 99 Nov 2026 14:45:39 GMT",
        ] {
            assert_eq!(ClockSkew::of(odd, Timestamp(0), Timestamp(0)), None, "{odd}");
        }
    }
}
