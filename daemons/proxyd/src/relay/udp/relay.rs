//! What the task of one listening socket owns. Each turn of its loop does one bounded thing, picked
//! at random among what is ready: datagrams up, datagrams down, expiry, a page for the control plane.

use std::io;
use std::net::{self, IpAddr};
use std::ops::{ControlFlow, Range};
use std::pin::pin;
use std::sync::Arc;

use selat_core::relay::{ClientAddr, DropReason, Session, SessionId, Sessions, Verdict};
use selat_runtime::counters::Counter;
use selat_runtime::keep::LeftSession;
use selat_runtime::udp::{
    BATCH_DATAGRAMS, Batch, DatagramSocket, Received, receive_now, send_connected,
};
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::Question;
use super::kept::{self, Clock, Restored};
use super::upstreams::Upstreams;
use crate::relay::config::UdpConfig;
use crate::relay::ledger::{Ledger, UdpCounters};
use crate::relay::session::{Protocol, SessionInfo};

/// Sessions that one turn ends; closing a socket takes as long as forwarding a datagram.
const EXPIRED_MAX: usize = 256;

/// One listening socket, its sessions and their upstream sockets.
pub(super) struct UdpRelay {
    socket: DatagramSocket,
    config: UdpConfig,
    shares: u32,
    sessions: Sessions,
    upstreams: Upstreams,
    /// Empty between turns.
    batch: Batch,
    /// Upstream sockets that have something to read, as [`SessionId::to_bits`].
    ready: Vec<u64>,
    /// Where each datagram of a batch goes; reused so that a turn allocates nothing.
    routes: Vec<Option<SessionId>>,
    ledger: Arc<Ledger>,
    /// Whether the last session that was to be opened got no socket.
    starved: bool,
}

impl UdpRelay {
    /// A relay on one of `shares` sockets of a listener. The kernel spreads the clients over them,
    /// so each has its share of the limits.
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub(super) fn new(
        socket: net::UdpSocket,
        shares: u32,
        config: UdpConfig,
        ledger: Arc<Ledger>,
        restored: Vec<Restored>,
    ) -> io::Result<Self> {
        let mut relay = Self {
            socket: DatagramSocket::new(socket)?,
            config,
            shares,
            sessions: Sessions::new(config.limits.share(shares), now()),
            upstreams: Upstreams::new()?,
            batch: Batch::new(),
            ready: Vec::new(),
            routes: Vec::new(),
            ledger,
            starved: false,
        };
        relay.restore(restored);
        Ok(relay)
    }

    /// Relays until it is told to leave, or its listener is dropped.
    pub(super) async fn run(
        mut self,
        mut asked: mpsc::Receiver<Question>,
        mut configured: watch::Receiver<UdpConfig>,
    ) {
        let mut expiry = pin!(sleep_until(Instant::now()));
        let mut armed = false;
        loop {
            let carried = tokio::select! {
                question = asked.recv() => match question.map(|question| self.answer(question)) {
                    Some(ControlFlow::Continue(())) => 0,
                    Some(ControlFlow::Break(())) | None => break,
                },
                Ok(()) = configured.changed() => {
                    self.configure(*configured.borrow_and_update());
                    armed = false;
                    0
                }
                () = &mut expiry, if armed => {
                    self.expire();
                    armed = false;
                    0
                }
                received = self.socket.receive(&mut self.batch) => self.carry_up(received),
                ready = self.upstreams.ready(&mut self.ready) => self.carry_down(ready).await,
            };
            // Use only moves the next timeout later, so a timer that is set can stay.
            if !armed && let Some(deadline) = self.sessions.next_timeout() {
                expiry.as_mut().reset(deadline.into());
                armed = true;
            }
            // The thread's other connections must not wait for a flood to end.
            if carried >= BATCH_DATAGRAMS {
                yield_now().await;
            }
        }
        (0..self.sessions.len()).for_each(|_| self.counters().sessions.decrement());
    }

    fn counters(&self) -> &UdpCounters {
        self.ledger.udp().here()
    }

    fn drop_datagrams(&self, reason: DropReason, datagrams: u64) {
        self.counters().dropped.add(reason.index(), datagrams);
    }

