//! The API's manners: who may call, strictness, idempotency, lists, faults.

use crate::support::{Bench, KEY, clock, config, text};
use latchkey_stripe_sandbox::{Fault, Sandbox, SandboxError};
use serde_json::Value;

#[tokio::test]
async fn only_the_sandbox_key_is_let_in() {
    let bench = Bench::new();
    for (key, part) in [
        (None, "You did not provide an API key"),
        (Some("sk_live_abc"), "A live key was sent to the Stripe sandbox"),
        (Some("rk_live_abc"), "A live key was sent to the Stripe sandbox"),
        (Some("sk_test_abc"), "refuses it"),
        (Some("sk_test_sandbox_other"), "Invalid API Key provided"),
    ] {
        let headers: Vec<_> = key
            .map(|key| ("authorization".to_owned(), format!("Bearer {key}")))
            .into_iter()
            .collect();
        let answer = bench.sandbox.call("GET", "/v1/customers", &headers, "").await;
        assert_eq!(answer.status, 401, "{key:?}");
        assert!(answer.body.contains(part), "{key:?}: {}", answer.body);
        assert!(key.is_none_or(|key| !answer.body.contains(key)));
    }
    assert_eq!(
        bench
            .raw("GET", "/v1/customers", &[("Stripe-Version", "2026-09-30.endive")], &[])
            .await
            .status,
        200
    );
    let old = bench
        .raw("GET", "/v1/customers", &[("Stripe-Version", "2020-08-27")], &[])
        .await;
    assert_eq!(old.status, 400);
    assert!(old.body.contains("Invalid Stripe API version"));
}

#[test]
fn live_keys_and_foreign_addresses_are_refused_at_opening() {
    let open = |change: &dyn Fn(&mut latchkey_stripe_sandbox::SandboxConfig)| {
        let mut config = config();
        change(&mut config);
        Sandbox::open(config, clock()).map(drop)
    };
    assert!(matches!(
        open(&|c| c.secret_key = "sk_live_1".into()),
        Err(SandboxError::Key)
    ));
    assert!(matches!(
        open(&|c| c.secret_key = "sk_test_1".into()),
        Err(SandboxError::Key)
    ));
    assert!(matches!(
        open(&|c| c.public_url = "http://example.org".into()),
        Err(SandboxError::NotLoopback { .. })
    ));
    let foreign = |c: &mut latchkey_stripe_sandbox::SandboxConfig| c.webhook_url = Some("http://10.0.0.1/hook".into());
    assert!(matches!(open(&foreign), Err(SandboxError::NotLoopback { .. })));
    assert!(latchkey_stripe_sandbox::check_loopback("0.0.0.0:1".parse().unwrap()).is_err());
}

