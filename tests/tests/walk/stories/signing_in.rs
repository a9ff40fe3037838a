//! A payer's other devices: link, code, the account page, signing out.

use std::time::Duration;

use crate::{
    browser::Browser,
    demo::Demo,
    equipment::{is_there, within},
    steps::{ARTICLE, CALL, Reader, THANKS, card},
};

/// How long a device may go on as before after it was signed out, or paid for, elsewhere.
const REVOKED_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_signs_in_on_another_device_by_link_and_by_code_and_out_everywhere() {
    if !is_there() {
        return;
    }
    let demo = Demo::start().await;
    let (first, second) = Browser::open_two().await;
    let (ada, desk) = (Reader::ada(&demo, first), Reader::ada(&demo, second));
    by_the_address_after_paying(&ada, &desk).await;
    by_link(&ada, &desk).await;
    by_code(&desk).await;

    // Signing out here ends this device at once, and leaves the other one alone.
    desk.opens_account("/account").await;
    desk.browser.press("form[action='/sign-out'] button").await;
    desk.browser.reads("Sign in to The Harbour Post").await;
    desk.has_ads_again(REVOKED_WITHIN).await;
    let asked = ada.ads_while_reading(&[ARTICLE]).await;
    assert!(asked.is_empty(), "signing out there has brought ads here: {asked:?}");

    // Signing out everywhere reaches the other device within seconds.
    desk.asks_for_a_letter().await;
    let code = desk.code().await;
    desk.browser.fill("#code", &code).await;
    desk.browser.press("main form button").await;
    desk.browser.reads("Your devices").await;
    desk.browser.press("button[value=everywhere]").await;
    desk.browser.reads("Sign in to The Harbour Post").await;
    ada.has_ads_again(REVOKED_WITHIN).await;
    ada.opens_account("/account").await;
    ada.browser.reads("Sign in to The Harbour Post").await;
    ada.browser.close().await;
    desk.browser.close().await;
}

/// Checkout's way back signs in the browser that paid, and no other: that one reads where the letter went.
async fn by_the_address_after_paying(ada: &Reader<'_>, desk: &Reader<'_>) {
    ada.follows_the_call().await;
    ada.chooses("prc_monthly").await;
    let session = ada.browser.url().await;
    let session = session.rsplit('/').next().expect("a session").to_owned();
    ada.pays_with(card::PAYS).await;
    ada.is_back_and_thanked().await;

    desk.opens_account(&format!("/return?session_id={session}")).await;
    desk.browser.reads("The payment has arrived. Thank you!").await;
    assert!(
        !desk.browser.url().await.contains(&session),
        "the address bar keeps the session"
    );
    desk.opens_account("/account").await;
    desk.browser.reads("Sign in to The Harbour Post").await;
    desk.browser.goto(&desk.link().await).await;
    desk.browser.press("main form button").await;
    desk.browser.arrives(&desk.demo.url("news", ARTICLE)).await;
    desk.is_clean().await;
    desk.opens_account("/account").await;
    desk.browser.press("form[action='/sign-out'] button").await;
    desk.browser.reads("Sign in to The Harbour Post").await;
}

/// The link signs in the browser in which its button is pressed, once.
async fn by_link(ada: &Reader<'_>, desk: &Reader<'_>) {
    desk.asks_for_a_letter().await;
    let link = desk.link().await;
    // A mail scanner opens it first, and changes nothing.
    let scanned = desk.demo.http().get(&link).send().await.expect("an answer");
    assert!(scanned.status().is_success());

    desk.browser.goto(&link).await;
    let page = desk.browser.text().await;
    assert!(
        page.contains("a…@r…r.example") && page.contains("Chrome on Linux"),
        "the page does not say who and where: {page}"
    );
    let tab = desk.browser.tab().await;
    desk.browser.new_tab().await;
    desk.opens_account("/account").await;
    desk.browser.reads("Sign in to The Harbour Post").await;
    desk.browser.switch_to(&tab).await;
    desk.browser.press("main form button").await;
    desk.browser.arrives(&desk.demo.url("account", "/account")).await;

    // The account page says what she has, why, and until when.
    let account = desk.browser.text().await;
    assert!(
        account.contains("Pages without ads") && account.contains("your subscription"),
        "{account}"
    );
    let until = desk.row("Until").await.expect("an end");
    assert!(
        until.starts_with("for as long as you support us; next payment on ") && until.contains(" 20"),
        "{until}"
    );
    assert!(desk.row("Renews").await.is_some(), "{account}");
    let before = desk.demo.ads().await;
    desk.goes_on_to_the_site().await;
    desk.is_clean().await;
    desk.reads(ARTICLE).await;
    desk.is_clean().await;
    let asked = desk.demo.ads().await.since(&before);
    assert!(asked.is_empty(), "the other device asked for ads: {asked:?}");

    // The same link again, there and here.
    for reader in [ada, desk] {
        reader.browser.goto(&link).await;
        reader.browser.reads("This link no longer holds").await;
    }
}

/// The typed code signs in the browser that asked; a link that was not used in time says so.
async fn by_code(desk: &Reader<'_>) {
    desk.opens_account("/account").await;
    desk.browser.press("form[action='/sign-out'] button").await;
    desk.browser.reads("Sign in to The Harbour Post").await;
    desk.asks_for_a_letter().await;
    let expired = desk.link().await;
    desk.browser.fill("#code", "WRNG-C0D3").await;
    desk.browser.press("main form button").await;
    desk.browser
        .reads("That code is wrong. You can try 4 more times.")
        .await;
    desk.demo.panel().advance("hour").await;
    desk.browser.goto(&expired).await;
    desk.browser.reads("This link no longer holds").await;

    desk.asks_for_a_letter().await;
    let code = desk.code().await.to_lowercase();
    desk.browser.fill("#code", &code).await;
    desk.browser.press("main form button").await;
    desk.browser.arrives(&desk.demo.url("account", "/account")).await;
    desk.goes_on_to_the_site().await;
    let asked = desk.ads_while_reading(&["/", ARTICLE]).await;
    assert!(asked.is_empty(), "signed in by code, with ads: {asked:?}");
    desk.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_on_two_devices_and_pays_on_one_sees_no_ads_on_the_other() {
    if !is_there() {
        return;
    }
    let demo = Demo::start().await;
    let (first, second) = Browser::open_two().await;
    let (ada, desk) = (Reader::ada(&demo, first), Reader::ada(&demo, second));
    for device in [&ada, &desk] {
        device.signs_in_from_the_article().await;
        assert!(device.browser.text().await.contains(CALL), "nobody has paid yet");
    }
    ada.subscribes(card::PAYS).await;

    // The other device hears of it within seconds, and shows it at its next click.
    within(REVOKED_WITHIN, "the other device is without ads", async || {
        desk.browser.goto(&demo.url("news", "/")).await;
        desk.browser.text().await.contains(THANKS)
    })
    .await;
    let asked = desk.ads_while_reading(&["/", ARTICLE]).await;
    assert!(asked.is_empty(), "the other device asked for ads: {asked:?}");
    desk.is_clean().await;
    ada.browser.close().await;
    desk.browser.close().await;
}
