//! The second pass: does what the first one found to be safe.

use std::{cell::Cell, collections::HashMap, fmt::Write as _, rc::Rc};

use latchkey_entitlement::policy::RuleAction;
use lol_html::{
    AsciiCompatibleEncoding, HtmlRewriter, Settings, element, end,
    errors::RewritingError,
    html_content::{ContentType, Element},
};

use crate::{
    analyse::{Find, Page},
    rewrite::Change,
};

/// What is done where: keyed by the byte at which a start tag begins.
pub(crate) struct Edit {
    actions: HashMap<usize, RuleAction>,
    /// Put first into an element.
    first: HashMap<usize, String>,
    /// Put last into an element.
    last: HashMap<usize, String>,
    /// Put in place of what an element holds.
    inner: HashMap<usize, String>,
    /// Put at the end of the page, whose `</body>` is missing.
    tail: Option<String>,
}

impl Edit {
    pub(crate) fn new(page: &Page, finds: &[Find], change: &Change<'_>) -> Self {
        let mut edit = Self {
            actions: finds.iter().map(|find| (find.start, find.action)).collect(),
            first: HashMap::new(),
            last: HashMap::new(),
            inner: HashMap::new(),
            tail: None,
        };
        edit.put_call(page, change);
        edit.put_guard(page, change);
        edit
    }

    fn put_call(&mut self, page: &Page, change: &Change<'_>) {
        let (Some(call), Some(body), false) = (change.call, page.body, page.has_call) else {
            return;
        };
        let mut marked = [false, false];
        for (start, top) in &page.places {
            let text = if *top { call.html_top } else { call.html_bottom };
            self.inner.insert(*start, text.to_owned());
            marked = [marked[0] || *top, marked[1] || !*top];
        }
        if !marked[0] && !call.html_top.is_empty() {
            self.first.insert(body, call.html_top.to_owned());
        }
        if !marked[1] && !call.html_bottom.is_empty() {
            if page.body_closed {
                self.last.insert(body, call.html_bottom.to_owned());
            } else {
                self.tail = Some(call.html_bottom.to_owned());
            }
        }
    }

    fn put_guard(&mut self, page: &Page, change: &Change<'_>) {
        let (true, Some(src), false) = (change.strip, change.guard_src, page.has_guard) else {
            return;
        };
        let Some(place) = page.head.or(page.body) else { return };
        let nonce = page.nonce.as_deref().filter(|_| change.nonce_from_page);
        let nonce = nonce
            .map(|nonce| format!(" nonce=\"{}\"", escape(nonce)))
            .unwrap_or_default();
        let script = format!("<script data-latchkey-guard src=\"{}\"{nonce}></script>", escape(src));
        let before = self.first.remove(&place).unwrap_or_default();
        self.first.insert(place, script + &before);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.actions.is_empty()
            && self.first.is_empty()
            && self.last.is_empty()
            && self.inner.is_empty()
            && self.tail.is_none()
    }

    fn apply(&self, el: &mut Element<'_, '_>) {
        let start = el.source_location().bytes().start;
        match self.actions.get(&start) {
            None => {}
            Some(RuleAction::Remove) => el.remove(),
            Some(RuleAction::Empty) => el.set_inner_content("", ContentType::Html),
            Some(RuleAction::Unwrap) => el.remove_and_keep_content(),
            Some(RuleAction::Hide) => {
                // Both names are valid, and the page's own style may come later than the attribute `hidden`.
                let _ = el.set_attribute("hidden", "");
                let _ = el.set_attribute("style", "display:none!important");
            }
        }
        if let Some(text) = self.inner.get(&start) {
            el.set_inner_content(text, ContentType::Html);
        }
        if let Some(text) = self.first.get(&start) {
            el.prepend(text, ContentType::Html);
        }
        if let Some(text) = self.last.get(&start) {
            el.append(text, ContentType::Html);
        }
    }
}

/// For an attribute in double quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Pages are in many encodings; a number is the same in all of them.
            c if !c.is_ascii() => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Applies the edit to the page from which it was made.
pub(crate) fn edit(plan: &Edit, input: &[u8], encoding: AsciiCompatibleEncoding) -> Result<Vec<u8>, RewritingError> {
    let mut output = Vec::with_capacity(input.len() + 1024);
    let ended = Rc::new(Cell::new(false));
    let end_seen = Rc::clone(&ended);
    let settings = Settings::new()
        .with_encoding(encoding)
        .append_element_content_handler(element!("*", |el| {
            plan.apply(el);
            Ok(())
        }))
        .append_document_content_handler(end!(move |end| {
            if let Some(tail) = &plan.tail {
                end.append(tail, ContentType::Html);
            }
            end_seen.set(true);
            Ok(())
        }));
    let mut rewriter = HtmlRewriter::new(settings, |bytes: &[u8]| output.extend_from_slice(bytes));
    rewriter.write(input)?;
    rewriter.end()?;
    Ok(output)
}
