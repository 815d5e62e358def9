//! A UDP session as it is left to the next instance and taken up by it. What is read is believed once all of it fits.

use std::net::{self, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use selat_core::relay::{ClientAddr, Past, Session, Traffic, UpstreamAddr};
use selat_proto::v1::KeptSession;
use selat_runtime::keep::LeftSession;
use socket2::{Socket, Type};

use super::upstreams::Upstream;

/// The clock of [`Instant`], which starts anew with the machine but not with a process.
#[derive(Clone, Copy, Debug)]
pub(in crate::relay) struct Clock {
    now: Instant,
    monotonic: Duration,
}

impl Clock {
    /// As it stands at `now`.
    pub(in crate::relay) fn at(now: Instant) -> Self {
        let read = clock_gettime(ClockId::Monotonic);
        Self { now, monotonic: Duration::try_from(read).unwrap_or_default() }
    }

    fn reading(self, at: Instant) -> Option<prost_types::Duration> {
        let ago = self.now.saturating_duration_since(at);
        self.monotonic.saturating_sub(ago).try_into().ok()
    }

    /// A time that is to come is now.
    fn instant(self, reading: Option<&prost_types::Duration>) -> Option<Instant> {
        let reading = Duration::try_from(*reading?).ok()?;
        self.now.checked_sub(self.monotonic.saturating_sub(reading))
    }
}

/// What is left of a session on `listener`.
pub(super) fn left(
    session: &Session,
    upstream: &Upstream,
    listener: SocketAddr,
    clock: Clock,
    socket: Option<OwnedFd>,
) -> LeftSession {
    let (up, down) = (session.up(), session.down());
    let record = KeptSession {
        id: upstream.number,
        client: session.client().to_string(),
        listener: listener.to_string(),
        upstream: upstream.addr.to_string(),
        local: upstream.local.map(|local| local.to_string()).unwrap_or_default(),
        opened: clock.reading(session.opened()),
        last_used: clock.reading(session.last_used()),
        up_datagrams: up.datagrams,
        up_bytes: up.bytes,
        down_datagrams: down.datagrams,
        down_bytes: down.bytes,
    };
    LeftSession { record, socket, is_kept: upstream.is_kept() }
}

/// A session that an earlier instance left, and that fits.
#[derive(Debug)]
pub(in crate::relay) struct Restored {
    pub(in crate::relay) number: u64,
    pub(in crate::relay) listener: SocketAddr,
    pub(super) upstream: UpstreamAddr,
    pub(super) local: Option<net::IpAddr>,
    pub(super) past: Past,
    pub(super) socket: net::UdpSocket,
    pub(super) is_kept: bool,
}

impl Restored {
    /// `None` where anything of it does not fit: the socket must be connected to the upstream that it is said to be.
    pub(in crate::relay) fn of(left: LeftSession, clock: Clock) -> Option<Self> {
        let LeftSession { record, socket, is_kept } = left;
        let client = ClientAddr::new(record.client.parse().ok()?);
        if !client.is_answerable() || client.is_reserved() {
            return None;
        }
        let upstream = record.upstream.parse().ok()?;
        let local = match record.local.as_str() {
            "" => None,
            local => Some(local.parse().ok()?),
        };
        let opened = clock.instant(record.opened.as_ref())?;
        let last_used = clock.instant(record.last_used.as_ref())?.max(opened);
        Some(Self {
            number: record.id,
            listener: record.listener.parse().ok()?,
            upstream: UpstreamAddr::new(upstream),
            local,
            past: Past {
                client,
                opened,
                last_used,
                up: Traffic { datagrams: record.up_datagrams, bytes: record.up_bytes },
                down: Traffic { datagrams: record.down_datagrams, bytes: record.down_bytes },
            },
            socket: connected(socket?, upstream)?,
            is_kept,
        })
    }
}

fn connected(socket: OwnedFd, upstream: SocketAddr) -> Option<net::UdpSocket> {
    let socket = Socket::from(socket);
    let is_datagram = socket.r#type().is_ok_and(|kind| kind == Type::DGRAM);
    let peer = socket.peer_addr().ok()?.as_socket()?;
    socket.set_nonblocking(true).ok()?;
    (is_datagram && peer == upstream).then(|| socket.into())
}