#[tokio::test]
async fn refusals_have_stripes_shape() {
    let bench = Bench::new();
    let (status, error) = bench.refused("POST", "/v1/customers", &[("emial", "a@b.c")]).await;
    assert_eq!(status, 400);
    assert_eq!(
        error,
        serde_json::json!({
            "code": "parameter_unknown",
            "doc_url": "https://stripe.com/docs/error-codes/parameter-unknown",
            "message": "Received unknown parameter: emial",
            "param": "emial",
            "type": "invalid_request_error",
        })
    );
    let (status, error) = bench.refused("GET", "/v1/customers/cus_none", &[]).await;
    assert_eq!(status, 404);
    assert_eq!(
        error,
        serde_json::json!({
            "code": "resource_missing",
            "doc_url": "https://stripe.com/docs/error-codes/resource-missing",
            "message": "No such customer: 'cus_none'",
            "param": "id",
            "type": "invalid_request_error",
        })
    );
    for (path, pairs, status, code, param) in [
        ("/v1/products", &[][..], 400, "parameter_missing", "name"),
        ("/v1/products", &[("name", "")], 400, "parameter_invalid_empty", "name"),
        (
            "/v1/billing_portal/sessions",
            &[("customer", "cus_none")],
            400,
            "resource_missing",
            "customer",
        ),
        (
            "/v1/checkout/sessions",
            &[("mode", "subscription"), ("line_items[0][prise]", "x")],
            400,
            "parameter_unknown",
            "line_items[0][prise]",
        ),
        (
            "/v1/checkout/sessions",
            &[("success_url", "http://a.localhost")],
            400,
            "parameter_missing",
            "mode",
        ),
        (
            "/v1/checkout/sessions",
            &[("mode", "payment"), ("success_url", "javascript:1")],
            400,
            "url_invalid",
            "success_url",
        ),
    ] {
        let (got, error) = bench.refused("POST", path, pairs).await;
        assert_eq!(
            (got, error["code"].as_str(), error["param"].as_str()),
            (status, Some(code), Some(param)),
            "{path} {pairs:?}"
        );
    }
    let (status, error) = bench.refused("GET", "/v1/payouts", &[]).await;
    assert_eq!(status, 404);
    assert!(text(&error, "message").starts_with("Unrecognized request URL (GET: /v1/payouts)"));
    assert!(
        bench
            .raw("GET", "/v1/customers", &[], &[])
            .await
            .headers
            .iter()
            .any(|(name, value)| name == "request-id" && value.starts_with("req_"))
    );
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_one_effect() {
    let bench = Bench::new();
    let key = [("Idempotency-Key", "k1")];
    let first = bench
        .raw(
            "POST",
            "/v1/customers",
            &key,
            &[("email", "a@example.org"), ("name", "A")],
        )
        .await;
    let again = bench
        .raw(
            "POST",
            "/v1/customers",
            &key,
            &[("name", "A"), ("email", "a@example.org")],
        )
        .await;
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert!(again.headers.contains(&("idempotent-replayed".into(), "true".into())));
    assert!(!first.headers.contains(&("idempotent-replayed".into(), "true".into())));
    let other = bench
        .raw("POST", "/v1/customers", &key, &[("email", "b@example.org")])
        .await;
    assert_eq!(other.status, 400);
    assert!(other.body.contains("idempotency_error"), "{}", other.body);
    assert_eq!(bench.sandbox.control().counts().customers, 1);
    bench.sandbox.advance(25 * crate::support::HOUR_MS);
    bench
        .raw("POST", "/v1/customers", &key, &[("email", "b@example.org")])
        .await;
    assert_eq!(bench.sandbox.control().counts().customers, 2);
}

#[tokio::test]
async fn a_refusal_is_not_kept_but_a_server_error_is() {
    let bench = Bench::new();
    let key = [("Idempotency-Key", "k1")];
    assert_eq!(bench.raw("POST", "/v1/products", &key, &[]).await.status, 400);
    assert_eq!(
        bench.raw("POST", "/v1/products", &key, &[("name", "A")]).await.status,
        200
    );
    bench.sandbox.control().fail_next_calls(1, Fault::ServerError);
    let key = [("Idempotency-Key", "k2")];
    for _ in 0..2 {
        assert_eq!(
            bench.raw("POST", "/v1/products", &key, &[("name", "B")]).await.status,
            500
        );
    }
    assert_eq!(
        bench
            .raw("POST", "/v1/products", &[("Idempotency-Key", "k3")], &[("name", "B")])
            .await
            .status,
        200
    );
    assert_eq!(bench.sandbox.control().counts().products, 2);
}

#[tokio::test]
async fn faults_come_as_ordered() {
    let bench = Bench::new();
    let control = bench.sandbox.control();
    control.fail_next_calls(1, Fault::RateLimited { retry_after_seconds: 3 });
    control.fail_next_calls(1, Fault::Unavailable);
    control.fail_next_calls(1, Fault::BadGateway);
    control.fail_next_calls(1, Fault::LockTimeout);
    control.fail_next_calls(1, Fault::TimeoutAfterEffect { hold_ms: 5 });
    let key = [("Idempotency-Key", "k")];
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let answer = bench.raw("POST", "/v1/customers", &key, &[("name", "A")]).await;
        if answer.status == 429 {
            assert!(answer.headers.contains(&("retry-after".into(), "3".into())));
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [429, 503, 502, 409, 504, 200]);
    assert_eq!(control.counts().customers, 1);
}

#[tokio::test]
async fn lists_go_through_everything_once_newest_first() {
    let bench = Bench::new();
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(bench.customer().await);
    }
    made.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let list = bench.get(&format!("/v1/customers?limit=3{cursor}")).await;
        let ids: Vec<String> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| text(one, "id"))
            .collect();
        seen.extend(ids);
        if list["has_more"] == false {
            break;
        }
        cursor = format!("&starting_after={}", seen.last().unwrap());
    }
    assert_eq!(seen, made);
    let newer = bench
        .get(&format!("/v1/customers?limit=2&ending_before={}", made[4]))
        .await;
    assert_eq!(
        (text(&newer["data"][0], "id"), text(&newer["data"][1], "id")),
        (made[2].clone(), made[3].clone())
    );
    assert_eq!(newer["has_more"], true);
    for bad in ["limit=0", "limit=101", "limit=x", "starting_after=cus_none", "page=2"] {
        assert_eq!(
            bench.refused("GET", &format!("/v1/customers?{bad}"), &[]).await.0,
            400,
            "{bad}"
        );
    }
    assert_eq!(bench.get("/v1/customers").await["url"], "/v1/customers");
}

