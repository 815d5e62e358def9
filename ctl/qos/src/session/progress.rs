//! What a running session tells the outside while it runs, and how the outside ends it.
//! Atomics only: whoever watches never holds the measuring threads up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Live counters of a run, all clients together. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    planned: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    overtaken: AtomicU64,
    last_latency_ns: AtomicU64,
}

/// The live counters at one moment; each is exact, but they are not read in one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Probes that the run will send.
    pub planned: u64,
    /// Probes sent so far.
    pub sent: u64,
    /// Probes answered so far, duplicates not counted.
    pub received: u64,
    /// Lost so far: unanswered probes of which a later one of the same client was answered.
    /// A reordered reply takes its probe out again.
    pub lost_so_far: u64,
    /// Latency of the newest answer.
    pub last_latency: Option<Duration>,
}

impl Progress {
    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let last_latency_ns = self.0.last_latency_ns.load(Relaxed);
        Snapshot {
            planned: self.0.planned.load(Relaxed),
            sent: self.0.sent.load(Relaxed),
            received: self.0.received.load(Relaxed),
            lost_so_far: self.0.overtaken.load(Relaxed),
            last_latency: (last_latency_ns > 0).then(|| Duration::from_nanos(last_latency_ns)),
        }
    }

    pub(crate) fn plan(&self, probes: u64) {
        self.0.planned.fetch_add(probes, Relaxed);
    }

    pub(crate) fn probe_sent(&self) {
        self.0.sent.fetch_add(1, Relaxed);
    }

    pub(crate) fn probe_answered(&self, latency: Duration) {
        self.0.received.fetch_add(1, Relaxed);
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.0.last_latency_ns.store(nanos.max(1), Relaxed);
    }

    pub(crate) fn probes_overtaken(&self, probes: u32) {
        self.0.overtaken.fetch_add(u64::from(probes), Relaxed);
    }

    pub(crate) fn overtaken_probe_answered(&self) {
        self.0.overtaken.fetch_sub(1, Relaxed);
    }
}

/// Ends a run early; what was measured until then is kept. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Stops sending; the run ends once the replies on their way had time to come.
    pub fn cancel(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether the run was told to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Relaxed)
    }
}
