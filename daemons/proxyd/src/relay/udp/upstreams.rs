//! The upstream sockets of one listener: one for each session, connected, watched as one.

use std::io;
use std::net::{self, IpAddr};
use std::os::fd::OwnedFd;

use selat_core::relay::{SessionId, UpstreamAddr};
use selat_runtime::udp::SocketSet;
use socket2::{Domain, Protocol, Socket, Type};

use super::kept::Restored;

/// Bytes that we ask the kernel to hold of an upstream's answers for one session; it gives no more than
/// `net.core.rmem_max` allows. After a restart or an upgrade everything comes at once that clients sent meanwhile.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// One session's way to the upstream.
#[derive(Debug)]
pub(super) struct Upstream {
    id: SessionId,
    pub(super) number: u64,
    pub(super) addr: UpstreamAddr,
    /// Address that the client sent to, which its replies must come from.
    pub(super) local: Option<IpAddr>,
    pub(super) socket: net::UdpSocket,
    /// Whether the service manager has the socket, too.
    is_kept: bool,
}

impl Upstream {
    /// Whether the service manager has the socket, too.
    pub(super) const fn is_kept(&self) -> bool {
        self.is_kept
    }
}

/// The upstream sockets of one listener, by the slot of their session.
#[derive(Debug)]
pub(super) struct Upstreams {
    set: SocketSet,
    entries: Vec<Option<Upstream>>,
}

impl Upstreams {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { set: SocketSet::new()?, entries: Vec::new() })
    }

    /// Opens the socket of a new session, whose slot is free.
    pub(super) fn open(
        &mut self,
        id: SessionId,
        number: u64,
        addr: UpstreamAddr,
        local: Option<IpAddr>,
    ) -> io::Result<()> {
        let socket = connect(addr)?;
        self.add(Upstream { id, number, addr, local, socket, is_kept: false })
    }

    /// Takes up the socket of a session that was restored, whose slot is free.
    pub(super) fn adopt(&mut self, id: SessionId, session: Restored) -> io::Result<()> {
        let Restored { number, upstream: addr, local, socket, is_kept, .. } = session;
        self.add(Upstream { id, number, addr, local, socket, is_kept })
    }

    fn add(&mut self, upstream: Upstream) -> io::Result<()> {
        let id = upstream.id;
        self.set.add(&upstream.socket, id.to_bits())?;
        if id.slot() >= self.entries.len() {
            self.entries.resize_with(id.slot() + 1, || None);
        }
        self.entries[id.slot()] = Some(upstream);
        Ok(())
    }

    /// A copy of a session's socket for the service manager, which has it from then on; `None` where it has one, or
    /// no descriptor is left.
    pub(super) fn keep(&mut self, id: SessionId) -> Option<OwnedFd> {
        let upstream = self.entries.get_mut(id.slot())?.as_mut()?;
        if upstream.id != id || upstream.is_kept {
            return None;
        }
        let copy = upstream.socket.try_clone().ok()?;
        upstream.is_kept = true;
        Some(copy.into())
    }

    /// The way of a session, `None` after it ended.
    pub(super) fn find(&self, id: SessionId) -> Option<&Upstream> {
        self.entries.get(id.slot())?.as_ref().filter(|upstream| upstream.id == id)
    }

    /// Closes the socket of a session that ended.
    pub(super) fn close(&mut self, id: SessionId) {
        if let Some(entry) = self.entries.get_mut(id.slot())
            && let Some(upstream) = entry.take_if(|upstream| upstream.id == id)
        {
            self.set.remove(&upstream.socket);
        }
    }

    /// Waits until some have something to read and puts their sessions into `ids`.
    pub(super) async fn ready(&self, ids: &mut Vec<u64>) -> io::Result<()> {
        self.set.ready(ids).await
    }
}

fn connect(addr: UpstreamAddr) -> io::Result<net::UdpSocket> {
    let addr = addr.socket_addr();
    let kind = Type::DGRAM.nonblocking();
    let socket = Socket::new(Domain::for_address(addr), kind, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.connect(&addr.into())?;
    Ok(socket.into())
}
