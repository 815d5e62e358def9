//! A UDP run: one or many clients, each with its own socket, measured by two threads in all.
//!
//! 1. [`UdpSpec`] says what to send where; [`run`] opens the sockets.
//! 2. `sender` sends each probe at its absolute deadline and logs when it left.
//! 3. `receiver` sorts what comes back into one `inbox` for each client, with the time at which the
//!    kernel took it in.
//! 4. The run ends when all is answered, when the wait is over, or when it is cancelled;
//!    [`Run`] holds every sample.
//!
//! Never writes to a terminal: whoever wants to show something polls [`Progress`] or reads its
//! [`Feed`].

mod calibrate;
mod client;
mod clock;
mod inbox;
mod kernel;
mod live;
mod loopback;
mod probe;
mod progress;
mod receiver;
mod sender;
mod spec;
mod wall;

use std::net::SocketAddr;
use std::thread;

use jiff::Timestamp;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use self::calibrate::{CalibrateError, Calibration, calibrate, floor};
use self::client::Client;
pub(crate) use self::clock::Clock;
pub use self::inbox::Peer;
use self::live::Live;
pub use self::progress::{Cancel, Event, FEED_EVENTS_MAX, Feed, Load, Phase, Progress, Snapshot};
use self::receiver::Received;
pub use self::spec::{
    CLIENTS_MAX, Mode, PROBES_MAX, Pace, Padding, SIZE_MAX, SIZE_MIN, SpecError, TIMEOUT_MAX,
    UdpSpec,
};
use crate::sample::Sample;

/// Descriptors that a run needs beside its sockets, and a reserve for the rest of the process.
const SPARE_DESCRIPTORS: u64 = 64;

