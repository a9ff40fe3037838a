//! Pages: what all of them share, and how moments and prices are written.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use latchkey_billing::{Plan, PlanPrice, Renewal, Subscription, format_money, period};
use latchkey_entitlement::Timestamp;

use crate::{Problem, browser::Browser, server::App};

/// What every page says.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) publication: String,
    /// Token for the page's forms.
    pub(crate) token: String,
}

impl Page {
    pub(crate) fn new(app: &App, browser: &Browser) -> Self {
        Self {
            publication: app.config.publication.clone(),
            token: browser.form_token(),
        }
    }
}

/// A page, with the browser's cookie if it had none.
pub(crate) fn show(browser: &Browser, status: StatusCode, page: &impl Template) -> Result<Response, Problem> {
    let html = page.render().map_err(|error| Problem::internal(&error))?;
    Ok((status, browser.keep(), Html(html)).into_response())
}

/// The same for a page whose address holds a secret, which then goes nowhere else.
pub(crate) fn show_secret(browser: &Browser, page: &impl Template) -> Result<Response, Problem> {
    let mut answer = show(browser, StatusCode::OK, page)?;
    answer
        .headers_mut()
        .insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(answer)
}

/// `24 November 2026, 14:05 UTC`: for what may end within hours.
pub(crate) fn minute(at: Timestamp) -> String {
    let written = time::OffsetDateTime::from_unix_timestamp(at.seconds()).ok();
    written.map_or_else(String::new, |time| {
        format!("{}, {:02}:{:02} UTC", day(at), time.hour(), time.minute())
    })
}

/// `24 November 2026`, in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    let written = time::OffsetDateTime::from_unix_timestamp(at.seconds()).ok();
    written.map_or_else(String::new, |at| format!("{} {} {}", at.day(), at.month(), at.year()))
}

/// `24 November 2026, 09:05 UTC`.
pub(crate) fn moment(at: Timestamp) -> String {
    let written = time::OffsetDateTime::from_unix_timestamp(at.seconds()).ok();
    written.map_or_else(String::new, |time| {
        format!("{}, {:02}:{:02} UTC", day(at), time.hour(), time.minute())
    })
}

/// The text with a capital letter at its start.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.map_or_else(String::new, |first| first + letters.as_str())
}

/// `a…@e…e.org`: enough to know one's own address again.
pub(crate) fn masked(email: &str) -> String {
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    let first: String = local.chars().take(1).collect();
    let (name, rest) = domain.split_once('.').unwrap_or((domain, ""));
    let start: String = name.chars().take(1).collect();
    let end: String = name.chars().last().into_iter().collect();
    format!("{first}…@{start}…{end}.{rest}")
}

/// What a subscription renews at, as far as it was read; else the listed price.
pub(crate) fn paid(own: &Subscription, listed: &PlanPrice, plans: &[Plan]) -> String {
    Renewal::of(own, plans).map_or_else(
        || price(listed),
        |renewal| {
            let amount = format_money(renewal.amount_minor, &renewal.currency);
            format!("{amount} {}", period::per(renewal.interval, renewal.interval_count))
        },
    )
}

/// `€4.00 a month`, or `€2.00` for what is paid once.
pub(crate) fn price(price: &PlanPrice) -> String {
    let amount = format_money(price.amount_minor, price.currency.as_str());
    if price.once.is_some() {
        return amount;
    }
    format!("{amount} {}", period::per(price.interval, price.interval_count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_address_keeps_no_more_than_its_owner_needs() {
        assert_eq!(masked("ada@example.org"), "a…@e…e.org");
        assert_eq!(day(Timestamp::from_seconds(1_795_478_400)), "24 November 2026");
    }
}
