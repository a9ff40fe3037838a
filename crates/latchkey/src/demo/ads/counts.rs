//! What the ad server was asked for: by page, by reader, by kind.

use serde::Serialize;
use std::collections::BTreeMap;

/// Beyond so many pages or readers, new ones are counted together under [`REST`].
const MAX_NAMES: usize = 1_000;
/// How many of the newest requests are kept by name.
const MAX_LATEST: usize = 20;
/// A page path longer than this is cut.
const MAX_NAME_CHARS: usize = 200;
const REST: &str = "(all others)";
/// A browser's first requests, made before it had the cookie.
const FIRST_VISIT: &str = "(no cookie yet)";

/// Every request since the start or the last reset.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct AdCounts {
    /// All requests.
    pub(crate) total: u64,
    /// By `script`, `frame`, `banner`, `pixel`, `bid`, `click`, `other`.
    pub(crate) by_kind: BTreeMap<&'static str, u64>,
    /// By the news site's path.
    pub(crate) by_page: BTreeMap<String, PageCount>,
    /// By the value of the `adv` cookie.
    pub(crate) by_reader: BTreeMap<String, u64>,
    /// The paths that were asked for last, newest last.
    pub(crate) latest: Vec<String>,
}

/// The requests that one page caused.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct PageCount {
    /// All requests of this page.
    pub(crate) total: u64,
    /// By the value of the `adv` cookie.
    pub(crate) by_reader: BTreeMap<String, u64>,
}

impl PageCount {
    /// How many readers are known by their cookie.
    pub(super) fn readers(&self) -> usize {
        self.by_reader.keys().filter(|reader| *reader != FIRST_VISIT).count()
    }
}

/// One request as it is counted.
pub(super) struct Seen<'a> {
    pub(super) path: &'a str,
    pub(super) page: &'a str,
    pub(super) reader: Option<&'a str>,
}

impl AdCounts {
    pub(super) fn add(&mut self, seen: &Seen<'_>) {
        let reader = seen.reader.unwrap_or(FIRST_VISIT);
        self.total += 1;
        *self.by_kind.entry(kind(seen.path)).or_default() += 1;
        *slot(&mut self.by_reader, reader) += 1;
        let of_page = slot(&mut self.by_page, seen.page);
        of_page.total += 1;
        *slot(&mut of_page.by_reader, reader) += 1;
        if self.latest.len() >= MAX_LATEST {
            self.latest.remove(0);
        }
        self.latest.push(seen.path.chars().take(MAX_NAME_CHARS).collect());
    }
}

fn slot<'a, T: Default>(map: &'a mut BTreeMap<String, T>, name: &str) -> &'a mut T {
    let name: String = name.chars().take(MAX_NAME_CHARS).collect();
    let full = map.len() >= MAX_NAMES && !map.contains_key(&name);
    map.entry(if full { REST.to_owned() } else { name }).or_default()
}

fn kind(path: &str) -> &'static str {
    let is_script = path.rsplit_once('.').is_some_and(|(_, extension)| extension == "js");
    match path.split('/').nth(1) {
        _ if is_script => "script",
        Some("frame") => "frame",
        Some("banner") => "banner",
        Some("pixel.gif") => "pixel",
        Some("bid") => "bid",
        Some("click") => "click",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_by_page_reader_and_kind() {
        let mut counts = AdCounts::default();
        counts.add(&Seen {
            path: "/tag/js/gpt.js",
            page: "/",
            reader: Some("one"),
        });
        counts.add(&Seen {
            path: "/frame",
            page: "/",
            reader: Some("two"),
        });
        counts.add(&Seen {
            path: "/what",
            page: "/town/x",
            reader: None,
        });
        assert_eq!(counts.total, 3);
        assert_eq!(
            counts.by_kind,
            BTreeMap::from([("frame", 1), ("other", 1), ("script", 1)])
        );
        assert_eq!(counts.by_page["/"].total, 2);
        assert_eq!(counts.by_page["/"].by_reader["two"], 1);
        assert_eq!(counts.by_reader[FIRST_VISIT], 1);
    }

    #[test]
    fn a_flood_of_names_does_not_grow_the_count_without_end() {
        let mut counts = AdCounts::default();
        for number in 0..3 * MAX_NAMES {
            counts.add(&Seen {
                path: "/frame",
                page: &format!("/{number}"),
                reader: Some("r"),
            });
        }
        assert_eq!(counts.by_page.len(), MAX_NAMES + 1);
        assert_eq!(counts.total, 3 * MAX_NAMES as u64);
        assert_eq!(counts.latest.len(), MAX_LATEST);
    }
}
