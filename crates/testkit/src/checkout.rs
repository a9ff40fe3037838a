//! What is sold in a world, and a payment under way.

use latchkey_billing::{Currency, IdempotencyKey, Interval, NewPrice, Plan, PlanPrice, PriceTerms, Stripe};
use latchkey_entitlement::{AccountId, PlanId, PriceId, Scope, Sites};
use latchkey_stripe_sandbox::Sandbox;
use url::Url;

/// What a reader may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Supporter, €5 a month: `ad_free comments`.
    Monthly,
    /// Supporter, €50 a year: `ad_free comments`.
    Yearly,
    /// Patron, €15 a month: `ad_free articles comments`.
    Patron,
}

impl Offer {
    const ALL: [Self; 3] = [Self::Monthly, Self::Yearly, Self::Patron];

    /// Our id of its price.
    pub(crate) fn price(self) -> &'static str {
        match self {
            Self::Monthly => "prc_month",
            Self::Yearly => "prc_year",
            Self::Patron => "prc_patron",
        }
    }

    fn plan(self) -> &'static str {
        match self {
            Self::Monthly | Self::Yearly => "pln_supporter",
            Self::Patron => "pln_patron",
        }
    }

    fn terms(self) -> (i64, Interval) {
        match self {
            Self::Monthly => (500, Interval::Month),
            Self::Yearly => (5_000, Interval::Year),
            Self::Patron => (1_500, Interval::Month),
        }
    }
}

/// Makes what a story sells at Stripe, and gives the plans that name it.
pub(crate) type Selling<'s> = dyn Fn(&Sandbox) -> Vec<Plan> + 's;

/// What is sold: what the story says, or else the offers.
pub(crate) async fn sold(selling: Option<&Selling<'_>>, sandbox: &Sandbox, stripe: &dyn Stripe) -> Vec<Plan> {
    match selling {
        Some(selling) => selling(sandbox),
        None => plans(stripe).await,
    }
}

/// Makes the products and prices at Stripe, and gives the plans that name them.
pub(crate) async fn plans(stripe: &dyn Stripe) -> Vec<Plan> {
    let mut plans = vec![
        plan("pln_supporter", "Supporter", "ad_free comments"),
        plan("pln_patron", "Patron", "ad_free articles comments"),
    ];
    for plan in &mut plans {
        let key = IdempotencyKey::new(format!("product.{}", plan.id));
        let product = stripe.create_product(&key, &plan.name, &[]).await.expect("a product");
        for offer in Offer::ALL {
            if offer.plan() == plan.id.as_str() {
                plan.prices.push(price(stripe, offer, &product).await);
            }
        }
    }
    plans
}

fn plan(id: &str, name: &str, entitlements: &str) -> Plan {
    Plan {
        id: PlanId::parse(id).unwrap(),
        key: id.to_owned(),
        name: name.to_owned(),
        description: "Every page without ads.".to_owned(),
        entitlements: Scope::parse(entitlements).unwrap(),
        sites: Sites::All,
        prices: vec![],
    }
}

async fn price(stripe: &dyn Stripe, offer: Offer, product: &str) -> PlanPrice {
    let (amount_minor, interval) = offer.terms();
    let currency = Currency::parse("eur").unwrap();
    let new = NewPrice {
        product: product.to_owned(),
        currency: currency.clone(),
        unit_amount_minor: amount_minor,
        interval,
        interval_count: 1,
        lookup_key: offer.price().to_owned(),
    };
    let key = IdempotencyKey::new(format!("price.{}", offer.price()));
    PlanPrice {
        id: PriceId::parse(offer.price()).unwrap(),
        stripe_price: stripe.create_price(&key, &new).await.expect("a price"),
        currency,
        amount_minor,
        interval,
        interval_count: 1,
        terms: PriceTerms::default(),
    }
}

/// One of Stripe's test cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// 4242: pays.
    Good,
    /// 0341: can be put on file and pays at once, is declined at every later charge.
    FailsLater,
}

impl Card {
    /// The fields of a card form.
    pub(crate) fn fields(self) -> Vec<(String, String)> {
        let number = match self {
            Self::Good => "4242424242424242",
            Self::FailsLater => "4000000000000341",
        };
        let fields = [
            ("number", number),
            ("expiry", "12/49"),
            ("cvc", "123"),
            ("name", "A Reader"),
        ];
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }
}

/// A payment that was begun: the browser is on Stripe's page.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// Stripe's page.
    pub url: Url,
    /// The Checkout session.
    pub session: String,
    /// The Stripe customer who pays.
    pub customer: String,
    /// The account that the purchase is bound to.
    pub account: AccountId,
}
