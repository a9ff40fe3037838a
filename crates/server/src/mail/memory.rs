use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use latchkey_entitlement::{Clock, Timestamp};

use super::{Mail, MailError, Mailer};

/// Most letters that are kept; the oldest go first.
pub const MAX_LETTERS: usize = 200;

/// A letter that was "sent".
#[derive(Clone, Debug)]
pub struct Letter {
    /// When.
    pub at: Timestamp,
    /// What.
    pub mail: Mail,
}

/// Keeps letters in memory instead of sending them: for the demo and for tests.
pub struct MemoryMailbox {
    clock: Arc<dyn Clock>,
    letters: Mutex<VecDeque<Letter>>,
}

impl MemoryMailbox {
    /// An empty box.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            letters: Mutex::default(),
        })
    }

    /// All letters, oldest first.
    pub fn letters(&self) -> Vec<Letter> {
        self.letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

#[async_trait]
impl Mailer for MemoryMailbox {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let at = self.clock.now();
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters.len() >= MAX_LETTERS {
            letters.pop_front();
        }
        letters.push_back(Letter { at, mail });
        Ok(())
    }
}
