//! Whole explanations, word for word: what a support person sends on for each kind of reader.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;

use latchkey_billing::{
    Subscription, SubscriptionItem, SubscriptionStatus,
    explain::{
        BegunPurchase, Device, Explanation, FoundBy, GrantRecord, History, KnownAccount, KnownCustomer, Merge,
        Question, Revoked, SeenEvent, SyncRun, Zone, explain, unknown_reader,
    },
};
use latchkey_entitlement::{
    AccountId, EventId, Grant, GrantId, PriceId, RevocationKind, Scope, SessionId, SiteId, Sites, Source, Standing,
    StandingKind, Timestamp,
    time::{DAY, HOUR, MINUTE, SECOND},
};

/// 24 November 2026, 13:00 UTC.
const NOW: Timestamp = Timestamp(1_795_525_200_000);

fn ago(millis: i64) -> Timestamp {
    NOW.plus(-millis)
}

fn acc(name: &str) -> AccountId {
    AccountId::parse(&format!("acc_{name}")).unwrap()
}

fn evt(name: &str) -> EventId {
    EventId::parse(&format!("evt_{name}")).unwrap()
}

fn reader(name: &str, created_at: Timestamp) -> History {
    History::of(KnownAccount {
        id: acc(name),
        email_proven: None,
        email_unproven: None,
        created_at,
    })
}

/// A row of the record about a subscription, opened by the sync `evt_s1`.
fn row(owner: &str, reference: &str, from: Timestamp, until: Timestamp, because: &str) -> GrantRecord {
    GrantRecord {
        grant: Grant {
            bought: None,
            id: GrantId::parse(&format!("grt_{reference}")).unwrap(),
            account: acc(owner),
            source: Source::Subscription,
            source_ref: reference.to_owned(),
            entitlements: Scope::parse("ad_free").unwrap(),
            sites: Sites::All,
            from,
            until: Some(until),
            because: because.to_owned(),
        },
        customer: Some("cus_1".to_owned()),
        recorded_at: from.plus(SECOND),
        superseded_at: None,
        opened_by: Some(evt("s1")),
        closed_by: None,
    }
}

fn subscription(status: SubscriptionStatus, period_end: Timestamp) -> Subscription {
    Subscription {
        id: "sub_1".to_owned(),
        customer: "cus_1".to_owned(),
        status,
        items: vec![SubscriptionItem {
            price: None,
            id: "si_1".to_owned(),
            price_id: "price_1".to_owned(),
            product_id: "prod_1".to_owned(),
            quantity: 1,
            current_period_start: period_end.plus(-30 * DAY),
            current_period_end: period_end,
        }],
        more_items: false,
        cancel_at_period_end: false,
        cancel_at: None,
        canceled_at: None,
        ended_at: None,
        trial_end: None,
        created: period_end.plus(-30 * DAY),
        start_date: period_end.plus(-30 * DAY),
        pause_collection: false,
        latest_invoice: None,
        metadata: BTreeMap::new(),
        livemode: false,
        default_payment_method: None,
        ..Subscription::default()
    }
}

/// A payer since ten days, with what led to it.
fn payer() -> History {
    let begun = ago(10 * DAY);
    let mut history = reader("ada", begun.plus(-MINUTE));
    history.account.email_proven = Some(("ada@example.org".to_owned(), begun.plus(5 * MINUTE)));
    history.grants = vec![row(
        "ada",
        "sub_1",
        begun,
        begun.plus(33 * DAY),
        "subscription sub_1 renews on 2026-12-14 13:00 UTC; 3 days of slack",
    )];
    history.syncs = vec![SyncRun {
        id: evt("s1"),
        customer: "cus_1".to_owned(),
        started_at: begun.plus(600),
        committed_at: begun.plus(SECOND),
    }];
    history.events = vec![SeenEvent {
        id: "evt_stripe_1".to_owned(),
        kind: "checkout.session.completed".to_owned(),
        customer: Some("cus_1".to_owned()),
        state: "done".to_owned(),
        error: None,
        received_at: begun.plus(500),
        done_at: Some(begun.plus(SECOND)),
    }];
    history.customers = vec![KnownCustomer {
        id: "cus_1".to_owned(),
        livemode: false,
        waits_since: None,
        synced_at: Some(begun.plus(SECOND)),
        deleted_at: None,
    }];
    history.subscriptions = vec![(
        subscription(SubscriptionStatus::Active, begun.plus(30 * DAY)),
        begun.plus(SECOND),
    )];
    history.attempts = vec![BegunPurchase {
        id: evt("a1"),
        price: PriceId::parse("prc_monthly").unwrap(),
        stripe_session: Some("cs_1".to_owned()),
        created_at: begun.plus(-MINUTE),
        completed_at: Some(begun.plus(SECOND)),
    }];
    history.devices = vec![Device {
        id: SessionId::parse("ses_1").unwrap(),
        site: Some(SiteId::parse("sit_news").unwrap()),
        label: "Firefox on Linux".to_owned(),
        created_at: begun.plus(2 * SECOND),
        used_at: ago(HOUR),
        ended_at: None,
    }];
    history
}

