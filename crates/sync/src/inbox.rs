//! Events are stored before they are acknowledged: many in one transaction, since a commit costs more than a row.

use std::sync::Arc;

use latchkey_entitlement::Clock;
use latchkey_store::{NewEvent, Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::ReceiveError;

/// Deliveries that may wait for the writer; beyond it Stripe is asked to come back.
const MAX_WAITING: usize = 1_024;
/// Events in one transaction.
const MAX_GROUP: usize = 256;

type Answer = oneshot::Sender<Result<bool, ReceiveError>>;

/// The writer's door. The writer ends with it; what it had not acknowledged by then is delivered again.
pub(crate) struct Inbox {
    door: mpsc::Sender<(NewEvent, Answer)>,
    _writer: AbortOnDropHandle<()>,
}

impl Inbox {
    pub(crate) fn start(store: Store, clock: Arc<dyn Clock>) -> Self {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let writer = tokio::spawn(write(store, clock, receiver));
        Self {
            door: sender,
            _writer: AbortOnDropHandle::new(writer),
        }
    }

    /// Stores one event; true if it was not there yet. Returns once it is durable.
    pub(crate) async fn store(&self, event: NewEvent) -> Result<bool, ReceiveError> {
        let (answer, stored) = oneshot::channel();
        self.door.try_send((event, answer)).map_err(|_| ReceiveError::Full)?;
        stored.await.map_err(|_| ReceiveError::Full)?
    }
}

async fn write(store: Store, clock: Arc<dyn Clock>, mut waiting: mpsc::Receiver<(NewEvent, Answer)>) {
    let mut group = Vec::with_capacity(MAX_GROUP);
    while waiting.recv_many(&mut group, MAX_GROUP).await > 0 {
        let (events, answers): (Vec<NewEvent>, Vec<Answer>) = group.drain(..).unzip();
        match store.receive_events(events.clone(), clock.now()).await {
            Ok(new) => {
                for (answer, new) in answers.into_iter().zip(new) {
                    let _ = answer.send(Ok(new));
                }
            }
            // One event that the database refuses must not take the others with it.
            Err(error) if answers.len() > 1 && !error.is_transient() => {
                for (event, answer) in events.into_iter().zip(answers) {
                    let stored = store.receive_events(vec![event], clock.now()).await;
                    let _ = answer.send(stored.map(first).map_err(ReceiveError::from));
                }
            }
            Err(error) => refuse(answers, error),
        }
    }
}

fn first(new: Vec<bool>) -> bool {
    new.into_iter().next().unwrap_or(false)
}

fn refuse(answers: Vec<Answer>, error: StoreError) {
    tracing::warn!(%error, events = answers.len(), "webhook deliveries were not stored");
    let mut error = Some(error);
    for answer in answers {
        let refused = error.take().map_or(ReceiveError::Full, ReceiveError::Store);
        let _ = answer.send(Err(refused));
    }
}
