//! `latchkey config check --online`, against the Stripe sandbox, and mail servers and origins of the test's own.

use axum::{Router, extract::Request, http::StatusCode};

use crate::{
    outside::{Manners, Outside, PASSWORD, archive, mail_server, mail_server_on, post, serve},
    program::{Place, SECRETS, free_port, is_root, postgres, psql},
};

const CHECK: [&str; 3] = ["config", "check", "--online"];

#[test]
fn everything_that_is_in_order_is_told_line_by_line() {
    let outside = Outside::new();
    let tried = outside.place().run(&CHECK).is(0).says(&[
        "ok       database: is reached, has version",
        "can be written to",
        "ok       Stripe key: is accepted, in test mode",
        "ok       Stripe account: acct_1S",
        "ok       price prc_monthly",
        "ok       price prc_yearly",
        "ok       webhook secret: 1 there",
        "ok       mail server: localhost greets over a plain connection",
        "ok       origin of sit_news",
        "note     account origin: http://account.localhost:1/ does not answer",
        "Everything that was tried is in order",
    ]);
    assert!(
        tried.out.parse::<toml::Table>().is_ok(),
        "what is printed is a configuration again: {}",
        tried.out
    );
    let calls = outside.calls.lock().unwrap().clone();
    assert!(
        calls.len() >= 3 && calls.iter().all(|call| call.starts_with("GET ")),
        "{calls:?}"
    );
}

#[test]
fn the_account_is_named_where_stripe_names_it() {
    let outside = Outside::new();
    let sandbox = format!("http://{}", outside.stripe);
    // The sandbox is nobody's account, so that this one answer stands before it.
    let account = async || r#"{"id":"acct_1gazette","business_profile":{"name":"The Gazette"},"charges_enabled":true}"#;
    let before = Router::new()
        .route("/v1/account", axum::routing::get(account))
        .fallback(move |request: Request| {
            let url = format!("{sandbox}{}", request.uri());
            async move {
                let asked = reqwest::Client::new().get(url).bearer_auth(SECRETS[0].1).send();
                asked.await.unwrap().text().await.unwrap()
            }
        });
    let before = format!("http://{}/", serve(&outside.runtime, before));
    outside
        .place()
        .set("LATCHKEY_STRIPE__BASE_URL", &before)
        .run(&CHECK)
        .is(0)
        .says(&["ok       Stripe account: acct_1gazette The Gazette"]);
}

#[test]
fn without_online_nothing_is_touched() {
    let outside = Outside::new();
    let place = outside.place();
    outside.calls.lock().unwrap().clear();
    place.run(&["config", "check"]).is(0).never_says(&["Tried"]);
    assert_eq!(*outside.calls.lock().unwrap(), [""; 0]);
}

#[test]
fn a_price_that_bills_otherwise_than_readers_are_told_is_found() {
    let outside = Outside::new();
    let place = outside.place().edit(&[
        ("amount_minor = 500\n", "amount_minor = 900\n"),
        (&outside.prices[1], "price_of_another_account"),
    ]);
    place.run(&CHECK).is(4).says(&[
        "ok       Stripe key",
        "finding  price prc_monthly",
        "Stripe bills €5.00 each month, and the configuration says €9.00 each month",
        "finding  price prc_yearly (price_of_another_account): Stripe has no price of this id in test mode",
        "help: compare [[plan.price]]",
        "Found: 2.",
    ]);
    for (from, to, said) in [
        (
            "currency = \"eur\"",
            "currency = \"usd\"",
            "and the configuration says $5.00",
        ),
        (
            "interval = \"month\"",
            "interval = \"month\"\ninterval_count = 3",
            "and the configuration says €5.00 every 3 months",
        ),
    ] {
        let place = outside.place().edit(&[(from, to)]);
        place.run(&CHECK).is(4).says(&[said, "Found: 1."]);
    }
}

