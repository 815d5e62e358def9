//! The run: the idle path first, then load, with a look at everything at each tick.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use jiff::Timestamp;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::figures::{ended_by, times_of};
use super::probe::{Probe, Prober};
use super::spec::{BulkSpec, Plan, Way};
use super::stream::{Gauge, Look, Source, StreamRun, carry, headers};
use crate::http::{HttpError, HttpUrl, Payload};
use crate::responsiveness::{CONNECTIONS_MAX, Confidence, Responsiveness, Stability};
use crate::responsiveness::{moving_average, probe_rate};
use crate::session::{self, Cancel, Clock, Phase, Progress};

/// How often streams are looked at.
pub const TICK: Duration = Duration::from_millis(100);
/// Bytes of the block that uploads are made of.
const BLOCK_BYTES: usize = 256 << 10;
/// The same block in every run.
const SEED: u64 = 0x5e1a7;

/// Why there is no run.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// The server cannot be reached, or a stream broke.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The server answers, but offers nothing to measure against.
    #[error("{url} is answered {status}")]
    Refused {
        /// What was asked for.
        url: String,
        /// What it said.
        status: StatusCode,
    },
    /// Nothing can be run here at all.
    #[error("no thread to measure with")]
    Thread(#[source] std::io::Error),
}

/// What streams carried in some time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its end, from the start of the run.
    pub ends_at: Duration,
    /// How long it was.
    pub length: Duration,
    /// Bytes of content that came.
    pub down_bytes: u64,
    /// Bytes that the server's side acknowledged.
    pub up_bytes: u64,
    /// Streams at its end, both ways.
    pub streams: u32,
}

/// A run that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BulkRun {
    /// Wall time that everything counts from.
    pub started_at: Timestamp,
    /// Which ways load went.
    pub ways: Vec<Way>,
    /// When load began; before it, the path was idle.
    pub loaded_at: Duration,
    /// From when on goodput counts.
    pub counted_at: Duration,
    /// When load ended.
    pub ended_at: Duration,
    /// Goodput by interval, from when load began.
    pub intervals: Vec<Interval>,
    /// Each stream.
    pub streams: Vec<StreamRun>,
    /// Each probe, in the order in which they were begun.
    pub probes: Vec<Probe>,
    /// Streams that broke off, and why.
    pub failures: Vec<String>,
    /// How sure goodput and responsiveness are, where that was asked.
    pub confidence: Option<[Confidence; 2]>,
    /// Whether it was ended before its time.
    pub is_cancelled: bool,
}

impl BulkError {
    pub(super) fn check(name: &str, base: &HttpUrl, status: StatusCode) -> Result<(), Self> {
        if status == StatusCode::OK {
            return Ok(());
        }
        Err(Self::Refused { url: base.below(name).to_string(), status })
    }
}

/// Makes the run that `spec` asks for; blocks until it is over.
///
/// Uses the calling thread and one more.
///
/// # Errors
/// The server cannot be reached, or offers nothing to measure against.
pub fn run(spec: &BulkSpec, progress: &Progress, cancel: &Cancel) -> Result<BulkRun, BulkError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(BulkError::Thread)?;
    let source = Source {
        base: spec.base.clone(),
        dialer: spec.dialer.clone(),
        headers: headers(),
        block: block(),
        is_over: Arc::default(),
        shared: Arc::default(),
    };
    runtime.block_on(greet(&source))?;
    let (started_at, clock) = (Timestamp::now(), Clock::start());
    let prober = Prober::new(&source, spec.timeout, clock, progress);
    let (loaded, probes) = thread::scope(|scope| {
        let probing = thread::Builder::new()
            .name("qos-prober".to_owned())
            .spawn_scoped(scope, || prober.run())
            .map_err(BulkError::Thread)?;
        let load = Load::new(spec, &source, &prober, clock, (progress, cancel));
        let loaded = runtime.block_on(load.run());
        source.is_over.store(true, Relaxed);
        // A prober that panicked has probed what it has.
        Ok::<_, BulkError>((loaded, probing.join().unwrap_or_default()))
    })?;
    let loaded = loaded?;
    Ok(BulkRun { started_at, probes, is_cancelled: cancel.is_cancelled(), ..loaded })
}

/// Asks for the small object, to see that there is something to measure against.
async fn greet(source: &Source) -> Result<(), BulkError> {
    let mut connection = source.dialer.dial().await?;
    let request = source.request("small", Method::GET, Payload::default());
    let responded = connection.send(&source.base, request).await?;
    BulkError::check("small", &source.base, responded.response.status())
}

