use proptest::prelude::*;

use super::*;
use crate::{AccountId, EventId, Sites};

fn site() -> SiteId {
    SiteId::parse("sit_news").unwrap()
}

fn grant(n: usize, names: &str, from: i64, until: Option<i64>) -> Grant {
    Grant {
        id: GrantId::parse(&format!("grt_{n}")).unwrap(),
        account: AccountId::parse("acc_ada").unwrap(),
        source: Source::Subscription,
        source_ref: format!("sub_{n}"),
        entitlements: Scope::parse(names).unwrap(),
        sites: Sites::All,
        from: Timestamp(from),
        until: until.map(Timestamp),
        because: "test".into(),
        bought: None,
    }
}

fn ban(kind: StandingKind) -> Standing {
    Standing {
        id: EventId::parse("evt_1").unwrap(),
        account: AccountId::parse("acc_ada").unwrap(),
        site: None,
        kind,
        reason: "spam".into(),
        moderator: "desk".into(),
        from: Timestamp(0),
        until: None,
    }
}

#[test]
fn a_grant_counts_from_its_first_moment_and_not_at_its_end() {
    let grants = [grant(1, "ad_free", 10, Some(20))];
    let scope = |now| evaluate(&grants, &[], &site(), Timestamp(now)).scope.to_string();
    assert_eq!(
        [scope(9), scope(10), scope(19), scope(20)],
        ["", "ad_free", "ad_free", ""]
    );
}

#[test]
fn until_looks_through_grants_that_follow_without_a_gap() {
    let grants = [
        grant(1, "ad_free", 0, Some(20)),
        grant(2, "ad_free", 20, Some(30)),
        grant(3, "ad_free", 31, Some(40)),
    ];
    assert_eq!(evaluate(&grants, &[], &site(), Timestamp(5)).until, Some(Timestamp(30)));
    let open = [grant(1, "ad_free", 0, Some(20)), grant(2, "ad_free", 10, None)];
    assert_eq!(evaluate(&open, &[], &site(), Timestamp(5)).until, None);
}

#[test]
fn a_grant_of_another_site_does_not_count_here() {
    let mut elsewhere = grant(1, "ad_free", 0, None);
    elsewhere.sites = Sites::Only(vec![SiteId::parse("sit_sport").unwrap()]);
    assert!(evaluate(&[elsewhere], &[], &site(), Timestamp(5)).scope.is_empty());
}

fn any_grants() -> impl Strategy<Value = Vec<Grant>> {
    let names = prop::sample::select(vec!["ad_free", "comments", "ad_free comments", "articles"]);
    let one = (names, 0i64..50, prop::option::of(0i64..100));
    prop::collection::vec(one, 0..6).prop_map(|list| {
        list.into_iter()
            .enumerate()
            .map(|(n, (names, from, until))| grant(n, names, from, until))
            .collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_grants_never_matters(grants in any_grants(), now in 0i64..100, turn in 0usize..6) {
        let mut turned = grants.clone();
        if !turned.is_empty() {
            let by = turn % turned.len();
            turned.rotate_left(by);
        }
        prop_assert_eq!(evaluate(&grants, &[], &site(), Timestamp(now)), evaluate(&turned, &[], &site(), Timestamp(now)));
    }

    #[test]
    fn losing_one_grant_never_takes_what_another_gives(grants in any_grants(), now in 0i64..100) {
        for lost in 0..grants.len() {
            let mut rest = grants.clone();
            rest.remove(lost);
            let left = evaluate(&rest, &[], &site(), Timestamp(now)).scope;
            for other in rest.iter().filter(|g| g.is_live(Timestamp(now))) {
                for name in other.entitlements.iter() {
                    prop_assert!(left.contains(name.as_str()));
                }
            }
        }
    }

    #[test]
    fn a_ban_takes_comments_and_nothing_else(grants in any_grants(), now in 0i64..100) {
        let mut free = evaluate(&grants, &[], &site(), Timestamp(now)).scope;
        for kind in [StandingKind::Ban, StandingKind::Suspension] {
            let banned = evaluate(&grants, &[ban(kind)], &site(), Timestamp(now));
            free.remove(Entitlement::COMMENTS);
            prop_assert_eq!(&banned.scope, &free);
            prop_assert_eq!(banned.standing, Some(kind));
        }
        let warned = evaluate(&grants, &[ban(StandingKind::Warning)], &site(), Timestamp(now));
        prop_assert_eq!(warned.scope, evaluate(&grants, &[], &site(), Timestamp(now)).scope);
    }

    #[test]
    fn until_is_the_last_moment_of_the_whole_scope(grants in any_grants(), now in 0i64..100) {
        let entitled = evaluate(&grants, &[], &site(), Timestamp(now));
        if let Some(until) = entitled.until {
            for t in now..until.0 {
                let then = evaluate(&grants, &[], &site(), Timestamp(t)).scope;
                for name in entitled.scope.iter() {
                    prop_assert!(then.contains(name.as_str()));
                }
            }
            let after = evaluate(&grants, &[], &site(), until).scope;
            prop_assert!(entitled.scope.iter().any(|name| !after.contains(name.as_str())));
        }
    }
}
