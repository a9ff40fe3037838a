use futures::future::join_all;
use latchkey_testkit::{Card, Offer, each_city, minutes};

use crate::terms;

/// What a sync reads first of what can change.
const SUBSCRIPTIONS: &str = "/v1/subscriptions";
const SUPPORTER: &str = "ad_free comments";
const PATRON: &str = "ad_free articles comments";

#[tokio::test(flavor = "multi_thread")]
async fn who_is_marked_while_being_synced_is_synced_again() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        let old = city.stripe().holds_answer(SUBSCRIPTIONS);
        let worker = city.settle();
        let meanwhile = async {
            old.is_under_way().await;
            city.stripe().moves_to(&ada, Offer::Patron).await;
            let events = city.stripe().events();
            city.stripe().sends(events.last().expect("a change makes events")).await;
            old.arrives();
        };
        tokio::join!(worker, meanwhile);
        assert_eq!(terms(&ada).await[0].0, PATRON);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_waits_for_the_worker_and_reads_again() {
    each_city(async |city| {
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let old = city.stripe().holds_answer(SUBSCRIPTIONS);
        let other = city.sync_of_another_server();
        let customer = ada.customer();
        let worker = other.sync_customer(&customer);
        let meanwhile = async {
            old.is_under_way().await;
            city.stripe().moves_to(&ada, Offer::Patron).await;
            let back = city.sync().sync_customer(&customer);
            let release = async { old.arrives() };
            tokio::join!(back, release).0
        };
        let (worker, back) = tokio::join!(worker, meanwhile);
        assert!(worker.is_ok(), "{worker:?}");
        assert!(back.is_ok(), "{back:?}");
        assert_eq!(terms(&ada).await[0].0, PATRON);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_took_too_long_does_not_overwrite_a_newer_one() {
    each_city(async |city| {
        city.stripe().drops_webhooks();
        let ada = city.reader("ada").subscribes(Offer::Monthly).await;
        let customer = ada.customer();
        let old = city.stripe().holds_answer(SUBSCRIPTIONS);
        let slow = city.sync_of_another_server();
        let slow = slow.sync_customer(&customer);
        let meanwhile = async {
            old.is_under_way().await;
            city.stripe().moves_to(&ada, Offer::Patron).await;
            // The slow one's lease runs out, as if its process had been stopped.
            city.advance(minutes(5)).await;
            city.sync().sync_customer(&customer).await.expect("the lease is free");
            assert_eq!(terms(&ada).await[0].0, PATRON);
            old.arrives();
        };
        let (slow, ()) = tokio::join!(slow, meanwhile);
        let refused = slow.expect_err("what it read is older than what is recorded");
        assert!(refused.to_string().contains("lease"), "{refused}");
        assert_eq!(terms(&ada).await[0].0, PATRON);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_work_at_once_record_a_purchase_once() {
    each_city(async |city| {
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        for event in city.stripe().events() {
            city.stripe().sends(&event).await;
        }
        let servers: Vec<_> = (0..4).map(|_| city.sync_of_another_server()).collect();
        let customer = ada.customer();
        let (worked, returned) = tokio::join!(
            join_all(servers.iter().map(|server| server.work_off())),
            join_all(servers.iter().map(|server| server.sync_customer(&customer))),
        );
        assert!(worked.iter().all(Result::is_ok), "{worked:?}");
        let opened = returned
            .iter()
            .map(|report| report.as_ref().expect("a sync").done.opened.len());
        assert!(opened.sum::<usize>() <= 1, "{returned:?}");
        assert_eq!(terms(&ada).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_runs_by_itself_and_finds_what_webhooks_do_not_tell() {
    each_city(async |city| {
        let running = city.runs_by_itself();
        let ada = city.reader("ada");
        ada.pays(Offer::Monthly, Card::Good).await;
        city.until(async || terms(&ada).await.len() == 1 && city.is_quiet().await)
            .await;

        city.stripe().drops_webhooks();
        city.stripe().moves_to(&ada, Offer::Patron).await;
        city.advance(minutes(9)).await;
        assert_eq!(terms(&ada).await[0].0, SUPPORTER);
        // Nothing but the clock tells the worker that it is time to reconcile.
        city.advance(minutes(2)).await;
        city.until(async || terms(&ada).await[0].0 == PATRON).await;
        drop(running);
    })
    .await;
}
