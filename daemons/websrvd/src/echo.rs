//! The UDP echo: a STAMP probe is answered as a reflector, any other datagram byte for byte.
//!
//! 1. Receive a batch.
//! 2. Leave out what must not be answered: an answer must never start a loop between two services,
//!    and is no longer than the question, so that a forged source gains nothing. Only to a
//!    TWAMP-Light probe, of 14 bytes or more, it is the base packet of 44 (RFC 8762 §4.6).
//! 3. Make what [`recognise`] takes for a probe the `reflector`'s answer.
//! 4. Send all of it back, from the address each was sent to.

mod counters;
mod reflector;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use selat_proto::stamp::recognise::{self, recognise};
use selat_proto::stamp::{Keys, OPEN_LEN, SenderPacket, sealed};
use selat_runtime::counters::PerThread;
use selat_runtime::udp::{Batch, Datagram, DatagramSocket};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tracing::debug;

pub(crate) use self::counters::{DropReason, EchoCounters};
use self::reflector::{Form, Moment, Reflector, SESSIONS_MAX, Session};

/// Source ports that no client uses and whose services answer anything: one forged datagram would
/// go to and fro for ever (CVE-2024-2169). Port 0 cannot be answered.
const RESERVED_PORTS: [u16; 10] = [0, 7, 11, 13, 17, 19, 37, 53, 69, 123];

/// What every echo of a process is told.
#[derive(Clone, Debug)]
pub(crate) struct EchoRules {
    /// The ports of every echo of this process: datagrams that claim to come from one, on this host
    /// or on another that is set up alike, would loop and are dropped.
    pub(crate) echo_ports: Arc<[u16]>,
    /// How probes are answered; a reload may change it.
    pub(crate) reflection: Arc<ArcSwap<Reflection>>,
}

/// How probes are answered.
#[derive(Debug)]
pub(crate) struct Reflection {
    /// As a reflector, or echoed as everything else.
    pub(crate) is_on: bool,
    /// Keys of the sessions that are answered only with authentication.
    pub(crate) keys: Keys,
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
        let reflection = rules.reflection.load();
        for index in 0..batch.len() {
            match handling(&batch, index, socket.local_addr(), rules, &reflection, arrived) {
                Handling::Drop(reason) => {
                    counters.dropped.increment(reason.index());
                    batch.discard(index);
                }
                Handling::Reflect(probe, form) => {
                    reflect(&mut reflector, &mut batch, index, (&probe, form), arrived, counters);
                }
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
enum Handling<'k> {
    Drop(DropReason),
    Echo,
    Reflect(SenderPacket, Form<'k>),
}

fn handling<'k>(
    batch: &Batch,
    index: usize,
    own: SocketAddr,
    rules: &EchoRules,
    reflection: &'k Reflection,
    now: Duration,
) -> Handling<'k> {
    let Some(datagram) = batch.datagram(index) else { return Handling::Echo };
    if let Some(reason) = refusal(&datagram, own, &rules.echo_ports) {
        return Handling::Drop(reason);
    }
    match recognise(datagram.payload, now) {
        Some(recognise::Datagram::Answer) => Handling::Drop(DropReason::ReflectorAnswer),
        Some(probe) if reflection.is_on => reflection.handling(probe, datagram.payload),
        _ => Handling::Echo,
    }
}

impl Reflection {
    /// A session that has a key is answered to who has it too, and to nobody else.
    fn handling(&self, probe: recognise::Datagram, payload: &[u8]) -> Handling<'_> {
        match probe {
            recognise::Datagram::Sealed(probe) => match self.keys.of(probe.ssid) {
                Some(key) if sealed::is_genuine(payload, key) => {
                    Handling::Reflect(probe, Form::Sealed(key))
                }
                Some(_) => Handling::Drop(DropReason::WrongHmac),
                None => Handling::Drop(DropReason::NoKey),
            },
            recognise::Datagram::Open(probe) => self.open(probe, Form::Open),
            recognise::Datagram::Light(probe) => self.open(probe, Form::Light),
            recognise::Datagram::Answer => Handling::Drop(DropReason::ReflectorAnswer),
        }
    }

    fn open<'k>(&self, probe: SenderPacket, form: Form<'k>) -> Handling<'k> {
        match self.keys.of(probe.ssid) {
            Some(_) => Handling::Drop(DropReason::Unauthenticated),
            None => Handling::Reflect(probe, form),
        }
    }
}

/// Makes a probe its answer; `arrived` is when it was read, for kernels that do not say more.
fn reflect(
    reflector: &mut Reflector,
    batch: &mut Batch,
    index: usize,
    (probe, form): (&SenderPacket, Form<'_>),
    arrived: Duration,
    counters: &EchoCounters,
) {
    let stamp = batch.stamp(index);
    let Some(Datagram { peer, payload, .. }) = batch.datagram(index) else { return };
    if payload.len() < OPEN_LEN {
        batch.resize(index, OPEN_LEN);
    }
    let Some(datagram) = batch.payload_mut(index) else { return };
    let at = Moment {
        received: stamp.since_epoch.unwrap_or(arrived),
        sent: since_epoch(),
        ttl: stamp.hops_left,
        now: Instant::now(),
    };
    counters.reflected.increment();
    if reflector.reflect(peer, probe, form, at, datagram) == Session::Opened {
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
