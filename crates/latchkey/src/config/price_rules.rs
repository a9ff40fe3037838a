//! What a price must hold beyond its shape.

use std::collections::BTreeSet;

use latchkey_billing::{
    Currency, Decimals, Interval, MAX_AMOUNT_MINOR, MAX_SUGGESTIONS, MAX_TRIAL_DAYS, format_money, is_charged,
    minimum_charge,
};

use super::{
    PlanSection, PriceSection,
    price::CardWord,
    validate::{Finding, finding},
};

/// Stripe refuses periods of more than three years (`recurring[interval_count]`).
const LONGEST: [(Interval, u32); 4] = [
    (Interval::Day, 1095),
    (Interval::Week, 156),
    (Interval::Month, 36),
    (Interval::Year, 3),
];

/// Everything that is wrong with the prices of a plan.
pub(super) fn prices(plan: &PlanSection, found: &mut Vec<Finding>) {
    let at = format!("plan {}", plan.id);
    for price in &plan.prices {
        let at = format!("{at}, price {}", price.id);
        amounts(&at, price, found);
        period(&at, price, found);
        trial(&at, price, found);
        introduction(&at, price, found);
        chosen(&at, price, found);
        needs(&at, price, found);
    }
    unnamed(&at, plan, found);
}

/// Whether an amount can be charged, and why not.
fn amount(at: &str, what: &str, minor: i64, currency: &Currency, found: &mut Vec<Finding>) {
    let code = currency.as_str();
    let step = Decimals::of(code).step();
    if minor <= 0 {
        found.push(finding(
            at,
            format!("{what} is not above zero"),
            "amounts are in minor units: 500 is 5.00 €, and 500 ¥",
        ));
    } else if minor > MAX_AMOUNT_MINOR {
        found.push(finding(
            at,
            format!("{what} is more than Stripe charges"),
            "amounts have eight digits at most",
        ));
    } else if minor % step != 0 {
        let help = if step == 10 {
            "amounts in thousandths end in 0: write 5120 or 5130 and not 5124"
        } else {
            "Stripe counts this currency in hundredths and charges whole units: amounts end in 00"
        };
        found.push(finding(
            at,
            format!("{what} cannot be charged in {code}: it is no multiple of {step}"),
            help,
        ));
    } else if let Some(minimum) = minimum_charge(code).filter(|minimum| minor < *minimum) {
        found.push(finding(
            at,
            format!("{what}, {}, is less than Stripe charges", format_money(minor, code)),
            format!("the least in this currency is {}", format_money(minimum, code)),
        ));
    }
}

fn known(at: &str, currency: &Currency, found: &mut Vec<Finding>) -> bool {
    let known = is_charged(currency.as_str());
    if !known {
        found.push(finding(
            at,
            format!("Stripe charges nothing in `{currency}`"),
            "write a currency of https://docs.stripe.com/currencies, such as \"eur\"",
        ));
    }
    known
}

fn amounts(at: &str, price: &PriceSection, found: &mut Vec<Finding>) {
    if known(at, &price.currency, found) {
        amount(at, "amount_minor", price.amount_minor, &price.currency, found);
    }
    for (currency, minor) in &price.currencies {
        if *currency == price.currency {
            found.push(finding(
                at,
                format!("currencies has {currency} again"),
                "amount_minor says it already",
            ));
        } else if known(at, currency, found) {
            amount(at, &format!("currencies.{currency}"), *minor, currency, found);
        }
    }
}

fn period(at: &str, price: &PriceSection, found: &mut Vec<Finding>) {
    let count = price.interval_count;
    if count == 0 {
        found.push(finding(
            at,
            "interval_count is not above zero",
            "1 is every one, 3 every third",
        ));
    }
    let longest = LONGEST.iter().find(|(interval, _)| Some(*interval) == price.interval);
    if let Some((interval, most)) = longest.filter(|(_, most)| count > *most) {
        found.push(finding(
            at,
            format!("every {count} {}s is longer than Stripe allows", interval.as_str()),
            format!("three years at most: {most} {}s", interval.as_str()),
        ));
    }
}

fn trial(at: &str, price: &PriceSection, found: &mut Vec<Finding>) {
    let terms = price;
    if price.once.is_some() && (terms.trial_days.is_some() || terms.intro.is_some() || terms.chosen.is_some()) {
        found.push(finding(
            at,
            "it is paid once, and has a trial, an introduction or an amount of the reader's choice",
            "those are for prices with an interval: take them away, or write interval instead of once",
        ));
    }
    match terms.trial_days {
        Some(days) if !(1..=MAX_TRIAL_DAYS).contains(&days) => found.push(finding(
            at,
            format!("trial_days = {days} is out of range"),
            format!("1 to {MAX_TRIAL_DAYS} days, as Stripe allows"),
        )),
        None if terms.trial_card.is_some() || terms.trial_without_card.is_some() => found.push(finding(
            at,
            "it says what becomes of a trial, and has none",
            "add trial_days, or take trial_card and trial_without_card away",
        )),
        _ => {}
    }
    if terms.trial_without_card.is_some() && terms.trial_card != Some(CardWord::NotRequired) {
        found.push(finding(
            at,
            "trial_without_card is for trials that begin without a card",
            "add trial_card = \"not_required\", or take it away",
        ));
    }
}

