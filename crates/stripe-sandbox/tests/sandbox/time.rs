//! What happens as time passes.

use std::sync::Arc;

use crate::support::{Bench, DAY_MS, HOUR_MS, START, clock, config, period_end, text};
use ::time::macros::datetime;
use latchkey_stripe_sandbox::{AfterLastRetry, Sandbox, SandboxClock, Settings};

#[tokio::test]
async fn renewals_keep_to_the_end_of_short_months() {
    let bench = Bench::new();
    let price = bench.price().await;
    let (_, id) = bench.subscribe(&price, "4242424242424242").await;
    let mut ends = vec![period_end(&bench.subscription(&id).await)];
    for _ in 0..4 {
        bench.sandbox.control().advance_to_next_renewal().unwrap();
        let subscription = bench.subscription(&id).await;
        assert_eq!(subscription["status"], "active");
        ends.push(period_end(&subscription));
    }
    assert_eq!(
        ends,
        [
            datetime!(2027-02-28 10:00 UTC),
            datetime!(2027-03-31 10:00 UTC),
            datetime!(2027-04-30 10:00 UTC),
            datetime!(2027-05-31 10:00 UTC),
            datetime!(2027-06-30 10:00 UTC),
        ]
    );
    assert_eq!(bench.sandbox.control().counts().payments, 5);
}

#[tokio::test]
async fn one_great_step_does_what_small_steps_do() {
    let (whole, small) = (Bench::new(), Bench::new());
    for bench in [&whole, &small] {
        let price = bench.price().await;
        bench.subscribe(&price, "4242424242424242").await;
        bench.subscribe(&price, "4000000000000341").await;
    }
    whole.sandbox.advance(200 * DAY_MS);
    for _ in 0..200 * 4 {
        small.sandbox.advance(6 * HOUR_MS);
    }
    let strip = |list: serde_json::Value| -> Vec<(String, i64)> {
        let rows = list["data"].as_array().unwrap();
        rows.iter()
            .map(|one| (text(one, "type"), one["created"].as_i64().unwrap()))
            .collect()
    };
    let ours = strip(whole.get("/v1/events?limit=100").await);
    let theirs = strip(small.get("/v1/events?limit=100").await);
    assert_eq!(ours, theirs);
    assert_eq!(whole.sandbox.control().counts(), small.sandbox.control().counts());
}

#[tokio::test]
async fn a_renewal_is_a_draft_for_an_hour_and_then_charged() {
    let bench = Bench::new();
    let price = bench.price().await;
    let (_, id) = bench.subscribe(&price, "4242424242424242").await;
    bench.sandbox.advance(28 * DAY_MS);
    let invoice = text(&bench.subscription(&id).await, "latest_invoice");
    let draft = bench.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(
        (&draft["status"], &draft["billing_reason"]),
        (&"draft".into(), &"subscription_cycle".into())
    );
    bench.sandbox.advance(HOUR_MS);
    assert_eq!(bench.get(&format!("/v1/invoices/{invoice}")).await["status"], "paid");
}

#[tokio::test]
async fn a_card_that_fails_later_is_retried_and_then_the_subscription_ends() {
    let bench = Bench::new();
    let price = bench.price().await;
    let (_, id) = bench.subscribe(&price, "4000000000000341").await;
    bench.sandbox.control().advance_to_next_renewal().unwrap();
    let failed = bench.subscription(&id).await;
    assert_eq!(failed["status"], "past_due");
    let invoice = text(&failed, "latest_invoice");
    let shown = bench.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!((&shown["status"], &shown["attempt_count"]), (&"open".into(), &1.into()));
    let first = datetime!(2027-02-28 11:00 UTC).unix_timestamp();
    assert_eq!(shown["next_payment_attempt"], first + 3 * 86_400);
    bench.sandbox.advance(3 * DAY_MS);
    let shown = bench.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(shown["next_payment_attempt"], first + 8 * 86_400);
    bench.sandbox.advance(12 * DAY_MS);
    let ended = bench.subscription(&id).await;
    assert_eq!(
        (&ended["status"], &ended["cancellation_details"]["reason"]),
        (&"canceled".into(), &"payment_failed".into())
    );
    let shown = bench.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(
        (&shown["attempt_count"], &shown["next_payment_attempt"]),
        (&4.into(), &serde_json::Value::Null)
    );
    let kinds = bench.event_kinds().await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "invoice.payment_failed").count(), 4);
    assert!(kinds.contains(&"customer.subscription.deleted".to_owned()));
}

