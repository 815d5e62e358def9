//! Serves HTTP connections: takes a permit for who waits, accepts, spawns; each connection is one task on the
//! thread that accepted it.
//!
//! Stopping has four steps, so that no request that a client has sent is lost:
//! 1. listeners close once their queue is empty, so that a client that is told to go finds no one who
//!    would lose its next request; the queue of a socket that the service manager holds is left to its next
//!    server;
//! 2. HTTP/2 clients are told to go away, and each HTTP/1 response says `Connection: close`;
//! 3. connections between two requests close;
//! 4. the runtime ends, and with it what is left.

mod accept;
mod acceptor;
mod connection;
mod deadline;
mod head_deadline;
mod interim;
mod listeners;
mod opening;
mod streams;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    accept::accept,
    acceptor::Acceptor,
    connection::{connection, connection_with_interims},
    interim::{InterimSender, Interims},
    listeners::{HttpListenError, HttpListeners, Prepared},
};
use crate::counters::{Counter, Gauge, Named, PerThread};

/// Limits of what one client may do, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a request's head.
    pub header_bytes_max: usize,
    /// Header fields of a request.
    pub headers_max: usize,
    /// Time for a request's head to arrive, and so the time that a connection may be idle.
    pub header_timeout: Duration,
    /// Time in which a client must take at least some bytes of a response; over HTTP/2, 16 KiB or its end.
    pub write_timeout: Duration,
    /// HTTP/2 streams open at once on one connection.
    pub streams_max: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            header_bytes_max: 64 << 10,
            headers_max: 100,
            header_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            streams_max: 128,
        }
    }
}

/// What one data-plane thread counts of its connections.
#[derive(Debug, Default)]
struct ConnectionCounters {
    accepted: Counter,
    active: Gauge,
    requests: Counter,
}

impl Named for ConnectionCounters {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        visit("http.accepted", &self.accepted);
        visit("http.requests", &self.requests);
    }
}

/// The connections of a daemon's HTTP listeners: how many there are and may be.
#[derive(Debug)]
pub struct Connections {
    permits: Arc<Semaphore>,
    max: usize,
    counters: PerThread<ConnectionCounters>,
    accepting: TaskTracker,
    tasks: TaskTracker,
    drain: Drain,
}

impl Connections {
    /// At most `max` at once, over `threads` data-plane threads.
    #[must_use]
    pub fn new(max: usize, threads: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(max)),
            max,
            counters: PerThread::new(threads),
            accepting: TaskTracker::new(),
            tasks: TaskTracker::new(),
            drain: Drain::default(),
        }
    }

    /// Most connections at once.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// Connections open now.
    #[must_use]
    pub fn active(&self) -> u64 {
        self.counters.sum(|thread| thread.active.value())
    }

    /// Connections accepted since start.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.counters.sum(|thread| thread.accepted.value())
    }

    /// Requests answered since start.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.counters.sum(|thread| thread.requests.value())
    }

    /// Counts one request.
    pub fn count_request(&self) {
        self.counters.here().requests.increment();
    }

    /// What is counted of them and outlives the process.
    pub fn visit_counters(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        self.counters.visit(visit);
    }

    /// How the connections are told to end.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Ends all connections: those that go quiet within `linger` without a reset, the others by `deadline`
    /// after that. Returns whether all ended.
    pub async fn finish(&self, linger: Duration, deadline: Duration) -> bool {
        self.drain.stopped.cancel();
        self.accepting.close();
        self.accepting.wait().await;
        self.drain.has_begun.store(true, Relaxed);
        self.drain.begun.cancel();
        self.tasks.close();
        if time::timeout(linger, self.tasks.wait()).await.is_ok() {
            return true;
        }
        self.drain.closed.cancel();
        time::timeout(deadline, self.tasks.wait()).await.is_ok()
    }
}

/// Tells listeners, then connections to end, step by step.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    stopped: CancellationToken,
    /// Whether `begun` has been cancelled, to be looked at with each response.
    has_begun: Arc<AtomicBool>,
    begun: CancellationToken,
    closed: CancellationToken,
}

impl Drain {
    /// Ends when listeners are to close.
    async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// Whether clients are to be told to go.
    fn has_begun(&self) -> bool {
        self.has_begun.load(Relaxed)
    }

    /// Ends when clients are to be told to go.
    async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Ends when connections between two requests are to close.
    async fn closed(&self) {
        self.closed.cancelled().await;
    }
}
