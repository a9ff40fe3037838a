//! The first pass: reads the page, changes nothing, and says what the rules find and where each find ends.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
};

use latchkey_entitlement::policy::RuleAction;
use lol_html::{
    AsciiCompatibleEncoding, ElementContentHandlers, HtmlRewriter, Selector, Settings, doc_text,
    errors::RewritingError,
    html_content::{Element, TextChunk, TextType},
};

use crate::{
    Compiled,
    compile::{MAX_SELECTORS, Simple, simple},
    host::{addresses, host_of},
};

/// The rule number of a find that a filter list made.
const LIST_RULE: usize = usize::MAX;
/// Most text of one script or noscript that is looked at, in bytes.
const MAX_SCRIPT_BYTES: usize = 256 * 1024;
/// Attributes that load something.
const SOURCES: [&str; 4] = ["src", "data-src", "data", "poster"];
/// Elements whose end tag leaves what is open inside them open (WHATWG HTML, "the list of active formatting elements").
const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
/// Elements that end an open `p` before they begin (WHATWG HTML, "in body": "close a p element").
const CLOSES_P: [&str; 32] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];
/// What a link that only prepares a request says in `rel`.
const HINTS: [&str; 6] = [
    "preload",
    "preconnect",
    "dns-prefetch",
    "prefetch",
    "modulepreload",
    "prerender",
];

/// Something that a rule names.
#[derive(Clone, Debug)]
pub(crate) struct Find {
    pub(crate) start: usize,
    /// End of the element in bytes; end of its start tag if it holds nothing or its end is in doubt.
    pub(crate) end: usize,
    pub(crate) rule: usize,
    pub(crate) label: Option<String>,
    pub(crate) action: RuleAction,
}

/// What the first pass saw.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) finds: Vec<Find>,
    /// Text outside scripts and styles: start and length in bytes, without white space at its ends.
    pub(crate) text: Vec<(usize, usize)>,
    pub(crate) nonce: Option<String>,
    pub(crate) head: Option<usize>,
    pub(crate) body: Option<usize>,
    pub(crate) body_closed: bool,
    /// Elements that the page marks for the call: start, and whether it is the top one.
    pub(crate) places: Vec<(usize, bool)>,
    /// Guard scripts and calls that an earlier pass put in.
    pub(crate) has_guard: bool,
    pub(crate) has_call: bool,
}

impl Page {
    /// Bytes of text between two places.
    pub(crate) fn text_within(&self, start: usize, end: usize) -> usize {
        self.text
            .iter()
            .filter(|(at, _)| *at >= start && *at < end)
            .map(|(_, bytes)| bytes)
            .sum()
    }
}

/// An element that may be found: how it ends decides what can be done.
struct Open {
    tag: String,
    start: usize,
    start_end: usize,
    holds: bool,
    found: Option<(usize, Option<String>)>,
    /// Only if nothing but markup is inside: a link around an ad's picture.
    only_without_text: bool,
}

#[derive(Default)]
struct State {
    page: Page,
    open: Vec<Open>,
    by_start: HashMap<usize, usize>,
    ends: HashMap<usize, (String, usize)>,
    /// The script or noscript whose text is being gathered.
    gathering: Option<(usize, String)>,
    classes: HashSet<String>,
    ids: HashSet<String>,
}

type Shared = Rc<RefCell<State>>;

/// Reads the page; with `strip` also looks for what the rules name.
pub(crate) fn analyse(
    compiled: &Compiled,
    input: &[u8],
    encoding: AsciiCompatibleEncoding,
    page_url: &str,
    strip: bool,
) -> Result<Page, RewritingError> {
    let listed = match (&compiled.lists, strip) {
        (Some(lists), true) => {
            let seen = pass(compiled, input, encoding, page_url, false, &Listed::default())?;
            let classes: Vec<String> = seen.classes.into_iter().collect();
            let ids: Vec<String> = seen.ids.into_iter().collect();
            Listed::new(lists.selectors(page_url, &classes, &ids))
        }
        _ => Listed::default(),
    };
    let mut state = pass(compiled, input, encoding, page_url, strip, &listed)?;
    settle(compiled, &mut state);
    Ok(state.page)
}