#[tokio::test]
async fn a_new_card_saves_a_subscription_in_arrears() {
    let bench = Bench::new();
    bench.sandbox.control().set_settings(Settings {
        after_last_retry: AfterLastRetry::MarkUnpaid,
        ..Settings::default()
    });
    let price = bench.price().await;
    let (customer, id) = bench.subscribe(&price, "4242424242424242").await;
    bench.sandbox.control().fail_next_payments(&customer, 1).unwrap();
    bench.sandbox.control().advance_to_next_renewal().unwrap();
    assert_eq!(bench.subscription(&id).await["status"], "past_due");
    assert_eq!(
        bench.get(&format!("/v1/customers/{customer}")).await["delinquent"],
        true
    );
    bench.sandbox.advance(3 * DAY_MS);
    assert_eq!(bench.subscription(&id).await["status"], "active");
    bench.sandbox.control().fail_next_payments(&customer, 4).unwrap();
    bench.sandbox.control().advance_to_next_renewal().unwrap();
    bench.sandbox.advance(16 * DAY_MS);
    let unpaid = bench.subscription(&id).await;
    assert_eq!(unpaid["status"], "unpaid");
    bench
        .post(&format!("/v1/invoices/{}/pay", text(&unpaid, "latest_invoice")), &[])
        .await;
    assert_eq!(bench.subscription(&id).await["status"], "active");
}