#[test]
fn a_coupon_and_a_product_that_are_not_as_readers_are_told_are_found() {
    let outside = Outside::new();
    let coupon = [
        ("id", "first"),
        ("percent_off", "60"),
        ("duration", "repeating"),
        ("duration_in_months", "3"),
    ];
    post(&outside, "coupons", &coupon);
    post(&outside, "products", &[("id", "prod_friend"), ("name", "Friend")]);
    let more = |percent: &str, product: &str| {
        format!(
            "interval = \"year\"\n[plan.price.intro]\ncoupon = \"first\"\npercent_off = {percent}\nmonths = 3\n\
             [[plan.price]]\nid = \"prc_free\"\nname = \"Free choice\"\ncurrency = \"eur\"\namount_minor = 500\ninterval = \"month\"\n\
             [plan.price.chosen]\nstripe_product = \"{product}\"\nminimum_minor = 200\nmaximum_minor = 10000\n"
        )
    };
    let place = |percent, product| {
        outside
            .place()
            .edit(&[("interval = \"year\"\n", &more(percent, product))])
    };
    place("60", "prod_friend").run(&CHECK).is(0).says(&[
        "ok       coupon first of prc_yearly: can be used, and takes off what the configuration says",
        "prod_friend is active; readers choose the amount",
    ]);
    place("50", "prod_none").run(&CHECK).is(4).says(&[
        "finding  coupon first of prc_yearly",
        "takes off something else",
        "Stripe has no active product prod_none",
        "Found: 2.",
    ]);
}

#[test]
fn an_archived_price_is_found() {
    let outside = Outside::new();
    let place = outside.place();
    place.run(&CHECK).is(0);
    archive(&outside, &outside.prices[0]);
    place.run(&CHECK).is(4).says(&[
        "finding  price prc_monthly",
        "not active in Stripe",
        "ok       price prc_yearly",
        "Found: 1.",
    ]);
}

#[test]
fn a_key_that_stripe_does_not_take_a_stripe_that_is_away_and_a_live_key_are_told_apart() {
    let outside = Outside::new();
    let place = outside.place().set("STRIPE_SECRET_KEY", "sk_test_sandbox_hunter2other");
    place.run(&CHECK).is(4).says(&[
        "finding  Stripe key: Stripe does not accept the secret key",
        "help: compare STRIPE_SECRET_KEY",
        "skipped  price prc_monthly",
        "ok       mail server",
        "Found: 1.",
    ]);
    let away = format!("http://127.0.0.1:{}/", free_port());
    let place = outside.place().set("LATCHKEY_STRIPE__BASE_URL", &away);
    place
        .run(&CHECK)
        .is(4)
        .says(&["finding  Stripe key: Stripe cannot be reached", "base_url", "Found: 1."]);
    let place = outside.place().set("STRIPE_SECRET_KEY", "sk_live_hunter2hunter2");
    outside.calls.lock().unwrap().clear();
    place
        .run(&CHECK)
        .is(4)
        .says(&["finding  Stripe key: a live key would be sent to", "remove base_url"]);
    assert_eq!(*outside.calls.lock().unwrap(), [""; 0], "the live key went out");
}

#[test]
fn what_is_missing_in_the_file_is_told_once_and_the_rest_is_tried() {
    let outside = Outside::new();
    let place = outside
        .place()
        .set("STRIPE_SECRET_KEY", "")
        .set("STRIPE_WEBHOOK_SECRETS", "")
        .edit(&[("\nfrom =", "\n# from =")]);
    place.run(&CHECK).is(4).says(&[
        "STRIPE_SECRET_KEY is not set",
        "skipped  Stripe key",
        "skipped  webhook secret",
        "skipped  mail server",
        "ok       origin of sit_news",
        "What could be tried is in order",
    ]);
    let place = outside.place().set("STRIPE_WEBHOOK_SECRETS", "hunter2hunter2");
    place
        .run(&CHECK)
        .is(4)
        .says(&["finding  webhook secret", "does not begin with whsec_"]);
    Place::new().run(&CHECK).is(3).says(&["latchkey init"]);
}

