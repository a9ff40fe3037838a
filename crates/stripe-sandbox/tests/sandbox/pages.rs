//! The portal, the hosted invoice and the control panel.

use crate::support::{Bench, text};

async fn portal(bench: &Bench, customer: &str) -> String {
    let pairs = [
        ("customer", customer),
        ("return_url", "http://account.localhost:8080/account"),
    ];
    let url = text(&bench.post("/v1/billing_portal/sessions", &pairs).await, "url");
    url.strip_prefix("http://stripe.localhost:8080").unwrap().to_owned()
}

#[tokio::test]
async fn a_reader_cancels_resumes_and_changes_plan_card_and_email() {
    let bench = Bench::new();
    let (month, year) = (bench.price().await, bench.price_of("5000", "year").await);
    let (customer, id) = bench.subscribe(&month, "4242424242424242").await;
    let path = portal(&bench, &customer).await;
    let page = bench.page("GET", &path, &[]).await;
    for part in [
        "Visa •••• 4242",
        "€5.00 per month",
        "http://account.localhost:8080/account",
        "reader@example.org",
        "Renews on 28 Feb 2027",
    ] {
        assert!(page.html.contains(part), "{part} is not in {}", page.html);
    }
    let act = async |act: &str, pairs: &[(&str, &str)]| bench.page("POST", &format!("{path}/{act}"), pairs).await;
    assert_eq!(act("cancel", &[("subscription", &id)]).await.status, 303);
    assert_eq!(bench.subscription(&id).await["cancel_at_period_end"], true);
    assert!(bench.page("GET", &path, &[]).await.html.contains("Ends on 28 Feb 2027"));
    assert_eq!(act("resume", &[("subscription", &id)]).await.status, 303);
    assert_eq!(bench.subscription(&id).await["cancel_at_period_end"], false);
    assert_eq!(
        act("plan", &[("subscription", &id), ("price", &year)]).await.status,
        303
    );
    assert_eq!(bench.subscription(&id).await["items"]["data"][0]["price"]["id"], year);
    let card = [
        ("number", "5555555555554444"),
        ("expiry", "01/39"),
        ("cvc", "999"),
        ("name", "B"),
    ];
    assert_eq!(act("card", &card).await.status, 303);
    assert!(
        bench
            .page("GET", &path, &[])
            .await
            .html
            .contains("Mastercard •••• 4444")
    );
    let declined = [("number", "4000000000000002"), ("expiry", "01/39"), ("cvc", "999")];
    assert!(act("card", &declined).await.html.contains("Your card was declined."));
    assert_eq!(act("email", &[("email", "other@example.org")]).await.status, 303);
    assert_eq!(
        bench.get(&format!("/v1/customers/{customer}")).await["email"],
        "other@example.org"
    );
    assert_eq!(act("email", &[("email", "nonsense")]).await.status, 422);
    assert_eq!(act("explode", &[]).await.status, 404);
}

#[tokio::test]
async fn the_portal_touches_only_its_own_customer_and_expires() {
    let bench = Bench::new();
    let price = bench.price().await;
    let (mine, _) = bench.subscribe(&price, "4242424242424242").await;
    let (_, theirs) = bench.subscribe(&price, "4242424242424242").await;
    let path = portal(&bench, &mine).await;
    let page = bench
        .page("POST", &format!("{path}/cancel"), &[("subscription", &theirs)])
        .await;
    assert_eq!(page.status, 422);
    assert_eq!(bench.subscription(&theirs).await["cancel_at_period_end"], false);
    bench.sandbox.advance(2 * crate::support::HOUR_MS);
    assert_eq!(bench.page("GET", &path, &[]).await.status, 410);
    assert_eq!(bench.page("GET", "/p/session/test_guess", &[]).await.status, 410);
}

#[tokio::test]
async fn a_failed_renewal_is_paid_on_the_invoice_page() {
    let bench = Bench::new();
    let price = bench.price().await;
    let customer = bench.customer().await;
    let session = text(&bench.session(&customer, &price, &[]).await, "id");
    let auth = bench.pay(&session, "4000002760003184").await.location.unwrap();
    assert_eq!(bench.page("POST", &auth, &[("answer", "complete")]).await.status, 303);
    bench.sandbox.control().advance_to_next_renewal().unwrap();
    assert!(
        bench
            .event_kinds()
            .await
            .contains(&"invoice.payment_action_required".to_owned())
    );
    let open = bench
        .get(&format!("/v1/invoices?customer={customer}&status=open"))
        .await;
    let url = text(&open["data"][0], "hosted_invoice_url");
    let path = url.strip_prefix("http://stripe.localhost:8080").unwrap();
    assert!(bench.page("GET", path, &[]).await.html.contains("Pay €5.00"));
    assert_eq!(bench.page("POST", path, &[]).await.status, 303);
    assert_eq!(bench.get("/v1/subscriptions").await["data"][0]["status"], "active");
}

