//! The UDP echo: a STAMP probe is answered as a reflector, any other datagram byte for byte.
//!
//! 1. Receive a batch.
//! 2. Leave out what must not be answered: an answer must never start a loop between two services,
//!    and is never longer than the question, so that a forged source gains nothing.
//! 3. Make what is a probe to the last zero byte the `reflector`'s answer.
//! 4. Send all of it back, from the address each was sent to.

mod reflector;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use selat_proto::stamp::Packet;
use selat_runtime::counters::{Counter, PerThread, Tally};
use selat_runtime::udp::{Batch, Datagram, DatagramSocket, Received, Sent};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::reflector::{Moment, Reflector, SESSIONS_MAX, Session};

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
    /// It is a STAMP reflector's answer: two reflectors would answer each other for ever.
    ReflectorAnswer,
    /// It was longer than the receive buffer.
    Truncated,
    /// The kernel did not take the answer.
    SendFailed,
}

impl DropReason {
    /// Every reason, in the order of [`DropReason::index`].
    pub(crate) const ALL: [Self; 5] = [
        Self::ReservedPort,
        Self::OwnAddress,
        Self::ReflectorAnswer,
        Self::Truncated,
        Self::SendFailed,
    ];

    /// Place of this reason in an array of counters.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Name in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ReservedPort => "reserved_port",
            Self::OwnAddress => "own_address",
            Self::ReflectorAnswer => "reflector_answer",
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
    /// STAMP probes answered as a reflector.
    pub(crate) reflected: Counter,
    /// Sessions that these began.
    pub(crate) sessions: Counter,
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

/// What every echo of a process is told.
#[derive(Clone, Debug)]
pub(crate) struct EchoRules {
    /// The ports of every echo of this process: datagrams that claim to come from one, on this host
    /// or on another that is set up alike, would loop and are dropped.
    pub(crate) echo_ports: Arc<[u16]>,
    /// Whether probes are answered as a reflector, or echoed as everything else.
    pub(crate) is_reflector: Arc<AtomicBool>,
}

/// Answers what comes to `socket` until shutdown. One task owns the socket.
///
/// # Errors
/// The socket cannot be watched.
pub(crate) async fn serve(
    socket: UdpSocket,
    rules: EchoRules,
    counters: Arc<PerThread<EchoCounters>>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let socket = DatagramSocket::new(socket)?;
    if let Err(error) = socket.report_arrival() {
        debug!(%error, "the kernel tells no arrival times: probes are stamped when they are read");
    }
    shutdown.run_until_cancelled(answer(&socket, &rules, counters.here())).await;
    Ok(())
}

async fn answer(socket: &DatagramSocket, rules: &EchoRules, counters: &EchoCounters) {
    let mut batch = Batch::new();
    let mut reflector = Reflector::new(SESSIONS_MAX);
    loop {
        batch.clear();
        match socket.receive(&mut batch).await {
            Ok(received) => counters.count_received(received),
            Err(error) => debug!(%error, "echo receive failed"),
        }
        let arrived = since_epoch();
        for index in 0..batch.len() {
            match handling(&batch, index, socket.local_addr(), rules) {
                Handling::Drop(reason) => {
                    counters.dropped.increment(reason.index());
                    batch.discard(index);
                }
                Handling::Reflect => reflect(&mut reflector, &mut batch, index, arrived, counters),
                Handling::Echo => {}
            }
        }
        counters.count_sent(socket.send(&batch).await);
        // The thread's connections must not wait for a flood to end.
        if batch.is_full() {
            yield_now().await;
        }
    }
}

/// What is done with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handling {
    Drop(DropReason),
    Echo,
    Reflect,
}

fn handling(batch: &Batch, index: usize, own: SocketAddr, rules: &EchoRules) -> Handling {
    let Some(datagram) = batch.datagram(index) else { return Handling::Echo };
    if let Some(reason) = refusal(&datagram, own, &rules.echo_ports) {
        return Handling::Drop(reason);
    }
    match Packet::recognise(datagram.payload) {
        Some(Packet::Reflector(_)) => Handling::Drop(DropReason::ReflectorAnswer),
        Some(Packet::Sender(_)) if rules.is_reflector.load(Relaxed) => Handling::Reflect,
        _ => Handling::Echo,
    }
}

/// Makes a probe its answer; `arrived` is when it was read, for kernels that do not say more.
fn reflect(
    reflector: &mut Reflector,
    batch: &mut Batch,
    index: usize,
    arrived: Duration,
    counters: &EchoCounters,
) {
    let stamp = batch.stamp(index);
    let Some(client) = batch.datagram(index).map(|datagram| datagram.peer) else { return };
    let Some(datagram) = batch.payload_mut(index) else { return };
    let Ok(Packet::Sender(probe)) = Packet::decode(datagram) else { return };
    let at = Moment {
        received: stamp.since_epoch.unwrap_or(arrived),
        sent: since_epoch(),
        ttl: stamp.hops_left,
        now: Instant::now(),
    };
    counters.reflected.increment();
    if reflector.reflect(client, &probe, at, datagram) == Session::Opened {
        counters.sessions.increment();
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
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
