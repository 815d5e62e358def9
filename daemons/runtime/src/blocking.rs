//! Blocking work, bounded: so much at once, and a deadline for what waits.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task, time};

/// Admission to the threads for blocking work, shared by all of the data plane.
#[derive(Clone, Debug)]
pub struct Blocking {
    permits: Arc<Semaphore>,
    patience: Duration,
}

/// Why blocking work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockingError {
    /// The pool stayed full until the deadline.
    #[error("the pool for blocking work stayed full")]
    Full,
    /// The work panicked, or the process is ending.
    #[error("blocking work was cut off")]
    CutOff,
}

impl Blocking {
    /// Admits `at_once` pieces of work at a time; the next waits for `patience` at most.
    #[must_use]
    pub fn new(at_once: usize, patience: Duration) -> Self {
        Self { permits: Arc::new(Semaphore::new(at_once)), patience }
    }

    /// Does `work` on a thread where it may block.
    ///
    /// # Errors
    /// [`BlockingError`] where it was not done.
    pub async fn run<T, W>(&self, work: W) -> Result<T, BlockingError>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let admission = time::timeout(self.patience, Arc::clone(&self.permits).acquire_owned());
        let permit = match admission.await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(BlockingError::CutOff),
            Err(_) => return Err(BlockingError::Full),
        };
        let done = task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        done.await.map_err(|_| BlockingError::CutOff)
    }
}