/// Load under way.
struct Load<'a> {
    spec: &'a BulkSpec,
    source: &'a Source,
    prober: &'a Prober,
    progress: &'a Progress,
    cancel: &'a Cancel,
    clock: Clock,
    running: JoinSet<Result<(), BulkError>>,
    streams: Vec<(Gauge, StreamRun)>,
    intervals: Vec<Interval>,
    failures: Vec<String>,
    goodput: Stability,
    responsiveness: Stability,
    /// That of the last intervals, so far.
    rpm: Option<f64>,
}

impl<'a> Load<'a> {
    fn new(
        spec: &'a BulkSpec,
        source: &'a Source,
        prober: &'a Prober,
        clock: Clock,
        (progress, cancel): (&'a Progress, &'a Cancel),
    ) -> Self {
        Self {
            spec,
            source,
            prober,
            progress,
            cancel,
            clock,
            running: JoinSet::new(),
            streams: Vec::new(),
            intervals: Vec::new(),
            failures: Vec::new(),
            goodput: Stability::default(),
            responsiveness: Stability::default(),
            rpm: None,
        }
    }

    async fn run(mut self) -> Result<BulkRun, BulkError> {
        let begun = Instant::now();
        self.tell(Phase::Idle);
        self.wait(begun + self.spec.idle).await;
        if let Plan::Steady { probes_per_s, .. } = self.spec.plan {
            self.prober.set_rate(probes_per_s);
        }
        // Without an idle time no probe was sent on an idle path, however early it was.
        let is_loaded_at_once = self.spec.idle.is_zero();
        let loaded_at = if is_loaded_at_once { Duration::ZERO } else { self.clock.now() };
        // Ended before there was load: none is begun to be ended at once.
        let streams = if self.cancel.is_cancelled() { 0 } else { self.spec.streams.get() };
        for _ in 0..streams {
            self.begin();
        }
        let load_begun = Instant::now();
        let mut ends_at = load_begun + self.spec.interval;
        let mut interval_begun = self.clock.now();
        while !self.is_over(load_begun) {
            let tick = (Instant::now() + TICK).min(ends_at);
            self.wait(tick).await;
            self.look();
            let is_warm = load_begun.elapsed() >= self.spec.warm_up();
            self.tell(if is_warm { Phase::Loaded } else { Phase::WarmUp });
            self.reap()?;
            if Instant::now() >= ends_at {
                ends_at += self.spec.interval;
                interval_begun = self.end_interval(interval_begun);
            }
        }
        // What is left is told too, if it is long enough to tell anything.
        if self.clock.now().saturating_sub(interval_begun) >= TICK {
            self.end_interval(interval_begun);
        }
        let ended_at = if streams == 0 { loaded_at } else { self.clock.now() };
        self.source.is_over.store(true, Relaxed);
        self.running.abort_all();
        let asked = self.spec.plan == Plan::Responsiveness && streams > 0;
        let confidence = [self.goodput.confidence(), self.responsiveness.confidence()];
        Ok(BulkRun {
            started_at: Timestamp::UNIX_EPOCH,
            ways: self.spec.ways.clone(),
            loaded_at,
            counted_at: loaded_at + self.spec.warm_up(),
            ended_at,
            intervals: self.intervals,
            streams: self.streams.into_iter().map(|(_, stream)| stream).collect(),
            probes: Vec::new(),
            failures: self.failures,
            confidence: asked.then_some(confidence),
            is_cancelled: false,
        })
    }

    /// One more stream each way.
    fn begin(&mut self) {
        for way in &self.spec.ways {
            let gauge = Gauge::default();
            self.running.spawn(carry(*way, self.source.clone(), gauge.clone()));
            let began_at = self.clock.now();
            let stream = StreamRun { way: *way, began_at, bytes: 0, looks: Vec::new() };
            self.streams.push((gauge, stream));
        }
    }

    /// Looks at every stream.
    fn look(&mut self) {
        let at = self.clock.now();
        for (gauge, stream) in &mut self.streams {
            let info = gauge.look();
            stream.looks.extend(info.map(|info| Look { at, info }));
            let acked = info.and_then(|info| info.acked_bytes);
            stream.bytes = match stream.way {
                Way::Down => gauge.received(),
                // Between two connections it is not known.
                Way::Up => stream.bytes.max(acked.unwrap_or(0)),
            };
        }
    }