/// What filter lists hide on one page.
#[derive(Default)]
struct Listed {
    classes: HashSet<String>,
    ids: HashSet<String>,
    selectors: Vec<(Selector, String)>,
}

impl Listed {
    /// Selectors that the engine cannot match are left out: a list is made for browsers.
    fn new(selectors: Vec<String>) -> Self {
        let mut listed = Self::default();
        for text in selectors {
            match simple(&text) {
                Some(Simple::Class(name)) => {
                    listed.classes.insert(name.to_owned());
                }
                Some(Simple::Id(name)) => {
                    listed.ids.insert(name.to_owned());
                }
                None if listed.selectors.len() < MAX_SELECTORS => {
                    if let Ok(selector) = text.parse() {
                        listed.selectors.push((selector, text));
                    }
                }
                None => {}
            }
        }
        listed
    }
}

fn pass(
    compiled: &Compiled,
    input: &[u8],
    encoding: AsciiCompatibleEncoding,
    page_url: &str,
    strip: bool,
    listed: &Listed,
) -> Result<State, RewritingError> {
    let shared: Shared = Rc::default();
    let mut settings = Settings::new().with_encoding(encoding);
    let all = Rc::clone(&shared);
    let Ok(every) = "*".parse::<Selector>() else {
        return Ok(State::default());
    };
    settings = settings.append_element_content_handler((
        Cow::Owned(every),
        ElementContentHandlers::default().element(move |el: &mut Element<'_, '_>| {
            seen(&all, el);
            if strip && let Some((rule, label, only)) = judge(compiled, listed, page_url, el) {
                mark(&all, el, rule, label, only);
            }
            Ok(())
        }),
    ));
    if strip {
        for (selector, rule) in &compiled.selectors {
            let (shared, rule) = (Rc::clone(&shared), *rule);
            settings = settings.append_element_content_handler((
                Cow::Borrowed(selector),
                ElementContentHandlers::default().element(move |el: &mut Element<'_, '_>| {
                    mark(&shared, el, rule, None, false);
                    Ok(())
                }),
            ));
        }
        for (selector, text) in &listed.selectors {
            let shared = Rc::clone(&shared);
            settings = settings.append_element_content_handler((
                Cow::Borrowed(selector),
                ElementContentHandlers::default().element(move |el: &mut Element<'_, '_>| {
                    mark(&shared, el, LIST_RULE, Some(format!("list {text}")), false);
                    Ok(())
                }),
            ));
        }
    }
    let texts = Rc::clone(&shared);
    settings = settings.append_document_content_handler(doc_text!(move |chunk| {
        read_text(compiled, &texts, chunk, strip);
        Ok(())
    }));
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
    rewriter.write(input)?;
    rewriter.end()?;
    Ok(shared.take())
}

