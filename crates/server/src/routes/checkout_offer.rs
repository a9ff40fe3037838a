//! From what a form says to the offer that is taken, or to what its reader is told.

use latchkey_billing::{
    AmountError, ChosenError, Currency, Decimals, Offer, PlanPrice, Refusal, Shown, format_money, format_number,
    parse_amount,
};

use super::{checkout::Choice, support};
use crate::{browser::Browser, buyer::Visitor, currency, server::App};

/// The offer that is taken, or what to tell the reader.
pub(super) fn take(
    app: &App,
    browser: &Browser,
    visitor: &Visitor,
    form: &Choice,
    price: &PlanPrice,
    button: Option<i64>,
) -> Result<Offer, String> {
    let now = app.clock.now();
    let no_currency = || "This price is not there in the currency that you chose.".to_owned();
    let wanted = form.currency.as_deref().and_then(|code| Currency::parse(code).ok());
    if let (Some(bound), Some(wanted)) = (&visitor.bound, &wanted)
        && bound != wanted
    {
        let code = bound.as_str().to_ascii_uppercase();
        return Err(format!(
            "You have a subscription in {code} that is not over, and all you pay stays in that currency until it has ended. The prices below are in it."
        ));
    }
    // A form of a page without a choice names no currency.
    let currency = wanted.or_else(|| visitor.currency.clone()).ok_or_else(no_currency)?;
    let amount_minor = match (&price.terms.chosen, button) {
        (None, _) => None,
        (Some(_), Some(minor)) => Some(minor),
        (Some(_), None) => {
            let typed = form.of("amount", price);
            let mark = currency::decimal_mark(&browser.languages);
            Some(parse_amount(typed, currency.as_str(), mark).map_err(|error| amount_in_words(error, &currency))?)
        }
    };
    let shown = Shown {
        statement: !form.of("statement", price).is_empty(),
        code: form.of("word", price),
        amount_minor,
    };
    let taken = visitor.buyer.take(price, &currency, shown, now);
    let offer = taken.map_err(|refusal| refusal_in_words(refusal, price, &currency))?;
    // What the page showed is what is sold: a trial that was used on another device meanwhile, a code that ended, a new price.
    let seen = form.of("shown", price);
    if price.terms.chosen.is_none() && !seen.is_empty() && seen != support::digest(&offer.quote) {
        return Err("What this costs has changed since you opened the page. Please look at it again below.".to_owned());
    }
    Ok(offer)
}

fn refusal_in_words(refusal: Refusal, price: &PlanPrice, currency: &Currency) -> String {
    let money = |minor| format_money(minor, currency.as_str());
    let chosen = price.terms.chosen.as_ref();
    match (refusal, chosen) {
        (Refusal::Currency, _) => "This price is not there in the currency that you chose.".to_owned(),
        (Refusal::Statement, _) => "Please confirm the sentence above the button, if it is true for you.".to_owned(),
        (Refusal::Address, _) => {
            "This price is for readers with a certain kind of e-mail address. Confirm yours first.".to_owned()
        }
        (Refusal::Code, _) => "This is not the code for this price. Please check it for typing mistakes.".to_owned(),
        (Refusal::Amount(ChosenError::TooLittle), Some(chosen)) => {
            format!("The least that you can choose is {}.", money(chosen.minimum_minor))
        }
        (Refusal::Amount(ChosenError::TooMuch), Some(chosen)) => {
            format!(
                "The most that you can choose is {}. Write to us if you want to give more: thank you!",
                money(chosen.maximum_minor)
            )
        }
        (Refusal::NoAmount | Refusal::Amount(_), _) => "Please say how much you want to pay.".to_owned(),
    }
}

fn amount_in_words(error: AmountError, currency: &Currency) -> String {
    let example = |minor| format_number(minor, currency.as_str());
    let decimals = Decimals::of(currency.as_str());
    match error {
        AmountError::Empty => "Please say how much you want to pay.".to_owned(),
        AmountError::NotANumber => format!(
            "We cannot read this as an amount. Write it like {}.",
            example(5 * decimals.scale())
        ),
        AmountError::TooPrecise if decimals.shown() == 0 => {
            "This currency has no decimals. Write a whole number.".to_owned()
        }
        AmountError::TooPrecise => format!(
            "This amount has too many decimals. Write it like {}.",
            example(5 * decimals.scale())
        ),
        AmountError::Ambiguous => format!(
            "This amount can be read in two ways. Write it like {}.",
            example(5 * decimals.scale())
        ),
        AmountError::TooLarge => "This is more than can be charged at once.".to_owned(),
    }
}