#[tokio::test]
async fn the_panel_needs_its_token() {
    let bench = Bench::new();
    let before = bench.sandbox.clock().now_ms();
    for token in ["", "guess"] {
        let page = bench
            .page("POST", "/control/advance", &[("token", token), ("by", "month")])
            .await;
        assert_eq!(page.status, 403);
    }
    assert_eq!(bench.sandbox.clock().now_ms(), before);
    let panel = bench.page("GET", "/control", &[]).await;
    assert!(panel.html.contains(bench.sandbox.form_token()));
}

#[tokio::test]
async fn the_panel_shows_everything_and_its_buttons_work() {
    let bench = Bench::new();
    let price = bench.price().await;
    let (customer, id) = bench.subscribe(&price, "4242424242424242").await;
    let token = bench.sandbox.form_token().to_owned();
    let act = async |act: &str, pairs: &[(&str, &str)]| {
        let pairs = [&[("token", token.as_str())], pairs].concat();
        bench.page("POST", &format!("/control/{act}"), &pairs).await.status
    };
    assert_eq!(act("fail", &[("customer", &customer), ("times", "1")]).await, 303);
    assert!(bench.page("GET", "/control", &[]).await.html.contains("1 will fail"));
    for by in ["hour", "day", "week", "renewal"] {
        assert_eq!(act("advance", &[("by", by)]).await, 303, "{by}");
    }
    assert_eq!(bench.subscription(&id).await["status"], "past_due");
    assert_eq!(act("advance", &[("by", "month")]).await, 303);
    // The retry three days later went through.
    assert_eq!(bench.subscription(&id).await["status"], "active");
    assert_eq!(act("advance", &[("by", "eternity")]).await, 404);
    for mode in [
        "drop",
        "double",
        "delay",
        "reorder",
        "bad_signature",
        "old_timestamp",
        "normal",
    ] {
        assert_eq!(
            act("mode", &[("mode", mode), ("delay_seconds", "5")]).await,
            303,
            "{mode}"
        );
    }
    assert_eq!(act("cancel", &[("subscription", &id)]).await, 303);
    assert_eq!(act("resume", &[("subscription", &id)]).await, 303);
    assert_eq!(act("end", &[("subscription", &id)]).await, 303);
    assert_eq!(act("end", &[("subscription", &id)]).await, 422);
    assert_eq!(act("fail", &[("customer", "cus_none"), ("times", "1")]).await, 422);
    assert_eq!(act("faults", &[("fault", "unavailable"), ("times", "1")]).await, 303);
    assert_eq!(bench.raw("GET", "/v1/customers", &[], &[]).await.status, 503);
    let panel = bench.page("GET", "/control", &[]).await;
    for part in [
        id.as_str(),
        customer.as_str(),
        "customer.subscription.deleted",
        "reader@example.org",
        "no real money",
    ] {
        assert!(panel.html.contains(part), "{part}");
    }
    let event = text(&bench.get("/v1/events?limit=1").await["data"][0], "id");
    assert!(
        bench
            .page("GET", &format!("/control/event/{event}"), &[])
            .await
            .html
            .contains(&event)
    );
}

#[tokio::test]
async fn forms_sent_from_other_sites_change_nothing() {
    let bench = Bench::new();
    let price = bench.price().await;
    let (customer, id) = bench.subscribe(&price, "4242424242424242").await;
    let session = text(&bench.session(&customer, &price, &[]).await, "id");
    let token = bench.sandbox.form_token().to_owned();
    let portal = portal(&bench, &customer).await;
    let card = [("number", "4242424242424242"), ("expiry", "12/40"), ("cvc", "123")];
    for (path, pairs) in [
        (format!("/c/pay/{session}"), &card[..]),
        (format!("{portal}/cancel"), &[("subscription", id.as_str())]),
        (
            "/control/end".to_owned(),
            &[("token", token.as_str()), ("subscription", id.as_str())],
        ),
    ] {
        for site in ["cross-site", "same-site"] {
            assert_eq!(
                bench.page_from(site, "POST", &path, pairs).await.status,
                403,
                "{path} {site}"
            );
        }
    }
    let counts = bench.sandbox.control().counts();
    assert_eq!((counts.payments, counts.live_subscriptions), (1, 1));
    assert_eq!(bench.subscription(&id).await["cancel_at_period_end"], false);
}
