//! Readers with two live subscriptions to one plan.

use latchkey_billing::{DoubleSubscription, MoneyBackPolicy};
use latchkey_stripe_sandbox::Fault;
use latchkey_testkit::{Death, Offer, Reader, World, days, each_city, each_city_with, minutes};

use crate::{reads_without_ads, terms};

/// The reader pays for the same plan twice, a minute apart. Gives the older subscription and the newer one.
async fn pays_twice(city: &World) -> (Reader<'_>, String, String) {
    let ada = city.reader("ada").subscribes(Offer::Monthly).await;
    let older = ada.subscription();
    city.advance(minutes(1)).await;
    let newer = city.stripe().subscribes_again(&ada, Offer::Monthly).await;
    city.settle().await;
    assert_eq!(city.stripe().live_subscriptions(), [older.clone(), newer.clone()]);
    (ada, older, newer)
}

/// All is well again: one subscription, paid once, and the reader knows.
async fn one_is_left(city: &World, ada: &Reader<'_>, kept: &str) {
    city.settle().await;
    assert_eq!(city.stripe().live_subscriptions(), [kept]);
    let refunds = city.stripe().all_refunds().await;
    let amounts: Vec<_> = refunds
        .iter()
        .map(|it| (it["amount"].as_i64(), it["reason"].as_str()))
        .collect();
    assert_eq!(amounts, [(Some(500), Some("duplicate"))]);
    let letters = city.letters_to(&ada.email());
    let told = letters
        .iter()
        .filter(|(subject, _)| subject.contains("one of your two subscriptions was stopped"));
    assert_eq!(told.count(), 1, "{letters:?}");
    assert_eq!(terms(ada).await.len(), 1);
    assert!(reads_without_ads(ada).await);
}

/// Complaint 3: the reader really ends with two live subscriptions and pays twice.
#[tokio::test(flavor = "multi_thread")]
async fn who_pays_twice_is_paid_back_told_and_reads_on() {
    each_city(async |city| {
        let (ada, older, newer) = pays_twice(city).await;
        assert!(city.alerts().await[0].text.contains("2 live subscriptions"));
        let page = ada.account_home().await;
        assert!(page.says("One of them is stopped within minutes"), "{page:?}");
        city.advance(minutes(8)).await;
        assert_eq!(
            city.stripe().live_subscriptions().len(),
            2,
            "a change of plan may be under way"
        );

        city.advance(minutes(3)).await;
        one_is_left(city, &ada, &older).await;
        let (_, text) = city.letters_to(&ada.email()).pop().expect("a letter");
        assert!(
            text.contains("two subscriptions to Supporter of The Daily Example") && text.contains("We paid €5.00 back"),
            "{text}"
        );
        let page = ada.account_home().await;
        assert!(
            page.says("You had two subscriptions to Supporter") && page.says("We paid €5.00 back"),
            "{page:?}"
        );
        let alerts = city.alerts().await;
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert!(
            alerts[0]
                .text
                .contains(&format!("{newer} was stopped, and €5.00 for invoice")),
            "{alerts:?}"
        );
        city.advance(days(40)).await;
        assert_eq!(city.stripe().control().counts().payments, 3, "two, and one renewal");
        assert_eq!(city.alerts().await, [], "the operator has been told long enough");
    })
    .await;
}

/// Complaint 3: two Stripe customers of one account.
#[tokio::test(flavor = "multi_thread")]
async fn it_makes_no_difference_that_she_paid_as_two_customers() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let older = ada.subscription();
        city.advance(minutes(1)).await;
        city.stripe().subscribes_elsewhere(&ada, Offer::Yearly).await;
        city.settle().await;
        let alerts = city.alerts().await;
        assert!(
            alerts.iter().any(|it| it.text.contains("in several customers")),
            "{alerts:?}"
        );
        city.advance(minutes(12)).await;
        city.settle().await;
        assert_eq!(city.stripe().live_subscriptions(), [older]);
        let refunds = city.stripe().all_refunds().await;
        assert_eq!((refunds.len(), refunds[0]["amount"].as_i64()), (1, Some(5_000)));
        assert_eq!(terms(&ada).await.len(), 1);
        assert!(reads_without_ads(&ada).await);
    })
    .await;
}

/// Complaint 3: after a failed card the reader buys again, then the old one is charged too.
#[tokio::test(flavor = "multi_thread")]
async fn who_bought_again_while_past_due_is_never_charged_for_the_old_one() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let old = ada.subscription();
        city.stripe().declines_next_charge(&ada);
        city.advance(days(31)).await;
        let payments = city.stripe().control().counts().payments;
        let new = city.stripe().subscribes_again(&ada, Offer::Monthly).await;
        city.advance(minutes(12)).await;
        city.settle().await;
        assert_eq!(city.stripe().live_subscriptions(), [new]);
        let invoices = city.stripe().object(&format!("/v1/invoices?subscription={old}")).await;
        assert_eq!(invoices["data"][0]["status"], "void");
        assert_eq!(city.stripe().all_refunds().await.len(), 0);
        assert!(reads_without_ads(&ada).await);
        city.advance(days(20)).await;
        assert_eq!(city.stripe().control().counts().payments, payments + 1);
    })
    .await;
}

