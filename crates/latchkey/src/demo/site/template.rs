//! The frame around every page, and the ads in it, in the markup of real ad tags (`assets/ad_markup/`).

use super::super::hosts::DemoHosts;
use super::super::html::{escape, fill};

const PAGE: &str = include_str!("../assets/page.html");
const HEAD: &str = include_str!("../assets/ad_markup/head.html");
const BODY_START: &str = include_str!("../assets/ad_markup/body_start.html");
const BODY_END: &str = include_str!("../assets/ad_markup/body_end.html");
const LEADERBOARD: &str = include_str!("../assets/ad_markup/leaderboard.html");
const SIDEBAR: &str = include_str!("../assets/ad_markup/sidebar.html");
const SIDEBAR_MORE: &str = include_str!("../assets/ad_markup/sidebar_more.html");
const ADSENSE: &str = include_str!("../assets/ad_markup/in_article_adsense.html");
const LINKED: &str = include_str!("../assets/ad_markup/in_article_linked.html");
const GPT: &str = include_str!("../assets/ad_markup/in_article_gpt.html");
const STICKY: &str = include_str!("../assets/ad_markup/in_article_sticky.html");
const BELOW: &str = include_str!("../assets/ad_markup/below.html");

/// Where an ad stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ad {
    /// A fluid AdSense unit between two paragraphs.
    Adsense,
    /// A linked picture.
    Linked,
    /// A GPT slot.
    Gpt,
    /// A plain frame that sticks to the lower edge of the window while the article is read.
    Sticky,
    /// Taboola's thumbnails.
    Below,
    /// The side column.
    Sidebar,
    /// The lower part of the side column of long pages.
    SidebarMore,
}

/// What one page puts into the frame. The texts are plain, `main` is HTML.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    pub(super) path: &'a str,
    /// `town`, `science` or `home`.
    pub(super) section: &'a str,
    /// `article`, `section`, …, for the tag manager.
    pub(super) kind: &'a str,
    /// HTML for the end of the head.
    pub(super) head: &'a str,
    pub(super) main: &'a str,
    /// Whether the page says where calls to readers go, with `data-latchkey-call`.
    pub(super) marks_calls: bool,
    pub(super) nonce: Option<&'a str>,
}

/// The frame, and the names it points to.
pub(super) struct Template {
    pub(super) hosts: DemoHosts,
}

impl Template {
    pub(super) fn new(hosts: &DemoHosts) -> Self {
        Self { hosts: hosts.clone() }
    }

    /// The address under which readers know a path.
    pub(super) fn address(&self, path: &str) -> String {
        format!("http://{}{path}", self.hosts.site)
    }

    /// An ad's markup.
    pub(super) fn ad(&self, ad: Ad, nonce: Option<&str>) -> String {
        let text = match ad {
            Ad::Adsense => ADSENSE,
            Ad::Linked => LINKED,
            Ad::Gpt => GPT,
            Ad::Sticky => STICKY,
            Ad::Below => BELOW,
            Ad::Sidebar => SIDEBAR,
            Ad::SidebarMore => SIDEBAR_MORE,
        };
        self.fill_ad(text, "", "", nonce)
    }

    fn fill_ad(&self, text: &str, section: &str, kind: &str, nonce: Option<&str>) -> String {
        let nonce = nonce_attribute(nonce);
        let values = [
            ("ads", &*self.hosts.ads),
            ("tags", &self.hosts.tags),
            ("section", section),
            ("kind", kind),
            ("nonce", &nonce),
        ];
        fill(text, &values)
    }

    /// The whole page.
    pub(super) fn page(&self, page: &Page<'_>) -> String {
        let ad = |text| self.fill_ad(text, page.section, page.kind, page.nonce);
        let current = |section: &str| {
            if page.section == section {
                " aria-current=\"true\""
            } else {
                ""
            }
        };
        let mark = |place: &str| {
            if page.marks_calls {
                format!("<div data-latchkey-call=\"{place}\"></div>\n")
            } else {
                String::new()
            }
        };
        let values = [
            ("title", &*escape(page.title)),
            ("description", &escape(page.description)),
            ("address", &self.address(page.path)),
            ("head", page.head),
            ("ad_head", &ad(HEAD)),
            ("ad_body_start", &ad(BODY_START)),
            ("ad_top", &ad(LEADERBOARD)),
            ("ad_body_end", &ad(BODY_END)),
            ("call_top", &mark("top")),
            ("call_bottom", &mark("bottom")),
            ("town_current", current("town")),
            ("science_current", current("science")),
            ("main", page.main),
        ];
        fill(PAGE, &values)
    }
}

/// ` nonce="…"`, or nothing.
pub(super) fn nonce_attribute(nonce: Option<&str>) -> String {
    nonce.map(|nonce| format!(" nonce=\"{nonce}\"")).unwrap_or_default()
}
