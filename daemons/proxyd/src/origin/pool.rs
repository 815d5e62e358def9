//! Connections to origins, shared by all threads. One that was made by the calling thread is
//! preferred: its task runs there, and no other thread has to be woken.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use selat_runtime::counters;
use tokio::{net::TcpStream, time};
use tracing::debug;

use super::{OriginAddr, OriginError, OriginLimits};
use crate::body::RequestBody;

/// Octets of a response's head.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// Fields of a response.
const HEADERS_MAX: usize = 256;

/// Time in which a connection whose response is whole must have sent the rest of its request.
const REST_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to an origin.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<RequestBody>,
    /// Whether it has carried a request before: an origin may have closed it just now.
    pub(crate) reused: bool,
    thread: usize,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// Connections that are kept for the next request.
#[derive(Debug)]
pub(crate) struct Pool {
    limits: OriginLimits,
    idle: Mutex<HashMap<OriginAddr, Vec<Idle>>>,
}

impl Pool {
    pub(crate) fn new(limits: OriginLimits) -> Self {
        Self { limits, idle: Mutex::new(HashMap::new()) }
    }

    /// A connection that was kept, or a new one.
    pub(crate) async fn connection(&self, origin: &OriginAddr) -> Result<Connection, OriginError> {
        while let Some(mut connection) = self.take(origin) {
            let ready = time::timeout(self.limits.connect_timeout, connection.sender.ready());
            if matches!(ready.await, Ok(Ok(()))) {
                return Ok(connection);
            }
        }
        self.connect(origin).await
    }

    /// A new connection.
    pub(crate) async fn connect(&self, origin: &OriginAddr) -> Result<Connection, OriginError> {
        let connected = time::timeout(self.limits.connect_timeout, open(origin)).await;
        match connected {
            Ok(Ok(sender)) => Ok(Connection { sender, reused: false, thread: counters::thread() }),
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
        connection.reused = true;
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
        let mut idle = self.lock();
        if !idle.contains_key(origin) {
            idle.insert(origin.clone(), Vec::new());
        }
        let Some(kept) = idle.get_mut(origin) else { return };
        // The oldest stand first.
        let expired = kept.partition_point(|idle| self.is_expired(idle, now));
        let surplus = (kept.len() + 1).saturating_sub(self.limits.idle_max).min(kept.len());
        drop(kept.drain(..expired.max(surplus)));
        kept.push(Idle { connection, since: now });
    }

    fn take(&self, origin: &OriginAddr) -> Option<Connection> {
        let mut idle = self.lock();
        let kept = idle.get_mut(origin)?;
        let now = Instant::now();
        let here = kept.iter().rposition(|idle| idle.connection.thread == counters::thread());
        let idle = match here {
            Some(index) => kept.remove(index),
            None => kept.pop()?,
        };
        (!self.is_expired(&idle, now)).then_some(idle.connection)
    }

    fn is_expired(&self, idle: &Idle, now: Instant) -> bool {
        now.saturating_duration_since(idle.since) > self.limits.idle_timeout
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OriginAddr, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
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
