//! One worker: takes a request up, sends it over its line, reads the answer, takes the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use http::{Request, Uri};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::exchange::{Exchange, Failure, Outcome};
use super::queue::Queue;
use super::spec::{Aim, LoadSpec, Mode};
use crate::http::{Connection, HttpError, Opened, Payload, Protocol, Verdict, said};
use crate::session::{Cancel, Clock, PROBES_MAX, Progress};

/// How often a worker that waits for an answer looks whether the run was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(100);
/// How long the answer to a request that was on its way is waited for when a run is cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(1);

/// What all workers of a run share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) spec: Arc<LoadSpec>,
    pub(super) cancel: Cancel,
    progress: Progress,
    clock: Clock,
    /// Requests that were begun in a closed loop.
    begun: Arc<AtomicU32>,
}

/// A connection that workers share (HTTP/2), or one alone has. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<Mutex<Option<Connection>>>);

/// Where requests come from.
#[derive(Debug)]
pub(super) enum Feed {
    /// From a schedule.
    Queue(Queue),
    /// The next is due as soon as the worker is free.
    AtOnce,
}

/// One worker.
#[derive(Debug)]
pub(super) struct Worker {
    /// Number of its connection, from 1.
    client: u32,
    shared: Shared,
    line: Line,
    feed: Feed,
    worked: Worked,
}

/// What one worker did.
#[derive(Debug, Default)]
pub(super) struct Worked {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) dropped: u64,
    pub(super) unfinished: u64,
}

/// An answer that came whole.
struct Answer {
    opened: Option<Opened>,
    first_byte_at: Duration,
    status: u16,
    verdict: Verdict,
    bytes: u64,
}

impl Shared {
    pub(super) fn new(spec: &LoadSpec, progress: &Progress, cancel: &Cancel) -> Self {
        Self {
            spec: Arc::new(spec.clone()),
            cancel: cancel.clone(),
            progress: progress.clone(),
            clock: Clock::start(),
            begun: Arc::default(),
        }
    }

    /// The same, now that the run has begun.
    pub(super) fn begun(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Number of a request that is begun now; `None` where the run has as many as it may, or is over.
    fn next_at_once(&self) -> Option<(u32, Duration)> {
        let count = match self.spec.mode {
            Mode::Closed { count: Some(count) } => u64::from(count),
            _ => PROBES_MAX,
        };
        let seq = self.begun.fetch_add(1, Relaxed);
        let now = self.clock.now();
        let is_due = u64::from(seq) < count && self.spec.until.is_none_or(|until| now < until);
        (is_due && !self.cancel.is_cancelled()).then_some((seq, now))
    }

    /// Where request `seq` goes, and whether nobody can have asked for it before.
    fn target(&self, seq: u32) -> (Uri, bool) {
        let path = self.spec.url.path();
        match self.spec.aim {
            Aim::WarmAndCold { salt } if seq % 2 == 1 => {
                let mark = if path.contains('?') { '&' } else { '?' };
                (self.spec.url.target_at(&format!("{path}{mark}cold={salt:x}-{seq}")), true)
            }
            _ => (self.spec.url.target_at(path), false),
        }
    }
}

impl Line {
    pub(super) fn open(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(Some(connection))))
    }

    /// A connection that takes a request: the one that is there, or another where there is none or the
    /// server has closed it (RFC 9112 §9.5), and then how long that took. One that serves several
    /// requests at once stays; another is taken and is to be given back.
    async fn usable(&self, spec: &LoadSpec) -> Result<(Connection, Option<Opened>), HttpError> {
        let mut place = self.0.lock().await;
        if let Some(mut open) = place.take()
            && open.is_ready().await
        {
            *place = open.shared();
            return Ok((open, None));
        }
        let opened = spec.dialer.dial().await?;
        *place = opened.shared();
        let took = opened.opened;
        Ok((opened, Some(took)))
    }

    async fn give_back(&self, connection: Connection) {
        if connection.protocol() == Protocol::Http1 {
            *self.0.lock().await = Some(connection);
        }
    }
}

impl Worker {
    pub(super) fn new(client: u32, shared: Shared, line: Line, feed: Feed) -> Self {
        Self { client, shared, line, feed, worked: Worked::default() }
    }

