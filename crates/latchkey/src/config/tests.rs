use super::*;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::from_pairs(
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

fn problem(text: &str) -> String {
    Config::from_toml(text, &Environment::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn the_file_that_init_writes_is_valid_and_holds_the_defaults() {
    let config = Config::from_toml(TEMPLATE, &Environment::default()).unwrap();
    assert_eq!(config.issuer(), "https://account.publisher.example");
    assert_eq!(
        config.server.pass_life_seconds,
        ServerSection::default().pass_life_seconds
    );
    assert_eq!(config.edge.listen, EdgeSection::default().listen);
    assert_eq!(config.policies().len(), 1);
}

#[test]
fn the_environment_overrides_the_file() {
    let set = environment(&[
        ("LATCHKEY_SERVER__PASS_LIFE_SECONDS", "120"),
        ("DATABASE_URL", "postgres://db/latchkey"),
    ]);
    let config = Config::from_toml(TEMPLATE, &set).unwrap();
    assert_eq!(config.server.pass_life_seconds, 120);
    assert_eq!(config.database.url, "postgres://db/latchkey");
}

#[test]
fn an_unknown_key_is_an_error_that_names_it_and_where_it_stands() {
    let error = problem(&TEMPLATE.replace("pass_life_seconds", "pass_live_seconds"));
    assert!(error.contains("pass_live_seconds"), "{error}");
    let set = environment(&[("LATCHKEY_SERVER__LISTN", "x")]);
    let error = Config::from_toml(TEMPLATE, &set).unwrap_err().to_string();
    assert!(
        error.contains("listn") && error.contains("LATCHKEY_SERVER__LISTN"),
        "{error}"
    );
}

#[test]
fn equal_hosts_of_account_and_site_are_refused() {
    let error = problem(&TEMPLATE.replace("www.publisher.example", "account.publisher.example"));
    assert!(
        error.contains("account origin too") && error.contains("help:"),
        "{error}"
    );
}

#[test]
fn plain_http_is_refused_except_on_localhost() {
    let error = problem(&TEMPLATE.replace("https://account", "http://account"));
    assert!(error.contains("not https"), "{error}");
    let local = TEMPLATE.replace("https://account.publisher.example", "http://account.localhost:8080");
    assert!(Config::from_toml(&local, &Environment::default()).is_ok());
}

#[test]
fn secrets_come_from_files_too_and_are_never_printed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "sk_test_secret\n").unwrap();
    let set = environment(&[("STRIPE_SECRET_KEY_FILE", file.to_str().unwrap())]);
    let secret = Secrets(&set).required("STRIPE_SECRET_KEY").unwrap();
    assert_eq!(secret.expose(), "sk_test_secret");
    assert_eq!(format!("{secret:?}"), "[redacted]");
    let both = environment(&[("STRIPE_SECRET_KEY_FILE", "x"), ("STRIPE_SECRET_KEY", "y")]);
    assert!(matches!(
        Secrets(&both).required("STRIPE_SECRET_KEY"),
        Err(SecretsError::Twice(_))
    ));
    let weak = environment(&[("LATCHKEY_EDGE_TOKEN", "short")]);
    assert!(matches!(Secrets(&weak).edge_token(), Err(SecretsError::WeakEdgeToken)));
}

#[test]
fn the_example_of_the_environment_is_made_from_the_list() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.env.example");
    assert_eq!(
        std::fs::read_to_string(file).unwrap(),
        example(),
        "write `latchkey config env-example` to .env.example"
    );
    assert!(VARIABLES.iter().any(|variable| variable.name == "DATABASE_URL"));
}

#[test]
fn what_money_that_goes_back_does_is_a_choice_of_named_words() {
    let config = Config::from_toml(TEMPLATE, &Environment::default()).unwrap();
    assert_eq!(config.money_back, MoneyBackPolicy::default());
    let kind = TEMPLATE.replace("full_refund = \"end\"", "full_refund = \"keep\"");
    let set = environment(&[("LATCHKEY_MONEY_BACK__DOUBLE_SUBSCRIPTION", "alert")]);
    let config = Config::from_toml(&kind, &set).unwrap().money_back;
    assert_eq!(config.full_refund, latchkey_billing::FullRefund::Keep);
    assert_eq!(config.double_subscription, latchkey_billing::DoubleSubscription::Alert);
    let error = problem(&TEMPLATE.replace("open_dispute = \"suspend\"", "open_dispute = \"shrug\""));
    assert!(error.contains("shrug") && error.contains("suspend"), "{error}");
}