    /// Takes in what one receive said, from either side.
    fn note(&self, received: io::Result<Received>) {
        match received {
            Ok(received) => {
                self.drop_datagrams(DropReason::Truncated, received.truncated);
                self.drop_datagrams(DropReason::UpstreamRefused, received.refused);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => debug!(%error, "receive failed"),
        }
    }

    /// Forwards the batch that came from clients and says how many were in it. Neighbours of one
    /// session share a system call.
    fn carry_up(&mut self, received: io::Result<Received>) -> usize {
        self.note(received);
        let now = now();
        let mut routes = std::mem::take(&mut self.routes);
        routes.clear();
        routes.extend((0..self.batch.len()).map(|index| self.route(index, now)));
        let mut start = 0;
        for run in routes.chunk_by(PartialEq::eq) {
            let end = start + run.len();
            if let Some(id) = run[0] {
                self.send_up(id, start..end);
            }
            start = end;
        }
        self.routes = routes;
        let carried = self.batch.len();
        self.batch.clear();
        carried
    }

    /// Finds or opens the session of the `index`th datagram of the batch.
    fn route(&mut self, index: usize, now: std::time::Instant) -> Option<SessionId> {
        let datagram = self.batch.datagram(index)?;
        let (client, local) = (ClientAddr::new(datagram.peer), datagram.local);
        if datagram.came_from(self.socket.local_addr()) {
            self.drop_datagrams(DropReason::OwnAddress, 1);
            return None;
        }
        match self.sessions.handle(client, datagram.payload.len(), now) {
            Verdict::Forward(id) => Some(id),
            Verdict::Open { session, shed } => {
                if let Some(shed) = shed {
                    self.retire(&shed, &self.counters().shed, "shed");
                    self.upstreams.close(shed.id());
                }
                self.open(session, client, local)
            }
            Verdict::Drop(reason) => {
                self.drop_datagrams(reason, 1);
                None
            }
        }
    }

    fn open(
        &mut self,
        id: SessionId,
        client: ClientAddr,
        local: Option<IpAddr>,
    ) -> Option<SessionId> {
        let number = self.ledger.next_number();
        let opened = self.upstreams.open(id, number, self.config.upstream, local);
        if let Err(error) = opened {
            self.sessions.close(id);
            self.drop_datagrams(DropReason::UpstreamUnavailable, 1);
            if !std::mem::replace(&mut self.starved, true) {
                let upstream = self.config.upstream;
                warn!(%upstream, %error, "cannot open UDP sessions");
            }
            return None;
        }
        self.starved = false;
        self.counters().opened.increment();
        self.counters().sessions.increment();
        debug!(session = number, %client, "UDP session opened");
        Some(id)
    }

    fn send_up(&self, id: SessionId, run: Range<usize>) {
        let Some(upstream) = self.upstreams.find(id) else {
            return self.drop_datagrams(DropReason::SessionEnded, run.len() as u64);
        };
        let sent = send_connected(&upstream.socket, &self.batch, run);
        self.counters().up_datagrams.add(sent.datagrams);
        self.counters().up_bytes.add(sent.bytes);
        self.drop_datagrams(DropReason::SendFailed, sent.failed);
        self.drop_datagrams(DropReason::UpstreamRefused, sent.refused);
    }

    /// Sends to clients what the ready upstream sockets have, at most a batch of each, and says how
    /// many it was.
    async fn carry_down(&mut self, ready: io::Result<()>) -> usize {
        if let Err(error) = ready {
            debug!(%error, "waiting for upstreams failed");
            self.ready.clear();
        }
        let (now, mut carried) = (now(), 0);
        for index in 0..self.ready.len() {
            self.take_replies(SessionId::from_bits(self.ready[index]), now);
            if self.batch.is_full() {
                carried += self.send_down().await;
            }
        }
        carried + self.send_down().await
    }

    /// Adds what one upstream socket has to the batch, addressed to its client.
    fn take_replies(&mut self, id: SessionId, now: std::time::Instant) {
        let Some(upstream) = self.upstreams.find(id) else { return };
        let first = self.batch.len();
        let received = receive_now(&upstream.socket, &mut self.batch);
        for index in first..self.batch.len() {
            let len = self.batch.datagram(index).map_or(0, |datagram| datagram.payload.len());
            match self.sessions.reply(id, len, now) {
                Some(client) => self.batch.redirect(index, client.socket_addr(), upstream.local),
                None => {
                    self.batch.discard(index);
                    self.drop_datagrams(DropReason::SessionEnded, 1);
                }
            }
        }
        self.note(received);
    }

    async fn send_down(&mut self) -> usize {
        let carried = self.batch.len();
        let sent = self.socket.send(&self.batch).await;
        self.counters().down_datagrams.add(sent.datagrams);
        self.counters().down_bytes.add(sent.bytes);
        self.drop_datagrams(DropReason::SendFailed, sent.failed);
        self.batch.clear();
        carried
    }

    fn expire(&mut self) {
        let expired: Vec<_> = self.sessions.expire(now()).take(EXPIRED_MAX).collect();
        for session in expired {
            self.retire(&session, &self.counters().expired, "idle");
            self.upstreams.close(session.id());
        }
    }

    /// Counts a session that the table has given up.
    fn retire(&self, session: &Session, why: &Counter, reason: &'static str) {
        why.increment();
        self.counters().sessions.decrement();
        let (up, down) = (session.up().datagrams, session.down().datagrams);
        debug!(client = %session.client(), up, down, reason, "UDP session ended");
    }

    fn configure(&mut self, config: UdpConfig) {
        self.config = config;
        self.sessions.set_limits(config.limits.share(self.shares), now());
    }

    /// Goes on with the sessions of an earlier instance.
    fn restore(&mut self, mut restored: Vec<Restored>) {
        restored.sort_by_key(|session| session.past.last_used);
        for session in restored {
            let Some(id) = self.sessions.restore(session.past, now()) else { continue };
            let number = session.number;
            match self.upstreams.adopt(id, session) {
                Ok(()) => self.counters().sessions.increment(),
                Err(error) => {
                    debug!(session = number, %error, "cannot go on with a UDP session");
                    self.sessions.close(id);
                }
            }
        }
    }

    /// Answers the control plane; breaks off where nothing is to be relayed any more.
    fn answer(&mut self, question: Question) -> ControlFlow<()> {
        let now = now();
        // Whoever asked may have gone.
        match question {
            Question::Page { index, answer } => {
                let page = self.sessions.page(index);
                let infos = |session| self.info(session, now);
                let _ = answer.send(page.map(|page| page.filter_map(infos).collect()));
            }
            Question::Kept { index, room, answer } => {
                let _ = answer.send(self.keep(index, room, Clock::at(now)));
            }
            Question::Leave { answer } => {
                let _ = answer.send(self.leave(Clock::at(now)));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// The sessions of a page that are kept, and as many others as there is room for.
    fn keep(&mut self, index: usize, mut room: usize, clock: Clock) -> Option<Vec<LeftSession>> {
        let (local, upstreams) = (self.socket.local_addr(), &mut self.upstreams);
        let page = self.sessions.page(index)?;
        let kept = page.filter_map(|session| {
            let new = if room > 0 { upstreams.keep(session.id()) } else { None };
            room -= usize::from(new.is_some());
            let upstream = upstreams.find(session.id()).filter(|upstream| upstream.is_kept())?;
            Some(kept::left(session, upstream, local, clock, new))
        });
        Some(kept.collect())
    }

    /// All sessions, with their sockets.
    fn leave(&self, clock: Clock) -> Vec<LeftSession> {
        let local = self.socket.local_addr();
        let pages = (0..).map_while(|index| self.sessions.page(index)).flatten();
        let left = pages.filter_map(|session| {
            let upstream = self.upstreams.find(session.id())?;
            let socket = upstream.socket.try_clone().ok()?;
            Some(kept::left(session, upstream, local, clock, Some(socket.into())))
        });
        left.collect()
    }

    fn info(&self, session: &Session, now: std::time::Instant) -> Option<SessionInfo> {
        let upstream = self.upstreams.find(session.id())?;
        Some(SessionInfo {
            protocol: Protocol::Udp,
            number: upstream.number,
            client: session.client(),
            listener: self.socket.local_addr(),
            upstream: upstream.addr,
            age: now.saturating_duration_since(session.opened()),
            idle: now.saturating_duration_since(session.last_used()),
            up: session.up(),
            down: session.down(),
        })
    }
}

/// The runtime's clock, which tests can set, in the type that `core` knows.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
