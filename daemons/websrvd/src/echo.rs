//! The UDP echo: every datagram goes back to its sender, byte for byte.
//!
//! 1. Receive a batch.
//! 2. Leave out what must not be answered: an answer must never start a loop between two services,
//!    and is never longer than the question, so that a forged source gains nothing.
//! 3. Send the rest back, from the address each was sent to.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use selat_runtime::counters::{Counter, PerThread, Tally};
use selat_runtime::udp::{Batch, Datagram, DatagramSocket, Received, Sent};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Source ports that no client uses and whose services answer anything: one forged datagram would
/// go to and fro for ever (CVE-2024-2169). Port 0 cannot be answered.
const RESERVED_PORTS: [u16; 10] = [0, 7, 11, 13, 17, 19, 37, 53, 69, 123];

/// Why a datagram was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// Its source port is a service that would answer back.
    ReservedPort,
    /// It claims to come from the very socket that received it.
    OwnAddress,
    /// It was longer than the receive buffer.
    Truncated,
    /// The kernel did not take the answer.
    SendFailed,
}

impl DropReason {
    /// Every reason, in the order of [`DropReason::index`].
    pub(crate) const ALL: [Self; 4] =
        [Self::ReservedPort, Self::OwnAddress, Self::Truncated, Self::SendFailed];

    /// Place of this reason in an array of counters.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Name in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ReservedPort => "reserved_port",
            Self::OwnAddress => "own_address",
            Self::Truncated => "truncated",
            Self::SendFailed => "send_failed",
        }
    }
}

/// What one thread's echoes did. Named and explained in `echo.proto`.
#[derive(Debug, Default)]
pub(crate) struct EchoCounters {
    /// Datagrams received.
    pub(crate) received: Counter,
    /// Their payload bytes.
    pub(crate) received_bytes: Counter,
    /// Datagrams answered.
    pub(crate) answered: Counter,
    /// Their payload bytes.
    pub(crate) answered_bytes: Counter,
    /// Datagrams not answered, by [`DropReason::index`].
    pub(crate) dropped: Tally<{ DropReason::ALL.len() }>,
}

impl EchoCounters {
    fn count_received(&self, received: Received) {
        self.received.add(received.datagrams + received.truncated);
        self.received_bytes.add(received.bytes);
        self.dropped.add(DropReason::Truncated.index(), received.truncated);
    }

    fn count_sent(&self, sent: Sent) {
        self.answered.add(sent.datagrams);
        self.answered_bytes.add(sent.bytes);
        self.dropped.add(DropReason::SendFailed.index(), sent.failed);
    }
}

/// Answers what comes to `socket` until shutdown. One task owns the socket.
///
/// `echo_ports` are the ports of every echo of this process: datagrams that claim to come from one,
/// on this host or on another that is set up alike, would loop and are dropped.
///
/// # Errors
/// The socket cannot be watched.
pub(crate) async fn serve(
    socket: UdpSocket,
    echo_ports: Arc<[u16]>,
    counters: Arc<PerThread<EchoCounters>>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let socket = DatagramSocket::new(socket)?;
    shutdown.run_until_cancelled(answer(&socket, &echo_ports, counters.here())).await;
    Ok(())
}

async fn answer(socket: &DatagramSocket, echo_ports: &[u16], counters: &EchoCounters) {
    let mut batch = Batch::new();
    loop {
        batch.clear();
        match socket.receive(&mut batch).await {
            Ok(received) => counters.count_received(received),
            Err(error) => debug!(%error, "echo receive failed"),
        }
        discard_refused(&mut batch, socket.local_addr(), echo_ports, counters);
        counters.count_sent(socket.send(&batch).await);
        // The thread's connections must not wait for a flood to end.
        if batch.is_full() {
            yield_now().await;
        }
    }
}

fn discard_refused(
    batch: &mut Batch,
    own: SocketAddr,
    echo_ports: &[u16],
    counters: &EchoCounters,
) {
    for index in 0..batch.len() {
        let Some(reason) = batch.datagram(index).and_then(|it| refusal(&it, own, echo_ports))
        else {
            continue;
        };
        counters.dropped.increment(reason.index());
        batch.discard(index);
    }
}

