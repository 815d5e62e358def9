//! The two ends of a relayed session. They are different types, so that swapping them does not
//! compile.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Source ports of services that answer anything, which no client uses: echo, systat, daytime,
/// quote of the day, chargen, time. Relayed to an upstream that answers too, one forged datagram would go to
/// and fro for ever (CVE-2024-2169).
const RESERVED_PORTS: [u16; 6] = [7, 11, 13, 17, 19, 37];

/// Address that a client's datagrams come from and its replies go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddr(SocketAddr);

impl ClientAddr {
    /// Wraps the source address of a datagram as the kernel reported it.
    pub const fn new(addr: SocketAddr) -> Self {
        Self(addr)
    }

    /// The address to send to.
    pub const fn socket_addr(self) -> SocketAddr {
        self.0
    }

    /// What the per-client cap counts this client under.
    pub fn network(self) -> ClientNetwork {
        ClientNetwork::of(self.0.ip())
    }

    /// Whether a reply could reach this address: it has a port and names one host.
    pub fn is_answerable(self) -> bool {
        let ip = self.0.ip().to_canonical();
        let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        self.0.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
    }

    /// Whether it is the address of a service that would answer the reply.
    pub fn is_reserved(self) -> bool {
        RESERVED_PORTS.contains(&self.0.port())
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One subscriber, as far as an address tells: an IPv4 address, or an IPv6 /64, the smallest
/// prefix that a site is given (RFC 6177 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientNetwork(IpAddr);

impl ClientNetwork {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            v4 => Self(v4),
        }
    }
}

/// Address that a listener forwards to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamAddr(SocketAddr);

impl UpstreamAddr {
    /// Wraps a configured upstream.
    pub const fn new(addr: SocketAddr) -> Self {
        Self(addr)
    }

    /// The address to connect to.
    pub const fn socket_addr(self) -> SocketAddr {
        self.0
    }
}

impl fmt::Display for UpstreamAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
