//! One connection: requests over it, each with the moments of its phases.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use tokio::time::timeout;

use super::dialer::Protocol;
use super::error::{HttpError, Step};
use super::payload::Payload;
use super::url::HttpUrl;
use super::wire::{Moments, Stream, Wire};

/// Bytes that HTTP/2 may have on the way to us, on a stream and on a connection: more than the
/// product of bandwidth and delay of any path that is measured here, so that it is never what is
/// measured.
const HTTP2_WINDOW_BYTES: u32 = 16 << 20;
/// Longer than any run.
const UNHURRIED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long opening a connection took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The TCP handshake.
    pub connect: Duration,
    /// The TLS handshake, where there was one.
    pub tls: Option<Duration>,
}

/// A connection that is ready for a request.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    moments: Moments,
    /// The address that took it.
    pub peer: SocketAddr,
    /// How long opening it took.
    pub opened: Opened,
    limit: Duration,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Payload>),
    Http2(http2::SendRequest<Payload>),
}

/// A response whose body has yet to be read.
#[derive(Debug)]
pub struct Responded {
    /// The head, and the body to come.
    pub response: Response<Incoming>,
    /// When the last byte of the request left; over HTTP/2, when it was handed over.
    pub requested_at: Instant,
    /// When the first byte of the response came; over HTTP/2, when its head had come.
    pub first_byte_at: Instant,
    host: String,
    expected: Option<u64>,
    received: u64,
    limit: Duration,
}

impl Opened {
    /// Both handshakes.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.connect + self.tls.unwrap_or_default()
    }
}

impl Connection {
    /// Speaks `protocol` over `stream`; no step of a request may take longer than `limit`.
    pub(super) async fn over(
        stream: Stream,
        peer: SocketAddr,
        protocol: Protocol,
        opened: Opened,
        limit: Duration,
    ) -> Result<Self, HttpError> {
        let (wire, moments) = Wire::new(stream);
        let io = TokioIo::new(wire);
        let failed = |source| HttpError::Response { host: peer.to_string(), source };
        // What ends a connection early ends its requests too, and is reported there.
        let sender = match protocol {
            Protocol::Http1 => {
                let (sender, driver) = http1::handshake(io).await.map_err(failed)?;
                tokio::spawn(async { drop(driver.await) });
                Sender::Http1(sender)
            }
            Protocol::Http2 => {
                let (sender, driver) = http2::Builder::new(TokioExecutor::new())
                    .initial_stream_window_size(HTTP2_WINDOW_BYTES)
                    .initial_connection_window_size(HTTP2_WINDOW_BYTES)
                    .handshake(io)
                    .await
                    .map_err(failed)?;
                tokio::spawn(async { drop(driver.await) });
                Sender::Http2(sender)
            }
        };
        Ok(Self { sender, moments, peer, opened, limit })
    }

    /// What is spoken over it.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self.sender {
            Sender::Http1(_) => Protocol::Http1,
            Sender::Http2(_) => Protocol::Http2,
        }
    }

    /// Another handle of the same connection, where it takes several requests at once.
    #[must_use]
    pub fn shared(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(Self {
                sender: Sender::Http2(sender.clone()),
                moments: self.moments.clone(),
                ..*self
            }),
        }
    }

    /// Whether it takes another request; it does not once the server closed it.
    pub async fn is_ready(&mut self) -> bool {
        matches!(timeout(self.limit, self.sender.ready()).await, Ok(Ok(())))
    }

    /// Sends a request without content and waits for the head of its response.
    ///
    /// # Errors
    /// It did not come in time, is no HTTP, or the connection ended.
    pub async fn ask(
        &mut self,
        url: &HttpUrl,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Responded, HttpError> {
        let mut request = Request::new(Payload::default());
        *request.method_mut() = method.clone();
        *request.uri_mut() = url.target();
        *request.headers_mut() = headers.clone();
        self.send(url, request).await
    }

    /// Sends a request to an absolute URI, and waits for the head of its response.
    ///
    /// # Errors
    /// As for [`Connection::ask`].
    pub async fn send(
        &mut self,
        url: &HttpUrl,
        request: Request<Payload>,
    ) -> Result<Responded, HttpError> {
        let limit = self.limit;
        self.send_within(url, request, limit).await
    }

    /// The same, with all the time that its content takes.
    ///
    /// # Errors
    /// The response is no HTTP, or the connection ended.
    pub async fn send_unhurried(
        &mut self,
        url: &HttpUrl,
        request: Request<Payload>,
    ) -> Result<Responded, HttpError> {
        self.send_within(url, request, UNHURRIED).await
    }

    async fn send_within(
        &mut self,
        url: &HttpUrl,
        mut request: Request<Payload>,
        limit: Duration,
    ) -> Result<Responded, HttpError> {
        let host = url.authority().to_owned();
        if self.protocol() == Protocol::Http1 {
            to_origin_form(url, &mut request);
        }
        self.moments.take();
        let sent_at = Instant::now();
        let step = Step::Response;
        let response = timeout(limit, self.sender.exchange(request))
            .await
            .map_err(|_| HttpError::Slow { host: host.clone(), step, limit })?
            .map_err(|source| HttpError::Response { host: host.clone(), source })?;
        let seen = match self.sender {
            Sender::Http1(_) => self.moments.take(),
            // Others' bytes go over the same wire.
            Sender::Http2(_) => super::wire::Seen::default(),
        };
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

impl Sender {
    async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            Self::Http1(sender) => sender.ready().await,
            Self::Http2(sender) => sender.ready().await,
        }
    }

    async fn exchange(&mut self, request: Request<Payload>) -> hyper::Result<Response<Incoming>> {
        self.ready().await?;
        match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        }
    }
}

impl Responded {
    /// Bytes that the body will have, where the head says so.
    #[must_use]
    pub fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// Body bytes that came so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// It did not come in time, or the connection ended before the body did.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, HttpError> {
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

/// RFC 9112 §3.2: the target is a path, and the host a field.
fn to_origin_form(url: &HttpUrl, request: &mut Request<Payload>) {
    let root = || PathAndQuery::from_static("/");
    let path = request.uri().path_and_query().cloned().unwrap_or_else(root);
    *request.uri_mut() = Uri::from(path);
    if let Ok(host) = HeaderValue::from_str(url.authority()) {
        request.headers_mut().entry(HOST).or_insert(host);
    }
}