fn asked_at(history: &History, asked: &AccountId, moment: Timestamp) -> Explanation {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let sites = [(SiteId::parse("sit_news").unwrap(), "The Harbour Post".to_owned())];
    let sold = Scope::parse("ad_free").unwrap();
    let question = Question {
        publication: "The Harbour Post",
        zone: &zone,
        sites: &sites,
        sold: &sold,
        asked,
        found_by: FoundBy::Account,
        moment,
        now: NOW,
    };
    explain(&question, history)
}

fn asked(history: &History, moment: Timestamp) -> Explanation {
    asked_at(history, &history.account.id, moment)
}

/// Compares an explanation with the file `tests/explain/NAME.txt`: the reader's part, a line of dashes, the operator's part. With
/// `LATCHKEY_TEST_WRITE` set the file is written anew, to be read before it is committed.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "who changes a text asks for the new one by the environment"
)]
fn told_as(name: &str, told: &Explanation) {
    for id in [
        "acc_", "grt_", "sub_", "cus_", "evt_", "ses_", "in_", "price_", "prc_", "sit_", "@",
    ] {
        assert!(!told.reader.contains(id), "`{id}` is sent on: {}", told.reader);
    }
    let whole = format!("{}----\n{}", told.reader, told.operator);
    let file = format!("{}/tests/explain/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("LATCHKEY_TEST_WRITE").is_ok() {
        std::fs::write(&file, &whole).unwrap();
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(wanted == whole, "{file} says otherwise; told:\n{whole}");
}

fn answer<'a>(told: &'a Explanation, entitlement: &str) -> &'a latchkey_billing::explain::EntitlementAnswer {
    let mut all = told.json.entitlements.iter();
    all.find(|one| one.entitlement == entitlement)
        .expect("every entitlement is explained")
}

#[test]
fn paying() {
    let told = asked(&payer(), NOW);
    assert!(answer(&told, "ad_free").has);
    told_as("paying", &told);
}

#[test]
fn set_to_end() {
    let mut history = payer();
    let (end, changed) = (NOW.plus(20 * DAY), ago(2 * DAY));
    history.grants[0].superseded_at = Some(changed);
    history.grants[0].closed_by = Some(evt("s2"));
    let mut ends = row(
        "ada",
        "sub_1",
        ago(10 * DAY),
        end,
        "subscription sub_1 is set to end on 2026-12-14 13:00 UTC, exactly",
    );
    ends.recorded_at = changed;
    ends.opened_by = Some(evt("s2"));
    history.grants.push(ends);
    history.subscriptions[0].0.cancel_at_period_end = true;
    let told = asked(&history, NOW);
    assert_eq!(answer(&told, "ad_free").until, Some(end));
    told_as("set_to_end", &told);
    // At its very end it is over, and a moment before it is not.
    assert!(answer(&asked(&history, end.plus(-1)), "ad_free").has);
    assert!(!answer(&asked(&history, end), "ad_free").has);
}

