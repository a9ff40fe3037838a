//! What the documents say of the code must be so: tests that they name exist, files that they link to exist, and the top level is the one
//! that the architecture page draws.

#![allow(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the repository")
}

/// Every file below `folder` that ends in `.ending`, what builds leave behind excepted.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(files(&path, ending));
            }
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

/// Names of all test functions, those of macros that make one for each database included.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files(&root(), "rs") {
        let text = fs::read_to_string(&file).expect("a source file");
        if !["#[test]", "#[tokio::test", "on_both!("]
            .iter()
            .any(|mark| text.contains(mark))
        {
            continue;
        }
        let mut named_by_macro = false;
        for line in text.lines() {
            let line = line.trim_start();
            // A test that the store's macro writes for each database.
            if std::mem::replace(&mut named_by_macro, line == "on_both!(") {
                names.insert(line.trim_end_matches(',').to_owned());
            }
            if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")) {
                names.insert(rest.split(['(', '<']).next().unwrap_or_default().to_owned());
            }
        }
    }
    names
}

/// What stands between backticks in `text`.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let page = fs::read_to_string(root().join("docs/SECURITY.md")).expect("docs/SECURITY.md");
    let (tests, mut missing, mut rows) = (tests(), vec![], 0);
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let Some(cell) = row.trim_end_matches('|').rsplit('|').next() else {
            continue;
        };
        let named: Vec<&str> = quoted(cell)
            .filter(|name| {
                name.contains('_')
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            })
            .collect();
        rows += usize::from(!named.is_empty());
        missing.extend(
            named
                .into_iter()
                .filter(|name| !tests.contains(*name))
                .map(str::to_owned),
        );
    }
    assert!(
        missing.is_empty(),
        "docs/SECURITY.md names what is no test: {missing:#?}"
    );
    assert!(rows >= 20, "only {rows} threats name a test: the page is read wrongly");
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut broken = vec![];
    for file in files(&root(), "md") {
        let text = fs::read_to_string(&file).expect("a document");
        let folder = file.parent().expect("a folder");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") && !folder.join(path).exists() {
                broken.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
