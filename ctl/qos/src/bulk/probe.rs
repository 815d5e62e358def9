//! Probes: a small request on a connection of its own, and one beside the load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, Request};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::stream::Source;
use crate::http::{Connection, Dialer, HttpError, HttpUrl, Payload};
use crate::session::{Clock, Progress};

/// Probes that may be under way at once; a path that holds up more is told by those.
const AT_ONCE_MAX: usize = 1_000;
/// Probes a second while the path is idle.
const IDLE_PER_S: f64 = 20.0;
/// All probes are one client's.
const CLIENT: u32 = 1;
/// Longest wait between two looks at whether probing is over.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Which connection a probe was sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// One of its own, opened for it.
    Foreign,
    /// One that carries load.
    Loaded,
}

/// One probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// When it was begun, from the start of the run.
    pub at: Duration,
    /// On which connection.
    pub kind: ProbeKind,
    /// Its TCP handshake; `None` on a connection that carries load.
    pub connect: Option<Duration>,
    /// Its TLS handshake, where there was one.
    pub tls: Option<Duration>,
    /// From its request to the whole answer; `None` where none came in time.
    pub http: Option<Duration>,
}

/// Who probes, and how often now.
#[derive(Clone, Debug)]
pub(super) struct Prober {
    base: HttpUrl,
    dialer: Dialer,
    headers: HeaderMap,
    shared: Arc<Mutex<Vec<Connection>>>,
    is_over: Arc<AtomicBool>,
    limit: Duration,
    clock: Clock,
    progress: Progress,
    /// Pairs a second, in thousandths.
    rate_milli: Arc<AtomicU64>,
    /// Those that are over.
    ended: Arc<Mutex<Vec<Probe>>>,
}

impl Prober {
    pub(super) fn new(source: &Source, limit: Duration, clock: Clock, progress: &Progress) -> Self {
        let prober = Self {
            base: source.base.clone(),
            dialer: source.dialer.clone(),
            headers: source.headers.clone(),
            shared: Arc::clone(&source.shared),
            is_over: Arc::clone(&source.is_over),
            limit,
            clock,
            progress: progress.clone(),
            rate_milli: Arc::default(),
            ended: Arc::default(),
        };
        prober.set_rate(IDLE_PER_S);
        prober
    }

    /// Probes so many times a second from now on.
    pub(super) fn set_rate(&self, per_s: f64) {
        self.rate_milli.store((per_s * 1e3).max(1.0) as u64, Relaxed);
    }

    /// The probes that are over so far.
    pub(super) fn answered(&self) -> Vec<Probe> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Probes until it is over, on the calling thread; those on their way then are let go.
    pub(super) fn run(&self) -> Vec<Probe> {
        if let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() {
            runtime.block_on(self.probe_all());
        }
        let mut probes = self.answered();
        probes.sort_by_key(|probe| probe.at);
        probes
    }

    async fn probe_all(&self) {
        let (mut under_way, mut next) = (JoinSet::new(), Instant::now());
        while !self.is_over.load(Relaxed) {
            while under_way.try_join_next().is_some() {}
            let now = Instant::now();
            if now < next {
                sleep_until(next.min(now + PAUSE_MAX).into()).await;
                continue;
            }
            if under_way.len() + 2 <= AT_ONCE_MAX {
                let prober = self.clone();
                under_way.spawn(prober.probe(ProbeKind::Foreign));
                if !self.loaded().is_empty() {
                    let prober = self.clone();
                    under_way.spawn(prober.probe(ProbeKind::Loaded));
                }
            }
            let interval = 1e3 / self.rate_milli.load(Relaxed).max(1) as f64;
            next = now.max(next + Duration::from_secs_f64(interval));
        }
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the connections that carry load, each as likely as the others.
    fn any_loaded(&self) -> Option<Connection> {
        let loaded = self.loaded();
        let index = rand::rng().random_range(0..loaded.len().max(1));
        loaded.get(index)?.shared()
    }

    async fn probe(self, kind: ProbeKind) {
        let mut probe = Probe { at: self.clock.now(), kind, connect: None, tls: None, http: None };
        self.progress.probe_sent(CLIENT, probe.at, probe.at);
        let answered = match kind {
            ProbeKind::Foreign => timeout(self.limit, self.foreign(&mut probe)).await,
            ProbeKind::Loaded => match self.any_loaded() {
                Some(mut connection) => timeout(self.limit, self.ask(&mut connection)).await,
                None => return,
            },
        };
        probe.http = answered.ok().and_then(Result::ok);
        match probe.http {
            Some(time) => self.progress.probe_answered(CLIENT, probe.at, time, 1),
            None => self.progress.probe_failed(CLIENT, probe.at),
        }
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(probe);
    }

    async fn foreign(&self, probe: &mut Probe) -> Result<Duration, HttpError> {
        let mut connection = self.dialer.dial().await?;
        probe.connect = Some(connection.opened.connect);
        probe.tls = connection.opened.tls;
        self.ask(&mut connection).await
    }

    /// From the request for the small object to the end of it.
    async fn ask(&self, connection: &mut Connection) -> Result<Duration, HttpError> {
        let mut request = Request::new(Payload::default());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.base.below("small");
        *request.headers_mut() = self.headers.clone();
        let begun = Instant::now();
        let mut responded = connection.send(&self.base, request).await?;
        while responded.next_piece().await?.is_some() {}
        Ok(begun.elapsed())
    }
}
