//! Histories in which everything goes wrong, and everyone has what they are due in the end. More of them: `simulate --help`.

use latchkey_testkit::{
    postgres_server,
    simulation::{Options, Place, simulate},
};

/// What must have happened for a run to say something.
const WANTED: [&str; 35] = [
    "Stripe ails: BadGateway",
    "Stripe ails: LockTimeout",
    "Stripe ails: RateLimited",
    "Stripe ails: ServerError",
    "Stripe ails: TimeoutAfterEffect",
    "Stripe ails: Unavailable",
    "a clock was off",
    "a process was started again",
    "at once",
    "customer deleted",
    "delivered",
    "delivered twice",
    "delivery failed",
    "delivery lost",
    "dies after a call",
    "dies after a commit",
    "dies before a call",
    "dies before a commit",
    "ended at once",
    "dispute: Asks",
    "dispute: Lost",
    "dispute: Opens",
    "dispute: Won",
    "fails after a call",
    "fails after a commit",
    "fails before a call",
    "fails before a commit",
    "found by reconciling",
    "looked at in the middle",
    "moved to another plan",
    "letters",
    "paid twice, and told",
    "refunded",
    "refunded in part",
    "two tabs",
];

fn options(seed: u64, histories: u64) -> Options {
    Options {
        histories,
        seed,
        first: 0,
        threads: 2,
        place: Place::Memory,
    }
}

#[test]
fn everyone_has_what_they_are_due_whatever_fails() {
    let report = simulate(&options(20_261_124, 300), |_| {});
    assert!(report.divergence.is_none(), "{:#?}", report.divergence);
    assert_eq!(report.histories, 300);
    for what in WANTED {
        assert!(report.counters.contains_key(what), "it never came to this: {what}");
    }
}

#[test]
fn a_history_is_the_same_however_often_it_is_told() {
    let first = simulate(&options(7, 20), |_| {});
    let again = simulate(
        &Options {
            threads: 1,
            ..options(7, 20)
        },
        |_| {},
    );
    assert_eq!((first.digest, first.counters), (again.digest, again.counters));
}

#[test]
fn a_history_leaves_the_same_state_in_each_database() {
    let memory = simulate(&options(11, 12), |_| {});
    let places = [Some(Place::File), postgres_server().map(Place::Postgres)];
    for place in places.into_iter().flatten() {
        let name = format!("{place:?}");
        let there = simulate(
            &Options {
                place,
                ..options(11, 12)
            },
            |_| {},
        );
        assert!(there.divergence.is_none(), "{name}: {:#?}", there.divergence);
        assert_eq!(
            (&memory.digest, &memory.counters),
            (&there.digest, &there.counters),
            "{name}"
        );
    }
}