    /// Works until nothing is left to do.
    pub(super) async fn run(mut self) -> Worked {
        let limit = self.shared.spec.timeout;
        while let Some((seq, due_at)) = self.next().await {
            let started_at = self.shared.clock.now();
            let (waited, is_over) =
                (started_at.saturating_sub(due_at), self.shared.cancel.is_cancelled());
            if is_over && waited <= CANCEL_GRACE {
                self.worked.unfinished += 1;
                continue;
            }
            self.shared.progress.probe_sent(self.client, due_at, started_at);
            let (uri, is_cold) = self.shared.target(seq);
            if is_over || waited > limit {
                // Whoever counts only what was sent does not see an outage.
                self.worked.dropped += 1;
                self.keep(seq, due_at, started_at, is_cold, Err(Failure::NotBegun));
                continue;
            }
            match self.answer(uri, limit).await {
                Some(answer) => self.keep(seq, due_at, started_at, is_cold, answer),
                None => self.worked.unfinished += 1,
            }
        }
        self.worked
    }

    /// One request of which nothing is kept; what goes wrong will go wrong again, and be counted.
    pub(super) async fn warm(self) {
        let (uri, limit) = (self.shared.target(0).0, self.shared.spec.timeout);
        let _ = self.answer(uri, limit).await;
    }

    async fn next(&self) -> Option<(u32, Duration)> {
        match &self.feed {
            Feed::Queue(queue) => queue.next().await,
            Feed::AtOnce => self.shared.next_at_once(),
        }
    }

    /// The answer, or why there is none within `limit`; `None` where the run was cancelled meanwhile.
    async fn answer(&self, uri: Uri, limit: Duration) -> Option<Result<Answer, Failure>> {
        let request = timeout(limit, self.request(uri));
        tokio::pin!(request);
        let mut grace = CANCEL_GRACE;
        loop {
            // A wake-up at times, not a wait: what ends a request is its answer or its time.
            if let Ok(answered) = timeout(CANCEL_CHECK, &mut request).await {
                let answered = answered.map_err(|_| Failure::TimedOut);
                return Some(answered.and_then(|it| it.map_err(|error| Failure::from(&error))));
            }
            let cancel = &self.shared.cancel;
            if cancel.is_cut_off() {
                return None;
            }
            if cancel.is_cancelled() {
                grace = grace.checked_sub(CANCEL_CHECK)?;
            }
        }
    }

    /// One request and its whole answer.
    async fn request(&self, uri: Uri) -> Result<Answer, HttpError> {
        let spec = &self.shared.spec;
        let (mut connection, opened) = self.line.usable(spec).await?;
        let mut request = Request::new(Payload::whole(spec.content.clone()));
        *request.method_mut() = spec.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = spec.headers.clone();
        let mut responded = connection.send(&spec.url, request).await?;
        let first_byte_at = self.shared.clock.at(responded.first_byte_at);
        let (status, headers) = (responded.response.status(), responded.response.headers());
        let verdict = said(status, headers).verdict;
        while responded.next_piece().await?.is_some() {}
        if spec.keep_alive {
            self.line.give_back(connection).await;
        }
        let bytes = responded.received();
        Ok(Answer { opened, first_byte_at, status: status.as_u16(), verdict, bytes })
    }

    fn keep(
        &mut self,
        seq: u32,
        due_at: Duration,
        started_at: Duration,
        is_cold: bool,
        answer: Result<Answer, Failure>,
    ) {
        let ended_at = self.shared.clock.now();
        let mut exchange = Exchange {
            seq,
            due_at,
            started_at,
            opened: None,
            first_byte_at: None,
            ended_at,
            bytes: 0,
            outcome: Outcome::Failed(Failure::TimedOut),
            verdict: Verdict::None,
            is_cold,
        };
        match answer {
            Ok(answer) => {
                exchange.opened = answer.opened;
                exchange.first_byte_at = Some(answer.first_byte_at);
                exchange.bytes = answer.bytes;
                exchange.outcome = Outcome::Status(answer.status);
                exchange.verdict = answer.verdict;
            }
            Err(failure) => exchange.outcome = Outcome::Failed(failure),
        }
        if exchange.is_good() {
            let (latency, bytes) = (exchange.response_time(), exchange.bytes);
            self.shared.progress.probe_answered(self.client, due_at, latency, bytes);
        } else {
            self.shared.progress.probe_failed(self.client, due_at);
        }
        self.worked.exchanges.push(exchange);
    }
}
