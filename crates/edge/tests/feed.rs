//! The revocation feed: a stream where there is one, pages where there is none.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it cannot go on"
)]

mod kit;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use kit::{Account, Kit, Setup, account::Feeding, origin::Origin};

async fn start(feeding: Feeding) -> Kit {
    let account = Arc::new(Account::new());
    *account.feeding.lock().unwrap() = feeding;
    Setup::new(Origin::router().0)
        .start_with(account, Arc::default())
        .await
        .unwrap()
}

fn streams(kit: &Kit) -> usize {
    kit.account.streams.load(Ordering::SeqCst)
}

fn pages(kit: &Kit) -> usize {
    kit.account.pages.load(Ordering::SeqCst)
}

fn open(kit: &Kit) -> usize {
    kit.account.open.load(Ordering::SeqCst)
}

async fn class(kit: &Kit, cookie: &str) -> String {
    let answer = kit.get("/.latchkey/auth", &[("cookie", cookie)]).await;
    answer.header("latchkey-class").unwrap().to_owned()
}

/// Revokes what was issued until now, and waits until the pass of `cookie` counts no longer.
async fn revoke(kit: &Kit, cookie: &str) -> Duration {
    assert_eq!(class(kit, cookie).await, "ad_free");
    kit.account.revoke(kit.clock.seconds() + 1);
    let revoked = Instant::now();
    while class(kit, cookie).await != "free" {
        assert!(
            revoked.elapsed() < Duration::from_secs(10),
            "the revocation did not come"
        );
    }
    revoked.elapsed()
}

#[tokio::test]
async fn a_revocation_is_in_force_as_soon_as_it_is_recorded() {
    let kit = start(Feeding::Streams).await;
    kit.until("the stream", |kit| open(kit) == 1).await;
    let mut times = vec![];
    for _ in 0..10 {
        times.push(revoke(&kit, &kit.payer()).await);
        kit.clock.advance(2);
    }
    times.sort();
    println!(
        "from recorded to in force at the edge: median {:?}, longest {:?}",
        times[5], times[9]
    );
    assert!(times[9] < Duration::from_millis(900), "{times:?}");
    assert_eq!(
        (streams(&kit), pages(&kit)),
        (1, 1),
        "one page at the start, one stream since"
    );
}

#[tokio::test]
async fn a_server_without_streams_is_asked_for_pages() {
    let kit = start(Feeding::Pages).await;
    let took = revoke(&kit, &kit.payer()).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!kit.edge.is_outage());
}

#[tokio::test]
async fn a_way_that_holds_the_stream_back_is_asked_for_pages() {
    let kit = start(Feeding::Silent).await;
    kit.until("pages after two streams that said nothing", |kit| {
        streams(kit) == 2 && pages(kit) >= 3
    })
    .await;
    let took = revoke(&kit, &kit.payer()).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!kit.edge.is_outage(), "pages are answers");
    assert_eq!(streams(&kit), 2, "not tried again for a minute");
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_is_left_and_opened_again() {
    for feeding in [Feeding::Garbled, Feeding::Endless] {
        let kit = start(feeding).await;
        kit.until("another stream", |kit| streams(kit) >= 2).await;
        *kit.account.feeding.lock().unwrap() = Feeding::Streams;
        let before = streams(&kit);
        kit.until("a stream that can be read", |kit| streams(kit) > before)
            .await;
        revoke(&kit, &kit.payer()).await;
    }
}

#[tokio::test]
async fn an_outage_is_seen_through_the_stream_and_its_end_too() {
    let kit = start(Feeding::Streams).await;
    kit.until("the stream", |kit| open(kit) == 1).await;
    let cookie = kit.payer();
    kit.account.set_down(true);
    kit.until("the outage", |kit| kit.edge.is_outage()).await;
    kit.account.revoke(kit.clock.seconds() + 1);
    kit.account.set_down(false);
    kit.until("the stream again", |kit| open(kit) == 1).await;
    assert!(!kit.edge.is_outage(), "an open stream is an answer");
    kit.until("what was revoked meanwhile", |kit| kit.edge.revocations_held() == 1)
        .await;
    assert_eq!(class(&kit, &cookie).await, "free");
}

#[tokio::test]
async fn an_edge_that_stops_leaves_the_stream() {
    let mut kit = start(Feeding::Streams).await;
    kit.until("the stream", |kit| open(kit) == 1).await;
    drop(kit.shutdown.take());
    let stopped = Instant::now();
    kit.until("the end of the stream", |kit| open(kit) == 0).await;
    assert!(stopped.elapsed() < Duration::from_secs(2));
}
