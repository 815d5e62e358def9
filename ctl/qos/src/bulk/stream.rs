//! One stream of load: a download that is asked for again when it ends, or an upload without end.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use serde::{Deserialize, Serialize};

use super::run::BulkError;
use super::spec::Way;
use super::tcp_info::TcpInfo;
use crate::http::{Connection, Dialer, HttpUrl, Payload};

/// One look at a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When, from the start of the run.
    pub at: Duration,
    /// What was seen.
    pub info: TcpInfo,
}

/// What is left of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRun {
    /// Which way it went.
    pub way: Way,
    /// When it was begun, from the start of the run.
    pub began_at: Duration,
    /// Bytes of content that it carried.
    pub bytes: u64,
    /// What the kernel knew of it, in order.
    pub looks: Vec<Look>,
}

/// What all streams share.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) base: HttpUrl,
    pub(super) dialer: Dialer,
    pub(super) headers: HeaderMap,
    /// What uploads are made of.
    pub(super) block: Bytes,
    pub(super) is_over: Arc<AtomicBool>,
    /// The connections that carry load and take requests beside it.
    pub(super) shared: Arc<Mutex<Vec<Connection>>>,
}

/// A stream under way, as the outside sees it. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauge(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    received: AtomicU64,
    connection: Mutex<Watched>,
}

/// The connection that a stream has now.
#[derive(Debug, Default)]
struct Watched {
    socket: Option<OwnedFd>,
    /// What was counted on those before it.
    before: Option<TcpInfo>,
}

impl Watched {
    fn look(&self) -> Option<TcpInfo> {
        let info = TcpInfo::of(self.socket.as_ref()?)?;
        Some(self.before.map_or(info, |before| info.counted_on(&before)))
    }
}

impl Gauge {
    /// What the kernel knows of it now; what is counted goes on from one connection to the next.
    pub(super) fn look(&self) -> Option<TcpInfo> {
        self.connection().look()
    }

    /// Bytes of content that came.
    pub(super) fn received(&self) -> u64 {
        self.0.received.load(Relaxed)
    }

    fn watch(&self, socket: Option<OwnedFd>) {
        let mut connection = self.connection();
        let before = connection.look().or(connection.before);
        *connection = Watched { socket, before };
    }

    fn acked_bytes(&self) -> u64 {
        self.look().and_then(|info| info.acked_bytes).unwrap_or(0)
    }

    fn connection(&self) -> MutexGuard<'_, Watched> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries load until it is dropped or broken off.
///
/// # Errors
/// The server refuses, or the connection breaks.
pub(super) async fn carry(way: Way, source: Source, gauge: Gauge) -> Result<(), BulkError> {
    let (mut connection, socket) = source.dialer.dial_watched().await?;
    gauge.watch(socket);
    if let Some(shared) = connection.shared() {
        source.shared.lock().unwrap_or_else(PoisonError::into_inner).push(shared);
    }
    while !source.is_over.load(Relaxed) {
        if !connection.is_ready().await {
            let (again, socket) = source.dialer.dial_watched().await?;
            connection = again;
            gauge.watch(socket);
        }
        match way {
            Way::Down => download(&source, &mut connection, &gauge).await?,
            Way::Up => {
                let before = gauge.acked_bytes();
                match upload(&source, &mut connection).await {
                    // A server may cut an upload off at its limits while it still comes: what it took, it took.
                    Err(BulkError::Http(_)) if gauge.acked_bytes() != before => {}
                    ended => ended?,
                }
            }
        }
    }
    Ok(())
}

/// All that the server sends for one request.
async fn download(
    source: &Source,
    connection: &mut Connection,
    gauge: &Gauge,
) -> Result<(), BulkError> {
    let request = source.request("down", Method::GET, Payload::default());
    let mut responded = connection.send(&source.base, request).await?;
    BulkError::check("down", &source.base, responded.response.status())?;
    // A server that ends a download at its limit of time cuts it off: the next request goes on.
    while let Ok(Some(piece)) = responded.next_piece().await {
        gauge.0.received.fetch_add(piece.len() as u64, Relaxed);
    }
    Ok(())
}

/// As much as the server takes for one request.
async fn upload(source: &Source, connection: &mut Connection) -> Result<(), BulkError> {
    let content = Payload::endless(source.block.clone(), Arc::clone(&source.is_over));
    let request = source.request("up", Method::POST, content);
    let responded = connection.send_unhurried(&source.base, request).await?;
    let status = responded.response.status();
    // 408 and 413 are its limits of time and size: the next request goes on.
    if matches!(status.as_u16(), 408 | 413) {
        return Ok(());
    }
    BulkError::check("up", &source.base, status)
}

impl Source {
    pub(super) fn request(&self, name: &str, method: Method, content: Payload) -> Request<Payload> {
        let mut request = Request::new(content);
        *request.method_mut() = method;
        *request.uri_mut() = self.base.below(name);
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// Header fields of every request: nothing on the way is to make content smaller.
pub(super) fn headers() -> HeaderMap {
    let agent = HeaderValue::from_static(concat!("netctl/", env!("CARGO_PKG_VERSION")));
    HeaderMap::from_iter([
        (http::header::USER_AGENT, agent),
        (http::header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (http::header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ])
}
