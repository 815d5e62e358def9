//! The control plane: gRPC on unix sockets, and for [`Remote`] over TLS, on a thread that serves no data.
//! `authority` says who may call what.
//!
//! What only looks is answered from [`Vitals`] and counters. What changes state becomes an [`Order`]
//! that [`crate::supervise`] carries out, like those of signals and timers.

mod actor;
mod authority;
pub mod brief;
mod daemon;
mod order;
mod remote;
mod vitals;

use std::{future::Future, io, os::unix::net, time::Duration};

use futures_util::{Stream, StreamExt, future, future::BoxFuture};
use selat_proto::{DESCRIPTORS, v1::daemon_service_server::DaemonServiceServer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{UnixListener, UnixStream},
    time,
};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    service::{Routes, RoutesBuilder},
    transport::{Server, server::Connected},
};
use tracing::{error, warn};

use self::authority::Authority;
pub use self::{
    actor::Actor,
    daemon::DaemonControl,
    order::{Command, InFlight, Order, Orders, Reloaded, Reply, Unanswered, Upgraded},
    remote::{CredentialError, Gate, Remote, RemoteCalls, RemoteConfig, RemoteError},
    vitals::{Current, State, Vitals},
};
use crate::listen::ControlSockets;

/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time after which a silent client from elsewhere is asked whether it is there, and for its answer.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Calls at once on one connection.
const CALLS_MAX: u32 = 128;

/// Why the control plane cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A socket cannot be used.
    #[error("cannot serve a control socket")]
    Socket(#[from] io::Error),
    /// The descriptors that reflection serves cannot be read.
    #[error("cannot serve reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The descriptors that say what each method may do cannot be read.
    #[error("cannot tell which methods only look")]
    Authority(#[from] prost::DecodeError),
}

/// Serves `services` with health, reflection and the daemon's own service, until `shutdown`.
///
/// # Errors
/// [`ControlError`] before it serves; what fails later ends one call or connection.
pub fn serve<D: Send + 'static>(
    sockets: &ControlSockets,
    remote: RemoteCalls,
    control: DaemonControl<D>,
    mut services: RoutesBuilder,
    shutdown: CancellationToken,
) -> Result<impl Future<Output = ()> + Send + use<D>, ControlError> {
    let (_, health) = tonic_health::server::health_reporter();
    services.add_service(health);
    services.add_service(reflection().build_v1()?);
    // Clients of before 2023 know only this one.
    services.add_service(reflection().build_v1alpha()?);
    services.add_service(DaemonServiceServer::new(control));
    let routes = services.routes();
    let RemoteCalls { incoming, gate } = remote;
    let by_certificate = Authority::by_certificate(gate)?;
    let mut servers = vec![
        answer(local(&sockets.control.listener)?, Authority::Everything, &routes, &shutdown),
        answer(incoming, by_certificate, &routes, &shutdown),
    ];
    if let Some(status) = &sockets.status {
        let looking = Authority::looking()?;
        servers.push(answer(local(&status.listener)?, looking, &routes, &shutdown));
    }
    Ok(async move {
        future::join_all(servers).await;
    })
}

/// The calls on a unix socket.
fn local(
    socket: &net::UnixListener,
) -> io::Result<impl Stream<Item = io::Result<UnixStream>> + Send + use<>> {
    let incoming = UnixListenerStream::new(UnixListener::from_std(socket.try_clone()?)?);
    Ok(unhurried(incoming))
}

/// Answers what the authority permits.
fn answer<T>(
    incoming: impl Stream<Item = io::Result<T>> + Send + 'static,
    authority: Authority,
    routes: &Routes,
    shutdown: &CancellationToken,
) -> BoxFuture<'static, ()>
where
    T: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let server = Server::builder()
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_INTERVAL))
        .max_concurrent_streams(CALLS_MAX)
        .layer(authority)
        .add_routes(routes.clone())
        .serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned());
    Box::pin(async move {
        if let Err(error) = server.await {
            error!(error = %crate::exit::chain(&error), "the control plane ended");
        }
    })
}

/// `incoming`, and a pause after each failure: the server asks again at once, and what was missing would be
/// missing still.
fn unhurried<T: Send>(
    incoming: impl Stream<Item = io::Result<T>> + Send,
) -> impl Stream<Item = io::Result<T>> + Send {
    incoming.then(|accepted| async move {
        if let Err(error) = &accepted {
            warn!(%error, "cannot accept a call");
            time::sleep(ACCEPT_PAUSE).await;
        }
        accepted
    })
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_want_of_descriptors_is_waited_for_without_haste() {
        let begun = time::Instant::now();
        let failing = stream::repeat_with(|| Err::<(), _>(io::Error::from_raw_os_error(24)));
        let failures = unhurried(failing.take(10)).filter(|it| future::ready(it.is_err()));
        assert_eq!(failures.count().await, 10, "each is still told");
        assert!(begun.elapsed() >= 10 * ACCEPT_PAUSE, "{:?}", begun.elapsed());
    }
}
