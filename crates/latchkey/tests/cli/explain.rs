//! `latchkey explain`, on SQLite and on PostgreSQL.

use latchkey_entitlement::{AccountId, Grant, GrantId, Scope, Sites, Source, Timestamp};
use latchkey_store::{Proof, Store};

use crate::program::{Place, postgres};

/// 24 November 2025, 13:00 UTC.
const MADE: Timestamp = Timestamp(1_763_989_200_000);
const DAY: i64 = 86_400_000;

/// Ada has been given a year, and has proven her address; Bob merely claims his.
fn given_readers(url: &str) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(url).await.unwrap();
        store.migrate().await.unwrap();
        let (ada, bob) = (
            AccountId::parse("acc_ada").unwrap(),
            AccountId::parse("acc_bob").unwrap(),
        );
        store.create_account(&ada, MADE).await.unwrap();
        store
            .prove_email(Proof::new(&ada, "ada@reader.example"), MADE)
            .await
            .unwrap();
        let grant = Grant {
            id: GrantId::parse("grt_1").unwrap(),
            account: ada,
            source: Source::Comp,
            source_ref: "prize".to_owned(),
            entitlements: Scope::parse("ad_free").unwrap(),
            sites: Sites::All,
            from: MADE,
            until: Some(MADE.plus(365 * DAY)),
            because: "first prize of the crossword".to_owned(),
            bought: None,
        };
        store.open_grant(&grant, MADE.plus(DAY)).await.unwrap();
        store.create_account(&bob, MADE).await.unwrap();
        store
            .set_unproven_email(&bob, "bob@reader.example", MADE)
            .await
            .unwrap();
        store.close().await;
    });
}

#[test]
fn a_reader_is_explained_in_words_for_them_and_with_ids_for_the_operator() {
    let place = Place::configured().edit(&[("# time_zone = \"UTC\"", "time_zone = \"America/New_York\"")]);
    let url = format!("sqlite:{}", place.path("here.db").display());
    let mut places = vec![(place.set("DATABASE_URL", &url), url)];
    if let Some(url) = postgres("explain") {
        let place = Place::configured().edit(&[("# time_zone = \"UTC\"", "time_zone = \"America/New_York\"")]);
        places.push((place.set("DATABASE_URL", &url), url));
    }
    for (place, url) in places {
        given_readers(&url);
        let at = ["--at", "2025-11-26 08:00"];
        let ada = ["explain", "ada@reader.example", at[0], at[1]];
        place.run(&ada).is(0).says(&[
            "At 26 November 2025, 08:00 (America/New_York; 13:00 UTC).",
            "Pages without ads: yes.\n  Because of access given by us, since 24 November 2025, 08:00",
            "The rule: first prize of the crossword.",
            "Account acc_ada, which has proven ada@reader.example",
            "grt_1 counts: comp prize, ad_free on every site",
        ]);
        let sent_on = place.run(&[&ada[..], &["--for-reader"]].concat()).is(0);
        sent_on
            .says(&["Pages without ads: yes."])
            .never_says(&["acc_", "grt_", "For the operator"]);
        let json = place.run(&[&ada[..], &["--json"]].concat()).is(0).out;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["readers"][0]["entitlements"][0]["has"], true, "{json}");
        // What was recorded a day late counts from its beginning, and was not known then.
        place
            .run(&["explain", "acc_ada", "--at", "2025-11-25T00:00:00Z", "--for-reader"])
            .is(0)
            .says(&[
                "Pages without ads: no.",
                "As we know now, access given by us counted at that moment already",
            ]);
        place.run(&["explain", "bob@reader.example"]).is(0).says(&[
            "Pages without ads: no.",
            "claims bob@reader.example and has not proven it",
        ]);
    }
}

#[test]
fn nobody_and_nonsense_are_told_apart() {
    let place = Place::configured();
    let url = format!("sqlite:{}", place.path("here.db").display());
    let place = place.set("DATABASE_URL", &url);
    given_readers(&url);
    place
        .run(&["explain", "nobody@reader.example"])
        .is(4)
        .says(&["nobody is known here as `nobody@reader.example`"]);
    place
        .run(&["explain", "b7mZx3nq0YtK5dVhS2LwPg", "--site", "sit_news"])
        .is(4)
        .says(&["nobody is known"]);
    place
        .run(&["explain", "acc_ada", "--at", "24.11.2025"])
        .is(1)
        .says(&["--at", "is not a moment", "3 days ago"]);
    place.run(&["explain", "acc_ada", "--site", "sit_none"]).is(1).says(&[
        "--site",
        "there is no site `sit_none`",
        "sit_news",
    ]);
    place.run(&["explain", "acc_ada", "--json", "--for-reader"]).is(2);
    place
        .edit(&[("# time_zone = \"UTC\"", "time_zone = \"Europe/Atlantis\"")])
        .run(&["explain", "acc_ada"])
        .is(3)
        .says(&["instance.time_zone", "`Europe/Atlantis` is not a time zone"]);
}
