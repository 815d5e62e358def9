//! Who asks for something that changes state.

use std::{fmt, net::SocketAddr, sync::Arc};

use tonic::{Request, transport::server::UdsConnectInfo};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A process on the control socket, by the kernel's word (`SO_PEERCRED`, unix(7)) at the time it connected.
    Peer {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
        /// Process id, where the kernel knows it.
        pid: Option<i32>,
    },
    /// The holder of a certificate, from elsewhere.
    Certificate {
        /// That of its names by which it has a role.
        name: Arc<str>,
        /// Its serial number in hexadecimal, which tells it from others of that name.
        serial: Arc<str>,
        /// Where it calls from.
        address: SocketAddr,
    },
    /// Someone on the control socket of whom the kernel says nothing.
    Unknown,
    /// A client of the data plane, where that takes an order too.
    Client(SocketAddr),
    /// A signal.
    Signal,
    /// The daemon's own timer.
    Timer,
}

impl Actor {
    /// Who sent `request`.
    #[must_use]
    pub fn of<T>(request: &Request<T>) -> Self {
        if let Some(known) = request.extensions().get::<Self>() {
            return known.clone();
        }
        let credentials = request
            .extensions()
            .get::<UdsConnectInfo>()
            .and_then(|connection| connection.peer_cred);
        credentials.map_or(Self::Unknown, |peer| Self::Peer {
            uid: peer.uid(),
            gid: peer.gid(),
            pid: peer.pid(),
        })
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer { uid, gid, pid: Some(pid) } => write!(f, "uid={uid} gid={gid} pid={pid}"),
            Self::Peer { uid, gid, pid: None } => write!(f, "uid={uid} gid={gid}"),
            Self::Certificate { name, serial, address } => {
                write!(f, "certificate={name} serial={serial} address={address}")
            }
            Self::Unknown => f.write_str("unknown"),
            Self::Client(address) => write!(f, "client={address}"),
            Self::Signal => f.write_str("signal"),
            Self::Timer => f.write_str("timer"),
        }
    }
}
