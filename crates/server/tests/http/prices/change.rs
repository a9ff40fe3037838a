use latchkey_billing::{Interval, Plan, PriceTerms};
use latchkey_testkit::{Page, days, minutes};

use super::shop::{Buyer, Dashboard, each_shop, plan, text};

fn shop(dashboard: &Dashboard<'_>) -> Vec<Plan> {
    let yearly = dashboard.price("prc_year", "eur", 5_000, Interval::Year, PriceTerms::default());
    let more = PriceTerms {
        name: Some("Patron".to_owned()),
        ..PriceTerms::default()
    };
    let patron = dashboard.price("prc_patron", "eur", 1_500, Interval::Month, more);
    let dollars = dashboard.price("prc_dollars", "usd", 600, Interval::Month, PriceTerms::default());
    plan(vec![
        dashboard.monthly("prc_month", PriceTerms::default()),
        yearly,
        patron,
        dollars,
    ])
}

impl Buyer<'_> {
    async fn looks_at(&self, subscription: &str, price: &str) -> Page {
        let page = self.opens(&format!("/account/plan?subscription={subscription}")).await;
        let mut form = page.form("/account/plan");
        form.push(("price".to_owned(), price.to_owned()));
        self.browser
            .sends(&self.world.account_page("/account/plan"), &form)
            .await
    }

    async fn confirms_change(&self, preview: &Page) -> Page {
        let form = preview.form("/account/plan/confirm");
        self.browser
            .sends(&self.world.account_page("/account/plan/confirm"), &form)
            .await
    }
}

fn payments(world: &latchkey_testkit::World) -> usize {
    world.stripe().control().counts().payments
}

#[tokio::test]
async fn a_change_is_shown_before_it_is_made_and_costs_what_was_shown() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let id = text(&ada.buys("", "prc_month", &[]).await, "id");
        world.advance(days(15)).await;
        let account = ada.opens("/account").await;
        assert!(account.says(&format!("/account/plan?subscription={id}")), "{account:?}");
        let choice = ada.opens(&format!("/account/plan?subscription={id}")).await;
        assert!(
            choice.says("€15.00 a month") && choice.says("€50.00 a year") && !choice.says("$6.00"),
            "{choice:?}"
        );
        assert!(choice.says("a subscription stays in its currency"), "{choice:?}");
        let preview = ada.looks_at(&id, "prc_patron").await;
        // Half a month at ten euros more.
        assert!(
            preview.says("Charged today") && preview.says("<strong>€5.00</strong>"),
            "{preview:?}"
        );
        assert!(preview.says("€15.00 a month from 24 December 2026"), "{preview:?}");
        assert_eq!(payments(world), 1);
        let shown_at = world.now().seconds();
        world.advance(minutes(5)).await;
        let account = ada.confirms_change(&preview).await;
        assert!(account.says("€15.00 a month"), "{account:?}");
        assert_eq!(payments(world), 2);
        let subscription = world.stripe().object(&format!("/v1/subscriptions/{id}")).await;
        let invoice = world
            .stripe()
            .object(&format!("/v1/invoices/{}", text(&subscription, "latest_invoice")))
            .await;
        assert_eq!(invoice["amount_paid"], 500);
        assert_eq!(invoice["lines"]["data"][0]["period"]["start"], shown_at);
        // Sent once more it is made once; and the promise is the new one.
        ada.confirms_change(&preview).await;
        assert_eq!(payments(world), 2);
        assert!(world.alerts().await.is_empty(), "{:?}", world.alerts().await);
        world.advance(days(20)).await;
        assert!(world.alerts().await.is_empty(), "{:?}", world.alerts().await);
    })
    .await;
}

#[tokio::test]
async fn another_period_begins_at_once_and_says_so() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let id = text(&ada.buys("", "prc_month", &[]).await, "id");
        world.advance(days(15)).await;
        let preview = ada.looks_at(&id, "prc_year").await;
        assert!(
            preview.says("€47.50") && preview.says("€50.00 a year from 9 December 2027"),
            "{preview:?}"
        );
        let account = ada.confirms_change(&preview).await;
        assert!(
            account.says("€50.00 a year") && account.says("9 December 2027"),
            "{account:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_change_whose_payment_fails_leaves_everything_as_it_was_and_says_so() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let subscription = ada.buys("", "prc_month", &[]).await;
        let (id, customer) = (text(&subscription, "id"), text(&subscription, "customer"));
        world.advance(days(15)).await;
        let preview = ada.looks_at(&id, "prc_patron").await;
        world.stripe().control().fail_next_payments(&customer, 1).unwrap();
        let account = ada.confirms_change(&preview).await;
        assert!(
            account.says("Your change of plan waits for its payment") && account.says("€5.00 a month"),
            "{account:?}"
        );
        let barred = ada.opens(&format!("/account/plan?subscription={id}")).await;
        assert!(barred.says("still waits for its payment"), "{barred:?}");
        world.advance(days(1)).await;
        let account = ada.opens("/account").await;
        assert!(
            !account.says("waits for its payment") && account.says("€5.00 a month"),
            "{account:?}"
        );
        assert!(world.alerts().await.is_empty(), "{:?}", world.alerts().await);
    })
    .await;
}

#[tokio::test]
async fn what_was_shown_long_ago_or_to_somebody_else_is_not_made() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let id = text(&ada.buys("", "prc_month", &[]).await, "id");
        let bob = Buyer::new(world, "bob@example.org");
        bob.buys("", "prc_month", &[]).await;
        let preview = ada.looks_at(&id, "prc_patron").await;
        let mut form = bob.opens("/account").await.form("/account/subscription");
        form.retain(|field| field.0 == "token");
        form.extend(
            preview
                .form("/account/plan/confirm")
                .into_iter()
                .filter(|field| field.0 == "change"),
        );
        let url = world.account_page("/account/plan/confirm");
        assert_eq!(bob.browser.sends(&url, &form).await.status, 400);
        assert_eq!(bob.opens(&format!("/account/plan?subscription={id}")).await.status, 400);
        world.advance(minutes(16)).await;
        let late = ada.confirms_change(&preview).await;
        assert!(
            late.url.path() == "/account/plan" && late.says("Choose first"),
            "{late:?}"
        );
        assert_eq!(payments(world), 2);
    })
    .await;
}
