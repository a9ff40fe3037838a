//! The support page with every kind of price: for everyone, and in pictures.
//!
//! It is shown by parts in this process, since the demo sells two plain prices.

use std::path::{Path, PathBuf};

use latchkey_billing::{
    ChosenAmount, Currency, CurrencyAmount, Interval, Introduction, Lasts, Needs, Off, Plan, PlanPrice, PriceTerms,
    Reduction, Trial, TrialCard,
};
use latchkey_entitlement::{PlanId, PriceId, Scope, Sites};
use latchkey_testkit::{Sandbox, World, each_database};
use serde_json::Value;

use super::{pages::inspected, pictures::take};
use crate::{browser::Browser, equipment::is_there};

fn makes(sandbox: &Sandbox, path: &str, body: &str) -> String {
    let answer = sandbox.call_from_dashboard("POST", path, body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let object: Value = serde_json::from_str(&answer.body).expect("JSON");
    object["id"].as_str().expect("an id").to_owned()
}

fn price(sandbox: &Sandbox, id: &str, amount_minor: i64, interval: Interval, terms: PriceTerms) -> PlanPrice {
    let yen = terms.currencies.first().map_or(String::new(), |yen| {
        format!("&currency_options[jpy][unit_amount]={}", yen.amount_minor)
    });
    let body = format!(
        "product_data[name]=Supporter&currency=eur&unit_amount={amount_minor}&recurring[interval]={}{yen}",
        interval.as_str()
    );
    PlanPrice {
        once: None,
        id: PriceId::parse(id).unwrap(),
        stripe_price: makes(sandbox, "/v1/prices", &body),
        currency: Currency::parse("eur").unwrap(),
        amount_minor,
        interval,
        interval_count: 1,
        terms,
    }
}

fn plan(id: &str, name: &str, description: &str, prices: Vec<PlanPrice>) -> Plan {
    Plan {
        id: PlanId::parse(id).unwrap(),
        key: id.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        entitlements: Scope::parse("ad_free").unwrap(),
        sites: Sites::All,
        prices,
    }
}

fn named(name: &str) -> PriceTerms {
    PriceTerms {
        name: Some(name.to_owned()),
        ..PriceTerms::default()
    }
}

/// Prices that need something, and one that needs an amount.
fn for_some(sandbox: &Sandbox) -> Vec<PlanPrice> {
    let solidarity = PriceTerms {
        needs: Needs {
            statement: Some("I have little money at the moment, and would not subscribe otherwise.".to_owned()),
            ..Needs::default()
        },
        ..named("Solidarity")
    };
    let student = PriceTerms {
        needs: Needs {
            mail_domains: vec!["*.uni.example".to_owned().try_into().unwrap()],
            ..Needs::default()
        },
        ..named("Student")
    };
    let town = PriceTerms {
        needs: Needs {
            codes: vec!["NEIGHBOUR".to_owned()],
            ..Needs::default()
        },
        ..named("For the town")
    };
    let mut free = price(sandbox, "prc_free", 500, Interval::Month, named("Pay what you want"));
    free.stripe_price.clear();
    free.terms.chosen = Some(ChosenAmount {
        product: makes(sandbox, "/v1/products", "name=Friend"),
        minimum_minor: 200,
        maximum_minor: 10_000,
        suggestions: vec![300, 800, 1_500],
    });
    vec![
        price(sandbox, "prc_solidarity", 200, Interval::Month, solidarity),
        price(sandbox, "prc_student", 250, Interval::Month, student),
        price(sandbox, "prc_town", 100, Interval::Month, town),
        free,
    ]
}

/// One of each kind.
fn everything(sandbox: &Sandbox) -> Vec<Plan> {
    makes(
        sandbox,
        "/v1/coupons",
        "id=first&percent_off=60&duration=repeating&duration_in_months=3",
    );
    makes(sandbox, "/v1/coupons", "id=half&percent_off=50&duration=forever");
    makes(
        sandbox,
        "/v1/promotion_codes",
        "promotion[type]=coupon&promotion[coupon]=half&code=SPRING",
    );
    let yen = |amount_minor| CurrencyAmount {
        currency: Currency::parse("jpy").unwrap(),
        amount_minor,
    };
    let trial = PriceTerms {
        currencies: vec![yen(800)],
        trial: Some(Trial {
            days: 14,
            card: TrialCard::Required,
        }),
        ..PriceTerms::default()
    };
    let yearly = PriceTerms {
        promotion_codes: true,
        currencies: vec![yen(8_000)],
        ..PriceTerms::default()
    };
    let intro = PriceTerms {
        introduction: Some(Introduction {
            coupon: "first".to_owned(),
            reduction: Reduction {
                off: Off::Percent(6_000),
                lasts: Lasts::Months(3),
            },
        }),
        ..PriceTerms::default()
    };
    vec![
        plan(
            "pln_supporter",
            "Supporter",
            "Every page without ads, on all your devices.",
            vec![
                price(sandbox, "prc_month", 500, Interval::Month, trial),
                price(sandbox, "prc_year", 5_000, Interval::Year, yearly),
            ],
        ),
        plan(
            "pln_starter",
            "Newcomer",
            "The same, for less in the first months.",
            vec![price(sandbox, "prc_intro", 500, Interval::Month, intro)],
        ),
        plan(
            "pln_friend",
            "For less, or for more",
            "Every page without ads, at a price that fits you.",
            for_some(sandbox),
        ),
    ]
}

/// Looks at the page that is open: is it for everyone? And takes its picture, if a folder for it is named.
async fn looked_at(browser: &Browser, folder: Option<&Path>, name: &str) {
    inspected(browser, name).await;
    browser.wide().await;
    browser.prefers("light").await;
    if let Some(folder) = folder {
        take(browser, folder, name).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever wants pictures says where")]
fn folder() -> Option<PathBuf> {
    let folder = std::env::var("LATCHKEY_PICTURES").ok().map(PathBuf::from)?;
    std::fs::create_dir_all(&folder).expect("a folder");
    Some(folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_support_page_with_every_kind_of_price_is_for_everyone() {
    if !is_there() {
        return;
    }
    let folder = folder();
    let seen = std::sync::atomic::AtomicBool::new(false);
    each_database(async |database| {
        // What it looks like is the same on every database.
        if seen.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return;
        }
        let world = World::selling(database, everything).await;
        walk(&world, folder.as_deref()).await;
        world.finish().await;
    })
    .await;
}

async fn walk(world: &World, folder: Option<&Path>) {
    let browser = Browser::open().await;
    let support = |query: &str| {
        world
            .account_page(&format!("/support?site=sit_news&to=/{query}"))
            .to_string()
    };
    browser.goto(&support("")).await;
    browser.reads("for the first 3 months, then").await;
    looked_at(&browser, folder, "prices").await;
    browser.choose("#currency", "JPY").await;
    browser.press("form[action='/support'] button").await;
    browser.reads("¥800 a month").await;
    looked_at(&browser, folder, "prices-yen").await;
    browser.goto(&support("&currency=eur&code=SPRING")).await;
    browser.reads("SPRING takes 50 % off.").await;
    looked_at(&browser, folder, "prices-code").await;
    browser.goto(&support("&code=NOSUCH")).await;
    browser.reads("We do not know this code.").await;
    looked_at(&browser, folder, "prices-code-unknown").await;
    browser.fill("#email", "ada@example.org").await;
    browser.fill("#amount-prc_free", "1.99").await;
    browser.press("button[value=prc_free]").await;
    browser.reads("The least that you can choose is").await;
    looked_at(&browser, folder, "prices-amount").await;
    // By keyboard alone, and without script there is nothing else: a number, and the button beside it.
    browser.fill("#amount-prc_free", "7,50").await;
    browser.press("button[value=prc_free]").await;
    browser.reads("Total due today").await;
    browser.reads("7.50").await;
    if let Some(folder) = folder {
        take(&browser, folder, "prices-checkout").await;
    }
    browser.fill("#number", "4242424242424242").await;
    browser.fill("#expiry", "12/49").await;
    browser.fill("#cvc", "123").await;
    browser.press("#pay").await;
    browser.goto(world.account_page("/account").as_str()).await;
    browser.reads("7.50 a month").await;
    browser.press("a[href^='/account/plan']").await;
    browser.reads("Change what you pay").await;
    looked_at(&browser, folder, "plan").await;
    browser.press("button[value=prc_year]").await;
    browser.reads("Confirm the change").await;
    looked_at(&browser, folder, "plan-preview").await;
    browser.close().await;
    world.settle().await;
}
