//! Where letters go: nobody reads them, but they are counted.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use latchkey_sync::{Effect, EffectError, Effects};

/// How often each letter went out, by what it is about.
#[derive(Default)]
pub(super) struct Mail(Mutex<BTreeMap<String, u32>>);

impl Mail {
    pub(super) fn sent(&self) -> BTreeMap<String, u32> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Effects for Mail {
    async fn perform(&self, effect: &Effect) -> Result<(), EffectError> {
        *self.0.lock().unwrap().entry(effect.payload.clone()).or_default() += 1;
        Ok(())
    }
}
