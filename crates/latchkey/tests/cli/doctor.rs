//! `latchkey doctor`, against the Stripe sandbox and a server that runs: each fault is found, named, and told how to mend.

use crate::{
    outside::Outside,
    program::{Place, Running, free_port},
};

const DOCTOR: [&str; 1] = ["doctor"];

/// A place that was set up, with the server that it describes.
fn healthy(outside: &Outside) -> (Place, Running, String) {
    let port = free_port();
    let place = outside.place().edit(&[
        (
            "http://account.localhost:1",
            &format!("http://account.localhost:{port}"),
        ),
        ("127.0.0.1:8300", &format!("127.0.0.1:{port}")),
    ]);
    place
        .run(&["stripe", "setup", "--write", "--secret-file", "whsec"])
        .is(0);
    let secret = place.read("whsec").trim().to_owned();
    let place = place.set("STRIPE_WEBHOOK_SECRETS", &secret);
    let server = place.start(&["serve"], "The account origin listens");
    (place, server, secret)
}

/// Something happens in Stripe, and is delivered.
fn happens(outside: &Outside) {
    outside.dashboard("POST", "/v1/customers", "email=reader@gazette.test");
    outside.runtime.block_on(outside.sandbox.deliver_due());
}

#[test]
fn a_healthy_instance_is_told_line_by_line() {
    let outside = Outside::new();
    let (place, _server, _) = healthy(&outside);
    place
        .run(&DOCTOR)
        .is(0)
        .says(&["note     webhook secret: nothing was delivered yet"]);
    happens(&outside);
    let tried = place.run(&DOCTOR).is(0).says(&[
        "ok       configuration",
        "ok       secrets",
        "ok       database: is reached",
        "ok       Stripe key: is accepted, in test mode",
        "ok       Stripe account: acct_",
        "ok       clock: agrees with Stripe's",
        "ok       price prc_monthly",
        "ok       webhook endpoint: one sends to http://account.localhost",
        "pinned to 2026-09-30.endive, exactly the events that are read",
        "ok       webhook secret: a delivery was verified on 20",
        "ok       portal configuration: bpc_",
        "note     tax: Stripe Tax is not set up (it lacks head_office",
        "requires_location_inputs",
        "ok       mail server",
        "ok       origin of sit_news",
        "ok       account origin",
        "ok       webhook route",
        "Everything that was looked at is in order.",
    ]);
    tried.never_says(&["reader@gazette.test", "whsec_"]);
    let json = place.run(&["doctor", "--json"]).is(0);
    let lines: Vec<serde_json::Value> = serde_json::from_str(&json.out).unwrap();
    assert!(lines.len() >= 15 && lines.iter().all(|line| line["state"] != "finding"));
    outside.dashboard(
        "POST",
        "/v1/tax/settings",
        "head_office[address][country]=DE&defaults[tax_behavior]=inclusive",
    );
    place.run(&DOCTOR).is(0).says(&["ok       tax: Stripe Tax is ready"]);
}

/// Complaint 8: a wrong secret, endpoints that were left over, doubled, disabled, or send something else.
#[test]
fn complaint_8_wrong_secrets_and_endpoints_are_found_and_told_how_to_mend() {
    let outside = Outside::new();
    let (place, server, secret) = healthy(&outside);
    happens(&outside);
    drop(server);
    let place = place.set("STRIPE_WEBHOOK_SECRETS", "whsec_of_another_endpoint");
    let server = place.start(&["serve"], "The account origin listens");
    happens(&outside);
    place.run(&DOCTOR).is(4).says(&[
        "finding  webhook secret: the newest delivery, on 20",
        "was refused: no signature fits a configured webhook secret",
        "help: compare STRIPE_WEBHOOK_SECRETS with the signing secret of this very endpoint",
        "Found: 1.",
    ]);

    // While a secret is replaced both count, in either order.
    drop(server);
    let both = format!("whsec_of_another_endpoint,{secret}");
    let place = place.set("STRIPE_WEBHOOK_SECRETS", &both);
    let _server = place.start(&["serve"], "The account origin listens");
    happens(&outside);
    place
        .run(&DOCTOR)
        .is(0)
        .says(&["ok       webhook secret: a delivery was verified"]);

    let endpoint = outside.listed("/v1/webhook_endpoints")[0].clone();
    let (id, url) = (endpoint["id"].as_str().unwrap(), endpoint["url"].as_str().unwrap());
    let body = format!("url={url}&enabled_events[]=*&api_version=2026-09-30.endive");
    outside.dashboard("POST", "/v1/webhook_endpoints", &body);
    outside.dashboard("POST", &format!("/v1/webhook_endpoints/{id}"), "disabled=true");
    place.run(&DOCTOR).is(4).says(&[
        &format!("finding  webhook endpoint: {id} is disabled"),
        "sends for nothing *",
        "finding  webhook endpoint: 2 endpoints send to",
        "Found: 3.",
    ]);
    outside.dashboard(
        "POST",
        &format!("/v1/webhook_endpoints/{id}"),
        "url=http://old.localhost/webhooks/stripe",
    );
    for other in outside.listed("/v1/webhook_endpoints") {
        let other = other["id"].as_str().unwrap();
        if other != id {
            outside.dashboard("DELETE", &format!("/v1/webhook_endpoints/{other}"), "");
        }
    }
    place.run(&DOCTOR).is(4).says(&[
        "finding  webhook endpoint: no endpoint sends to http://account.localhost",
        &format!("{id} sends to http://old.localhost/webhooks/stripe"),
        "help: compare [instance] account_origin",
    ]);
}

