//! The control plane: gRPC on a unix socket, on a thread that serves no data.
//!
//! What only looks is answered from [`Vitals`] and counters. What changes state becomes an [`Order`]
//! that [`crate::supervise`] carries out, like those of signals and timers.

mod actor;
mod daemon;
mod order;
mod vitals;

use std::{future::Future, io};

use futures_util::stream;
use selat_proto::{DESCRIPTORS, v1::daemon_service_server::DaemonServiceServer};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tonic::{service::RoutesBuilder, transport::Server};

pub use self::{
    actor::Actor,
    daemon::DaemonControl,
    order::{Command, Order, Orders, Reloaded, Reply, Unanswered},
    vitals::{Current, State, Vitals},
};
use crate::listen::ControlSocket;

/// Why the control plane cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket cannot be used.
    #[error("cannot serve the control socket")]
    Socket(#[from] io::Error),
    /// The descriptors that reflection serves cannot be read.
    #[error("cannot serve reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves `services` with health, reflection and the daemon's own service, until `shutdown`.
///
/// # Errors
/// [`ControlError`] before it serves; what fails later ends one call or connection.
pub fn serve<D: Send + 'static>(
    socket: &ControlSocket,
    control: DaemonControl<D>,
    mut services: RoutesBuilder,
    shutdown: CancellationToken,
) -> Result<impl Future<Output = ()> + Send + use<D>, ControlError> {
    let listener = UnixListener::from_std(socket.listener.try_clone()?)?;
    let (_, health) = tonic_health::server::health_reporter();
    services.add_service(health);
    services.add_service(reflection().build_v1()?);
    // Clients of before 2023 know only this one.
    services.add_service(reflection().build_v1alpha()?);
    services.add_service(DaemonServiceServer::new(control));
    let incoming = stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    let server = Server::builder()
        .add_routes(services.routes())
        .serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned());
    Ok(async move {
        if let Err(error) = server.await {
            tracing::error!(error = %crate::exit::chain(&error), "the control plane ended");
        }
    })
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
