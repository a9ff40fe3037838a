//! Money that goes back: charges, refunds, disputes, credit notes.

use crate::support::{Bench, HOUR_MS, text};
use serde_json::Value;

const GOOD: &str = "4242424242424242";
const REFUND_FAILS: &str = "4000000000005126";
const REFUND_PENDS: &str = "4000000000007726";
const DISPUTES: &str = "4000000000000259";
const INQUIRES: &str = "4000000000001976";

/// Somebody who paid five euros with a card: the sandbox and the charge.
async fn paid(number: &str) -> (Bench, Value) {
    let bench = Bench::new();
    let price = bench.price().await;
    let (customer, _) = bench.subscribe(&price, number).await;
    let charges = bench.get(&format!("/v1/charges?customer={customer}")).await;
    let charge = charges["data"][0].clone();
    (bench, charge)
}

async fn charge(bench: &Bench, id: &str) -> Value {
    bench.get(&format!("/v1/charges/{id}")).await
}

#[tokio::test]
async fn every_payment_leaves_a_charge_and_so_does_every_refusal() {
    let bench = Bench::new();
    let price = bench.price().await;
    let customer = bench.customer().await;
    let session = text(&bench.session(&customer, &price, &[]).await, "id");
    bench.pay(&session, "4000000000009995").await;
    bench.pay(&session, GOOD).await;
    let charges = bench.get(&format!("/v1/charges?customer={customer}")).await;
    let [good, bad] = charges["data"].as_array().unwrap().as_slice() else {
        panic!("two charges, not {charges}");
    };
    assert_eq!(
        (&good["status"], &good["amount_captured"]),
        (&"succeeded".into(), &500.into())
    );
    assert_eq!((&bad["status"], &bad["amount_captured"]), (&"failed".into(), &0.into()));
    assert_eq!(bad["failure_code"], "card_declined");
    assert_eq!(bad["outcome"]["reason"], "insufficient_funds");
    let intent = bench
        .get(&format!("/v1/payment_intents/{}", text(good, "payment_intent")))
        .await;
    assert_eq!(intent["latest_charge"], good["id"]);
    let refusal = bench
        .refused("POST", "/v1/refunds", &[("charge", &text(bad, "id"))])
        .await;
    assert_eq!(refusal.0, 400, "{refusal:?}");
}

#[tokio::test]
async fn money_goes_back_in_parts_and_never_more_than_came() {
    let (bench, paid) = paid(GOOD).await;
    let (id, intent) = (text(&paid, "id"), text(&paid, "payment_intent"));
    let refund = bench
        .post(
            "/v1/refunds",
            &[
                ("payment_intent", &intent),
                ("amount", "200"),
                ("metadata[why]", "kindness"),
            ],
        )
        .await;
    assert_eq!(
        (&refund["status"], &refund["charge"]),
        (&"succeeded".into(), &paid["id"])
    );
    let now = charge(&bench, &id).await;
    assert_eq!(
        (&now["amount_refunded"], &now["refunded"]),
        (&200.into(), &false.into())
    );

    let (status, error) = bench
        .refused("POST", "/v1/refunds", &[("charge", &id), ("amount", "301")])
        .await;
    assert_eq!((status, &error["param"]), (400, &"amount".into()));
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("greater than unrefunded amount"),
        "{error}"
    );
    bench
        .post("/v1/refunds", &[("charge", &id), ("reason", "duplicate")])
        .await;
    let now = charge(&bench, &id).await;
    assert_eq!((&now["amount_refunded"], &now["refunded"]), (&500.into(), &true.into()));
    let (_, error) = bench.refused("POST", "/v1/refunds", &[("charge", &id)]).await;
    assert_eq!(error["code"], "charge_already_refunded");

    let list = bench.get(&format!("/v1/refunds?payment_intent={intent}")).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    let shown = bench.get(&format!("/v1/charges/{id}?expand[]=refunds")).await;
    assert_eq!(shown["refunds"]["data"].as_array().unwrap().len(), 2);
    let kinds = bench.event_kinds().await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "charge.refunded").count(), 2);
    assert_eq!(kinds.iter().filter(|kind| *kind == "refund.created").count(), 2);
}

#[tokio::test]
async fn what_is_not_known_of_refunds_is_refused() {
    let (bench, paid) = paid(GOOD).await;
    let id = text(&paid, "id");
    for (pairs, code) in [
        (
            vec![("charge", id.as_str()), ("currency", "eur")],
            Some("parameter_unknown"),
        ),
        (vec![("charge", "ch_none")], Some("resource_missing")),
        (vec![("payment_intent", "pi_none")], Some("resource_missing")),
        (vec![("amount", "5")], Some("parameter_missing")),
        (
            vec![("charge", id.as_str()), ("amount", "0")],
            Some("parameter_invalid_integer"),
        ),
        (vec![("charge", id.as_str()), ("reason", "because")], None),
    ] {
        let (status, error) = bench.refused("POST", "/v1/refunds", &pairs).await;
        assert_eq!((status, error["code"].as_str()), (400, code), "{pairs:?}");
    }
}

