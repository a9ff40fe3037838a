//! What a reader does: reads, follows the call, pays, signs in.

use std::collections::BTreeMap;

use crate::{
    browser::Browser,
    demo::{Ads, Demo},
    equipment::eventually,
};

/// The article that most stories begin at.
pub(crate) const ARTICLE: &str = "/town/the-new-tide-clock";
/// The call at the top and at the bottom of pages.
pub(crate) const CALL: &str = "Support The Harbour Post – go ad-free!";
/// What payers read in its place.
pub(crate) const THANKS: &str = "Thank you for supporting The Harbour Post.";

/// Stripe's test cards (docs.stripe.com/testing).
pub(crate) mod card {
    pub(crate) const PAYS: &str = "4242424242424242";
    pub(crate) const DECLINED: &str = "4000000000000002";
    pub(crate) const LACKS_FUNDS: &str = "4000000000009995";
    pub(crate) const ASKS: &str = "4000002500003155";
    pub(crate) const FAILS_LATER: &str = "4000000000000341";
    pub(crate) const ANOTHER: &str = "5555555555554444";
}

/// A person with a browser.
pub(crate) struct Reader<'a> {
    pub(crate) demo: &'a Demo,
    pub(crate) browser: Browser,
    email: &'static str,
}

impl<'a> Reader<'a> {
    /// Ada, whom most stories are about.
    pub(crate) fn ada(demo: &'a Demo, browser: Browser) -> Self {
        Self {
            demo,
            browser,
            email: "ada@reader.example",
        }
    }

    /// Opens a page of the news site and reads it to its end, so that ads that wait for being seen are asked for too.
    pub(crate) async fn reads(&self, path: &str) {
        self.browser.goto(&self.demo.url("news", path)).await;
        self.reads_to_the_end().await;
    }

    /// Scrolls through the page that is open.
    pub(crate) async fn reads_to_the_end(&self) {
        self.browser
            .script(
                "const step = innerHeight, end = document.documentElement.scrollHeight; \
                 for (let y = 0; y < end; y += step) scrollTo({top: y, behavior: 'instant'});",
            )
            .await;
    }

    /// Opens a page of the account origin.
    pub(crate) async fn opens_account(&self, path: &str) {
        self.browser.goto(&self.demo.url("account", path)).await;
    }

    /// From an article through the call to the support page.
    pub(crate) async fn follows_the_call(&self) {
        self.browser.goto(&self.demo.url("news", ARTICLE)).await;
        self.browser.press(".latchkey-call[data-place=top] a").await;
        self.browser.element("button[value=prc_monthly]").await;
    }

    /// Chooses a price on the support page, with an address where one is asked for, and comes to Checkout.
    pub(crate) async fn chooses(&self, price: &str) {
        if self.browser.has("#email").await {
            self.browser.fill("#email", self.email).await;
        }
        self.browser.press(&format!("button[value={price}]")).await;
        self.browser.element("#pay").await;
    }

    /// Types a card into Checkout and sends it.
    pub(crate) async fn pays_with(&self, number: &str) {
        self.types_card(number).await;
        self.browser.press("#pay").await;
    }

    /// Types a card, into Checkout or into the portal.
    pub(crate) async fn types_card(&self, number: &str) {
        self.browser.fill("#number", number).await;
        self.browser.fill("#expiry", "12 / 40").await;
        self.browser.fill("#cvc", "123").await;
        self.browser.fill("#name", "Ada Reader").await;
    }

    /// The whole way from the article to the same article without ads.
    pub(crate) async fn subscribes(&self, number: &str) {
        self.follows_the_call().await;
        self.chooses("prc_monthly").await;
        self.pays_with(number).await;
        self.is_back_and_thanked().await;
    }

    /// Is on the article from which the call led away, and is thanked where the call was.
    pub(crate) async fn is_back_and_thanked(&self) {
        self.browser.arrives(&self.demo.url("news", ARTICLE)).await;
        self.browser.reads(THANKS).await;
        let text = self.browser.text().await;
        assert!(!text.contains(CALL) && text.contains("tide clock"), "{text}");
    }

    /// Asks for a letter on the sign-in page.
    pub(crate) async fn asks_for_a_letter(&self) {
        self.asks_for_a_letter_at("/sign-in").await;
    }