/// Notes an element and asks to be told where it ends.
fn seen(shared: &Shared, el: &mut Element<'_, '_>) {
    let location = el.source_location().bytes();
    let (start, start_end) = (location.start, location.end);
    let tag = el.tag_name();
    let mut state = shared.borrow_mut();
    match tag.as_str() {
        "head" => state.page.head = state.page.head.or(Some(start)),
        "body" => state.page.body = state.page.body.or(Some(start)),
        "script" => {
            if let Some(nonce) = el.get_attribute("nonce").filter(|nonce| !nonce.is_empty()) {
                state.page.nonce.get_or_insert(nonce);
            }
            if el.has_attribute("data-latchkey-guard") {
                state.page.has_guard = true;
            }
            let text = if el.has_attribute("src") {
                None
            } else {
                Some((start, String::new()))
            };
            state.gathering = text;
        }
        "noscript" => state.gathering = Some((start, String::new())),
        _ => {}
    }
    if let Some(place) = el.get_attribute("data-latchkey-call") {
        state.page.places.push((start, place != "bottom"));
    }
    if let Some(id) = el.get_attribute("id") {
        state.ids.insert(id);
    }
    if let Some(classes) = el.get_attribute("class") {
        if classes.split_ascii_whitespace().any(|class| class == "latchkey-call") {
            state.page.has_call = true;
        }
        state
            .classes
            .extend(classes.split_ascii_whitespace().map(str::to_owned));
    }
    let holds = el.can_have_content();
    let index = state.open.len();
    state.by_start.insert(start, index);
    let is_body = tag == "body";
    state.open.push(Open {
        tag,
        start,
        start_end,
        holds,
        found: None,
        only_without_text: false,
    });
    drop(state);
    if holds {
        let ends = Rc::clone(shared);
        // Refused for elements without an end tag alone, which hold nothing.
        let _ = el.on_end_tag(Box::new(move |end| {
            let mut state = ends.borrow_mut();
            state.page.body_closed |= is_body && end.name() == "body";
            state
                .ends
                .insert(start, (end.name(), end.source_location().bytes().end));
            Ok(())
        }));
    }
}

fn mark(shared: &Shared, el: &Element<'_, '_>, rule: usize, label: Option<String>, only_without_text: bool) {
    let start = el.source_location().bytes().start;
    let mut state = shared.borrow_mut();
    let Some(index) = state.by_start.get(&start).copied() else {
        return;
    };
    if let Some(open) = state.open.get_mut(index)
        && open.found.is_none()
    {
        open.found = Some((rule, label));
        open.only_without_text = only_without_text;
    }
}

/// The rule for an element by its classes, its id, or what it loads.
fn judge(
    compiled: &Compiled,
    listed: &Listed,
    page_url: &str,
    el: &Element<'_, '_>,
) -> Option<(usize, Option<String>, bool)> {
    let tag = el.tag_name();
    if tag == "html" || tag == "body" || tag == "head" {
        return None;
    }
    if let Some(id) = el.get_attribute("id") {
        if let Some(rule) = compiled.ids.get(&id) {
            return Some((*rule, None, false));
        }
        if listed.ids.contains(&id) {
            return Some((LIST_RULE, Some(format!("list #{id}")), false));
        }
    }
    if let Some(classes) = el.get_attribute("class") {
        for class in classes.split_ascii_whitespace() {
            if let Some(rule) = compiled.classes.get(class) {
                return Some((*rule, None, false));
            }
            if listed.classes.contains(class) {
                return Some((LIST_RULE, Some(format!("list .{class}")), false));
            }
        }
    }
    by_address(compiled, page_url, el, &tag)
}

fn by_address(
    compiled: &Compiled,
    page_url: &str,
    el: &Element<'_, '_>,
    tag: &str,
) -> Option<(usize, Option<String>, bool)> {
    let kind = match tag {
        "script" => "script",
        "iframe" | "frame" => "sub_frame",
        "img" | "input" => "image",
        "source" | "video" | "audio" | "track" => "media",
        "embed" | "object" => "object",
        "link" => {
            let rel = el.get_attribute("rel")?.to_ascii_lowercase();
            let hint = rel
                .split_ascii_whitespace()
                .any(|word| HINTS.contains(&word) || word == "stylesheet");
            let address = el.get_attribute("href").filter(|_| hint)?;
            return compiled.hosts.find_address(&address).map(|rule| (rule, None, false));
        }
        "a" => {
            let address = el.get_attribute("href")?;
            return compiled.hosts.find_address(&address).map(|rule| (rule, None, true));
        }
        _ => return None,
    };
    for name in SOURCES {
        let Some(address) = el.get_attribute(name) else {
            continue;
        };
        if let Some(rule) = compiled.hosts.find_address(&address) {
            return Some((rule, None, false));
        }
        if compiled
            .lists
            .as_ref()
            .is_some_and(|lists| lists.blocks(&address, page_url, kind))
        {
            let host = host_of(&address).unwrap_or_else(|| "this site".to_owned());
            return Some((LIST_RULE, Some(format!("list {kind} {host}")), false));
        }
    }
    let srcset = el.get_attribute("srcset")?;
    let rule = addresses(&srcset).find_map(|address| compiled.hosts.find_address(address))?;
    Some((rule, None, false))
}

