//! Whose pass counts, and for how long: renewal, revocation, outage, start without a server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it cannot go on"
)]

mod kit;

use std::sync::Arc;

use kit::{Account, Answer, Setup, origin::Origin};
use latchkey_entitlement::RevocationKind;
use serde_json::Value;

fn setup() -> Setup {
    Setup::new(Origin::router().0)
}

fn reason(answer: &Answer) -> (String, String) {
    let get = |name| answer.header(name).unwrap().to_owned();
    (get("latchkey-class"), get("latchkey-reason"))
}

async fn auth(kit: &kit::Kit, cookie: &str) -> (String, String) {
    reason(&kit.get("/.latchkey/auth", &[("cookie", cookie)]).await)
}

fn is(class: &str, reason: &str) -> (String, String) {
    (class.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn the_class_follows_from_the_pass() {
    let kit = setup().start().await;
    assert_eq!(auth(&kit, "").await, is("free", "no_pass"));
    assert_eq!(auth(&kit, &kit.payer()).await, is("ad_free", "pass"));
    assert_eq!(auth(&kit, "latchkey_pass=x.y.z").await, is("free", "invalid"));
    let comments = kit.account.pass(kit.clock.seconds(), "comments", None);
    assert_eq!(
        auth(&kit, &format!("latchkey_pass={comments}")).await,
        is("free", "pass")
    );
    let stranger = Account::new().pass(kit.clock.seconds(), "ad_free", None);
    assert_eq!(
        auth(&kit, &format!("latchkey_pass={stranger}")).await,
        is("free", "invalid")
    );
    // Two of one name: the first of two that verifies, and no third.
    let good = kit.payer();
    assert_eq!(
        auth(&kit, &format!("latchkey_pass=junk; {good}")).await,
        is("ad_free", "pass")
    );
    assert_eq!(
        auth(&kit, &format!("latchkey_pass=junk; latchkey_pass=junk2; {good}")).await,
        is("free", "invalid")
    );
    let mut tampered = good.clone();
    tampered.replace_range(
        tampered.len() - 6..tampered.len() - 5,
        if tampered.contains('A') { "B" } else { "A" },
    );
    if tampered != good {
        assert_eq!(auth(&kit, &tampered).await, is("free", "invalid"));
    }
    // A host-only cookie of the https name counts for nothing on plain http.
    assert_eq!(auth(&kit, &format!("__Host-{good}")).await, is("free", "no_pass"));
}

#[tokio::test]
async fn forward_auth_always_answers_and_refuses_only_when_asked_to() {
    let kit = setup().start().await;
    for (query, cookie, status) in [
        ("", String::new(), 200),
        ("?require=ad_free", String::new(), 401),
        ("?require=ad_free", kit.payer(), 200),
        ("?require=articles", kit.payer(), 403),
        ("?require=", String::new(), 200),
    ] {
        let answer = kit
            .get(&format!("/.latchkey/auth{query}"), &[("cookie", &cookie)])
            .await;
        assert_eq!(answer.status, status, "{query}");
        for name in ["latchkey-class", "latchkey-subject", "latchkey-reason"] {
            assert!(answer.headers.contains_key(name), "{name}");
        }
    }
}

#[tokio::test]
async fn an_expired_pass_is_renewed_on_the_way_to_a_page_and_once_a_minute() {
    let kit = setup().start().await;
    let expired = kit.payer();
    kit.clock.advance(900);
    kit.account.set_now(kit.clock.seconds());
    kit.account
        .sessions
        .lock()
        .unwrap()
        .insert("refresh-1".to_owned(), "ad_free".to_owned());
    let cookies = format!("{expired}; latchkey_s=1");
    let sent = kit.visit("/article?a=b", &cookies).await;
    assert_eq!(
        (sent.status.as_u16(), sent.location()),
        (303, "/.latchkey/renew?to=%2Farticle%3Fa%3Db")
    );
    assert_eq!(sent.header("cache-control"), Some("no-store"));
    let tried = sent.cookie("latchkey_retry").unwrap();
    assert_eq!(tried, kit.clock.seconds().to_string());
    let marked = format!("{cookies}; latchkey_retry={tried}");
    let stays = kit.visit("/article", &marked).await;
    assert_eq!(stays.status, 200, "one try a minute");
    assert!(
        !stays.text().contains("adsbygoogle"),
        "a payer whose renewal hangs sees no ad"
    );
    let renewed = kit
        .visit(sent.location(), &format!("{marked}; latchkey_refresh=refresh-1"))
        .await;
    assert_eq!((renewed.status.as_u16(), renewed.location()), (303, "/article?a=b"));
    assert_eq!(renewed.cookie("latchkey_refresh").as_deref(), Some("refresh-2"));
    let fresh = renewed.cookie("latchkey_pass").unwrap();
    assert_eq!(
        auth(&kit, &format!("latchkey_pass={fresh}")).await,
        is("ad_free", "pass")
    );
    // The minute is one of the edge's clock, whatever the browser's says.
    kit.clock.advance(60);
    kit.account.set_now(kit.clock.seconds());
    assert_eq!(kit.visit("/article", &marked).await.status, 303, "a minute later");
    // Without the mark nobody is sent anywhere; a sub-resource keeps the old class.
    let unmarked = kit.visit("/article", &expired).await;
    assert!(unmarked.status == 200 && unmarked.text().contains("adsbygoogle"));
    let part = kit
        .get(
            "/echo",
            &[
                ("sec-fetch-mode", "cors"),
                ("sec-fetch-dest", "empty"),
                ("cookie", &cookies),
            ],
        )
        .await;
    assert!(part.text().contains("renewal_pending"), "{}", part.text());
    // A missing pass with the mark is renewed too.
    assert_eq!(kit.visit("/article", "latchkey_s=1").await.status, 303);
}

#[tokio::test]
async fn tabs_that_renew_at_once_share_one_call() {
    let kit = setup().start().await;
    kit.account
        .sessions
        .lock()
        .unwrap()
        .insert("refresh-1".to_owned(), "ad_free".to_owned());
    let tab = || kit.visit("/.latchkey/renew?to=/article", "latchkey_refresh=refresh-1");
    let tabs = futures::future::join_all((0..8).map(|_| tab())).await;
    assert!(tabs.iter().all(|tab| tab.cookie("latchkey_pass").is_some()));
    assert_eq!(kit.account.renewals.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_session_that_is_over_clears_the_cookies_and_an_outage_does_not() {
    let kit = setup().start().await;
    let over = kit
        .visit("/.latchkey/renew?to=/article", "latchkey_refresh=unknown; latchkey_s=1")
        .await;
    assert_eq!((over.status.as_u16(), over.location()), (303, "/article"));
    for name in ["latchkey_pass", "latchkey_refresh", "latchkey_s"] {
        assert_eq!(over.cookie(name).as_deref(), Some(""), "{name}");
    }
    kit.account
        .token_refused
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let refused = kit
        .visit(
            "/.latchkey/renew?to=/article",
            "latchkey_refresh=refresh-1; latchkey_s=1",
        )
        .await;
    assert_eq!(
        refused.cookie("latchkey_refresh"),
        None,
        "a wrong edge token must not sign readers out"
    );
    kit.account.set_down(true);
    let down = kit
        .visit(
            "/.latchkey/renew?to=/article",
            "latchkey_refresh=refresh-1; latchkey_s=1",
        )
        .await;
    assert_eq!((down.status.as_u16(), down.location()), (303, "/article"));
    assert_eq!(down.cookie("latchkey_refresh"), None);
    assert!(down.cookie("latchkey_retry").is_some(), "no loop");
}

#[tokio::test]
async fn a_revoked_pass_is_free_at_once() {
    let kit = setup().start().await;
    let cookie = kit.payer();
    assert_eq!(auth(&kit, &cookie).await, is("ad_free", "pass"));
    kit.account.revoke(kit.clock.seconds() + 1);
    kit.until("the revocation", |kit| kit.edge.revocations_held() == 1)
        .await;
    assert_eq!(auth(&kit, &cookie).await, is("free", "revoked"));
    assert!(kit.visit("/article", &cookie).await.text().contains("adsbygoogle"));
    kit.clock.advance(2);
    assert_eq!(
        auth(&kit, &kit.payer()).await,
        is("ad_free", "pass"),
        "a pass issued later counts"
    );
}

#[tokio::test]
async fn a_pass_that_says_what_is_no_longer_so_is_renewed_and_keeps_the_page_without_ads_until_then() {
    let kit = setup().start().await;
    let cookie = format!("{}; latchkey_s=1", kit.payer());
    let unmarked = kit.payer();
    kit.account.revoke_as(RevocationKind::Renew, kit.clock.seconds() + 1);
    kit.until("the revocation", |kit| kit.edge.revocations_held() == 1)
        .await;
    let page = kit.visit("/article", &cookie).await;
    assert_eq!(
        (page.status.as_u16(), page.location()),
        (303, "/.latchkey/renew?to=%2Farticle")
    );
    // What cannot be sent to renew: a request of the page's own, and a browser that was sent a moment ago.
    assert_eq!(auth(&kit, &cookie).await, is("ad_free", "renewal_pending"));
    let retried = format!("{cookie}; latchkey_retry={}", kit.clock.seconds());
    let page = kit.visit("/article", &retried).await;
    assert!(
        page.status == 200 && !page.text().contains("adsbygoogle"),
        "{}",
        page.text()
    );
    assert_eq!(
        auth(&kit, &unmarked).await,
        is("ad_free", "pass"),
        "nothing to renew it with"
    );
    kit.clock.advance(2);
    let fresh = format!("{}; latchkey_s=1", kit.payer());
    assert_eq!(kit.visit("/article", &fresh).await.status, 200);
}

#[tokio::test]
async fn an_outage_honours_expired_passes_until_the_grace_or_the_entitlement_ends() {
    let kit = setup().start().await;
    let now = kit.clock.seconds();
    let open = kit.payer();
    let ending = format!("latchkey_pass={}", kit.account.pass(now, "ad_free", Some(now + 1000)));
    kit.clock.advance(950);
    assert_eq!(auth(&kit, &open).await, is("free", "expired"), "no outage, no grace");
    kit.account.set_down(true);
    kit.until("the outage", |kit| kit.edge.is_outage()).await;
    assert_eq!(auth(&kit, &open).await, is("ad_free", "outage_grace"));
    assert_eq!(auth(&kit, &ending).await, is("ad_free", "outage_grace"));
    let page = kit.visit("/article", &format!("{open}; latchkey_s=1")).await;
    assert!(
        page.status == 200 && !page.text().contains("adsbygoogle"),
        "nobody is sent to a server that is down"
    );
    kit.clock.advance(50);
    assert_eq!(auth(&kit, &ending).await, is("free", "ended"));
    kit.clock.advance(30 * 86_400);
    assert_eq!(auth(&kit, &open).await, is("free", "expired"));
    kit.account.set_down(false);
    kit.until("the end of the outage", |kit| !kit.edge.is_outage()).await;
}

#[tokio::test]
async fn an_edge_starts_from_disk_while_the_server_is_down_and_remembers_revocations() {
    let folder = tempfile::tempdir().unwrap();
    let account = Arc::new(Account::new());
    let with_folder = || {
        let mut setup = setup();
        setup.state_dir = Some(folder.path().to_owned());
        setup
    };
    let mut first = with_folder().start_with(account.clone(), Arc::default()).await.unwrap();
    account.revoke(first.clock.seconds() + 1);
    first
        .until("the revocation", |kit| kit.edge.revocations_held() == 1)
        .await;
    let kept = || std::fs::read_to_string(folder.path().join("revocations.json")).unwrap_or_default();
    first
        .until("the revocation on disk", |_| kept().contains("pseudonym"))
        .await;
    drop(first.shutdown.take());
    // The hosts are in the edge's own configuration, so that the bundle of the first serves the second.
    let mut second = with_folder();
    second.server_down = true;
    let kit = second.start_with(account.clone(), Arc::default()).await.unwrap();
    kit.until("the revocation from disk", |kit| kit.edge.revocations_held() == 1)
        .await;
    assert_eq!(auth(&kit, &kit.payer()).await, is("free", "revoked"));
    kit.clock.advance(2);
    assert_eq!(auth(&kit, &kit.payer()).await, is("ad_free", "pass"));
}

#[tokio::test]
async fn without_a_bundle_the_start_fails_and_says_what_to_do() {
    let mut setup = setup();
    setup.server_down = true;
    let Err(why) = setup.start_with(Arc::new(Account::new()), Arc::default()).await else {
        panic!("it started")
    };
    assert!(why.to_string().contains("help: start the server"), "{why}");
}

#[tokio::test]
async fn me_says_what_a_page_may_know_and_no_more() {
    let kit = setup().start().await;
    let answer = kit.get("/.latchkey/me", &[("cookie", &kit.payer())]).await;
    assert_eq!(
        (answer.header("cache-control"), answer.header("content-type")),
        (Some("no-store"), Some("application/json"))
    );
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (&body["class"], &body["ad_free"], &body["signed_in"]),
        (&"ad_free".into(), &true.into(), &true.into())
    );
    assert!(!answer.text().contains("pseudonym"));
}
