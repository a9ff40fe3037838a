use latchkey_entitlement::{
    AccountId, Bought, Grant, Source, Span, Timestamp, Zone,
    time::{DAY, HOUR},
};

use super::{NOW, account, at, commit, grant, on_both};
use crate::{Proof, Store, SyncCommit};

/// A pass of so many days for ads, as a sync brings it.
fn pass(id: &str, owner: &AccountId, paid_at: i64, days: u32) -> Grant {
    Grant {
        source: Source::Pass,
        from: at(paid_at),
        until: Some(at(paid_at + i64::from(days) * DAY)),
        bought: Some(Bought {
            paid_at: at(paid_at),
            span: Span::parse(&format!("{days}d")).unwrap(),
            zone: Zone::default(),
        }),
        ..grant(id, owner, &format!("cs_{id}/li"), 0)
    }
}

/// Records what a customer bought, as a sync does.
async fn sync(store: &Store, id: &str, customer: &str, wanted: &[Grant], now: i64) {
    let owner = store.account_of_customer(customer).await.unwrap().unwrap();
    assert!(
        store
            .lease_customer(customer, id, at(now), at(now + 1_000))
            .await
            .unwrap()
    );
    let commit = SyncCommit {
        now: at(now),
        ..commit(id, customer, id, &owner, wanted.to_vec())
    };
    store.commit_sync(commit).await.unwrap();
}

/// What an account has: reference, and from and until in hours from now.
async fn shown(store: &Store, owner: &AccountId) -> Vec<(String, i64, Option<i64>)> {
    let hours = |moment: Timestamp| moment.since(NOW) / HOUR;
    let grants = store.grants_of(owner).await.unwrap();
    let shown = grants
        .iter()
        .map(|grant| (grant.source_ref.clone(), hours(grant.from), grant.until.map(hours)));
    shown.collect()
}

fn row(reference: &str, from: i64, until: i64) -> (String, i64, Option<i64>) {
    (reference.to_owned(), from, Some(until))
}

on_both!(
    a_renewal_of_one_customer_moves_what_another_one_bought_and_an_end_brings_it_forward,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        for customer in ["cus_sub", "cus_pass"] {
            assert!(store.link_customer(customer, &ann, false, NOW).await.unwrap());
        }
        let month = 30 * DAY;
        sync(&store, "s1", "cus_sub", &[grant("sub", &ann, "sub_1", month)], 0).await;
        sync(&store, "p1", "cus_pass", &[pass("p", &ann, DAY, 7)], DAY).await;
        assert_eq!(shown(&store, &ann).await, [row("sub_1", 0, 720), row("cs_p/li", 720, 888)]);

        let before = store.grants_of(&ann).await.unwrap();
        sync(&store, "p2", "cus_pass", &[pass("other_id", &ann, DAY, 7)].map(|again| Grant { source_ref: "cs_p/li".into(), ..again }), 2 * DAY).await;
        assert_eq!(store.grants_of(&ann).await.unwrap(), before, "the same again changes nothing, not even a row");

        sync(&store, "s2", "cus_sub", &[grant("sub2", &ann, "sub_1", 2 * month)], 29 * DAY).await;
        assert_eq!(shown(&store, &ann).await, [row("sub_1", 0, 1440), row("cs_p/li", 1440, 1608)]);
        sync(&store, "s3", "cus_sub", &[], 40 * DAY).await;
        assert_eq!(shown(&store, &ann).await, [row("cs_p/li", 960, 1128)], "ended at once: the pass begins now");
        // A subscription once more, two days into the pass; what is left of it waits.
        sync(&store, "s4", "cus_sub", &[Grant { from: at(42 * DAY), ..grant("sub3", &ann, "sub_2", 72 * DAY) }], 42 * DAY).await;
        assert_eq!(
            shown(&store, &ann).await,
            [row("cs_p/li", 960, 1008), row("sub_2", 1008, 1728), row("cs_p/li#2", 1728, 1848)]
        );
        let then = store.grants_at(&ann, at(30 * DAY)).await.unwrap();
        assert_eq!(then.len(), 2, "the past can be explained: {then:?}");
        // A refund of the pass, whichever pieces it is in.
        sync(&store, "p3", "cus_pass", &[], 43 * DAY).await;
        assert_eq!(shown(&store, &ann).await, [row("sub_2", 1008, 1728)]);
    }
);

on_both!(
    a_comp_pushes_a_pass_back_and_its_end_brings_it_forward_to_the_millisecond,
    store => {
        let ann = account("ann");
        store.create_account(&ann, NOW).await.unwrap();
        assert!(store.link_customer("cus_1", &ann, false, NOW).await.unwrap());
        sync(&store, "p1", "cus_1", &[pass("p", &ann, 0, 1)], 0).await;
        let comp = Grant { source: Source::Comp, from: at(HOUR + 1), until: None, ..grant("comp", &ann, "desk", 0) };
        assert!(store.open_grant(&comp, at(HOUR + 1)).await.unwrap());
        let grants = store.grants_of(&ann).await.unwrap();
        assert!(grants.iter().any(Grant::waits), "{grants:?}");
        assert!(store.close_grant(&comp.id, at(2 * HOUR)).await.unwrap());
        let grants = store.grants_of(&ann).await.unwrap();
        let pieces: Vec<(i64, i64)> = grants.iter().map(|grant| (grant.from.since(NOW), grant.until.unwrap().since(NOW))).collect();
        assert_eq!(pieces, [(0, HOUR + 1), (2 * HOUR, 2 * HOUR + DAY - HOUR - 1)]);
        // What Stripe says is not closed by hand.
        assert!(!store.close_grant(&grants[0].id, at(3 * HOUR)).await.unwrap());
    }
);

on_both!(
    a_merge_lays_out_again_what_both_accounts_had,
    store => {
        let (old, new) = (account("old"), account("new"));
        for (owner, customer) in [(&old, "cus_old"), (&new, "cus_new")] {
            store.create_account(owner, NOW).await.unwrap();
            assert!(store.link_customer(customer, owner, false, NOW).await.unwrap());
        }
        store.prove_email(Proof::new(&old, "ann@example.org"), NOW).await.unwrap();
        sync(&store, "s1", "cus_old", &[grant("sub", &old, "sub_1", 30 * DAY)], 0).await;
        sync(&store, "p1", "cus_new", &[pass("p", &new, DAY, 7)], DAY).await;
        assert_eq!(shown(&store, &new).await, [row("cs_p/li", 24, 192)]);
        store.prove_email(Proof::new(&new, "ann@example.org"), at(3 * DAY)).await.unwrap();
        assert_eq!(
            shown(&store, &old).await,
            [row("sub_1", 0, 720), row("cs_p/li", 24, 72), row("cs_p/li#2", 720, 840)],
            "two days were read, five wait"
        );
        assert!(shown(&store, &new).await.is_empty());
        // The customer that moved is synced again, and changes nothing.
        let before = store.grants_of(&old).await.unwrap();
        sync(&store, "p2", "cus_new", &[pass("p", &old, DAY, 7)], 4 * DAY).await;
        assert_eq!(store.grants_of(&old).await.unwrap(), before);
    }
);
