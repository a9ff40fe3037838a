//! What is sold in a world, and a payment under way.

use latchkey_billing::{Currency, IdempotencyKey, Interval, NewPrice, Once, Plan, PlanPrice, PriceTerms, Stripe};
use latchkey_entitlement::{AccountId, PlanId, PriceId, Scope, Sites, Span, Zone};
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
    /// Supporter for 24 hours, paid once: €1.
    Day,
    /// Supporter for 7 days, paid once: €2.
    Week,
    /// Supporter for a month of the calendar in Berlin, paid once: €6.
    MonthOnce,
}

impl Offer {
    const RENEWING: [Self; 3] = [Self::Monthly, Self::Yearly, Self::Patron];
    const ONCE: [Self; 3] = [Self::Day, Self::Week, Self::MonthOnce];

    /// Our id of its price.
    pub(crate) fn price(self) -> &'static str {
        match self {
            Self::Monthly => "prc_month",
            Self::Yearly => "prc_year",
            Self::Patron => "prc_patron",
            Self::Day => "prc_day_once",
            Self::Week => "prc_week_once",
            Self::MonthOnce => "prc_month_once",
        }
    }

    fn plan(self) -> &'static str {
        match self {
            Self::Monthly | Self::Yearly | Self::Day | Self::Week | Self::MonthOnce => "pln_supporter",
            Self::Patron => "pln_patron",
        }
    }

    fn once(self) -> Option<Once> {
        let (span, zone) = match self {
            Self::Monthly | Self::Yearly | Self::Patron => return None,
            Self::Day => ("24h", "UTC"),
            Self::Week => ("7d", "UTC"),
            Self::MonthOnce => ("1 month", "Europe/Berlin"),
        };
        Some(Once {
            span: Span::parse(span).unwrap(),
            zone: Zone::parse(zone).unwrap(),
        })
    }

    fn terms(self) -> (i64, Interval) {
        match self {
            Self::Day => (100, Interval::Day),
            Self::Week => (200, Interval::Week),
            Self::MonthOnce => (600, Interval::Month),
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
    if let Some(selling) = selling {
        return selling(sandbox);
    }
    let mut plans = plans(stripe).await;
    add_passes(stripe, &mut plans).await;
    plans
}

/// Makes the products and prices at Stripe, and gives the plans that name them.
pub(crate) async fn plans(stripe: &dyn Stripe) -> Vec<Plan> {
    let mut plans = vec![
        plan("pln_supporter", "Supporter", "ad_free comments"),
        plan("pln_patron", "Patron", "ad_free articles comments"),
    ];
    add(stripe, &mut plans, &Offer::RENEWING).await;
    plans
}

/// Adds what is paid once.
pub(crate) async fn add_passes(stripe: &dyn Stripe, plans: &mut [Plan]) {
    add(stripe, plans, &Offer::ONCE).await;
}

async fn add(stripe: &dyn Stripe, plans: &mut [Plan], offers: &[Offer]) {
    for plan in plans {
        // The same key gives the same product.
        let key = IdempotencyKey::new(format!("product.{}", plan.id));
        let product = stripe.create_product(&key, &plan.name, &[]).await.expect("a product");
        for offer in offers.iter().filter(|offer| offer.plan() == plan.id.as_str()) {
            plan.prices.push(price(stripe, *offer, &product).await);
        }
    }
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
        once: offer.once().is_some(),
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
        once: offer.once(),
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
    /// 0259: pays, and its owner disputes the payment a minute later.
    Disputed,
    /// 5126: pays; a refund succeeds, and fails an hour later.
    RefundFails,
    /// 7726: pays; a refund is pending for an hour.
    RefundPends,
    /// No card, but a bank debit, which settles after five days.
    Debit,
    /// A bank debit that the bank refuses after five days.
    DebitFails,
}

impl Card {
    /// The fields of a card form.
    pub(crate) fn fields(self) -> Vec<(String, String)> {
        let number = match self {
            Self::Good => "4242424242424242",
            Self::FailsLater => "4000000000000341",
            Self::Disputed => "4000000000000259",
            Self::RefundFails => "4000000000005126",
            Self::RefundPends => "4000000000007726",
            Self::Debit => return debit("AT61 1904 3002 3457 3201"),
            Self::DebitFails => return debit("AT86 1904 3002 3547 3202"),
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

fn debit(iban: &str) -> Vec<(String, String)> {
    let fields = [("iban", iban), ("name", "A Reader")];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
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
