//! The run: connections, then the clock, then workers until all is over.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::runtime;
use tokio::task::JoinSet;

use super::exchange::Exchange;
use super::queue::{Queue, pace};
use super::spec::{Aim, LoadSpec, Mode};
use super::worker::{Feed, Line, Shared, Worked, Worker};
use crate::http::{HttpError, Opened};
use crate::schedule::Times;
use crate::session::{Cancel, Clock, Progress};

/// Descriptors that the process needs beside the connections.
const SPARE_DESCRIPTORS: u64 = 64;
/// Requests before the clock starts, so that what a cache may keep is kept.
const WARMING_REQUESTS: u32 = 2;

/// A run that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadRun {
    /// Wall time that the exchanges count from.
    pub started_at: Timestamp,
    /// Looking up the host, before the clock started; `None` where the URL has an address.
    pub dns: Option<Duration>,
    /// The connections that were opened before the clock started.
    pub opened: Vec<Opened>,
    /// Every request that was due, of each client, in that order. One client unless each has a schedule of its own.
    pub clients: Vec<Vec<Exchange>>,
    /// Those of them that were never begun: they had waited for a connection for as long as a request may take, or
    /// waited when the run was cancelled.
    pub dropped: u64,
    /// Whether each request followed the answer to another (closed loop): none was due at any time.
    #[serde(default)]
    pub is_closed: bool,
    /// Requests that were under way or had just become due when the run was cancelled; not among the exchanges.
    pub unfinished: u64,
    /// Whether it was ended before its time.
    pub is_cancelled: bool,
    /// Share of one processor that this program took: near 1, it is what was measured.
    pub processor_share: f64,
}

/// Makes the run that `spec` asks for; blocks until it is over.
///
/// Uses the calling thread and one more. Raises the soft limit of open files of this process when
/// the connections need more.
///
/// # Errors
/// Not one connection could be opened.
pub fn run(spec: &LoadSpec, progress: &Progress, cancel: &Cancel) -> Result<LoadRun, HttpError> {
    allow_descriptors(u64::from(spec.connections.get()) + SPARE_DESCRIPTORS);
    progress.plan(spec.planned().unwrap_or(0));
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| HttpError::no_runtime(&spec.url, source))?;
    let shared = Shared::new(spec, progress, cancel);
    let (lines, opened) = runtime.block_on(connect(&shared))?;
    runtime.block_on(warm(&shared, &lines));
    let started_at = Timestamp::now();
    let (clock, busy_from) = (Clock::start(), thread_time());
    let shared = shared.begun(clock);
    let (feeds, queues) = feeds(spec);
    let until = spec.until.unwrap_or(Duration::MAX);
    let workers = spec.workers() as usize;
    let worked = thread::scope(|scope| {
        if !queues.is_empty() {
            let (queues, cancel) = (&queues, shared.cancel.clone());
            scope.spawn(move || pace(queues, workers, &clock, until, &cancel));
        }
        runtime.block_on(work(&shared, lines, feeds))
    });
    let processor_share = share(thread_time().saturating_sub(busy_from), clock.now());
    Ok(LoadRun {
        started_at,
        dns: spec.dialer.dns,
        opened,
        is_closed: matches!(spec.mode, Mode::Closed { .. }),
        dropped: worked.iter().map(|(_, worked)| worked.dropped).sum(),
        unfinished: worked.iter().map(|(_, worked)| worked.unfinished).sum(),
        clients: by_client(spec, worked),
        is_cancelled: cancel.is_cancelled(),
        processor_share,
    })
}

