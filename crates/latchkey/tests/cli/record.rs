//! `latchkey stripe record` and `replay`: no Stripe can be reached from here, so that the sandbox is recorded, and differences are planted.

use serde_json::{Value, json};

use crate::{outside::Outside, program::Place};

/// A recording of the sandbox, line by line.
fn recorded(place: &Place) -> Vec<Value> {
    place.run(&["stripe", "record", "--out", "stripe.jsonl"]).is(0).says(&[
        "Recorded ",
        "GET /account\n",
        "DELETE /customers/cus_",
        "GET /subscriptions/sub_1Nowhere",
    ]);
    let text = place.read("stripe.jsonl");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Changes a line of a recording.
type Plant<'a> = &'a dyn Fn(&mut Value);

fn write(place: &Place, lines: &[Value]) {
    let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
    place.write("planted.jsonl", text.join("\n"));
}

#[test]
fn what_was_recorded_of_the_sandbox_is_what_the_sandbox_answers() {
    let outside = Outside::new();
    let place = outside.place();
    let lines = recorded(&place);
    assert!(lines.len() > 30, "{}", lines.len());
    let made = |path: &str| {
        let found = lines
            .iter()
            .find(|line| line["method"] == "POST" && line["path"] == path);
        found.map(|line| line["status"].as_u64().unwrap())
    };
    for path in [
        "/v1/customers",
        "/v1/prices",
        "/v1/checkout/sessions",
        "/v1/subscriptions",
    ] {
        assert_eq!(made(path), Some(200), "{path}");
    }
    // The sandbox of the test was not new: the replay's own has other lists, and what was set up before is not in it.
    let played = place.run(&["stripe", "replay", "stripe.jsonl"]);
    let said = &played.out;
    assert!(said.contains("calls played, 0 answered otherwise."), "{said}");
    played.is(0);

    // It cleans up after itself.
    let left = outside.listed("/v1/customers?limit=100");
    assert_eq!(left.len(), 0, "{left:?}");
    let active = outside.listed("/v1/prices?limit=100&active=true");
    assert_eq!(active.len(), 2, "those of the place alone");
}

#[test]
fn no_secret_and_nobodys_data_stands_in_a_recording() {
    let outside = Outside::new();
    let place = outside.place();
    recorded(&place);
    let text = place.read("stripe.jsonl");
    for private in [
        "sk_test",
        "hunter2",
        "whsec_",
        "reader@example.org",
        "\"4242\"",
        "_secret_",
        "/c/pay/",
        "/p/session/",
        "Latchkey recording",
    ] {
        assert!(!text.contains(private), "{private} stands in the recording");
    }
    assert!(text.contains("cus_Recorded1") && text.contains("price_Recorded1"));
}

#[test]
fn planted_differences_are_each_found_and_named() {
    let outside = Outside::new();
    let place = outside.place();
    let lines = recorded(&place);
    let at = |method: &str, path: &str| {
        let found = lines.iter().position(|line| {
            line["method"] == method && line["path"].as_str().is_some_and(|found| found.starts_with(path))
        });
        found.unwrap_or_else(|| panic!("no {method} {path}"))
    };
    let (customer, subscription) = (at("POST", "/v1/customers"), at("POST", "/v1/subscriptions"));
    let is_nowhere = |line: &Value| line["method"] == "GET" && line["status"] == 404;
    let nowhere = lines.iter().position(is_nowhere).unwrap();
    let planted: [(usize, Plant<'_>, &str); 7] = [
        (
            customer,
            &|line| line["body"]["loyalty"] = json!({}),
            "loyalty is missing",
        ),
        (
            customer,
            &|line| drop(line["body"].as_object_mut().unwrap().remove("balance")),
            "balance is there, and Stripe has no such field",
        ),
        (
            subscription,
            &|line| line["body"]["items"]["data"][0]["quantity"] = json!("1"),
            "items.data.0.quantity is a number, and Stripe's is a string",
        ),
        (
            subscription,
            &|line| line["body"]["status"] = json!("trialing"),
            "status is active, and Stripe's is trialing",
        ),
        (
            subscription,
            &|line| line["body"]["items"]["data"] = json!([]),
            "items.data has 1 entries, and Stripe's has 0",
        ),
        (
            nowhere,
            &|line| line["body"]["error"]["code"] = json!("resource_gone"),
            "error.code is resource_missing, and Stripe's is resource_gone",
        ),
        (
            nowhere,
            &|line| line["status"] = json!(410),
            "(status) is 404, and Stripe's is 410",
        ),
    ];
    for (line, plant, said) in planted {
        let mut lines = lines.clone();
        plant(&mut lines[line]);
        write(&place, &lines);
        place.run(&["stripe", "replay", "planted.jsonl"]).is(4).says(&[
            &format!("line {}: ", line + 1),
            said,
            " calls played, 1 answered otherwise.",
        ]);
    }
}

#[test]
fn a_live_key_records_nothing_and_no_file_is_overwritten() {
    let outside = Outside::new();
    let place = outside.place().set("STRIPE_SECRET_KEY", "sk_live_hunter2hunter2");
    outside.calls.lock().unwrap().clear();
    let record = ["stripe", "record", "--out", "stripe.jsonl"];
    place
        .run(&record)
        .is(3)
        .says(&["is for test mode alone; nothing was called"]);
    assert!(outside.calls.lock().unwrap().is_empty());
    let place = outside.place();
    place.write("stripe.jsonl", "mine");
    place.run(&record).is(1).says(&["name a new file"]);
    assert_eq!(place.read("stripe.jsonl"), "mine");
    place
        .run(&["stripe", "replay", "stripe.jsonl"])
        .is(1)
        .says(&["is no recording: line 1"]);
}