#[tokio::test]
async fn prices_are_found_by_lookup_key_and_a_key_is_used_once() {
    let bench = Bench::new();
    let product = text(&bench.post("/v1/products", &[("name", "A")]).await, "id");
    let pairs = [
        ("product", product.as_str()),
        ("currency", "EUR"),
        ("unit_amount", "500"),
        ("recurring[interval]", "month"),
        ("lookup_key", "monthly"),
    ];
    let first = text(&bench.post("/v1/prices", &pairs).await, "id");
    assert_eq!(bench.refused("POST", "/v1/prices", &pairs).await.0, 400);
    let moved = [&pairs[..], &[("transfer_lookup_key", "true")]].concat();
    let second = text(&bench.post("/v1/prices", &moved).await, "id");
    let found = bench
        .get("/v1/prices?lookup_keys[]=monthly&lookup_keys[]=none&active=true&expand[]=data.product")
        .await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["id"], second);
    assert_eq!(found["data"][0]["product"]["name"], "A");
    assert_eq!(
        bench.get(&format!("/v1/prices/{first}")).await["lookup_key"],
        Value::Null
    );
}

#[tokio::test]
async fn deleting_a_customer_cancels_and_leaves_a_stone() {
    let bench = Bench::new();
    let price = bench.price().await;
    let (customer, subscription) = bench.subscribe(&price, "4242424242424242").await;
    bench.delete(&format!("/v1/customers/{customer}")).await;
    let stone = bench.get(&format!("/v1/customers/{customer}")).await;
    assert_eq!(
        stone,
        serde_json::json!({ "id": customer, "object": "customer", "deleted": true })
    );
    assert_eq!(bench.subscription(&subscription).await["status"], "canceled");
    assert!(bench.event_kinds().await.contains(&"customer.deleted".to_owned()));
    assert_eq!(
        bench
            .refused("POST", "/v1/billing_portal/sessions", &[("customer", &customer)])
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn http_and_process_answer_alike_and_foreign_hosts_are_refused() {
    use tower::ServiceExt as _;
    let bench = Bench::new();
    let customer = bench.customer().await;
    let request = |host: &str| {
        http::Request::builder()
            .uri(format!("/v1/customers/{customer}"))
            .header("host", host)
            .header("authorization", format!("Bearer {KEY}"))
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let response = bench
        .sandbox
        .api_router()
        .oneshot(request("127.0.0.1:9"))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert_eq!(
        body,
        bench
            .raw("GET", &format!("/v1/customers/{customer}"), &[], &[])
            .await
            .body
            .as_bytes()
    );
    let response = bench
        .sandbox
        .api_router()
        .oneshot(request("stripe.attacker.example"))
        .await
        .unwrap();
    assert_eq!(response.status(), 421);
}
