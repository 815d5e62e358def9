//! The accept loop: somebody waits, permit, accept, spawn, and nothing that could wait for a client.

use std::{
    future::{self, Future},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit, time};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Acceptor, Connections};

/// Pause after an accept that failed for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections on `listener` and spawns `serve` for each, until `closed` or the drain of
/// `connections`. What the kernel has queued by then is still served, here or by whoever holds the socket then.
pub fn accept<S, F>(
    listener: Acceptor,
    connections: Arc<Connections>,
    closed: CancellationToken,
    serve: S,
) -> impl Future<Output = ()> + Send + use<S, F>
where
    S: Fn(TcpStream, SocketAddr) -> F + Send + Sync,
    F: Future<Output = ()> + Send + 'static,
{
    // Had before anything runs: a drain that begins now waits for this listener, too.
    let accepting = connections.accepting.token();
    async move {
        tokio::select! {
            () = accept_all(&listener, &connections, &serve) => {}
            () = closed.cancelled() => {}
            () = connections.drain.stopped() => {}
        }
        if let Err(error) = accept_queued(listener, &connections, &serve) {
            warn!(%error, "cannot take what was queued on a listener that closes");
        }
        drop(accepting);
    }
}

async fn accept_all<F>(
    listener: &Acceptor,
    connections: &Arc<Connections>,
    serve: &impl Fn(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    // A permit is for who is there: one that was held while waiting would be missing elsewhere.
    while listener.queued().await.is_ok()
        && let Ok(permit) = Arc::clone(&connections.permits).acquire_owned().await
    {
        match listener.take() {
            Ok(Some((stream, client))) => {
                spawn(connections, future::ready(Some(permit)), serve(stream, client));
            }
            Ok(None) => {}
            Err(error) => {
                drop(permit);
                warn!(%error, "cannot accept a connection");
                time::sleep(PAUSE).await;
            }
        }
    }
}

/// Takes what the kernel has accepted for us, since closing the listener would reset it. Each waits for its
/// permit off the queue: those that are served go soon, now that the connections drain.
fn accept_queued<F>(
    listener: Acceptor,
    connections: &Arc<Connections>,
    serve: &impl Fn(TcpStream, SocketAddr) -> F,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    for accepted in listener.into_queue() {
        let (stream, client) = accepted?;
        let permit = Arc::clone(&connections.permits).acquire_owned();
        spawn(connections, permit.map(Result::ok), serve(stream, client));
    }
    Ok(())
}

fn spawn<F>(
    connections: &Arc<Connections>,
    permit: impl Future<Output = Option<OwnedSemaphorePermit>> + Send + 'static,
    serve: F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let open = Open::new(connections);
    connections.tasks.spawn(async move {
        let permit = permit.await;
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
