//! The gRPC client: connects to a daemon's control socket, or over TLS to a daemon elsewhere, gives every call a
//! deadline, and turns what goes wrong into what was tried, where, and what to do about it.

mod error;
mod fault;
mod greeting;
mod tls;

use std::future::{self, Future};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use selat_proto::socket::{Daemon, status_socket};
use selat_proto::v1::cache_service_client::CacheServiceClient;
use selat_proto::v1::daemon_service_client::DaemonServiceClient;
use selat_proto::v1::echo_service_client::EchoServiceClient;
use selat_proto::v1::relay_service_client::RelayServiceClient;
use selat_proto::v1::web_service_client::WebServiceClient;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status, Streaming};
use tower::service_fn;

pub(crate) use self::error::{ControlError, Reason};
pub(crate) use self::fault::TlsFault;
use self::greeting::{Babble, Greeted};
use self::tls::Fault;
pub(crate) use self::tls::TlsFiles;
use crate::target::{self, Remote, Target};

/// How long a daemon may take for one answer, where nothing else is asked.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// Largest message that is taken from a daemon: one resource with very many variants.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A connection to one daemon.
#[derive(Debug)]
pub(crate) struct Control {
    daemon: Daemon,
    /// Where it is connected to.
    place: Target,
    /// The socket for everything, where this user may only look.
    barred: Option<PathBuf>,
    /// What TLS has against the connection, if there is TLS.
    fault: Fault,
    /// How it began, if not as a daemon does.
    babble: Babble,
    deadline: Duration,
    channel: Channel,
}

impl Control {
    /// Connects to `daemon` at `target`, or where it usually is. Who may not use that socket gets the one for
    /// looking beside it, if that is open to them; the daemon then refuses what could change anything.
    ///
    /// # Errors
    /// It cannot be reached, or not by this user.
    pub(crate) async fn connect(
        daemon: Daemon,
        target: Option<&Target>,
        tls: &TlsFiles,
        deadline: Duration,
    ) -> Result<Self, ControlError> {
        match target {
            Some(Target::Remote(remote)) => {
                // Of a handshake, large and rare.
                Box::pin(Self::elsewhere(daemon, remote, tls, deadline)).await
            }
            Some(Target::Socket(path)) => Self::here(daemon, path, deadline)
                .await
                .map_err(|(path, reason)| ControlError::new(daemon, Target::Socket(path), reason)),
            None => Self::here(daemon, &usual_socket(daemon), deadline).await.map_err(
                |(path, reason)| ControlError::of_usual(daemon, Target::Socket(path), reason),
            ),
        }
    }

    /// On a socket of this machine.
    async fn here(
        daemon: Daemon,
        path: &Path,
        deadline: Duration,
    ) -> Result<Self, (PathBuf, Reason)> {
        let (stream, path, barred) = match dial(path, deadline).await {
            Err(Reason::Denied { group }) => {
                let status = status_socket(path);
                match dial(&status, deadline).await {
                    Ok(stream) => (stream, status, Some(path.to_owned())),
                    Err(_) => return Err((path.to_owned(), Reason::Denied { group })),
                }
            }
            dialled => {
                (dialled.map_err(|reason| (path.to_owned(), reason))?, path.to_owned(), None)
            }
        };
        let channel = within(deadline, over(stream)).await;
        let (channel, babble) = channel.map_err(|reason| (path.clone(), reason))?;
        let place = Target::Socket(path);
        Ok(Self { daemon, place, barred, fault: Fault::default(), babble, deadline, channel })
    }

    /// Over TLS.
    async fn elsewhere(
        daemon: Daemon,
        remote: &Remote,
        files: &TlsFiles,
        deadline: Duration,
    ) -> Result<Self, ControlError> {
        let place = Target::Remote(remote.clone());
        let failed = |reason| ControlError::new(daemon, place.clone(), reason);
        let dialled = within(deadline, tls::dial(remote, files)).await;
        let (stream, fault) = dialled.map_err(failed)?;
        let (channel, babble) = within(deadline, over(stream)).await.map_err(failed)?;
        Ok(Self { daemon, place, barred: None, fault, babble, deadline, channel })
    }

    /// Life, configuration and log.
    pub(crate) fn daemon(&self) -> DaemonServiceClient<Channel> {
        DaemonServiceClient::new(self.channel.clone())
    }

