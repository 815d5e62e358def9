//! Listening sockets: those that the service manager passes in, by name, else those that we bind.
//!
//! A socket that we bind is one of several with SO_REUSEPORT, one for each data-plane thread, so
//! that the kernel spreads the load. An inherited stream socket is one descriptor that every thread
//! accepts from. An inherited datagram socket belongs to one thread.

mod control;
mod group;
mod inherited;

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::PathBuf,
};

use socket2::{Domain, Protocol, Socket, Type};
use tracing::warn;

pub use self::{
    control::{ControlSocket, ControlSockets, UnixAddress, control},
    group::{ChangeError, Listeners},
    inherited::{Inherited, passed_roles},
};

/// Connections that the kernel completes before we accept them, on each socket.
pub(crate) const BACKLOG: i32 = 4096;

/// Bytes that we ask the kernel to hold for us on a datagram socket.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// Why a socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken.
    #[error(
        "cannot listen for {role} on {address}: another program holds that address (ss -tulpn shows which)"
    )]
    Taken {
        /// What for.
        role: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// The kernel refuses the address.
    #[error("cannot listen for {role} on {address}")]
    Bind {
        /// What for.
        role: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
    /// A live daemon answers on a socket of the control plane.
    #[error(
        "the socket {0} belongs to a daemon that is running; stop it first, or choose another path with --control"
    )]
    Live(PathBuf),
    /// A socket of the control plane cannot be made.
    #[error("cannot {operation} the socket {path}")]
    Control {
        /// What failed.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
    /// The group of a socket of the control plane does not exist.
    #[error("there is no group {0} to give a socket to")]
    Group(String),
    /// What the service manager passed in cannot be used.
    #[error("cannot use the socket passed in for {role}")]
    Inherited {
        /// Name that it was passed in under.
        role: String,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
}

/// Sockets of one role at one address.
#[derive(Debug)]
pub struct Bound<S> {
    /// The address, with the port that the kernel chose where 0 was asked for.
    pub address: SocketAddr,
    /// Whether the service manager passed it in.
    pub inherited: bool,
    /// One for each data-plane thread that is to serve it.
    pub sockets: Vec<S>,
}

/// The stream sockets of `role`: the inherited ones if there are any, else one at each address.
///
/// # Errors
/// [`ListenError`] for the first that cannot be had; none is then left open.
pub fn tcp(
    role: &'static str,
    addresses: &[SocketAddr],
    threads: usize,
    inherited: &mut Inherited,
) -> Result<Vec<Bound<TcpListener>>, ListenError> {
    let passed = inherited.take(role);
    if passed.is_empty() {
        return addresses.iter().map(|address| bind_tcp(role, *address, threads)).collect();
    }
    let wrong = |source| ListenError::Inherited { role: role.to_owned(), source };
    passed
        .into_iter()
        .map(|fd| {
            let listener = inherited::stream(fd).map_err(wrong)?;
            let address = listener.local_addr().map_err(wrong)?;
            let copies = (1..threads).map(|_| listener.try_clone()).collect::<Result<Vec<_>, _>>();
            let mut sockets = copies.map_err(wrong)?;
            sockets.push(listener);
            Ok(Bound { address, inherited: true, sockets })
        })
        .collect::<Result<Vec<_>, _>>()
        .inspect(|bound| warn_of_unserved(role, addresses, bound))
}

/// The datagram sockets of `role`: the inherited ones if there are any, else one at each address.
///
/// # Errors
/// [`ListenError`] for the first that cannot be had; none is then left open.
pub fn udp(
    role: &'static str,
    addresses: &[SocketAddr],
    threads: usize,
    inherited: &mut Inherited,
) -> Result<Vec<Bound<UdpSocket>>, ListenError> {
    let passed = inherited.take(role);
    if passed.is_empty() {
        return addresses.iter().map(|address| bind_udp(role, *address, threads)).collect();
    }
    let wrong = |source| ListenError::Inherited { role: role.to_owned(), source };
    passed
        .into_iter()
        .map(|fd| {
            let socket = inherited::datagram(fd).map_err(wrong)?;
            let address = socket.local_addr().map_err(wrong)?;
            Ok(Bound { address, inherited: true, sockets: vec![socket] })
        })
        .collect::<Result<Vec<_>, _>>()
        .inspect(|bound| warn_of_unserved(role, addresses, bound))
}

/// Binds stream sockets at one address, one for each of `threads`.
///
/// # Errors
/// [`ListenError`].
pub fn bind_tcp(
    role: &'static str,
    address: SocketAddr,
    threads: usize,
) -> Result<Bound<TcpListener>, ListenError> {
    bind(role, address, threads, Type::STREAM, |socket| {
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    })
}

/// Binds datagram sockets at one address, one for each of `threads`.
///
/// # Errors
/// [`ListenError`].
pub fn bind_udp(
    role: &'static str,
    address: SocketAddr,
    threads: usize,
) -> Result<Bound<UdpSocket>, ListenError> {
    bind(role, address, threads, Type::DGRAM, |socket| {
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        Ok(socket.into())
    })
}

/// Each of `bound` with the address that it was configured by; what was passed in has none but its own.
#[must_use]
pub fn with_configured<S>(
    configured: &[SocketAddr],
    bound: Vec<Bound<S>>,
) -> Vec<(SocketAddr, Bound<S>)> {
    let of = |(index, bound): (usize, Bound<S>)| {
        let address = configured.get(index).filter(|_| !bound.inherited);
        (address.copied().unwrap_or(bound.address), bound)
    };
    bound.into_iter().enumerate().map(of).collect()
}

/// The addresses that cannot be bound because one before them covers them. Port 0 is a new port each time.
#[must_use]
pub fn repeated(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let before = |index: usize| addresses.iter().take(index);
    addresses
        .iter()
        .enumerate()
        .filter(|(index, address)| before(*index).any(|other| overlap(**address, *other)))
        .map(|(_, address)| *address)
        .collect()
}

/// Whether no two sockets can be bound to these: one port, and one address or one that stands for every
/// address. `[::]` stands for those of IPv4, too.
#[must_use]
pub fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    covers(one, other) || covers(other, one)
}

