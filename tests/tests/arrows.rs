//! The arrows between the crates: who may name whom (docs/ARCHITECTURE.md). Asked of `cargo metadata`, so that it cannot be forgotten.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Each crate and the crates of ours that it may name. Development dependencies do not count: tests may use anything.
const ARROWS: &[(&str, &[&str])] = &[
    ("latchkey-entitlement", &[]),
    ("latchkey-token", &[]),
    ("latchkey-billing", &["entitlement"]),
    ("latchkey-page", &["entitlement"]),
    ("latchkey-bundle", &["token", "entitlement", "page"]),
    ("latchkey-stripe-gateway", &["billing"]),
    ("latchkey-store", &["billing", "entitlement"]),
    ("latchkey-sync", &["store", "billing", "entitlement"]),
    ("latchkey-edge", &["bundle", "token", "entitlement", "page"]),
    (
        "latchkey-server",
        &["sync", "store", "billing", "bundle", "token", "entitlement", "page"],
    ),
    ("latchkey-stripe-sandbox", &[]),
    (
        "latchkey-testkit",
        &[
            "edge",
            "server",
            "stripe-gateway",
            "stripe-sandbox",
            "sync",
            "store",
            "billing",
            "bundle",
            "token",
            "entitlement",
            "page",
        ],
    ),
    (
        "latchkey",
        &[
            "billing",
            "bundle",
            "edge",
            "entitlement",
            "page",
            "server",
            "store",
            "stripe-gateway",
            "stripe-sandbox",
            "sync",
            "token",
        ],
    ),
    ("latchkey-tests", &[]),
    // Development only, like testkit.
    (
        "latchkey-bench",
        &[
            "billing",
            "bundle",
            "entitlement",
            "store",
            "stripe-gateway",
            "stripe-sandbox",
            "sync",
            "testkit",
            "token",
        ],
    ),
];

/// Libraries that one crate alone may name. Neither the testkit nor the bench is a part of the program: the one makes and drops databases
/// for tests, the other measures what a database can do by itself.
const ALONE: &[(&str, &[&str])] = &[
    ("lol_html", &["latchkey-page"]),
    ("async-stripe", &["latchkey-stripe-gateway"]),
    ("sqlx", &["latchkey-bench", "latchkey-store", "latchkey-testkit"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let answer = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let named = package["dependencies"].as_array().expect("dependencies").iter();
            let normal = named
                .filter(|d| d["kind"].is_null())
                .map(|d| d["name"].as_str().expect("name").to_owned());
            (package["name"].as_str().expect("name").to_owned(), normal.collect())
        })
        .collect()
}

#[test]
fn no_crate_names_one_that_it_must_not() {
    let mut wrong = Vec::new();
    let found = dependencies();
    for (package, named) in &found {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == package) else {
            wrong.push(format!("{package} is not in the list of arrows"));
            continue;
        };
        for ours in named.iter().filter_map(|name| name.strip_prefix("latchkey-")) {
            if !allowed.contains(&ours) {
                wrong.push(format!("{package} names {ours}"));
            }
        }
    }
    for (package, _) in ARROWS {
        if !found.contains_key(*package) {
            wrong.push(format!("{package} is in the list of arrows and not in the workspace"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn some_libraries_are_named_by_one_crate_alone() {
    for (package, named) in dependencies() {
        for (library, owners) in ALONE {
            let theirs = named
                .iter()
                .any(|name| name == library || name.starts_with(&format!("{library}-")));
            assert!(
                !theirs || owners.contains(&package.as_str()),
                "{package} names {library}; only {owners:?} may"
            );
        }
    }
}