/// Where each worker's requests come from, and what fills it.
fn feeds(spec: &LoadSpec) -> (Vec<Feed>, Vec<(Queue, Times)>) {
    let (connections, streams) = (spec.connections.get(), spec.streams.get());
    let queue = |times: Times| (Queue::new(times.clone()), times);
    let queues: Vec<(Queue, Times)> = match spec.mode {
        Mode::Rate(schedule) => vec![queue(schedule.times(0, 1))],
        Mode::RateEach(schedule) => {
            (0..connections).map(|client| queue(schedule.times(client, connections))).collect()
        }
        Mode::Closed { .. } => Vec::new(),
    };
    let feed = |connection: u32| match spec.mode {
        Mode::Rate(_) => Feed::Queue(queues[0].0.clone()),
        Mode::RateEach(_) => Feed::Queue(queues[connection as usize].0.clone()),
        Mode::Closed { .. } => Feed::AtOnce,
    };
    let feeds = (0..connections).flat_map(|it| (0..streams).map(move |_| it)).map(feed).collect();
    (feeds, queues)
}

/// A line to the server for each connection; those that could not be opened try again later.
async fn connect(shared: &Shared) -> Result<(Vec<Line>, Vec<Opened>), HttpError> {
    let mut opening = JoinSet::new();
    for index in 0..shared.spec.connections.get() {
        let dialer = shared.spec.dialer.clone();
        opening.spawn(async move { (index, dialer.dial().await) });
    }
    let (mut lines, mut opened, mut failure) = (BTreeMap::new(), Vec::new(), None);
    while let Some(joined) = opening.join_next().await {
        let Ok((index, dialled)) = joined else { continue };
        match dialled {
            Ok(connection) => {
                opened.push(connection.opened);
                lines.insert(index, Line::open(connection));
            }
            Err(error) => {
                failure = Some(error);
                lines.insert(index, Line::default());
            }
        }
    }
    match failure {
        Some(error) if opened.is_empty() => Err(error),
        _ => Ok((lines.into_values().collect(), opened)),
    }
}

/// Asks for what is to be warm, as often as caches ask for before they keep something.
async fn warm(shared: &Shared, lines: &[Line]) {
    if let (Aim::WarmAndCold { .. }, Some(line)) = (shared.spec.aim, lines.first()) {
        for _ in 0..WARMING_REQUESTS {
            Worker::new(1, shared.clone(), line.clone(), Feed::AtOnce).warm().await;
        }
    }
}

/// All workers to their end: which line each had, and what it did.
async fn work(shared: &Shared, lines: Vec<Line>, feeds: Vec<Feed>) -> Vec<(usize, Worked)> {
    let streams = shared.spec.streams.get() as usize;
    let mut working = JoinSet::new();
    for (index, feed) in feeds.into_iter().enumerate() {
        let line = lines.get(index / streams).cloned().unwrap_or_default();
        let client = u32::try_from(index / streams + 1).unwrap_or(u32::MAX);
        let worker = Worker::new(client, shared.clone(), line, feed);
        working.spawn(async move { (index / streams, worker.run().await) });
    }
    // A worker that broke off is missing; the others stand.
    let mut worked = Vec::new();
    while let Some(joined) = working.join_next().await {
        worked.extend(joined.ok());
    }
    worked
}

fn by_client(spec: &LoadSpec, worked: Vec<(usize, Worked)>) -> Vec<Vec<Exchange>> {
    let count = if matches!(spec.mode, Mode::RateEach(_)) { spec.connections.get() } else { 1 };
    let mut clients = vec![Vec::new(); count as usize];
    for (line, worked) in worked {
        let client = if count == 1 { 0 } else { line };
        clients[client].extend(worked.exchanges);
    }
    clients.iter_mut().for_each(|exchanges| exchanges.sort_unstable_by_key(|it| it.seq));
    clients
}

fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn share(busy: Duration, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { busy.as_secs_f64() / elapsed.as_secs_f64() }
}

/// Best effort: where the hard limit is too low, connecting fails and says so.
fn allow_descriptors(needed: u64) {
    let limit = getrlimit(Resource::Nofile);
    let (Some(current), maximum) = (limit.current, limit.maximum) else { return };
    if current < needed {
        let current = Some(maximum.map_or(needed, |maximum| needed.min(maximum)));
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}
