//! Cards that do not just pay.

use std::time::Duration;

use crate::{
    browser::Browser,
    demo::Demo,
    equipment::{eventually, is_there},
    steps::{ARTICLE, Reader, card},
};

/// How long the ads may take to come back once nothing is paid for any more.
const SOON: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_refused_is_explained_and_another_one_pays() {
    if !is_there() {
        return;
    }
    let demo = Demo::start().await;
    let ada = Reader::ada(&demo, Browser::open().await);
    ada.follows_the_call().await;
    ada.chooses("prc_yearly").await;
    let checkout = ada.browser.url().await;

    ada.pays_with(card::DECLINED).await;
    ada.browser.reads("Your card was declined.").await;
    ada.pays_with(card::LACKS_FUNDS).await;
    ada.browser.reads("Your card has insufficient funds.").await;

    // The bank asks; she fails, and is back at the same Checkout.
    ada.pays_with(card::ASKS).await;
    ada.browser.reads("Your bank asks").await;
    ada.browser.press("#fail").await;
    ada.browser
        .reads("We are unable to authenticate your payment method.")
        .await;
    // So far nothing is paid, and the return says so.
    let session = checkout.rsplit('/').next().expect("a session").to_owned();
    let tab = ada.browser.tab().await;
    ada.browser.new_tab().await;
    ada.opens_account(&format!("/return?session_id={session}")).await;
    ada.browser.reads("You have not paid yet").await;
    ada.browser.switch_to(&tab).await;

    ada.pays_with(card::ASKS).await;
    ada.browser.press("#complete").await;
    ada.is_back_and_thanked().await;
    let asked = ada.ads_while_reading(&[ARTICLE, "/"]).await;
    assert!(asked.is_empty(), "{asked:?}");

    // The address bar kept no session; opening Checkout again charges nothing more.
    ada.browser.goto(&checkout).await;
    ada.browser.reads("This payment is complete. It was taken once.").await;
    ada.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_fails_leads_through_grace_to_ads_and_a_new_card_ends_them() {
    if !is_there() {
        return;
    }
    let demo = Demo::start().await;
    let (ada, panel) = (Reader::ada(&demo, Browser::open().await), demo.panel());
    ada.subscribes(card::FAILS_LATER).await;

    // The renewal fails: the account page says so, and pages stay clean during the grace.
    panel.advance("renewal").await;
    eventually("the account page tells of the failed payment", async || {
        ada.opens_account("/account").await;
        ada.browser
            .text()
            .await
            .contains("The last payment did not go through.")
    })
    .await;
    let asked = ada.ads_while_reading(&[ARTICLE]).await;
    assert!(asked.is_empty(), "ads during the grace: {asked:?}");
    panel.advance("day").await;
    let asked = ada.ads_while_reading(&[ARTICLE]).await;
    assert!(asked.is_empty(), "ads during the grace, a day on: {asked:?}");

    // The grace ends.
    panel.advance("week").await;
    ada.has_ads_again(SOON).await;

    // A new card in the portal pays what is open, and the next page is clean.
    ada.opens_the_portal().await;
    ada.browser.press("summary").await;
    ada.types_card(card::PAYS).await;
    ada.browser.press("details form button").await;
    ada.browser.reads("Visa •••• 4242").await;
    let portal = ada.browser.url().await;
    ada.browser.press("tr:has(.state.open) a").await;
    ada.browser.press("main form button").await;
    ada.browser.reads("paid").await;
    ada.browser.goto(&portal).await;
    ada.leaves_the_portal().await;
    let account = ada.browser.text().await;
    assert!(
        account.contains("Pages without ads") && !account.contains("did not go through"),
        "{account}"
    );
    ada.goes_on_to_the_site().await;
    let asked = ada.ads_while_reading(&[ARTICLE, "/"]).await;
    assert!(asked.is_empty(), "ads after the new card paid: {asked:?}");
    ada.is_clean().await;
    ada.browser.close().await;
}
