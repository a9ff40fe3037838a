//! Checkout: from a customer to an active subscription, and what cards do on the way.

use crate::support::{Bench, text};

#[tokio::test]
async fn a_reader_pays_and_has_an_active_subscription() {
    let bench = Bench::new();
    let (price, customer) = (bench.price().await, bench.customer().await);
    let extra = [
        ("client_reference_id", "acc_1"),
        ("metadata[account]", "acc_1"),
        ("subscription_data[metadata][account]", "acc_1"),
    ];
    let session = bench.session(&customer, &price, &extra).await;
    let id = text(&session, "id");
    assert_eq!(session["url"], format!("http://stripe.localhost:8080/c/pay/{id}"));
    assert_eq!(session["subscription"], serde_json::Value::Null);

    let page = bench.page("GET", &format!("/c/pay/{id}"), &[]).await;
    assert_eq!(page.status, 200);
    for part in [
        "Stripe sandbox: no real money",
        "Ad-free",
        "€5.00",
        "reader@example.org",
        "http://account.localhost:8080/support",
    ] {
        assert!(page.html.contains(part), "{part} is not on the page");
    }

    let paid = bench.pay(&id, "4242 4242 4242 4242").await;
    assert_eq!(paid.status, 303);
    assert_eq!(
        paid.location.unwrap(),
        format!("http://account.localhost:8080/return?session={id}")
    );

    let session = bench.get(&format!("/v1/checkout/sessions/{id}")).await;
    assert_eq!(
        (&session["status"], &session["payment_status"]),
        (&"complete".into(), &"paid".into())
    );
    assert_eq!(session["url"], serde_json::Value::Null);
    let subscription = bench.subscription(&text(&session, "subscription")).await;
    assert_eq!(subscription["status"], "active");
    assert_eq!(subscription["metadata"]["account"], "acc_1");
    assert_eq!(subscription["customer"], customer);
    let invoice = bench
        .get(&format!("/v1/invoices/{}", text(&subscription, "latest_invoice")))
        .await;
    assert_eq!(
        (&invoice["status"], &invoice["amount_paid"]),
        (&"paid".into(), &500.into())
    );
    assert_eq!(
        invoice["parent"]["subscription_details"]["subscription"],
        subscription["id"]
    );
    let payments = bench
        .get(&format!("/v1/invoice_payments?invoice={}", text(&invoice, "id")))
        .await;
    let intent = text(&payments["data"][0]["payment"], "payment_intent");
    assert_eq!(
        bench.get(&format!("/v1/payment_intents/{intent}")).await["status"],
        "succeeded"
    );
    let kinds = bench.event_kinds().await;
    for kind in [
        "checkout.session.completed",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "payment_intent.succeeded",
        "payment_method.attached",
    ] {
        assert_eq!(
            kinds.iter().filter(|known| *known == kind).count(),
            1,
            "{kind} in {kinds:?}"
        );
    }
    assert_eq!(kinds.iter().filter(|kind| *kind == "payment_intent.created").count(), 1);
}

#[tokio::test]
async fn paying_twice_takes_money_once() {
    let bench = Bench::new();
    let (price, customer) = (bench.price().await, bench.customer().await);
    let id = text(&bench.session(&customer, &price, &[]).await, "id");
    let (one, two) = tokio::join!(bench.pay(&id, "4242424242424242"), bench.pay(&id, "4242424242424242"));
    assert_eq!((one.status, two.status), (303, 303));
    assert_eq!(one.location, two.location);
    let again = bench.page("GET", &format!("/c/pay/{id}"), &[]).await;
    assert!(again.html.contains("all done"), "{}", again.html);
    let counts = bench.sandbox.control().counts();
    assert_eq!((counts.payments, counts.subscriptions, counts.invoices), (1, 1, 1));
}

#[tokio::test]
async fn each_refused_card_says_why_and_leaves_the_session_open() {
    let bench = Bench::new();
    let (price, customer) = (bench.price().await, bench.customer().await);
    let id = text(&bench.session(&customer, &price, &[]).await, "id");
    for (number, sentence) in [
        ("4000000000000002", "Your card was declined."),
        ("4000000000009995", "Your card has insufficient funds."),
        ("4000000000000069", "Your card has expired."),
        ("4000000000000127", "Your card&#39;s security code is incorrect."),
        ("4000000000000119", "An error occurred while processing your card."),
        ("4242424242424241", "Your card number is invalid."),
        ("4242", "Your card number is incomplete."),
        ("4111111111111111", "non test card"),
        ("", "Your card number is incomplete."),
    ] {
        let page = bench.pay(&id, number).await;
        assert_eq!(page.status, 422, "{number}");
        assert!(
            page.html.contains(sentence),
            "{number}: {sentence} is not in {}",
            page.html
        );
        assert!(number.is_empty() || !page.html.contains(&format!("value=\"{number}\"")));
    }
    assert_eq!(bench.sandbox.control().counts().subscriptions, 0);
    assert_eq!(
        bench.get(&format!("/v1/checkout/sessions/{id}")).await["status"],
        "open"
    );
    assert_eq!(bench.pay(&id, "5555 5555 5555 4444").await.status, 303);
}

