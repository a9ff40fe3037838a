//! The life of a subscription: cancelled, resumed, changed, ended, bought again.

use std::time::Duration;

use crate::{
    browser::Browser,
    demo::Demo,
    equipment::{is_there, postgresql},
    steps::{ARTICLE, Reader, card},
};

/// How long the ads may take to come back once nothing is paid for any more.
const SOON: Duration = Duration::from_secs(15);

async fn walk(database: Option<String>) {
    let demo = Demo::start_on(database).await;
    let (ada, panel) = (Reader::ada(&demo, Browser::open().await), demo.panel());
    ada.subscribes(card::PAYS).await;

    // Cancelled in the portal: the account page says until when, and pages stay as they are.
    ada.opens_the_portal().await;
    ada.browser.press("button.cancel").await;
    ada.browser.element("button.resume").await;
    ada.leaves_the_portal().await;
    let ends = ada.row("Ends").await.expect("the day on which it ends");
    assert_eq!(
        ada.row("Until").await,
        Some(ends.clone()),
        "what she has ends another day"
    );
    let asked = ada.ads_while_reading(&[ARTICLE, "/"]).await;
    assert!(asked.is_empty(), "cancelled, paid for, and with ads: {asked:?}");

    // Resumed there; cancelled and resumed again on the account page itself.
    ada.opens_the_portal().await;
    ada.browser.press("button.resume").await;
    ada.browser.element("button.cancel").await;
    ada.leaves_the_portal().await;
    assert_eq!(ada.row("Renews").await, Some(ends.clone()));
    ada.browser.press("button[value=cancel]").await;
    ada.browser.element("button[value=resume]").await;
    assert_eq!(ada.row("Ends").await, Some(ends));
    ada.browser.press("button[value=resume]").await;
    ada.browser.element("button[value=cancel]").await;

    // From monthly to yearly, and another card.
    ada.opens_the_portal().await;
    ada.browser.choose("select[name=price]", "50.00").await;
    ada.browser.press("button.change").await;
    ada.browser.press("summary").await;
    ada.types_card(card::ANOTHER).await;
    ada.browser.press("details form button").await;
    ada.browser.reads("Mastercard •••• 4444").await;
    ada.leaves_the_portal().await;
    ada.browser.reads("€50.00 a year").await;
    let asked = ada.ads_while_reading(&[ARTICLE]).await;
    assert!(asked.is_empty(), "a change of plan brought ads: {asked:?}");

    // Months pass, each with page views: still a payer.
    for _ in 0..2 {
        panel.advance("month").await;
        let asked = ada.ads_while_reading(&[ARTICLE]).await;
        assert!(asked.is_empty(), "a yearly payer sees ads within the year: {asked:?}");
    }

    // Cancelled for good: the year runs out, and ads and call are back.
    ada.opens_account("/account").await;
    ada.browser.press("button[value=cancel]").await;
    ada.browser.element("button[value=resume]").await;
    panel.advance("renewal").await;
    ada.has_ads_again(SOON).await;
    ada.opens_account("/account").await;
    ada.browser.reads("Your subscription ended on").await;

    // Bought again.
    ada.subscribes(card::PAYS).await;
    let asked = ada.ads_while_reading(&[ARTICLE, "/"]).await;
    assert!(asked.is_empty(), "bought again, with ads: {asked:?}");
    ada.is_clean().await;
    ada.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_cancelled_resumed_changed_ended_and_bought_again_on_sqlite() {
    if is_there() {
        walk(None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_cancelled_resumed_changed_ended_and_bought_again_on_postgresql() {
    if !is_there() {
        return;
    }
    if let Some(database) = postgresql() {
        walk(Some(database)).await;
    }
}
