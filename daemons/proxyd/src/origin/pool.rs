//! Connections to origins, shared by all threads. One that was made by the calling thread is
//! preferred: its task runs there, and no other thread has to be woken.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
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
        let timeout = list::members(headers, &KEEP_ALIVE).find_map(|member| {
            let (name, seconds) = str::from_utf8(member).ok()?.split_once('=')?;
            name.trim().eq_ignore_ascii_case("timeout").then(|| seconds.trim().parse().ok())?
        });
        if let Some(seconds) = timeout {
            self.promised = Some(Duration::from_secs(seconds).saturating_sub(MARGIN));
        }
    }
}

/// The pools of all origins: routes that share an origin share its connections. The pool of an origin that no
/// route has any more is dropped.
#[derive(Debug)]
pub(crate) struct Pools {
    limits: OriginLimits,
    by_origin: Mutex<HashMap<OriginAddr, Weak<Pool>>>,
}

impl Pools {
    pub(crate) fn new(limits: OriginLimits) -> Self {
        Self { limits, by_origin: Mutex::new(HashMap::new()) }
    }

    /// The pool of an origin.
    pub(crate) fn of(&self, origin: &OriginAddr) -> Arc<Pool> {
        let mut pools = self.by_origin.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(origin).and_then(Weak::upgrade) {
            return pool;
        }
        pools.retain(|_, pool| pool.strong_count() > 0);
        let pool = Arc::new(Pool::new(origin.clone(), self.limits.clone()));
        pools.insert(origin.clone(), Arc::downgrade(&pool));
        pool
    }

    /// How long origins may take.
    pub(crate) fn limits(&self) -> &OriginLimits {
        &self.limits
    }
}

/// Connections to one origin that are kept for the next request.
#[derive(Debug)]
pub(crate) struct Pool {
    origin: OriginAddr,
    limits: OriginLimits,
    idle: Mutex<Vec<Idle>>,
    /// One for each connection that may be in use.
    slots: Arc<Semaphore>,
}

impl Pool {
    fn new(origin: OriginAddr, limits: OriginLimits) -> Self {
        let slots = Arc::new(Semaphore::new(limits.connections_max));
        Self { origin, limits, idle: Mutex::default(), slots }
    }

    /// A connection that was kept, or a new one.
    pub(crate) async fn connection(&self) -> Result<Connection, OriginError> {
        let slot = self.slot().await?;
        while let Some(Idle { mut sender, thread, promised, .. }) = self.take() {
            let ready = time::timeout(self.limits.connect_timeout, sender.ready());
            if matches!(ready.await, Ok(Ok(()))) {
                return Ok(Connection { sender, reused: true, thread, promised, _slot: slot });
            }
        }
        self.open(slot).await
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<Connection, OriginError> {
        let slot = self.slot().await?;
        self.open(slot).await
    }

    /// Waits until a connection more may be in use.
    async fn slot(&self) -> Result<OwnedSemaphorePermit, OriginError> {
        let slots = Arc::clone(&self.slots);
        match time::timeout(self.limits.connect_timeout, slots.acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => {
                debug!(origin = %self.origin, "all connections are in use");
                Err(OriginError::Timeout)
            }
        }
    }

    async fn open(&self, slot: OwnedSemaphorePermit) -> Result<Connection, OriginError> {
        let thread = counters::thread();
        match time::timeout(self.limits.connect_timeout, open(&self.origin)).await {
            Ok(Ok(sender)) => {
                Ok(Connection { sender, reused: false, thread, promised: None, _slot: slot })
            }
            Ok(Err(error)) => {
                debug!(origin = %self.origin, %error, "cannot connect");
                Err(OriginError::Unreachable)
            }
            Err(_) => {
                debug!(origin = %self.origin, "no connection in time");
                Err(OriginError::Timeout)
            }
        }
    }

    /// Keeps a connection whose response is whole, as soon as its request is: an origin may answer before it
    /// has read all content, and whoever got the connection then would wait for another's client.
    pub(crate) fn keep(self: Arc<Self>, mut connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        if connection.sender.is_ready() {
            return self.keep_ready(connection);
        }
        tokio::spawn(async move {
            let ready = time::timeout(REST_TIMEOUT, connection.sender.ready()).await;
            if matches!(ready, Ok(Ok(()))) {
                self.keep_ready(connection);
            }
        });
    }

    fn keep_ready(&self, connection: Connection) {
        let now = Instant::now();
        let Connection { sender, thread, promised, .. } = connection;
        if self.limits.idle_max == 0 {
            return;
        }
        let mut idle = self.idle();
        // The oldest stand first.
        let expired = idle.partition_point(|idle| self.is_expired(idle, now));
        let surplus = (idle.len() + 1).saturating_sub(self.limits.idle_max).min(idle.len());
        drop(idle.drain(..expired.max(surplus)));
        idle.push(Idle { sender, thread, promised, since: now });
    }

    fn take(&self) -> Option<Idle> {
        let mut idle = self.idle();
        let here = idle.iter().rposition(|idle| idle.thread == counters::thread());
        let taken = match here {
            Some(index) => idle.remove(index),
            None => idle.pop()?,
        };
        (!self.is_expired(&taken, Instant::now())).then_some(taken)
    }

    fn is_expired(&self, idle: &Idle, now: Instant) -> bool {
        let limit = idle.promised.unwrap_or(Duration::MAX).min(self.limits.idle_timeout);
        now.saturating_duration_since(idle.since) > limit
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which origin it connects to.
    pub(crate) fn origin(&self) -> &OriginAddr {
        &self.origin
    }

    /// How long the origin may take.
    pub(crate) fn limits(&self) -> &OriginLimits {
        &self.limits
    }
}

async fn open(origin: &OriginAddr) -> io::Result<SendRequest<RequestBody>> {
    let stream = TcpStream::connect(origin.host_and_port()).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::Builder::new()
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
