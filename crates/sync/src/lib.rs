//! Inbox worker, sync, reconcile, outbox.
