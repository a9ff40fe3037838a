use latchkey_billing::{DoubleDecision, RefundDue};
use latchkey_entitlement::PlanId;

use super::{NOW, account, at, at_once, on_both};
use crate::{DoubleOutcome, NewEffect, Store};

fn decision(kept: &str, stopped: &str) -> DoubleDecision {
    DoubleDecision {
        plan: PlanId::parse("pln_a").unwrap(),
        kept: kept.to_owned(),
        stopped: stopped.to_owned(),
        customer: "cus_1".to_owned(),
        refunds: vec![RefundDue {
            invoice: "in_1".to_owned(),
            amount_minor: 500,
            currency: "eur".to_owned(),
            disputed: None,
        }],
        voids: vec![],
        why: "two of them".to_owned(),
        settled_at: NOW,
    }
}

async fn customer(store: &Store) {
    let ann = account("ann");
    store.create_account(&ann, NOW).await.unwrap();
    assert!(store.link_customer("cus_1", &ann, false, NOW).await.unwrap());
}

on_both!(
    of_two_subscriptions_one_is_stopped_whoever_decides,
    store => {
        customer(&store).await;
        let first = store.decide_double(&decision("sub_a", "sub_b"), false, NOW).await.unwrap().unwrap();
        assert_eq!(first.decision, decision("sub_a", "sub_b"));
        // The opposite is never stored: who wants it learns what counts.
        let other = store.decide_double(&decision("sub_b", "sub_a"), false, at(1)).await.unwrap().unwrap();
        assert_eq!(other.decision.stopped, "sub_b");
        // Nor one that stops what goes on by it, or keeps what is stopped by it.
        assert_eq!(store.decide_double(&decision("sub_c", "sub_a"), false, at(1)).await.unwrap(), None);
        assert_eq!(store.decide_double(&decision("sub_b", "sub_c"), false, at(1)).await.unwrap(), None);
        // A third that is one too many beside the same one is another pair.
        assert!(store.decide_double(&decision("sub_a", "sub_c"), false, at(2)).await.unwrap().is_some());
        assert_eq!(store.doubles_of(&account("ann")).await.unwrap().len(), 2);
        // Decided again, the newer reading counts.
        let again = store.decide_double(&decision("sub_a", "sub_b"), false, at(3)).await.unwrap().unwrap();
        assert_eq!(again.decided_at, at(3));

        assert!(store.withdraw_double("sub_b").await.unwrap());
        assert_eq!(store.double("sub_b").await.unwrap(), None);
        assert!(store.decide_double(&decision("sub_b", "sub_d"), false, at(4)).await.unwrap().is_some());
    }
);

on_both!(
    what_became_of_it_is_noted_once_with_the_letter,
    store => {
        customer(&store).await;
        store.decide_double(&decision("sub_a", "sub_b"), false, NOW).await.unwrap().unwrap();
        let outcome = DoubleOutcome { words: "done".into(), refunded_minor: 500, currency: Some("eur".into()) };
        let tell = NewEffect { kind: "letter".into(), payload: "sub_b".into(), ..NewEffect::default() };
        assert!(store.double_done("sub_b", &outcome, &tell, at(5)).await.unwrap());
        assert!(!store.double_done("sub_b", &outcome, &tell, at(6)).await.unwrap());
        let known = store.double("sub_b").await.unwrap().unwrap();
        assert_eq!((known.done_at, known.refunded_minor, known.outcome.as_deref()), (Some(at(5)), 500, Some("done")));
        assert_eq!(store.claim_outbox(at(9), at(10), 9).await.unwrap().len(), 1);
        assert!(!store.withdraw_double("sub_b").await.unwrap(), "it is done");
        let again = store.decide_double(&decision("sub_a", "sub_b"), false, at(7)).await.unwrap().unwrap();
        assert_eq!(again.done_at, Some(at(5)));
    }
);

on_both!(
    two_servers_that_decide_at_once_decide_alike,
    store => {
        customer(&store).await;
        let decided = at_once(&store, |store, index| async move {
            let (kept, stopped) = if index % 2 == 0 { ("sub_a", "sub_b") } else { ("sub_b", "sub_a") };
            let counts = store.decide_double(&decision(kept, stopped), false, NOW).await.unwrap();
            counts.unwrap().decision.stopped
        })
        .await;
        assert!(decided.iter().all(|stopped| *stopped == decided[0]), "{decided:?}");
    }
);