/// Why a datagram must not be answered, if so.
fn refusal(datagram: &Datagram<'_>, own: SocketAddr, echo_ports: &[u16]) -> Option<DropReason> {
    let port = datagram.peer.port();
    if datagram.came_from(own) {
        Some(DropReason::OwnAddress)
    } else if RESERVED_PORTS.contains(&port) || echo_ports.contains(&port) {
        Some(DropReason::ReservedPort)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net;
    use tokio::task::JoinHandle;

    use super::*;

    /// An echo on a port of its own, and what it counted.
    struct Echo {
        addr: SocketAddr,
        counters: Arc<PerThread<EchoCounters>>,
        shutdown: CancellationToken,
        task: JoinHandle<io::Result<()>>,
    }

    impl Echo {
        fn start(bind: Ipv4Addr, echo_ports: &[u16]) -> Self {
            let socket = UdpSocket::bind((bind, 0)).expect("a socket");
            let addr = socket.local_addr().expect("its address");
            let counters = Arc::new(PerThread::new(1));
            let shutdown = CancellationToken::new();
            let ports = echo_ports.into();
            let task = tokio::spawn(serve(socket, ports, Arc::clone(&counters), shutdown.clone()));
            Self { addr, counters, shutdown, task }
        }

        fn dropped(&self, reason: DropReason) -> u64 {
            self.counters.sum(|counters| counters.dropped.value(reason.index()))
        }
    }

    async fn client() -> net::UdpSocket {
        net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket")
    }

    async fn ask(client: &net::UdpSocket, payload: &[u8], echo: SocketAddr) -> Vec<u8> {
        client.send_to(payload, echo).await.expect("sent");
        let mut answer = vec![0; 70_000];
        let (len, from) = client.recv_from(&mut answer).await.expect("an answer");
        assert_eq!(from, echo);
        answer.truncate(len);
        answer
    }

    #[tokio::test]
    async fn every_sender_gets_its_own_bytes_back() {
        let echo = Echo::start(Ipv4Addr::LOCALHOST, &[]);
        let sizes = [0, 1, 172, 1_472, 9_000, 65_507];
        for size in sizes {
            let client = client().await;
            let payload: Vec<u8> = (0..size).map(|byte| byte as u8).collect();
            assert_eq!(ask(&client, &payload, echo.addr).await, payload, "{size} bytes");
        }
        assert_eq!(echo.counters.sum(|counters| counters.received.value()), 6);
        let bytes = sizes.iter().sum::<u64>();
        assert_eq!(echo.counters.sum(|counters| counters.answered.value()), 6);
        assert_eq!(echo.counters.sum(|counters| counters.answered_bytes.value()), bytes);
    }

    #[tokio::test]
    async fn the_answer_comes_from_the_address_that_was_asked() {
        let echo = Echo::start(Ipv4Addr::UNSPECIFIED, &[]);
        let asked = SocketAddr::from(([127, 0, 0, 2], echo.addr.port()));
        assert_eq!(ask(&client().await, b"probe", asked).await, b"probe");
    }

    #[tokio::test]
    async fn another_echo_is_not_answered() {
        let (other, client) = (client().await, client().await);
        let port = other.local_addr().expect("its address").port();
        let echo = Echo::start(Ipv4Addr::LOCALHOST, &[port]);
        other.send_to(b"loop", echo.addr).await.expect("sent");
        assert_eq!(ask(&client, b"after it", echo.addr).await, b"after it");
        assert_eq!(echo.dropped(DropReason::ReservedPort), 1);
        assert_eq!(
            other.try_recv(&mut [0; 8]).map_err(|error| error.kind()),
            Err(io::ErrorKind::WouldBlock)
        );
    }

    #[tokio::test]
    async fn shutdown_ends_it() {
        let echo = Echo::start(Ipv4Addr::LOCALHOST, &[]);
        echo.shutdown.cancel();
        echo.task.await.expect("no panic").expect("no error");
    }

    #[test]
    fn what_would_loop_is_refused() {
        let own: SocketAddr = "192.0.2.1:9000".parse().expect("an address");
        let cases = [
            ("198.51.100.7:40000", None, None),
            ("198.51.100.7:7", None, Some(DropReason::ReservedPort)),
            ("198.51.100.7:19", None, Some(DropReason::ReservedPort)),
            ("198.51.100.7:0", None, Some(DropReason::ReservedPort)),
            ("198.51.100.7:9000", None, Some(DropReason::ReservedPort)),
            ("198.51.100.7:9001", None, Some(DropReason::ReservedPort)),
            ("192.0.2.1:9000", None, Some(DropReason::OwnAddress)),
            ("192.0.2.1:40000", None, None),
            ("127.0.0.1:9000", Some("127.0.0.1"), Some(DropReason::OwnAddress)),
        ];
        for (peer, local, expected) in cases {
            let datagram = Datagram {
                payload: b"",
                peer: peer.parse().expect("an address"),
                local: local.map(|ip| ip.parse().expect("an address")),
            };
            assert_eq!(refusal(&datagram, own, &[9000, 9001]), expected, "{peer}");
        }
    }

    #[test]
    fn every_reason_has_a_place_of_its_own() {
        for (place, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), place);
            assert!(!reason.as_str().is_empty());
        }
    }
}
