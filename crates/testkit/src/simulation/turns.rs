//! Who runs next, where several things happen at once: one at a time, handed over at named places only, so that a history can be
//! repeated whatever the machine does.

use std::sync::{Arc, Mutex};

use futures::future::join_all;
use tokio::sync::Notify;

tokio::task_local! {
    static TURN: Turn;
}

struct State {
    running: Option<usize>,
    waiting: Vec<usize>,
    dice: fastrand::Rng,
}

impl State {
    fn choose(&mut self) {
        if self.running.is_none() && !self.waiting.is_empty() {
            let at = self.dice.usize(..self.waiting.len());
            self.running = Some(self.waiting.swap_remove(at));
        }
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
    let mut state = State {
        running: None,
        waiting: (0..things.len()).collect(),
        dice: fastrand::Rng::with_seed(seed),
    };
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
