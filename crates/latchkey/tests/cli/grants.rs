//! `grant`, `revoke` and `grants`, on SQLite and on PostgreSQL.

use crate::{
    database::{READER, each_database, given_reader},
    program::Ended,
};

/// The id that was printed.
fn id(ended: &Ended) -> String {
    let found = ended.out.split_whitespace().find(|word| word.starts_with("grt_"));
    found.unwrap_or_else(|| panic!("no id in {ended:?}")).to_owned()
}

#[test]
fn a_comp_is_given_listed_with_its_reason_and_revoked() {
    each_database("comp", |place, url| {
        place.run(&["migrate"]).is(0);
        given_reader(url);
        place.run(&["grants", READER]).is(0).says(&[READER, "nothing"]);
        let week = [
            "grant",
            "ada@reader.example",
            "--entitlements",
            "ad_free",
            "--for",
            "7d",
            "--because",
            "Won the quiz",
        ];
        let given = place.run(&week).is(0).says(&[READER, "has ad_free until 20"]);
        place.run(&["grants", READER]).is(0).says(&[
            "live",
            "comp",
            &id(&given),
            "ad_free",
            "Won the quiz",
            " UTC to 20",
        ]);
        let staff = [
            "grant",
            READER,
            "--entitlements",
            "articles ad_free",
            "--until",
            "2099-01-31",
            "--because",
            "Staff",
            "--site",
            "sit_news",
        ];
        place
            .run(&staff)
            .is(0)
            .says(&["ad_free articles until 2099-02-01 00:00 UTC"]);
        let life = [
            "grant",
            READER,
            "--entitlements",
            "ad_free",
            "--without-end",
            "--because",
            "Life member",
        ];
        place.run(&life).is(0).says(&["until it is revoked"]);
        place.run(&["revoke", &id(&given)]).is(0).says(&["is revoked"]);
        place
            .run(&["revoke", &id(&given)])
            .is(1)
            .says(&["no grant that can be revoked here"]);
        let left = place
            .run(&["grants", "ada@reader.example"])
            .is(0)
            .says(&["Staff", "Life member", "no end"]);
        assert!(!left.out.contains("Won the quiz"), "{left:?}");
    });
}

#[test]
fn a_comp_for_an_address_that_nobody_has_proven_waits_and_can_be_taken_back() {
    each_database("waits", |place, _| {
        let grant = [
            "grant",
            "Bob@reader.example",
            "--entitlements",
            "ad_free",
            "--for",
            "1 month",
            "--because",
            "Jury",
        ];
        let given = place
            .run(&grant)
            .is(0)
            .says(&["Nobody has proven that address yet", "waits for it as comp/"]);
        let key = given
            .out
            .split_whitespace()
            .find(|word| word.starts_with("comp/"))
            .unwrap()
            .to_owned();
        place
            .run(&["grants", "bob@reader.example"])
            .is(0)
            .says(&["No account has proven", "unclaimed", &key, "Jury"]);
        place.run(&["revoke", &key]).is(0);
        place.run(&["grants", "bob@reader.example"]).is(0).says(&["nothing"]);
    });
}

#[test]
fn what_cannot_be_granted_is_said_before_anything_is_written() {
    each_database("refused", |place, url| {
        place.run(&["migrate"]).is(0);
        given_reader(url);
        let run = |extra: &[&str]| {
            let mut arguments = vec!["grant", READER, "--entitlements", "ad_free", "--because", "x"];
            arguments.extend(extra);
            place.run(&arguments)
        };
        run(&[]).is(2).says(&["--until", "--for", "--without-end"]);
        run(&["--for", "7d", "--without-end"]).is(2);
        run(&["--for", "a fortnight"]).is(2).says(&["is not a length of time"]);
        run(&["--until", "31.01.2099"]).is(1).says(&["neither a day such as"]);
        run(&["--until", "2001-01-01"]).is(1).says(&["over already"]);
        run(&["--for", "7d", "--site", "sit_sport"])
            .is(1)
            .says(&["no site sit_sport"]);
        let nobody = [
            "grant",
            "acc_nobody",
            "--entitlements",
            "ad_free",
            "--for",
            "7d",
            "--because",
            "x",
        ];
        place.run(&nobody).is(1).says(&["no such account"]);
        place.run(&["revoke", "pass"]).is(1).says(&["grt_"]);
        place.run(&["grants", READER]).is(0).says(&["nothing"]);
    });
}