/// Gathers the whole text of scripts and noscripts, which is judged as one, and measures the rest.
fn read_text(compiled: &Compiled, shared: &Shared, chunk: &mut TextChunk<'_>, strip: bool) {
    let mut state = shared.borrow_mut();
    match chunk.text_type() {
        TextType::Data | TextType::PlainText | TextType::RCData => {
            let text = chunk.as_str().trim();
            if !text.is_empty() {
                let at = chunk.source_location().bytes().start;
                state.page.text.push((at, text.len()));
            }
            return;
        }
        TextType::RawText | TextType::ScriptData | TextType::CDataSection => {}
    }
    let Some((start, text)) = state.gathering.as_mut() else {
        return;
    };
    if text.len() + chunk.as_str().len() <= MAX_SCRIPT_BYTES {
        text.push_str(chunk.as_str());
    }
    if !chunk.last_in_text_node() {
        return;
    }
    let (start, text) = (*start, std::mem::take(text));
    state.gathering = None;
    let Some(open) = state
        .by_start
        .get(&start)
        .copied()
        .and_then(|index| state.open.get_mut(index))
    else {
        return;
    };
    if strip && open.found.is_none() {
        let rule = if open.tag == "noscript" {
            addresses(&text).find_map(|address| compiled.hosts.find_address(address))
        } else {
            compiled
                .inline
                .iter()
                .find(|(needle, _)| text.contains(needle))
                .map(|(_, rule)| *rule)
        };
        open.found = rule.map(|rule| (rule, None));
    }
}

/// Turns what was found into what can be done, now that every end is known.
fn settle(compiled: &Compiled, state: &mut State) {
    let opened = std::mem::take(&mut state.open);
    let closes_others: HashSet<usize> = opened
        .iter()
        .filter_map(|open| {
            state
                .ends
                .get(&open.start)
                .filter(|(name, _)| *name != open.tag)
                .map(|(_, end)| *end)
        })
        .collect();
    let closers: Vec<usize> = opened
        .iter()
        .filter(|open| CLOSES_P.contains(&open.tag.as_str()))
        .map(|open| open.start)
        .collect();
    for open in opened {
        let Some((rule, label)) = open.found else { continue };
        let wanted = compiled.rules.get(rule).map_or(RuleAction::Remove, |rule| rule.action);
        let end = state
            .ends
            .get(&open.start)
            .filter(|(name, _)| *name == open.tag)
            .map(|(_, end)| *end);
        // `</b>` closes no block in a browser: what is open inside it goes on behind it.
        let end = end.filter(|end| !(open.tag == "p" && closers.iter().any(|at| open.start < *at && at < end)));
        let end = end.filter(|end| !(FORMATTING.contains(&open.tag.as_str()) && closes_others.contains(end)));
        let (action, end) = match (open.holds, end) {
            (false, _) => (wanted, open.start_end),
            (true, Some(end)) => (wanted, end),
            // The parser would remove up to some ancestor's end; a browser ends the element earlier. The start tag is safe.
            (true, None) => (RuleAction::Hide, open.start_end),
        };
        if open.only_without_text && state.page.text_within(open.start, end) > 0 {
            continue;
        }
        // A hidden script still runs, and hiding it changes nothing.
        if action == RuleAction::Hide && matches!(open.tag.as_str(), "script" | "noscript" | "link" | "style") {
            continue;
        }
        state.page.finds.push(Find {
            start: open.start,
            end,
            rule,
            label,
            action,
        });
    }
}
