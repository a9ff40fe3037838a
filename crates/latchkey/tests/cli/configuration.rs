//! `latchkey init` and `latchkey config`.

use crate::program::{Place, SECRETS, is_root};

#[test]
fn init_writes_a_file_and_check_says_what_is_to_be_filled_in() {
    let place = Place::new();
    place.run(&["init"]).is(0).says(&["Wrote latchkey.toml", "Next: "]);
    let checked = place.run(&["config", "check"]).is(4);
    checked.says(&SECRETS.map(|(name, _)| name)).says(&[
        "config env-example",
        "account.publisher.example is still the example",
        "www.publisher.example is still the example",
        "price_monthly_replace_me is still the example",
        "[mail] smtp_host is not set",
    ]);

    let checked = Place::configured().run(&["config", "check"]).is(0);
    let checked = checked.says(&["The configuration is in order", "STRIPE_SECRET_KEY: set [redacted]"]);
    assert!(
        checked.out.parse::<toml::Table>().is_ok(),
        "what is printed is a configuration again: {}",
        checked.out
    );
}

#[test]
fn init_overwrites_only_when_told_to() {
    let place = Place::new();
    place.write("latchkey.toml", "# mine");
    place
        .run(&["init"])
        .is(1)
        .says(&["latchkey.toml is there already", "help: `--force` overwrites it"]);
    assert_eq!(place.read("latchkey.toml"), "# mine");
    place.run(&["init", "--force"]).is(0);
    assert!(place.read("latchkey.toml").contains("[instance]"));
}

#[test]
fn init_says_where_it_cannot_write() {
    let place = Place::new();
    place
        .run(&["--config", "no/such/folder.toml", "init"])
        .is(1)
        .says(&["no/such/folder.toml cannot be written", "folder"])
        .never_says(&["--force"]);
    if is_root() {
        eprintln!("SKIPPED: as root no folder is closed, so that a closed one cannot be tried");
        return;
    }
    let mut closed = std::fs::metadata(place.dir.path()).unwrap().permissions();
    closed.set_readonly(true);
    std::fs::set_permissions(place.dir.path(), closed).unwrap();
    place.run(&["init"]).is(1).says(&["who may write there"]);
}

#[test]
fn without_a_file_every_command_says_how_to_get_one() {
    for command in [
        &["config", "check"] as &[&str],
        &["serve"],
        &["edge"],
        &["migrate"],
        &["keys", "list"],
        &["ban", "acc_x", "--reason", "spam"],
        &["unban", "acc_x"],
    ] {
        Place::new()
            .run(command)
            .is(3)
            .says(&["there is no configuration at latchkey.toml", "help: `latchkey init`"]);
    }
}

/// What is wrong with a file: what stands in `latchkey init`'s, what stands there instead, and what is said about it.
const WRONG: [(&str, &str, &[&str]); 13] = [
    (
        "pass_life_seconds = 900",
        "pass_live_seconds = 900",
        &[
            "server.pass_live_seconds: unknown key",
            "pass_life_seconds",
            "latchkey.toml",
        ],
    ),
    (
        "reconcile_minutes = 10",
        "reconcile_minutes = \"ten\"",
        &["server.reconcile_minutes", "\"ten\"", "latchkey.toml"],
    ),
    (
        "# calls_per_second = 25",
        "calls_per_second = 101",
        &["stripe.calls_per_second", "101 is out of range", "help:"],
    ),
    ("[instance]", "[[[", &["line 5", "latchkey.toml"]),
    (
        "publication =",
        "# publication =",
        &["instance: `publication` is missing"],
    ),
    (
        "[\"www.gazette.test\"]",
        "[\"account.gazette.test\"]",
        &["site sit_news", "account origin too", "help:"],
    ),
    (
        "\"https://account.",
        "\"http://account.",
        &["instance.account_origin", "is not https", "help:"],
    ),
    (
        "account.gazette.test\"",
        "account.gazette.test/pay\"",
        &["more than an origin", "help:"],
    ),
    (
        "amount_minor = 500\n",
        "amount_minor = 0\n",
        &["prc_monthly", "not above zero", "help:"],
    ),
    (
        "pass_life_seconds = 900",
        "pass_life_seconds = 1",
        &["server.pass_life_seconds", "out of range", "help:"],
    ),
    (
        "origin = \"http://127.0.0.1:8080\"",
        "origin = \"ftp://files\"",
        &["site sit_news", "cannot be proxied", "help:"],
    ),
    (
        "currency = \"eur\"",
        "currency = \"euros\"",
        &["currency", "latchkey.toml"],
    ),
    (
        "groups = [\"ads\", \"ad-measurement\"]",
        "groups = [\"adz\"]",
        &["site sit_news: strip", "adz", "help:"],
    ),
];