#[tokio::test]
async fn a_refund_that_fails_later_gives_the_charge_its_money_again() {
    let (bench, paid) = paid(REFUND_FAILS).await;
    let id = text(&paid, "id");
    let refund = bench.post("/v1/refunds", &[("charge", &id)]).await;
    assert_eq!(refund["status"], "succeeded");
    assert_eq!(charge(&bench, &id).await["refunded"], true);

    bench.sandbox.advance(2 * HOUR_MS);
    let refund = bench.get(&format!("/v1/refunds/{}", text(&refund, "id"))).await;
    assert_eq!(
        (&refund["status"], refund["failure_reason"].is_string()),
        (&"failed".into(), true)
    );
    let now = charge(&bench, &id).await;
    assert_eq!((&now["amount_refunded"], &now["refunded"]), (&0.into(), &false.into()));
    let kinds = bench.event_kinds().await;
    assert!(
        kinds.contains(&"refund.failed".to_owned()) && kinds.contains(&"refund.updated".to_owned()),
        "{kinds:?}"
    );
    bench.post("/v1/refunds", &[("charge", &id)]).await;
}

#[tokio::test]
async fn a_refund_may_wait_and_arrive_or_be_called_back() {
    let (bench, paid) = paid(REFUND_PENDS).await;
    let id = text(&paid, "id");
    let first = text(
        &bench.post("/v1/refunds", &[("charge", &id), ("amount", "100")]).await,
        "id",
    );
    let second = text(
        &bench.post("/v1/refunds", &[("charge", &id), ("amount", "200")]).await,
        "id",
    );
    assert_eq!(
        charge(&bench, &id).await["amount_refunded"],
        300,
        "what is under way counts"
    );
    bench.sandbox.control().cancel_refund(&second).unwrap();
    assert_eq!(charge(&bench, &id).await["amount_refunded"], 100);
    bench.sandbox.advance(2 * HOUR_MS);
    let status = async |id: &str| bench.get(&format!("/v1/refunds/{id}")).await["status"].clone();
    assert_eq!(
        (status(&first).await, status(&second).await),
        ("succeeded".into(), "canceled".into())
    );
    assert!(
        bench.sandbox.control().settle_refund(&first).is_err(),
        "it has arrived already"
    );
}

#[tokio::test]
async fn a_disputed_charge_is_not_refunded_until_the_dispute_is_won() {
    let (bench, paid) = paid(DISPUTES).await;
    let id = text(&paid, "id");
    bench.sandbox.advance(HOUR_MS);
    let dispute = bench.get(&format!("/v1/disputes?charge={id}")).await["data"][0].clone();
    assert_eq!(
        (&dispute["status"], &dispute["amount"]),
        (&"needs_response".into(), &500.into())
    );
    assert_eq!(charge(&bench, &id).await["disputed"], true);
    let (status, error) = bench.refused("POST", "/v1/refunds", &[("charge", &id)]).await;
    assert_eq!((status, &error["code"]), (400, &"charge_disputed".into()));

    let (control, dispute) = (bench.sandbox.control(), text(&dispute, "id"));
    assert!(control.close_inquiry(&dispute).is_err(), "it is no inquiry");
    control.review_dispute(&dispute).unwrap();
    control.win_dispute(&dispute).unwrap();
    assert!(control.lose_dispute(&dispute).is_err(), "it is over");
    bench.post("/v1/refunds", &[("charge", &id)]).await;
    let kinds: Vec<String> = bench.event_kinds().await;
    let own: Vec<&str> = kinds
        .iter()
        .filter_map(|kind| kind.strip_prefix("charge.dispute."))
        .collect();
    assert_eq!(
        own,
        [
            "created",
            "funds_withdrawn",
            "updated",
            "updated",
            "closed",
            "funds_reinstated"
        ]
    );
}

#[tokio::test]
async fn a_dispute_that_its_merchant_gives_in_to_is_lost() {
    let (bench, paid) = paid(GOOD).await;
    let dispute = bench.sandbox.control().open_dispute(&text(&paid, "id"), false).unwrap();
    let closed = bench.post(&format!("/v1/disputes/{dispute}/close"), &[]).await;
    assert_eq!(closed["status"], "lost");
    assert!(bench.sandbox.control().open_dispute(&text(&paid, "id"), false).is_err());
}

