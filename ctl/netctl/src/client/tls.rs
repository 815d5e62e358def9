//! TLS 1.3 to a daemon elsewhere: who it is, who we are, and in plain words what is wrong with either.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::{Reason, TlsFault};
use crate::target::Remote;

/// What gRPC is called in a TLS handshake (RFC 9113 §3.2).
const HTTP2: &[u8] = b"h2";

/// What is shown to daemons elsewhere, and what they are judged by; each file as PEM (RFC 7468).
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TlsFiles {
    /// Authority that made the certificate of a daemon elsewhere, as PEM
    #[arg(long, global = true, value_name = "FILE", env = "NETCTL_TLS_CA", hide_env_values = true)]
    tls_ca: Option<PathBuf>,
    /// Certificate to show to a daemon elsewhere, as PEM
    #[arg(long, global = true, value_name = "FILE", env = "NETCTL_TLS_CERT")]
    #[arg(hide_env_values = true)]
    tls_cert: Option<PathBuf>,
    /// Key of that certificate, as PEM
    #[arg(long, global = true, value_name = "FILE", env = "NETCTL_TLS_KEY")]
    #[arg(hide_env_values = true)]
    tls_key: Option<PathBuf>,
}

/// What is wrong with a connection, once something is: a daemon says only after the handshake what it thinks of our
/// certificate (RFC 8446 §4.4.2.4).
pub(super) type Fault = Arc<OnceLock<TlsFault>>;

impl TlsFiles {
    fn config(&self) -> Result<ClientConfig, TlsFault> {
        let missing = TlsFault::Unset;
        let ca = self.tls_ca.as_deref().ok_or(missing("--tls-ca"))?;
        let cert = self.tls_cert.as_deref().ok_or(missing("--tls-cert"))?;
        let key = self.tls_key.as_deref().ok_or(missing("--tls-key"))?;
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |error: rustls::Error| TlsFault::File { path, problem: error.to_string() }
        };
        let mut roots = RootCertStore::empty();
        for authority in certificates(ca)? {
            roots.add(authority).map_err(unusable(ca))?;
        }
        let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key, "private key"))?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable(ca))?
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates(cert)?, private)
            .map_err(unusable(key))?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(config)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let none = read
        .and_then(|some| if some.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(some) });
    none.map_err(unreadable(path, "certificate"))
}

fn unreadable(path: &Path, expected: &'static str) -> impl FnOnce(pem::Error) -> TlsFault {
    let path = path.to_owned();
    move |error| {
        let problem = match error {
            pem::Error::NoItemsFound => format!("there is no {expected} in it"),
            error => error.to_string(),
        };
        TlsFault::File { path, problem }
    }
}

/// Connects to `remote` and ends the handshake. The fault is told later, if there is one.
pub(super) async fn dial(remote: &Remote, files: &TlsFiles) -> Result<(Watched, Fault), Reason> {
    let config = files.config().map_err(Reason::Tls)?;
    let name = ServerName::try_from(remote.host.clone())
        .map_err(|_| Reason::Connect { detail: format!("{:?} is no host name", remote.host) })?;
    let failed = |error: io::Error| Reason::Connect { detail: error.to_string() };
    let stream = TcpStream::connect((remote.host.as_str(), remote.port)).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let connector = TlsConnector::from(Arc::new(config));
    let tls = connector.connect(name, stream).await.map_err(|error| match fault(&error) {
        Some(fault) => Reason::Tls(fault),
        None => Reason::Tls(TlsFault::NoTls { detail: error.to_string() }),
    })?;
    let fault = Fault::default();
    Ok((Watched { tls: Box::new(tls), fault: Arc::clone(&fault) }, fault))
}

/// What TLS has against the connection, where the error comes from TLS.
fn fault(error: &io::Error) -> Option<TlsFault> {
    error.get_ref()?.downcast_ref::<rustls::Error>().map(TlsFault::of)
}

/// A connection of which the first fault is kept: those above pass on its words at most.
#[derive(Debug)]
pub(super) struct Watched {
    tls: Box<TlsStream<TcpStream>>,
    fault: Fault,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.tls).poll_read(context, buffer));
        if let Some(fault) = read.as_ref().err().and_then(fault) {
            let _ = self.fault.set(fault);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(context)
    }
}
