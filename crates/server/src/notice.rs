//! Letters about a purchase: what they say.

use askama::Template;
use latchkey_billing::{NoticeFacts, NoticeKind, format_money};
use latchkey_entitlement::Timestamp;

use crate::{
    Mail, Problem,
    view::{day, moment},
};

#[derive(Template)]
#[template(path = "letter_notice.html")]
struct NoticeHtml<'a> {
    publication: &'a str,
    lines: &'a [String],
    button: Option<&'a (String, String)>,
    account: &'a str,
    why: &'a str,
}

#[derive(Template)]
#[template(path = "letter_notice.txt")]
struct NoticeText<'a> {
    publication: &'a str,
    lines: &'a [String],
    button: Option<&'a (String, String)>,
    account: &'a str,
    why: &'a str,
}

/// What a letter says, before it is laid out.
struct Said {
    subject: String,
    lines: Vec<String>,
    /// A label and where it leads.
    button: Option<(String, String)>,
}

/// The letter about a notice. `account` is the address of the account page.
pub(crate) fn mail(
    to: &str,
    kind: NoticeKind,
    facts: &NoticeFacts,
    publication: &str,
    account: &str,
) -> Result<Mail, Problem> {
    let why = format!("this address was given when {publication} was paid for");
    laid_out(to, said(kind, facts, publication, account), publication, account, &why)
}

fn laid_out(to: &str, said: Said, publication: &str, account: &str, why: &str) -> Result<Mail, Problem> {
    let Said { subject, lines, button } = said;
    let (lines, button) = (lines.as_slice(), button.as_ref());
    let wrong = |error: askama::Error| Problem::internal(&error);
    Ok(Mail {
        to: to.to_owned(),
        subject,
        text: NoticeText {
            publication,
            lines,
            button,
            account,
            why,
        }
        .render()
        .map_err(wrong)?,
        html: NoticeHtml {
            publication,
            lines,
            button,
            account,
            why,
        }
        .render()
        .map_err(wrong)?,
    })
}

/// The letter with which somebody ends what is paid for under an address, without signing in. `link` is none if nothing is.
pub(crate) fn leave(
    to: &str,
    link: Option<&str>,
    hours: i64,
    publication: &str,
    account: &str,
) -> Result<Mail, Problem> {
    let said = match link {
        Some(link) => Said {
            subject: format!("End your subscription to {publication}"),
            lines: vec![
                format!(
                    "With this link you end what is paid for under this address, without signing in. It holds for {hours} hours."
                ),
                "Opening it shows a page first; nothing ends until you press its button.".to_owned(),
            ],
            button: Some(("End a subscription".to_owned(), link.to_owned())),
        },
        None => Said {
            subject: format!("No subscription to {publication} under this address"),
            lines: vec![
                format!(
                    "Somebody, probably you, wants to end a subscription to {publication}. None is paid for under this address."
                ),
                "Perhaps it was another address: it is the one to which your receipts come.".to_owned(),
            ],
            button: None,
        },
    };
    laid_out(
        to,
        said,
        publication,
        account,
        "somebody asked for it with this address",
    )
}

fn said(kind: NoticeKind, facts: &NoticeFacts, publication: &str, account: &str) -> Said {
    let plan = facts.plan.as_deref().unwrap_or("your subscription");
    let amount = facts
        .amount
        .as_ref()
        .map_or_else(String::new, |(minor, currency)| format_money(*minor, currency));
    let on = |at: Option<Timestamp>| at.map_or_else(String::new, |at| format!(" on {}", day(at)));
    let with = facts
        .card
        .as_ref()
        .map_or_else(String::new, |card| format!(" with {card}"));
    let invoice = |label: &str| facts.url.clone().map(|url| (label.to_owned(), url));
    let card_button = Some(("Change the card".to_owned(), account.to_owned()));
    match kind {
        NoticeKind::Receipt => Said {
            subject: format!("Receipt: {amount} for {publication}"),
            lines: vec![
                format!("Thank you for supporting {publication}."),
                format!("{amount} for {plan} arrived{}{with}.", on(facts.day)),
            ],
            button: invoice("Invoice and receipt"),
        },
        NoticeKind::PaymentFailed => failed(facts, plan, &amount, &with, publication, account),
        NoticeKind::RenewalAhead => Said {
            subject: format!("{publication}: your subscription is renewed{}", on(facts.day)),
            lines: vec![
                format!("{plan} goes on{}, and {amount} is charged then{with}.", on(facts.day)),
                "If you want that, you need not do anything. If not, you can end it until then in two clicks."
                    .to_owned(),
            ],
            button: Some(("Go on, change or end it".to_owned(), account.to_owned())),
        },
        NoticeKind::TrialEnding => {
            Said {
                subject: format!("{publication}: your trial ends{}", on(facts.day)),
                lines: vec![
                format!("Your trial of {plan} ends{}. {amount} is charged then{with}.", on(facts.day)),
                "If you want that, you need not do anything. If not, you can end it until then and nothing is charged."
                    .to_owned(),
            ],
                button: Some(("Go on or end it".to_owned(), account.to_owned())),
            }
        }
        NoticeKind::CardExpiring => Said {
            subject: format!("{publication}: your card expires"),
            lines: vec![format!(
                "{} is good until {}, and {plan} is charged after that. Please name another card, so that nothing is interrupted.",
                facts.card.as_deref().unwrap_or("Your card"),
                facts.day.map(day).unwrap_or_default()
            )],
            button: card_button,
        },
        NoticeKind::CancellationReceived => Said {
            subject: format!("{publication}: your cancellation is confirmed"),
            lines: vec![
                format!(
                    "Your cancellation of {plan} was received on {}.",
                    facts.asked.map(moment).unwrap_or_default()
                ),
                format!(
                    "It ends{}. You keep everything until then, and nothing more is charged.",
                    on(facts.day)
                ),
            ],
            button: None,
        },
        NoticeKind::AccessEnded => Said {
            subject: format!("{publication}: your subscription has ended"),
            lines: vec![
                format!("{plan} ended{}. Nothing more is charged.", on(facts.day)),
                format!("Thank you for having supported {publication}. You are welcome back whenever you like."),
            ],
            button: Some(("See the plans".to_owned(), account.to_owned())),
        },
    }
}

fn failed(facts: &NoticeFacts, plan: &str, amount: &str, with: &str, publication: &str, account: &str) -> Said {
    let mut lines = vec![format!("Your payment of {amount} for {plan} did not go through{with}.")];
    if let Some(until) = facts.kept_until {
        lines.push(format!("You keep what you have until {}.", day(until)));
    }
    lines.push(match facts.again {
                Some(again) => format!(
                    "It is tried again on {}. If the card is in order, you need not do anything; otherwise please pay here, or change the card.",
                    day(again)
                ),
                None => "It is not tried again by itself. You can pay here, or with another card.".to_owned(),
            });
    Said {
        subject: format!("Your payment for {publication} did not go through"),
        lines,
        button: facts.url.clone().map_or_else(
            || Some(("Change the card".to_owned(), account.to_owned())),
            |url| Some(("Pay now".to_owned(), url)),
        ),
    }
}
