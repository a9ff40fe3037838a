use latchkey_billing::{Currency, CurrencyAmount, Interval, Plan, PriceTerms};

use super::shop::{Buyer, Dashboard, each_shop, plan};

/// One Stripe price in euros, yen and dinars, and one in dollars alone.
fn shop(dashboard: &Dashboard<'_>) -> Vec<Plan> {
    let other = |code: &str, amount_minor| CurrencyAmount {
        currency: Currency::parse(code).unwrap(),
        amount_minor,
    };
    let terms = PriceTerms {
        currencies: vec![other("jpy", 800), other("kwd", 1_500)],
        ..PriceTerms::default()
    };
    let yearly = dashboard.price("prc_year", "usd", 5_500, Interval::Year, PriceTerms::default());
    plan(vec![dashboard.monthly("prc_month", terms), yearly])
}

#[tokio::test]
async fn prices_are_shown_in_the_readers_currency_which_can_be_changed_and_is_remembered() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let page = ada.shops("").await;
        assert!(
            page.says("€5.00 a month") && !page.says("¥") && !page.says("$55"),
            "{page:?}"
        );
        assert!(
            page.says("<select id=\"currency\"") && page.says("<option value=\"eur\" selected>"),
            "{page:?}"
        );
        ada.browser.speaks("ja,en;q=0.5");
        assert!(ada.shops("").await.says("¥800 a month"));
        // A choice counts more than a guess, and is kept; nonsense is not.
        assert!(ada.shops("&currency=kwd").await.says("KWD 1.500 a month"));
        assert!(ada.shops("").await.says("KWD 1.500 a month"));
        assert!(ada.shops("&currency=xxx").await.says("KWD 1.500 a month"));
        assert!(ada.shops("&currency=usd").await.says("$55.00 a year"));
    })
    .await;
}

#[tokio::test]
async fn who_pays_in_a_currency_is_charged_in_it_and_told_that_it_stays() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let subscription = ada.buys("&currency=jpy", "prc_month", &[]).await;
        assert_eq!(subscription["currency"], "jpy");
        let account = ada.opens("/account").await;
        assert!(account.says("Supporter – ¥800 a month"), "{account:?}");
        let support = ada.shops("&currency=eur").await;
        assert!(
            support.says("You already support us") && support.says("You pay in JPY"),
            "{support:?}"
        );
        assert!(world.alerts().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_subscription_that_is_not_over_binds_to_its_currency() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        ada.buys("&currency=jpy", "prc_month", &[]).await;
        // Nothing is paid any more, and the subscription is not over: she gets nothing, and pays in yen only.
        let customer = world.customers().await.remove(0).id;
        world.stripe().control().fail_next_payments(&customer, 100).unwrap();
        world.advance(latchkey_testkit::days(42)).await;
        let page = ada.shops("&currency=eur").await;
        assert!(
            page.says("Prices are in JPY") && page.says("¥800") && !page.says("€"),
            "{page:?}"
        );
        let mut form = page.form("/support/checkout");
        for field in form.iter_mut().filter(|field| field.0 == "currency") {
            "eur".clone_into(&mut field.1);
        }
        form.push(("price".to_owned(), "prc_month".to_owned()));
        let url = world.account_page("/support/checkout");
        let refused = ada.browser.sends(&url, &form).await;
        assert_eq!(refused.status, 422);
        assert!(refused.says("all you pay stays in that currency"), "{refused:?}");
    })
    .await;
}
