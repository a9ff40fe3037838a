//! What every page for readers must be like: for the keyboard, for screen readers, on a telephone, in the dark.

use crate::{
    browser::Browser,
    demo::Demo,
    equipment::{eventually, is_there},
    inspect::{fits, has_contrast, is_accessible},
    steps::{ARTICLE, Reader, card},
};

/// Pages of the account origin that need nobody who is signed in.
const OPEN_TO_ALL: [(&str, &str); 8] = [
    ("/support?site=sit_news&to=/", "without ads"),
    ("/sign-in", "Sign in to"),
    ("/sign-in/sent", "Look into your mail"),
    ("/sign-in/link?token=long-gone", "This link no longer holds"),
    ("/return?state=mailed", "The payment has arrived"),
    ("/return?state=unknown", "We do not know this payment"),
    ("/account/enter?host=elsewhere.example&nonce=x", "cannot be used"),
    ("/no-such-page", "There is no such page"),
];

/// Inspects the page that is open in every way.
pub(super) async fn inspected(browser: &Browser, page: &str) {
    is_accessible(browser, page).await;
    browser.prefers("light").await;
    has_contrast(browser, &format!("{page}, light")).await;
    browser.prefers("dark").await;
    has_contrast(browser, &format!("{page}, dark")).await;
    browser.narrow().await;
    fits(browser, page).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_before_the_payment_are_for_everyone() {
    if !is_there() {
        return;
    }
    let demo = Demo::start().await;
    let ada = Reader::ada(&demo, Browser::open().await);
    for (path, says) in OPEN_TO_ALL {
        ada.opens_account(path).await;
        ada.browser.reads(says).await;
        inspected(&ada.browser, path).await;
    }

    // A form that was sent with a fault says so, and where.
    ada.opens_account("/support").await;
    ada.browser.script("document.forms[0].noValidate = true;").await;
    ada.browser.fill("#email", "ada").await;
    ada.browser.press("button[value=prc_monthly]").await;
    ada.browser.reads("This does not look like an e-mail address.").await;
    inspected(&ada.browser, "support with a fault").await;

    // Checkout, and the ways back from it without having paid.
    ada.follows_the_call().await;
    ada.chooses("prc_monthly").await;
    inspected(&ada.browser, "Checkout").await;
    let session = ada.browser.url().await;
    let session = session.rsplit('/').next().expect("a session").to_owned();
    ada.opens_account(&format!("/return?session_id={session}")).await;
    ada.browser.reads("You have not paid yet").await;
    inspected(&ada.browser, "return, open").await;
    let waiting = ada.browser.url().await;
    demo.panel().fail_calls(50, "unavailable").await;
    ada.browser.reload().await;
    ada.browser.reads("One moment").await;
    inspected(&ada.browser, "return, Stripe away").await;
    demo.panel().fail_calls(0, "unavailable").await;
    // A Checkout session is open for a day. The clock is moved where people move it.
    ada.browser.goto(&demo.url("stripe", "/control")).await;
    for _ in 0..2 {
        let clock = "return document.getElementById('now')?.textContent;";
        let before = ada.browser.script(clock).await;
        assert!(before.is_string(), "the panel shows no clock");
        ada.browser.press("button[value=day]").await;
        eventually("the panel's clock is a day further", async || {
            let now = ada.browser.script(clock).await;
            now.is_string() && now != before
        })
        .await;
    }
    fits(&ada.browser, "the sandbox's control panel").await;
    ada.browser.goto(&waiting).await;
    ada.browser.reads("The payment page has run out").await;
    inspected(&ada.browser, "return, expired").await;

    // The edge's own pages on the site's host.
    for (path, says) in [
        ("/.latchkey/leave?to=/", "Sign out on this device?"),
        ("/.latchkey/enter?code=used&to=/", "Signing in did not finish"),
    ] {
        ada.browser.goto(&demo.url("news", path)).await;
        ada.browser.reads(says).await;
        inspected(&ada.browser, path).await;
    }
    ada.browser.goto(&demo.url("news", ARTICLE)).await;
    fits(&ada.browser, "an article with ads").await;
    ada.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_after_the_payment_are_for_everyone() {
    if !is_there() {
        return;
    }
    let demo = Demo::start().await;
    let ada = Reader::ada(&demo, Browser::open().await);
    ada.subscribes(card::PAYS).await;
    ada.opens_account("/account").await;
    inspected(&ada.browser, "account").await;
    ada.browser.press("form[action='/account/prove'] button").await;
    ada.browser.element("#code").await;
    inspected(&ada.browser, "code").await;
    ada.browser.fill("#code", "WRNG-C0D3").await;
    ada.browser.press("main form button").await;
    ada.browser.reads("That code is wrong.").await;
    inspected(&ada.browser, "code, a wrong one").await;
    let link = ada.link().await;
    ada.browser.goto(&link).await;
    inspected(&ada.browser, "link").await;
    ada.browser.press("main form button").await;
    ada.browser.reads("Your devices").await;
    ada.opens_account("/support").await;
    ada.browser.reads("You already support us").await;
    inspected(&ada.browser, "support, for a supporter").await;

    // In trouble, and ending.
    ada.opens_account("/account").await;
    ada.browser.press("button[value=cancel]").await;
    ada.browser.element("button[value=resume]").await;
    inspected(&ada.browser, "account, ending").await;
    ada.opens_the_portal().await;
    inspected(&ada.browser, "the sandbox's portal").await;
    ada.browser.goto(&demo.url("news", ARTICLE)).await;
    ada.is_clean().await;
    fits(&ada.browser, "an article without ads").await;
    ada.browser.close().await;
}