#[tokio::test]
async fn cancel_at_period_end_ends_with_the_period_and_can_be_taken_back() {
    let bench = Bench::new();
    let price = bench.price().await;
    let (_, stays) = bench.subscribe(&price, "4242424242424242").await;
    let (_, goes) = bench.subscribe(&price, "4242424242424242").await;
    for id in [&stays, &goes] {
        let set = bench
            .post(&format!("/v1/subscriptions/{id}"), &[("cancel_at_period_end", "true")])
            .await;
        assert_eq!(
            (&set["status"], &set["cancel_at_period_end"]),
            (&"active".into(), &true.into())
        );
        assert_eq!(set["cancel_at"], period_end(&set).unix_timestamp());
    }
    let back = bench
        .post(
            &format!("/v1/subscriptions/{stays}"),
            &[("cancel_at_period_end", "false")],
        )
        .await;
    assert_eq!(
        (&back["cancel_at"], &back["canceled_at"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    bench.sandbox.advance(29 * DAY_MS);
    assert_eq!(bench.subscription(&stays).await["status"], "active");
    let gone = bench.subscription(&goes).await;
    assert_eq!(gone["status"], "canceled");
    assert_eq!(gone["ended_at"], datetime!(2027-02-28 10:00 UTC).unix_timestamp());
    let hidden = bench.get("/v1/subscriptions").await;
    assert_eq!(hidden["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        bench.get("/v1/subscriptions?status=all").await["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_trial_is_announced_and_then_charged() {
    let bench = Bench::new();
    let (price, customer) = (bench.price().await, bench.customer().await);
    let session = bench
        .session(&customer, &price, &[("subscription_data[trial_period_days]", "14")])
        .await;
    let id = text(&session, "id");
    assert_eq!(bench.pay(&id, "4242424242424242").await.status, 303);
    let session = bench.get(&format!("/v1/checkout/sessions/{id}")).await;
    assert_eq!(session["payment_status"], "no_payment_required");
    let id = text(&session, "subscription");
    assert_eq!(bench.subscription(&id).await["status"], "trialing");
    bench.sandbox.advance(12 * DAY_MS);
    assert!(
        bench
            .event_kinds()
            .await
            .contains(&"customer.subscription.trial_will_end".to_owned())
    );
    assert_eq!(bench.sandbox.control().counts().payments, 0);
    bench.sandbox.advance(3 * DAY_MS);
    let active = bench.subscription(&id).await;
    assert_eq!(active["status"], "active");
    assert_eq!(period_end(&active), datetime!(2027-03-14 10:00 UTC));
    assert_eq!(bench.sandbox.control().counts().payments, 1);
}

#[tokio::test]
async fn sessions_expire_after_a_day() {
    let bench = Bench::new();
    let (price, customer) = (bench.price().await, bench.customer().await);
    let id = text(&bench.session(&customer, &price, &[]).await, "id");
    bench.sandbox.advance(DAY_MS - 1000);
    assert_eq!(
        bench.get(&format!("/v1/checkout/sessions/{id}")).await["status"],
        "open"
    );
    bench.sandbox.advance(1000);
    assert_eq!(
        bench.get(&format!("/v1/checkout/sessions/{id}")).await["status"],
        "expired"
    );
    assert!(
        bench
            .event_kinds()
            .await
            .contains(&"checkout.session.expired".to_owned())
    );
}

#[tokio::test]
async fn changing_to_a_yearly_price_credits_what_is_left_and_begins_a_new_period() {
    let bench = Bench::new();
    let (month, year) = (bench.price().await, bench.price_of("5000", "year").await);
    let (_, id) = bench.subscribe(&month, "4242424242424242").await;
    bench.sandbox.advance(14 * DAY_MS);
    let item = text(&bench.subscription(&id).await["items"]["data"][0], "id");
    let pairs = [
        ("items[0][id]", item.as_str()),
        ("items[0][price]", &year),
        ("proration_behavior", "always_invoice"),
    ];
    let changed = bench.post(&format!("/v1/subscriptions/{id}"), &pairs).await;
    assert_eq!(changed["items"]["data"][0]["price"]["id"], year);
    assert_eq!(period_end(&changed), datetime!(2028-02-14 10:00 UTC));
    let invoice = bench
        .get(&format!("/v1/invoices/{}", text(&changed, "latest_invoice")))
        .await;
    // Half of the 28 days are left, so half of the five euros come back.
    assert_eq!(
        (&invoice["status"], &invoice["amount_paid"]),
        (&"paid".into(), &4750.into())
    );
    assert_eq!(invoice["lines"]["data"][0]["amount"], -250);
}

#[tokio::test]
async fn a_change_to_a_cheaper_price_leaves_a_credit_that_the_next_invoice_uses() {
    let bench = Bench::new();
    let (dear, cheap) = (
        bench.price_of("2000", "month").await,
        bench.price_of("1000", "month").await,
    );
    let (customer, id) = bench.subscribe(&dear, "4242424242424242").await;
    let item = text(&bench.subscription(&id).await["items"]["data"][0], "id");
    let pairs = [
        ("items[0][id]", item.as_str()),
        ("items[0][price]", &cheap),
        ("proration_behavior", "always_invoice"),
    ];
    bench.post(&format!("/v1/subscriptions/{id}"), &pairs).await;
    assert_eq!(bench.get(&format!("/v1/customers/{customer}")).await["balance"], -1000);
    bench.sandbox.control().advance_to_next_renewal().unwrap();
    let subscription = bench.subscription(&id).await;
    let invoice = bench
        .get(&format!("/v1/invoices/{}", text(&subscription, "latest_invoice")))
        .await;
    assert_eq!(
        (&invoice["total"], &invoice["amount_due"], &invoice["status"]),
        (&1000.into(), &0.into(), &"paid".into())
    );
    assert_eq!(bench.get(&format!("/v1/customers/{customer}")).await["balance"], 0);
}

#[tokio::test]
async fn a_strict_change_that_cannot_be_paid_changes_nothing() {
    let bench = Bench::new();
    let (cheap, dear) = (bench.price().await, bench.price_of("9000", "month").await);
    let (customer, id) = bench.subscribe(&cheap, "4242424242424242").await;
    let before = bench.subscription(&id).await;
    let item = text(&before["items"]["data"][0], "id");
    bench.sandbox.control().fail_next_payments(&customer, 1).unwrap();
    let pairs = [
        ("items[0][id]", item.as_str()),
        ("items[0][price]", &dear),
        ("proration_behavior", "always_invoice"),
        ("payment_behavior", "error_if_incomplete"),
    ];
    let (status, error) = bench.refused("POST", &format!("/v1/subscriptions/{id}"), &pairs).await;
    assert_eq!((status, text(&error, "code")), (402, "card_declined".to_owned()));
    let after = bench.subscription(&id).await;
    assert_eq!(after["items"]["data"][0]["price"]["id"], cheap);
    assert_eq!(after["status"], "active");
    assert_eq!(after["latest_invoice"], before["latest_invoice"]);
}

#[tokio::test]
async fn a_restart_goes_on_with_the_same_data_and_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    config.data = Some(folder.path().join("deep/er"));
    let bench = Bench {
        sandbox: Sandbox::open(config.clone(), clock()).unwrap(),
    };
    let price = bench.price().await;
    let (_, id) = bench.subscribe(&price, "4242424242424242").await;
    bench.sandbox.advance(40 * DAY_MS);
    let before = bench.subscription(&id).await;
    let counts = bench.sandbox.control().counts();
    drop(bench);
    let clock = clock();
    let bench = Bench {
        sandbox: Sandbox::open(config.clone(), Arc::clone(&clock)).unwrap(),
    };
    assert_eq!(clock.now_ms(), START.unix_timestamp() * 1000 + 40 * DAY_MS);
    assert_eq!(bench.subscription(&id).await, before);
    assert_eq!(bench.sandbox.control().counts(), counts);
    let fresh = bench.customer().await;
    assert!(
        fresh > text(&before, "customer"),
        "a new id would come before an old one"
    );
    drop(bench);
    std::fs::write(folder.path().join("deep/er/stripe-sandbox.json"), "{}").unwrap();
    let broken = Sandbox::open(config, Arc::new(SandboxClock::fixed(0)));
    assert!(broken.unwrap_err().to_string().contains("move it away"));
}

#[tokio::test]
async fn a_purchase_made_elsewhere_is_there_without_a_session() {
    let bench = Bench::new();
    let price = bench.price().await;
    let (customer, id) = bench
        .sandbox
        .control()
        .buy_elsewhere("x@example.org", &price, "4242424242424242")
        .unwrap();
    let subscription = bench.subscription(&id).await;
    assert_eq!(
        (&subscription["status"], &subscription["customer"]),
        (&"active".into(), &customer.into())
    );
    assert_eq!(bench.sandbox.control().counts().sessions, 0);
}

#[tokio::test]
async fn the_worker_writes_the_state_and_an_aborted_one_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    config.data = Some(folder.path().to_owned());
    let bench = Bench {
        sandbox: Sandbox::open(config.clone(), clock()).unwrap(),
    };
    let worker = bench.sandbox.start_deliveries();
    let first = bench.customer().await;
    let file = folder.path().join("stripe-sandbox.json");
    for _ in 0..200 {
        if std::fs::read_to_string(&file).is_ok_and(|text| text.contains(&first)) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(std::fs::read_to_string(&file).unwrap().contains(&first));
    worker.abort();
    assert!(worker.await.unwrap_err().is_cancelled());
    let second = bench.customer().await;
    assert!(std::fs::read_to_string(&file).unwrap().contains(&second));
}
