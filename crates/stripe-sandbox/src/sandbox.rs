//! The sandbox as a whole: state, clock, file, worker.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::SandboxClock;
use crate::config::{SandboxConfig, SandboxError};
use crate::control::Control;
use crate::delivery::{DueDelivery, HttpClient, MAX_IN_FLIGHT, send};
use crate::state::{STATE_VERSION, State};

/// How often the worker looks whether something fell due.
const TICK: Duration = Duration::from_millis(200);
/// One step of the clock is at most five years.
const MAX_ADVANCE_MS: i64 = 5 * 366 * 86_400_000;
/// How long the worker waits before it writes again after a failure.
const AFTER_FAILED_WRITE: Duration = Duration::from_secs(5);
const FILE_NAME: &str = "stripe-sandbox.json";

/// A Stripe account for development that lives in this process.
pub struct Sandbox {
    config: SandboxConfig,
    clock: Arc<SandboxClock>,
    state: Mutex<State>,
    /// Held while the file is written, so that an older state never replaces a newer one.
    file: Mutex<()>,
    path: Option<PathBuf>,
    wake: Notify,
    has_worker: AtomicBool,
    client: HttpClient,
    form_token: String,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Opens a sandbox: loads its state file if there is one, moves `clock` as far ahead as it was when that file was
    /// written, and does what fell due since.
    pub fn open(config: SandboxConfig, clock: Arc<SandboxClock>) -> Result<Arc<Self>, SandboxError> {
        config.check()?;
        let path = config.data.as_ref().map(|folder| folder.join(FILE_NAME));
        // Ids follow from the key, so that the same steps give the same ids on every run.
        let seed = crate::delivery::hex(digest(&SHA256, config.secret_key.as_bytes()).as_ref());
        let mut state = match &path {
            Some(path) => load(path)?.unwrap_or_else(|| State::new(seed)),
            None => State::new(seed),
        };
        clock.restore(state.clock_offset_ms);
        config
            .public_url
            .trim_end_matches('/')
            .clone_into(&mut state.public_url);
        state.now = clock.now_ms().div_euclid(1000);
        state.configure_endpoint(config.webhook_url.as_deref(), &config.webhook_secret);
        if !state.no_portal_default {
            state.save_portal_default();
        }
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let sandbox = Arc::new(Self {
            config,
            clock,
            state: Mutex::new(state),
            file: Mutex::new(()),
            path,
            wake: Notify::new(),
            has_worker: AtomicBool::new(false),
            client,
            form_token: random_token()?,
        });
        sandbox.edit(|state| state.changed = true);
        sandbox.flush()?;
        Ok(sandbox)
    }

    /// The clock it was opened with.
    pub fn clock(&self) -> &Arc<SandboxClock> {
        &self.clock
    }

    /// Moves the clock forward by `ms` milliseconds (at most five years) and does everything that falls due on the
    /// way, in order of time. Deliveries that come of it are sent by the worker.
    pub fn advance(&self, ms: i64) {
        self.clock.advance(ms.min(MAX_ADVANCE_MS));
        self.edit(|state| state.changed = true);
    }