    /// Bytes that went a way so far.
    fn carried(&self, way: Way) -> u64 {
        let of_way = self.streams.iter().filter(|(_, stream)| stream.way == way);
        of_way.map(|(_, stream)| stream.bytes).sum()
    }

    /// Tells whoever watches how the load stands.
    fn tell(&self, phase: Phase) {
        let carried = |way: Way| self.spec.ways.contains(&way).then(|| self.carried(way));
        self.progress.load(session::Load {
            phase,
            streams: u32::try_from(self.running.len()).unwrap_or(u32::MAX),
            down_bytes: carried(Way::Down),
            up_bytes: carried(Way::Up),
            rpm: self.rpm.map(|rpm| rpm.round() as u64),
        });
    }

    /// Keeps account of streams that broke off.
    ///
    /// # Errors
    /// None is left, and nothing came of them; what a server that refuses them took until it said so is nothing.
    fn reap(&mut self) -> Result<(), BulkError> {
        while let Some(ended) = self.running.try_join_next() {
            let Ok(Err(error)) = ended else { continue };
            let carried: u64 = self.streams.iter().map(|(_, stream)| stream.bytes).sum();
            let is_refusal = matches!(error, BulkError::Refused { .. });
            if self.running.is_empty() && (carried == 0 || is_refusal) {
                return Err(error);
            }
            self.failures.push(error.to_string());
        }
        Ok(())
    }

    /// Closes an interval that began at `from`; returns when the next one begins.
    fn end_interval(&mut self, from: Duration) -> Duration {
        let ends_at = self.clock.now();
        let bytes = |way| self.carried(way);
        let before = |bytes: fn(&Interval) -> u64| self.intervals.iter().map(bytes).sum::<u64>();
        let interval = Interval {
            ends_at,
            length: ends_at.saturating_sub(from),
            down_bytes: bytes(Way::Down).saturating_sub(before(|it| it.down_bytes)),
            up_bytes: bytes(Way::Up).saturating_sub(before(|it| it.up_bytes)),
            streams: u32::try_from(self.running.len()).unwrap_or(u32::MAX),
        };
        self.intervals.push(interval);
        if self.spec.plan == Plan::Responsiveness {
            self.judge();
        }
        ends_at
    }

    /// The steps of the draft's "Final Algorithm" at the end of each interval.
    fn judge(&mut self) {
        let goodputs: Vec<f64> = self.intervals.iter().map(Interval::bps).collect();
        let average = moving_average(&goodputs).unwrap_or(0.0);
        self.prober.set_rate(probe_rate(average));
        self.rpm = self.current().map(|current| current.rpm);
        if self.goodput.is_stable() {
            self.rpm.into_iter().for_each(|rpm| self.responsiveness.take(rpm));
        } else {
            self.goodput.take(average);
        }
        let streams = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        if streams < CONNECTIONS_MAX {
            self.begin();
        }
    }

    /// The responsiveness of the last intervals.
    fn current(&self) -> Option<Responsiveness> {
        let probes = self.prober.answered();
        let streams = self.streams.iter().map(|(_, stream)| stream);
        times_of(&probes, streams, ended_by(&self.intervals)).responsiveness()
    }

    fn is_over(&self, load_begun: Instant) -> bool {
        self.cancel.is_cancelled()
            || self.running.is_empty()
            || self.responsiveness.is_stable()
            || load_begun.elapsed() >= self.spec.duration
    }

    /// Waits; not longer than a tick once the run is cancelled.
    async fn wait(&self, until: Instant) {
        while Instant::now() < until && !self.cancel.is_cancelled() {
            sleep_until(until.min(Instant::now() + TICK)).await;
        }
    }
}

impl Interval {
    /// Whether it began when goodput of `run` already counted; half a tick is no matter.
    #[must_use]
    pub fn counts_in(&self, run: &BulkRun) -> bool {
        self.ends_at.saturating_sub(self.length) + TICK / 2 >= run.counted_at
    }

    /// Goodput, both ways, bit/s.
    #[must_use]
    pub fn bps(&self) -> f64 {
        let bits = (self.down_bytes + self.up_bytes) as f64 * 8.0;
        if self.length.is_zero() { 0.0 } else { bits / self.length.as_secs_f64() }
    }
}

/// Noise that nothing on the way can make smaller.
fn block() -> Bytes {
    let mut block = vec![0; BLOCK_BYTES];
    Pcg64::seed_from_u64(SEED).fill_bytes(&mut block);
    block.into()
}
