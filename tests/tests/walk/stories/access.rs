//! Readers without scripts and readers without a mouse.

use fantoccini::key::Key;

use crate::{
    browser::Browser,
    demo::Demo,
    equipment::{eventually, is_there},
    steps::{ARTICLE, CALL, Reader, THANKS, card},
};

/// Most Tabs until the focus is where it is wanted.
const MAX_TABS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_without_scripts_pays_and_sees_no_ads() {
    if !is_there() {
        return;
    }
    let demo = Demo::start().await;
    let ada = Reader::ada(&demo, Browser::without_script().await);
    let before = demo.ads().await;
    ada.browser.goto(&demo.url("news", ARTICLE)).await;
    assert!(ada.browser.text().await.contains(CALL));
    eventually("her free page asks for ads, without scripts", async || {
        demo.ads_so_far().await.since(&before).contains_key(ARTICLE)
    })
    .await;
    assert!(
        demo.views().await.is_empty(),
        "analytics runs by script, so scripts ran here"
    );

    ada.subscribes(card::PAYS).await;
    let before = demo.ads().await;
    for page in [ARTICLE, "/", "/live-desk", "/about"] {
        ada.browser.goto(&demo.url("news", page)).await;
        assert!(ada.browser.text().await.contains(THANKS), "{page}");
    }
    let asked = demo.ads().await.since(&before);
    assert!(
        asked.is_empty(),
        "a payer's pages without scripts asked for ads: {asked:?}"
    );
    ada.browser.close().await;
}

/// Presses Tab until the focus is on `selector`.
async fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..MAX_TABS {
        browser.key(Key::Tab).await;
        let there = format!("return document.activeElement.matches({selector:?});");
        if browser.script(&there).await == true {
            return;
        }
    }
    panic!("Tab does not lead to `{selector}` at {}", browser.url().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_without_a_mouse_pays_with_tab_and_enter() {
    if !is_there() {
        return;
    }
    let demo = Demo::start().await;
    let ada = Reader::ada(&demo, Browser::open().await);
    ada.browser.goto(&demo.url("news", ARTICLE)).await;
    tab_to(&ada.browser, ".latchkey-call a").await;
    ada.browser.key(Key::Enter).await;
    ada.browser.element("button[value=prc_yearly]").await;
    tab_to(&ada.browser, "#email").await;
    ada.browser.type_text("ada@reader.example").await;
    tab_to(&ada.browser, "button[value=prc_yearly]").await;
    ada.browser.key(Key::Enter).await;
    ada.browser.element("#pay").await;
    for (field, text) in [("#number", card::PAYS), ("#expiry", "12 / 40"), ("#cvc", "123")] {
        tab_to(&ada.browser, field).await;
        ada.browser.type_text(text).await;
    }
    tab_to(&ada.browser, "#pay").await;
    ada.browser.key(Key::Enter).await;
    ada.is_back_and_thanked().await;
    let asked = ada.ads_while_reading(&[ARTICLE]).await;
    assert!(asked.is_empty(), "{asked:?}");
    ada.browser.close().await;
}
