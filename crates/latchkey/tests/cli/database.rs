//! What touches the database: `migrate`, `keys`, `ban` and `unban`, on SQLite and on PostgreSQL.

use latchkey_entitlement::{AccountId, RevocationKind, SessionId, SiteId, Timestamp};
use latchkey_store::{NewSession, Proof, Store};

use crate::program::{Place, postgres, psql};

pub(crate) const READER: &str = "acc_0197f0b2-7c1e-7000-8000-000000000001";

/// Runs a test on a configured place with a database of each kind.
pub(crate) fn each_database(test: &str, story: impl Fn(&Place, &str)) {
    let place = Place::configured();
    let url = format!("sqlite:{}", place.path("here.db").display());
    let place = place.set("DATABASE_URL", &url);
    story(&place, &url);
    if let Some(url) = postgres(test) {
        story(&Place::configured().set("DATABASE_URL", &url), &url);
    }
}

/// A reader who is there already; how readers come to be is told elsewhere.
pub(crate) fn given_reader(url: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(url).await.unwrap();
        let (account, now) = (AccountId::parse(READER).unwrap(), Timestamp(1_795_500_000_000));
        store.create_account(&account, now).await.unwrap();
        store
            .prove_email(Proof::new(&account, "ada@reader.example"), now)
            .await
            .unwrap();
        for (number, site) in [(1, None), (2, Some(SiteId::parse("sit_news").unwrap()))] {
            let session = NewSession {
                id: SessionId::from_uuid(uuid::Uuid::from_u128(number)),
                account: account.clone(),
                site,
                parent: None,
                secret_hash: [u8::try_from(number).unwrap(); 32],
                label: "Firefox on Linux".to_owned(),
                now,
            };
            assert!(store.create_session(session).await.unwrap());
        }
        store.close().await;
    });
}

/// What edges are told of passes.
fn revocations(url: &str) -> Vec<RevocationKind> {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(url).await.unwrap();
        let rows = store.revocations_after(0, 100).await.unwrap();
        store.close().await;
        rows.into_iter().map(|row| row.kind).collect()
    })
}

#[test]
fn migrating_twice_is_migrating_once() {
    each_database("migrate", |place, _| {
        let first = place.run(&["migrate"]).is(0).says(&["The database is at version"]);
        assert_eq!(place.run(&["migrate"]).is(0).out, first.out);
    });
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
    let Some(url) = postgres("newer") else { return };
    let place = Place::configured().set("DATABASE_URL", &url);
    place.run(&["migrate"]).is(0);
    psql(&url, "INSERT INTO schema_version (version) VALUES (9999)");
    for command in [
        &["migrate"] as &[&str],
        &["serve"],
        &["keys", "list"],
        &["demo", "--port", "0"],
    ] {
        let place = Place::configured().set("DATABASE_URL", &url);
        place.run(command).is(1).says(&["9999", "newer"]);
    }
    assert_eq!(psql(&url, "SELECT max(version) FROM schema_version"), "9999");
}

#[test]
fn a_database_that_is_none_is_named_and_left_as_it_is() {
    let place = Place::configured();
    let file = place.write("letter.txt", "This is a letter, and no database.\n".repeat(100));
    let place = place.set("DATABASE_URL", &format!("sqlite:{file}"));
    place
        .run(&["migrate"])
        .is(3)
        .says(&["not an SQLite database", "name another file"]);
    assert!(place.read("letter.txt").starts_with("This is a letter"));
    for (url, code, said) in [
        ("postgres://me:hunter2@127.0.0.1:1/latchkey", 1, "opening the database"),
        ("mysql://127.0.0.1/latchkey", 3, "postgres://"),
        ("sqlite:no/such/folder/x.db", 1, "opening the database"),
    ] {
        Place::configured()
            .set("DATABASE_URL", url)
            .run(&["migrate"])
            .is(code)
            .says(&[said]);
    }
}

#[test]
fn keys_are_listed_and_turned_without_a_gap() {
    each_database("keys", |place, _| {
        let listed = place
            .run(&["keys", "list"])
            .is(0)
            .says(&["pass", "current", "ES256", "bundle_key = \""]);
        assert!(!listed.out.contains("next"));
        let turned = place
            .run(&["keys", "rotate"])
            .is(0)
            .says(&["signs ten minutes from now", "next"]);
        let current = |text: &str| {
            text.lines()
                .find(|line| line.contains("pass    current"))
                .map(str::to_owned)
        };
        assert_eq!(
            current(&turned.out),
            current(&listed.out),
            "the old key signs until then"
        );
    });
}

#[test]
fn another_seal_key_opens_nothing_and_says_so() {
    each_database("seal", |place, url| {
        place.run(&["keys", "list"]).is(0);
        let other = Place::configured()
            .set("DATABASE_URL", url)
            .set("LATCHKEY_SEAL_KEY", "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q=");
        other.run(&["keys", "list"]).is(3).says(&["LATCHKEY_SEAL_KEY"]);
        // Nothing was thrown away: the right key still opens it.
        place.run(&["keys", "list"]).is(0);
    });
}

#[test]
fn a_reader_is_banned_and_unbanned_by_id_or_address() {
    each_database("ban", |place, url| {
        place.run(&["migrate"]).is(0);
        given_reader(url);
        place
            .run(&["ban", READER, "--reason", "Threats", "--days", "30"])
            .is(0)
            .says(&[
                READER,
                "may not comment for 30 days",
                "1 of their devices",
                "What they paid for stays theirs",
            ]);
        assert_eq!(
            revocations(url),
            [RevocationKind::Renew],
            "the site's device, and not the account's page"
        );
        place.run(&["unban", "ada@reader.example"]).is(0).says(&["1 lifted"]);
        assert_eq!(revocations(url).len(), 2);
        place.run(&["unban", READER]).is(4).says(&["0 lifted"]);

        for (reader, said) in [
            ("acc_0197f0b2-7c1e-7000-8000-00000000ffff", "there is no account acc_"),
            ("nobody@reader.example", "no account has proven that address"),
            ("Ada", "an account id (acc_…) or a proven e-mail address"),
        ] {
            place.run(&["ban", reader, "--reason", "Spam"]).is(1).says(&[said]);
        }
        place
            .run(&["ban", READER, "--reason", "Spam", "--site", "sit_sport"])
            .is(1)
            .says(&["no site sit_sport", "sit_news"]);
    });
}
