//! Servers that die at a place that a story chooses: before or after a call of Stripe, before or after a commit.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use latchkey_store::{CommitPlace, Commits, Said};
use latchkey_sync::{Stripe, Sync};
use tokio::sync::Notify;

use crate::{
    World,
    start::{CityClock, sync_config},
};

/// Where a server dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// A request whose method and path begin so never leaves it.
    BeforeCall(&'static str),
    /// Stripe does what such a request asks for, and the answer finds nobody.
    AfterCall(&'static str),
    /// Its so many-th commit, counted from 0, never happens.
    BeforeCommit(i64),
    /// That commit happens, and nobody is left to know.
    AfterCommit(i64),
}

/// Where requests end for ever.
#[derive(Default)]
pub(crate) struct Grave {
    pub(crate) call: Mutex<Option<(&'static str, bool)>>,
    pub(crate) reached: Notify,
}

impl Grave {
    /// Whether this is the request at which a server dies, and whether before it is made.
    pub(crate) fn takes(&self, method: &str, path: &str) -> Option<bool> {
        let mut call = self.call.lock().unwrap();
        let (start, before) = (*call)?;
        if !format!("{method} {path}").starts_with(start) {
            return None;
        }
        *call = None;
        Some(before)
    }

    /// Whoever comes here is never heard of again.
    pub(crate) async fn keeps(&self) -> std::convert::Infallible {
        self.reached.notify_one();
        std::future::pending().await
    }
}

struct LastCommit {
    left: AtomicI64,
    before: bool,
    grave: Arc<Grave>,
}

impl LastCommit {
    async fn comes(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.grave.keeps().await;
        }
    }
}

impl Commits for LastCommit {
    fn before(&self, _: CommitPlace) -> Said<'_> {
        Box::pin(async move {
            if self.before {
                self.comes().await;
            }
            Ok(())
        })
    }

    fn after(&self, _: CommitPlace) -> Said<'_> {
        Box::pin(async move {
            if !self.before {
                self.comes().await;
            }
            Ok(())
        })
    }
}

impl World {
    /// A server on the same database works off the outbox, and dies at a place. False if it was done before it came there.
    pub async fn works_outbox_until(&self, death: Death) -> bool {
        let parts = &self.parts;
        let grave = Arc::clone(&parts.network.grave);
        let mut store = parts.store.clone();
        match death {
            Death::BeforeCall(start) => *grave.call.lock().unwrap() = Some((start, true)),
            Death::AfterCall(start) => *grave.call.lock().unwrap() = Some((start, false)),
            Death::BeforeCommit(number) | Death::AfterCommit(number) => {
                store = store.watched(Arc::new(LastCommit {
                    left: AtomicI64::new(number),
                    before: matches!(death, Death::BeforeCommit(_)),
                    grave: Arc::clone(&grave),
                }));
            }
        }
        let sync = Sync::new(
            store,
            Arc::clone(&parts.gateway) as Arc<dyn Stripe>,
            Arc::new(CityClock(Arc::clone(&parts.clock))),
            Arc::clone(&parts.ids),
            sync_config(&parts.plans, &parts.webhook_secret),
        );
        let died = tokio::select! {
            () = grave.reached.notified() => true,
            done = sync.work_off_outbox(parts.effects.as_ref()) => {
                done.expect("the store answers");
                false
            }
        };
        *grave.call.lock().unwrap() = None;
        died
    }
}
