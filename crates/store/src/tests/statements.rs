use super::stores;
use crate::{
    account, account_merge, attempt, customer, database, dead_letter, divergence, double, enter_code, external, grant,
    history, inbox, invoice, key, leave_link, limit, login, notice, offer, outbox, plan, price_change, prune,
    revocation, schema, session, setting, standing, sync_commit,
};

#[tokio::test]
async fn every_statement_is_understood_by_both_databases() {
    let files = [
        ("account", account::STATEMENTS),
        ("account_merge", account_merge::STATEMENTS),
        ("attempt", attempt::STATEMENTS),
        ("customer", customer::STATEMENTS),
        ("database", database::STATEMENTS),
        ("double", double::STATEMENTS),
        ("dead_letter", dead_letter::STATEMENTS),
        ("divergence", divergence::STATEMENTS),
        ("enter_code", enter_code::STATEMENTS),
        ("external", external::STATEMENTS),
        ("grant", grant::STATEMENTS),
        ("history", history::STATEMENTS),
        ("inbox", inbox::STATEMENTS),
        ("key", key::STATEMENTS),
        ("leave_link", leave_link::STATEMENTS),
        ("limit", limit::STATEMENTS),
        ("login", login::STATEMENTS),
        ("offer", offer::STATEMENTS),
        ("outbox", outbox::STATEMENTS),
        ("plan", plan::STATEMENTS),
        ("price_change", price_change::STATEMENTS),
        ("prune", prune::STATEMENTS),
        ("revocation", revocation::STATEMENTS),
        ("schema", schema::STATEMENTS),
        ("session", session::STATEMENTS),
        ("setting", setting::STATEMENTS),
        ("standing", standing::STATEMENTS),
        ("sync_commit", sync_commit::STATEMENTS),
        ("invoice", invoice::STATEMENTS),
        ("notice", notice::STATEMENTS),
    ];
    for fixture in stores().await {
        let mut refused = vec![];
        for (file, statements) in files {
            for (name, sql) in statements {
                if let Err(error) = fixture.store.write().await.unwrap().prepare(sql).await {
                    refused.push(format!("{file}::{name} on {:?}: {error}", fixture.store.backend()));
                }
            }
        }
        for (name, many) in [
            ("inbox::CUSTOMERS", &inbox::CUSTOMERS),
            ("inbox::RECEIVE", &inbox::RECEIVE),
            ("customer::MARK_MANY", &customer::MARK_MANY),
        ] {
            for text in many.texts() {
                if let Err(error) = fixture.store.write().await.unwrap().prepare(text).await {
                    refused.push(format!("{name} on {:?}: {error}", fixture.store.backend()));
                }
            }
        }
        assert!(refused.is_empty(), "{}", refused.join("\n"));
        fixture.close().await;
    }
}
