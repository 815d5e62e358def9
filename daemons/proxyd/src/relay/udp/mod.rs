//! One UDP listening socket and the task that owns it.
//!
//! A datagram's way up: receive a batch → `Sessions::handle` → the session's connected socket.
//! A datagram's way down: the set of upstream sockets names those that have something → receive →
//! `Sessions::reply` → send the batch from the listening socket. Because every session has a socket
//! of its own, connected to the upstream, a reply can only reach the client it is for.

mod kept;
mod relay;
mod upstreams;

use std::mem;
use std::net::{self, SocketAddr};
use std::sync::Arc;

use selat_core::relay::PAGE_SLOTS;
use selat_runtime::keep::LeftSession;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;
use tracing::error;

pub(super) use self::kept::{Clock, Restored};
use self::relay::UdpRelay;
use super::config::UdpConfig;
use super::ledger::Ledger;
use super::session::SessionInfo;

/// Questions that may be asked and not yet answered; whoever asks one more waits.
const ASKED_MAX: usize = 4;

/// What the control plane asks the task of a socket.
enum Question {
    /// The sessions in one page of the table; `None` is answered past the last page.
    Page { index: usize, answer: oneshot::Sender<Option<Vec<SessionInfo>>> },
    /// Those in one page that are kept for the next instance, and as many others as there is room for.
    Kept { index: usize, room: usize, answer: oneshot::Sender<Option<Vec<LeftSession>>> },
    /// All of them, with their sockets: the task ends.
    Leave { answer: oneshot::Sender<Vec<LeftSession>> },
}

/// A UDP listener as the control plane holds it: one task for each of its sockets. Dropping it ends
/// them.
#[derive(Debug)]
pub(super) struct UdpListener {
    local: SocketAddr,
    /// Whether the service manager has its socket, too: then its sessions can outlive this process.
    is_inherited: bool,
    tables: Vec<mpsc::Sender<Question>>,
    config: watch::Sender<UdpConfig>,
}

impl UdpListener {
    /// Starts a task for each socket, all bound to `local`, on the thread named with it. Where there is one, it goes
    /// on with the sessions that were restored.
    pub(super) fn start(
        local: SocketAddr,
        is_inherited: bool,
        sockets: Vec<(net::UdpSocket, Handle)>,
        config: UdpConfig,
        ledger: &Arc<Ledger>,
        tasks: &TaskTracker,
        mut restored: Vec<Restored>,
    ) -> Self {
        let shares = sockets.len() as u32;
        let config_now = config;
        let (config, configured) = watch::channel(config);
        let mut tables = Vec::new();
        for (socket, thread) in sockets {
            let (table, asked) = mpsc::channel(ASKED_MAX);
            tables.push(table);
            let (ledger, configured) = (Arc::clone(ledger), configured.clone());
            let restored = mem::take(&mut restored);
            let task = async move {
                match UdpRelay::new(socket, shares, config_now, ledger, restored) {
                    Ok(relay) => relay.run(asked, configured).await,
                    Err(error) => error!(%local, %error, "cannot relay on a UDP socket"),
                }
            };
            tasks.spawn_on(task, &thread);
        }
        Self { local, is_inherited, tables, config }
    }

    /// The address it listens on.
    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Whether its sessions can outlive this process.
    pub(super) const fn is_inherited(&self) -> bool {
        self.is_inherited
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> UdpConfig {
        *self.config.borrow()
    }

    /// Changes limits and upstream. Open sessions stay with the upstream that they began with.
    pub(super) fn configure(&self, config: UdpConfig) {
        self.config.send_replace(config);
    }

    /// Where to ask for this listener's sessions.
    pub(super) fn tables(&self) -> impl Iterator<Item = Table> {
        self.tables.iter().cloned().map(Table)
    }
}

/// One socket's table of sessions, to be read from another thread. A table whose task has ended has none.
pub(super) struct Table(mpsc::Sender<Question>);

impl Table {
    /// Appends the sessions of the table, a page at a time so that datagrams go on between pages.
    pub(super) async fn read(self, sessions: &mut Vec<SessionInfo>) {
        for index in 0.. {
            let page = self.ask(|answer| Question::Page { index, answer }).await;
            let Some(Some(page)) = page else { return };
            sessions.extend(page);
            sessions.reserve(PAGE_SLOTS);
        }
    }

    /// Appends those that are kept, and as many others as there is room for.
    pub(super) async fn keep(self, room: &mut usize, sessions: &mut Vec<LeftSession>) {
        for index in 0.. {
            let now = *room;
            let page = self.ask(|answer| Question::Kept { index, room: now, answer }).await;
            let Some(Some(page)) = page else { return };
            *room -= page.iter().filter(|session| session.socket.is_some()).count().min(now);
            sessions.extend(page);
        }
    }

    /// Ends the task and appends all of its sessions.
    pub(super) async fn leave(self, sessions: &mut Vec<LeftSession>) {
        sessions.extend(self.ask(|answer| Question::Leave { answer }).await.unwrap_or_default());
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.0.send(question(answer)).await.ok()?;
        answered.await.ok()
    }
}