#[tokio::test]
async fn an_inquiry_moves_no_money_and_may_become_a_dispute() {
    let (bench, paid) = paid(INQUIRES).await;
    let id = text(&paid, "id");
    bench.sandbox.advance(HOUR_MS);
    let inquiry = bench.get(&format!("/v1/disputes?charge={id}")).await["data"][0].clone();
    assert_eq!(
        (
            &inquiry["status"],
            &inquiry["is_charge_refundable"],
            inquiry["balance_transactions"].as_array().unwrap().len()
        ),
        (&"warning_needs_response".into(), &true.into(), 0)
    );
    let (status, _) = bench
        .refused("POST", &format!("/v1/disputes/{}/close", text(&inquiry, "id")), &[])
        .await;
    assert_eq!(status, 400);
    bench.post("/v1/refunds", &[("charge", &id), ("amount", "100")]).await;
    let control = bench.sandbox.control();
    control.escalate_inquiry(&text(&inquiry, "id")).unwrap();
    let (_, error) = bench.refused("POST", "/v1/refunds", &[("charge", &id)]).await;
    assert_eq!(error["code"], "charge_disputed");

    let second = bench.price().await;
    let (customer, _) = bench.subscribe(&second, GOOD).await;
    let [other] = &control.paid_charges_of(&customer)[..] else {
        panic!("one charge")
    };
    let inquiry = control.open_dispute(other, true).unwrap();
    control.close_inquiry(&inquiry).unwrap();
    assert_eq!(
        bench.get(&format!("/v1/disputes/{inquiry}")).await["status"],
        "warning_closed"
    );
    control.open_dispute(other, false).unwrap();
}

#[tokio::test]
async fn a_credit_note_sends_money_back_and_never_more_than_was_paid() {
    let (bench, paid) = paid(GOOD).await;
    let customer = text(&paid, "customer");
    let invoice = bench.get(&format!("/v1/invoices?customer={customer}")).await["data"][0].clone();
    let invoice = text(&invoice, "id");
    let note = bench
        .post(
            "/v1/credit_notes",
            &[("invoice", &invoice), ("amount", "300"), ("refund_amount", "300")],
        )
        .await;
    assert_eq!((&note["status"], &note["total"]), (&"issued".into(), &300.into()));
    let refund = text(&note["refunds"][0], "refund");
    assert_eq!(bench.get(&format!("/v1/refunds/{refund}")).await["charge"], paid["id"]);
    assert_eq!(charge(&bench, &text(&paid, "id")).await["amount_refunded"], 300);
    let shown = bench.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(
        (&shown["post_payment_credit_notes_amount"], &shown["amount_paid"]),
        (&300.into(), &500.into())
    );
    for pairs in [
        [("amount", "300"), ("refund_amount", "300")],
        [("amount", "100"), ("refund_amount", "50")],
        [("amount", "100"), ("credit_amount", "100")],
    ] {
        let pairs = [&[("invoice", invoice.as_str())], &pairs[..]].concat();
        let (status, error) = bench.refused("POST", "/v1/credit_notes", &pairs).await;
        assert_eq!(status, 400, "{error}");
    }
    assert_eq!(
        bench.get(&format!("/v1/credit_notes?invoice={invoice}")).await["data"][0],
        note
    );
    assert!(bench.event_kinds().await.contains(&"credit_note.created".to_owned()));
}

#[tokio::test]
async fn the_panel_has_a_button_for_each_of_it() {
    let (bench, paid) = paid(GOOD).await;
    let (id, token) = (text(&paid, "id"), bench.sandbox.form_token().to_owned());
    let press = async |act: &str, id: &str| {
        let pairs = [("token", token.as_str()), ("id", id)];
        let page = bench.page("POST", &format!("/control/{act}"), &pairs).await;
        assert_eq!(page.status, 303, "{act}: {}", page.html);
        bench.page("GET", "/control", &[]).await.html
    };
    let html = press("inquire", &id).await;
    assert!(
        html.contains("warning_needs_response") && html.contains("/control/dispute_escalate"),
        "{html}"
    );
    let inquiry = text(&bench.get("/v1/disputes").await["data"][0], "id");
    press("dispute_escalate", &inquiry).await;
    press("dispute_review", &inquiry).await;
    let html = press("dispute_win", &inquiry).await;
    assert!(html.contains(">won<"), "{html}");
    press("refund", &id).await;
    let refund = text(&bench.get("/v1/refunds").await["data"][0], "id");
    press("refund_fail", &refund).await;
    assert_eq!(charge(&bench, &id).await["amount_refunded"], 0);
    let page = bench
        .page("POST", "/control/dispute_lose", &[("token", &token), ("id", &inquiry)])
        .await;
    assert_eq!(page.status, 422, "it is over");
}
