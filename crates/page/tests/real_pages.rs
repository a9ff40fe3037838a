//! Real articles with their real ads: the ads go, the article stays. The pages are their publishers' and not part of this project.

#![allow(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::{collections::HashSet, fs, path::Path};

use latchkey_entitlement::policy::StripPolicy;
use latchkey_page::{Change, Compiled, Verdict, rewrite};
use scraper::Html;

fn words(html: &str) -> Vec<String> {
    let document = Html::parse_document(html);
    let mut text = String::new();
    for node in document.root_element().descendants() {
        let Some(piece) = node.value().as_text() else { continue };
        let hidden = node
            .ancestors()
            .filter_map(|a| a.value().as_element())
            .any(|element| matches!(element.name(), "script" | "style" | "noscript" | "template" | "head"));
        if !hidden {
            text.push(' ');
            text.push_str(piece);
        }
    }
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn sequences(words: &[String]) -> HashSet<Vec<String>> {
    words.windows(5).map(<[String]>::to_vec).collect()
}

#[test]
fn the_article_of_every_real_page_survives() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/pages");
    if !pages.is_dir() {
        eprintln!(
            "SKIPPED: {} is not there; this test needs the real pages",
            pages.display()
        );
        return;
    }
    let compiled = Compiled::new(&StripPolicy::default(), &[]).expect("the built-in rules compile");
    let mut names: Vec<_> = fs::read_dir(&pages)
        .expect("pages")
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    names.sort();
    let mut hurt = Vec::new();
    for dir in names {
        let name = dir
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let Ok(source) = fs::read(dir.join("source.html")) else {
            continue;
        };
        let url = format!("https://{name}.example/story");
        let plain = rewrite(&compiled, &source, None, &url, &Change::default());
        assert_eq!(plain.html, source, "{name}: changed although nothing was to be changed");

        let outcome = rewrite(
            &compiled,
            &source,
            None,
            &url,
            &Change {
                strip: true,
                ..Change::default()
            },
        );
        let count: u32 = outcome.removed.iter().map(|removal| removal.count).sum();
        println!(
            "{name}: {count} elements, {} -> {} bytes",
            source.len(),
            outcome.html.len()
        );
        for removal in &outcome.removed {
            println!("  {:>4} × {} ({} bytes)", removal.count, removal.rule, removal.bytes);
        }
        if let Verdict::Original { reason, rule, offset } = &outcome.verdict {
            println!("  left as it was: {reason} {rule:?} at {offset}");
        }
        let expected = fs::read_to_string(dir.join("expected.html")).unwrap_or_default();
        let text = |bytes: &[u8]| sequences(&words(&String::from_utf8_lossy(bytes)));
        let want: HashSet<_> = sequences(&words(&expected))
            .intersection(&text(&source))
            .cloned()
            .collect();
        let have = text(&outcome.html);
        let lost: Vec<_> = want.difference(&have).take(3).collect();
        println!(
            "  article: {} of {} five-word sequences",
            want.intersection(&have).count(),
            want.len()
        );
        if !lost.is_empty() {
            hurt.push(format!("{name}: {lost:?}"));
        }
    }
    assert!(hurt.is_empty(), "{hurt:#?}");
}
