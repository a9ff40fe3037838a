//! What happened, and how often: a simulation in which a fault never came proves nothing about it.

use std::{collections::BTreeMap, sync::Mutex};

/// Counts by name.
#[derive(Default)]
pub struct Counters(Mutex<BTreeMap<String, u64>>);

impl Counters {
    pub(super) fn count(&self, what: &str) {
        self.add(what, 1);
    }

    pub(super) fn add(&self, what: &str, times: u64) {
        if times > 0 {
            *self.0.lock().unwrap().entry(what.to_owned()).or_default() += times;
        }
    }

    /// Everything that was counted, by name.
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap().clone()
    }
}
