use latchkey_billing::{MissingCard, Plan, PriceTerms, Trial, TrialCard};
use latchkey_testkit::{World, days};

use super::shop::{Buyer, Dashboard, each_shop, plan, text};

fn shop(card: TrialCard) -> impl Fn(&Dashboard<'_>) -> Vec<Plan> {
    move |dashboard| {
        let terms = PriceTerms {
            trial: Some(Trial { days: 14, card }),
            ..PriceTerms::default()
        };
        plan(vec![dashboard.monthly("prc_month", terms)])
    }
}

fn payments(world: &World) -> usize {
    world.stripe().control().counts().payments
}

#[tokio::test]
async fn a_trial_says_day_and_amount_and_is_charged_then() {
    each_shop(shop(TrialCard::Required), async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let page = ada.confirms().await;
        assert!(page.says("Try 14 days free – then €5.00 a month"), "{page:?}");
        assert!(
            page.says("€5.00 is charged on 8 December 2026 for the first time"),
            "{page:?}"
        );
        let payment = ada.chooses("", "prc_month", &[]).await;
        assert!(payment.says("Free until 8 Dec 2026"), "{payment:?}");
        ada.pays(&payment).await;
        assert_eq!(
            (payments(world), text(&ada.subscription(&payment.url).await, "status")),
            (0, "trialing".to_owned())
        );
        let account = ada.opens("/account").await;
        assert!(
            account.says("Free until the first payment on") && account.says("8 December 2026"),
            "{account:?}"
        );
        world.advance(days(15)).await;
        assert_eq!(
            (payments(world), text(&ada.subscription(&payment.url).await, "status")),
            (1, "active".to_owned())
        );
        assert!(world.alerts().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_trial_without_a_card_ends_by_itself_and_nothing_is_charged() {
    each_shop(shop(TrialCard::NotRequired(MissingCard::Cancel)), async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        ada.confirms().await;
        let payment = ada.chooses("", "prc_month", &[]).await;
        let back = ada.begins_without_a_card(&payment).await;
        assert!(back.url.path().starts_with("/story"), "{back:?}");
        assert_eq!(back.ads(), 0);
        assert!(ada.opens("/account").await.says("Free without a card until"));
        world.advance(days(15)).await;
        assert_eq!(
            (payments(world), text(&ada.subscription(&payment.url).await, "status")),
            (0, "canceled".to_owned())
        );
        assert!(ada.opens("/account").await.says("Your subscription ended on"));
    })
    .await;
}

#[tokio::test]
async fn nobody_has_a_second_trial_whatever_customer_or_account() {
    each_shop(shop(TrialCard::Required), async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        ada.confirms().await;
        let first = ada.buys("", "prc_month", &[]).await;
        let path = format!("/v1/subscriptions/{}", text(&first, "id"));
        world.stripe().deletes_object(&path).await;
        world.settle().await;
        let again = ada.shops("").await;
        assert!(again.says("You have had a free trial already"), "{again:?}");
        assert!(
            again.says("Support monthly – €5.00 a month") && !again.says("14 days free –"),
            "{again:?}"
        );
        // Another account that claims the address, before and after it is confirmed.
        let stranger = ada.elsewhere();
        let page = stranger.shops("").await;
        assert!(
            !page.says("You have had a free trial") && page.says("confirm your e-mail address first"),
            "{page:?}"
        );
        let page = stranger.confirms().await;
        assert!(page.says("You have had a free trial already"), "{page:?}");
        // Another customer of the same account, since the first was deleted in Stripe.
        let customer = text(&first, "customer");
        world
            .stripe()
            .deletes_object(&format!("/v1/customers/{customer}"))
            .await;
        world.settle().await;
        let other = stranger.buys("", "prc_month", &[]).await;
        assert_ne!(text(&other, "customer"), customer);
        assert_eq!((text(&other, "status"), payments(world)), ("active".to_owned(), 1));
    })
    .await;
}

#[tokio::test]
async fn a_page_that_showed_a_trial_sells_nothing_else_in_its_place() {
    each_shop(shop(TrialCard::Required), async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let page = ada.confirms().await;
        assert!(page.says("Try 14 days free"), "{page:?}");
        // On another device she has one, and it ends.
        let phone = ada.elsewhere();
        phone.confirms().await;
        let first = phone.buys("", "prc_month", &[]).await;
        let path = format!("/v1/subscriptions/{}", text(&first, "id"));
        world.stripe().deletes_object(&path).await;
        world.settle().await;
        let told = ada.presses(&page, "prc_month", &[]).await;
        assert_eq!(told.status, 422);
        assert!(told.says("has changed since you opened the page") && told.says("You have had a free trial already"));
        assert_eq!(payments(world), 0);
    })
    .await;
}
