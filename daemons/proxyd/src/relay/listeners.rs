//! Every listener of the relay, as the control plane holds them: starts, changes, closes and reads
//! them. The data plane never comes here.

use std::mem;
use std::net::{self, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use selat_runtime::keep::LeftSession;
use selat_runtime::listen::Bound;
use selat_runtime::serve::Acceptor;
use selat_runtime::workers::Workers;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::config::{TcpConfig, UdpConfig};
use super::ledger::Ledger;
use super::session::{Protocol, SessionInfo};
use super::tcp::{Stop, TcpListener};
use super::udp::{Clock, Restored, Table, UdpListener};

/// Time for connections to end that are cut.
const CUT_PATIENCE: Duration = Duration::from_secs(1);

/// The relay of a process.
#[derive(Debug)]
pub(crate) struct Relay {
    ledger: Arc<Ledger>,
    /// UDP sessions that are kept for the next instance.
    kept: AtomicU64,
    udp_tasks: TaskTracker,
    tasks: TaskTracker,
    stop: Stop,
    listeners: Mutex<Listeners>,
}

#[derive(Debug, Default)]
struct Listeners {
    udp: Vec<UdpListener>,
    tcp: Vec<TcpListener>,
    /// Closed, but with connections that go on.
    closing: Vec<TcpListener>,
    /// Of an earlier instance, until the listeners are open that they belong to.
    restored: Vec<Restored>,
}

impl Relay {
    /// A relay without listeners, for so many data-plane threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            ledger: Arc::new(Ledger::new(threads)),
            kept: AtomicU64::new(0),
            udp_tasks: TaskTracker::new(),
            tasks: TaskTracker::new(),
            stop: Stop { accepting: CancellationToken::new(), relaying: CancellationToken::new() },
            listeners: Mutex::default(),
        }
    }

    /// What was counted so far.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Relays from the sockets of one UDP listener: one that was passed in, or one for each thread.
    pub(crate) fn listen_udp(
        &self,
        bound: Bound<net::UdpSocket>,
        config: UdpConfig,
        workers: &Workers,
    ) {
        let mut listeners = self.listeners();
        // Listeners of one socket each are spread over the threads.
        let first = listeners.udp.len();
        let Bound { address: local, inherited, sockets } = bound;
        let sockets = on_threads(sockets, workers, first);
        let is_its_own = |session: &mut Restored| inherited && session.listener == local;
        let restored = listeners.restored.extract_if(.., is_its_own).collect();
        let (ledger, tasks) = (&self.ledger, &self.udp_tasks);
        let udp = UdpListener::start(local, inherited, sockets, config, ledger, tasks, restored);
        listeners.udp.push(udp);
    }

    /// Has the UDP listeners that are opened next go on with the sessions of an earlier instance.
    pub(crate) fn resume(&self, left: Vec<LeftSession>) {
        let (clock, count) = (Clock::at(Instant::now().into_std()), left.len());
        let restored: Vec<_> =
            left.into_iter().filter_map(|session| Restored::of(session, clock)).collect();
        if restored.len() < count {
            warn!(left = count, usable = restored.len(), "sessions that were left do not fit");
        }
        self.ledger.go_on_from(restored.iter().map(|session| session.number).max().unwrap_or(0));
        self.listeners().restored = restored;
    }

    /// Ends the sessions of an earlier instance that no listener took up.
    pub(crate) fn drop_unclaimed(&self) {
        let unclaimed = mem::take(&mut self.listeners().restored).len();
        if unclaimed > 0 {
            info!(sessions = unclaimed, "UDP sessions ended with their listener");
        }
    }

    /// The UDP sessions that the next instance can go on with and that are kept for it, and as many others as there
    /// is room for.
    pub(crate) async fn kept_sessions(&self, mut room: usize) -> Vec<LeftSession> {
        let mut sessions = Vec::new();
        for table in self.lasting_tables() {
            table.keep(&mut room, &mut sessions).await;
        }
        self.kept.store(sessions.len() as u64, Relaxed);
        sessions
    }

    /// UDP sessions that are kept for the next instance.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Relaxed)
    }

    /// Stops UDP. Returns all sessions that the next instance can go on with.
    pub(crate) async fn leave(&self) -> Vec<LeftSession> {
        let mut sessions = Vec::new();
        for table in self.lasting_tables() {
            table.leave(&mut sessions).await;
        }
        self.listeners().udp.clear();
        self.udp_tasks.close();
        if timeout(CUT_PATIENCE, self.udp_tasks.wait()).await.is_err() {
            warn!("a UDP relay does not end");
        }
        sessions
    }

    /// The tables of listeners whose socket outlives this process.
    fn lasting_tables(&self) -> Vec<Table> {
        let listeners = self.listeners();
        let lasting = listeners.udp.iter().filter(|listener| listener.is_inherited());
        lasting.flat_map(UdpListener::tables).collect()
    }

    /// Relays from the sockets of one TCP listener, one for each thread.
    pub(crate) fn listen_tcp(
        &self,
        bound: Bound<net::TcpListener>,
        config: TcpConfig,
        workers: &Workers,
    ) {
        let (local, sockets) = (bound.address, on_threads(bound.sockets, workers, 0));
        let watch = if bound.inherited { Acceptor::inherited } else { Acceptor::new };
        let (ledger, tasks, stop) = (&self.ledger, &self.tasks, &self.stop);
        let tcp = TcpListener::start(local, sockets, watch, config, ledger, tasks, stop);
        self.listeners().tcp.push(tcp);
    }

    /// Changes a UDP listener; open sessions keep their upstream. Returns whether there is one.
    pub(crate) fn configure_udp(&self, local: SocketAddr, config: UdpConfig) -> bool {
        let listeners = self.listeners();
        let found = listeners.udp.iter().find(|listener| listener.local_addr() == local);
        found.inspect(|listener| listener.configure(config)).is_some()
    }

    /// Changes a TCP listener for connections to come. Returns whether there is one.
    pub(crate) fn configure_tcp(&self, local: SocketAddr, config: TcpConfig) -> bool {
        let listeners = self.listeners();
        let found = listeners.tcp.iter().find(|listener| listener.local_addr() == local);
        found.inspect(|listener| listener.configure(config)).is_some()
    }

    /// Closes a UDP listener and ends its sessions.
    pub(crate) fn close_udp(&self, local: SocketAddr) {
        self.listeners().udp.retain(|listener| listener.local_addr() != local);
    }

    /// Closes a TCP listener. Its connections go on until they end.
    pub(crate) fn close_tcp(&self, local: SocketAddr) {
        let listeners = &mut *self.listeners();
        let closing = listeners.tcp.extract_if(.., |listener| listener.local_addr() == local);
        listeners.closing.extend(closing.inspect(TcpListener::close));
        listeners.closing.retain(|listener| !listener.is_empty());
    }

    /// Most sessions of a protocol that may be open at once, all listeners together.
    pub(crate) fn sessions_max(&self, protocol: Protocol) -> u64 {
        let listeners = self.listeners();
        match protocol {
            Protocol::Udp => {
                listeners.udp.iter().map(|it| u64::from(it.config().limits.sessions_max)).sum()
            }
            Protocol::Tcp => {
                listeners.tcp.iter().map(|it| u64::from(it.config().connections_max)).sum()
            }
        }
    }

    /// The sessions that are open, oldest first; of both protocols where none is named.
    pub(crate) async fn sessions(&self, protocol: Option<Protocol>) -> Vec<SessionInfo> {
        let wanted = |kind| protocol.is_none_or(|protocol| protocol == kind);
        let mut sessions = Vec::new();
        let mut tables = Vec::new();
        {
            let listeners = self.listeners();
            if wanted(Protocol::Tcp) {
                let tcp = listeners.tcp.iter().chain(&listeners.closing);
                tcp.for_each(|listener| listener.read(&mut sessions));
            }
            if wanted(Protocol::Udp) {
                tables.extend(listeners.udp.iter().flat_map(UdpListener::tables));
            }
        }
        for table in tables {
            table.read(&mut sessions).await;
        }
        sessions.sort_unstable_by_key(|session| session.number);
        sessions
    }

    /// Stops TCP: no more is accepted, and what is open may end by itself until `deadline`, then it is reset.
    /// Returns whether nothing had to be reset. UDP goes on until [`Relay::leave`].
    pub(crate) async fn drain(&self, deadline: Instant) -> bool {
        self.stop.accepting.cancel();
        self.tasks.close();
        let ended = timeout_at(deadline, self.tasks.wait()).await.is_ok();
        self.stop.relaying.cancel();
        let cut = timeout(CUT_PATIENCE, self.tasks.wait()).await;
        ended && cut.is_ok()
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives each socket a thread, from the `first` on.
fn on_threads<T>(sockets: Vec<T>, workers: &Workers, first: usize) -> Vec<(T, Handle)> {
    let threads = (first..).map(|thread| workers.handle(thread).clone());
    sockets.into_iter().zip(threads).collect()
}
