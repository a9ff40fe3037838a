//! What set-up and doctor read: the portal's configurations, endpoints, the account, tax.

use crate::support::{Bench, text};

#[tokio::test]
async fn portal_configurations_are_made_changed_listed_and_named_by_sessions() {
    let bench = Bench::new();
    let all = bench.get("/v1/billing_portal/configurations").await;
    assert_eq!(all["data"][0]["is_default"], true, "{all}");
    let pairs = [
        ("features[customer_update][enabled]", "true"),
        ("features[customer_update][allowed_updates][0]", "email"),
        ("features[invoice_history][enabled]", "true"),
        ("features[subscription_cancel][enabled]", "true"),
        ("features[subscription_cancel][mode]", "immediately"),
        ("default_return_url", "https://account.publisher.example/account"),
        ("metadata[k]", "v"),
    ];
    let made = bench.post("/v1/billing_portal/configurations", &pairs).await;
    let id = text(&made, "id");
    assert_eq!(made["is_default"], false);
    assert_eq!(made["features"]["subscription_cancel"]["mode"], "immediately");
    assert_eq!(
        made["features"]["customer_update"]["allowed_updates"],
        serde_json::json!(["email"])
    );
    let path = format!("/v1/billing_portal/configurations/{id}");
    let changed = bench
        .post(&path, &[("features[subscription_cancel][mode]", "at_period_end")])
        .await;
    assert_eq!(changed["features"]["subscription_cancel"]["mode"], "at_period_end");
    assert_eq!(changed["features"]["invoice_history"]["enabled"], true);
    let mine = bench.get("/v1/billing_portal/configurations?is_default=false").await;
    assert_eq!(mine["data"].as_array().map(Vec::len), Some(1));

    let customer = bench.customer().await;
    let pairs = [("customer", customer.as_str()), ("configuration", id.as_str())];
    let session = bench.post("/v1/billing_portal/sessions", &pairs).await;
    assert_eq!(session["configuration"], id.as_str());
    bench.post(&path, &[("active", "false")]).await;
    let (status, _) = bench.refused("POST", "/v1/billing_portal/sessions", &pairs).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn wrong_portal_configurations_are_refused() {
    let bench = Bench::new();
    let path = "/v1/billing_portal/configurations";
    let (_, error) = bench
        .refused("POST", path, &[("default_return_url", "https://a.example")])
        .await;
    assert_eq!(error["param"], "features");
    for (pairs, code) in [
        (
            &[("features[customer_update][enabled]", "true")][..],
            "parameter_missing",
        ),
        (&[("features[invoice_history][on]", "true")][..], "parameter_unknown"),
    ] {
        let (status, error) = bench.refused("POST", path, pairs).await;
        assert_eq!((status, error["code"].as_str()), (400, Some(code)));
    }
    let default = "/v1/billing_portal/configurations/bpc_1Ssandbox";
    let (_, error) = bench.refused("POST", default, &[("active", "false")]).await;
    assert_eq!(error["param"], "active");
    bench.sandbox.control().forget_portal_default();
    let customer = bench.customer().await;
    let (status, error) = bench
        .refused("POST", "/v1/billing_portal/sessions", &[("customer", &customer)])
        .await;
    assert_eq!(status, 400);
    assert!(text(&error, "message").starts_with("No configuration provided"));
}

#[tokio::test]
async fn an_endpoint_is_pinned_only_if_it_was_asked_for() {
    let bench = Bench::new();
    let pairs = [("url", "http://127.0.0.1:1"), ("enabled_events[0]", "*")];
    let unpinned = bench.post("/v1/webhook_endpoints", &pairs).await;
    assert!(unpinned["api_version"].is_null());
    let pinned = [&pairs[..], &[("api_version", "2026-09-30.endive")]].concat();
    let pinned = bench.post("/v1/webhook_endpoints", &pinned).await;
    assert_eq!(pinned["api_version"], "2026-09-30.endive");
    let path = format!("/v1/webhook_endpoints/{}", text(&pinned, "id"));
    let (_, error) = bench
        .refused("POST", &path, &[("api_version", "2026-09-30.endive")])
        .await;
    assert_eq!(error["code"], "parameter_unknown");
}

#[tokio::test]
async fn tax_is_pending_until_stripe_knows_where_the_business_is() {
    let bench = Bench::new();
    let before = bench.get("/v1/tax/settings").await;
    assert_eq!(before["status"], "pending");
    assert_eq!(before["status_details"]["pending"]["missing_fields"][0], "head_office");
    let pairs = [("head_office[address][country]", "DE")];
    let after = bench.post("/v1/tax/settings", &pairs).await;
    assert_eq!(after["status"], "active");
    let pairs = [("head_office[address][country]", "Germany")];
    let (status, _) = bench.refused("POST", "/v1/tax/settings", &pairs).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn answers_carry_the_date_of_the_sandboxs_own_clock() {
    let bench = Bench::new();
    bench.sandbox.advance(crate::support::DAY_MS);
    let answer = bench.raw("GET", "/v1/account", &[], &[]).await;
    let date = answer.headers.iter().find(|(name, _)| name == "date");
    assert_eq!(
        date.map(|(_, value)| value.as_str()),
        Some("Mon, 01 Feb 2027 10:00:00 GMT")
    );
}

#[tokio::test]
async fn prices_are_listed_by_ten_lookup_keys_at_most() {
    let bench = Bench::new();
    let list = |number| {
        let keys: Vec<String> = (0..number).map(|key| format!("lookup_keys[]=k{key}")).collect();
        keys.join("&")
    };
    bench.get(&format!("/v1/prices?{}", list(10))).await;
    let (status, error) = bench.refused("GET", &format!("/v1/prices?{}", list(11)), &[]).await;
    assert_eq!((status, error["param"].as_str()), (400, Some("lookup_keys")));
}
