//! Keeps the bundle fresh.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use crate::{
    Edge, EdgeError,
    breaker::backoff,
    limits::{BUNDLE_EVERY, FIRST_PULL_PATIENCE},
    sites::Snapshot,
};

/// Pause between tries for a first bundle.
const FIRST_PULL_PAUSE: Duration = Duration::from_millis(250);
/// Failed pulls in a row per line in the log.
const FAILURES_PER_LINE: u32 = 30;

impl Edge {
    /// Pulls the bundle and the revocations now, beside the loops that do so by themselves.
    pub async fn refresh(&self) -> Result<(), EdgeError> {
        self.pull_bundle().await.map_err(EdgeError::Pull)?;
        let revocations = self.pull_revocations().await;
        revocations.map_err(|why| EdgeError::Pull(why.to_string()))
    }

    /// Opens and compiles a bundle, and puts it in use.
    async fn take(&self, jws: &str) -> Result<(), String> {
        let held = self.current().map(|snapshot| snapshot.version);
        let bundle = latchkey_bundle::open(jws, &self.config.bundle_key, held, false).map_err(|why| why.to_string())?;
        if bundle.issuer.trim_end_matches('/') != self.config.account_base() {
            tracing::warn!(
                issuer = bundle.issuer,
                account_origin = self.config.account_origin,
                "the server calls its account origin otherwise"
            );
        }
        let (lists, wanted) = (self.lists.clone(), self.wanted.clone());
        let compile = move || Snapshot::new(bundle, &lists, &wanted);
        let snapshot = tokio::task::spawn_blocking(compile)
            .await
            .map_err(|why| why.to_string())??;
        let version = snapshot.version;
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(snapshot));
        tracing::info!(version, "bundle in use");
        Ok(())
    }

    async fn pull_bundle(&self) -> Result<(), String> {
        let held = self.current().map(|snapshot| snapshot.version);
        let Some(jws) = self.server.bundle(held).await.map_err(|why| why.to_string())? else {
            return Ok(());
        };
        let jws = std::str::from_utf8(&jws).map_err(|_| "the bundle is not text".to_owned())?;
        self.take(jws).await?;
        if let Some(kept) = &self.kept
            && let Err(why) = kept.keep_bundle(jws)
        {
            tracing::warn!(folder = %kept.folder().display(), %why, "the bundle is in use, but could not be kept on disk");
        }
        Ok(())
    }

    /// The bundle from disk, then a fresh one; only having neither is an error.
    pub(crate) async fn first_bundle(self: &Arc<Self>) -> Result<(), EdgeError> {
        self.load_kept().await;
        let patience = Instant::now() + FIRST_PULL_PATIENCE;
        let mut why = String::new();
        loop {
            match timeout_at(patience, self.pull_bundle()).await {
                Ok(Ok(())) => break,
                Ok(Err(failure)) => why = failure,
                Err(_) if why.is_empty() => "no answer in time".clone_into(&mut why),
                Err(_) => {}
            }
            if self.current().is_some() {
                tracing::warn!(why, "started from the bundle kept on disk");
                break;
            }
            if Instant::now() + FIRST_PULL_PAUSE >= patience {
                let kept = self
                    .kept
                    .as_ref()
                    .map(|kept| format!(" in {}", kept.folder().display()))
                    .unwrap_or_default();
                return Err(EdgeError::NoBundle {
                    kept,
                    server: self.config.server_url.to_string(),
                    why,
                });
            }
            tokio::time::sleep(FIRST_PULL_PAUSE).await;
        }
        if let Err(why) = timeout_at(Instant::now() + FIRST_PULL_PATIENCE, self.pull_revocations())
            .await
            .unwrap_or(Ok(()))
        {
            tracing::warn!(%why, "no fresh revocations at start");
        }
        Ok(())
    }

    async fn load_kept(&self) {
        let Some(kept) = &self.kept else { return };
        match kept.bundle() {
            Ok(None) => {}
            Err(why) => tracing::warn!(file = %kept.bundle_file().display(), %why, "the kept bundle cannot be read"),
            Ok(Some(jws)) => {
                if let Err(why) = self.take(&jws).await {
                    tracing::warn!(file = %kept.bundle_file().display(), why, "the kept bundle cannot be used");
                }
            }
        }
        match kept.revocations() {
            Ok(None) => {}
            Ok(Some(page)) => {
                self.apply(&page);
            }
            Err(why) => tracing::warn!(folder = %kept.folder().display(), %why, "the kept revocations cannot be read"),
        }
    }

    /// Starts the two loops; both end with `shutdown`.
    pub(crate) fn spawn_pulls(self: &Arc<Self>) {
        let edge = self.clone();
        tokio::spawn(async move {
            let mut failures = 0;
            while edge.pause(backoff(BUNDLE_EVERY, failures)).await {
                let result = edge.pull_bundle().await;
                failures = edge.note("bundle", failures, result.err());
            }
        });
        tokio::spawn(self.clone().follow_revocations());
    }

    /// Waits; false if the edge is to stop.
    pub(crate) async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// Counts failures in a row and logs where they begin and end, not each.
    pub(crate) fn note(&self, what: &str, failures: u32, why: Option<String>) -> u32 {
        let Some(why) = why else {
            if failures > 0 {
                tracing::info!(what, failures, "pulled again");
            }
            return 0;
        };
        if failures.is_multiple_of(FAILURES_PER_LINE) {
            tracing::warn!(what, why, outage = self.server.breaker.is_open(), "could not be pulled");
        }
        failures.saturating_add(1)
    }
}
