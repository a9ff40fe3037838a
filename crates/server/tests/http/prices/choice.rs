use latchkey_billing::{ChosenAmount, Currency, Interval, Plan, PlanPrice, PriceTerms};
use latchkey_entitlement::PriceId;
use latchkey_testkit::days;

use super::shop::{Buyer, Dashboard, each_shop, plan};

/// Pay what you want, in euros and in yen.
fn shop(dashboard: &Dashboard<'_>) -> Vec<Plan> {
    let product = dashboard.product();
    let price = |id: &str, currency: &str, minimum_minor, amount_minor, suggestions: &[i64]| PlanPrice {
        once: None,
        id: PriceId::parse(id).unwrap(),
        stripe_price: String::new(),
        currency: Currency::parse(currency).unwrap(),
        amount_minor,
        interval: Interval::Month,
        interval_count: 1,
        terms: PriceTerms {
            chosen: Some(ChosenAmount {
                product: product.clone(),
                minimum_minor,
                maximum_minor: 100_000,
                suggestions: suggestions.to_vec(),
            }),
            ..PriceTerms::default()
        },
    };
    plan(vec![
        price("prc_free", "eur", 200, 500, &[300, 1_000]),
        price("prc_yen", "jpy", 200, 500, &[]),
    ])
}

#[tokio::test]
async fn an_amount_is_chosen_by_button_or_typed_as_the_reader_writes_it() {
    each_shop(shop, async |world| {
        for (name, languages, button, typed, minor, shown) in [
            ("ada", "en", "prc_free/1000", "", 1_000, "€10.00 a month"),
            ("bob", "en-GB", "prc_free", "7.35", 735, "€7.35 a month"),
            ("eva", "de-DE,de", "prc_free", "7,35 €", 735, "€7.35 a month"),
            ("uwe", "de-DE,de", "prc_free", "1.000", 100_000, "€1000.00 a month"),
        ] {
            let reader = Buyer::new(world, &format!("{name}@example.org"));
            reader.browser.speaks(languages);
            let subscription = reader
                .buys("&currency=eur", button, &[("amount.prc_free", typed)])
                .await;
            assert_eq!(
                subscription["items"]["data"][0]["price"]["unit_amount"], minor,
                "{name}"
            );
            let account = reader.opens("/account").await;
            assert!(account.says(shown) && account.says("Supporter"), "{account:?}");
        }
        // The plan is known by the product, and so is the next payment.
        world.advance(days(32)).await;
        assert!(world.alerts().await.is_empty(), "{:?}", world.alerts().await);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_chosen_is_said_and_what_was_typed_stays() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        for (currency, price, typed, words) in [
            ("eur", "prc_free", "", "Please say how much you want to pay."),
            ("eur", "prc_free", "1.99", "The least that you can choose is €2.00."),
            ("eur", "prc_free", "1001", "The most that you can choose is €1000.00."),
            (
                "eur",
                "prc_free",
                "five",
                "We cannot read this as an amount. Write it like 5.00.",
            ),
            ("eur", "prc_free", "\"><b>", "We cannot read this as an amount."),
            ("eur", "prc_free", "5.123", "can be read in two ways"),
            ("jpy", "prc_yen", "500.5", "This currency has no decimals."),
        ] {
            let page = ada.shops(&format!("&currency={currency}")).await;
            let field = format!("amount.{price}");
            let told = ada.presses(&page, price, &[(&field, typed)]).await;
            assert_eq!(told.status, 422);
            assert!(
                told.says(words) && told.says("aria-invalid=\"true\"") && !told.says("<b>"),
                "{typed}: {told:?}"
            );
        }
        // A button of one's own making has the same bounds.
        let page = ada.shops("&currency=eur").await;
        assert_eq!(ada.presses(&page, "prc_free/1", &[]).await.status, 422);
        assert_eq!(world.stripe().control().counts().sessions, 0);
    })
    .await;
}

#[tokio::test]
async fn another_amount_is_another_payment_page_and_the_same_one_is_the_same() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let page = ada.shops("&currency=eur").await;
        let first = ada.presses(&page, "prc_free/300", &[]).await;
        let again = ada.presses(&page, "prc_free/300", &[]).await;
        assert_eq!(first.url, again.url);
        let other = ada.presses(&page, "prc_free/1000", &[]).await;
        assert_ne!(first.url, other.url);
        assert!(other.says("€10.00"), "{other:?}");
    })
    .await;
}