#[test]
fn ended() {
    let mut history = payer();
    history.grants[0].superseded_at = Some(ago(DAY));
    history.grants[0].closed_by = Some(evt("s2"));
    history.syncs.push(SyncRun {
        id: evt("s2"),
        customer: "cus_1".to_owned(),
        started_at: ago(DAY).plus(-300),
        committed_at: ago(DAY),
    });
    history.subscriptions[0].0.status = SubscriptionStatus::Canceled;
    history.subscriptions[0].0.ended_at = Some(ago(DAY + HOUR));
    history.revocations = vec![Revoked {
        number: 7,
        session: SessionId::parse("ses_1").unwrap(),
        kind: RevocationKind::Void,
        at: ago(DAY),
    }];
    let told = asked(&history, NOW);
    assert!(!answer(&told, "ad_free").has);
    told_as("ended", &told);
    // In the hour between the end at Stripe and our learning of it: the record of then, and what is known by now.
    let between = asked(&history, ago(DAY + 30 * MINUTE));
    assert!(answer(&between, "ad_free").has);
    told_as("ended_and_not_yet_known", &between);
}

#[test]
fn past_due_within_the_grace() {
    let mut history = payer();
    history.grants[0] = row(
        "ada",
        "sub_1",
        ago(40 * DAY),
        NOW.plus(5 * DAY),
        "subscription sub_1 is past due: invoice in_1 is unpaid since 2026-11-22 13:00 UTC; 7 days of grace end on 2026-11-29 13:00 UTC",
    );
    history.subscriptions[0].0.status = SubscriptionStatus::PastDue;
    told_as("past_due", &asked(&history, NOW));
}

#[test]
fn in_a_trial() {
    let mut history = payer();
    history.grants[0].grant.because =
        "subscription sub_1 is in its trial, which becomes paid on 2026-12-14 13:00 UTC; 3 days of slack".to_owned();
    history.subscriptions[0].0.status = SubscriptionStatus::Trialing;
    told_as("trial", &asked(&history, NOW));
}

#[test]
fn never_paid() {
    let mut history = reader("bob", ago(3 * DAY));
    history.account.email_unproven = Some("bob@example.org".to_owned());
    history.attempts = vec![BegunPurchase {
        id: evt("a1"),
        price: PriceId::parse("prc_monthly").unwrap(),
        stripe_session: None,
        created_at: ago(3 * DAY),
        completed_at: None,
    }];
    told_as("never_paid", &asked(&history, NOW));
}

#[test]
fn paid_twice() {
    let mut history = payer();
    let mut second = history.grants[0].clone();
    second.grant.id = GrantId::parse("grt_2").unwrap();
    second.grant.source_ref = "sub_2".to_owned();
    second.grant.because = "subscription sub_2 renews on 2026-12-15 13:00 UTC; 3 days of slack".to_owned();
    second.grant.until = Some(NOW.plus(24 * DAY));
    second.recorded_at = ago(9 * DAY);
    history.grants.push(second);
    history.alerts = vec![(
        "the reader has 2 live subscriptions to plan pln_supporter: sub_1, sub_2".to_owned(),
        ago(9 * DAY),
    )];
    told_as("paid_twice", &asked(&history, NOW));
}

#[test]
fn banned_from_comments() {
    let mut history = payer();
    history.grants[0].grant.entitlements = Scope::parse("ad_free comments").unwrap();
    let standing = Standing {
        id: evt("m1"),
        account: acc("ada"),
        site: None,
        kind: StandingKind::Suspension,
        reason: "Threats against other readers".to_owned(),
        moderator: "grace".to_owned(),
        from: ago(DAY),
        until: Some(NOW.plus(6 * DAY)),
    };
    history.revocations = vec![Revoked {
        number: 3,
        session: SessionId::parse("ses_1").unwrap(),
        kind: RevocationKind::Renew,
        at: standing.from,
    }];
    history.standings = vec![standing];
    let told = asked(&history, NOW);
    assert!(answer(&told, "ad_free").has && !answer(&told, "comments").has);
    told_as("banned", &told);
    assert!(
        answer(&asked(&history, ago(DAY + 1)), "comments").has,
        "it was banned before the decision"
    );
}