/// Whether all that comes to `other` comes to `one`, too.
fn covers(one: SocketAddr, other: SocketAddr) -> bool {
    let all = one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4());
    one.port() != 0 && one.port() == other.port() && (all || one.ip() == other.ip())
}

/// Says which of the configured addresses nothing of what was passed in listens on.
fn warn_of_unserved<S>(role: &str, configured: &[SocketAddr], passed: &[Bound<S>]) {
    for address in unserved(configured, passed) {
        warn!(
            role,
            %address,
            "not listened on: the service manager passed other sockets in; its socket unit says which"
        );
    }
}

fn unserved<S>(configured: &[SocketAddr], passed: &[Bound<S>]) -> Vec<SocketAddr> {
    let is_served = |address| passed.iter().any(|bound| covers(bound.address, address));
    configured.iter().copied().filter(|address| !is_served(*address)).collect()
}

fn bind<S>(
    role: &'static str,
    address: SocketAddr,
    threads: usize,
    kind: Type,
    finish: impl Fn(Socket) -> io::Result<S>,
) -> Result<Bound<S>, ListenError> {
    let bound = || -> io::Result<Bound<S>> {
        // SO_REUSEPORT alone would let a second daemon of the same user share the port in silence.
        drop(open(address, kind, false)?);
        let first = open(address, kind, true)?;
        let address = match first.local_addr()?.as_socket() {
            Some(bound) => bound,
            None => address,
        };
        let mut sockets = vec![finish(first)?];
        for _ in 1..threads {
            sockets.push(finish(open(address, kind, true)?)?);
        }
        Ok(Bound { address, inherited: false, sockets })
    };
    bound().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { role, address },
        _ => ListenError::Bind { role, address, source },
    })
}

fn open(address: SocketAddr, kind: Type, shared: bool) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_stands_for_all_covers_each() {
        let cases = [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("[::]:80", "127.0.0.1:80", true),
            ("[::]:80", "0.0.0.0:80", true),
            ("[::]:80", "[::1]:80", true),
        ];
        for (one, other, expected) in cases {
            let addresses = [one, other].map(|text| text.parse().unwrap());
            assert_eq!(overlap(addresses[0], addresses[1]), expected, "{one} {other}");
            assert_eq!(overlap(addresses[1], addresses[0]), expected, "{other} {one}");
            assert_eq!(repeated(&addresses).len(), usize::from(expected), "{one} {other}");
        }
    }

    #[test]
    fn addresses_that_no_passed_socket_serves_are_told() {
        let cases = [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("127.0.0.1:80", "0.0.0.0:81", false),
            ("0.0.0.0:80", "127.0.0.1:80", false),
            ("[::]:80", "0.0.0.0:80", false),
            ("127.0.0.1:0", "127.0.0.1:80", false),
        ];
        for (configured, passed, served) in cases {
            let address = passed.parse().unwrap();
            let bound = [Bound { address, inherited: true, sockets: vec![()] }];
            let configured = [configured.parse().unwrap()];
            let left = unserved(&configured, &bound);
            assert_eq!(left.is_empty(), served, "{configured:?} {passed}");
        }
    }
}
