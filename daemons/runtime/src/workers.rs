//! The data plane's threads, each with a current-thread runtime of its own. What a thread accepts
//! lives and dies there.

use std::{future::Future, io, thread, time::Duration};

use futures_util::future;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    time,
};

use crate::counters;

/// Most data-plane threads.
pub const THREADS_MAX: usize = 1024;

/// Threads for blocking work (disk, directory listings) that one data-plane thread may have.
const BLOCKING_THREADS_MAX: usize = 64;

/// The data-plane threads. Dropping them ends them; [`Workers::join`] also waits.
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Workers {
    /// Starts `count` threads, at least one and at most [`THREADS_MAX`], named `NAME-0`, `NAME-1`, ….
    ///
    /// # Errors
    /// Where the machine gives no thread or no event queue.
    pub fn start(name: &str, count: usize) -> io::Result<Self> {
        (0..count.clamp(1, THREADS_MAX)).map(|index| Worker::start(name, index)).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The thread number `index`, modulo their count.
    #[must_use]
    pub fn handle(&self, index: usize) -> &Handle {
        &self.0[index % self.0.len()].handle
    }

    /// Whether every thread takes up new work within `limit`: the proof of progress that the
    /// watchdog is fed with.
    pub async fn respond_within(&self, limit: Duration) -> bool {
        let probes = self.0.iter().map(|worker| worker.handle.spawn(async {}));
        matches!(
            time::timeout(limit, future::join_all(probes)).await,
            Ok(results) if results.iter().all(Result::is_ok)
        )
    }

    /// Ends the threads and whatever still runs on them, and waits for them.
    pub fn join(self) {
        let (stops, threads): (Vec<_>, Vec<_>) =
            self.0.into_iter().map(|worker| (worker.stop, worker.thread)).unzip();
        drop(stops);
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a data-plane thread panicked");
            }
        }
    }
}

impl FromIterator<Worker> for Workers {
    fn from_iter<I: IntoIterator<Item = Worker>>(workers: I) -> Self {
        Self(workers.into_iter().collect())
    }
}

impl Worker {
    fn start(name: &str, index: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name(format!("{name}-disk"))
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("{name}-{index}")).spawn(move || {
            counters::set_thread(index);
            // Ends when the sender is dropped, too.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, stop, thread })
    }
}

/// Runs `future` on the current thread until it is done: the control plane's thread.
///
/// # Errors
/// Where the machine gives no event queue.
pub fn control_plane<F: Future>(future: F) -> io::Result<F::Output> {
    Ok(Builder::new_current_thread().enable_all().build()?.block_on(future))
}
