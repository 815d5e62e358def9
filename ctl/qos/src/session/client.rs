//! One client of a run: its own socket, its own session id, and the log of what it sent.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::io::Errno;
use socket2::SockRef;

use super::StampSource;
use super::kernel;

/// Receive buffer that is asked of the kernel, bytes, so that a burst of replies is not dropped
/// here and taken for loss on the path. `net.core.rmem_max` may grant less.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// Marks a probe in the send log that was not sent.
const NOT_SENT: u64 = 0;

/// A client that sender and receiver share; the log is written by the one, read by the other.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u32,
    pub(crate) ssid: u16,
    pub(crate) socket: UdpSocket,
    sent_at_ns: Box<[AtomicU64]>,
    pub(crate) refused: AtomicU64,
    pub(crate) unreachable: AtomicU64,
    pub(crate) unsent: AtomicU64,
}

impl Client {
    /// Opens a socket that is connected to `target`, so that the kernel drops other senders'
    /// datagrams and hands ICMP errors on.
    ///
    /// `stamps` is where receive times are to come from, if the kernel can.
    pub(crate) fn open(
        id: u32,
        ssid: u16,
        target: SocketAddr,
        probes: u32,
        stamps: StampSource,
    ) -> std::io::Result<Self> {
        let any: SocketAddr = match target {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(target)?;
        // Best effort: the run works with the kernel's default, it only loses more in a burst.
        let _ = SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        if stamps == StampSource::Kernel {
            // Where the kernel cannot, the receiver takes its own time and says so.
            let _ = kernel::stamp_arrivals(&socket);
        }
        Ok(Self {
            id,
            ssid,
            socket,
            sent_at_ns: (0..probes).map(|_| AtomicU64::new(NOT_SENT)).collect(),
            refused: AtomicU64::new(0),
            unreachable: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
        })
    }

    /// Notes that `seq` leaves now; to be called before the datagram does.
    pub(crate) fn log_sent(&self, seq: u32, at: Duration) {
        if let Some(slot) = self.sent_at_ns.get(seq as usize) {
            slot.store(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        }
    }

    /// Takes the note back: the datagram did not leave.
    pub(crate) fn log_unsent(&self, seq: u32) {
        if let Some(slot) = self.sent_at_ns.get(seq as usize) {
            slot.store(NOT_SENT, Relaxed);
            self.unsent.fetch_add(1, Relaxed);
        }
    }

    /// When `seq` left; `None` when it did not, or is no probe of this client.
    pub(crate) fn sent_at(&self, seq: u32) -> Option<Duration> {
        let nanos = self.sent_at_ns.get(seq as usize)?.load(Relaxed);
        (nanos != NOT_SENT).then(|| Duration::from_nanos(nanos))
    }

    /// Counts what a socket call failed with when that is the path's answer to an earlier probe
    /// (an ICMP message); false when it is not.
    pub(crate) fn count_icmp(&self, error: Errno) -> bool {
        let counter = match error {
            Errno::CONNREFUSED => &self.refused,
            Errno::HOSTUNREACH | Errno::NETUNREACH => &self.unreachable,
            _ => return false,
        };
        counter.fetch_add(1, Relaxed);
        true
    }
}
