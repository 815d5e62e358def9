//! The gRPC client: connects to a daemon's control socket, gives every call a deadline, and turns
//! what goes wrong into what was tried, where, and what to do about it.

mod error;

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
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status, Streaming};
use tower::service_fn;

pub(crate) use self::error::{ControlError, Reason};
use crate::target::{self, Target};

/// How long a daemon may take for one answer, where nothing else is asked.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// Largest message that is taken from a daemon: one resource with very many variants.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A connection to one daemon.
#[derive(Debug)]
pub(crate) struct Control {
    daemon: Daemon,
    /// The socket that is connected to.
    path: PathBuf,
    /// The socket for everything, where this user may only look.
    barred: Option<PathBuf>,
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
        deadline: Duration,
    ) -> Result<Self, ControlError> {
        let path = match target {
            Some(target) => target.path().to_path_buf(),
            None => usual_socket(daemon),
        };
        let failed = |reason| ControlError::new(daemon, &path, target.is_none(), reason);
        let (stream, path, barred) = match dial(&path, deadline).await {
            Err(Reason::Denied { group }) => {
                let status = status_socket(&path);
                match dial(&status, deadline).await {
                    Ok(stream) => (stream, status, Some(path)),
                    Err(_) => return Err(failed(Reason::Denied { group })),
                }
            }
            dialled => (dialled.map_err(failed)?, path, None),
        };
        let failed = |reason| ControlError::new(daemon, &path, target.is_none(), reason);
        let channel = timeout(deadline, over(stream))
            .await
            .map_err(|_| failed(Reason::Slow { deadline }))?
            .map_err(|error| failed(Reason::Foreign { detail: error.to_string() }))?;
        Ok(Self { daemon, path, barred, deadline, channel })
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
        match (&self.barred, reason) {
            (Some(control), Reason::LookingOnly { .. }) => {
                let reason = Reason::LookingOnly { group: error::group_of(control) };
                ControlError::new(self.daemon, control, false, reason)
            }
            (_, reason) => ControlError::new(self.daemon, &self.path, false, reason),
        }
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
    timeout(deadline, UnixStream::connect(path))
        .await
        .map_err(|_| Reason::Slow { deadline })?
        .map_err(|error| Reason::of_connect(error, path))
}

async fn over(stream: UnixStream) -> Result<Channel, tonic::transport::Error> {
    let mut stream = Some(TokioIo::new(stream));
    // HTTP/2 wants an authority; a unix socket has none.
    Endpoint::from_static("http://localhost")
        .connect_with_connector(service_fn(move |_| {
            // The daemon hung up: dialling again could reach another one.
            let stream = stream.take();
            future::ready(stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset)))
        }))
        .await
}