    /// Controls for tests and for the panel.
    pub fn control(&self) -> Control<'_> {
        Control::new(self)
    }

    pub(crate) fn config(&self) -> &SandboxConfig {
        &self.config
    }

    /// The token that the control panel's forms carry.
    pub fn form_token(&self) -> &str {
        &self.form_token
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the state at the present moment, after everything that fell due before it.
    pub(crate) fn edit<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let (result, changed) = {
            let mut state = self.lock();
            let now_ms = self.clock.now_ms();
            state.now = now_ms.div_euclid(1000);
            state.process_due();
            let result = act(&mut state);
            state.dispatch_emitted(now_ms);
            let changed = state.changed;
            // Without a file nothing waits to be written.
            state.changed = changed && self.path.is_some();
            (result, changed)
        };
        if changed {
            self.wake.notify_one();
            if !self.has_worker.load(Ordering::Acquire)
                && let Err(error) = self.flush()
            {
                tracing::error!(%error, "the sandbox could not write its state");
            }
        }
        result
    }

    /// Writes the state file if anything changed since it was last written.
    pub fn flush(&self) -> Result<(), SandboxError> {
        let Some(path) = &self.path else { return Ok(()) };
        let _order = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let text = {
            let mut state = self.lock();
            if !state.changed {
                return Ok(());
            }
            state.changed = false;
            state.clock_offset_ms = self.clock.offset_ms();
            serde_json::to_vec(&*state)
        };
        let fail = |reason: String| SandboxError::File {
            path: path.clone(),
            reason,
        };
        let written = text
            .map_err(|error| fail(error.to_string()))
            .and_then(|text| write(path, &text).map_err(|error| fail(error.to_string())));
        if written.is_err() {
            self.lock().changed = true;
        }
        written
    }

    /// Takes up to `most` due deliveries, to be made by the caller in place of the worker: a simulation has no sockets. Each is to be
    /// answered with [`Sandbox::record_delivery`].
    pub fn take_deliveries(&self, most: usize) -> Vec<DueDelivery> {
        let now_ms = self.clock.now_ms();
        let jobs = self.edit(|state| state.take_due(now_ms, most));
        jobs.into_iter().map(DueDelivery::from).collect()
    }

    /// What became of a delivery that was taken: the status of the answer, or why there was none.
    pub fn record_delivery(&self, number: u64, outcome: Result<u16, String>) {
        let now_ms = self.clock.now_ms();
        self.edit(|state| state.delivered(number, outcome, now_ms));
    }

    /// Everything there is, as it is written to the state file: the same for the same steps.
    pub fn snapshot(&self) -> Vec<u8> {
        self.edit(|state| serde_json::to_vec(&*state).unwrap_or_default())
    }

    /// Sends what is due until nothing is, and says how many tries that took. The worker does this by itself; tests
    /// that want to know when deliveries are over call it instead.
    pub async fn deliver_due(&self) -> usize {
        let mut sending = JoinSet::new();
        let mut tries = 0;
        loop {
            let now_ms = self.clock.now_ms();
            let free = MAX_IN_FLIGHT.saturating_sub(sending.len());
            for job in self.edit(|state| state.take_due(now_ms, free)) {
                let client = self.client.clone();
                tries += 1;
                sending.spawn(async move { (job.number, send(&client, &job).await) });
            }
            match sending.join_next().await {
                None => return tries,
                Some(Ok((number, outcome))) => self.edit(|state| state.delivered(number, outcome, now_ms)),
                Some(Err(error)) => tracing::error!(%error, "a delivery broke"),
            }
        }
    }

    /// Starts the worker that delivers webhooks, lets due things happen as time passes, and writes the state file. It
    /// runs until the handle is aborted; [`Sandbox::flush`] afterwards writes what is left.
    pub fn start_deliveries(self: &Arc<Self>) -> JoinHandle<()> {
        let sandbox = Arc::clone(self);
        sandbox.has_worker.store(true, Ordering::Release);
        tokio::spawn(async move {
            let _leaves = WorkerGone(&sandbox.has_worker);
            loop {
                sandbox.deliver_due().await;
                let writer = Arc::clone(&sandbox);
                let written = tokio::task::spawn_blocking(move || writer.flush()).await;
                if let Ok(Err(error)) = written {
                    tracing::error!(%error, "the sandbox could not write its state");
                    tokio::time::sleep(AFTER_FAILED_WRITE).await;
                }
                // A burst of changes is written once per tick at most.
                tokio::time::sleep(TICK / 10).await;
                let _ = tokio::time::timeout(TICK, sandbox.wake.notified()).await;
            }
        })
    }
}

/// Marks the worker as gone when it is aborted, so that changes are written at once again.
struct WorkerGone<'a>(&'a AtomicBool);

impl Drop for WorkerGone<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::error!(%error, "the sandbox could not write its state");
        }
    }
}

fn random_token() -> Result<String, SandboxError> {
    let mut bytes = [0_u8; 24];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| SandboxError::Refused("the system gives no randomness".to_owned()))?;
    Ok(crate::delivery::hex(&bytes))
}

fn load(path: &PathBuf) -> Result<Option<State>, SandboxError> {
    let fail = |reason: String| SandboxError::File {
        path: path.clone(),
        reason,
    };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error.to_string())),
    };
    let state: State = serde_json::from_slice(&text).map_err(|error| {
        fail(format!(
            "it is not a sandbox state ({error}); move it away to begin with an empty one"
        ))
    })?;
    if state.version != STATE_VERSION {
        return Err(fail(format!(
            "it has version {}, this program reads {STATE_VERSION}; move it away to begin anew",
            state.version
        )));
    }
    Ok(Some(state))
}

fn write(path: &PathBuf, text: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension("json.new");
    std::fs::write(&temporary, text)?;
    std::fs::rename(&temporary, path)
}
