//! The demo's mailbox: what the server would have sent by mail.

use super::hosts::DemoHosts;
use super::html::{each, escape, tool_page, with_links};
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

/// One letter as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MailView {
    /// The address it was sent to.
    pub(crate) to: String,
    /// Its subject.
    pub(crate) subject: String,
    /// The plain text part.
    pub(crate) text: String,
    /// The HTML part, if there is one.
    pub(crate) html: Option<String>,
    /// When it was sent, as people read it.
    pub(crate) at: String,
}

/// What `mail.localhost` serves: `/` (newest first), `/{number}` (0 is the oldest letter), and `/_mails` (JSON, oldest
/// first, for tests). `mailbox` gives all letters, oldest first.
pub(crate) fn router<F>(hosts: &DemoHosts, mailbox: F) -> Router
where
    F: Fn() -> Vec<MailView> + Clone + Send + Sync + 'static,
{
    let (front, front_of_one) = (hosts.front.clone(), hosts.front.clone());
    let (list, one) = (mailbox.clone(), mailbox.clone());
    Router::new()
        .route(
            "/",
            get(async move || tool_page("Mailbox – Latchkey demo", &front, &list_page(&list()))),
        )
        .route("/_mails", get(async move || super::ads::json(&mailbox())))
        .route(
            "/{number}",
            get(async move |Path(number): Path<String>| {
                let letters = one();
                let letter = number.parse::<usize>().ok().and_then(|number| letters.get(number));
                message(&front_of_one, letter)
            }),
        )
}

fn list_page(mails: &[MailView]) -> String {
    let items = each(mails.iter().enumerate().rev(), |(number, mail)| {
        let (to, at, subject) = (escape(&mail.to), escape(&mail.at), escape(&mail.subject));
        format!(
            "<li><div class=\"meta\"><span>{to}</span><span>{at}</span></div><a href=\"/{number}\">{subject}</a></li>"
        )
    });
    let list = if items.is_empty() {
        "<p class=\"message\">Nothing yet. Ask for a sign-in link, and it arrives here.</p>".to_owned()
    } else {
        format!("<ul class=\"mails\">{items}</ul>")
    };
    format!(
        "<h1>Mailbox</h1><p class=\"lead\">Nothing leaves this machine: every letter to any reader of the demo is shown \
         here.</p>{list}"
    )
}

fn message(front: &str, mail: Option<&MailView>) -> Response {
    let Some(mail) = mail else {
        let page = tool_page(
            "No such letter",
            front,
            "<h1>No such letter</h1><p><a href=\"/\">To the mailbox</a></p>",
        );
        return (StatusCode::NOT_FOUND, page).into_response();
    };
    // The letter is shown in a frame without scripts; its links open in the whole window.
    let html = mail.html.as_deref().map_or_else(String::new, |html| {
        let document = escape(&format!("<base target=\"_top\">{html}"));
        format!(
            "<h2>As mail programs show it</h2><iframe class=\"letter\" title=\"The letter\" \
             sandbox=\"allow-top-navigation-by-user-activation\" srcdoc=\"{document}\"></iframe>"
        )
    });
    let body = format!(
        "<p><a href=\"/\">← Mailbox</a></p><h1>{}</h1>\
         <dl class=\"head\"><dt>To</dt><dd>{}</dd><dt>Sent</dt><dd>{}</dd></dl>\
         <article class=\"message\"><pre>{}</pre></article>{html}",
        escape(&mail.subject),
        escape(&mail.to),
        escape(&mail.at),
        with_links(&mail.text)
    );
    tool_page(&mail.subject, front, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_shown_escaped_with_its_links_clickable() {
        let mail = MailView {
            to: "<reader>@example.org".to_owned(),
            subject: "Sign in & read".to_owned(),
            text: "Open http://account.localhost:8080/l/abc".to_owned(),
            html: None,
            at: "today".to_owned(),
        };
        let list = list_page(std::slice::from_ref(&mail));
        assert!(list.contains("&lt;reader&gt;@example.org") && list.contains("Sign in &amp; read"));
        assert!(list.contains("href=\"/0\""));
        assert_eq!(message("localhost:8080", None).status(), StatusCode::NOT_FOUND);
    }
}
