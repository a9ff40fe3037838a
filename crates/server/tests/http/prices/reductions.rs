use latchkey_billing::{Introduction, Lasts, Off, Plan, PriceTerms, Reduction};
use latchkey_testkit::days;

use super::shop::{Buyer, Dashboard, each_shop, plan, text};

fn introduction(dashboard: &Dashboard<'_>) -> Vec<Plan> {
    let terms = [
        ("id", "first_three"),
        ("percent_off", "60"),
        ("duration", "repeating"),
        ("duration_in_months", "3"),
    ];
    dashboard.posts("/v1/coupons", &terms);
    let terms = PriceTerms {
        introduction: Some(Introduction {
            coupon: "first_three".to_owned(),
            reduction: Reduction {
                off: Off::Percent(6_000),
                lasts: Lasts::Months(3),
            },
        }),
        ..PriceTerms::default()
    };
    plan(vec![dashboard.monthly("prc_month", terms)])
}

/// A price that takes codes, and one that does not.
fn codes(dashboard: &Dashboard<'_>) -> Vec<Plan> {
    let half = dashboard.posts("/v1/coupons", &[("percent_off", "50"), ("duration", "forever")]);
    let gone = dashboard.posts(
        "/v1/coupons",
        &[("percent_off", "10"), ("duration", "once"), ("redeem_by", "1795500001")],
    );
    for (code, coupon, extra) in [
        ("SPRING", &half, None),
        ("ONCE", &half, Some(("max_redemptions", "1"))),
        ("NEW", &half, Some(("restrictions[first_time_transaction]", "true"))),
        ("GONE", &gone, None),
    ] {
        let coupon = text(coupon, "id");
        let mut fields = vec![
            ("promotion[type]", "coupon"),
            ("promotion[coupon]", coupon.as_str()),
            ("code", code),
        ];
        fields.extend(extra);
        dashboard.posts("/v1/promotion_codes", &fields);
    }
    let takes = PriceTerms {
        promotion_codes: true,
        name: Some("Full price".to_owned()),
        ..PriceTerms::default()
    };
    let none = PriceTerms {
        name: Some("Never reduced".to_owned()),
        ..PriceTerms::default()
    };
    plan(vec![
        dashboard.monthly("prc_month", takes),
        dashboard.monthly("prc_fixed", none),
    ])
}

#[tokio::test]
async fn an_introductory_price_says_what_comes_after_and_stripe_charges_that() {
    each_shop(introduction, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let page = ada.shops("").await;
        assert!(page.says("Support monthly – €2.00 a month at first"), "{page:?}");
        assert!(
            page.says("€2.00 a month for the first 3 months, then €5.00 a month from 24 February 2027."),
            "{page:?}"
        );
        let payment = ada.chooses("", "prc_month", &[]).await;
        assert!(payment.says("€2.00") && !payment.says("promotion_code"), "{payment:?}");
        ada.pays(&payment).await;
        assert!(ada.opens("/account").await.says("Supporter – €2.00 a month"));
        world.advance(days(100)).await;
        let invoices = world.stripe().object("/v1/invoices").await;
        let paid: Vec<i64> = invoices["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["amount_paid"].as_i64().unwrap())
            .collect();
        assert_eq!(paid, [500, 200, 200, 200]);
        assert!(world.alerts().await.is_empty(), "{:?}", world.alerts().await);
    })
    .await;
}

