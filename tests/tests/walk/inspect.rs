//! What the pages themselves must be like, measured in the browser.

use serde_json::Value;

use crate::browser::Browser;
use fantoccini::key::Key;

const FAULTS: &str = include_str!("inspect/faults.js");
const FOCUS: &str = include_str!("inspect/focus.js");
const CONTRAST: &str = include_str!("inspect/contrast.js");

/// Most tabs until the focus is through a page of ours.
const MAX_STOPS: usize = 60;

fn list(found: &Value) -> Vec<String> {
    serde_json::from_value(found.clone()).expect("a list of faults")
}

/// Fails unless the page has one first heading, a language, a title, landmarks, a label for each field, and no tab order of its own.
pub(crate) async fn is_accessible(browser: &Browser, page: &str) {
    let faults = list(&browser.script(FAULTS).await);
    assert!(faults.is_empty(), "{page}: {faults:#?}");
    let unseen = unseen_focus(browser).await;
    assert!(unseen.is_empty(), "{page}: the focus cannot be seen on {unseen:#?}");
}

/// Walks through the page with the Tab key; what shows no outline where the focus is.
async fn unseen_focus(browser: &Browser) -> Vec<String> {
    let (mut unseen, mut stops) = (vec![], 0);
    for _ in 0..MAX_STOPS {
        browser.key(Key::Tab).await;
        let stop = browser.script(FOCUS).await;
        if stop["again"] == true || stop["name"].is_null() {
            break;
        }
        stops += 1;
        if stop["seen"] != true {
            unseen.push(stop["name"].to_string());
        }
    }
    assert!(stops > 0, "the Tab key leads nowhere");
    unseen
}

/// Fails if a text has a contrast below 4.5:1 (3:1 where it is large) against what is behind it (WCAG 2.2, 1.4.3).
pub(crate) async fn has_contrast(browser: &Browser, page: &str) {
    let faults = list(&browser.script(CONTRAST).await);
    assert!(faults.is_empty(), "{page}: {faults:#?}");
}

/// Fails if the page must be scrolled sideways.
pub(crate) async fn fits(browser: &Browser, page: &str) {
    let sizes = browser
        .script("return [document.documentElement.scrollWidth, document.documentElement.clientWidth];")
        .await;
    assert_eq!(sizes[1], 390, "{page}: the window is not a telephone's");
    let wide = browser
        .script(
            "return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 391) \
             .map(e => e.outerHTML.slice(0, 120)).slice(0, 5);",
        )
        .await;
    assert_eq!(sizes[0], 390, "{page} must be scrolled sideways because of {wide:#}");
}
