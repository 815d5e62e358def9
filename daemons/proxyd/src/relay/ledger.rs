//! What the relay counts: on each data-plane thread for itself, summed by whoever reads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use selat_core::relay::DropReason;
use selat_runtime::counters::{Counter, Gauge, Named, PerThread, Tally};

use super::tcp::RefuseReason;

/// What one thread's UDP relays did. Named and explained in `relay.proto`.
#[derive(Debug, Default)]
pub(crate) struct UdpCounters {
    pub(crate) sessions: Gauge,
    pub(crate) opened: Counter,
    pub(crate) expired: Counter,
    pub(crate) shed: Counter,
    pub(crate) up_datagrams: Counter,
    pub(crate) up_bytes: Counter,
    pub(crate) down_datagrams: Counter,
    pub(crate) down_bytes: Counter,
    /// By [`DropReason::index`].
    pub(crate) dropped: Tally<{ DropReason::ALL.len() }>,
}

/// What one thread's TCP relays did. Named and explained in `relay.proto`.
#[derive(Debug, Default)]
pub(crate) struct TcpCounters {
    pub(crate) sessions: Gauge,
    pub(crate) opened: Counter,
    pub(crate) expired: Counter,
    pub(crate) up_bytes: Counter,
    pub(crate) down_bytes: Counter,
    /// By [`RefuseReason::index`].
    pub(crate) refused: Tally<{ RefuseReason::ALL.len() }>,
}

impl Named for UdpCounters {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        visit("udp.opened", &self.opened);
        visit("udp.expired", &self.expired);
        visit("udp.shed", &self.shed);
        visit("udp.up_datagrams", &self.up_datagrams);
        visit("udp.up_bytes", &self.up_bytes);
        visit("udp.down_datagrams", &self.down_datagrams);
        visit("udp.down_bytes", &self.down_bytes);
        self.dropped.visit("udp.dropped.", DropReason::ALL.map(DropReason::as_str), visit);
    }
}

impl Named for TcpCounters {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        visit("tcp.opened", &self.opened);
        visit("tcp.expired", &self.expired);
        visit("tcp.up_bytes", &self.up_bytes);
        visit("tcp.down_bytes", &self.down_bytes);
        self.refused.visit("tcp.refused.", RefuseReason::ALL.map(RefuseReason::as_str), visit);
    }
}

/// Every counter of the relay, and the numbers of its sessions.
#[derive(Debug)]
pub(crate) struct Ledger {
    last_number: AtomicU64,
    udp: PerThread<UdpCounters>,
    tcp: PerThread<TcpCounters>,
}

impl Ledger {
    /// A ledger for so many data-plane threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            last_number: AtomicU64::new(0),
            udp: PerThread::new(threads),
            tcp: PerThread::new(threads),
        }
    }

    /// The UDP relay's, to add to from the data plane and to sum from the control plane.
    pub(crate) fn udp(&self) -> &PerThread<UdpCounters> {
        &self.udp
    }

    /// The TCP relay's, likewise.
    pub(crate) fn tcp(&self) -> &PerThread<TcpCounters> {
        &self.tcp
    }

    /// Gives no number up to `last`, which earlier instances have given.
    pub(super) fn go_on_from(&self, last: u64) {
        self.last_number.fetch_max(last, Relaxed);
    }

    /// A number that no other session of this process has, UDP or TCP; from 1.
    pub(super) fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Relaxed) + 1
    }
}
