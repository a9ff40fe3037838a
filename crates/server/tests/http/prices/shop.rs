//! What is sold in these stories, and a reader who buys it.

use latchkey_billing::{Currency, Interval, Plan, PlanPrice, PriceTerms};
use latchkey_entitlement::{PlanId, PriceId, Scope, Sites};
use latchkey_testkit::{Browser, Card, Page, Sandbox, World, each_database};
use serde_json::Value;
use url::{Url, form_urlencoded};

/// Tells a story in a world that sells what `plans` makes at Stripe, on each database.
pub(super) async fn each_shop(plans: impl Fn(&Dashboard<'_>) -> Vec<Plan>, story: impl AsyncFn(&World)) {
    each_database(async |database| {
        let world = World::selling(database, |sandbox| plans(&Dashboard(sandbox))).await;
        story(&world).await;
        world.finish().await;
    })
    .await;
}

/// Stripe's dashboard, where the publisher makes prices.
pub(super) struct Dashboard<'s>(pub(super) &'s Sandbox);

impl Dashboard<'_> {
    pub(super) fn posts(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let answer = self.0.call_from_dashboard("POST", path, &body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    pub(super) fn product(&self) -> String {
        text(&self.posts("/v1/products", &[("name", "Supporter")]), "id")
    }

    /// A monthly price of five euros with these terms.
    pub(super) fn monthly(&self, id: &str, terms: PriceTerms) -> PlanPrice {
        self.price(id, "eur", 500, Interval::Month, terms)
    }

    pub(super) fn price(
        &self,
        id: &str,
        currency: &str,
        amount_minor: i64,
        interval: Interval,
        terms: PriceTerms,
    ) -> PlanPrice {
        let (amount, product) = (amount_minor.to_string(), self.product());
        let others: Vec<(String, String)> = terms
            .currencies
            .iter()
            .map(|other| {
                let name = format!("currency_options[{}][unit_amount]", other.currency);
                (name, other.amount_minor.to_string())
            })
            .collect();
        let mut fields = vec![
            ("product", product.as_str()),
            ("currency", currency),
            ("unit_amount", amount.as_str()),
            ("recurring[interval]", interval.as_str()),
        ];
        fields.extend(others.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        PlanPrice {
            once: None,
            id: PriceId::parse(id).unwrap(),
            stripe_price: text(&self.posts("/v1/prices", &fields), "id"),
            currency: Currency::parse(currency).unwrap(),
            amount_minor,
            interval,
            interval_count: 1,
            terms,
        }
    }
}

pub(super) fn plan(prices: Vec<PlanPrice>) -> Vec<Plan> {
    vec![Plan {
        id: PlanId::parse("pln_supporter").unwrap(),
        key: "supporter".to_owned(),
        name: "Supporter".to_owned(),
        description: "Every page without ads.".to_owned(),
        entitlements: Scope::parse("ad_free").unwrap(),
        sites: Sites::All,
        prices,
    }]
}

/// A reader at a browser.
pub(super) struct Buyer<'w> {
    pub(super) world: &'w World,
    pub(super) browser: Browser,
    email: String,
}

impl<'w> Buyer<'w> {
    pub(super) fn new(world: &'w World, email: &str) -> Self {
        Self {
            world,
            browser: world.browser(),
            email: email.to_owned(),
        }
    }

    /// The same person with a new browser.
    pub(super) fn elsewhere(&self) -> Self {
        Self::new(self.world, &self.email)
    }

    pub(super) async fn opens(&self, path: &str) -> Page {
        self.browser.goes_to(&self.world.account_page(path)).await
    }

    /// Opens the support page with this query beside the site.
    pub(super) async fn shops(&self, query: &str) -> Page {
        self.opens(&format!("/support?site=sit_news&to=/story{query}")).await
    }

    /// Presses a button of an open support page. Gives what is answered: an address, or a page.
    pub(super) async fn presses(&self, page: &Page, button: &str, more: &[(&str, &str)]) -> Page {
        self.browser
            .sends(
                &self.world.account_page("/support/checkout"),
                &self.filled(page, button, more),
            )
            .await
    }

    fn filled(&self, page: &Page, button: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut form = page.form("/support/checkout");
        if page.says("id=\"email\"") {
            form.push(("email".to_owned(), self.email.clone()));
        }
        form.push(("price".to_owned(), button.to_owned()));
        form.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        form
    }

    /// Chooses on the support page, and comes to Stripe's payment page.
    pub(super) async fn chooses(&self, query: &str, button: &str, more: &[(&str, &str)]) -> Page {
        let page = self.shops(query).await;
        let payment = self.presses(&page, button, more).await;
        assert!(payment.url.path().starts_with("/c/pay/"), "{payment:?}");
        payment
    }

    /// Pays on Stripe's page with a good card, and comes back to where that leads.
    pub(super) async fn pays(&self, payment: &Page) -> Page {
        let back = self.browser.sends(&payment.url, &card(Card::Good)).await;
        self.world.settle().await;
        back
    }

    /// Sends Stripe's page without a card.
    pub(super) async fn begins_without_a_card(&self, payment: &Page) -> Page {
        let back = self.browser.sends(&payment.url, &[]).await;
        self.world.settle().await;
        back
    }

    /// Buys, with a good card.
    pub(super) async fn buys(&self, query: &str, button: &str, more: &[(&str, &str)]) -> Value {
        let payment = self.chooses(query, button, more).await;
        let back = self.pays(&payment).await;
        assert!(back.url.path().starts_with("/story"), "{back:?}");
        self.subscription(&payment.url).await
    }

    /// The subscription that a payment page led to, as Stripe has it.
    pub(super) async fn subscription(&self, payment: &Url) -> Value {
        let session = payment.path().trim_start_matches("/c/pay/");
        let stripe = self.world.stripe();
        let session = stripe.object(&format!("/v1/checkout/sessions/{session}")).await;
        stripe
            .object(&format!("/v1/subscriptions/{}", text(&session, "subscription")))
            .await
    }

    /// Confirms the address by letter, from the link on the support page.
    pub(super) async fn confirms(&self) -> Page {
        let sign_in = self.world.account_page("/sign-in?next=/support?site=sit_news");
        let mut form = self.browser.goes_to(&sign_in).await.form("/sign-in");
        form.push(("email".to_owned(), self.email.clone()));
        self.browser.sends(&self.world.account_page("/sign-in"), &form).await;
        let link = self.world.link_in_last_letter_to(&self.email);
        let page = self.browser.goes_to(&link).await;
        self.browser
            .sends(&self.world.account_page("/sign-in/link"), &page.form("/sign-in/link"))
            .await
    }
}

pub(super) fn text(object: &Value, field: &str) -> String {
    object[field]
        .as_str()
        .unwrap_or_else(|| panic!("no text {field} in {object}"))
        .to_owned()
}

fn card(card: Card) -> Vec<(String, String)> {
    let number = match card {
        Card::Good => "4242424242424242",
        Card::FailsLater => "4000000000000341",
        other => panic!("nobody pays with {other:?} here"),
    };
    let fields = [
        ("number", number),
        ("expiry", "12/49"),
        ("cvc", "123"),
        ("name", "A Reader"),
    ];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}
