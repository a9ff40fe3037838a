//! Every object the sandbox emits is one that Stripe's own types and Stripe's own examples agree with.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Bench, text};
use miniserde::json as narrow;
use serde::de::DeserializeOwned;
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/stripe/fixtures3.json");

/// Keys of the fixtures (written before the API version spoken here) that this version's objects do not have, or only if asked for.
const NOT_IN_ENDIVE: [(&str, &str); 2] = [
    // Only where `expand` asks for it.
    ("charge", "refunds"),
    // Only in lines that credit a line of the invoice; the sandbox credits amounts.
    ("credit_note", "lines.data.invoice_line_item"),
];

/// Both ways in which async-stripe reads: serde, which names the field at fault, and miniserde, which its client uses.
fn parses<T: DeserializeOwned + miniserde::Deserialize>(object: &Value) {
    let text = object.to_string();
    if let Err(error) = serde_json::from_str::<T>(&text) {
        panic!("{}: {error}\n{object:#}", std::any::type_name::<T>());
    }
    assert!(
        narrow::from_str::<T>(&text).is_ok(),
        "{} does not parse with miniserde:\n{object:#}",
        std::any::type_name::<T>()
    );
}

fn check(object: &Value) {
    match object["object"].as_str() {
        Some("customer") if object["deleted"] == true => parses::<stripe_shared::DeletedCustomer>(object),
        Some("customer") => parses::<stripe_shared::Customer>(object),
        Some("product") => parses::<stripe_shared::Product>(object),
        Some("price") => parses::<stripe_shared::Price>(object),
        Some("checkout.session") => parses::<stripe_shared::CheckoutSession>(object),
        Some("subscription") => parses::<stripe_shared::Subscription>(object),
        Some("invoice") => parses::<stripe_shared::Invoice>(object),
        Some("invoice_payment") => parses::<stripe_shared::InvoicePayment>(object),
        Some("payment_intent") => parses::<stripe_shared::PaymentIntent>(object),
        Some("coupon") => parses::<stripe_shared::Coupon>(object),
        Some("promotion_code") => parses::<stripe_shared::PromotionCode>(object),
        Some("discount") => parses::<stripe_shared::Discount>(object),
        Some("payment_method") => parses::<stripe_shared::PaymentMethod>(object),
        Some("charge") => parses::<stripe_shared::Charge>(object),
        Some("refund") => parses::<stripe_shared::Refund>(object),
        Some("dispute") => parses::<stripe_shared::Dispute>(object),
        Some("credit_note") => parses::<stripe_shared::CreditNote>(object),
        Some("item") => parses::<stripe_shared::CheckoutSessionItem>(object),
        Some("event") => {
            parses::<stripe_shared::Event>(object);
            check(&object["data"]["object"]);
        }
        // Their types live in other crates of the family; the fixtures cover them.
        Some("billing_portal.session" | "billing_portal.configuration" | "webhook_endpoint" | "tax.settings") => {}
        Some("account") => parses::<stripe_shared::Account>(object),
        other => panic!("an object of kind {other:?}: {object}"),
    }
}

type Seen = BTreeMap<String, Vec<Value>>;

fn note(seen: &mut Seen, object: &Value) {
    seen.entry(text(object, "object")).or_default().push(object.clone());
}

async fn note_list(bench: &Bench, seen: &mut Seen, path: &str) {
    for object in bench.get(path).await["data"].as_array().unwrap() {
        note(seen, object);
    }
}

async fn note_all(bench: &Bench, seen: &mut Seen) {
    for noun in [
        "customers",
        "products",
        "prices",
        "checkout/sessions",
        "invoices",
        "invoice_payments",
        "payment_intents",
        "charges",
        "refunds",
        "disputes",
        "credit_notes",
        "events",
        "webhook_endpoints",
        "billing_portal/configurations",
        "coupons",
        "promotion_codes",
    ] {
        note_list(bench, seen, &format!("/v1/{noun}?limit=100")).await;
    }
    note_list(bench, seen, "/v1/subscriptions?limit=100&status=all").await;
    note_list(bench, seen, "/v1/charges?limit=100&expand[]=data.refunds").await;
    let expanded = bench
        .get("/v1/subscriptions?limit=100&status=all&expand[]=data.discounts")
        .await;
    for subscription in expanded["data"].as_array().unwrap() {
        for discount in subscription["discounts"].as_array().unwrap() {
            note(seen, discount);
        }
    }
}

