//! How to reach a server: its addresses, what to speak, whom to trust.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::connection::{Connection, Opened};
use super::error::{HttpError, Step};
use super::tls::Tls;
use super::url::HttpUrl;
use super::wire::Stream;

/// What is spoken over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.1 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113): agreed by ALPN over TLS, else begun with prior knowledge (§3.3).
    Http2,
}

/// How to reach one server. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Dialer {
    /// Where to connect, in the order to try; at least one.
    pub addresses: Vec<SocketAddr>,
    /// How long looking these up took; `None` where nothing was looked up.
    pub dns: Option<Duration>,
    protocol: Protocol,
    tls: Option<Tls>,
    limit: Duration,
}

impl Protocol {
    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

impl Dialer {
    /// The way to `addresses`, without TLS; no step may take longer than `limit`.
    #[must_use]
    pub fn plain(addresses: Vec<SocketAddr>, protocol: Protocol, limit: Duration) -> Self {
        Self { addresses, dns: None, protocol, tls: None, limit }
    }

    /// The way to the host of `url`, which is looked up; with TLS by `tls` where the URL asks for it.
    ///
    /// # Errors
    /// The host has no address, or is no name that a certificate could be for.
    pub async fn to(
        url: &HttpUrl,
        protocol: Protocol,
        tls: impl FnOnce(Protocol) -> Result<Tls, HttpError>,
        limit: Duration,
    ) -> Result<Self, HttpError> {
        let begun = Instant::now();
        let addresses = resolve(url, limit).await?;
        let is_name = url.host().parse::<IpAddr>().is_err();
        let dns = is_name.then(|| begun.elapsed());
        let tls = if url.is_https() { Some(tls(protocol)?.to(url.host())?) } else { None };
        Ok(Self { addresses, dns, protocol, tls, limit })
    }

    /// What is asked to be spoken.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Connects to the first address that takes it.
    ///
    /// # Errors
    /// Nobody does, or not in time.
    pub async fn dial(&self) -> Result<Connection, HttpError> {
        Ok(self.dial_watched().await?.0)
    }

    /// The same, with a second descriptor of the socket to watch it by.
    ///
    /// # Errors
    /// As for [`Dialer::dial`].
    pub async fn dial_watched(&self) -> Result<(Connection, Option<OwnedFd>), HttpError> {
        let begun = Instant::now();
        let (stream, peer) = self.connect().await?;
        // Best effort: a request is one segment, with or without it.
        let _ = stream.set_nodelay(true);
        let socket = stream.as_fd().try_clone_to_owned().ok();
        let connect = begun.elapsed();
        let (stream, protocol, tls) = match &self.tls {
            None => (Stream::Plain(stream), self.protocol, None),
            Some(tls) => {
                let begun = Instant::now();
                let secured = timeout(self.limit, tls.secure(stream)).await.map_err(|_| {
                    HttpError::Slow { host: peer.to_string(), step: Step::Tls, limit: self.limit }
                })?;
                let (stream, protocol) = secured?;
                (Stream::Tls(Box::new(stream)), protocol, Some(begun.elapsed()))
            }
        };
        let opened = Opened { connect, tls };
        let connection = Connection::over(stream, peer, protocol, opened, self.limit).await?;
        Ok((connection, socket))
    }

    async fn connect(&self) -> Result<(TcpStream, SocketAddr), HttpError> {
        let (mut failed, limit) = (None, self.limit);
        for address in &self.addresses {
            match timeout(limit, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok((stream, *address)),
                Ok(Err(source)) => failed = Some(HttpError::Connect { address: *address, source }),
                Err(_) => {
                    let host = address.to_string();
                    failed = Some(HttpError::Slow { host, step: Step::Connect, limit });
                }
            }
        }
        let source = io::ErrorKind::NotFound.into();
        Err(failed.unwrap_or(HttpError::Lookup { host: String::new(), source }))
    }
}

/// Looks up where to connect, in the order to try; at least one.
async fn resolve(url: &HttpUrl, limit: Duration) -> Result<Vec<SocketAddr>, HttpError> {
    let host = url.host().to_owned();
    let slow = HttpError::Slow { host: host.clone(), step: Step::Lookup, limit };
    let found = timeout(limit, lookup_host((url.host(), url.port()))).await.map_err(|_| slow)?;
    let addresses: Vec<_> =
        found.map_err(|source| HttpError::Lookup { host: host.clone(), source })?.collect();
    if addresses.is_empty() {
        return Err(HttpError::Lookup { host, source: io::ErrorKind::NotFound.into() });
    }
    Ok(addresses)
}