#[tokio::test]
async fn an_introduction_that_stripe_forgets_is_an_alert_before_the_dearer_payment() {
    each_shop(introduction, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let subscription = ada.buys("", "prc_month", &[]).await;
        assert!(world.alerts().await.is_empty());
        // In the dashboard somebody moves her to a price that has no reduction, of nine euros.
        let product = text(
            &world.stripe().makes("/v1/products", &[("name", "Supporter")]).await,
            "id",
        );
        let price = [
            ("product", product.as_str()),
            ("currency", "eur"),
            ("unit_amount", "900"),
            ("recurring[interval]", "month"),
        ];
        let price = text(&world.stripe().makes("/v1/prices", &price).await, "id");
        let item = text(&subscription["items"]["data"][0], "id");
        let path = format!("/v1/subscriptions/{}", text(&subscription, "id"));
        let change = [
            ("items[0][id]", item.as_str()),
            ("items[0][price]", price.as_str()),
            ("proration_behavior", "none"),
        ];
        world.stripe().makes(&path, &change).await;
        world.settle().await;
        let alerts = world.alerts().await;
        let told = alerts.iter().any(|alert| {
            alert.text.contains("renews at €3.60 a month") && alert.text.contains("promised €2.00 a month")
        });
        assert!(told, "{alerts:?}");
    })
    .await;
}

#[tokio::test]
async fn a_code_in_the_address_shows_the_reduced_price_and_checkout_has_it() {
    each_shop(codes, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let page = ada.shops("&code=spring").await;
        assert!(page.says("SPRING takes 50 % off."), "{page:?}");
        assert!(
            page.says("€2.50 a month instead of €5.00, for as long as you stay."),
            "{page:?}"
        );
        assert!(page.says("The code is not for this price."), "{page:?}");
        let payment = ada.chooses("&code=spring", "prc_month", &[]).await;
        assert!(
            payment.says("50% off forever") && !payment.says("id=\"promotion_code\""),
            "{payment:?}"
        );
        ada.pays(&payment).await;
        assert!(ada.opens("/account").await.says("Full price") || ada.opens("/account").await.says("€2.50 a month"));
        world.advance(days(32)).await;
        let invoices = world.stripe().object("/v1/invoices").await;
        assert_eq!(invoices["data"][0]["amount_paid"], 250);
        assert!(world.alerts().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_code_that_does_not_help_is_told_apart_by_why() {
    each_shop(codes, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        for (code, words) in [
            ("NOSUCH", "We do not know this code."),
            ("%3Cb%3E", "We do not know this code."),
            ("GONE", "This code has ended."),
        ] {
            world.advance(latchkey_testkit::minutes(1)).await;
            let page = ada.shops(&format!("&code={code}")).await;
            assert!(
                page.says(words) && page.says("€5.00 a month") && !page.says("<b>"),
                "{code}: {page:?}"
            );
        }
        // Two readers with the last use of a code: the second is told before anything is charged.
        let bob = Buyer::new(world, "bob@example.org");
        let (hers, his) = (ada.shops("&code=ONCE").await, bob.shops("&code=ONCE").await);
        let payment = ada.presses(&hers, "prc_month", &[]).await;
        ada.pays(&payment).await;
        let told = bob.presses(&his, "prc_month", &[]).await;
        assert_eq!(told.status, 422);
        assert!(
            told.says("This code was used as often as it may be.") && told.says("has changed since"),
            "{told:?}"
        );
        let page = bob.shops("&code=ONCE").await;
        assert!(page.says("This code was used as often as it may be."), "{page:?}");
    })
    .await;
}

#[tokio::test]
async fn a_code_can_be_typed_at_checkout() {
    each_shop(codes, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let payment = ada.chooses("", "prc_month", &[]).await;
        let url = payment.url.join(&format!("{}/code", payment.url.path())).unwrap();
        let reduced = ada
            .browser
            .sends(&url, &[("promotion_code".to_owned(), "SPRING".to_owned())])
            .await;
        assert!(reduced.says("50% off forever"), "{reduced:?}");
        ada.pays(&reduced).await;
        assert!(ada.opens("/account").await.says("€2.50 a month"));
        assert!(world.alerts().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn while_stripe_is_away_a_code_is_said_to_be_unchecked_and_prices_are_shown() {
    each_shop(codes, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        world.stripe().goes_down();
        let page = ada.shops("&code=SPRING").await;
        assert!(
            page.says("could not be checked just now") && page.says("€5.00 a month"),
            "{page:?}"
        );
        world.stripe().comes_back();
    })
    .await;
}
