//! `latchkey stripe setup`, against the Stripe sandbox: everything is made once, whatever happened before.

use std::{os::unix::fs::PermissionsExt, sync::atomic::Ordering::SeqCst};

use crate::{
    outside::{Outside, archive},
    program::Place,
};

const SETUP: [&str; 2] = ["stripe", "setup"];
const ENDPOINT: &str = "http://account.localhost:1/webhooks/stripe";

/// A configuration whose prices are nowhere yet, as `latchkey init` writes it.
fn fresh(outside: &Outside) -> Place {
    outside.place().edit(&[
        (&outside.prices[0], "price_monthly_replace_me"),
        (&outside.prices[1], "price_yearly_replace_me"),
    ])
}

fn setup<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SETUP[..], more].concat()
}

/// Of what a set-up made: products, prices, portal configurations, endpoints.
fn made(outside: &Outside) -> [usize; 4] {
    let of_ours = |path: &str, name: &str| {
        let all = outside.listed(path);
        all.iter().filter(|one| one["metadata"][name].is_string()).count()
    };
    let prices = outside.listed("/v1/prices?lookup_keys[]=latchkey_prc_monthly&lookup_keys[]=latchkey_prc_yearly");
    [
        of_ours("/v1/products?limit=100", "latchkey_plan"),
        prices.len(),
        of_ours("/v1/billing_portal/configurations", "latchkey_made"),
        of_ours("/v1/webhook_endpoints", "latchkey_made"),
    ]
}

