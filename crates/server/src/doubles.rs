//! What a reader is told about a subscription that was one too many.

use askama::Template;
use latchkey_billing::format_money;
use latchkey_entitlement::time::DAY;
use latchkey_store::Double;
use latchkey_sync::EffectError;

use crate::{Mail, MailError, Problem, reader::Reader, server::App, view};

/// How long the account page tells of it, in milliseconds.
const SHOWN_FOR: i64 = 90 * DAY;

/// A stopped subscription, as the account page tells of it.
pub(crate) struct DoubleView {
    pub(crate) plan: String,
    pub(crate) day: String,
    pub(crate) money: String,
}

#[derive(Template)]
#[template(path = "letter_double.txt")]
struct Text<'a> {
    publication: &'a str,
    plan: &'a str,
    money: &'a str,
    account: &'a str,
}

#[derive(Template)]
#[template(path = "letter_double.html")]
struct Html<'a> {
    publication: &'a str,
    plan: &'a str,
    money: &'a str,
    account: &'a str,
}

/// The reader's subscriptions that were stopped because there was another one.
pub(crate) async fn stopped(app: &App, reader: &Reader) -> Result<Vec<DoubleView>, Problem> {
    let now = app.clock.now();
    let doubles = app.store.doubles_of(&reader.account.id).await?;
    let view = |double: &Double| {
        let done = double.done_at.filter(|done| now < done.plus(SHOWN_FOR))?;
        Some(DoubleView {
            plan: plan_name(app, double),
            day: view::day(done),
            money: money(double),
        })
    };
    Ok(doubles.iter().filter_map(view).collect())
}

/// Sends the letter about a subscription that was stopped.
pub(crate) async fn send_letter(app: &App, stopped: &str) -> Result<(), EffectError> {
    let later = |error: &dyn std::fmt::Display| EffectError::Later(error.to_string());
    let double = app.store.double(stopped).await.map_err(|error| later(&error))?;
    let double = double.ok_or_else(|| EffectError::Never("nothing is known of that subscription".to_owned()))?;
    let account = app.store.account_of_customer(&double.decision.customer).await;
    let Some(account) = account.map_err(|error| later(&error))? else {
        return Ok(());
    };
    let known = app.store.account(&account).await.map_err(|error| later(&error))?;
    let Some(email) = known.and_then(|known| known.email_proven.or(known.email_unproven)) else {
        return Ok(());
    };
    let mail = letter(app, &double, email).map_err(|problem| EffectError::Never(problem.title.to_owned()))?;
    app.mailer.send(mail).await.map_err(|error| match error {
        error @ MailError::Address => EffectError::Never(error.to_string()),
        error => later(&error),
    })
}

fn letter(app: &App, double: &Double, to: String) -> Result<Mail, Problem> {
    let (plan, money) = (plan_name(app, double), money(double));
    let account = format!("{}/account", app.config.account_origin);
    let publication = app.config.publication.as_str();
    let (plan, money, account) = (plan.as_str(), money.as_str(), account.as_str());
    let text = Text {
        publication,
        plan,
        money,
        account,
    };
    let html = Html {
        publication,
        plan,
        money,
        account,
    };
    let wrong = |error: askama::Error| Problem::internal(&error);
    Ok(Mail {
        to,
        subject: format!("{publication}: one of your two subscriptions was stopped"),
        text: text.render().map_err(wrong)?,
        html: html.render().map_err(wrong)?,
    })
}

fn plan_name(app: &App, double: &Double) -> String {
    let plan = app.config.plans.iter().find(|plan| plan.id == double.decision.plan);
    plan.map_or_else(|| "an earlier plan".to_owned(), |plan| plan.name.clone())
}

/// What became of what the stopped one cost.
fn money(double: &Double) -> String {
    let (due, back) = (&double.decision.refunds, double.refunded_minor);
    let currency = double.currency.as_deref().unwrap_or_default();
    match (back, due.as_slice()) {
        (1.., _) => format!(
            "We paid {} back to the card that it was paid with; banks take up to ten days to show it.",
            format_money(back, currency)
        ),
        (_, []) => "Nothing had been paid for it, and nothing will be charged for it.".to_owned(),
        (_, due) if due.iter().any(|one| one.disputed.is_some()) => {
            "You have asked your bank to take its payment back, so your bank decides about the money.".to_owned()
        }
        _ => "We look into what was paid for it, and write to you.".to_owned(),
    }
}
