//! The main one: a free reader sees ads and calls, pays, and sees none.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    browser::Browser,
    demo::Demo,
    equipment::{eventually, is_there, postgresql},
    steps::{ARTICLE, CALL, Reader, THANKS, card},
};

/// How long a webhook gets to change something that it must not change.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// An address that the site answers with an error page, and its ads.
const NO_PAGE: &str = "/no-such-page";

async fn walk(database: Option<String>) {
    let demo = Demo::start_on(database).await;
    let ada = Reader::ada(&demo, Browser::open().await);
    let pages = demo.pages().await;

    every_page_has_calls_and_ads(&ada, &pages).await;

    // She pays while every webhook is lost: the return from Checkout is enough.
    let panel = demo.panel();
    panel.settled().await;
    panel.deliver("drop", 0).await;
    let delivered = panel.deliveries("delivered").await;
    ada.follows_the_call().await;
    let plans = ada.browser.text().await;
    assert!(
        plans.contains("monthly – €5.00") && plans.contains("yearly – €50.00"),
        "{plans}"
    );
    ada.chooses("prc_monthly").await;
    ada.pays_with(card::PAYS).await;
    ada.is_back_and_thanked().await;
    assert_eq!(
        panel.deliveries("delivered").await,
        delivered,
        "a webhook came, so nothing was shown"
    );
    assert!(panel.deliveries("dropped").await > 0, "no webhook was lost");

    no_page_has_ads(&ada, &pages).await;

    // The webhooks come after all: doubled, late, in any order. Nothing changes.
    let account = account_page(&ada).await;
    assert!(
        account.contains("Pages without ads") && account.contains("your subscription"),
        "{account}"
    );
    for (mode, seconds) in [("double", 0), ("delay", 1), ("reorder", 0)] {
        let (before, events) = (panel.deliveries("delivered").await, panel.count_events().await);
        panel.deliver(mode, seconds).await;
        panel.resend_all().await;
        panel.settled().await;
        assert!(
            panel.deliveries("delivered").await >= before + events,
            "{mode}: webhooks are missing"
        );
        tokio::time::sleep(AFTERWARDS).await;
        assert_eq!(account_page(&ada).await, account, "{mode}");
        let asked = ada.ads_while_reading(&[ARTICLE]).await;
        assert!(asked.is_empty(), "{mode}: {asked:?}");
        ada.is_clean().await;
    }
    ada.browser.close().await;
}

/// Reads every page, and finds the call twice on it, its ads counted for page and reader, and its view in the analytics.
async fn every_page_has_calls_and_ads(ada: &Reader<'_>, pages: &[String]) {
    let views = ada.demo.views().await;
    for page in pages {
        ada.reads(page).await;
        for place in ["top", "bottom"] {
            let call = ada
                .browser
                .element(&format!(".latchkey-call[data-place={place}] a"))
                .await;
            assert_eq!(call.text().await.expect("text"), CALL, "{page}, {place}");
        }
    }
    viewed(ada.demo, &views, pages).await;
    // A page for what does not exist has ads too, and asks nobody for support.
    ada.reads(NO_PAGE).await;
    assert!(!ada.ads_in_page().await.is_empty() && !ada.browser.has(".latchkey-call").await);
    // Her first page gave her the ad server's cookie; from the second on she is known by it.
    let reader = ada.browser.cookie(&ada.demo.url("ads", "/"), "adv").await;
    let reader = reader.expect("the ad server's cookie");
    let ads = ada.demo.ads().await;
    for page in pages.iter().skip(1) {
        assert!(ads.of(page, &reader) > 0, "no ads for {reader} on {page}: {ads:?}");
    }
}

/// Reads every page again: thanks in place of the calls, not one request to the ad server, analytics as before.
async fn no_page_has_ads(ada: &Reader<'_>, pages: &[String]) {
    let (ads, views) = (ada.demo.ads().await, ada.demo.views().await);
    for page in pages {
        ada.reads(page).await;
        for place in ["top", "bottom"] {
            let thanks = ada
                .browser
                .element(&format!(".latchkey-call[data-place={place}]"))
                .await;
            let words = thanks.text().await.expect("text");
            assert_eq!(words, format!("{THANKS} Your account"), "{page}, {place}");
        }
        ada.is_clean().await;
    }
    viewed(ada.demo, &views, pages).await;
    ada.reads(NO_PAGE).await;
    let left = ada.ads_in_page().await;
    assert!(left.is_empty(), "the page for what does not exist has ads: {left:?}");
    let asked = ada.demo.ads().await.since(&ads);
    assert!(asked.is_empty(), "a payer's pages asked for ads: {asked:?}");
}

/// Waits until analytics has counted exactly one more view of each page.
async fn viewed(demo: &Demo, before: &BTreeMap<String, u64>, pages: &[String]) {
    let count = |views: &BTreeMap<String, u64>, page| views.get(page).copied().unwrap_or(0);
    eventually("analytics has counted every page once more", async || {
        let now = demo.views().await;
        pages.iter().all(|page| count(&now, page) == count(before, page) + 1)
    })
    .await;
}

async fn account_page(ada: &Reader<'_>) -> String {
    ada.opens_account("/account").await;
    ada.browser.text().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_pays_and_the_ads_are_gone_on_sqlite() {
    if is_there() {
        walk(None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_pays_and_the_ads_are_gone_on_postgresql() {
    if !is_there() {
        return;
    }
    if let Some(database) = postgresql() {
        walk(Some(database.clone())).await;
        let asked = std::process::Command::new("psql")
            .arg(&database)
            .args(["-Atqc", "SELECT count(*) FROM account_grant"])
            .output();
        let grants = String::from_utf8(asked.expect("psql").stdout).expect("a number");
        assert_eq!(grants.trim(), "1", "the walk was not on PostgreSQL");
    }
}
