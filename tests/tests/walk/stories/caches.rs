//! What the browser kept from before the payment never comes back: history, bfcache, other tabs, another window.

use serde_json::Value;

use crate::{
    browser::Browser,
    demo::Demo,
    equipment::is_there,
    steps::{ARTICLE, Reader, card},
};

const OTHER: &str = "/science/why-the-sea-glows";
const THIRD: &str = "/science/what-bees-do-in-winter";

/// How the page in the browser got there: from bfcache, else as the browser calls the navigation.
async fn arrival(browser: &Browser) -> String {
    let how = browser
        .script(
            "return window.walkRestored === true ? 'bfcache' \
               : performance.getEntriesByType('navigation')[0].type;",
        )
        .await;
    how.as_str().expect("a type of navigation").to_owned()
}

/// Lets the page that is open note it if it is restored from bfcache: only then does the same page hear of being shown again.
async fn watch(browser: &Browser) {
    let watching = "addEventListener('pageshow', e => { window.walkRestored = e.persisted; }); return true;";
    assert_eq!(browser.script(watching).await, Value::Bool(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_kept_from_before_the_payment_shows_an_ad() {
    if !is_there() {
        return;
    }
    let demo = Demo::start().await;
    let ada = Reader::ada(&demo, Browser::open().await);

    // Before she pays, her browser keeps pages for the way back, ads and all: otherwise nothing would be shown here.
    let paying = ada.browser.tab().await;
    ada.reads(THIRD).await;
    watch(&ada.browser).await;
    ada.reads(OTHER).await;
    ada.browser.back().await;
    assert_eq!(arrival(&ada.browser).await, "bfcache");
    assert!(!ada.ads_in_page().await.is_empty(), "a free reader's page has no ads");

    // Two other tabs are open, with ads, when she pays in the first one.
    let reloaded = ada.browser.new_tab().await;
    ada.reads(OTHER).await;
    let clicked = ada.browser.new_tab().await;
    ada.reads(THIRD).await;
    ada.reads(OTHER).await;
    assert!(!ada.ads_in_page().await.is_empty(), "a free reader's page has no ads");
    watch(&ada.browser).await;
    ada.browser.switch_to(&paying).await;
    ada.reads(ARTICLE).await;
    watch(&ada.browser).await;
    ada.subscribes(card::PAYS).await;

    // Late ads of the old tabs are those of pages opened before; from here on not one more may be asked for.
    let before = demo.ads().await;
    ada.is_clean().await;

    // Reload, and away and back.
    ada.browser.reload().await;
    assert_eq!(arrival(&ada.browser).await, "reload");
    ada.is_clean().await;
    watch(&ada.browser).await;
    ada.reads(OTHER).await;
    ada.browser.back().await;
    ada.browser.arrives(&demo.url("news", ARTICLE)).await;
    assert_eq!(
        arrival(&ada.browser).await,
        "bfcache",
        "a payer's own pages are kept too"
    );
    ada.is_clean().await;

    // All the way back, over Checkout and the support page, to the article as it was opened with ads.
    let mut steps = 0;
    loop {
        let earlier = ada.browser.url().await;
        ada.browser.back().await;
        ada.browser.loaded().await;
        steps += 1;
        let now = ada.browser.url().await;
        if now.starts_with(&demo.url("news", "/")) {
            assert_eq!(
                arrival(&ada.browser).await,
                "back_forward",
                "{now} is from before the payment"
            );
            ada.is_clean().await;
        }
        if now == earlier || steps > 12 {
            break;
        }
    }
    assert!(steps >= 3, "the history is too short to have led past Checkout");

    // The next click in one old tab and a reload in the other are clean, and so is going back there.
    ada.browser.switch_to(&clicked).await;
    ada.browser.press(".masthead .title").await;
    ada.browser.arrives(&demo.url("news", "/")).await;
    ada.is_clean().await;
    ada.browser.back().await;
    ada.browser.arrives(&demo.url("news", OTHER)).await;
    assert_eq!(
        arrival(&ada.browser).await,
        "back_forward",
        "the old tab's page is from before the payment"
    );
    ada.is_clean().await;
    ada.browser.switch_to(&reloaded).await;
    ada.browser.reload().await;
    ada.is_clean().await;

    // A second window begins clean.
    ada.browser.new_window(false).await;
    ada.reads(ARTICLE).await;
    ada.is_clean().await;
    let workers = "return navigator.serviceWorker.getRegistrations().then(all => all.length);";
    assert_eq!(ada.browser.script(workers).await, Value::from(0));

    let asked = demo.ads().await.since(&before);
    assert!(asked.is_empty(), "a payer's pages asked for ads: {asked:?}");
    ada.browser.close().await;
}
