//! Control over the network: gRPC over TLS 1.3, with certificates on both sides, and never without. Off by default.
//!
//! 1. `config` reads the keys, `credentials` the files that they name.
//! 2. [`Remote`] listens, and takes each client through a TLS handshake, which has a deadline and a limit.
//! 3. `certificate` says who the client is, and `roles` what it may do: asked again at each call, so that a reload
//!    that takes a name away takes effect at once.
//! 4. The connection goes the way of those on the unix sockets (`super::serve`).

mod accept;
mod certificate;
mod config;
mod credentials;
mod refusal;
mod roles;
mod stream;

use std::{collections::HashMap, io, net, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use selat_proto::v1;
use tokio::sync::mpsc;
use tokio_rustls::rustls::{ServerConfig, pki_types::CertificateDer};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::{
    accept::Door,
    credentials::{CredentialFiles, Credentials},
};
pub use self::{config::RemoteConfig, credentials::CredentialError};
pub(super) use self::{
    refusal::{RefusalReason, Refusals},
    roles::{Role, Roles},
    stream::{Caller, RemoteStream},
};
use crate::{
    listen::{self, Bound, ChangeError, Inherited, ListenError, Listeners},
    serve::Acceptor,
};

/// What its listeners are called.
const ROLE: &str = "remote";

/// Why there cannot be remote control as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A certificate or key cannot be used.
    #[error("cannot be controlled from elsewhere")]
    Credentials(#[from] Box<CredentialError>),
    /// A socket cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The addresses cannot be changed as asked.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A socket cannot be waited on.
    #[error("cannot wait for calls from elsewhere")]
    Watch(#[from] io::Error),
}

/// Who is let in, and how.
#[derive(Debug)]
pub(super) struct Access {
    tls: Arc<ServerConfig>,
    client_ca: Vec<CertificateDer<'static>>,
    pub(super) roles: Roles,
    handshake_timeout: Duration,
    /// Cancelled once those who were let in may have lost their rights.
    over: CancellationToken,
}

/// Who is let in now, and how many were not.
#[derive(Debug, Default)]
pub struct Gate {
    /// Nobody, where remote control is off.
    pub(super) access: ArcSwapOption<Access>,
    pub(super) refusals: Refusals,
}

impl Gate {
    /// How often somebody was turned away since start, by reason.
    #[must_use]
    pub fn refused(&self) -> HashMap<String, u64> {
        self.refusals.by_reason()
    }
}

/// Remote control, on or off.
#[derive(Debug)]
pub struct Remote {
    listen: Vec<SocketAddr>,
    listeners: Listeners,
    door: Arc<Door>,
}

/// Those who were let in, and by what they are judged.
#[derive(Debug)]
pub struct RemoteCalls {
    pub(super) incoming: ReceiverStream<io::Result<RemoteStream>>,
    /// Who is let in.
    pub gate: Arc<Gate>,
}

/// What a reload puts in force, once nothing can fail any more.
#[derive(Debug)]
pub struct Prepared {
    config: RemoteConfig,
    credentials: Option<Credentials>,
    listeners: Vec<(SocketAddr, Bound<Acceptor>)>,
}

impl Remote {
    /// Listens on the sockets that were passed in, or else where `config` says, until `shutdown`.
    ///
    /// # Errors
    /// [`RemoteError`] for the first file or socket that cannot be had.
    pub fn start(
        config: &RemoteConfig,
        sockets: &mut Inherited,
        shutdown: CancellationToken,
    ) -> Result<(Self, RemoteCalls), RemoteError> {
        let (calls, incoming) = mpsc::channel(1);
        let gate = Arc::new(Gate::default());
        let door = Door::new(Arc::clone(&gate), config.connections_max, calls, shutdown);
        let mut remote =
            Self { listen: Vec::new(), listeners: Listeners::new(ROLE), door: Arc::new(door) };
        let credentials = read(config.files.as_ref())?;
        let bound = match credentials {
            Some(_) => listen::tcp(ROLE, &config.listen, 1, sockets)?,
            None => Vec::new(),
        };
        let listeners = watch(listen::with_configured(&config.listen, bound))?;
        remote.apply(Prepared { config: config.clone(), credentials, listeners });
        Ok((remote, RemoteCalls { incoming: ReceiverStream::new(incoming), gate }))
    }

    /// Reads the files of `next` and binds what is not open yet.
    ///
    /// # Errors
    /// [`RemoteError`] for the first that cannot be had; nothing has changed then.
    pub fn prepare(&self, next: &RemoteConfig) -> Result<Prepared, RemoteError> {
        let credentials = read(next.files.as_ref())?;
        let bound = if self.listen == next.listen {
            Vec::new()
        } else {
            let bind = |address| listen::bind_tcp(ROLE, address, 1);
            self.listeners.bind_new(&next.listen, bind)?
        };
        Ok(Prepared { config: next.clone(), credentials, listeners: watch(bound)? })
    }

    /// Puts in force what was prepared. Who was let in before stays, unless roles or authorities changed.
    pub fn apply(&mut self, prepared: Prepared) {
        let Prepared { config, credentials, listeners } = prepared;
        self.door.change(credentials, &config);
        for (configured, bound) in listeners {
            let closed = self.listeners.add(configured, &bound);
            for listener in bound.sockets {
                tokio::spawn(Arc::clone(&self.door).accept(listener, closed.clone()));
            }
        }
        if self.listen != config.listen {
            self.listeners.close_others(&config.listen);
            self.listen = config.listen;
        }
        if config.files.is_some() && self.listed().next().is_none() {
            warn!(
                "nothing listens for remote control: remote.listen is empty, and no socket was passed in"
            );
        }
    }

    /// As the control socket says it.
    pub fn listed(&self) -> impl Iterator<Item = v1::Listener> {
        self.listeners.listed()
    }
}

fn read(files: Option<&CredentialFiles>) -> Result<Option<Credentials>, RemoteError> {
    let read = files.map(CredentialFiles::read).transpose();
    read.map_err(|error| RemoteError::Credentials(Box::new(error)))
}

fn watch(
    bound: Vec<(SocketAddr, Bound<net::TcpListener>)>,
) -> io::Result<Vec<(SocketAddr, Bound<Acceptor>)>> {
    let watched = bound.into_iter().map(|(configured, Bound { address, inherited, sockets })| {
        let sockets = sockets.into_iter().map(Acceptor::new).collect::<io::Result<_>>()?;
        Ok((configured, Bound { address, inherited, sockets }))
    });
    watched.collect()
}