#[test]
fn a_mail_server_is_told_by_what_it_does() {
    let outside = Outside::new();
    for (manners, said) in [
        (Manners::Silent, "no answer within 10 s"),
        (Manners::Refusing, "it refused with code 554"),
        (Manners::Web, "does not speak SMTP"),
    ] {
        let port = mail_server(manners).to_string();
        let place = outside.place().set("LATCHKEY_MAIL__SMTP_PORT", &port);
        place.run(&CHECK).is(4).says(&[
            "finding  mail server: localhost over a plain connection",
            said,
            "smtp_port",
            "Found: 1.",
        ]);
    }
    let place = outside
        .place()
        .set("LATCHKEY_MAIL__SMTP_PORT", &free_port().to_string());
    place
        .run(&CHECK)
        .is(4)
        .says(&["finding  mail server", "refused", "Found: 1."]);
    // Another name than this machine's asks for TLS, and this server speaks none.
    let plain = mail_server_on("127.0.0.2", Manners::Polite).to_string();
    let place = outside
        .place()
        .set("LATCHKEY_MAIL__SMTP_HOST", "127.0.0.2")
        .set("LATCHKEY_MAIL__SMTP_PORT", &plain);
    place.run(&CHECK).is(4).says(&[
        "finding  mail server: 127.0.0.2 over TLS: TLS could not be set up",
        "Found: 1.",
    ]);
}

#[test]
fn user_and_password_of_the_mail_server_are_tried_and_not_printed() {
    let outside = Outside::new();
    let place = || outside.place().edit(&[("# smtp_user =", "smtp_user =")]);
    place()
        .set("LATCHKEY_SMTP_PASSWORD", PASSWORD)
        .run(&CHECK)
        .is(0)
        .says(&["ok       mail server", "takes user and password"]);
    place()
        .set("LATCHKEY_SMTP_PASSWORD", "hunter2hunter2other")
        .run(&CHECK)
        .is(4)
        .says(&["finding  mail server", "535: user and password do not fit"])
        .never_says(&["latchkey is not known here"]);
}

#[test]
fn an_origin_that_is_away_or_broken_is_found_and_one_that_leads_elsewhere_is_noted() {
    let outside = Outside::new();
    let with_origin = |address: &str| {
        let place = outside.place();
        let text = place.read("latchkey.toml");
        let line = text
            .lines()
            .find(|line| line.starts_with("origin ="))
            .unwrap()
            .to_owned();
        place.edit(&[(&line, &format!("origin = \"http://{address}\""))])
    };
    with_origin(&format!("127.0.0.1:{}", free_port()))
        .run(&CHECK)
        .is(4)
        .says(&[
            "finding  origin of sit_news",
            "cannot be reached",
            "refused",
            "Found: 1.",
        ]);
    let broken = Router::new().fallback(async || StatusCode::BAD_GATEWAY);
    with_origin(&serve(&outside.runtime, broken).to_string())
        .run(&CHECK)
        .is(4)
        .says(&[
            "finding  origin of sit_news",
            "502 Bad Gateway for www.gazette.test",
            "Found: 1.",
        ]);
    let elsewhere = Router::new().fallback(async |request: Request| {
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        axum::response::Redirect::to(&format!("https://{host}/start"))
    });
    with_origin(&serve(&outside.runtime, elsewhere).to_string())
        .run(&CHECK)
        .is(0)
        .says(&["note     origin of sit_news", "303", "https://www.gazette.test/start"]);
}

#[test]
fn an_account_origin_that_answers_is_told() {
    let outside = Outside::new();
    let healthy = Router::new().route("/healthz", axum::routing::get(async || "ok\n"));
    let healthy = serve(&outside.runtime, healthy).port();
    let place = outside
        .place()
        .edit(&[("account.localhost:1", &format!("localhost:{healthy}"))]);
    place.run(&CHECK).is(0).says(&["ok       account origin"]);
    let other = serve(&outside.runtime, Router::new()).port();
    let place = outside
        .place()
        .edit(&[("account.localhost:1", &format!("localhost:{other}"))]);
    place.run(&CHECK).is(0).says(&["note     account origin", "404"]);
}