    /// proxyd's cache.
    pub(crate) fn cache(&self) -> CacheServiceClient<Channel> {
        CacheServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// proxyd's relay.
    pub(crate) fn relay(&self) -> RelayServiceClient<Channel> {
        RelayServiceClient::new(self.channel.clone())
    }

    /// websrvd's files.
    pub(crate) fn web(&self) -> WebServiceClient<Channel> {
        WebServiceClient::new(self.channel.clone())
    }

    /// websrvd's reflector.
    pub(crate) fn echo(&self) -> EchoServiceClient<Channel> {
        EchoServiceClient::new(self.channel.clone())
    }

    /// Waits for a call's answer, but not for ever.
    pub(crate) async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, ControlError> {
        match timeout(self.deadline, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.failed(Reason::of_status(&status))),
            Err(_) => Err(self.failed(Reason::Slow { deadline: self.deadline })),
        }
    }

    /// Waits for the next message of a listing, but not for ever; `None` at its end.
    pub(crate) async fn next<T>(
        &self,
        messages: &mut Streaming<T>,
    ) -> Result<Option<T>, ControlError> {
        match timeout(self.deadline, messages.message()).await {
            Ok(message) => message.map_err(|status| self.failed(Reason::of_status(&status))),
            Err(_) => Err(self.failed(Reason::Slow { deadline: self.deadline })),
        }
    }

    /// A whole listing.
    pub(crate) async fn collect<T>(
        &self,
        call: impl Future<Output = Result<Response<Streaming<T>>, Status>>,
    ) -> Result<Vec<T>, ControlError> {
        let mut messages = self.answer(call).await?;
        let mut collected = Vec::new();
        while let Some(message) = self.next(&mut messages).await? {
            collected.push(message);
        }
        Ok(collected)
    }

    /// What a status that came outside of [`Control::answer`] means.
    pub(crate) fn failed(&self, reason: Reason) -> ControlError {
        if let Some(babble) = self.babble.get() {
            let reason = Reason::Foreign { detail: babble.clone() };
            return ControlError::new(self.daemon, self.place.clone(), reason);
        }
        let (place, reason) = match (&self.place, &self.barred, self.fault.get(), reason) {
            (place, _, Some(fault), _) => (place.clone(), Reason::Tls(fault.clone())),
            (Target::Socket(_), Some(control), None, Reason::Barred { .. }) => {
                let group = error::group_of(control);
                (Target::Socket(control.clone()), Reason::LookingOnly { group })
            }
            (Target::Socket(path), None, None, Reason::Barred { .. }) => {
                (Target::Socket(path.clone()), Reason::LookingOnly { group: None })
            }
            (place, _, None, reason) => (place.clone(), reason),
        };
        ControlError::new(self.daemon, place, reason)
    }
}

/// The first of the usual sockets that is there; the first of all where none is.
fn usual_socket(daemon: Daemon) -> PathBuf {
    let mut sockets = target::usual_sockets(daemon).into_iter();
    let first = sockets.next().unwrap_or_else(|| daemon.control_socket());
    if is_there(&first) { first } else { sockets.find(|path| is_there(path)).unwrap_or(first) }
}

/// A socket that may not be looked at is one to try, and to be told so.
fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

async fn dial(path: &Path, deadline: Duration) -> Result<UnixStream, Reason> {
    let connecting =
        async { UnixStream::connect(path).await.map_err(|error| Reason::of_connect(error, path)) };
    within(deadline, connecting).await
}

/// The outcome of `attempt`, or that it took too long.
async fn within<T>(
    deadline: Duration,
    attempt: impl Future<Output = Result<T, Reason>>,
) -> Result<T, Reason> {
    timeout(deadline, attempt).await.unwrap_or(Err(Reason::Slow { deadline }))
}

/// Speaks gRPC over `stream`, and says how the peer began if that is no HTTP/2.
async fn over<T>(stream: T) -> Result<(Channel, Babble), Reason>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (stream, babble) = Greeted::new(stream);
    let mut stream = Some(TokioIo::new(stream));
    // HTTP/2 wants an authority, which says nothing of the daemon: the connection is there already.
    let channel = Endpoint::from_static("http://localhost")
        .connect_with_connector(service_fn(move |_| {
            // The daemon hung up: dialling again could reach another one.
            let stream = stream.take();
            future::ready(stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset)))
        }))
        .await
        .map_err(|error| Reason::Foreign { detail: error.to_string() })?;
    Ok((channel, babble))
}
