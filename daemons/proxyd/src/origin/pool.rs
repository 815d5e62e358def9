//! Connections to origins, shared by all threads. One that was made by the calling thread is
//! preferred: its task runs there, and no other thread has to be woken.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::HeaderMap;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use selat_core::http::{hop_by_hop::KEEP_ALIVE, list};
use selat_runtime::counters;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};
use tracing::debug;

use super::{OriginAddr, OriginError, OriginLimits};
use crate::body::RequestBody;

/// Octets of a response's head.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// Fields of a response.
const HEADERS_MAX: usize = 256;

/// Time in which a connection whose response is whole must have sent the rest of its request.
const REST_TIMEOUT: Duration = Duration::from_secs(1);

/// Time before the end that an origin promises in which a connection is no longer used.
const MARGIN: Duration = Duration::from_secs(1);

/// A connection to an origin.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<RequestBody>,
    /// Whether it has carried a request before: an origin may have closed it just now.
    pub(crate) reused: bool,
    thread: usize,
    /// Time for which the origin keeps it, as far as it says so.
    promised: Option<Duration>,
    /// Its right to be in use.
    _slot: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    thread: usize,
    promised: Option<Duration>,
    since: Instant,
}

impl Connection {
    /// Takes in `Keep-Alive: timeout=SECONDS` (RFC 2068 §19.7.1.1): a request that crosses the origin's
    /// closing is lost, and one with content cannot be sent again.
    pub(crate) fn heed(&mut self, headers: &HeaderMap) {
        let timeout = list::members(headers, KEEP_ALIVE).find_map(|member| {
            let (name, seconds) = str::from_utf8(member).ok()?.split_once('=')?;
            name.trim().eq_ignore_ascii_case("timeout").then(|| seconds.trim().parse().ok())?
        });
        if let Some(seconds) = timeout {
            self.promised = Some(Duration::from_secs(seconds).saturating_sub(MARGIN));
        }
    }
}

/// What the pool knows of one origin.
#[derive(Debug)]
struct Kept {
    idle: Vec<Idle>,
    /// One for each connection that may be in use.
    slots: Arc<Semaphore>,
}

/// Connections that are kept for the next request.
#[derive(Debug)]
pub(crate) struct Pool {
    limits: OriginLimits,
    origins: Mutex<HashMap<OriginAddr, Kept>>,
}

impl Pool {
    pub(crate) fn new(limits: OriginLimits) -> Self {
        Self { limits, origins: Mutex::new(HashMap::new()) }
    }

    /// A connection that was kept, or a new one.
    pub(crate) async fn connection(&self, origin: &OriginAddr) -> Result<Connection, OriginError> {
        let slot = self.slot(origin).await?;
        while let Some(Idle { mut sender, thread, promised, .. }) = self.take(origin) {
            let ready = time::timeout(self.limits.connect_timeout, sender.ready());
            if matches!(ready.await, Ok(Ok(()))) {
                return Ok(Connection { sender, reused: true, thread, promised, _slot: slot });
            }
        }
        self.open(origin, slot).await
    }

    /// A new connection.
    pub(crate) async fn connect(&self, origin: &OriginAddr) -> Result<Connection, OriginError> {
        let slot = self.slot(origin).await?;
        self.open(origin, slot).await
    }

    /// Waits until a connection more may be in use.
    async fn slot(&self, origin: &OriginAddr) -> Result<OwnedSemaphorePermit, OriginError> {
        let slots = Arc::clone(&self.kept(&mut self.lock(), origin).slots);
        match time::timeout(self.limits.connect_timeout, slots.acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => {
                debug!(%origin, "all connections are in use");
                Err(OriginError::Timeout)
            }
        }
    }

    async fn open(
        &self,
        origin: &OriginAddr,
        slot: OwnedSemaphorePermit,
    ) -> Result<Connection, OriginError> {
        let thread = counters::thread();
        match time::timeout(self.limits.connect_timeout, open(origin)).await {
            Ok(Ok(sender)) => {
                Ok(Connection { sender, reused: false, thread, promised: None, _slot: slot })
            }
            Ok(Err(error)) => {
                debug!(%origin, %error, "cannot connect");
                Err(OriginError::Unreachable)
            }
            Err(_) => {
                debug!(%origin, "no connection in time");
                Err(OriginError::Timeout)
            }
        }
    }

    /// Keeps a connection whose response is whole, as soon as its request is: an origin may answer before it
    /// has read all content, and whoever got the connection then would wait for another's client.
    pub(crate) fn keep(self: Arc<Self>, origin: OriginAddr, mut connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        if connection.sender.is_ready() {
            return self.keep_ready(&origin, connection);
        }
        tokio::spawn(async move {
            let ready = time::timeout(REST_TIMEOUT, connection.sender.ready()).await;
            if matches!(ready, Ok(Ok(()))) {
                self.keep_ready(&origin, connection);
            }
        });
    }

    fn keep_ready(&self, origin: &OriginAddr, connection: Connection) {
        let now = Instant::now();
        let Connection { sender, thread, promised, .. } = connection;
        if self.limits.idle_max == 0 {
            return;
        }
        let mut origins = self.lock();
        let idle = &mut self.kept(&mut origins, origin).idle;
        // The oldest stand first.
        let expired = idle.partition_point(|idle| self.is_expired(idle, now));
        let surplus = (idle.len() + 1).saturating_sub(self.limits.idle_max).min(idle.len());
        drop(idle.drain(..expired.max(surplus)));
        idle.push(Idle { sender, thread, promised, since: now });
    }

    fn take(&self, origin: &OriginAddr) -> Option<Idle> {
        let mut origins = self.lock();
        let idle = &mut self.kept(&mut origins, origin).idle;
        let here = idle.iter().rposition(|idle| idle.thread == counters::thread());
        let taken = match here {
            Some(index) => idle.remove(index),
            None => idle.pop()?,
        };
        (!self.is_expired(&taken, Instant::now())).then_some(taken)
    }

    fn kept<'a>(
        &self,
        origins: &'a mut HashMap<OriginAddr, Kept>,
        origin: &OriginAddr,
    ) -> &'a mut Kept {
        origins.entry(origin.clone()).or_insert_with(|| Kept {
            idle: Vec::new(),
            slots: Arc::new(Semaphore::new(self.limits.connections_max)),
        })
    }

    fn is_expired(&self, idle: &Idle, now: Instant) -> bool {
        let limit = idle.promised.unwrap_or(Duration::MAX).min(self.limits.idle_timeout);
        now.saturating_duration_since(idle.since) > limit
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OriginAddr, Kept>> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long an origin may take.
    pub(crate) fn limits(&self) -> &OriginLimits {
        &self.limits
    }
}

async fn open(origin: &OriginAddr) -> io::Result<SendRequest<RequestBody>> {
    let stream = TcpStream::connect(origin.host_and_port()).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%error, "connection to an origin ended");
        }
    });
    Ok(sender)
}