#[test]
fn an_sqlite_file_is_told_by_what_is_wrong_with_it() {
    let outside = Outside::new();
    let place = outside.place().set("DATABASE_URL", "sqlite:absent.db");
    place.run(&CHECK).is(4).says(&[
        "finding  database: the file is not there yet",
        "latchkey migrate",
        "Found: 1.",
    ]);
    assert!(!place.path("absent.db").exists(), "a check made the database");

    let place = outside.place();
    let file = place.path("latchkey.db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100..4096].fill(0x5a);
    std::fs::write(&file, bytes).unwrap();
    place
        .run(&CHECK)
        .is(4)
        .says(&["finding  database", "is damaged", "Found: 1."]);

    if is_root() {
        eprintln!("SKIPPED: as root no file is closed, so that a read-only one cannot be tried");
        return;
    }
    let place = outside.place();
    for name in ["latchkey.db", "latchkey.db-wal", "latchkey.db-shm"] {
        let file = place.path(name);
        if let Ok(state) = std::fs::metadata(&file) {
            let mut closed = state.permissions();
            closed.set_readonly(true);
            std::fs::set_permissions(&file, closed).unwrap();
        }
    }
    place.run(&CHECK).is(4).says(&["finding  database", "read-only"]);
}

#[test]
fn a_postgres_database_is_told_by_what_is_wrong_with_it() {
    let Some(url) = postgres("online") else { return };
    let outside = Outside::new();
    let place = outside.place().set("DATABASE_URL", &url);
    place
        .run(&CHECK)
        .is(4)
        .says(&["finding  database: it has version 0", "latchkey migrate", "Found: 1."]);
    place.run(&["migrate"]).is(0);
    place.run(&CHECK).is(0).says(&["ok       database"]);

    let name = url.rsplit_once('/').unwrap().1;
    psql(
        &url,
        &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
    );
    place.run(&CHECK).is(4).says(&[
        "finding  database: it can be read, and not written to",
        "the database is read-only",
        "Found: 1.",
    ]);

    let undo = format!("BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT");
    psql(&url, &undo);

    // Somebody who may look and not touch, and somebody whom the server does not know.
    let reader = format!("{name}_reader");
    psql(&url, &format!("CREATE ROLE {reader} LOGIN PASSWORD 'hunter2'"));
    psql(
        &url,
        &format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}"),
    );
    let with_user = |user: &str| {
        let mut url = url::Url::parse(&url).unwrap();
        url.set_username(user).unwrap();
        url.set_password(Some("hunter2")).unwrap();
        outside.place().set("DATABASE_URL", url.as_str()).run(&CHECK)
    };
    let (reads, unknown) = (with_user(&reader), with_user("latchkey_unknown"));
    psql(&url, &format!("DROP OWNED BY {reader}"));
    psql(&url, &format!("DROP ROLE {reader}"));
    reads.is(4).says(&[
        "finding  database: it can be read, and not written to",
        "lacks a permission",
        "Found: 1.",
    ]);
    unknown.is(4).says(&[
        "finding  database: the database URL cannot be used",
        "user",
        "code 28",
        "Found: 1.",
    ]);

    let absent = format!("{url}_absent");
    place.set("DATABASE_URL", &absent).run(&CHECK).is(4).says(&[
        "finding  database",
        "no database of this name",
        "Found: 1.",
    ]);
    let nobody = format!("postgres://me:hunter2@127.0.0.1:{}/latchkey", free_port());
    outside.place().set("DATABASE_URL", &nobody).run(&CHECK).is(4).says(&[
        "finding  database",
        "DATABASE_URL",
        "Found: 1.",
    ]);
}
