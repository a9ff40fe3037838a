//! A reader: a person at a browser.

use std::sync::{Mutex, PoisonError};

use latchkey_entitlement::{AccountId, Grant};
use url::Url;

use crate::{Browser, Card, Checkout, Offer, Page, World, stripe::text};

/// The page that a reader comes from when nothing else is said.
const FROM: &str = "/story";

/// A person at a browser of her own.
pub struct Reader<'c> {
    city: &'c World,
    name: String,
    browser: Browser,
    checkout: Mutex<Option<Checkout>>,
}

impl<'c> Reader<'c> {
    pub(crate) fn new(city: &'c World, name: &str) -> Self {
        Self {
            city,
            name: name.to_owned(),
            browser: city.browser(),
            checkout: Mutex::default(),
        }
    }

    /// Her address.
    pub fn email(&self) -> String {
        format!("{}@example.org", self.name)
    }

    /// The Stripe customer that she paid as. Fails if she never began to pay.
    #[track_caller]
    pub fn customer(&self) -> String {
        self.checkout().customer
    }

    /// The account that her purchase is bound to. Fails if she never began to pay.
    #[track_caller]
    pub fn account(&self) -> AccountId {
        self.checkout().account
    }

    #[track_caller]
    fn checkout(&self) -> Checkout {
        let checkout = self.checkout.lock().unwrap_or_else(PoisonError::into_inner);
        checkout.clone().expect("she never came to the payment page")
    }

    /// The same person at another browser, which knows nothing of the first.
    pub fn at_another_browser(&self) -> Reader<'c> {
        Reader {
            city: self.city,
            name: self.name.clone(),
            browser: self.city.browser(),
            checkout: Mutex::new(self.checkout.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        }
    }

    /// Opens a page of the site.
    pub async fn opens(&self, path: &str) -> Page {
        self.browser.goes_to(&self.site(path)).await
    }

    /// The whole way: chooses, pays with a good card, comes back.
    pub async fn subscribes(self, offer: Offer) -> Self {
        self.subscribes_with(offer, Card::Good).await
    }

    /// The same with a card of one's choice.
    pub async fn subscribes_with(self, offer: Offer, card: Card) -> Self {
        let back = self.pays(offer, card).await;
        let page = self.comes_back(&back).await;
        assert_eq!(
            page.url,
            self.site(FROM),
            "the way back did not end where it began: {page:?}"
        );
        self
    }

    /// Chooses, pays, and closes the window before the payment page leads back. Gives the address that it would have led to.
    pub async fn pays(&self, offer: Offer, card: Card) -> Url {
        let checkout = self.begins(offer).await;
        self.browser.sends_and_stops(&checkout.url, &card.fields()).await
    }

