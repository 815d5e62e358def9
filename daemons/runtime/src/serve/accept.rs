//! The accept loop: permit, accept, spawn, and nothing that could wait for a client.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::OwnedSemaphorePermit,
    time,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Connections;

/// Pause after an accept that failed for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections on `listener` and spawns `serve` for each, until `closed` or the drain of
/// `connections`. What the kernel has queued by then is still served.
pub async fn accept<F>(
    listener: TcpListener,
    connections: Arc<Connections>,
    closed: CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    // Drained only once nobody can add to what is to be drained.
    let _accepting = connections.tasks.token();
    loop {
        let permit = tokio::select! {
            biased;
            Ok(permit) = Arc::clone(&connections.permits).acquire_owned() => permit,
            () = closed.cancelled() => return,
            () = connections.drain.begun() => return,
        };
        tokio::select! {
            biased;
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => spawn(&connections, permit, serve(stream, client)),
                Err(error) => {
                    drop(permit);
                    pause_after(&error).await;
                }
            },
            () = closed.cancelled() => return,
            () = connections.drain.begun() => return,
        }
    }
}

fn spawn<F>(connections: &Arc<Connections>, permit: OwnedSemaphorePermit, serve: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let open = Open::new(connections);
    connections.tasks.spawn(async move {
        serve.await;
        drop(open);
        drop(permit);
    });
}

/// Counts a connection as open while it lives; it ends on the thread it began on.
struct Open(Arc<Connections>);

impl Open {
    fn new(connections: &Arc<Connections>) -> Self {
        let counters = connections.counters.here();
        counters.accepted.increment();
        counters.active.increment();
        Self(Arc::clone(connections))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.here().active.decrement();
    }
}

async fn pause_after(error: &io::Error) {
    // A client that hung up before it was accepted says nothing about us.
    if !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    ) {
        warn!(%error, "cannot accept a connection");
        time::sleep(PAUSE).await;
    }
}