#[tokio::test]
async fn a_card_that_asks_pays_only_after_authentication() {
    let bench = Bench::new();
    let (price, customer) = (bench.price().await, bench.customer().await);
    let id = text(&bench.session(&customer, &price, &[]).await, "id");
    let asked = bench.pay(&id, "4000002500003155").await;
    let auth = asked.location.unwrap();
    assert!(auth.starts_with("/c/auth/pi_"), "{auth}");
    assert!(
        bench
            .page("GET", &auth, &[])
            .await
            .html
            .contains("Complete authentication")
    );
    assert_eq!(bench.sandbox.control().counts().subscriptions, 0);

    let failed = bench.page("POST", &auth, &[("answer", "fail")]).await;
    assert!(failed.html.contains("unable to authenticate"), "{}", failed.html);
    // The page of a failed question cannot be completed afterwards.
    assert_eq!(bench.page("POST", &auth, &[("answer", "complete")]).await.status, 422);
    assert_eq!(bench.sandbox.control().counts().payments, 0);

    let auth = bench.pay(&id, "4000002500003155").await.location.unwrap();
    let done = bench.page("POST", &auth, &[("answer", "complete")]).await;
    assert_eq!(done.status, 303);
    assert!(done.location.unwrap().ends_with(&id));
    let twice = bench.page("POST", &auth, &[("answer", "complete")]).await;
    assert_eq!(twice.status, 303);
    assert_eq!(bench.sandbox.control().counts().payments, 1);
}

#[tokio::test]
async fn a_session_without_customer_makes_one_from_the_typed_email() {
    let bench = Bench::new();
    let price = bench.price().await;
    let pairs = [
        ("mode", "subscription"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://a.localhost/ok"),
    ];
    let id = text(&bench.post("/v1/checkout/sessions", &pairs).await, "id");
    let path = format!("/c/pay/{id}");
    let card = [("number", "4242424242424242"), ("expiry", "12/40"), ("cvc", "123")];
    assert!(
        bench
            .page("POST", &path, &card)
            .await
            .html
            .contains("Your email is incomplete.")
    );
    let with_email = [&card[..], &[("email", "new@example.org")]].concat();
    assert_eq!(bench.page("POST", &path, &with_email).await.status, 303);
    let session = bench
        .get(&format!(
            "/v1/checkout/sessions/{id}?expand[]=customer&expand[]=line_items"
        ))
        .await;
    assert_eq!(session["customer"]["email"], "new@example.org");
    assert_eq!(session["customer_details"]["email"], "new@example.org");
    assert_eq!(session["line_items"]["data"][0]["price"]["id"], price);
}

#[tokio::test]
async fn a_one_off_price_is_paid_without_subscription_or_invoice() {
    let bench = Bench::new();
    let pairs = [
        ("product_data[name]", "Day pass"),
        ("currency", "jpy"),
        ("unit_amount", "300"),
    ];
    let price = text(&bench.post("/v1/prices", &pairs).await, "id");
    let customer = bench.customer().await;
    let pairs = [
        ("mode", "payment"),
        ("customer", customer.as_str()),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "2"),
        ("success_url", "http://a.localhost/ok"),
    ];
    let id = text(&bench.post("/v1/checkout/sessions", &pairs).await, "id");
    assert!(
        bench
            .page("GET", &format!("/c/pay/{id}"), &[])
            .await
            .html
            .contains("¥600")
    );
    assert_eq!(bench.pay(&id, "4242424242424242").await.status, 303);
    let session = bench
        .get(&format!("/v1/checkout/sessions/{id}?expand[]=payment_intent"))
        .await;
    assert_eq!(session["payment_intent"]["amount_received"], 600);
    assert_eq!(
        (&session["invoice"], &session["subscription"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn expired_and_unknown_sessions_take_no_money() {
    let bench = Bench::new();
    let (price, customer) = (bench.price().await, bench.customer().await);
    let id = text(&bench.session(&customer, &price, &[]).await, "id");
    bench.post(&format!("/v1/checkout/sessions/{id}/expire"), &[]).await;
    assert_eq!(bench.pay(&id, "4242424242424242").await.status, 410);
    assert_eq!(
        bench
            .refused("POST", &format!("/v1/checkout/sessions/{id}/expire"), &[])
            .await
            .0,
        400
    );
    assert_eq!(bench.pay("cs_test_nobody", "4242424242424242").await.status, 404);
    assert_eq!(bench.sandbox.control().counts().payments, 0);
}

#[tokio::test]
async fn names_are_escaped_on_every_page() {
    let bench = Bench::new();
    let product = text(
        &bench.post("/v1/products", &[("name", "<script>x</script>")]).await,
        "id",
    );
    let pairs = [
        ("product", product.as_str()),
        ("currency", "eur"),
        ("unit_amount", "1"),
        ("recurring[interval]", "year"),
    ];
    let price = text(&bench.post("/v1/prices", &pairs).await, "id");
    let customer = bench.customer().await;
    let id = text(&bench.session(&customer, &price, &[]).await, "id");
    let page = bench.page("GET", &format!("/c/pay/{id}"), &[]).await;
    assert!(!page.html.contains("<script>") && page.html.contains("script"));
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    assert_eq!(page.headers["cache-control"], "no-store");
}
