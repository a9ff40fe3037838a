//! What readers are entitled to, whatever Stripe, the network and the readers do. Each story is told in a world of its own on
//! SQLite and on PostgreSQL.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails here fails the test, as it should"
)]

mod bookkeeping;
mod dead_letters;
mod deliveries;
mod doubles;
mod failures;
mod full_rounds;
mod money_back;
mod notices;
mod oddities;
mod passes;
mod paying;
mod renewals;
mod workers;

use latchkey_testkit::Reader;

/// Whether the reader's pages are free of ads: her grants say so, and so does the page that the edge gives her.
async fn reads_without_ads(reader: &Reader<'_>) -> bool {
    reader.opens("/story").await.ads() == 0
}

/// Entitlements and end, in milliseconds, of each live grant.
async fn terms(reader: &Reader<'_>) -> Vec<(String, i64)> {
    let grants = reader.grants().await;
    let mut terms: Vec<(String, i64)> = grants
        .iter()
        .map(|grant| {
            let until = grant.until.expect("a subscription's grant has an end");
            (grant.entitlements.to_string(), until.0)
        })
        .collect();
    terms.sort();
    terms
}
