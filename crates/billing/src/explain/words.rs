//! Words for what the record says: for readers without ids, times in the publisher's zone.

use jiff::{civil, tz::TimeZone};
use latchkey_entitlement::{Grant, SiteId, Source, StandingKind, Timestamp};

use super::zone::Zone;

/// Beginnings of identifiers, Stripe's and ours, which a reader can do nothing with.
const ID_PREFIXES: [&str; 14] = [
    "sub_", "in_", "cus_", "price_", "prod_", "cs_", "pi_", "ch_", "si_", "acc_", "pln_", "prc_", "grt_", "evt_",
];
/// Length of `2026-11-24 13:00 UTC`, the form of a moment in the rules of grants.
const RULE_MOMENT: usize = 20;

/// What an entitlement is to a reader.
pub fn entitlement(name: &str) -> String {
    match name {
        "ad_free" => "Pages without ads".to_owned(),
        "articles" => "All articles".to_owned(),
        "comments" => "Writing comments".to_owned(),
        other => sentence(&other.replace('_', " ")),
    }
}

/// What a grant is to the reader who has it.
pub const fn source(source: Source) -> &'static str {
    match source {
        Source::Subscription => "your subscription",
        Source::Pass => "time that you bought",
        Source::Gift => "a gift",
        Source::Comp => "access given by us",
        Source::Seat => "your seat in a group",
        Source::Institution => "your institution",
        Source::Import => "what you had in our old system",
        Source::External => "another of our systems",
    }
}

/// What a decision of a moderator is.
pub const fn standing(kind: StandingKind) -> &'static str {
    match kind {
        StandingKind::Warning => "a warning",
        StandingKind::Suspension => "a suspension from commenting",
        StandingKind::Ban => "a ban from commenting",
    }
}

/// With a capital letter.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// The rule behind the end of a grant, as a reader can read it: without ids, with times in `zone`.
pub fn rule(grant: &Grant, zone: &Zone) -> String {
    let mut text = String::new();
    for word in grant.because.split(' ') {
        let bare = word.trim_start_matches('(');
        if ID_PREFIXES.iter().any(|prefix| bare.starts_with(prefix)) {
            // "subscription sub_1 renews": the thing is named, its id is not. What closes behind the id stays.
            let tail = bare.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/'));
            text.push_str(tail);
            continue;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word.strip_suffix(bare).unwrap_or_default());
        if matches!(bare, "subscription" | "invoice") {
            text.push_str("the ");
        }
        text.push_str(bare);
    }
    let text = text.replace("of slack", "more in which the payment may arrive");
    with_local_times(&text, zone)
}

/// Puts each `2026-11-24 13:00 UTC` into the words of `zone`.
fn with_local_times(text: &str, zone: &Zone) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(" UTC") {
        let end = at + " UTC".len();
        let (head, tail) = rest.split_at(end);
        let begin = end.saturating_sub(RULE_MOMENT);
        match head.get(begin..).and_then(rule_moment) {
            Some(moment) => {
                out.push_str(head.get(..begin).unwrap_or_default());
                out.push_str(&zone.moment(moment));
            }
            None => out.push_str(head),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn rule_moment(text: &str) -> Option<Timestamp> {
    let time: civil::DateTime = text.strip_suffix(" UTC")?.parse().ok()?;
    let moment = TimeZone::UTC.to_ambiguous_timestamp(time).compatible().ok()?;
    Some(Timestamp(moment.as_millisecond()))
}

/// `A`, `A and B`, `A, B and C`.
pub fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// The names of sites, in the order given.
pub fn site_names(sites: &[SiteId], known: &[(SiteId, String)]) -> String {
    let names: Vec<&str> = sites
        .iter()
        .map(|site| {
            known
                .iter()
                .find(|(id, _)| id == site)
                .map_or(site.as_str(), |(_, name)| name)
        })
        .collect();
    list(&names)
}

/// A length of time: `0.4 s`, `3 minutes`, `2 hours`, `5 days`.
pub fn span(millis: i64) -> String {
    let (count, unit) = match millis.max(0) {
        under if under < 60_000 => return format!("{}.{} s", under / 1000, under % 1000 / 100),
        under if under < 3_600_000 => (under / 60_000, "minute"),
        under if under < 86_400_000 => (under / 3_600_000, "hour"),
        more => (more / 86_400_000, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use latchkey_entitlement::{AccountId, GrantId, Scope, Sites};

    use super::*;

    fn said(because: &str) -> String {
        let grant = Grant {
            bought: None,
            id: GrantId::parse("grt_1").unwrap(),
            account: AccountId::parse("acc_1").unwrap(),
            source: Source::Subscription,
            source_ref: "sub_1".to_owned(),
            entitlements: Scope::empty(),
            sites: Sites::All,
            from: Timestamp(0),
            until: None,
            because: because.to_owned(),
        };
        rule(&grant, &Zone::named("Europe/Berlin").unwrap())
    }

    #[test]
    fn a_rule_for_readers_has_no_ids_and_times_of_their_own() {
        assert_eq!(
            said("subscription sub_1 renews on 2026-12-24 13:00 UTC; 3 days of slack"),
            "the subscription renews on 24 December 2026, 14:00 (Europe/Berlin; 13:00 UTC); 3 days more in which the payment may arrive"
        );
        assert_eq!(
            said(
                "subscription sub_1 is past due: invoice in_1 is unpaid since 2026-11-24 13:00 UTC; 7 days of grace end on 2026-12-01 13:00 UTC"
            ),
            "the subscription is past due: the invoice is unpaid since 24 November 2026, 14:00 (Europe/Berlin; 13:00 UTC); \
             7 days of grace end on 1 December 2026, 14:00 (Europe/Berlin; 13:00 UTC)"
        );
        assert_eq!(
            said(
                "subscription sub_1 is past due (invoice in_1 is unpaid since 2026-11-24 13:00 UTC) and set to end on 2026-11-30 13:00 UTC, exactly"
            ),
            "the subscription is past due (the invoice is unpaid since 24 November 2026, 14:00 (Europe/Berlin; 13:00 UTC)) \
             and set to end on 30 November 2026, 14:00 (Europe/Berlin; 13:00 UTC), exactly"
        );
        assert_eq!(
            said("given by the editor, about UTC and é UTC"),
            "given by the editor, about UTC and é UTC"
        );
    }
}
