//! The demo stops in order, and goes on where it was.

use std::time::Duration;

use crate::{
    browser::Browser,
    demo::Demo,
    equipment::is_there,
    steps::{ARTICLE, Reader, card},
};

/// How long a stop may take, with a page's stream of events open.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_is_still_one_after_the_demo_was_stopped_and_started_again() {
    if !is_there() {
        return;
    }
    let mut demo = Demo::start().await;
    let browser = Browser::open().await;
    let ada = Reader::ada(&demo, browser);
    ada.subscribes(card::PAYS).await;

    // A stream of events is open when Ctrl-C comes.
    ada.reads("/live-desk").await;
    ada.browser.reads("Reading 2").await;
    let browser = ada.browser;
    let (ended, after) = demo.interrupt().await;
    assert_eq!(ended.code(), Some(0), "it ended with {ended}");
    assert!(after < STOPS_WITHIN, "it took {after:?} to stop");

    demo.run().await;
    let ada = Reader::ada(&demo, browser);
    let asked = ada.ads_while_reading(&[ARTICLE, "/", "/live-desk"]).await;
    assert!(asked.is_empty(), "a payer sees ads after a restart: {asked:?}");
    ada.is_clean().await;
    ada.opens_account("/account").await;
    ada.browser.reads("Pages without ads").await;
    ada.browser.close().await;
}