/// Complaint 10: refund jobs die on disputed charges. This one says why, and ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_disputed_is_stopped_and_the_operator_reads_why_nothing_was_paid_back() {
    each_city(async |city| {
        let (ada, older, newer) = pays_twice(city).await;
        city.stripe().disputes(&ada, false);
        city.advance(minutes(12)).await;
        city.settle().await;
        assert_eq!(city.stripe().live_subscriptions(), [older]);
        assert_eq!(city.stripe().all_refunds().await.len(), 0);
        let alerts = city.alerts().await;
        let told = alerts.iter().any(|it| {
            it.text.contains(&newer) && it.text.contains("could not be refunded, since its payment is disputed")
        });
        assert!(told, "{alerts:?}");
        let (_, text) = city.letters_to(&ada.email()).pop().expect("a letter");
        assert!(text.contains("your bank decides"), "{text}");
        assert!(reads_without_ads(&ada).await);
    })
    .await;
}

/// Complaint 3, where the publisher wants to decide by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_may_only_be_told() {
    let told = MoneyBackPolicy {
        double_subscription: DoubleSubscription::Alert,
        ..MoneyBackPolicy::default()
    };
    each_city_with(told, async |city| {
        let (ada, ..) = pays_twice(city).await;
        city.advance(days(1)).await;
        assert_eq!(city.stripe().live_subscriptions().len(), 2);
        assert!(city.alerts().await[0].text.contains("2 live subscriptions"));
        assert!(ada.account_home().await.says("You pay for more than one subscription."));
    })
    .await;
}

/// Complaint 11: cancelling something else harms the reader.
#[tokio::test(flavor = "multi_thread")]
async fn what_changed_before_it_was_settled_is_left_alone() {
    each_city(async |city| {
        let (ada, older, newer) = pays_twice(city).await;
        // She has ended the older one herself, and the newer is all she has.
        city.stripe().ends(&older).await;
        city.advance(minutes(30)).await;
        assert_eq!(city.stripe().live_subscriptions(), [newer]);
        assert_eq!(city.stripe().all_refunds().await.len(), 0);
        assert!(reads_without_ads(&ada).await);
        assert_eq!(city.alerts().await, []);
    })
    .await;
}

/// Complaint 3: two servers at once.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_at_once_stop_one_and_refund_once() {
    each_city(async |city| {
        let (ada, older, _) = pays_twice(city).await;
        city.only_time_passes(minutes(10));
        city.two_servers_work_the_outbox().await;
        one_is_left(city, &ada, &older).await;
    })
    .await;
}

/// Complaint 14, of money: a server that dies at any place leaves nothing half done for ever, and nothing done twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_die_before_and_after_each_call() {
    for death in [
        Death::BeforeCall("DELETE /v1/subscriptions/"),
        Death::AfterCall("DELETE /v1/subscriptions/"),
        Death::BeforeCall("GET /v1/invoice_payments"),
        Death::BeforeCall("POST /v1/refunds"),
        Death::AfterCall("POST /v1/refunds"),
    ] {
        each_city(async |city| {
            let (ada, older, _) = pays_twice(city).await;
            city.only_time_passes(minutes(10));
            assert!(city.works_outbox_until(death).await, "{death:?} was never reached");
            city.advance(minutes(3)).await;
            one_is_left(city, &ada, &older).await;
        })
        .await;
    }
}

/// The same for commits.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_die_before_and_after_each_commit() {
    for after in [false, true] {
        each_city(async |city| {
            let mut number = 0;
            loop {
                let name = format!("reader-{number}");
                let ada = city.reader(&name).subscribes(Offer::Monthly).await;
                let before = city.stripe().live_subscriptions().len();
                city.stripe().subscribes_again(&ada, Offer::Monthly).await;
                city.settle().await;
                city.only_time_passes(minutes(11));
                let death = if after {
                    Death::AfterCommit(number)
                } else {
                    Death::BeforeCommit(number)
                };
                let died = city.works_outbox_until(death).await;
                city.advance(minutes(3)).await;
                assert_eq!(city.stripe().live_subscriptions().len(), before, "{death:?}");
                assert_eq!(
                    i64::try_from(city.stripe().all_refunds().await.len()),
                    Ok(number + 1),
                    "{death:?}"
                );
                let letters = city.letters_to(&ada.email());
                let told = letters
                    .iter()
                    .filter(|(subject, _)| subject.contains("was stopped"))
                    .count();
                // A letter that went out, and nobody was left to note it, is sent again.
                assert!(told == 1 || (told == 2 && died), "{death:?}: {letters:?}");
                if !died {
                    break;
                }
                number += 1;
            }
            assert!(number > 6, "only {number} commits");
        })
        .await;
    }
}

/// Complaint 3, on a bad day at Stripe's: the refund fails and Stripe repeats that under its key, or it is made and nobody hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stripe_that_stumbles_refunds_once() {
    for fault in [
        Fault::ServerError,
        Fault::BadGateway,
        Fault::RateLimited { retry_after_seconds: 1 },
        Fault::TimeoutAfterEffect { hold_ms: 20 },
    ] {
        each_city(async |city| {
            let (ada, older, _) = pays_twice(city).await;
            city.only_time_passes(minutes(10));
            // The next call after this one is the refund.
            let held = city.stripe().holds_answer("/v1/invoice_payments");
            let stumble = async {
                held.is_under_way().await;
                city.stripe().control().fail_next_calls(1, fault);
                held.arrives();
            };
            tokio::join!(city.works_outbox(), stumble);
            city.advance(minutes(5)).await;
            one_is_left(city, &ada, &older).await;
        })
        .await;
    }
}