/// Why a run could not be made. A target that does not answer is no error but a result.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No socket for a client.
    #[error("no UDP socket to {target} for client {client}")]
    Open {
        /// Where it was to send.
        target: SocketAddr,
        /// Which client, from 1.
        client: u32,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not one probe could be sent.
    #[error("not one probe could be sent to {target}")]
    Send {
        /// Where it was to go.
        target: SocketAddr,
        /// Why the first did not leave.
        #[source]
        source: std::io::Error,
    },
    /// The sockets could not be waited on.
    #[error("waiting for replies failed")]
    Wait(#[source] std::io::Error),
    /// No thread to send from.
    #[error("no thread to send probes from")]
    Thread(#[source] std::io::Error),
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every probe was sent, and answered or waited for.
    Complete,
    /// [`Cancel`] was called; the samples are those of the probes sent until then.
    Cancelled,
    /// The target's host answered that nobody listens on the port, and nothing else ever came.
    Refused,
}

/// Where the receive times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampSource {
    /// The kernel, as it took the datagram in: without the time until this process ran.
    Kernel,
    /// This process, right after the receive call: includes the time to wake up.
    User,
}

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Run {
    /// Where the probes went.
    pub target: SocketAddr,
    /// Wall time of the origin that the samples count from.
    pub started_at: Timestamp,
    /// How it ended.
    pub ended: Ended,
    /// How often somebody set the wall clock. Kernel stamps that this spoilt are not used.
    pub clock_steps: u64,
    /// The share of the time of sending in which the thread that sends ran, 0 to 1.
    pub sender_busy: f64,
    /// One for each client, in order.
    pub clients: Vec<ClientRun>,
}

/// What one client measured.
#[derive(Clone, Debug)]
pub struct ClientRun {
    /// Number of the client, from 1.
    pub client: u32,
    /// One for each probe that was sent, in send order.
    pub samples: Vec<Sample>,
    /// What answered; `None` when nothing did.
    pub peer: Option<Peer>,
    /// Probes that could not be sent (no route, no buffer); they are not among the samples.
    pub unsent: u64,
    /// ICMP port-unreachable answers.
    pub refused: u64,
    /// ICMP host- or network-unreachable answers.
    pub unreachable: u64,
    /// Datagrams from the target that answer no probe of this client.
    pub foreign: u64,
    /// Answers that came later than the time-out, and count as lost.
    pub late: u64,
    /// Answers whose receive time was taken in user space.
    pub user_stamped: u64,
    /// Datagrams that reached this host and were dropped because the socket's buffer was full: not
    /// lost on the path. `None` where the kernel does not say.
    pub overruns: Option<u64>,
    /// Probes at the end of a run that was cut off whose answers nobody waited for; they are not among the
    /// samples.
    pub unawaited: u64,
}

impl ClientRun {
    /// Leaves out what was sent after the last probe that was answered: it may be on its way.
    fn leave_unawaited(&mut self) {
        let known = self.samples.iter().rposition(|sample| !sample.is_lost());
        let unawaited = self.samples.split_off(known.map_or(0, |last| last + 1));
        self.unawaited = unawaited.len() as u64;
    }
}

impl Run {
    /// Answers whose receive time was taken in user space, of all answers.
    #[must_use]
    pub fn user_stamped(&self) -> (u64, u64) {
        let answered = |client: &ClientRun| {
            client.samples.iter().filter(|sample| !sample.is_lost()).count() as u64
        };
        let user = self.clients.iter().map(|client| client.user_stamped).sum();
        (user, self.clients.iter().map(answered).sum())
    }
}

/// Makes the run that `spec` asks for; blocks until it is over.
///
/// Uses the calling thread and one more, however many clients there are. Raises the soft limit of
/// open files of this process when the clients need more.
///
/// # Errors
/// No socket, no thread, or no probe that could be sent at all.
pub fn run(spec: &UdpSpec, progress: &Progress, cancel: &Cancel) -> Result<Run, SessionError> {
    let clients = open_clients(spec)?;
    progress.plan(spec.probes());
    let live = Live::new(spec, &clients, progress, cancel);
    let received = measure(&live)?;
    let ended = match (live.is_refused(), cancel.is_cancelled()) {
        (true, _) => Ended::Refused,
        (false, true) => Ended::Cancelled,
        (false, false) => Ended::Complete,
    };
    let started_at = live.clock.origin_since_epoch();
    let started_at = Timestamp::UNIX_EPOCH.saturating_add(started_at).unwrap_or(Timestamp::MAX);
    let closed = clients
        .iter()
        .zip(received.inboxes)
        .map(|(client, inbox)| inbox.close(client, spec.timeout()));
    let mut closed: Vec<ClientRun> = closed.collect();
    // Where nothing at all was answered, waiting would have told no more.
    if cancel.is_cut_off() && closed.iter().flat_map(|it| &it.samples).any(|it| !it.is_lost()) {
        closed.iter_mut().for_each(ClientRun::leave_unawaited);
    }
    Ok(Run {
        target: spec.target(),
        started_at,
        ended,
        clock_steps: received.clock_steps,
        sender_busy: live.sender_busy(),
        clients: closed,
    })
}

fn open_clients(spec: &UdpSpec) -> Result<Vec<Client>, SessionError> {
    allow_descriptors(u64::from(spec.clients()) + SPARE_DESCRIPTORS);
    let probes = spec.schedule().count();
    (0..spec.clients())
        .map(|id| {
            let target = spec.target_of(id);
            let ssid = probe::session_id(spec, id);
            let opened = Client::open(id, ssid, target, probes, spec.stamps());
            opened.map_err(|source| SessionError::Open { target, client: id + 1, source })
        })
        .collect()
}

fn measure(live: &Live<'_>) -> Result<Received, SessionError> {
    let (received, failure) = thread::scope(|scope| {
        let sender = thread::Builder::new()
            .name("qos-sender".to_owned())
            .spawn_scoped(scope, || sender::send_all(live))
            .map_err(SessionError::Thread)?;
        let received = receiver::receive_all(live);
        if received.is_err() {
            live.abort();
        }
        // A sender that panicked has sent what it has sent; the samples stand.
        let failure = sender.join().unwrap_or(Some(Errno::CANCELED));
        let received = received.map_err(|errno| SessionError::Wait(errno.into()))?;
        Ok::<_, SessionError>((received, failure))
    })?;
    match failure {
        Some(errno) if live.sent() == 0 => {
            Err(SessionError::Send { target: live.spec.target(), source: errno.into() })
        }
        _ => Ok(received),
    }
}

/// Best effort: where the hard limit is too low, opening the sockets fails and says so.
fn allow_descriptors(needed: u64) {
    let limit = getrlimit(Resource::Nofile);
    let (Some(current), maximum) = (limit.current, limit.maximum) else { return };
    if current < needed {
        let current = Some(maximum.map_or(needed, |maximum| needed.min(maximum)));
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}
