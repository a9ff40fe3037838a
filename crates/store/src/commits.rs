//! A place to stand at every commit: simulations let a process die there, or not learn what became of it.

use std::{fmt, panic::Location, pin::Pin, sync::Arc};

use crate::{Store, StoreError};

/// A write transaction about to be committed, named by where in this crate it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitPlace(pub(crate) &'static Location<'static>);

impl fmt::Display for CommitPlace {
    /// File and line, such as `sync_commit.rs:98`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.0.file().rsplit(['/', '\\']).next().unwrap_or_default();
        write!(f, "{file}:{}", self.0.line())
    }
}

/// What an observer says once it has thought about it.
pub type Said<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// Asked at every commit. A process that is to be dead is told at every one that it failed.
pub trait Commits: Send + Sync {
    /// Before it: an error means that nothing is committed.
    fn before(&self, place: CommitPlace) -> Said<'_>;

    /// After it: an error reaches the caller although everything is committed.
    fn after(&self, place: CommitPlace) -> Said<'_>;
}

impl Store {
    /// The same database, with `commits` asked at every commit made through this value and its clones.
    #[must_use]
    pub fn watched(&self, commits: Arc<dyn Commits>) -> Self {
        Self {
            pools: self.pools.clone(),
            commits: Some(commits),
        }
    }
}
