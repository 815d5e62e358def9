//! What the sender's and the receiver's thread of one run share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::Errno;

use super::client::Client;
use super::clock::Clock;
use super::progress::{Cancel, Progress};
use super::spec::UdpSpec;
use crate::sample::Sample;

/// Port-unreachable answers after which a run that never had a reply is given up: nobody is there.
pub(crate) const REFUSED_MAX: u64 = 3;

/// A run under way.
#[derive(Debug)]
pub(crate) struct Live<'a> {
    pub(crate) spec: &'a UdpSpec,
    pub(crate) clock: Clock,
    pub(crate) clients: &'a [Client],
    pub(crate) progress: &'a Progress,
    pub(crate) cancel: &'a Cancel,
    sent: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
    sending_ended_ns: AtomicU64,
    sender_busy_ns: AtomicU64,
    aborted: AtomicBool,
}

impl<'a> Live<'a> {
    pub(crate) fn new(
        spec: &'a UdpSpec,
        clients: &'a [Client],
        progress: &'a Progress,
        cancel: &'a Cancel,
    ) -> Self {
        Self {
            spec,
            clock: Clock::start(),
            clients,
            progress,
            cancel,
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            sending_ended_ns: AtomicU64::new(0),
            sender_busy_ns: AtomicU64::new(0),
            aborted: AtomicBool::new(false),
        }
    }

    /// Whether no more probes are to be sent.
    pub(crate) fn is_over(&self) -> bool {
        self.cancel.is_cancelled() || self.is_aborted() || self.is_refused()
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Relaxed)
    }

    /// Whether the target answers that nobody listens, and never answered anything else.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed) >= REFUSED_MAX
            && self.answered.load(Ordering::Relaxed) == 0
    }

    /// Ends both threads because one of them failed.
    pub(crate) fn abort(&self) {
        self.aborted.store(true, Ordering::Relaxed);
    }

    /// Counts a probe of `client` that was due at one time and left at another.
    pub(crate) fn count_sent(&self, client: &Client, due_at: Duration, sent_at: Duration) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.progress.probe_sent(client.id + 1, due_at, sent_at);
    }

    pub(crate) fn count_answered(&self, client: &Client, sample: &Sample, latency: Duration) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.progress.probe_answered(client.id + 1, sample.sent_at, latency, sample.bytes);
    }

    /// Counts an ICMP answer that a socket call of `client` failed with; false when the failure
    /// was something else.
    pub(crate) fn count_icmp(&self, client: &Client, error: Errno) -> bool {
        if error == Errno::CONNREFUSED {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        client.count_icmp(error)
    }

    /// Says that the last probe has left, and for which part of the time until now the sender's thread
    /// ran; everything counted before is visible to who sees it.
    pub(crate) fn end_sending(&self, busy: Duration) {
        let busy_ns = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        self.sender_busy_ns.store(busy_ns, Ordering::Relaxed);
        let nanos = u64::try_from(self.clock.now().as_nanos()).unwrap_or(u64::MAX);
        self.sending_ended_ns.store(nanos.max(1), Ordering::Release);
    }

    /// When the last probe left; `None` while there are more to come.
    pub(crate) fn sending_ended(&self) -> Option<Duration> {
        let nanos = self.sending_ended_ns.load(Ordering::Acquire);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// The share of the time of sending in which the sender's thread ran, 0 to 1.
    pub(crate) fn sender_busy(&self) -> f64 {
        let sending = self.sending_ended().unwrap_or_default().as_nanos().max(1) as f64;
        (self.sender_busy_ns.load(Ordering::Relaxed) as f64 / sending).min(1.0)
    }

    pub(crate) fn is_all_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed) >= self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}
