//! One TCP listener: every data-plane thread accepts from it, or from a socket of its own.
//!
//! Accept → the table admits or refuses → spawn → connect upstream under a deadline → carry bytes
//! both ways until both sides have ended, or nothing moved for the idle timeout.

mod carry;
mod connection;
mod reason;
mod table;

use std::io;
use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use selat_core::relay::ClientAddr;
use selat_runtime::serve::Acceptor;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use self::connection::Connection;
pub(crate) use self::reason::RefuseReason;
use self::table::Table;
use super::config::TcpConfig;
use super::ledger::Ledger;
use super::session::SessionInfo;

/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Watches a listening socket on the thread that it is called on.
pub(super) type Watch = fn(net::TcpListener) -> io::Result<Acceptor>;

/// How the tasks of a relay end.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    /// Nothing new is accepted.
    pub(super) accepting: CancellationToken,
    /// What is open is cut.
    pub(super) relaying: CancellationToken,
}

/// A TCP listener as the control plane holds it.
#[derive(Debug)]
pub(super) struct TcpListener {
    table: Arc<Table>,
    closed: CancellationToken,
}

impl TcpListener {
    /// Starts to accept from each socket, all bound to `local`, on the thread named with it. `watch` says
    /// whose they are.
    pub(super) fn start(
        local: SocketAddr,
        sockets: Vec<(net::TcpListener, Handle)>,
        watch: Watch,
        config: TcpConfig,
        ledger: &Arc<Ledger>,
        tasks: &TaskTracker,
        stop: &Stop,
    ) -> Self {
        let table = Arc::new(Table::new(local, config));
        let stop = Stop { accepting: stop.accepting.child_token(), ..stop.clone() };
        for (socket, thread) in sockets {
            let (table, ledger) = (Arc::clone(&table), Arc::clone(ledger));
            let (of, stop) = (tasks.clone(), stop.clone());
            let task = async move {
                let accepted = async { accept(watch(socket)?, table, ledger, of, stop).await };
                if let Err(error) = accepted.await {
                    error!(%local, %error, "cannot relay from a TCP socket");
                }
            };
            tasks.spawn_on(task, &thread);
        }
        Self { table, closed: stop.accepting }
    }

    /// The address it listens on.
    pub(super) fn local_addr(&self) -> SocketAddr {
        self.table.local_addr()
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> TcpConfig {
        self.table.config()
    }

    /// Changes limits and upstream, for connections that come from now on.
    pub(super) fn configure(&self, config: TcpConfig) {
        self.table.configure(config);
    }

    /// Appends the connections that are open.
    pub(super) fn read(&self, sessions: &mut Vec<SessionInfo>) {
        self.table.read(sessions);
    }

    /// Whether no connection is open.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Accepts no more; open connections go on.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }
}

async fn accept(
    listener: Acceptor,
    table: Arc<Table>,
    ledger: Arc<Ledger>,
    tasks: TaskTracker,
    stop: Stop,
) -> io::Result<()> {
    let admit = |stream, client| {
        admit(stream, ClientAddr::new(client), &table, &ledger, &tasks, &stop);
    };
    tokio::select! {
        ended = accept_all(&listener, &admit) => return ended,
        () = stop.accepting.cancelled() => {}
    }
    // What the kernel has queued would be reset by closing a socket of our own.
    for accepted in listener.into_queue() {
        let (stream, client) = accepted?;
        admit(stream, client);
    }
    Ok(())
}

async fn accept_all(listener: &Acceptor, admit: &impl Fn(TcpStream, SocketAddr)) -> io::Result<()> {
    loop {
        listener.queued().await?;
        match listener.take() {
            Ok(Some((stream, client))) => admit(stream, client),
            Ok(None) => {}
            Err(error) => {
                warn!(%error, "cannot accept a TCP connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(
    stream: TcpStream,
    client: ClientAddr,
    table: &Arc<Table>,
    ledger: &Arc<Ledger>,
    tasks: &TaskTracker,
    stop: &Stop,
) {
    match table.open(ledger.next_number(), client) {
        Ok(place) => {
            let connection = Connection::new(stream, place, Arc::clone(ledger));
            let cut = stop.relaying.clone();
            tasks.spawn(async move { connection.run(cut).await });
        }
        Err(reason) => {
            ledger.tcp().here().refused.increment(reason.index());
            debug!(%client, reason = reason.as_str(), "TCP connection refused");
        }
    }
}