#[test]
fn a_wrong_file_is_refused_with_place_and_advice() {
    for (from, to, said) in WRONG {
        let place = Place::configured().edit(&[(from, to)]);
        place
            .run(&["config", "check"])
            .is(3)
            .says(said)
            .never_says(&["default."]);
    }
}

#[test]
fn every_finding_is_told_at_once() {
    let place = Place::configured().edit(&[("\"https://account.", "\"http://account."), ("= 500\n", "= -1\n")]);
    place
        .run(&["config", "check"])
        .is(3)
        .says(&["is not https", "not above zero"]);
}

#[test]
fn the_environment_overrides_the_file_and_is_named_when_it_is_wrong() {
    let place = Place::configured().set("LATCHKEY_SERVER__PASS_LIFE_SECONDS", "120");
    place.run(&["config", "check"]).is(0).says(&["pass_life_seconds = 120"]);
    for (name, value, said) in [
        ("LATCHKEY_SERVER__LISTN", "x", "unknown key `listn`"),
        ("LATCHKEY_SERVER__PASS_LIFE_SECONDS", "long", "\"long\""),
        ("LATCHKEY_SERVER__LISTEN", "8300", "server.listen"),
    ] {
        let place = Place::configured().set(name, value);
        place.run(&["config", "check"]).is(3).says(&[said, name]);
    }
    let place = Place::configured().set("LATCHKEY_LOG", "=loud=");
    place.run(&["migrate"]).is(3).says(&["LATCHKEY_LOG==loud="]);
}

#[test]
fn secrets_are_looked_at_and_never_printed() {
    let place = Place::configured();
    let file = place.write("key", "sk_test_hunter2hunter2\n");
    let place = place.set("STRIPE_SECRET_KEY", "").set("STRIPE_SECRET_KEY_FILE", &file);
    place
        .run(&["config", "check"])
        .is(0)
        .says(&["STRIPE_SECRET_KEY: from a file [redacted]"]);

    for (name, value, said) in [
        (
            "STRIPE_SECRET_KEY_FILE",
            "/no/such/file",
            &["both", "keep one of them"] as &[&str],
        ),
        (
            "LATCHKEY_EDGE_TOKEN",
            "hunter2",
            &["LATCHKEY_EDGE_TOKEN", "openssl rand -hex 32"],
        ),
        (
            "LATCHKEY_SEAL_KEY",
            "hunter2",
            &["LATCHKEY_SEAL_KEY", "openssl rand -base64 32"],
        ),
        (
            "STRIPE_SECRET_KEY",
            "pk_test_hunter2",
            &["STRIPE_SECRET_KEY", "sk_test_"],
        ),
        ("STRIPE_WEBHOOK_SECRETS", " , ", &["STRIPE_WEBHOOK_SECRETS"]),
    ] {
        let place = Place::configured().set(name, value);
        place
            .run(&["config", "check"])
            .is(4)
            .says(said)
            .never_says(&["The configuration is in order"]);
        place.run(&["serve"]).is(3);
    }
    let place = Place::configured()
        .set("LATCHKEY_SEAL_KEY", "")
        .set("LATCHKEY_SEAL_KEY_FILE", "/no/such/file");
    place
        .run(&["config", "check"])
        .is(4)
        .says(&["LATCHKEY_SEAL_KEY_FILE names /no/such/file, which cannot be read"]);
}

#[test]
fn the_databases_password_is_hidden() {
    let place = Place::configured().set("DATABASE_URL", "postgres://me:hunter2@db.internal/latchkey");
    place
        .run(&["config", "check"])
        .is(0)
        .says(&["postgres://me:redacted@db.internal/latchkey"]);
    let place = Place::configured();
    let file = place.write("url", "sqlite:elsewhere.db\n");
    let place = place.set("DATABASE_URL_FILE", &file);
    place.run(&["config", "check"]).is(0).says(&["sqlite:elsewhere.db"]);
}

#[test]
fn the_example_of_the_environment_names_every_secret() {
    let names = SECRETS.map(|(name, _)| name);
    Place::new().run(&["config", "env-example"]).is(0).says(&names);
}
