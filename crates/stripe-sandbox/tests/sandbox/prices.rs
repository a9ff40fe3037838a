//! What prices come to: currencies, amounts of one's choice, trials, coupons, codes, changes.

use crate::support::{Bench, DAY_MS, HOUR_MS, period_end, text};
use serde_json::{Value, json};

async fn session(bench: &Bench, customer: &str, price: &str, extra: &[(&str, &str)]) -> String {
    text(&bench.session(customer, price, extra).await, "id")
}

async fn bought(bench: &Bench, session: &str) -> Value {
    let session = bench.get(&format!("/v1/checkout/sessions/{session}")).await;
    bench.subscription(&text(&session, "subscription")).await
}

async fn latest_invoice(bench: &Bench, subscription: &Value) -> Value {
    bench
        .get(&format!("/v1/invoices/{}", text(subscription, "latest_invoice")))
        .await
}

async fn coupon(bench: &Bench, extra: &[(&str, &str)]) -> String {
    text(&bench.post("/v1/coupons", extra).await, "id")
}

#[tokio::test]
async fn a_price_is_sold_in_each_of_its_currencies_and_a_customer_keeps_to_one() {
    let bench = Bench::new();
    let product = text(&bench.post("/v1/products", &[("name", "Ad-free")]).await, "id");
    let pairs = [
        ("product", product.as_str()),
        ("currency", "eur"),
        ("unit_amount", "500"),
        ("recurring[interval]", "month"),
        ("currency_options[jpy][unit_amount]", "800"),
        ("currency_options[kwd][unit_amount]", "1500"),
    ];
    let price = bench.post("/v1/prices", &pairs).await;
    assert_eq!(price.get("currency_options"), None);
    let id = text(&price, "id");
    let shown = bench.get(&format!("/v1/prices/{id}?expand[]=currency_options")).await;
    assert_eq!(shown["currency_options"]["jpy"]["unit_amount"], 800);
    assert_eq!(shown["currency_options"]["eur"]["unit_amount"], 500);

    let customer = bench.customer().await;
    let yen = session(&bench, &customer, &id, &[("currency", "jpy")]).await;
    assert!(
        bench
            .page("GET", &format!("/c/pay/{yen}"), &[])
            .await
            .html
            .contains("¥800")
    );
    assert_eq!(bench.pay(&yen, "4242424242424242").await.status, 303);
    let subscription = bought(&bench, &yen).await;
    assert_eq!(subscription["currency"], "jpy");
    assert_eq!(latest_invoice(&bench, &subscription).await["amount_paid"], 800);
    bench.sandbox.advance(29 * DAY_MS);
    let renewed = latest_invoice(&bench, &bought(&bench, &yen).await).await;
    assert_eq!((&renewed["currency"], &renewed["total"]), (&json!("jpy"), &json!(800)));

    let pairs = [
        ("mode", "subscription"),
        ("customer", customer.as_str()),
        ("currency", "kwd"),
        ("line_items[0][price]", id.as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://a.localhost"),
    ];
    let (status, error) = bench.refused("POST", "/v1/checkout/sessions", &pairs).await;
    assert_eq!(status, 400);
    assert!(text(&error, "message").contains("currency jpy"), "{error}");
}

#[tokio::test]
async fn amounts_that_no_card_can_pay_are_refused() {
    let bench = Bench::new();
    for (currency, amount, right) in [
        ("kwd", "5124", false),
        ("kwd", "5120", true),
        ("isk", "550", false),
        ("isk", "500", true),
    ] {
        let pairs = [
            ("product_data[name]", "Ad-free"),
            ("currency", currency),
            ("unit_amount", amount),
            ("recurring[interval]", "month"),
        ];
        let answer = bench.raw("POST", "/v1/prices", &[], &pairs).await;
        assert_eq!(answer.status == 200, right, "{currency} {amount}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_amount_of_ones_choice_goes_to_checkout_as_price_data() {
    let bench = Bench::new();
    let product = text(&bench.post("/v1/products", &[("name", "Ad-free")]).await, "id");
    let customer = bench.customer().await;
    let pairs = [
        ("mode", "subscription"),
        ("customer", customer.as_str()),
        ("line_items[0][price_data][product]", product.as_str()),
        ("line_items[0][price_data][currency]", "eur"),
        ("line_items[0][price_data][unit_amount]", "735"),
        ("line_items[0][price_data][recurring][interval]", "month"),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://a.localhost"),
    ];
    let id = text(&bench.post("/v1/checkout/sessions", &pairs).await, "id");
    bench.pay(&id, "4242424242424242").await;
    let subscription = bought(&bench, &id).await;
    let price = &subscription["items"]["data"][0]["price"];
    assert_eq!(
        (&price["unit_amount"], &price["active"], &price["product"]),
        (&json!(735), &json!(false), &json!(product))
    );
    assert_eq!(latest_invoice(&bench, &subscription).await["amount_paid"], 735);
    let unknown = pairs.map(|(name, value)| (name, if value == product { "prod_none" } else { value }));
    let (status, error) = bench.refused("POST", "/v1/checkout/sessions", &unknown).await;
    assert_eq!((status, &error["code"]), (400, &json!("resource_missing")));
}

#[tokio::test]
async fn a_trial_begins_without_a_card_and_ends_as_it_was_said() {
    for (missing, status) in [("cancel", "canceled"), ("pause", "paused")] {
        let bench = Bench::new();
        let (price, customer) = (bench.price().await, bench.customer().await);
        let terms = [
            ("subscription_data[trial_period_days]", "14"),
            (
                "subscription_data[trial_settings][end_behavior][missing_payment_method]",
                missing,
            ),
            ("payment_method_collection", "if_required"),
        ];
        let id = session(&bench, &customer, &price, &terms).await;
        let page = bench.page("GET", &format!("/c/pay/{id}"), &[]).await;
        assert!(page.html.contains("Start trial"), "{}", page.html);
        let begun = bench.page("POST", &format!("/c/pay/{id}"), &[]).await;
        assert_eq!(begun.status, 303, "{}", begun.html);
        let subscription = bought(&bench, &id).await;
        assert_eq!(
            (&subscription["status"], &subscription["default_payment_method"]),
            (&json!("trialing"), &Value::Null)
        );
        bench.sandbox.advance(12 * DAY_MS);
        assert!(
            bench
                .event_kinds()
                .await
                .contains(&"customer.subscription.trial_will_end".to_owned())
        );
        bench.sandbox.advance(3 * DAY_MS);
        assert_eq!(bought(&bench, &id).await["status"], status);
        assert_eq!(bench.sandbox.control().counts().payments, 0);
    }
}

#[tokio::test]
async fn a_trial_with_a_card_is_charged_at_its_end_and_needs_one_unless_said() {
    let bench = Bench::new();
    let (price, customer) = (bench.price().await, bench.customer().await);
    let id = session(
        &bench,
        &customer,
        &price,
        &[("subscription_data[trial_period_days]", "14")],
    )
    .await;
    assert_eq!(bench.page("POST", &format!("/c/pay/{id}"), &[]).await.status, 422);
    bench.pay(&id, "4242424242424242").await;
    assert_eq!(bench.sandbox.control().counts().payments, 0);
    bench.sandbox.advance(14 * DAY_MS + 2 * HOUR_MS);
    assert_eq!(bought(&bench, &id).await["status"], "active");
    assert_eq!(bench.sandbox.control().counts().payments, 1);
    // What becomes of a trial can only be said of one.
    let pairs = [
        ("mode", "subscription"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://a.localhost"),
        (
            "subscription_data[trial_settings][end_behavior][missing_payment_method]",
            "cancel",
        ),
    ];
    assert_eq!(bench.refused("POST", "/v1/checkout/sessions", &pairs).await.0, 400);
}

#[tokio::test]
async fn a_coupon_for_three_months_is_taken_off_three_payments() {
    let bench = Bench::new();
    let (price, customer) = (bench.price().await, bench.customer().await);
    let terms = [
        ("percent_off", "60"),
        ("duration", "repeating"),
        ("duration_in_months", "3"),
        ("id", "FIRST"),
    ];
    assert_eq!(coupon(&bench, &terms).await, "FIRST");
    let id = session(&bench, &customer, &price, &[("discounts[0][coupon]", "FIRST")]).await;
    let page = bench.page("GET", &format!("/c/pay/{id}"), &[]).await.html;
    assert!(
        page.contains("60% off for 3 months") && page.contains("€2.00"),
        "{page}"
    );
    bench.pay(&id, "4242424242424242").await;
    let session = bench.get(&format!("/v1/checkout/sessions/{id}")).await;
    assert_eq!(
        (&session["amount_total"], &session["total_details"]["amount_discount"]),
        (&json!(200), &json!(300))
    );
    let mut paid = Vec::new();
    for _ in 0..5 {
        let subscription = bought(&bench, &id).await;
        let invoice = latest_invoice(&bench, &subscription).await;
        paid.push((invoice["amount_paid"].clone(), invoice["subtotal"].clone()));
        let next = period_end(&subscription).unix_timestamp() * 1000 + 2 * HOUR_MS;
        bench.sandbox.advance(next - bench.sandbox.clock().now_ms());
    }
    let (less, whole) = ((json!(200), json!(500)), (json!(500), json!(500)));
    assert_eq!(paid, [less.clone(), less.clone(), less, whole.clone(), whole]);
    assert_eq!(bought(&bench, &id).await["discounts"], json!([]));
    assert_eq!(bench.get("/v1/coupons/FIRST").await["times_redeemed"], 1);
}

#[tokio::test]
async fn a_code_is_typed_on_the_page_and_a_session_takes_codes_or_a_discount() {
    let bench = Bench::new();
    let (price, customer) = (bench.price().await, bench.customer().await);
    let half = coupon(&bench, &[("percent_off", "50"), ("duration", "once")]).await;
    let pairs = [
        ("promotion[type]", "coupon"),
        ("promotion[coupon]", half.as_str()),
        ("code", "SPRING"),
        ("max_redemptions", "1"),
    ];
    let code = text(&bench.post("/v1/promotion_codes", &pairs).await, "id");
    let expanded = "/v1/promotion_codes?code=spring&expand[]=data.promotion.coupon.applies_to";
    let found = bench.get(expanded).await["data"][0].clone();
    assert_eq!(
        (&found["id"], &found["promotion"]["coupon"]["percent_off"]),
        (&json!(code), &json!(50.0))
    );
    assert_eq!(found["promotion"]["coupon"]["applies_to"], Value::Null);

    let closed = session(&bench, &customer, &price, &[]).await;
    let refused = bench
        .page(
            "POST",
            &format!("/c/pay/{closed}/code"),
            &[("promotion_code", "SPRING")],
        )
        .await;
    assert_eq!(refused.status, 422);
    let id = session(&bench, &customer, &price, &[("allow_promotion_codes", "true")]).await;
    let wrong = bench
        .page("POST", &format!("/c/pay/{id}/code"), &[("promotion_code", "AUTUMN")])
        .await;
    assert!(wrong.status == 422 && wrong.html.contains("This code is invalid."));
    let right = bench
        .page("POST", &format!("/c/pay/{id}/code"), &[("promotion_code", "spring")])
        .await;
    assert_eq!(right.location.as_deref(), Some(format!("/c/pay/{id}").as_str()));
    bench.pay(&id, "4242424242424242").await;
    let subscription = bought(&bench, &id).await;
    assert_eq!(latest_invoice(&bench, &subscription).await["amount_paid"], 250);
    // Once, and it was its only use.
    bench.sandbox.advance(29 * DAY_MS);
    assert_eq!(latest_invoice(&bench, &bought(&bench, &id).await).await["total"], 500);
    let with = |name: &'static str, value: &'static str| {
        vec![
            ("mode", "subscription"),
            ("line_items[0][price]", price.as_str()),
            ("line_items[0][quantity]", "1"),
            ("success_url", "http://a.localhost"),
            ("discounts[0][promotion_code]", code.as_str()),
            (name, value),
        ]
    };
    let (_, used_up) = bench
        .refused("POST", "/v1/checkout/sessions", &with("locale", "en"))
        .await;
    assert!(
        text(&used_up, "message").contains("maximum number of times"),
        "{used_up}"
    );
    let (_, both) = bench
        .refused("POST", "/v1/checkout/sessions", &with("allow_promotion_codes", "true"))
        .await;
    assert!(text(&both, "message").contains("only specify one"), "{both}");
}

#[tokio::test]
async fn a_change_costs_what_its_preview_said() {
    for (amount, interval) in [("1500", "month"), ("5000", "year"), ("300", "month")] {
        let bench = Bench::new();
        let (old, new) = (bench.price().await, bench.price_of(amount, interval).await);
        let (customer, id) = bench.subscribe(&old, "4242424242424242").await;
        bench.sandbox.advance(10 * DAY_MS);
        let item = text(&bench.subscription(&id).await["items"]["data"][0], "id");
        let at = (bench.sandbox.clock().now_ms() / 1000).to_string();
        let pairs = [
            ("customer", customer.as_str()),
            ("subscription", id.as_str()),
            ("subscription_details[items][0][id]", item.as_str()),
            ("subscription_details[items][0][price]", new.as_str()),
            ("subscription_details[proration_behavior]", "always_invoice"),
            ("subscription_details[proration_date]", at.as_str()),
        ];
        let preview = bench.post("/v1/invoices/create_preview", &pairs).await;
        assert_eq!(bench.sandbox.control().counts().invoices, 1);
        // Some minutes later it is the same, because it counts from the same moment.
        bench.sandbox.advance(HOUR_MS / 6);
        let pairs = [
            ("items[0][id]", item.as_str()),
            ("items[0][price]", new.as_str()),
            ("proration_behavior", "always_invoice"),
            ("proration_date", at.as_str()),
            ("payment_behavior", "pending_if_incomplete"),
        ];
        let changed = bench.post(&format!("/v1/subscriptions/{id}"), &pairs).await;
        assert_eq!(changed["items"]["data"][0]["price"]["id"], new.as_str());
        let invoice = latest_invoice(&bench, &changed).await;
        assert_eq!(
            (&invoice["total"], &invoice["amount_due"]),
            (&preview["total"], &preview["amount_due"]),
            "{amount}"
        );
    }
}

#[tokio::test]
async fn a_change_whose_payment_fails_waits_and_is_made_once_it_is_paid_or_dropped() {
    for is_paid in [true, false] {
        let bench = Bench::new();
        let (old, new) = (bench.price().await, bench.price_of("1500", "month").await);
        let (customer, id) = bench.subscribe(&old, "4242424242424242").await;
        bench.sandbox.advance(10 * DAY_MS);
        let item = text(&bench.subscription(&id).await["items"]["data"][0], "id");
        bench.sandbox.control().fail_next_payments(&customer, 1).unwrap();
        let pairs = [
            ("items[0][id]", item.as_str()),
            ("items[0][price]", new.as_str()),
            ("proration_behavior", "always_invoice"),
            ("payment_behavior", "pending_if_incomplete"),
        ];
        let waiting = bench.post(&format!("/v1/subscriptions/{id}"), &pairs).await;
        assert_eq!(waiting["status"], "active");
        assert_eq!(waiting["items"]["data"][0]["price"]["id"], old.as_str());
        assert_eq!(
            waiting["pending_update"]["subscription_items"][0]["price"]["id"],
            new.as_str()
        );
        if is_paid {
            bench
                .sandbox
                .control()
                .pay_invoice(&text(&waiting, "latest_invoice"))
                .unwrap();
        } else {
            bench.sandbox.advance(24 * HOUR_MS);
        }
        let after = bench.subscription(&id).await;
        assert_eq!(after["pending_update"], Value::Null);
        let has = if is_paid { &new } else { &old };
        assert_eq!(after["items"]["data"][0]["price"]["id"], has.as_str());
        assert_eq!(
            latest_invoice(&bench, &after).await["status"],
            if is_paid { "paid" } else { "void" }
        );
    }
}