    /// Comes to Stripe's payment page.
    pub async fn begins(&self, offer: Offer) -> Checkout {
        let mut support = self.account_page("/support");
        support.set_query(Some("site=sit_news&to=/story"));
        let page = self.browser.goes_to(&support).await;
        let mut form = page.form("/support/checkout");
        // Who is signed in is not asked.
        if page.says("Your e-mail address") {
            form.push(("email".to_owned(), self.email()));
        }
        form.push(("price".to_owned(), offer.price().to_owned()));
        let url = self
            .browser
            .sends_and_stops(&self.account_page("/support/checkout"), &form)
            .await;
        let session = url.path().strip_prefix("/c/pay/");
        let session = session.unwrap_or_else(|| panic!("{url} is not Stripe's payment page"));
        let object = self
            .city
            .stripe()
            .object(&format!("/v1/checkout/sessions/{session}"))
            .await;
        let checkout = Checkout {
            session: session.to_owned(),
            customer: text(&object, "customer"),
            account: AccountId::parse(&text(&object, "client_reference_id")).unwrap(),
            url,
        };
        *self.checkout.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkout.clone());
        // A new customer is synced once, which takes less time than typing a card number. Left for later, that sync would tell of
        // the payment, and hide that a webhook was lost.
        self.city.work().await;
        checkout
    }

    /// Comes back from the payment page, or opens any other address.
    pub async fn comes_back(&self, to: &Url) -> Page {
        self.browser.goes_to(to).await
    }

    /// Signs in by letter, and goes on to the site.
    pub async fn signs_in(&self) -> Page {
        let sign_in = self.account_page("/sign-in");
        let mut form = self.browser.goes_to(&sign_in).await.form("/sign-in");
        form.push(("email".to_owned(), self.email()));
        self.browser.sends(&sign_in, &form).await;
        let link = self.city.link_in_last_letter_to(&self.email());
        let page = self.browser.goes_to(&link).await;
        self.browser
            .sends(&self.account_page("/sign-in/link"), &page.form("/sign-in/link"))
            .await;
        let mut onward = self.account_page("/account/continue");
        onward.set_query(Some("site=sit_news&to=/story"));
        self.browser.goes_to(&onward).await
    }

    /// Presses "Cancel at the end of the period" on her account page.
    pub async fn cancels(&self) -> Page {
        self.changes("cancel").await
    }

    /// Presses "Go on supporting" on her account page.
    pub async fn resumes(&self) -> Page {
        self.changes("resume").await
    }

    async fn changes(&self, action: &str) -> Page {
        let mut form = self.account_home().await.form("/account/subscription");
        form.push(("action".to_owned(), action.to_owned()));
        self.browser
            .sends(&self.account_page("/account/subscription"), &form)
            .await
    }

    /// The support page.
    pub async fn opens_support(&self) -> Page {
        self.browser.goes_to(&self.account_page("/support")).await
    }

    /// Her account page.
    pub async fn account_home(&self) -> Page {
        self.browser.goes_to(&self.account_page("/account")).await
    }

    /// Changes to another offer in Stripe's portal, and goes back to her account page.
    pub async fn changes_to(&self, offer: Offer) -> Page {
        let fields = vec![
            ("subscription".to_owned(), self.subscription()),
            ("price".to_owned(), self.city.stripe_price(offer)),
        ];
        self.in_portal("plan", fields).await
    }

    /// Puts a good card on file in Stripe's portal, and pays with it what is open.
    pub async fn pays_with_a_new_card(&self) {
        self.in_portal("card", Card::Good.fields()).await;
        let path = format!("/v1/invoices?customer={}&status=open", self.customer());
        let invoices = self.city.stripe().object(&path).await;
        for invoice in invoices["data"].as_array().expect("a list") {
            let page = self
                .city
                .parts
                .stripe_pages
                .join(&format!("/i/{}", text(invoice, "id")));
            self.browser.sends(&page.unwrap(), &[]).await;
        }
    }

    async fn in_portal(&self, act: &str, fields: Vec<(String, String)>) -> Page {
        let form = self.account_home().await.form("/account/portal");
        let portal = self
            .browser
            .sends_and_stops(&self.account_page("/account/portal"), &form)
            .await;
        let action = portal.join(&format!("{}/{act}", portal.path())).unwrap();
        let page = self.browser.sends(&action, &fields).await;
        assert!(page.status.is_success(), "the portal refuses to {act}: {page:?}");
        let mut back = self.account_page("/account");
        back.set_query(Some("back=1"));
        self.browser.goes_to(&back).await
    }

    /// Her subscription. Fails if she has none, or several.
    #[track_caller]
    pub fn subscription(&self) -> String {
        let customer = self.customer();
        let all = self.city.stripe().control().subscriptions();
        let own: Vec<_> = all.into_iter().filter(|one| one.customer == customer).collect();
        assert_eq!(own.len(), 1, "{own:?}");
        own[0].id.clone()
    }

    /// Chooses what is paid once, pays with a good card, comes back.
    pub async fn buys(self, offer: Offer) -> Self {
        self.subscribes(offer).await
    }

    /// Her grants that count now, as the store has them.
    pub async fn grants(&self) -> Vec<Grant> {
        let mut grants = self.all_grants().await;
        grants.retain(|grant| grant.is_live(self.city.now()));
        grants
    }

    /// Her grants as the store has them, also those that have ended by themselves or have not begun.
    pub async fn all_grants(&self) -> Vec<Grant> {
        let store = &self.city.parts.store;
        let bound_to = self.account();
        let known = store.account(&bound_to).await.expect("the store answers");
        let account = known.and_then(|known| known.merged_into).unwrap_or(bound_to);
        store.grants_of(&account).await.expect("the store answers")
    }

    fn site(&self, path: &str) -> Url {
        self.city.parts.site.join(path).unwrap()
    }

    fn account_page(&self, path: &str) -> Url {
        let origin = Url::parse(&self.city.parts.account_origin).unwrap();
        origin.join(path).unwrap()
    }
}
