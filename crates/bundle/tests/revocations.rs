//! The set of revocations is exact, bounded, and forgets in time.

use latchkey_bundle::{PageError, Revocation, RevocationPage, RevocationSet};
use latchkey_entitlement::{RevocationKind, SiteId, Timestamp};
use proptest::prelude::*;

fn entry(number: u64, session: Option<&str>, subject: Option<&str>) -> Revocation {
    Revocation {
        number,
        site: None,
        subject: subject.map(str::to_owned),
        session: session.map(str::to_owned),
        kind: RevocationKind::Void,
        not_before: 100,
        expires_at: Timestamp(1_000),
    }
}

fn page(entries: Vec<Revocation>) -> RevocationPage {
    RevocationPage {
        last: entries.last().map_or(0, |entry| entry.number),
        entries,
        complete: true,
    }
}

#[test]
fn only_passes_issued_before_the_moment_are_revoked() {
    let mut set = RevocationSet::default();
    assert_eq!(set.apply(&page(vec![entry(1, Some("s"), None)])), 0);
    assert_eq!(set.verdict("sit_a", "r", "s", 99), Some(RevocationKind::Void));
    assert_eq!(set.verdict("sit_a", "r", "s", 100), None);
    assert_eq!(set.verdict("sit_a", "r", "other", 99), None);
    assert_eq!(set.last(), 1);
}

#[test]
fn a_page_twice_changes_nothing_and_the_later_moment_counts() {
    let mut set = RevocationSet::default();
    let first = page(vec![entry(1, None, Some("r"))]);
    set.apply(&first);
    set.apply(&page(vec![Revocation {
        number: 2,
        not_before: 200,
        ..entry(2, None, Some("r"))
    }]));
    set.apply(&first);
    assert_eq!(set.len(), 1);
    assert_eq!(set.verdict("sit_a", "r", "s", 199), Some(RevocationKind::Void));
}

#[test]
fn a_pass_to_be_renewed_that_is_also_void_is_void() {
    let mut set = RevocationSet::default();
    let renew = Revocation {
        kind: RevocationKind::Renew,
        not_before: 200,
        ..entry(2, Some("s"), None)
    };
    set.apply(&page(vec![entry(1, Some("s"), None), renew]));
    assert_eq!(set.verdict("sit_a", "r", "s", 99), Some(RevocationKind::Void));
    assert_eq!(set.verdict("sit_a", "r", "s", 199), Some(RevocationKind::Renew));
    assert_eq!(set.verdict("sit_a", "r", "s", 200), None);
    let said = r#"{"number":1,"not_before":1,"expires_at":1}"#;
    let older: Revocation = serde_json::from_str(said).unwrap();
    assert_eq!(older.kind, RevocationKind::Void, "what says nothing is void");
}

#[test]
fn expired_entries_are_forgotten() {
    let mut set = RevocationSet::default();
    set.apply(&page(vec![
        entry(1, Some("s"), None),
        entry(2, None, Some("r")),
        entry(3, None, None),
    ]));
    set.forget_expired(Timestamp(999));
    assert_eq!(set.len(), 3);
    set.forget_expired(Timestamp(1_000));
    assert!(set.is_empty());
    assert_eq!(set.verdict("sit_a", "r", "s", 0), None);
}

#[test]
fn a_full_set_asks_again_for_what_found_no_room() {
    let mut set = RevocationSet::with_limit(2);
    let feed = page(vec![
        entry(1, Some("a"), None),
        entry(2, Some("b"), None),
        entry(3, Some("c"), None),
    ]);
    assert_eq!(set.apply(&feed), 1);
    assert_eq!((set.len(), set.last()), (2, 2));
    set.forget_expired(Timestamp(1_000));
    assert_eq!(set.apply(&page(vec![entry(3, Some("c"), None)])), 0);
    assert_eq!(set.verdict("sit_a", "r", "c", 99), Some(RevocationKind::Void));
}

#[test]
fn a_server_set_back_is_followed_and_nothing_held_is_lost() {
    let mut set = RevocationSet::default();
    set.apply(&page(vec![entry(100, Some("a"), None)]));
    set.apply(&page(vec![entry(5, Some("b"), None)]));
    assert_eq!(set.last(), 5);
    for session in ["a", "b"] {
        assert_eq!(set.verdict("sit_a", "r", session, 99), Some(RevocationKind::Void));
    }
}

#[test]
fn garbage_pages_are_refused() {
    for bad in [&b""[..], b"[]", b"{\"last\":-1}", b"<html>"] {
        assert!(matches!(RevocationPage::parse(bad), Err(PageError::Json(_))));
    }
}

fn name() -> impl Strategy<Value = Option<String>> {
    prop_oneof![Just(None), "[ab]".prop_map(Some)]
}

proptest! {
    #[test]
    fn the_set_says_exactly_what_its_entries_say(
        given in prop::collection::vec((name(), name(), name(), any::<bool>(), 0i64..20), 0..20),
        site in "[ab]", sub in "[ab]", sid in "[ab]", iat in 0i64..20,
    ) {
        let entries: Vec<Revocation> = given.into_iter().zip(1..).map(|((site, subject, session, renew, not_before), number)| {
            let site = site.map(|site| SiteId::parse(&format!("sit_{site}")).unwrap());
            let kind = if renew { RevocationKind::Renew } else { RevocationKind::Void };
            Revocation { number, site, subject, session, kind, not_before, expires_at: Timestamp(1) }
        }).collect();
        let site = format!("sit_{site}");
        let wanted = entries.iter().filter(|entry| {
            iat < entry.not_before
                && entry.site.as_ref().is_none_or(|own| own.as_str() == site)
                && entry.subject.as_ref().is_none_or(|own| *own == sub)
                && entry.session.as_ref().is_none_or(|own| *own == sid)
        }).map(|entry| entry.kind).max();
        let mut set = RevocationSet::default();
        set.apply(&page(entries));
        prop_assert_eq!(set.verdict(&site, &sub, &sid, iat), wanted);
    }
}