/// Complaint 13: events in a version that nobody pinned.
#[test]
fn complaint_13_an_unpinned_endpoint_is_refused_with_the_version_that_is_read() {
    let outside = Outside::new();
    let place = outside.place();
    let body = "url=http://account.localhost:1/webhooks/stripe&enabled_events[]=invoice.paid";
    outside.dashboard("POST", "/v1/webhook_endpoints", body);
    place.run(&DOCTOR).is(4).says(&[
        "is pinned to no API version, so that its events are written in the account's own, whatever that is; this program reads 2026-09-30.endive",
        "help: an endpoint's version cannot be changed: `latchkey stripe setup` makes another",
        "does not send charge.dispute.closed",
    ]);
}

#[test]
fn a_clock_that_is_off_is_told_before_signatures_fail() {
    let outside = Outside::new();
    let place = outside.place();
    outside.sandbox.advance(60_000);
    place
        .run(&DOCTOR)
        .is(4)
        .says(&["finding  clock: is ", "s behind Stripe's", "NTP"])
        .never_says(&["every delivery of Stripe's is refused"]);
    outside.sandbox.advance(300_000);
    place
        .run(&DOCTOR)
        .is(4)
        .says(&["so that every delivery of Stripe's is refused"]);
}

#[test]
fn every_check_runs_although_others_fail() {
    let outside = Outside::new();
    let place = outside
        .place()
        .set("STRIPE_SECRET_KEY", "sk_test_sandbox_hunter2other")
        .set("LATCHKEY_MAIL__SMTP_PORT", &free_port().to_string())
        .set("DATABASE_URL", "sqlite:absent.db");
    place.run(&DOCTOR).is(4).says(&[
        "finding  database: the file is not there yet",
        "finding  Stripe key: Stripe does not accept the secret key",
        "skipped  clock",
        "skipped  price prc_monthly",
        "skipped  webhook endpoint",
        "skipped  webhook secret",
        "finding  mail server",
        "ok       origin of sit_news",
        "note     account origin",
        "skipped  webhook route",
        "Found: 3.",
    ]);
    assert!(!place.path("absent.db").exists(), "looking made a database");
    place.edit(&[("publication = ", "publicaton = ")]).run(&DOCTOR).is(3);
}

#[test]
fn a_portal_that_nobody_can_open_is_found() {
    let outside = Outside::new();
    outside.sandbox.control().forget_portal_default();
    let place = outside.place();
    place.run(&DOCTOR).is(4).says(&[
        "finding  portal configuration: the account has no default configuration",
        "help: `latchkey stripe setup --write` makes one",
    ]);
    place.run(&["stripe", "setup", "--write", "--print-secret"]).is(0);
    place.run(&DOCTOR).says(&["ok       portal configuration: bpc_"]);
}

#[test]
fn a_redirect_before_the_webhook_route_is_found() {
    let outside = Outside::new();
    let leads_on =
        axum::Router::new().fallback(async || axum::response::Redirect::permanent("https://elsewhere.test/"));
    let port = crate::outside::serve(&outside.runtime, leads_on).port();
    let place = outside.place().edit(&[(
        "http://account.localhost:1",
        &format!("http://account.localhost:{port}"),
    )]);
    place.run(&DOCTOR).is(4).says(&[
        "finding  webhook route",
        "answers 308",
        "Stripe follows no redirect and counts one as a failure",
    ]);
}
