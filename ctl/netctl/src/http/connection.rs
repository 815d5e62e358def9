//! One connection: requests one after the other, each with the moments of its phases.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::error::{HttpError, Step};
use super::url::HttpUrl;
use super::wire::{Moments, Wire};

/// Looks up where to connect, in the order to try; at least one.
pub(crate) async fn resolve(url: &HttpUrl, limit: Duration) -> Result<Vec<SocketAddr>, HttpError> {
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

/// A connection that is ready for a request.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    moments: Moments,
    /// The address that took it.
    pub(crate) peer: SocketAddr,
    limit: Duration,
}

/// A response whose body has yet to be read.
#[derive(Debug)]
pub(crate) struct Responded {
    /// The head, and the body to come.
    pub(crate) response: Response<Incoming>,
    /// When the last byte of the request left.
    pub(crate) requested_at: Instant,
    /// When the first byte of the response came.
    pub(crate) first_byte_at: Instant,
    host: String,
    expected: Option<u64>,
    received: u64,
    limit: Duration,
}

impl Connection {
    /// Connects to the first of `addresses` that takes it; nothing may take longer than `limit`.
    pub(crate) async fn open(addresses: &[SocketAddr], limit: Duration) -> Result<Self, HttpError> {
        let mut failed = None;
        for address in addresses {
            match timeout(limit, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Self::over(stream, *address, limit).await,
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

    async fn over(stream: TcpStream, peer: SocketAddr, limit: Duration) -> Result<Self, HttpError> {
        // Best effort: a request is one segment, with or without it.
        let _ = stream.set_nodelay(true);
        let (wire, moments) = Wire::new(stream);
        let (sender, driver) = http1::handshake(TokioIo::new(wire))
            .await
            .map_err(|source| HttpError::Response { host: peer.to_string(), source })?;
        // What ends it early ends the request too, and is reported there.
        tokio::spawn(async { drop(driver.await) });
        Ok(Self { sender, moments, peer, limit })
    }

    /// Whether it takes another request; it does not once the server closed it.
    pub(crate) async fn is_ready(&mut self) -> bool {
        matches!(timeout(self.limit, self.sender.ready()).await, Ok(Ok(())))
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(
        &mut self,
        url: &HttpUrl,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Responded, HttpError> {
        let host = url.authority().to_owned();
        let failed = |source| HttpError::Response { host: host.clone(), source };
        self.moments.take();
        let sent_at = Instant::now();
        let exchange = async {
            self.sender.ready().await?;
            self.sender.send_request(request(url, method, headers)).await
        };
        let step = Step::Response;
        let response = timeout(self.limit, exchange)
            .await
            .map_err(|_| HttpError::Slow { host: host.clone(), step, limit: self.limit })?
            .map_err(failed)?;
        let seen = self.moments.take();
        let requested_at = seen.last_write.unwrap_or(sent_at);
        Ok(Responded {
            requested_at,
            first_byte_at: seen.first_read.unwrap_or_else(Instant::now).max(requested_at),
            expected: response.body().size_hint().exact(),
            received: 0,
            response,
            host,
            limit: self.limit,
        })
    }
}

impl Responded {
    /// Bytes that the body will have, where the head says so.
    pub(crate) fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// Body bytes that came so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            let frame = timeout(self.limit, self.response.body_mut().frame());
            let (host, limit) = (&self.host, self.limit);
            let frame = frame.await.map_err(|_| HttpError::Slow {
                host: host.clone(),
                step: Step::Body,
                limit,
            })?;
            let Some(frame) = frame else { return Ok(None) };
            let (received, expected) = (self.received, self.expected);
            let frame =
                frame.map_err(|source| HttpError::Incomplete { received, expected, source })?;
            // Trailers are no body.
            if let Ok(piece) = frame.into_data() {
                self.received += piece.len() as u64;
                return Ok(Some(piece));
            }
        }
    }
}

fn request(url: &HttpUrl, method: &Method, headers: &HeaderMap) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method.clone();
    // Both were parts of a valid URL.
    *request.uri_mut() = url.path().parse().unwrap_or_default();
    *request.headers_mut() = headers.clone();
    if let Ok(host) = HeaderValue::from_str(url.authority()) {
        request.headers_mut().entry(HOST).or_insert(host);
    }
    request
}