/// A one-off purchase by somebody new; its session.
async fn buy_pass(bench: &Bench) -> String {
    let pairs = [
        ("product_data[name]", "Pass"),
        ("currency", "usd"),
        ("unit_amount", "300"),
    ];
    let price = text(&bench.post("/v1/prices", &pairs).await, "id");
    let pairs = [
        ("mode", "payment"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("customer_email", "p@example.org"),
        ("success_url", "http://a.localhost"),
    ];
    let session = text(&bench.post("/v1/checkout/sessions", &pairs).await, "id");
    assert_eq!(bench.pay(&session, "4242424242424242").await.status, 303);
    session
}

/// Money that goes back by each way that there is.
async fn money_goes_back(bench: &Bench, price: &str) {
    for number in [
        "4000000000005126",
        "4000000000007726",
        "4000000000000259",
        "4000000000001976",
    ] {
        let (customer, _) = bench.subscribe(price, number).await;
        let charges = bench.get(&format!("/v1/charges?customer={customer}")).await;
        let charge = text(&charges["data"][0], "id");
        if ["5126", "7726"].contains(&&number[12..]) {
            bench
                .post("/v1/refunds", &[("charge", &charge), ("amount", "200")])
                .await;
        }
    }
    let (customer, _) = bench.subscribe(price, "4242424242424242").await;
    let invoices = bench.get(&format!("/v1/invoices?customer={customer}")).await;
    let note = [
        ("invoice", text(&invoices["data"][0], "id")),
        ("amount", "500".to_owned()),
        ("refund_amount", "500".to_owned()),
    ];
    let note: Vec<(&str, &str)> = note.iter().map(|(name, value)| (*name, value.as_str())).collect();
    bench.post("/v1/credit_notes", &note).await;
    bench.sandbox.advance(2 * crate::support::HOUR_MS);
    let disputes = bench.get("/v1/disputes").await;
    let real = disputes["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["status"] == "needs_response");
    bench.sandbox.control().win_dispute(&text(real.unwrap(), "id")).unwrap();
}

/// Somebody pays less for two months, and somebody else begins a trial without a card; a third one's change waits for its payment.
async fn pay_otherwise(bench: &Bench, seen: &mut Seen) {
    let (month, more) = (bench.price().await, bench.price_of("900", "month").await);
    let terms = [
        ("amount_off", "200"),
        ("currency", "eur"),
        ("duration", "repeating"),
        ("duration_in_months", "2"),
    ];
    let coupon = text(&bench.post("/v1/coupons", &terms).await, "id");
    let pairs = [("promotion[type]", "coupon"), ("promotion[coupon]", coupon.as_str())];
    let code = text(&bench.post("/v1/promotion_codes", &pairs).await, "id");
    let customer = bench.customer().await;
    let less = text(
        &bench
            .session(&customer, &month, &[("discounts[0][promotion_code]", code.as_str())])
            .await,
        "id",
    );
    assert_eq!(bench.pay(&less, "4242424242424242").await.status, 303);
    let terms = [
        ("subscription_data[trial_period_days]", "7"),
        (
            "subscription_data[trial_settings][end_behavior][missing_payment_method]",
            "pause",
        ),
        ("payment_method_collection", "if_required"),
    ];
    let trial = text(&bench.session(&bench.customer().await, &month, &terms).await, "id");
    assert_eq!(bench.page("POST", &format!("/c/pay/{trial}"), &[]).await.status, 303);
    let (customer, id) = bench.subscribe(&month, "4242424242424242").await;
    let item = text(&bench.subscription(&id).await["items"]["data"][0], "id");
    let pairs = [
        ("subscription", id.as_str()),
        ("subscription_details[items][0][id]", item.as_str()),
        ("subscription_details[items][0][price]", more.as_str()),
        ("subscription_details[proration_behavior]", "always_invoice"),
    ];
    note(seen, &bench.post("/v1/invoices/create_preview", &pairs).await);
    bench.sandbox.control().fail_next_payments(&customer, 1).unwrap();
    let pairs = [
        ("items[0][id]", item.as_str()),
        ("items[0][price]", more.as_str()),
        ("proration_behavior", "always_invoice"),
        ("payment_behavior", "pending_if_incomplete"),
    ];
    note(seen, &bench.post(&format!("/v1/subscriptions/{id}"), &pairs).await);
}

/// A life with everything in it; gives every object that was seen, by kind.
async fn live() -> Seen {
    let (bench, mut seen) = (Bench::new(), Seen::new());
    let (month, year) = (bench.price().await, bench.price_of("5000", "year").await);
    let (customer, id) = bench.subscribe(&month, "4242424242424242").await;
    bench.subscribe(&month, "4000000000000341").await;
    money_goes_back(&bench, &month).await;
    let trial = [("subscription_data[trial_period_days]", "7")];
    let trial = text(&bench.session(&customer, &month, &trial).await, "id");
    bench.pay(&trial, "4000000000000002").await;
    bench.pay(&trial, "4242424242424242").await;
    let open = text(&bench.session(&customer, &year, &[]).await, "id");
    bench.pay(&open, "4000002500003155").await;
    let pass = buy_pass(&bench).await;
    pay_otherwise(&bench, &mut seen).await;
    let item = text(&bench.subscription(&id).await["items"]["data"][0], "id");
    note_all(&bench, &mut seen).await;
    bench.sandbox.advance(3 * crate::support::DAY_MS);
    let path = format!("/v1/subscriptions/{id}");
    bench
        .post(&path, &[("items[0][id]", &item), ("items[0][price]", &year)])
        .await;
    bench
        .post(&path, &[("cancel_at_period_end", "true"), ("metadata[k]", "v")])
        .await;
    bench
        .sandbox
        .advance(26 * crate::support::DAY_MS + crate::support::HOUR_MS);
    note_all(&bench, &mut seen).await;
    note_list(&bench, &mut seen, &format!("/v1/checkout/sessions/{pass}/line_items")).await;
    note_list(&bench, &mut seen, &format!("/v1/payment_methods?customer={customer}")).await;
    let pairs = [("customer", customer.as_str()), ("return_url", "http://a.localhost")];
    note(&mut seen, &bench.post("/v1/billing_portal/sessions", &pairs).await);
    let pairs = [("url", "http://127.0.0.1:1"), ("enabled_events[0]", "*")];
    note(&mut seen, &bench.post("/v1/webhook_endpoints", &pairs).await);
    note(&mut seen, &bench.get("/v1/account").await);
    let pairs = [("head_office[address][country]", "DE")];
    note(&mut seen, &bench.post("/v1/tax/settings", &pairs).await);
    bench.sandbox.advance(30 * crate::support::DAY_MS);
    bench.delete(&format!("/v1/customers/{customer}")).await;
    note(&mut seen, &bench.get(&format!("/v1/customers/{customer}")).await);
    note_all(&bench, &mut seen).await;
    seen
}

#[tokio::test]
async fn every_object_parses_with_async_stripes_full_types() {
    let seen = live().await;
    for objects in seen.values() {
        objects.iter().for_each(check);
    }
    let kinds: BTreeSet<&str> = seen.keys().map(String::as_str).collect();
    for kind in [
        "customer",
        "product",
        "price",
        "checkout.session",
        "subscription",
        "invoice",
        "invoice_payment",
        "payment_intent",
        "payment_method",
        "charge",
        "refund",
        "dispute",
        "credit_note",
        "event",
        "item",
        "coupon",
        "promotion_code",
        "discount",
    ] {
        assert!(kinds.contains(kind), "no {kind} was seen");
    }
    let events: BTreeSet<String> = seen["event"].iter().map(|event| text(event, "type")).collect();
    println!(
        "{} objects of {} kinds, {} types of event",
        seen.values().map(Vec::len).sum::<usize>(),
        kinds.len(),
        events.len()
    );
}

/// Collects the keys that the example has and ours lacks, in objects that both have.
fn missing(kind: &str, at: &str, example: &Value, ours: &Value, found: &mut BTreeSet<String>) {
    match (example, ours) {
        (Value::Object(example), Value::Object(ours)) if !at.ends_with("metadata") => {
            for (key, value) in example {
                let path = if at.is_empty() {
                    key.clone()
                } else {
                    format!("{at}.{key}")
                };
                match ours.get(key) {
                    Some(ours) => missing(kind, &path, value, ours, found),
                    None if NOT_IN_ENDIVE.contains(&(kind, path.as_str())) => {}
                    None => {
                        found.insert(format!("{kind}: {path}"));
                    }
                }
            }
        }
        (Value::Array(example), Value::Array(ours)) => {
            if let (Some(example), Some(ours)) = (example.first(), ours.first()) {
                missing(kind, at, example, ours, found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn every_key_of_stripes_examples_is_present() {
    let Ok(fixtures) = std::fs::read_to_string(FIXTURES) else {
        eprintln!("SKIPPED: {FIXTURES} is not there; the sandbox's objects were not compared with Stripe's examples");
        return;
    };
    let fixtures: Value = serde_json::from_str(&fixtures).unwrap();
    let mut found = BTreeSet::new();
    for (kind, objects) in live().await {
        let example = &fixtures["resources"][kind.as_str()];
        assert!(example.is_object(), "no example of {kind}");
        for object in objects.iter().filter(|object| object["deleted"] != true) {
            if kind != "event" {
                missing(&kind, "", example, object, &mut found);
                continue;
            }
            missing("event", "", &without_data(example), object, &mut found);
            let inner = &object["data"]["object"];
            let kind = text(inner, "object");
            missing(&kind, "", &fixtures["resources"][kind.as_str()], inner, &mut found);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn without_data(event: &Value) -> Value {
    let mut event = event.clone();
    event.as_object_mut().unwrap().remove("data");
    event
}

#[test]
fn the_comparison_notices_a_missing_key_at_any_depth() {
    let example = serde_json::json!({ "id": "x", "items": { "data": [{ "price": { "id": "p" } }] }, "gone": null });
    let ours = serde_json::json!({ "id": "y", "items": { "data": [{ "price": {} }] } });
    let mut found = BTreeSet::new();
    missing("thing", "", &example, &ours, &mut found);
    assert_eq!(
        found,
        BTreeSet::from(["thing: gone".to_owned(), "thing: items.data.price.id".to_owned()])
    );
}
