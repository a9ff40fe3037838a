//! Real articles of real publishers through a running edge. Needs `../shared/pages` beside the repository (see the design, section 7) and
//! is skipped where that is not there.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it cannot go on"
)]

mod kit;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use axum::{Router, extract::Path as Parameter, routing::get};
use kit::{Kit, Setup, origin::html};

fn pages() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/pages");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: {} is not there", folder.display());
        return vec![];
    };
    let mut pages: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect();
    pages.retain(|(_, path)| path.join("source.html").is_file());
    pages.sort();
    pages
}

fn origin() -> Router {
    let sources = pages();
    Router::new().route(
        "/{name}",
        get(move |Parameter(name): Parameter<String>| {
            let (_, folder) = sources.iter().find(|(known, _)| *known == name).unwrap();
            let page = std::fs::read_to_string(folder.join("source.html")).unwrap();
            async move { html(page) }
        }),
    )
}

/// Words outside tags, scripts, styles and comments.
fn words(html: &str) -> Vec<String> {
    let lower = html.to_ascii_lowercase();
    let mut text = String::new();
    let mut at = 0;
    while let Some(open) = html[at..].find('<').map(|n| at + n) {
        text.push_str(&html[at..open]);
        text.push(' ');
        let hidden = ["script", "style", "noscript", "template"]
            .iter()
            .find(|name| lower[open + 1..].starts_with(**name));
        let end = if lower[open..].starts_with("<!--") {
            lower[open..].find("-->").map(|n| open + n + 3)
        } else if let Some(name) = hidden {
            lower[open..]
                .find(&format!("</{name}"))
                .and_then(|n| lower[open + n..].find('>').map(|m| open + n + m + 1))
        } else {
            tag_end(&html[open..]).map(|n| open + n)
        };
        at = end.unwrap_or(html.len());
    }
    text.push_str(&html[at..]);
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn sequences(html: &str) -> HashSet<Vec<String>> {
    words(html).windows(5).map(<[String]>::to_vec).collect()
}

async fn serve() -> Option<Kit> {
    if pages().is_empty() {
        return None;
    }
    Some(Setup::new(origin()).without_calls().start().await)
}

#[tokio::test]
async fn a_free_reader_gets_the_publishers_page_to_the_byte() {
    let Some(kit) = serve().await else { return };
    for (name, folder) in pages() {
        let answer = kit.visit(&format!("/{name}"), "").await;
        assert!(
            answer.body == std::fs::read(folder.join("source.html")).unwrap(),
            "{name} was changed"
        );
    }
}

#[tokio::test]
async fn a_payer_keeps_the_article() {
    let Some(kit) = serve().await else { return };
    let payer = kit.payer();
    let mut lost = vec![];
    for (name, folder) in pages() {
        let source = std::fs::read_to_string(folder.join("source.html")).unwrap();
        let Ok(expected) = std::fs::read_to_string(folder.join("expected.html")) else {
            continue;
        };
        let answer = kit.visit(&format!("/{name}"), &payer).await;
        assert_eq!(answer.status, 200, "{name}");
        let output = answer.text();
        let wanted: HashSet<_> = sequences(&expected)
            .intersection(&sequences(&source))
            .cloned()
            .collect();
        assert!(!wanted.is_empty(), "{name} has no article");
        let kept = sequences(&output);
        let missing: Vec<String> = wanted.difference(&kept).map(|words| words.join(" ")).collect();
        eprintln!(
            "{name}: {} of {} sequences, {} of {} bytes",
            wanted.len() - missing.len(),
            wanted.len(),
            output.len(),
            source.len()
        );
        if !missing.is_empty() {
            lost.push((name, missing));
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
    let counts = kit.edge.counts();
    assert!(counts.changed > 0, "{counts:?}");
}