#[test]
fn what_is_needed_is_made_once_and_written_back() {
    let outside = Outside::new();
    let place = fresh(&outside);
    place.run(&setup(&["--dry-run"])).is(0).says(&[
        "In Stripe's test mode",
        "make     product of pln_supporter",
        "make     price prc_monthly (€5.00)",
        "make     price prc_yearly (€50.00)",
        "make     portal configuration",
        "make     webhook endpoint http://account.localhost:1/webhooks/stripe",
        "Nothing was made or changed (--dry-run). To do: 5.",
    ]);
    assert_eq!(made(&outside), [0; 4]);

    let before = place.read("latchkey.toml");
    let done = place.run(&setup(&["--write", "--secret-file", "whsec"])).is(0);
    assert_eq!(made(&outside), [1, 2, 1, 1]);
    let secret = place.read("whsec");
    assert!(secret.starts_with("whsec_") && secret.ends_with('\n'));
    done.never_says(&[secret.trim()]);
    let mode = std::fs::metadata(place.path("whsec")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let endpoint = &outside.listed("/v1/webhook_endpoints")[0];
    assert_eq!(endpoint["url"], ENDPOINT);
    assert_eq!(endpoint["api_version"], "2026-09-30.endive");
    assert!(
        endpoint["enabled_events"]
            .as_array()
            .unwrap()
            .contains(&"invoice.paid".into())
    );

    let after = place.read("latchkey.toml");
    let comments = |text: &str| text.lines().filter(|line| line.starts_with('#')).count();
    assert_eq!(comments(&before), comments(&after), "every comment stays");
    let lines = || after.lines().filter(|line| !line.starts_with('#'));
    assert!(!lines().any(|line| line.contains("replace_me")), "{after}");
    assert!(
        lines().any(|line| line.starts_with("portal_configuration = \"bpc_")),
        "{after}"
    );
    place.run(&["config", "check", "--online"]).is(0);

    outside.calls.lock().unwrap().clear();
    place
        .run(&SETUP)
        .is(0)
        .says(&["Everything is there; nothing was made or changed."]);
    let calls = outside.calls.lock().unwrap().clone();
    assert!(calls.iter().all(|call| call.starts_with("GET ")), "{calls:?}");
    assert_eq!(made(&outside), [1, 2, 1, 1]);
}

#[test]
fn whoever_does_not_say_write_gets_the_lines_to_paste() {
    let outside = Outside::new();
    let place = fresh(&outside);
    let before = place.read("latchkey.toml");
    place.run(&setup(&["--print-secret"])).is(0).says(&[
        "signing secret, shown this once",
        "whsec_sandbox",
        "# under [[plan.price]] with id = \"prc_monthly\"\nstripe_price = \"price_",
        "[stripe]\nportal_configuration = \"bpc_",
        "--write",
    ]);
    assert_eq!(place.read("latchkey.toml"), before);
    place
        .run(&SETUP)
        .is(0)
        .says(&["there    price prc_monthly", "stripe_price = \"price_"])
        .never_says(&["whsec_"]);
}

#[test]
fn without_a_place_for_the_secret_nothing_is_made() {
    let outside = Outside::new();
    let place = fresh(&outside);
    place
        .run(&SETUP)
        .is(3)
        .says(&["there is nowhere to put it; nothing was made", "--secret-file"]);
    place.write("taken", "something else");
    for taken in ["taken", "no/such/folder"] {
        place
            .run(&setup(&["--secret-file", taken]))
            .is(1)
            .says(&["nothing was made in Stripe either"]);
    }
    assert_eq!(place.read("taken"), "something else");
    assert_eq!(made(&outside), [0; 4]);
}

/// The process dies at each of its calls in turn, after Stripe has done what was asked; the next run finds it, and finishes.
#[test]
fn a_death_at_any_call_makes_nothing_twice_and_loses_no_secret() {
    let mut deaths = 0;
    for call in 1.. {
        let outside = Outside::new();
        let place = fresh(&outside);
        outside.lives.store(call, SeqCst);
        let first = place.run(&setup(&["--write", "--secret-file", "whsec"]));
        if first.code == Some(0) {
            break;
        }
        let died_making = outside
            .calls
            .lock()
            .unwrap()
            .get(call - 1)
            .is_some_and(|call| call.starts_with("POST "));
        deaths += usize::from(died_making);
        // One that only looked has been seen dying once: that is enough.
        if call > 1 && !died_making {
            continue;
        }
        first.is(1);
        outside.lives.store(usize::MAX, SeqCst);
        place.run(&setup(&["--write", "--secret-file", "whsec"])).is(0);
        assert_eq!(made(&outside), [1, 2, 1, 1], "after a death at call {call}");
        assert!(
            place.read("whsec").starts_with("whsec_"),
            "the secret is lost after a death at call {call}"
        );
        place
            .run(&SETUP)
            .is(0)
            .says(&["Everything is there; nothing was made or changed."]);
    }
    assert_eq!(deaths, 5, "each thing that is made was died at once");
}

#[test]
fn two_at_once_make_everything_once() {
    let outside = Outside::new();
    let place = fresh(&outside);
    let start = |file| {
        let arguments = setup(&["--secret-file", file]);
        place.command(&arguments).spawn().unwrap()
    };
    let both = [start("one"), start("two")];
    for child in both {
        crate::program::ended(child).is(0);
    }
    assert_eq!(made(&outside), [1, 2, 1, 1]);
}

#[test]
fn a_price_with_another_amount_is_never_changed() {
    let outside = Outside::new();
    let place = fresh(&outside);
    place.run(&setup(&["--write", "--print-secret"])).is(0);
    let place = place.edit(&[("amount_minor = 500\n", "amount_minor = 900\n")]);
    let prices = outside.listed("/v1/prices?limit=100");
    place.run(&SETUP).is(4).says(&[
        "differs  price prc_monthly (€9.00)",
        "Stripe bills €5.00 each month, and the configuration says €9.00 each month",
        "help: a price is never changed in place: add a [[plan.price]] with a new id",
        "there    price prc_yearly",
    ]);
    assert_eq!(outside.listed("/v1/prices?limit=100"), prices);
}

#[test]
fn prices_that_are_there_are_taken_with_their_product_and_archived_ones_told() {
    let outside = Outside::new();
    let place = outside.place();
    place.run(&setup(&["--dry-run"])).is(0).says(&[
        "there    product of pln_supporter",
        &format!("there    price prc_monthly (€5.00): {}", outside.prices[0]),
        "To do: 2.",
    ]);
    archive(&outside, &outside.prices[0]);
    place
        .run(&setup(&["--print-secret"]))
        .is(4)
        .says(&["differs  price prc_monthly", "not active in Stripe"]);
    assert_eq!(made(&outside)[..2], [0, 0]);
}

/// Complaint 8: an endpoint with the wrong list, or disabled, is put right in place: a new one would have another secret, and what is
/// under way would be refused.
#[test]
fn complaint_8_an_endpoint_is_put_right_in_place_and_keeps_its_secret() {
    let outside = Outside::new();
    let place = fresh(&outside);
    place.run(&setup(&["--write", "--print-secret"])).is(0);
    let id = outside.listed("/v1/webhook_endpoints")[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/webhook_endpoints/{id}");
    outside.dashboard("POST", &path, "disabled=true&enabled_events[]=payout.paid");
    place.run(&SETUP).is(0).says(&[
        "it is disabled; it does not send charge.dispute.closed",
        "it sends for nothing payout.paid",
        "changed  webhook endpoint",
        "its secret stays",
    ]);
    let endpoints = outside.listed("/v1/webhook_endpoints");
    assert_eq!((endpoints.len(), &endpoints[0]["id"]), (1, &id.into()));
    place.run(&SETUP).is(0).says(&["Everything is there"]);
}

/// Complaint 13: an endpoint without a pinned version is left alone until another stands beside it, and is named until it is gone.
#[test]
fn complaint_13_an_unpinned_endpoint_gets_a_pinned_one_beside_it() {
    let outside = Outside::new();
    let place = fresh(&outside);
    let body = format!("url={ENDPOINT}&enabled_events[]=*");
    let old = outside.dashboard("POST", "/v1/webhook_endpoints", &body);
    assert!(old["api_version"].is_null());
    let old = old["id"].as_str().unwrap();
    place.run(&setup(&["--write", "--print-secret"])).is(4).says(&[
        "make     webhook endpoint",
        &format!("differs  webhook endpoint {old}: it is pinned to no version"),
        "made     webhook endpoint",
    ]);
    assert_eq!(outside.listed("/v1/webhook_endpoints").len(), 2);
    place.run(&SETUP).is(4).says(&["there    webhook endpoint"]);
    outside.dashboard("DELETE", &format!("/v1/webhook_endpoints/{old}"), "");
    place.run(&SETUP).is(0).says(&["Everything is there"]);
}

#[test]
fn what_was_deleted_is_made_again_though_stripe_remembers_the_key() {
    let outside = Outside::new();
    let place = fresh(&outside);
    place.run(&setup(&["--write", "--print-secret"])).is(0);
    let id = outside.listed("/v1/webhook_endpoints")[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    outside.dashboard("DELETE", &format!("/v1/webhook_endpoints/{id}"), "");
    place
        .run(&setup(&["--print-secret"]))
        .is(0)
        .says(&["made     webhook endpoint", "whsec_"]);
    let endpoints = outside.listed("/v1/webhook_endpoints");
    assert_eq!(endpoints.len(), 1);
    assert_ne!(endpoints[0]["id"], id.as_str());
}

#[test]
fn a_live_key_is_asked_about_and_never_sent_to_a_stand_in() {
    let outside = Outside::new();
    let place = fresh(&outside).set("STRIPE_SECRET_KEY", "sk_live_hunter2hunter2");
    outside.calls.lock().unwrap().clear();
    place
        .run(&SETUP)
        .is(3)
        .says(&["a live key would be sent to [stripe] base_url"]);
    assert!(outside.calls.lock().unwrap().is_empty());
    let place = fresh(&outside).set("STRIPE_SECRET_KEY", "sk_test_sandbox_hunter2other");
    place
        .run(&SETUP)
        .is(1)
        .says(&["could not be read: Stripe does not accept the secret key"]);
}

#[test]
fn readers_get_the_portal_that_the_file_names() {
    let outside = Outside::new();
    let place = fresh(&outside);
    place.run(&setup(&["--write", "--print-secret"])).is(0);
    let file: toml::Table = place.read("latchkey.toml").parse().unwrap();
    let id = file["stripe"]["portal_configuration"].as_str().unwrap();
    let portal = outside.dashboard("GET", &format!("/v1/billing_portal/configurations/{id}"), "");
    assert_eq!(portal["features"]["subscription_cancel"]["mode"], "at_period_end");
    assert_eq!(portal["default_return_url"], "http://account.localhost:1/account");
    let path = format!("/v1/billing_portal/configurations/{id}");
    outside.dashboard("POST", &path, "features[invoice_history][enabled]=false");
    place
        .run(&SETUP)
        .is(0)
        .says(&["change   portal configuration", "changed  portal"]);
    let portal = outside.dashboard("GET", &path, "");
    assert_eq!(portal["features"]["invoice_history"]["enabled"], true);
}
