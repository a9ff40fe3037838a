//! Who runs next, where several things happen at once: one at a time, handed over at named places only, so that a history can be
//! repeated whatever the machine does.

use std::sync::{Arc, Mutex};

use futures::future::join_all;
use tokio::sync::Notify;

tokio::task_local! {
    static TURN: Turn;
}

/// Times that somebody is held up, where turns go by rank.
const MAX_HELD_UP: usize = 3;
/// Turns among which somebody is held up: a read of a customer has about ten.
const HELD_UP_WITHIN: usize = 40;

/// Who goes next.
enum Rule {
    /// Anybody: all interleavings, each of them rarely.
    Anybody,
    /// Whoever ranks highest, until they are held up and rank lowest. An order of few switches, in which one waits for the whole of
    /// another, comes far more often so (Burckhardt and others, "A Randomized Scheduler with Probabilistic Guarantees of Finding
    /// Bugs", 2010).
    Ranked {
        ranks: Vec<usize>,
        /// Numbers of the turns at which whoever has it is held up.
        held_up: Vec<usize>,
    },
}

struct State {
    running: Option<usize>,
    waiting: Vec<usize>,
    dice: fastrand::Rng,
    rule: Rule,
    turn: usize,
}

impl State {
    fn new(count: usize, seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let rule = if dice.bool() {
            Rule::Anybody
        } else {
            let mut ranks: Vec<usize> = (0..count).collect();
            dice.shuffle(&mut ranks);
            let times = dice.usize(1..=MAX_HELD_UP);
            Rule::Ranked {
                ranks,
                held_up: (0..times).map(|_| dice.usize(..HELD_UP_WITHIN)).collect(),
            }
        };
        Self {
            running: None,
            waiting: (0..count).collect(),
            dice,
            rule,
            turn: 0,
        }
    }

    fn choose(&mut self) {
        if self.running.is_some() || self.waiting.is_empty() {
            return;
        }
        let at = match &mut self.rule {
            Rule::Anybody => self.dice.usize(..self.waiting.len()),
            Rule::Ranked { ranks, held_up } => {
                let first = |ranks: &[usize]| {
                    let best = (0..self.waiting.len()).min_by_key(|at| ranks[self.waiting[*at]]);
                    best.expect("somebody waits")
                };
                if held_up.contains(&self.turn) {
                    let last = ranks.iter().max().map_or(0, |last| last + 1);
                    let held = self.waiting[first(ranks)];
                    ranks[held] = last;
                }
                first(ranks)
            }
        };
        self.turn += 1;
        self.running = Some(self.waiting.swap_remove(at));
    }
}

struct Turns {
    state: Mutex<State>,
    changed: Notify,
}

/// One of the things that happen at once. Leaves when dropped, wherever it was.
struct Turn {
    turns: Arc<Turns>,
    number: usize,
}

impl Turn {
    fn change(&self, edit: impl FnOnce(&mut State)) {
        edit(&mut self.turns.state.lock().unwrap());
        self.turns.changed.notify_waiters();
    }

    async fn comes(&self) {
        loop {
            let changed = self.turns.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.turns.state.lock().unwrap().running == Some(self.number) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let number = self.number;
        self.change(|state| {
            state.waiting.retain(|one| *one != number);
            if state.running == Some(number) {
                state.running = None;
            }
            state.choose();
        });
    }
}

/// Lets another one go on, if several things happen at once.
pub(super) async fn hand_over() {
    let Ok(turn) = TURN.try_with(|turn| Turn {
        turns: Arc::clone(&turn.turns),
        number: turn.number,
    }) else {
        return;
    };
    // The copy must not leave for the original.
    let turn = std::mem::ManuallyDrop::new(turn);
    turn.change(|state| {
        state.running = None;
        state.waiting.push(turn.number);
        state.choose();
    });
    turn.comes().await;
}

/// Runs everything at once, in an order that follows from `seed`.
pub(super) async fn at_once<F: Future>(seed: u64, things: Vec<F>) -> Vec<F::Output> {
    let mut state = State::new(things.len(), seed);
    state.choose();
    let turns = Arc::new(Turns {
        state: Mutex::new(state),
        changed: Notify::new(),
    });
    let runs = things.into_iter().enumerate().map(|(number, thing)| {
        let turn = Turn {
            turns: Arc::clone(&turns),
            number,
        };
        TURN.scope(turn, async move {
            let (turns, number) = TURN.with(|turn| (Arc::clone(&turn.turns), turn.number));
            let own = std::mem::ManuallyDrop::new(Turn { turns, number });
            own.comes().await;
            thing.await
        })
    });
    join_all(runs).await
}