fn introduction(at: &str, price: &PriceSection, found: &mut Vec<Finding>) {
    let Some(intro) = &price.intro else { return };
    let at = format!("{at}, intro");
    if price.trial_days.is_some() {
        found.push(finding(
            &at,
            "the price has a trial too, and a coupon's time runs during the trial",
            "choose one of both",
        ));
    }
    if price.promotion_codes {
        found.push(finding(
            &at,
            "the price takes promotion codes too, and Stripe takes one or the other",
            "take promotion_codes away",
        ));
    }
    let Some(reduction) = intro.reduction(&price.currency) else {
        found.push(finding(
            &at,
            "what it takes off is not said, said twice, or not a number that Stripe knows",
            "write either percent_off (above 0, at most 100, two decimals) or amount_off_minor",
        ));
        return;
    };
    if intro.months == Some(0) {
        found.push(finding(
            &at,
            "months is 0",
            "without months it is for the first payment alone",
        ));
    }
    let currencies = std::iter::once((&price.currency, price.amount_minor))
        .chain(price.currencies.iter().map(|(currency, minor)| (currency, *minor)));
    for (currency, minor) in currencies {
        match reduction.apply(minor, currency) {
            None => found.push(finding(
                &at,
                format!("it takes nothing off in {currency}"),
                "write percent_off, which is good for every currency",
            )),
            // Nothing at all can be had for nothing.
            Some(0) => {}
            Some(left) => amount(&at, "what it leaves", left, currency, found),
        }
    }
}

fn chosen(at: &str, price: &PriceSection, found: &mut Vec<Finding>) {
    let Some(chosen) = &price.chosen else {
        if price.stripe_price.is_empty() {
            found.push(finding(
                at,
                "stripe_price is missing",
                "write the id of the price in Stripe (it begins with price_)",
            ));
        }
        return;
    };
    let at = format!("{at}, chosen");
    if !price.stripe_price.is_empty() || !price.currencies.is_empty() {
        found.push(finding(
            &at,
            "a chosen amount has no price in Stripe, and one currency",
            "take stripe_price and currencies away; a second currency is a [[plan.price]] of its own",
        ));
    }
    if !chosen.stripe_product.starts_with("prod_") {
        found.push(finding(
            &at,
            "stripe_product is no product's id",
            "it begins with prod_",
        ));
    }
    amount(&at, "minimum_minor", chosen.minimum_minor, &price.currency, found);
    let suggestions = std::iter::once(&price.amount_minor).chain(&chosen.suggestions);
    for suggestion in suggestions {
        if *suggestion < chosen.minimum_minor {
            found.push(finding(
                &at,
                format!(
                    "minimum_minor = {} is above the suggestion {suggestion}",
                    chosen.minimum_minor
                ),
                "who takes what is suggested must get it",
            ));
        } else if *suggestion > chosen.maximum_minor {
            found.push(finding(
                &at,
                format!(
                    "maximum_minor = {} is below the suggestion {suggestion}",
                    chosen.maximum_minor
                ),
                "who takes what is suggested must get it",
            ));
        } else {
            amount(
                &at,
                &format!("the suggestion {suggestion}"),
                *suggestion,
                &price.currency,
                found,
            );
        }
    }
    if chosen.maximum_minor > MAX_AMOUNT_MINOR {
        found.push(finding(
            &at,
            "maximum_minor is more than Stripe charges",
            "amounts have eight digits at most",
        ));
    }
    if chosen.suggestions.len() > MAX_SUGGESTIONS {
        found.push(finding(
            &at,
            format!("more than {MAX_SUGGESTIONS} suggestions"),
            "nobody chooses among so many",
        ));
    }
}

fn needs(at: &str, price: &PriceSection, found: &mut Vec<Finding>) {
    let terms = price;
    if terms
        .needs_statement
        .as_ref()
        .is_some_and(|text| text.trim().is_empty())
    {
        found.push(finding(
            at,
            "needs_statement is empty",
            "write the sentence that the reader confirms",
        ));
    }
    if terms.needs_codes.iter().any(|code| code.trim().is_empty()) {
        found.push(finding(
            at,
            "needs_codes has an empty word",
            "it would let everybody in",
        ));
    }
}

/// Two prices that readers cannot tell apart.
fn unnamed(at: &str, plan: &PlanSection, found: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for price in &plan.prices {
        let currencies = std::iter::once(&price.currency).chain(price.currencies.keys());
        for currency in currencies {
            let key = (
                currency.clone(),
                price.interval,
                price.interval_count,
                price.name.clone(),
            );
            if !seen.insert(key) {
                found.push(finding(
                    format!("{at}, price {}", price.id),
                    format!("another price of the plan has the same name, currency ({currency}) and interval"),
                    "give them names that tell readers which is which: name = \"Student\"",
                ));
            }
        }
    }
}
