//! The door: a TLS handshake for each client, under a deadline and a limit of its own, so that whoever cannot end one
//! keeps nobody out who can.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Access, Gate, RefusalReason, RemoteConfig, RemoteStream,
    certificate::ClientCertificate,
    credentials::Credentials,
    stream::{Caller, End},
};
use crate::{control::ACCEPT_PAUSE, serve::Acceptor};

/// Time that calls in flight have to be answered once their connection has to end.
const GRACE: Duration = Duration::from_secs(1);

/// Most that is read of who was turned away, so that the reason reaches it: bytes that nobody reads would have the
/// kernel reset the connection.
const UNHEARD_BYTES_MAX: u64 = 16 << 10;

/// Lets clients in.
#[derive(Debug)]
pub(super) struct Door {
    gate: Arc<Gate>,
    handshakes: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    calls: mpsc::Sender<io::Result<RemoteStream>>,
    shutdown: CancellationToken,
}

impl Door {
    /// At most `connections_max` clients at once, and as many on their way in.
    pub(super) fn new(
        gate: Arc<Gate>,
        connections_max: usize,
        calls: mpsc::Sender<io::Result<RemoteStream>>,
        shutdown: CancellationToken,
    ) -> Self {
        let limit = || Arc::new(Semaphore::new(connections_max));
        Self { gate, handshakes: limit(), connections: limit(), calls, shutdown }
    }

    /// Judges by `credentials` and `config` from now on.
    pub(super) fn change(&self, credentials: Option<Credentials>, config: &RemoteConfig) {
        let before = self.gate.access.load_full();
        let next = credentials.map(|Credentials { tls, client_ca }| {
            let same = before
                .as_ref()
                .filter(|before| before.roles == config.roles && before.client_ca == client_ca);
            let over = same.map_or_else(CancellationToken::new, |before| before.over.clone());
            Access {
                tls,
                client_ca,
                roles: config.roles.clone(),
                handshake_timeout: config.handshake_timeout,
                over,
            }
        });
        let is_kept = |before: &Access| next.as_ref().is_some_and(|next| next.over == before.over);
        if let Some(before) = before.as_deref().filter(|before| !is_kept(before)) {
            before.over.cancel();
        }
        self.gate.access.store(next.map(Arc::new));
    }

    /// Accepts clients on `listener` until `closed` or the daemon's end.
    pub(super) async fn accept(self: Arc<Self>, listener: Acceptor, closed: CancellationToken) {
        tokio::select! {
            () = self.accept_all(&listener) => {}
            () = closed.cancelled() => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    async fn accept_all(self: &Arc<Self>, listener: &Acceptor) {
        while listener.queued().await.is_ok()
            && let Ok(permit) = Arc::clone(&self.handshakes).acquire_owned().await
        {
            match listener.take() {
                Ok(Some((stream, address))) => {
                    tokio::spawn(Arc::clone(self).receive(stream, address, permit));
                }
                Ok(None) => {}
                Err(error) => {
                    drop(permit);
                    warn!(%error, "cannot accept a call from elsewhere");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Takes one client through the handshake, and hands it on to be answered.
    async fn receive(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        handshaking: OwnedSemaphorePermit,
    ) {
        let Some(access) = self.gate.access.load_full() else { return };
        let tls = time::timeout(access.handshake_timeout, handshake(&access, stream));
        let tls = match tls.await {
            Ok(Ok(tls)) => tls,
            Ok(Err((error, stream))) => {
                self.gate.refusals.count(RefusalReason::Handshake);
                debug!(%address, %error, "a client from elsewhere was turned away");
                // Whether it hears why is its own affair.
                let _ = time::timeout(access.handshake_timeout, hear_out(stream)).await;
                return;
            }
            Err(_) => {
                self.gate.refusals.count(RefusalReason::Slow);
                debug!(%address, "a client from elsewhere took too long for its handshake");
                return;
            }
        };
        drop(handshaking);
        let Some(certificate) = certificate(&tls) else {
            self.gate.refusals.count(RefusalReason::Handshake);
            debug!(%address, "a client's certificate cannot be read");
            return;
        };
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            self.gate.refusals.count(RefusalReason::Full);
            warn!(%address, names = ?certificate.names, "turned away: remote.connections are open");
            return;
        };
        let end = end(&access, &certificate);
        let caller = Caller { certificate: Arc::new(certificate), address };
        // Nobody takes it where the daemon ends.
        let _ = self.calls.send(Ok(RemoteStream::new(tls, caller, end, permit))).await;
    }
}

/// The client behind TLS; or what is wrong, once it has been told, and the connection.
async fn handshake(
    access: &Access,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, (io::Error, TcpStream)> {
    // Without it, all is but slower.
    let _ = stream.set_nodelay(true);
    TlsAcceptor::from(Arc::clone(&access.tls)).accept(stream).into_fallible().await
}

/// Ends a connection so that the last that was said on it arrives.
async fn hear_out(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(UNHEARD_BYTES_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}

fn certificate(tls: &TlsStream<TcpStream>) -> Option<ClientCertificate> {
    let (_, session) = tls.get_ref();
    ClientCertificate::read(session.peer_certificates()?.first()?).ok()
}

/// Ends when the rights of a client may have: at once where it has none, so that it can be told, but hold nothing.
fn end(access: &Access, certificate: &ClientCertificate) -> End {
    let left = certificate.expires.duration_since(SystemTime::now()).unwrap_or_default();
    let left = match access.roles.of(&certificate.names) {
        Some(_) => left,
        None => left.min(access.handshake_timeout),
    };
    let over = access.over.clone();
    Box::pin(async move {
        tokio::select! {
            () = over.cancelled() => time::sleep(GRACE).await,
            () = time::sleep(left) => {}
        }
    })
}
