//! The letter after a payment: stored with its cause, sent once, and not lost while the mail server is down.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use latchkey_entitlement::time::HOUR;
use latchkey_sync::MAX_EFFECT_TRIES;

use crate::world::{World, each_world};

/// A payment that somebody else's browser comes back from.
async fn pay_and_return_elsewhere(world: &World) -> String {
    let mut payer = world.browser();
    let session = world.begin_checkout(&mut payer, "ada@example.org").await;
    world.stripe.pay(&session);
    let address = format!("/return?session_id={session}");
    let answer = world.browser().get(&address).await;
    assert_eq!(answer.location(), "/return?state=mailed");
    address
}

#[tokio::test]
async fn a_letter_that_the_mail_server_refuses_arrives_later_and_once() {
    each_world(async |world| {
        world.mail_server.refuse(3);
        let address = pay_and_return_elsewhere(world).await;
        for tries in 1..=3 {
            world.work_outbox().await;
            assert_eq!(world.mailbox.letters().len(), 0, "after {tries} tries");
            world.work_outbox().await;
            world.clock.advance(HOUR);
        }
        world.work_outbox().await;
        assert_eq!(world.mailbox.letters().len(), 1);
        assert!(world.store.failed_effects(9).await.unwrap().is_empty());

        // However often the address is opened and however late: one payment, one letter.
        for _ in 0..3 {
            world.clock.advance(HOUR);
            world.browser().get(&address).await;
            world.work_outbox().await;
        }
        assert_eq!(world.mailbox.letters().len(), 1);

        // The link was made when the letter went out, and leads to the article without ads.
        let mut telephone = world.browser();
        let link = world.last_link();
        let page = telephone.get(&link).await;
        assert_eq!(page.status, StatusCode::OK);
        let signed_in = telephone.submit(&link, "/sign-in/link", &[]).await;
        assert!(signed_in.location().starts_with("/account/continue"), "{signed_in:?}");
    })
    .await;
}

#[tokio::test]
async fn a_letter_that_never_goes_out_is_given_up_and_shown() {
    each_world(async |world| {
        world.mail_server.refuse(u64::MAX);
        pay_and_return_elsewhere(world).await;
        for _ in 0..MAX_EFFECT_TRIES + 3 {
            world.work_outbox().await;
            world.clock.advance(HOUR);
        }
        let failed = world.store.failed_effects(9).await.unwrap();
        let [(effect, why)] = failed.as_slice() else {
            panic!("one effect was given up: {failed:?}");
        };
        assert_eq!(effect.tries, MAX_EFFECT_TRIES);
        assert_eq!(why, "the mail server did not take the letter: connection failed");
        assert!(
            effect.payload.starts_with("evt_") && !effect.payload.contains('@'),
            "{}",
            effect.payload
        );
    })
    .await;
}

#[tokio::test]
async fn the_worker_is_woken_by_a_payment_and_ends_in_order() {
    each_world(async |world| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = tokio::spawn(Arc::clone(&world.sync).work_outbox(world.server.effects(), async {
            let _ = stopped.await;
        }));
        pay_and_return_elsewhere(world).await;
        let sent = async {
            while world.mailbox.letters().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), sent)
            .await
            .expect("the letter");
        stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(2), worker)
            .await
            .expect("the end")
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_a_letter_to_sign_in_is_told_when_it_does_not_go_out() {
    each_world(async |world| {
        world.mail_server.refuse(1);
        let mut browser = world.browser();
        let told = browser
            .submit("/sign-in", "/sign-in", &[("email", "ada@example.org")])
            .await;
        assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            told.body.contains("role=\"alert\"") && told.body.contains("try again in a minute"),
            "{}",
            told.body
        );
        world.work_outbox().await;
        assert_eq!(world.mailbox.letters().len(), 0);
    })
    .await;
}
