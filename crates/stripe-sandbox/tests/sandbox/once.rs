//! What is sold once: cards, bank debits that settle days later, invoices.

use serde_json::json;

use crate::support::{Bench, DAY_MS, text};

const SETTLES: &str = "AT61 1904 3002 3457 3201";
const FAILS: &str = "AT86 1904 3002 3547 3202";

async fn pass(bench: &Bench) -> String {
    let product = text(&bench.post("/v1/products", &[("name", "A week")]).await, "id");
    let price = bench
        .post(
            "/v1/prices",
            &[("product", &product), ("currency", "eur"), ("unit_amount", "200")],
        )
        .await;
    assert_eq!(
        (&price["type"], &price["recurring"]),
        (&json!("one_time"), &json!(null))
    );
    text(&price, "id")
}

async fn session(bench: &Bench, extra: &[(&str, &str)]) -> String {
    let (price, customer) = (pass(bench).await, bench.customer().await);
    let mut pairs = vec![("mode", "payment")];
    pairs.extend_from_slice(extra);
    text(&bench.session(&customer, &price, &pairs).await, "id")
}

async fn debit(bench: &Bench, session: &str, iban: &str) -> u16 {
    let pairs = [("iban", iban), ("name", "A Reader")];
    bench.page("POST", &format!("/c/pay/{session}"), &pairs).await.status
}

#[tokio::test]
async fn a_card_pays_at_once_and_lines_and_intent_are_there_when_asked_for() {
    let bench = Bench::new();
    let id = session(&bench, &[("payment_intent_data[metadata][account]", "acc_1")]).await;
    assert_eq!(bench.pay(&id, "4242 4242 4242 4242").await.status, 303);
    let path = format!(
        "/v1/checkout/sessions/{id}?expand[]=line_items&expand[]=payment_intent.latest_charge&expand[]=invoice"
    );
    let paid = bench.get(&path).await;
    assert_eq!(
        (&paid["status"], &paid["payment_status"]),
        (&json!("complete"), &json!("paid"))
    );
    assert_eq!((&paid["subscription"], &paid["invoice"]), (&json!(null), &json!(null)));
    assert_eq!(paid["line_items"]["data"][0]["quantity"], 1);
    let intent = &paid["payment_intent"];
    assert_eq!(
        (&intent["status"], &intent["amount_received"]),
        (&json!("succeeded"), &json!(200))
    );
    assert_eq!(intent["metadata"]["account"], "acc_1");
    let completed = bench
        .get(&format!(
            "/v1/checkout/sessions?customer={}&status=complete&limit=100&expand[]=data.line_items",
            text(&paid, "customer")
        ))
        .await;
    assert_eq!(completed["data"][0]["line_items"]["data"][0]["amount_total"], 200);
}

#[tokio::test]
async fn a_bank_debit_completes_unpaid_and_settles_after_five_days() {
    let bench = Bench::new();
    let id = session(&bench, &[]).await;
    let page = bench.page("GET", &format!("/c/pay/{id}"), &[]).await;
    assert!(page.html.contains("Pay by bank debit"), "{}", page.html);
    assert_eq!(debit(&bench, &id, "AT00 1234").await, 422);
    assert_eq!(debit(&bench, &id, SETTLES).await, 303);
    let path = format!("/v1/checkout/sessions/{id}?expand[]=payment_intent.payment_method");
    let waiting = bench.get(&path).await;
    assert_eq!(
        (&waiting["status"], &waiting["payment_status"]),
        (&json!("complete"), &json!("unpaid"))
    );
    assert_eq!(waiting["payment_intent"]["status"], "processing");
    assert_eq!(waiting["payment_intent"]["payment_method"]["type"], "sepa_debit");
    bench.sandbox.advance(5 * DAY_MS - 1000);
    assert_eq!(bench.get(&path).await["payment_status"], "unpaid");
    bench.sandbox.advance(1000);
    let paid = bench.get(&path).await;
    assert_eq!(
        (&paid["payment_status"], &paid["payment_intent"]["status"]),
        (&json!("paid"), &json!("succeeded"))
    );
    let kinds = bench.event_kinds().await;
    let told = |kind: &str| kinds.iter().filter(|known| *known == kind).count();
    assert_eq!(
        (
            told("checkout.session.completed"),
            told("checkout.session.async_payment_succeeded")
        ),
        (1, 1)
    );
    assert_eq!(
        (told("payment_intent.processing"), told("payment_intent.succeeded")),
        (1, 1)
    );
}

#[tokio::test]
async fn a_bank_debit_that_fails_stays_unpaid_for_ever() {
    let bench = Bench::new();
    let id = session(&bench, &[]).await;
    assert_eq!(debit(&bench, &id, FAILS).await, 303);
    bench.sandbox.advance(30 * DAY_MS);
    let failed = bench.get(&format!("/v1/checkout/sessions/{id}")).await;
    assert_eq!(
        (&failed["status"], &failed["payment_status"]),
        (&json!("complete"), &json!("unpaid"))
    );
    let kinds = bench.event_kinds().await;
    assert!(
        kinds.iter().any(|kind| kind == "checkout.session.async_payment_failed"),
        "{kinds:?}"
    );
    assert!(
        !kinds.iter().any(|kind| kind == "payment_intent.succeeded"),
        "{kinds:?}"
    );
}

#[tokio::test]
async fn an_invoice_follows_where_it_was_asked_for_and_says_when_it_was_paid() {
    let bench = Bench::new();
    let id = session(&bench, &[("invoice_creation[enabled]", "true")]).await;
    assert_eq!(debit(&bench, &id, SETTLES).await, 303);
    let path = format!("/v1/checkout/sessions/{id}?expand[]=invoice");
    assert_eq!(bench.get(&path).await["invoice"], json!(null), "nothing is paid yet");
    bench.sandbox.advance(5 * DAY_MS);
    let invoice = &bench.get(&path).await["invoice"];
    assert_eq!(
        (&invoice["status"], &invoice["amount_paid"]),
        (&json!("paid"), &json!(200))
    );
    assert!(invoice["status_transitions"]["paid_at"].is_i64(), "{invoice}");
    let kinds = bench.event_kinds().await;
    assert_eq!(
        kinds.iter().filter(|kind| *kind == "payment_intent.succeeded").count(),
        1,
        "{kinds:?}"
    );
}

#[tokio::test]
async fn what_is_asked_for_in_the_wrong_mode_is_refused() {
    let bench = Bench::new();
    let (monthly, once, customer) = (bench.price().await, pass(&bench).await, bench.customer().await);
    for (price, mode, extra) in [
        (&monthly, "payment", None),
        (&once, "subscription", None),
        (&monthly, "subscription", Some(("invoice_creation[enabled]", "true"))),
        (&once, "payment", Some(("payment_method_types[0]", "bitcoin"))),
    ] {
        let mut pairs = vec![
            ("mode", mode),
            ("customer", &customer),
            ("line_items[0][price]", price),
            ("line_items[0][quantity]", "1"),
            ("success_url", "http://account.localhost:8080/return"),
        ];
        pairs.extend(extra);
        assert_eq!(
            bench.refused("POST", "/v1/checkout/sessions", &pairs).await.0,
            400,
            "{mode} {extra:?}"
        );
    }
    let cards = session(&bench, &[("payment_method_types[0]", "card")]).await;
    assert_eq!(debit(&bench, &cards, SETTLES).await, 422, "this seller takes no debits");
}
