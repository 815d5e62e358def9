//! A connection from elsewhere whose client is known by its certificate. It ends by itself once the client's rights may
//! have.

use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::{Role, Roles, certificate::ClientCertificate};
use crate::control::Actor;

/// Who calls.
#[derive(Clone, Debug)]
pub(in crate::control) struct Caller {
    pub(super) certificate: Arc<ClientCertificate>,
    pub(super) address: SocketAddr,
}

/// Names of a certificate that are told.
const NAMES_TOLD: usize = 4;

impl Caller {
    /// What it may do, and how it is named in the log; nothing, where it has no role.
    pub(in crate::control) fn role(&self, roles: &Roles) -> Option<(Role, Actor)> {
        let ClientCertificate { names, serial, .. } = &*self.certificate;
        let (role, name) = roles.of(names)?;
        let actor = Actor::Certificate {
            name: name.into(),
            serial: serial.as_str().into(),
            address: self.address,
        };
        Some((role, actor))
    }
}

/// As the caller itself is told.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.certificate.names.iter().take(NAMES_TOLD).collect();
        match names.as_slice() {
            [] => f.write_str("a certificate without a DNS name, URI, mail address or common name"),
            names => write!(f, "the certificate of {names:?}"),
        }
    }
}

/// Ends when the connection has to.
pub(super) type End = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One connection.
pub(in crate::control) struct RemoteStream {
    tls: TlsStream<TcpStream>,
    caller: Caller,
    end: Option<End>,
    _permit: OwnedSemaphorePermit,
}

impl RemoteStream {
    pub(super) fn new(
        tls: TlsStream<TcpStream>,
        caller: Caller,
        end: End,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { tls, caller, end: Some(end), _permit: permit }
    }

    /// Whether the connection has to end; who asks is woken when it has to.
    fn has_ended(&mut self, context: &mut Context<'_>) -> bool {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(context).is_ready()
        {
            self.end = None;
        }
        self.end.is_none()
    }
}

impl Connected for RemoteStream {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for RemoteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_ended(context) {
            // The end of what the client says: HTTP/2 closes the connection then.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.tls).poll_read(context, buffer)
    }
}

impl AsyncWrite for RemoteStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.end.is_none() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.tls).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.end.is_none() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.tls).poll_write_vectored(context, parts)
    }
}

impl fmt::Debug for RemoteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteStream").field("caller", &self.caller).finish_non_exhaustive()
    }
}
