use latchkey_billing::{ATTEMPT_KEY, MailDomain, Needs, Plan, PriceTerms};

use super::shop::{Buyer, Dashboard, each_shop, plan, text};

fn needing(name: &str, needs: Needs) -> PriceTerms {
    PriceTerms {
        name: Some(name.to_owned()),
        needs,
        ..PriceTerms::default()
    }
}

fn shop(dashboard: &Dashboard<'_>) -> Vec<Plan> {
    let said = Needs {
        statement: Some("I have little money at the moment.".to_owned()),
        ..Needs::default()
    };
    let student = Needs {
        mail_domains: vec![MailDomain::parse("*.uni.example").unwrap()],
        ..Needs::default()
    };
    let word = Needs {
        codes: vec!["NEIGHBOUR".to_owned()],
        ..Needs::default()
    };
    plan(vec![
        dashboard.monthly("prc_solidarity", needing("Solidarity", said)),
        dashboard.monthly("prc_student", needing("Student", student)),
        dashboard.monthly("prc_town", needing("For the town", word)),
    ])
}

#[tokio::test]
async fn a_solidarity_price_needs_its_sentence_which_is_kept_with_its_time() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let page = ada.shops("").await;
        assert!(
            page.says("I have little money at the moment.") && page.says("type=\"checkbox\""),
            "{page:?}"
        );
        let told = ada.presses(&page, "prc_solidarity", &[]).await;
        assert_eq!(told.status, 422);
        assert!(
            told.says("Please confirm the sentence") && told.says("role=\"alert\""),
            "{told:?}"
        );
        let payment = ada
            .presses(&told, "prc_solidarity", &[("statement.prc_solidarity", "yes")])
            .await;
        ada.pays(&payment).await;
        let subscription = ada.subscription(&payment.url).await;
        let attempt = text(&subscription["metadata"], ATTEMPT_KEY);
        let kept = world.store().offer(&attempt.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(
            kept.offer.statement.as_deref(),
            Some("I have little money at the moment.")
        );
        assert!(kept.created_at <= world.now() && kept.accepted_at.is_some(), "{kept:?}");
    })
    .await;
}

#[tokio::test]
async fn a_student_price_needs_an_address_that_is_confirmed_and_of_the_domain() {
    each_shop(shop, async |world| {
        let typed = Buyer::new(world, "mallory@cs.uni.example");
        let page = typed.shops("").await;
        assert!(
            page.says("<strong>€5.00 a month</strong> for readers whose e-mail address ends in .uni.example."),
            "{page:?}"
        );
        assert!(!page.says("value=\"prc_student\">"), "{page:?}");
        // A form of one's own does not help: the address was typed, and not shown to be hers.
        let told = typed.presses(&page, "prc_student", &[]).await;
        assert_eq!(told.status, 422);
        assert!(told.says("Confirm yours first"), "{told:?}");
        let other = Buyer::new(world, "ada@uni.example.evil.example");
        let page = other.confirms().await;
        assert_eq!(other.presses(&page, "prc_student", &[]).await.status, 422);
        let ada = Buyer::new(world, "ada@cs.uni.example");
        ada.confirms().await;
        let subscription = ada.buys("", "prc_student", &[]).await;
        assert_eq!(subscription["status"], "active");
    })
    .await;
}

#[tokio::test]
async fn a_price_by_code_needs_the_word() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let page = ada.shops("").await;
        for wrong in ["", "stranger"] {
            let told = ada.presses(&page, "prc_town", &[("word.prc_town", wrong)]).await;
            assert_eq!(told.status, 422);
            assert!(told.says("This is not the code for this price."), "{told:?}");
        }
        assert_eq!(
            ada.buys("", "prc_town", &[("word.prc_town", " neighbour ")]).await["status"],
            "active"
        );
    })
    .await;
}

#[tokio::test]
async fn a_reader_is_never_silently_charged_more_at_renewal() {
    each_shop(shop, async |world| {
        let ada = Buyer::new(world, "ada@example.org");
        let subscription = ada
            .buys("", "prc_solidarity", &[("statement.prc_solidarity", "yes")])
            .await;
        assert!(world.alerts().await.is_empty());
        let price = text(&subscription["items"]["data"][0]["price"], "product");
        let dearer = [
            ("product", price.as_str()),
            ("currency", "eur"),
            ("unit_amount", "700"),
            ("recurring[interval]", "month"),
        ];
        let dearer = text(&world.stripe().makes("/v1/prices", &dearer).await, "id");
        let item = text(&subscription["items"]["data"][0], "id");
        let path = format!("/v1/subscriptions/{}", text(&subscription, "id"));
        let change = [
            ("items[0][id]", item.as_str()),
            ("items[0][price]", dearer.as_str()),
            ("proration_behavior", "none"),
        ];
        world.stripe().makes(&path, &change).await;
        world.settle().await;
        let alerts = world.alerts().await;
        assert!(
            alerts.iter().any(|alert| alert
                .text
                .contains("renews at €7.00 a month, and its reader was promised €5.00 a month")),
            "{alerts:?}"
        );
        // Put right, the alert ends.
        let old = text(&subscription["items"]["data"][0]["price"], "id");
        let change = [
            ("items[0][id]", item.as_str()),
            ("items[0][price]", old.as_str()),
            ("proration_behavior", "none"),
        ];
        world.stripe().makes(&path, &change).await;
        world.settle().await;
        assert!(world.alerts().await.is_empty(), "{:?}", world.alerts().await);
    })
    .await;
}