#[test]
fn merged_accounts() {
    let mut history = payer();
    let (merged_at, old) = (ago(2 * DAY), acc("old"));
    // The subscription was the other account's, and came over.
    let mut theirs = history.grants[0].clone();
    theirs.grant.account = old.clone();
    theirs.superseded_at = Some(merged_at);
    let mut ours = history.grants[0].clone();
    ours.recorded_at = merged_at;
    history.grants = vec![theirs, ours];
    history.account.created_at = ago(5 * DAY);
    history.account.email_proven = Some(("ada@example.org".to_owned(), ago(5 * DAY)));
    let id = history.grants[0].grant.id.to_string();
    history.merges = vec![Merge {
        from: old.clone(),
        into: acc("ada"),
        created_at: Some(ago(10 * DAY + MINUTE)),
        merged_at,
        moved: BTreeMap::from([("account_grant".to_owned(), vec![id])]),
    }];
    told_as("merged", &asked_at(&history, &old, NOW));
    // Before the merge each stood for itself.
    let before = ago(3 * DAY);
    assert!(answer(&asked_at(&history, &old, before), "ad_free").has);
    let kept = asked(&history, before);
    assert!(!answer(&kept, "ad_free").has);
    told_as("before_the_merge", &kept);
}

#[test]
fn before_the_account_existed() {
    told_as("no_account_yet", &asked(&payer(), ago(20 * DAY)));
}

#[test]
fn a_time_in_the_future() {
    let told = asked(&payer(), NOW.plus(30 * DAY));
    assert!(!answer(&told, "ad_free").has, "the grant has an end");
    told_as("future", &told);
}

#[test]
fn a_webhook_that_was_lost_for_four_hours() {
    let mut history = payer();
    let begun = ago(10 * DAY);
    history.grants[0].recorded_at = begun.plus(4 * HOUR);
    history.syncs[0].started_at = begun.plus(4 * HOUR - 300);
    history.syncs[0].committed_at = begun.plus(4 * HOUR);
    history.events.clear();
    history.attempts[0].completed_at = None;
    let told = asked(&history, begun.plus(HOUR));
    assert!(!answer(&told, "ad_free").has, "nobody knew it then");
    told_as("learned_late", &told);
}

#[test]
fn an_event_that_was_done_later_was_not_done_then() {
    let mut history = payer();
    history.events[0].done_at = Some(ago(DAY));
    let then = asked(&history, ago(5 * DAY)).operator;
    assert!(
        then.contains("received; not done at that moment; done 2026-11-23 14:00:00"),
        "{then}"
    );
    assert!(asked(&history, NOW).operator.contains("received; done 8 days later"));
}

#[test]
fn what_was_cut_is_said() {
    let mut history = payer();
    history.cut = vec!["events"];
    history.events = (0..500)
        .map(|n| SeenEvent {
            id: format!("evt_stripe_{n}"),
            received_at: ago(DAY).plus(n),
            done_at: Some(ago(DAY).plus(n)),
            ..history.events[0].clone()
        })
        .collect();
    let told = asked(&history, NOW);
    assert!(
        told.operator.contains("Older events exist and were not read."),
        "{}",
        told.operator
    );
    assert!(
        told.operator.contains("earlier entries are left out"),
        "{}",
        told.operator
    );
    assert_eq!(told.json.cut, ["events", "history"]);
    assert_eq!(told.json.history.len(), latchkey_billing::explain::MAX_ENTRIES);
    assert!(told.operator.len() < 100_000);
}

#[test]
fn two_sites_are_told_apart_where_they_differ() {
    let mut history = payer();
    history.grants[0].grant.sites = Sites::Only(vec![SiteId::parse("sit_news").unwrap()]);
    let zone = Zone::utc();
    let sites = [("sit_news", "The Harbour Post"), ("sit_sport", "Harbour Sport")]
        .map(|(id, name)| (SiteId::parse(id).unwrap(), name.to_owned()));
    let question = Question {
        publication: "The Harbour Post",
        zone: &zone,
        sites: &sites,
        sold: &Scope::parse("ad_free").unwrap(),
        asked: &history.account.id,
        found_by: FoundBy::ProvenEmail("ada@example.org".to_owned()),
        moment: NOW,
        now: NOW,
    };
    let told = explain(&question, &history);
    assert!(
        told.reader.contains("Pages without ads on The Harbour Post: yes."),
        "{}",
        told.reader
    );
    assert!(
        told.reader.contains("Pages without ads on Harbour Sport: no."),
        "{}",
        told.reader
    );
    assert!(told.operator.contains("which has proven ada@example.org"));
}

#[test]
fn an_unknown_reader() {
    let told = unknown_reader("The Harbour Post", "nobody@example.org");
    assert!(
        told.starts_with("The Harbour Post: nobody is known here as `nobody@example.org`.\n"),
        "{told}"
    );
}
