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

/// The template with another price in place of its yearly one.
fn with_price(price: &str) -> String {
    let (before, _) = TEMPLATE.split_once("[[plan.price]]\nid = \"prc_yearly\"").unwrap();
    format!("{before}[[plan.price]]\nid = \"prc_other\"\n{price}\n")
}

fn price(lines: &str) -> String {
    with_price(&format!(
        "stripe_price = \"price_other\"\ncurrency = \"eur\"\namount_minor = 500\ninterval = \"year\"\n{lines}"
    ))
}

#[test]
fn every_kind_of_price_that_the_template_shows_is_read() {
    // The shown lines without their `#`.
    let at = TEMPLATE.find("# interval_count = 1").unwrap();
    let shown: Vec<&str> = TEMPLATE[at..]
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .filter(|line| line.starts_with('[') || line.contains(" = "))
        .filter(|line| !line.starts_with(|first: char| first.is_uppercase()))
        // Of trial, introduction and codes a price has one.
        .filter(|line| {
            !line.starts_with("trial_") && !line.starts_with("promotion_codes") && *line != "name = \"Yearly\""
        })
        .collect();
    let config = Config::from_toml(
        &format!("{}{}", &TEMPLATE[..at], shown.join("\n")),
        &Environment::default(),
    )
    .unwrap();
    let prices = &crate::instance::plans(&config)[0].prices;
    let terms = |id: &str| &prices.iter().find(|price| price.id.as_str() == id).unwrap().terms;
    assert_eq!(terms("prc_yearly").currencies.len(), 2);
    assert!(terms("prc_yearly").introduction.is_some());
    assert!(!terms("prc_student").needs.is_nothing() && terms("prc_student").needs.mail_domains.len() == 2);
    assert_eq!(
        terms("prc_free_choice").chosen.as_ref().unwrap().suggestions,
        [300, 800, 1_500]
    );
}

#[test]
fn a_trial_and_its_card_are_read() {
    let text =
        price("trial_days = 14\ntrial_card = \"not_required\"\ntrial_without_card = \"pause\"\npromotion_codes = true");
    let config = Config::from_toml(&text, &Environment::default()).unwrap();
    let terms = crate::instance::plans(&config)[0].prices[1].terms.clone();
    let card = latchkey_billing::TrialCard::NotRequired(latchkey_billing::MissingCard::Pause);
    assert_eq!(terms.trial, Some(latchkey_billing::Trial { days: 14, card }));
    assert!(terms.promotion_codes);
}

#[test]
fn prices_that_make_no_sense_are_refused_with_what_to_do() {
    let chosen = |minimum, maximum, suggestion| {
        with_price(&format!(
            "currency = \"eur\"\namount_minor = {suggestion}\ninterval = \"year\"\n[plan.price.chosen]\nstripe_product = \"prod_1\"\nminimum_minor = {minimum}\nmaximum_minor = {maximum}"
        ))
    };
    let of = |currency: &str, amount: i64| {
        with_price(&format!(
            "stripe_price = \"price_other\"\ncurrency = \"{currency}\"\namount_minor = {amount}\ninterval = \"year\""
        ))
    };
    let intro = |lines: &str| price(&format!("[plan.price.intro]\ncoupon = \"c\"\n{lines}"));
    for (text, words) in [
        (of("xxx", 500), "Stripe charges nothing in `xxx`"),
        (of("eur", 0), "not above zero"),
        (of("eur", 49), "€0.49, is less than Stripe charges"),
        (of("jpy", 49), "¥49, is less than Stripe charges"),
        (of("kwd", 5_124), "no multiple of 10"),
        (of("isk", 55_050), "no multiple of 100"),
        (of("eur", 100_000_000), "more than Stripe charges"),
        (price("currencies = { eur = 500 }"), "currencies has eur again"),
        (
            price("currencies = { usd = 10 }"),
            "currencies.usd, $0.10, is less than Stripe charges",
        ),
        (price("interval_count = 4"), "longer than Stripe allows"),
        (price("interval_count = 0"), "interval_count is not above zero"),
        (price("trial_days = 0"), "trial_days = 0 is out of range"),
        (price("trial_days = 731"), "trial_days = 731 is out of range"),
        (
            price("trial_card = \"required\""),
            "says what becomes of a trial, and has none",
        ),
        (
            price("trial_days = 7\ntrial_without_card = \"pause\""),
            "for trials that begin without a card",
        ),
        (intro("percent_off = 60\nmonths = 0"), "months is 0"),
        (intro("percent_off = 60.555"), "not said, said twice, or not a number"),
        (intro("percent_off = 60\namount_off_minor = 5"), "not said, said twice"),
        (
            intro("amount_off_minor = 470"),
            "what it leaves, €0.30, is less than Stripe charges",
        ),
        (
            price("currencies = { usd = 600 }\n[plan.price.intro]\ncoupon = \"c\"\namount_off_minor = 100"),
            "takes nothing off in usd",
        ),
        (
            price("trial_days = 7\n[plan.price.intro]\ncoupon = \"c\"\npercent_off = 50"),
            "coupon's time runs during the trial",
        ),
        (
            price("promotion_codes = true\n[plan.price.intro]\ncoupon = \"c\"\npercent_off = 50"),
            "takes one or the other",
        ),
        (
            chosen(600, 9_000, 500),
            "minimum_minor = 600 is above the suggestion 500",
        ),
        (chosen(200, 400, 500), "maximum_minor = 400 is below the suggestion 500"),
        (
            chosen(20, 9_000, 500),
            "minimum_minor, €0.20, is less than Stripe charges",
        ),
        (
            with_price("currency = \"eur\"\namount_minor = 500\ninterval = \"year\""),
            "stripe_price is missing",
        ),
        (price("needs_statement = \" \""), "needs_statement is empty"),
        (price("needs_codes = [\"\"]"), "would let everybody in"),
        (price("needs_mail_domains = [\"uni\"]"), "write `uni.example`"),
        (price("trial_dys = 7"), "trial_dys"),
        (
            price("interval_count = 1").replace("\"year\"", "\"month\""),
            "same name, currency (eur) and interval",
        ),
        (
            TEMPLATE.replace("prc_yearly\"", "prc_monthly\""),
            "this id is there twice",
        ),
    ] {
        let told = problem(&text);
        assert!(told.contains(words), "{words}\n{told}");
    }
    assert!(Config::from_toml(&chosen(200, 9_000, 500), &Environment::default()).is_ok());
    assert!(Config::from_toml(&of("kwd", 5_120), &Environment::default()).is_ok());
}
