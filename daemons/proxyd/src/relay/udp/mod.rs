//! One UDP listening socket and the task that owns it.
//!
//! A datagram's way up: receive a batch → `Sessions::handle` → the session's connected socket.
//! A datagram's way down: the set of upstream sockets names those that have something → receive →
//! `Sessions::reply` → send the batch from the listening socket. Because every session has a socket
//! of its own, connected to the upstream, a reply can only reach the client it is for.

mod relay;
mod upstreams;

use std::net::{self, SocketAddr};
use std::sync::Arc;

use selat_core::relay::PAGE_SLOTS;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use self::relay::UdpRelay;
use super::config::UdpConfig;
use super::ledger::Ledger;
use super::session::SessionInfo;

/// Pages that may be asked for and not yet answered; whoever asks for one more waits.
const ASKED_MAX: usize = 4;

/// A question for the sessions in one page of the table; `None` is answered past the last page.
struct PageRequest {
    index: usize,
    answer: oneshot::Sender<Option<Vec<SessionInfo>>>,
}

/// A UDP listener as the control plane holds it: one task for each of its sockets. Dropping it ends
/// them.
#[derive(Debug)]
pub(super) struct UdpListener {
    local: SocketAddr,
    tables: Vec<mpsc::Sender<PageRequest>>,
    config: watch::Sender<UdpConfig>,
}

impl UdpListener {
    /// Starts a task for each socket, all bound to `local`, on the thread named with it.
    pub(super) fn start(
        local: SocketAddr,
        sockets: Vec<(net::UdpSocket, Handle)>,
        config: UdpConfig,
        ledger: &Arc<Ledger>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let shares = sockets.len() as u32;
        let config_now = config;
        let (config, configured) = watch::channel(config);
        let mut tables = Vec::new();
        for (socket, thread) in sockets {
            let (table, asked) = mpsc::channel(ASKED_MAX);
            tables.push(table);
            let (ledger, configured, stop) = (Arc::clone(ledger), configured.clone(), stop.clone());
            let task = async move {
                match UdpRelay::new(socket, shares, config_now, ledger) {
                    Ok(relay) => relay.run(asked, configured, stop).await,
                    Err(error) => error!(%local, %error, "cannot relay on a UDP socket"),
                }
            };
            tasks.spawn_on(task, &thread);
        }
        Self { local, tables, config }
    }

    /// The address it listens on.
    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> UdpConfig {
        *self.config.borrow()
    }

    /// Changes limits and upstream. Open sessions stay with the upstream that they began with.
    pub(super) fn configure(&self, config: UdpConfig) {
        self.config.send_replace(config);
    }

    /// Senders with which to ask for this listener's sessions.
    pub(super) fn tables(&self) -> impl Iterator<Item = Table> {
        self.tables.iter().cloned().map(Table)
    }
}

/// One socket's table of sessions, to be read from another thread.
pub(super) struct Table(mpsc::Sender<PageRequest>);

impl Table {
    /// Appends the sessions of the table, a page at a time so that datagrams go on between pages.
    /// A table whose task has ended has none.
    pub(super) async fn read(self, sessions: &mut Vec<SessionInfo>) {
        for index in 0.. {
            let (answer, answered) = oneshot::channel();
            let asked = self.0.send(PageRequest { index, answer }).await;
            match answered.await {
                Ok(Some(page)) if asked.is_ok() => sessions.extend(page),
                _ => return,
            }
            sessions.reserve(PAGE_SLOTS);
        }
    }
}
