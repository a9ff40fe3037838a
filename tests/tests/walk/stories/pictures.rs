//! Pictures of every page, for people to look at: `LATCHKEY_PICTURES=FOLDER cargo test --workspace --test walk pictures -- --ignored`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    browser::Browser,
    demo::Demo,
    steps::{ARTICLE, Reader, card},
};

/// Takes the page that is open in light and in dark, wide and narrow.
pub(super) async fn take(browser: &Browser, folder: &Path, name: &str) {
    for (size, is_narrow) in [("wide", false), ("narrow", true)] {
        if is_narrow {
            browser.narrow().await;
        } else {
            browser.wide().await;
        }
        for scheme in ["light", "dark"] {
            browser.prefers(scheme).await;
            let file = folder.join(format!("{name}-{size}-{scheme}.png"));
            std::fs::write(&file, browser.picture().await).expect("a picture is kept");
        }
    }
    browser.wide().await;
    browser.prefers("light").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "shows, and proves nothing"]
#[expect(clippy::disallowed_methods, reason = "whoever wants pictures says where")]
async fn pictures() {
    let folder = PathBuf::from(std::env::var("LATCHKEY_PICTURES").expect("LATCHKEY_PICTURES: a folder"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let demo = Demo::start().await;
    let ada = Reader::ada(&demo, Browser::open().await);
    let take = async |name| take(&ada.browser, &folder, name).await;

    ada.browser.goto(&demo.front()).await;
    take("demo").await;
    ada.browser.goto(&demo.url("news", "/")).await;
    take("front-free").await;
    ada.browser.goto(&demo.url("news", ARTICLE)).await;
    take("article-free").await;
    ada.follows_the_call().await;
    take("support").await;
    ada.chooses("prc_monthly").await;
    take("checkout").await;
    ada.pays_with(card::DECLINED).await;
    ada.browser.reads("declined").await;
    take("checkout-declined").await;
    ada.pays_with(card::ASKS).await;
    ada.browser.reads("Your bank asks").await;
    take("checkout-bank").await;
    ada.browser.press("#complete").await;
    ada.is_back_and_thanked().await;
    take("article-payer").await;
    ada.browser.goto(&demo.url("news", "/")).await;
    take("front-payer").await;
    ada.opens_account("/support").await;
    take("support-payer").await;
    ada.opens_account("/account").await;
    take("account").await;
    ada.browser.press("form[action='/account/prove'] button").await;
    ada.browser.element("#code").await;
    take("code").await;
    let link = ada.link().await;
    ada.browser.goto(&link).await;
    take("link").await;
    ada.opens_the_portal().await;
    take("portal").await;
    ada.opens_account("/return?state=mailed").await;
    take("return-mailed").await;
    ada.opens_account("/no-such-page").await;
    take("problem").await;
    for (host, path, name) in [
        ("stripe", "/control", "panel"),
        ("mail", "/", "mailbox"),
        ("mail", "/0", "letter"),
        ("ads", "/", "ad-server"),
        ("news", "/.latchkey/leave?to=/", "leave"),
    ] {
        ada.browser.goto(&demo.url(host, path)).await;
        take(name).await;
    }
    ada.browser.goto(&demo.url("stripe", "/control")).await;
    ada.browser.press("a[href^='/i/']").await;
    take("invoice").await;
    ada.opens_account("/account").await;
    ada.browser.press("button[value=cancel]").await;
    ada.browser.element("button[value=resume]").await;
    take("account-ends").await;
    demo.panel().advance("renewal").await;
    ada.has_ads_again(Duration::from_secs(15)).await;
    ada.opens_account("/account").await;
    ada.browser.reads("Your subscription ended on").await;
    take("account-ended").await;
    ada.browser.press("form[action='/sign-out'] button").await;
    ada.browser.reads("Sign in to").await;
    take("sign-in").await;
    ada.browser.close().await;
}
