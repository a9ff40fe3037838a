//! The one function that changes a page, and what it says of it.

use std::collections::BTreeMap;

use latchkey_entitlement::policy::RuleAction;
use lol_html::AsciiCompatibleEncoding;

use crate::{
    Compiled,
    analyse::{Find, Page, analyse},
    edit::{Edit, edit},
};

/// Most text that rules may take from a page, in per cent of the text outside scripts and styles. Beyond it the rules are wrong.
pub const MAX_REMOVED_TEXT_PERCENT: usize = 50;
/// Pages with less text than this, in bytes, are not judged by their share: a teaser page may be mostly ads.
const MIN_JUDGED_TEXT: usize = 2_000;

/// What is to be done to a page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'a> {
    /// Take ads out.
    pub strip: bool,
    /// Address of the guard script to put first in `<head>`; needs `strip`.
    pub guard_src: Option<&'a str>,
    /// Call or thanks to put in.
    pub call: Option<Call<'a>>,
    /// Give the guard script the nonce of the page's own scripts (Content Security Policy).
    pub nonce_from_page: bool,
}

/// Markup for the top and the bottom of a page: after `<body>` and before `</body>`, or into the elements that the page
/// marks with `data-latchkey-call="top"` and `"bottom"`.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// For the top.
    pub html_top: &'a str,
    /// For the bottom.
    pub html_bottom: &'a str,
}

/// What one rule took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Id of the rule.
    pub rule: String,
    /// How many elements.
    pub count: u32,
    /// How many bytes of markup.
    pub bytes: u64,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something was changed.
    Changed,
    /// There was nothing to change, or the page is of a kind that is not touched.
    Unchanged,
    /// The page was given back as it came, because changing it might have hurt it.
    Original {
        /// Why.
        reason: String,
        /// The rule that would have hurt it, if one did.
        rule: Option<String>,
        /// Where, in bytes from the start of the page.
        offset: usize,
    },
}

/// A page after [`rewrite`].
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The page.
    pub html: Vec<u8>,
    /// What was removed, by rule.
    pub removed: Vec<Removal>,
    /// How it ended.
    pub verdict: Verdict,
}

impl Outcome {
    fn as_it_came(input: &[u8], verdict: Verdict) -> Self {
        Self {
            html: input.to_vec(),
            removed: vec![],
            verdict,
        }
    }
}

/// Changes a page. Never fails: whatever cannot be changed safely comes back byte for byte.
///
/// `charset` is that of the Content-Type, if it has one; without it UTF-8 and the page's own `<meta charset>` count. Only
/// encodings in which ASCII stays ASCII are touched. `page_url` is the page's address.
pub fn rewrite(
    compiled: &Compiled,
    input: &[u8],
    charset: Option<&str>,
    page_url: &str,
    change: &Change<'_>,
) -> Outcome {
    let Some(encoding) = encoding(input, charset) else {
        return Outcome::as_it_came(input, Verdict::Unchanged);
    };
    let page = match analyse(compiled, input, encoding, page_url, change.strip) {
        Ok(page) => page,
        Err(error) => return doubtful(input, format!("the page cannot be parsed: {error}"), None, 0),
    };
    let finds = outermost(page.finds.clone());
    if let Some((rule, offset)) = over_budget(&page, &finds) {
        let rule = compiled.rules.get(rule).map(|rule| rule.id.clone());
        return doubtful(
            input,
            format!("rules would take more than {MAX_REMOVED_TEXT_PERCENT} per cent of the text"),
            rule,
            offset,
        );
    }
    let plan = Edit::new(&page, &finds, change);
    if plan.is_empty() {
        return Outcome::as_it_came(input, Verdict::Unchanged);
    }
    match edit(&plan, input, encoding) {
        Ok(html) => Outcome {
            html,
            removed: removals(compiled, &finds),
            verdict: Verdict::Changed,
        },
        Err(error) => doubtful(input, format!("the page cannot be changed: {error}"), None, 0),
    }
}

fn doubtful(input: &[u8], reason: String, rule: Option<String>, offset: usize) -> Outcome {
    Outcome::as_it_came(input, Verdict::Original { reason, rule, offset })
}

/// The encoding of the page; none if it is not one in which ASCII stays ASCII. A byte order mark beats the header.
fn encoding(input: &[u8], charset: Option<&str>) -> Option<AsciiCompatibleEncoding> {
    if let Some((marked, _)) = encoding_rs::Encoding::for_bom(input) {
        return AsciiCompatibleEncoding::new(marked);
    }
    match charset {
        None => Some(AsciiCompatibleEncoding::utf_8()),
        Some(label) => {
            let label = label.trim().trim_matches('"');
            encoding_rs::Encoding::for_label(label.as_bytes()).and_then(AsciiCompatibleEncoding::new)
        }
    }
}

/// Finds that lie in no other find that goes with all it holds.
fn outermost(mut finds: Vec<Find>) -> Vec<Find> {
    finds.sort_by_key(|find| find.start);
    let mut covered = 0;
    finds.retain(|find| {
        let inside = find.start < covered;
        if !inside && matches!(find.action, RuleAction::Remove | RuleAction::Empty) {
            covered = find.end;
        }
        !inside
    });
    finds
}

/// The greediest find, if all together take too much of the text.
fn over_budget(page: &Page, finds: &[Find]) -> Option<(usize, usize)> {
    let total: usize = page.text.iter().map(|(_, bytes)| bytes).sum();
    if total < MIN_JUDGED_TEXT {
        return None;
    }
    let taken = |find: &Find| match find.action {
        RuleAction::Unwrap => 0,
        RuleAction::Remove | RuleAction::Empty | RuleAction::Hide => page.text_within(find.start, find.end),
    };
    let all: usize = finds.iter().map(taken).sum();
    let greediest = finds.iter().max_by_key(|find| taken(find))?;
    (all * 100 > total * MAX_REMOVED_TEXT_PERCENT).then_some((greediest.rule, greediest.start))
}

fn removals(compiled: &Compiled, finds: &[Find]) -> Vec<Removal> {
    let mut by_rule: BTreeMap<usize, Removal> = BTreeMap::new();
    for find in finds {
        let name = || {
            find.label
                .clone()
                .or_else(|| compiled.rules.get(find.rule).map(|rule| rule.id.clone()))
        };
        let entry = by_rule.entry(find.rule).or_insert_with(|| Removal {
            rule: name().unwrap_or_default(),
            count: 0,
            bytes: 0,
        });
        entry.count += 1;
        entry.bytes += u64::try_from(find.end.saturating_sub(find.start)).unwrap_or(u64::MAX);
    }
    by_rule.into_values().collect()
}