    /// Comes from the article to the sign-in page, and back to it with the typed code.
    pub(crate) async fn signs_in_from_the_article(&self) {
        self.asks_for_a_letter_at(&format!("/sign-in?site=sit_news&to={ARTICLE}"))
            .await;
        self.browser.fill("#code", &self.code().await).await;
        self.browser.press("main form button").await;
        self.browser.arrives(&self.demo.url("news", ARTICLE)).await;
    }

    async fn asks_for_a_letter_at(&self, path: &str) {
        let before = self.demo.letters(self.email).await.len();
        self.opens_account(path).await;
        self.browser.fill("#email", self.email).await;
        self.browser.press("main form button").await;
        self.browser.element("#code").await;
        eventually("the letter is there", async || {
            self.demo.letters(self.email).await.len() > before
        })
        .await;
    }

    /// The link in the newest letter.
    pub(crate) async fn link(&self) -> String {
        let letters = self.demo.letters(self.email).await;
        letters.last().expect("a letter").link().to_owned()
    }

    /// The code in the newest letter.
    pub(crate) async fn code(&self) -> String {
        let letters = self.demo.letters(self.email).await;
        letters.last().expect("a letter").code()
    }

    /// From the account page to the site, signed in there too.
    pub(crate) async fn goes_on_to_the_site(&self) {
        self.browser.press("a[href^='/account/continue']").await;
        self.browser.arrives(&self.demo.url("news", "/")).await;
    }

    /// Opens Stripe's portal from the account page.
    pub(crate) async fn opens_the_portal(&self) {
        self.opens_account("/account").await;
        self.browser.press("form[action='/account/portal'] button").await;
        self.browser.element("#card").await;
    }

    /// Back from the portal to the account page.
    pub(crate) async fn leaves_the_portal(&self) {
        self.browser.press("#return").await;
        self.browser.arrives(&self.demo.url("account", "/account")).await;
    }

    /// What stands beside `term` on the account page.
    pub(crate) async fn row(&self, term: &str) -> Option<String> {
        let script = format!(
            "const term = [...document.querySelectorAll('dt')].find(t => t.textContent === {term:?}); \
             return term ? term.nextElementSibling.textContent : null;"
        );
        self.browser.script(&script).await.as_str().map(str::to_owned)
    }

    /// What the page in the browser shows or loads from the ad server.
    pub(crate) async fn ads_in_page(&self) -> Vec<String> {
        let found = self
            .browser
            .script(
                "const marked = [...document.querySelectorAll('script,iframe,img,link,embed,object,source,a')] \
                   .map(e => e.src || e.href || e.data || ''); \
                 const loaded = performance.getEntriesByType('resource').map(e => e.name); \
                 return marked.concat(loaded).filter(u => /\\/\\/ads\\.localhost/.test(u));",
            )
            .await;
        serde_json::from_value(found).expect("addresses")
    }

    /// Fails if the page that is open shows an ad or a call.
    #[track_caller]
    pub(crate) fn is_clean(&self) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            let ads = self.ads_in_page().await;
            assert!(ads.is_empty(), "{at}: {} has ads: {ads:?}", self.browser.url().await);
            let text = self.browser.text().await;
            assert!(text.contains(THANKS) && !text.contains(CALL), "{at}: {text}");
        }
    }

    /// Reads `pages` and returns which of them asked for ads, late ones included.
    pub(crate) async fn ads_while_reading<P: AsRef<str>>(&self, pages: &[P]) -> BTreeMap<String, u64> {
        let before: Ads = self.demo.ads().await;
        for page in pages {
            self.reads(page.as_ref()).await;
        }
        self.demo.ads().await.since(&before)
    }

    /// Waits until the article has ads and the call again.
    pub(crate) async fn has_ads_again(&self, within: std::time::Duration) {
        crate::equipment::within(within, "the article has ads and the call again", async || {
            self.browser.goto(&self.demo.url("news", ARTICLE)).await;
            self.browser.text().await.contains(CALL)
        })
        .await;
        let asked = self.ads_while_reading(&[ARTICLE]).await;
        assert!(asked.contains_key(ARTICLE), "the call is back, but no ads: {asked:?}");
    }
}
