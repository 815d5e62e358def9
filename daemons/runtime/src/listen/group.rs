//! The sockets of one role, of which a reload opens some and closes others.

use std::net::SocketAddr;

use selat_proto::v1;
use tokio_util::sync::CancellationToken;

use super::{Bound, ListenError, overlap};

/// Why the addresses of a role cannot be changed as asked.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A new address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The sockets are not ours to choose.
    #[error(
        "{role}: the service manager passed the sockets in; change the addresses in its socket unit"
    )]
    Inherited {
        /// What they serve.
        role: &'static str,
    },
    /// What is listened on now is in the way, and is to go only once the new one is there.
    #[error("{role}: {new} covers the address {old}, which is still served; this takes a restart")]
    Covered {
        /// What it serves.
        role: &'static str,
        /// What is to be opened.
        new: SocketAddr,
        /// What is open.
        old: SocketAddr,
    },
}

/// One address that is listened on.
#[derive(Debug)]
struct Open {
    /// As the configuration has it, perhaps with port 0.
    configured: SocketAddr,
    address: SocketAddr,
    inherited: bool,
    closed: CancellationToken,
}

/// Everything that is listened on for one role.
#[derive(Debug)]
pub struct Listeners {
    role: &'static str,
    open: Vec<Open>,
}

impl Listeners {
    /// Nothing yet.
    #[must_use]
    pub fn new(role: &'static str) -> Self {
        Self { role, open: Vec::new() }
    }

    /// Binds what `wanted` has and is not open yet.
    ///
    /// # Errors
    /// [`ChangeError`] for the first that cannot be had; none of them then stays open.
    pub fn bind_new<S>(
        &self,
        wanted: &[SocketAddr],
        bind: impl Fn(SocketAddr) -> Result<Bound<S>, ListenError>,
    ) -> Result<Vec<(SocketAddr, Bound<S>)>, ChangeError> {
        if self.open.iter().any(|open| open.inherited) {
            return Err(ChangeError::Inherited { role: self.role });
        }
        let (_, new) = self.compare(wanted);
        new.into_iter()
            .map(|address| {
                let covered = self.open.iter().find(|it| overlap(it.address, address));
                match covered {
                    Some(Open { address: old, .. }) => {
                        Err(ChangeError::Covered { role: self.role, new: address, old: *old })
                    }
                    None => Ok((address, bind(address)?)),
                }
            })
            .collect()
    }

    /// Adds what was bound for `configured`; the token is cancelled when it is to be closed.
    #[must_use]
    pub fn add<S>(&mut self, configured: SocketAddr, bound: &Bound<S>) -> CancellationToken {
        let closed = CancellationToken::new();
        self.open.push(Open {
            configured,
            address: bound.address,
            inherited: bound.inherited,
            closed: closed.clone(),
        });
        closed
    }

    /// Closes what `wanted` does not have.
    pub fn close_others(&mut self, wanted: &[SocketAddr]) {
        let (kept, _) = self.compare(wanted);
        let mut kept = kept.into_iter();
        self.open.retain(|open| {
            let keep = kept.next().unwrap_or_default();
            if !keep {
                open.closed.cancel();
            }
            keep
        });
    }

    /// Closes everything.
    pub fn close(&mut self) {
        for open in self.open.drain(..) {
            open.closed.cancel();
        }
    }

    /// The ports that are listened on.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.open.iter().map(|open| open.address.port())
    }

    /// As the control socket says it.
    pub fn listed(&self) -> impl Iterator<Item = v1::Listener> {
        self.open.iter().map(|open| v1::Listener {
            role: self.role.to_owned(),
            address: open.address.to_string(),
            inherited: open.inherited,
            upstream: String::new(),
        })
    }

    /// Whether `wanted` has each of what is open, and what it has beyond that.
    fn compare(&self, wanted: &[SocketAddr]) -> (Vec<bool>, Vec<SocketAddr>) {
        let mut new = wanted.to_vec();
        let kept = self.open.iter().map(|open| {
            let place = new.iter().position(|address| *address == open.configured);
            place.map(|place| new.remove(place)).is_some()
        });
        (kept.collect(), new)
    }
}
