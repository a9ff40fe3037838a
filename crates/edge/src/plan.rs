//! What is to be done with the answer to one request, decided before the origin is asked.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderValue, Method, Request,
    header::{ACCEPT_ENCODING, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE},
};

use crate::{
    Edge,
    edge::Visit,
    reader::{Reader, accepts_html},
    sites::Words,
    wellformed::rule_path,
};

/// Ends of paths that are no pages, for requests that do not say what they are for.
const NO_PAGES: [&str; 22] = [
    ".avif", ".css", ".gif", ".ico", ".jpeg", ".jpg", ".js", ".json", ".m3u8", ".m4s", ".map", ".mjs", ".mp3", ".mp4",
    ".pdf", ".png", ".svg", ".ts", ".webm", ".webp", ".woff", ".woff2",
];

/// What is to be done with an answer, if it turns out to be a page.
pub(crate) struct Plan {
    /// Whether ads are taken out.
    pub(crate) strip: bool,
    /// The call or the thanks.
    pub(crate) words: Option<Arc<Words>>,
    /// Whether the page is shown in a frame of another, where no call belongs.
    pub(crate) framed: bool,
    /// Whether the answer is looked at in the first place.
    pub(crate) active: bool,
    /// Whether the request asks for a page by name, so that a part of one makes no sense.
    pub(crate) asks_for_page: bool,
    /// Whether the browser said that it holds this very variant, so that 304 means the variant.
    pub(crate) mapped: bool,
    /// End of the `ETag` of a page that was changed so.
    pub(crate) tag: String,
    /// Address of the page, as the reader sees it.
    pub(crate) url: String,
    /// Whether the answer may be remembered.
    pub(crate) may_remember: bool,
}

impl Plan {
    /// An error page is stripped for payers, and is otherwise left alone: nobody is asked for support, or thanked, where
    /// something went wrong. It is not remembered either, since the same address may be a page at the next request.
    pub(crate) fn for_error_page(&mut self) {
        self.words = None;
        self.active &= self.strip;
        self.may_remember = false;
    }

    pub(crate) fn of<B>(edge: &Edge, visit: &Visit, reader: &Reader, request: &Request<B>) -> Self {
        let headers = request.headers();
        let destination = headers.get("sec-fetch-dest").and_then(|value| value.to_str().ok());
        let framed = matches!(
            destination,
            Some("iframe" | "frame" | "embed" | "object" | "fencedframe")
        );
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let path = request.uri().path();
        let payer = reader.class.ad_free();
        let strip = payer && !visit.site.is_excepted(&rule_path(path));
        let words = if framed {
            None
        } else if payer {
            visit.site.thanks()
        } else {
            // The way back after paying must be one that every party takes.
            visit
                .site
                .call(crate::wellformed::to_path(target).unwrap_or("/"))
                .map(Arc::new)
        };
        let asks_for_page = match destination {
            Some(name) => name == "document" || framed,
            None => accepts_html(headers),
        };
        let could_be =
            payer && matches!(destination, None | Some("empty")) && !NO_PAGES.iter().any(|end| path.ends_with(end));
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let fetched_page = destination == Some("empty") && accepts_html(headers);
        let active = reads && (strip || words.is_some()) && (asks_for_page || could_be || fetched_page);
        let framing = if framed { "f" } else { "" };
        Self {
            strip,
            words,
            framed,
            active,
            asks_for_page,
            mapped: false,
            tag: format!(
                "-{}-{}{framing}",
                reader.class.to_string().replace(' ', "+"),
                visit.site.variant
            ),
            url: format!("{}{target}", visit.host.base()),
            may_remember: !headers.contains_key(http::header::AUTHORIZATION) && edge.config.limits.max_memo_bytes > 0,
        }
    }

    /// Makes the request one whose answer can be changed.
    pub(crate) fn prepare(&mut self, headers: &mut HeaderMap) {
        if !self.active {
            return;
        }
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let ours = self.original_tags(headers);
        self.mapped = ours.is_some();
        if self.asks_for_page {
            headers.remove(RANGE);
            headers.remove(IF_RANGE);
            // The origin's date says nothing of the rules, and a tag of its own nothing of what was done to the page.
            headers.remove(IF_MODIFIED_SINCE);
            headers.remove(IF_NONE_MATCH);
        }
        if let Some(tags) = ours {
            headers.remove(IF_MODIFIED_SINCE);
            headers.insert(IF_NONE_MATCH, tags);
        }
    }

    /// The origin's tags behind those of ours that the browser holds for this very variant.
    fn original_tags(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let originals: Vec<String> = headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .filter_map(|tag| {
                tag.trim()
                    .trim_start_matches("W/")
                    .strip_prefix('"')?
                    .strip_suffix('"')?
                    .strip_suffix(self.tag.as_str())
            })
            // Some origins compare text, so that both forms are offered; comparison is weak anyway (RFC 9110 section 13.1.2).
            .map(|original| format!("\"{original}\", W/\"{original}\""))
            .collect();
        if originals.is_empty() {
            None
        } else {
            HeaderValue::from_str(&originals.join(", ")).ok()
        }
    }

    /// The tag of the changed page.
    pub(crate) fn variant_tag(&self, original: &HeaderValue) -> Option<HeaderValue> {
        let text = original.to_str().ok()?.trim().trim_start_matches("W/");
        let opaque = text.strip_prefix('"')?.strip_suffix('"')?;
        // A comma would be read as the end of a tag when it comes back.
        (!opaque.contains(','))
            .then(|| HeaderValue::from_str(&format!("W/\"{opaque}{}\"", self.tag)).ok())
            .flatten()
    }
}
