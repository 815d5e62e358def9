//! What the kernel knows of a TCP connection (`TCP_INFO`, tcp(7)).

use std::mem::size_of_val;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bytes of `struct tcp_info` up to the last field that is read here.
const INFO_BYTES: usize = 232;

/// One look at a connection. What an older kernel does not tell is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpInfo {
    /// Smoothed round-trip time of what we send.
    pub rtt: Duration,
    /// Smallest of these.
    pub min_rtt: Option<Duration>,
    /// Round-trip time as the receiver estimates it; `None` until it has an estimate.
    pub receiver_rtt: Option<Duration>,
    /// Congestion window, segments.
    pub cwnd: u32,
    /// Largest segment that we send, bytes.
    pub mss: u32,
    /// Segments that were sent again, in all.
    pub retransmits: u32,
    /// Bytes that the other end has acknowledged.
    pub acked_bytes: Option<u64>,
    /// Bytes of content that were sent, repetitions among them.
    pub sent_bytes: Option<u64>,
    /// Bytes that were sent again.
    pub resent_bytes: Option<u64>,
    /// Newest rate at which data was delivered, byte/s.
    pub delivery_rate: Option<u64>,
    /// Segments that came out of order.
    pub out_of_order: Option<u32>,
}

impl TcpInfo {
    /// Looks at a socket; `None` where it is no TCP connection.
    #[must_use]
    #[expect(unsafe_code, reason = "no safe wrapper of TCP_INFO exists")]
    pub fn of(socket: &impl AsFd) -> Option<Self> {
        let mut info = [0_u8; INFO_BYTES];
        let mut length = size_of_val(&info) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes to `info`, which has that many, and then the
        // number written to `length`; both live to the end of this function.
        let done = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        (done == 0).then(|| Self::read(info.get(..length as usize).unwrap_or(&info)))?
    }

    /// The same, with what is counted going on from what it was `before`, on another connection.
    pub(super) fn counted_on(self, before: &Self) -> Self {
        let sum = |now: Option<u64>, before: Option<u64>| Some(now? + before.unwrap_or(0));
        Self {
            retransmits: self.retransmits.saturating_add(before.retransmits),
            acked_bytes: sum(self.acked_bytes, before.acked_bytes),
            sent_bytes: sum(self.sent_bytes, before.sent_bytes),
            resent_bytes: sum(self.resent_bytes, before.resent_bytes),
            out_of_order: self
                .out_of_order
                .map(|now| now.saturating_add(before.out_of_order.unwrap_or(0))),
            ..self
        }
    }

    /// The fields at their places in `struct tcp_info` (include/uapi/linux/tcp.h), which only ever
    /// grows at its end.
    fn read(info: &[u8]) -> Option<Self> {
        let four = |at: usize| Some(u32::from_ne_bytes(info.get(at..at + 4)?.try_into().ok()?));
        let eight = |at: usize| Some(u64::from_ne_bytes(info.get(at..at + 8)?.try_into().ok()?));
        let micros = |micros: u32| Duration::from_micros(micros.into());
        let known = |time: &u32| *time != 0 && *time != u32::MAX;
        Some(Self {
            rtt: micros(four(68)?),
            min_rtt: four(148).filter(known).map(micros),
            receiver_rtt: four(92).filter(known).map(micros),
            cwnd: four(80)?,
            mss: four(16)?,
            retransmits: four(100)?,
            acked_bytes: eight(120),
            sent_bytes: eight(200),
            resent_bytes: eight(208),
            delivery_rate: eight(160),
            out_of_order: four(224),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_was_sent_and_acknowledged_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut receiver = listener.accept().unwrap().0;
        sender.write_all(&[7; 100_000]).unwrap();
        receiver.read_exact(&mut [0; 100_000]).unwrap();
        // An answer carries the last acknowledgement.
        receiver.write_all(b"done").unwrap();
        sender.read_exact(&mut [0; 4]).unwrap();
        let info = TcpInfo::of(&sender).unwrap();
        assert_eq!(info.sent_bytes, Some(100_000));
        // The handshake counts for one.
        assert!(matches!(info.acked_bytes, Some(100_000..=100_001)), "{info:?}");
        assert!(info.cwnd > 0 && info.mss > 0 && info.rtt > Duration::ZERO, "{info:?}");
        assert_eq!((info.retransmits, info.resent_bytes), (0, Some(0)));
    }

    #[test]
    fn other_sockets_and_older_kernels_are_no_errors() {
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(TcpInfo::of(&datagrams), None);
        let old = TcpInfo::read(&[1; 104]).unwrap();
        assert_eq!((old.acked_bytes, old.min_rtt, old.resent_bytes), (None, None, None));
        assert_eq!(TcpInfo::read(&[1; 40]), None);
    }
}
