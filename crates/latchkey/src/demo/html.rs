//! The little HTML that the demo's parts share: escaping, filling in templates, and the look of its tool pages.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

const TOOLS_CSS: &str = include_str!("assets/tools.css");
const TOOL_PAGE: &str = include_str!("assets/tool_page.html");

/// `text` made safe for element content and for attribute values in double or single quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Puts `values` in place of `{{name}}`, in one pass, so that what was put in is never itself filled in.
/// A name without a value stays as it is, which the tests look for.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            break;
        };
        if let Some((_, value)) = values.iter().find(|(key, _)| *key == name) {
            out.push_str(value);
        } else {
            out.push_str("{{");
            out.push_str(name);
            out.push_str("}}");
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// `text` escaped, with what looks like a web address made a link.
pub(crate) fn with_links(text: &str) -> String {
    each(text.split_inclusive(char::is_whitespace), |piece| {
        let word = piece.trim_end();
        let gap = piece.strip_prefix(word).unwrap_or_default();
        if !(word.starts_with("http://") || word.starts_with("https://")) {
            return escape(piece);
        }
        let address = word.trim_end_matches(['.', ',', ')', ';', '!', '?']);
        let after = word.strip_prefix(address).unwrap_or_default();
        let address = escape(address);
        format!("<a href=\"{address}\">{address}</a>{}{gap}", escape(after))
    })
}

/// A whole page in the look of the demo's tools (front page, mailbox, counters). `body` is HTML, `title` text.
pub(crate) fn tool_page(title: &str, front: &str, body: &str) -> Response {
    let values = [
        ("title", &*escape(title)),
        ("css", TOOLS_CSS),
        ("front", front),
        ("body", body),
    ];
    uncached("text/html; charset=utf-8", fill(TOOL_PAGE, &values))
}

/// The HTML of each item, one after the other.
pub(crate) fn each<T>(items: impl IntoIterator<Item = T>, html: impl Fn(T) -> String) -> String {
    items.into_iter().fold(String::new(), |all, item| all + &html(item))
}

/// An answer that nothing may keep.
pub(crate) fn uncached(content_type: &'static str, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_in_is_not_filled_in_again() {
        assert_eq!(
            fill("a {{x}} b {{y}} {{z}} {{", &[("x", "{{y}}"), ("y", "2")]),
            "a {{y}} b 2 {{z}} {{"
        );
    }

    #[test]
    fn addresses_in_plain_text_become_links_without_the_full_stop() {
        let html = with_links("Open http://a.localhost/x?y=1&z=2.\nThen <b>");
        assert_eq!(
            html,
            "Open <a href=\"http://a.localhost/x?y=1&amp;z=2\">http://a.localhost/x?y=1&amp;z=2</a>.\nThen &lt;b&gt;"
        );
    }
}
