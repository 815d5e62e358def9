//! Sockets that the service manager opened for us (sd_listen_fds(3)), by the name of their unit.

use std::{
    env, io,
    net::{TcpListener, UdpSocket},
    os::fd::{FromRawFd, OwnedFd},
    os::unix::net::UnixListener,
    process,
};

use socket2::{Domain, Socket, Type};

use super::ListenError;

/// The sockets passed in, until each is taken.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(String, OwnedFd)>);

impl Inherited {
    /// No sockets: everything is bound.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes over what `$LISTEN_FDS` and `$LISTEN_FDNAMES` describe. To be called once in the life of
    /// a process.
    ///
    /// # Errors
    /// Where the variables contradict each other.
    #[expect(unsafe_code, reason = "descriptors arrive as numbers")]
    pub fn from_service_manager() -> Result<Self, ListenError> {
        let passed = sd_notify::listen_fds_with_names()
            .map_err(|source| ListenError::Inherited { role: "any role".to_owned(), source })?;
        let sockets = passed.map(|(fd, name)| {
            // SAFETY: the service manager opened the descriptor for this process, which $LISTEN_PID
            // names, and nothing else of ours uses it.
            (name, unsafe { OwnedFd::from_raw_fd(fd) })
        });
        Ok(Self(sockets.collect()))
    }

    /// A copy of each, with its name.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn copies(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        self.0.iter().map(|(name, fd)| Ok((name.clone(), fd.try_clone()?))).collect()
    }

    /// Takes the sockets of one name.
    pub fn take(&mut self, role: &str) -> Vec<OwnedFd> {
        let (taken, rest) =
            std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name == role);
        self.0 = rest;
        let taken: Vec<(String, OwnedFd)> = taken;
        taken.into_iter().map(|(_, fd)| fd).collect()
    }

    /// Takes what has a name with this prefix, each with the rest of its name.
    pub fn take_prefixed(&mut self, prefix: &str) -> Vec<(String, OwnedFd)> {
        let rest = |name: &str| name.strip_prefix(prefix).map(ToOwned::to_owned);
        let taken = self.0.extract_if(.., |(name, _)| name.starts_with(prefix));
        taken.filter_map(|(name, fd)| Some((rest(&name)?, fd))).collect()
    }

    /// The names that nothing took.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// The roles of the sockets that the service manager passes in (`$LISTEN_FDNAMES`, sd_listen_fds(3)).
#[must_use]
pub fn passed_roles() -> Vec<String> {
    let is_ours = env::var("LISTEN_PID").is_ok_and(|pid| pid == process::id().to_string());
    let names = env::var("LISTEN_FDNAMES").ok().filter(|_| is_ours);
    names.map_or_else(Vec::new, |names| names.split(':').map(ToOwned::to_owned).collect())
}

pub(super) fn stream(fd: OwnedFd) -> io::Result<TcpListener> {
    Ok(checked(fd, Type::STREAM, "a stream socket (ListenStream=)")?.into())
}

pub(super) fn datagram(fd: OwnedFd) -> io::Result<UdpSocket> {
    Ok(checked(fd, Type::DGRAM, "a datagram socket (ListenDatagram=)")?.into())
}

pub(super) fn unix(fd: OwnedFd) -> io::Result<UnixListener> {
    let socket = checked(fd, Type::STREAM, "a stream socket (ListenStream=)")?;
    if socket.domain()? != Domain::UNIX {
        return Err(io::Error::other("a unix socket is expected"));
    }
    Ok(OwnedFd::from(socket).into())
}

impl From<Vec<(String, OwnedFd)>> for Inherited {
    fn from(named: Vec<(String, OwnedFd)>) -> Self {
        Self(named)
    }
}

fn checked(fd: OwnedFd, kind: Type, expected: &str) -> io::Result<Socket> {
    let socket = Socket::from(fd);
    if socket.r#type()? != kind {
        return Err(io::Error::other(format!("{expected} is expected")));
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
