//! The gateway against a server that answers from a script.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on may panic")]

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
};
use latchkey_billing::{
    AccountId, CheckoutTerms, Clock, EventId, IdempotencyKey, Interval, NewCheckout, NewCustomer, NewPrice, NewRefund,
    RefundReason, Stripe, StripeError, SubscriptionChange, Timestamp,
};
use latchkey_stripe_gateway::{Config, ConfigError, Gateway, MAX_SESSION_PAGES, SecretKey};

#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    delay: Duration,
}

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: vec![],
        body: body.to_owned(),
        delay: Duration::ZERO,
    }
}

struct Seen {
    line: String,
    headers: HeaderMap,
    body: String,
}

#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<Seen>>,
}

async fn reply(
    State(script): State<Arc<Script>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    script.seen.lock().unwrap().push(Seen {
        line: format!("{method} {uri}"),
        headers,
        body,
    });
    let next = script
        .answers
        .lock()
        .unwrap()
        .pop_front()
        .unwrap_or_else(|| answer(500, "nothing scripted"));
    tokio::time::sleep(next.delay).await;
    let mut response = (axum::http::StatusCode::from_u16(next.status).unwrap(), next.body).into_response();
    for (name, value) in next.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

async fn world(answers: Vec<Answer>) -> (Gateway, Arc<Script>) {
    let script = Arc::new(Script {
        answers: Mutex::new(answers.into()),
        ..Script::default()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(reply).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (gateway(&format!("http://{address}/")).unwrap(), script)
}

fn gateway(url: &str) -> Result<Gateway, ConfigError> {
    Gateway::new(Config {
        secret_key: SecretKey::new("sk_test_secret"),
        base_url: Some(url.parse().unwrap()),
        timeout: Duration::from_millis(400),
        jitter: Arc::new(|| 0.0),
        clock: Arc::new(Watch),
        wire: None,
    })
}

/// Pauses are real ones, and nobody asks for the present.
struct Watch;

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn pause(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(length))
    }
}

fn new_customer() -> NewCustomer {
    NewCustomer {
        account: AccountId::parse("acc_1").unwrap(),
        email: Some("a+b@example.org".to_owned()),
    }
}

fn key() -> IdempotencyKey {
    IdempotencyKey::new("customer.acc_1")
}

const SESSION: &str = r#"{"id":"cs_1","status":"open","payment_status":"unpaid","mode":"subscription","expires_at":1,"livemode":false,"url":"https://x"}"#;

#[tokio::test]
async fn a_checkout_is_sent_as_a_form_bound_to_the_account() {
    let (gateway, script) = world(vec![answer(200, SESSION)]).await;
    let new = NewCheckout {
        customer: "cus_1".to_owned(),
        account: AccountId::parse("acc_1").unwrap(),
        attempt: EventId::parse("evt_1").unwrap(),
        price: "price_1".to_owned(),
        terms: CheckoutTerms::default(),
        success_url: "https://a.example/return?session_id={CHECKOUT_SESSION_ID}".to_owned(),
        cancel_url: "https://a.example/support".to_owned(),
        locale: Some("de".to_owned()),
        once: false,
    };
    assert_eq!(gateway.create_checkout_session(&key(), &new).await.unwrap().id, "cs_1");
    let seen = script.seen.lock().unwrap();
    let request = &seen[0];
    assert_eq!(request.line, "POST /v1/checkout/sessions");
    assert_eq!(request.headers["authorization"], "Bearer sk_test_secret");
    assert_eq!(request.headers["stripe-version"], "2026-09-30.endive");
    assert_eq!(request.headers["idempotency-key"], "customer.acc_1");
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    for field in [
        "mode=subscription",
        "client_reference_id=acc_1",
        "line_items[0][price]=price_1",
        "metadata[latchkey_account]=acc_1",
        "subscription_data[metadata][latchkey_attempt]=evt_1",
        "locale=de",
    ] {
        assert!(
            request.body.split('&').any(|found| found == field),
            "{field} in {}",
            request.body
        );
    }
}

#[tokio::test]
async fn a_post_is_repeated_with_the_same_key_and_bytes() {
    let busy = Answer {
        headers: vec![("retry-after", "1")],
        ..answer(429, "{}")
    };
    let (gateway, script) = world(vec![
        answer(409, r#"{"error":{}}"#),
        busy,
        answer(200, r#"{"id":"cus_9"}"#),
    ])
    .await;
    let begin = std::time::Instant::now();
    assert_eq!(gateway.create_customer(&key(), &new_customer()).await.unwrap(), "cus_9");
    assert!(
        begin.elapsed() >= Duration::from_secs(1),
        "Retry-After was not honoured"
    );
    let seen = script.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter()
            .all(|it| it.headers["idempotency-key"] == "customer.acc_1" && it.body == seen[0].body)
    );
}

#[tokio::test]
async fn a_html_page_of_a_proxy_leaves_the_outcome_open() {
    let page = answer(502, "<html>Bad gateway</html>");
    let (gateway, script) = world(vec![page.clone(), page.clone(), page]).await;
    let error = gateway.create_customer(&key(), &new_customer()).await.unwrap_err();
    assert_eq!(
        error,
        StripeError::OutcomeUnknown {
            what: "status 502".to_owned()
        }
    );
    assert_eq!(script.seen.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn stripe_can_say_that_repeating_is_useless() {
    let stop = Answer {
        headers: vec![("stripe-should-retry", "false")],
        ..answer(500, r#"{"error":{}}"#)
    };
    let (gateway, script) = world(vec![stop]).await;
    assert!(gateway.create_customer(&key(), &new_customer()).await.is_err());
    assert_eq!(script.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_failure_that_stripe_repeats_under_a_key_is_told_apart() {
    let failed = || answer(500, r#"{"error":{"type":"api_error"}}"#);
    let repeated = Answer {
        headers: vec![("idempotent-replayed", "true")],
        ..failed()
    };
    let (gateway, script) = world(vec![failed(), repeated]).await;
    let error = gateway.create_customer(&key(), &new_customer()).await.unwrap_err();
    assert_eq!(error, StripeError::KeySpent);
    assert!(!error.retry(), "the same key never gets another answer");
    assert_eq!(script.seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn an_answer_that_does_not_come_leaves_the_outcome_open() {
    let slow = Answer {
        delay: Duration::from_secs(5),
        ..answer(200, "{}")
    };
    let (gateway, script) = world(vec![slow]).await;
    let error = gateway.create_customer(&key(), &new_customer()).await.unwrap_err();
    assert!(matches!(error, StripeError::OutcomeUnknown { .. }) && error.retry());
    assert_eq!(script.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn refusals_are_told_apart_and_show_no_address() {
    let no = r#"{"error":{"type":"invalid_request_error","code":"email_invalid","message":"Invalid email a+b@example.org"}}"#;
    let (gateway, _script) = world(vec![
        answer(400, no),
        answer(
            402,
            r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"lost_card"}}"#,
        ),
        answer(401, "{}"),
        answer(404, r#"{"error":{"code":"resource_missing"}}"#),
    ])
    .await;
    let error = gateway.create_customer(&key(), &new_customer()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("example.org"), "{error:?}");
    let change = || SubscriptionChange::CancelAtPeriodEnd(true);
    let error = gateway
        .update_subscription(&key(), "sub_1", change())
        .await
        .unwrap_err();
    assert!(matches!(error, StripeError::Declined { .. }));
    let error = gateway
        .update_subscription(&key(), "sub_1", change())
        .await
        .unwrap_err();
    assert_eq!(error, StripeError::Unauthorized);
    assert_eq!(
        gateway.checkout_session("cs_1").await.unwrap_err(),
        StripeError::NotFound
    );
    assert_eq!(
        gateway.checkout_session("../x").await.unwrap_err(),
        StripeError::NotFound
    );
}

#[tokio::test]
async fn the_state_of_a_customer_reads_every_page_with_status_all() {
    let sub = |id: &str| {
        format!(
            r#"{{"id":"{id}","customer":"cus_1","status":"past_due","created":1,"livemode":false,"latest_invoice":"in_1","items":{{"data":[]}}}}"#
        )
    };
    let list = |data: &str, more: bool| answer(200, &format!(r#"{{"data":[{data}],"has_more":{more}}}"#));
    let (gateway, script) = world(vec![
        answer(200, r#"{"id":"cus_1","livemode":false}"#),
        list(&sub("sub_2"), true),
        list(&sub("sub_1"), false),
        list("", false),
        answer(200, r#"{"id":"in_1","amount_due":500,"currency":"eur","created":1}"#),
        list(SESSION, false),
        list("", false),
    ])
    .await;
    let error_or = gateway.customer_state("cus_1").await;
    let seen = script.seen.lock().unwrap();
    assert!(
        seen[1].line.contains("status=all") && seen[1].line.contains("limit=100"),
        "{}",
        seen[1].line
    );
    assert!(seen[2].line.contains("starting_after=sub_2"));
    drop(seen);
    let lines = || {
        script
            .seen
            .lock()
            .unwrap()
            .iter()
            .map(|it| it.line.clone())
            .collect::<Vec<_>>()
    };
    match error_or {
        Ok(state) => assert_eq!((state.subscriptions.len(), state.sessions.len()), (2, 1)),
        Err(error) => panic!("{error}: {:?}", lines()),
    }
}

#[tokio::test]
async fn a_stripe_that_is_not_there_is_unreachable() {
    let gateway = gateway("http://127.0.0.1:1/").unwrap();
    let error = gateway.create_customer(&key(), &new_customer()).await.unwrap_err();
    assert_eq!(
        error,
        StripeError::Unreachable {
            what: "no connection".to_owned()
        }
    );
}

#[tokio::test]
async fn what_a_key_can_see_is_read_and_nothing_is_changed() {
    const ACCOUNT: &str = r#"{"id":"acct_1","charges_enabled":false,"email":"owner@post.example",
        "business_profile":{"name":"The \u001b[31mPost"},"settings":{"dashboard":{"display_name":""}}}"#;
    const PRICE: &str = r#"{"id":"price_1","product":"prod_1","active":false,"currency":"eur","unit_amount":500,
        "recurring":{"interval":"month","interval_count":1},"livemode":false}"#;
    const ABSENT: &str = r#"{"error":{"type":"invalid_request_error","code":"resource_missing"}}"#;
    const NO_LEAVE: &str = r#"{"error":{"type":"invalid_request_error"}}"#;
    let (gateway, script) = world(vec![
        answer(200, r#"{"data":[],"has_more":false}"#),
        answer(200, ACCOUNT),
        answer(403, NO_LEAVE),
        answer(200, PRICE),
        answer(404, ABSENT),
    ])
    .await;
    gateway.accepts_key().await.unwrap();
    let account = gateway.key_account().await.unwrap();
    assert_eq!((account.id.as_str(), account.charges_enabled), ("acct_1", false));
    assert_eq!(account.name, "The [31mPost", "a terminal takes no orders from a name");
    assert_eq!(gateway.key_account().await.unwrap_err(), StripeError::Unauthorized);
    let price = gateway.price("price_1").await.unwrap().unwrap();
    assert_eq!((price.active, price.unit_amount_minor), (false, Some(500)));
    assert_eq!(gateway.price("price_2").await.unwrap(), None);
    assert_eq!(
        gateway.price("../account").await.unwrap(),
        None,
        "this is no id, and is not asked for"
    );
    let lines: Vec<String> = script.seen.lock().unwrap().iter().map(|it| it.line.clone()).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/prices?limit=1",
            "GET /v1/account",
            "GET /v1/account",
            "GET /v1/prices/price_1?expand[0]=currency_options",
            "GET /v1/prices/price_2?expand[0]=currency_options",
        ]
    );
}

#[test]
fn the_key_never_goes_out_in_the_clear_and_is_never_printed() {
    assert_eq!(gateway("http://stripe.example/").unwrap_err(), ConfigError::BaseUrl);
    assert!(gateway("http://stripe.localhost:8080").is_ok());
    assert_eq!(format!("{:?}", SecretKey::new("sk_test_secret")), "SecretKey(redacted)");
}

const CUSTOMER: &str = r#"{"id":"cus_1","livemode":false}"#;
const LIVE: &str = r#"{"id":"sub_1","customer":"cus_1","status":"active","created":90000,"livemode":false,
    "items":{"data":[{"id":"si_1","price":{"id":"price_1","product":"prod_1"},
    "current_period_start":100000,"current_period_end":200000}]}}"#;

fn list(data: &[&str]) -> Answer {
    answer(200, &format!(r#"{{"data":[{}],"has_more":false}}"#, data.join(",")))
}

fn charge(id: &str, refunds: &str, disputed: bool) -> String {
    format!(
        r#"{{"id":"{id}","payment_intent":"pi_{id}","customer":"cus_1","amount":500,"amount_refunded":0,"currency":"eur","created":1,
        "paid":true,"disputed":{disputed},"livemode":false,"refunds":{{"data":[{refunds}],"has_more":false}}}}"#
    )
}

fn lines(script: &Script) -> Vec<String> {
    script.seen.lock().unwrap().iter().map(|it| it.line.clone()).collect()
}

#[tokio::test]
async fn who_never_had_money_back_costs_one_more_call_and_who_has_no_subscription_none() {
    let quiet = charge("ch_1", "", false);
    let (gateway, script) = world(vec![
        answer(200, CUSTOMER),
        list(&[LIVE]),
        list(&[]),
        list(&[]),
        list(&[]),
        list(&[&quiet]),
    ])
    .await;
    let state = gateway.customer_state("cus_1").await.unwrap();
    assert_eq!(
        (state.charges.len(), state.refunds.len(), state.disputes.len()),
        (0, 0, 0)
    );
    let seen = lines(&script);
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert!(
        seen[5].starts_with("GET /v1/charges?") && seen[5].contains("customer=cus_1") && seen[5].contains("=13600"),
        "since a day before the running period: {}",
        seen[5]
    );

    let over = LIVE.replace("active", "canceled");
    let (gateway, script) = world(vec![
        answer(200, CUSTOMER),
        list(&[&over]),
        list(&[]),
        list(&[]),
        list(&[]),
    ])
    .await;
    gateway.customer_state("cus_1").await.unwrap();
    assert_eq!(lines(&script).len(), 5);
}

#[tokio::test]
async fn what_went_back_is_read_with_the_invoice_that_it_had_paid() {
    let refund = r#"{"id":"re_1","charge":"ch_1","amount":200,"currency":"eur","status":"failed","created":5,"failure_reason":"unknown"}"#;
    let dispute = r#"{"id":"dp_1","charge":"ch_2","amount":500,"currency":"eur","status":"lost","created":6}"#;
    let payment = |invoice: &str| {
        format!(
            r#"{{"invoice":"{invoice}","status":"paid","amount_paid":500,"payment":{{"type":"payment_intent","payment_intent":"pi_1"}}}}"#
        )
    };
    let (first, second) = (charge("ch_1", refund, false), charge("ch_2", "", true));
    let (gateway, script) = world(vec![
        answer(200, CUSTOMER),
        list(&[LIVE]),
        list(&[]),
        list(&[]),
        list(&[]),
        list(&[&first, &second]),
        list(&[&payment("in_1")]),
        list(&[dispute]),
        list(&[&payment("in_2")]),
    ])
    .await;
    let state = gateway.customer_state("cus_1").await.unwrap();
    let paid: Vec<_> = state
        .charges
        .iter()
        .map(|it| (it.id.as_str(), it.invoice.as_deref()))
        .collect();
    assert_eq!(paid, [("ch_1", Some("in_1")), ("ch_2", Some("in_2"))]);
    assert_eq!(
        (state.refunds[0].id.as_str(), state.disputes[0].id.as_str()),
        ("re_1", "dp_1")
    );
    let seen = lines(&script);
    assert!(
        seen[6].contains("payment[payment_intent]=pi_ch_1") || seen[6].contains("payment%5Bpayment_intent%5D=pi_ch_1"),
        "{}",
        seen[6]
    );
}

#[tokio::test]
async fn ending_refunding_and_voiding_are_sent_with_what_makes_them_safe_to_repeat() {
    const INVOICE: &str = r#"{"id":"in_1","amount_due":500,"currency":"eur","created":1,"status":"void"}"#;
    const REFUND: &str =
        r#"{"id":"re_1","charge":"ch_1","amount":500,"currency":"eur","status":"pending","created":5}"#;
    const REFUSED: &str = r#"{"error":{"type":"invalid_request_error","code":"charge_disputed","message":"x"}}"#;
    let (gateway, script) = world(vec![
        answer(502, "<html>"),
        answer(200, &LIVE.replace("active", "canceled")),
        answer(200, REFUND),
        answer(400, REFUSED),
        answer(200, INVOICE),
    ])
    .await;
    let ended = gateway.cancel_subscription("sub_1", "one of two").await.unwrap();
    assert!(ended.status.is_terminal());
    let new = NewRefund {
        payment_intent: "pi_1".to_owned(),
        amount_minor: None,
        reason: RefundReason::Duplicate,
        metadata: vec![("k".to_owned(), "v".to_owned())],
    };
    assert_eq!(gateway.create_refund(&key(), &new).await.unwrap().amount_minor, 500);
    let refused = gateway.create_refund(&key(), &new).await.unwrap_err();
    assert!(
        matches!(&refused, StripeError::Refused { code: Some(code), .. } if code == "charge_disputed"),
        "{refused}"
    );
    gateway.void_invoice(&key(), "in_1").await.unwrap();
    let seen = script.seen.lock().unwrap();
    assert_eq!(seen[0].line, "DELETE /v1/subscriptions/sub_1");
    assert_eq!(seen[1].line, seen[0].line, "ending twice ends once");
    assert!(
        seen[0].body.contains("prorate=false") && seen[0].body.contains("invoice_now=false"),
        "{}",
        seen[0].body
    );
    assert_eq!(
        (seen[2].line.as_str(), seen[2].body.as_str()),
        ("POST /v1/refunds", "metadata[k]=v&payment_intent=pi_1&reason=duplicate")
    );
    assert_eq!(seen[2].headers["idempotency-key"], "customer.acc_1");
    assert_eq!(seen[4].line, "POST /v1/invoices/in_1/void");
}

#[tokio::test]
async fn the_owner_of_a_dispute_is_found_through_its_charge() {
    let owned = r#"{"id":"x","charge":{"id":"ch_1","customer":"cus_1"}}"#;
    let (gateway, script) = world(vec![
        answer(200, owned),
        answer(200, owned),
        answer(200, r#"{"id":"sub_1","customer":"cus_2"}"#),
        answer(200, r#"{"id":"x","charge":{"id":"ch_1","customer":null}}"#),
    ])
    .await;
    assert_eq!(gateway.customer_of("du_1").await.unwrap().as_deref(), Some("cus_1"));
    assert_eq!(gateway.customer_of("re_1").await.unwrap().as_deref(), Some("cus_1"));
    assert_eq!(gateway.customer_of("sub_1").await.unwrap().as_deref(), Some("cus_2"));
    assert_eq!(gateway.customer_of("dp_2").await.unwrap(), None);
    assert_eq!(
        gateway.customer_of("price_1").await.unwrap(),
        None,
        "nobody's, and not asked for"
    );
    assert_eq!(gateway.customer_of("../x").await.unwrap_err(), StripeError::NotFound);
    let seen = lines(&script);
    assert_eq!(
        (seen.len(), seen[0].starts_with("GET /v1/disputes/du_1?expand")),
        (4, true),
        "{seen:?}"
    );
}

#[tokio::test]
async fn every_invoice_of_the_running_period_is_read_however_many_there_are() {
    let invoice = |id: &str, created: i64| {
        format!(r#"{{"id":"{id}","amount_due":500,"currency":"eur","created":{created},"subscription":"sub_1"}}"#)
    };
    let page = |invoice: &str, more: bool| answer(200, &format!(r#"{{"data":[{invoice}],"has_more":{more}}}"#));
    let (first, second) = (invoice("in_9", 150_000), invoice("in_1", 100_000));
    let read = vec![
        answer(200, CUSTOMER),
        list(&[LIVE]),
        page(&first, true),
        page(&second, false),
        list(&[]),
        list(&[]),
        list(&[]),
    ];
    let (gateway, script) = world(read).await;
    let state = gateway.customer_state("cus_1").await.unwrap();
    let ids: Vec<&str> = state.invoices.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["in_9", "in_1"]);
    let seen = lines(&script);
    assert!(
        seen[3].contains("starting_after=in_9") && seen[3].contains("=13600"),
        "{}",
        seen[3]
    );

    // What is older than the running period is not asked for.
    let old = invoice("in_9", 13_000);
    let (gateway, script) = world(vec![
        answer(200, CUSTOMER),
        list(&[LIVE]),
        page(&old, true),
        list(&[]),
        list(&[]),
        list(&[]),
    ])
    .await;
    gateway.customer_state("cus_1").await.unwrap();
    assert_eq!(lines(&script).len(), 6);
}

#[tokio::test]
async fn what_is_paid_once_is_sent_as_a_payment_without_an_interval() {
    let (gateway, script) = world(vec![answer(200, SESSION), answer(200, r#"{"id":"price_9"}"#)]).await;
    let new = NewCheckout {
        terms: CheckoutTerms::default(),
        customer: "cus_1".to_owned(),
        account: AccountId::parse("acc_1").unwrap(),
        attempt: EventId::parse("evt_1").unwrap(),
        price: "price_1".to_owned(),
        success_url: "https://a.example/return".to_owned(),
        cancel_url: "https://a.example/support".to_owned(),
        locale: None,
        once: true,
    };
    gateway.create_checkout_session(&key(), &new).await.unwrap();
    let price = NewPrice {
        product: "prod_1".to_owned(),
        currency: "eur".parse().unwrap(),
        unit_amount_minor: 200,
        interval: Interval::Day,
        interval_count: 1,
        once: true,
        lookup_key: "week".to_owned(),
    };
    assert_eq!(gateway.create_price(&key(), &price).await.unwrap(), "price_9");
    let seen = script.seen.lock().unwrap();
    let has = |number: usize, field: &str| seen[number].body.split('&').any(|found| found == field);
    assert!(has(0, "mode=payment") && has(0, "payment_intent_data[metadata][latchkey_attempt]=evt_1"));
    assert!(!seen[0].body.contains("subscription_data"), "{}", seen[0].body);
    assert!(
        has(1, "unit_amount=200") && !seen[1].body.contains("recurring"),
        "{}",
        seen[1].body
    );
}

#[tokio::test]
async fn purchases_are_read_to_a_limit_beyond_which_the_state_says_so() {
    let list = |id: usize, mode: &str| {
        answer(
            200,
            &format!(
                r#"{{"data":[{{"id":"cs_{id}","status":"complete","payment_status":"paid","mode":"{mode}","expires_at":1,"livemode":false}}],"has_more":true}}"#
            ),
        )
    };
    let empty = || answer(200, r#"{"data":[],"has_more":false}"#);
    let customer = answer(200, r#"{"id":"cus_1","livemode":false}"#);
    let mut answers = vec![customer.clone(), empty(), empty(), empty()];
    answers.extend((0..MAX_SESSION_PAGES).map(|id| list(id, if id == 1 { "subscription" } else { "payment" })));
    let (gateway, script) = world(answers).await;
    let state = gateway.customer_state("cus_1").await.unwrap();
    assert!(state.more_purchases);
    assert_eq!(
        state.purchases.len(),
        MAX_SESSION_PAGES - 1,
        "subscriptions are read elsewhere"
    );
    let second = script.seen.lock().unwrap()[5].line.clone();
    for part in [
        "starting_after=cs_0",
        "status=complete",
        "customer=cus_1",
        "limit=100",
        "expand[0]=data.line_items",
    ] {
        assert!(
            second.replace("%5B", "[").replace("%5D", "]").contains(part),
            "{part} in {second}"
        );
    }
    let (gateway, _) = world(vec![customer, empty(), empty(), empty(), empty()]).await;
    assert!(!gateway.customer_state("cus_1").await.unwrap().more_purchases);
}
