//! The revocation feed as a stream.

use std::time::{Duration, Instant};

use axum::{
    body::{Body, BodyDataStream},
    http::{Request, StatusCode},
};
use futures::StreamExt;
use latchkey_bundle::RevocationPage;
use latchkey_entitlement::{Clock, RevocationKind, SessionId};
use latchkey_server::MAX_STREAMS;
use latchkey_store::NewRevocation;
use serde_json::json;
use tower::ServiceExt;
use uuid::Uuid;

use crate::world::{EDGE_TOKEN, World, each_world};

/// Asks for a stream after `number`; gives what kind of answer came, and its body.
async fn ask(world: &World, number: u64) -> (String, BodyDataStream) {
    let request = Request::get(format!("/edge/v1/revocations?after={number}"))
        .header("authorization", format!("Bearer {EDGE_TOKEN}"))
        .header("accept", "text/event-stream, application/json;q=0.5")
        .body(Body::empty())
        .unwrap();
    let answer = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (kind, answer.into_body().into_data_stream())
}

/// The next event's id and page; `None` at the end of the stream.
async fn next(body: &mut BodyDataStream) -> Option<(String, RevocationPage)> {
    loop {
        let chunk = tokio::time::timeout(Duration::from_secs(10), body.next())
            .await
            .expect("the stream says something within its keep-alive")?
            .unwrap();
        let text = String::from_utf8(chunk.to_vec()).unwrap();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        if let Some(data) = field("data: ") {
            let page = RevocationPage::parse(data.as_bytes()).unwrap();
            return Some((field("id: ").expect("an event has an id"), page));
        }
    }
}

/// A revocation as another server writes it: this one is not told.
async fn revoke_elsewhere(world: &World) -> u64 {
    let now = world.clock.now();
    let new = NewRevocation {
        site: None,
        subject: None,
        session: Some(SessionId::from_uuid(Uuid::from_u128(7))),
        kind: RevocationKind::Void,
        not_before: now.seconds(),
        expires_at: now.plus(60_000),
    };
    world.store.revoke(new, now).await.unwrap()
}

#[tokio::test]
async fn the_stream_says_at_once_what_was_revoked() {
    each_world(async |world| {
        let (kind, mut stream) = ask(world, 0).await;
        assert_eq!(kind, "text/event-stream");
        let (id, first) = next(&mut stream).await.unwrap();
        assert_eq!(
            (id.as_str(), first.last, first.entries.len(), first.complete),
            ("0", 0, 0, true)
        );

        let mut times = vec![];
        for number in 1..=5 {
            let mut payer = world.payer(&format!("ada{number}@example.org")).await;
            world.enter(&mut payer).await;
            let asked = Instant::now();
            payer.submit("/account", "/sign-out", &[]).await;
            let (id, page) = next(&mut stream).await.unwrap();
            times.push(asked.elapsed());
            assert_eq!((id, page.last, page.entries.len()), (number.to_string(), number, 1));
        }
        times.sort();
        println!(
            "from the request to sign out to the event, the page with the button included: median {:?}, longest {:?}",
            times[2], times[4]
        );
        assert!(times[2] < Duration::from_millis(900), "{times:?}");

        let (_, mut later) = ask(world, 3).await;
        let (id, page) = next(&mut later).await.unwrap();
        assert_eq!(
            (id.as_str(), page.entries.len()),
            ("5", 2),
            "a stream goes on from where the edge is"
        );
    })
    .await;
}

#[tokio::test]
async fn another_servers_revocation_is_found_within_a_second_or_so() {
    each_world(async |world| {
        let (_, mut stream) = ask(world, 0).await;
        next(&mut stream).await.unwrap();
        let revoked = Instant::now();
        let number = revoke_elsewhere(world).await;
        assert_eq!(next(&mut stream).await.unwrap().1.last, number);
        assert!(revoked.elapsed() < Duration::from_secs(4), "{:?}", revoked.elapsed());
    })
    .await;
}

#[tokio::test]
async fn streams_are_bounded_and_who_finds_no_room_gets_a_page() {
    each_world(async |world| {
        let mut streams = vec![];
        for _ in 0..MAX_STREAMS {
            streams.push(ask(world, 0).await);
        }
        assert!(streams.iter().all(|(kind, _)| kind == "text/event-stream"));
        let (kind, mut page) = ask(world, 0).await;
        assert_eq!(kind, "application/json");
        let page = RevocationPage::parse(&page.next().await.unwrap().unwrap()).unwrap();
        assert!(page.complete);
        drop(streams.pop());
        assert_eq!(
            ask(world, 0).await.0,
            "text/event-stream",
            "room that was left is free again"
        );
    })
    .await;
}

#[tokio::test]
async fn streams_end_when_the_server_is_to_stop() {
    each_world(async |world| {
        let (_, mut stream) = ask(world, 0).await;
        next(&mut stream).await.unwrap();
        world.server.end_streams();
        let stopping = Instant::now();
        let end = tokio::time::timeout(Duration::from_secs(3), next(&mut stream)).await;
        assert!(end.expect("the end, not a comment").is_none());
        assert!(stopping.elapsed() < Duration::from_millis(900));
        assert_eq!(ask(world, 0).await.0, "application/json");
    })
    .await;
}

#[tokio::test]
async fn an_edge_that_has_seen_more_than_there_is_is_told_so() {
    each_world(async |world| {
        let number = revoke_elsewhere(world).await;
        let page = world
            .edge(
                "GET",
                &format!("/edge/v1/revocations?after={}", number + 40),
                json!(null),
            )
            .await;
        assert_eq!(page.json()["last"], number, "as after a restore from a backup");
        let (_, mut stream) = ask(world, number + 40).await;
        assert_eq!(next(&mut stream).await.unwrap().1.last, number);
        revoke_elsewhere(world).await;
        assert_eq!(next(&mut stream).await.unwrap().1.entries.len(), 1);
    })
    .await;
}
