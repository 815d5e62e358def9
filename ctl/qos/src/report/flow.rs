//! What a measurement over TCP has beside its samples, and how it becomes one.

mod streams;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::streams::BROKEN_OFF;
pub(super) use self::streams::carry;
use super::{Condition, Measurement, Series, Test};
use crate::bulk::{BulkFigures, BulkRun};
use crate::http::Verdict;
use crate::load::{Aim, Exchange, LoadFigures, LoadRun, LoadSpec, Mode, total_time};

/// Name of the condition that says how many requests failed, and why.
pub const FAILURES: &str = "failed requests";
/// Share of a processor from which on the measuring program may be what was measured.
const PROCESSOR_SHARE_MAX: f64 = 0.8;

/// What was seen of requests or streams, beside what a sample holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// Requests.
    Http(LoadRun),
    /// Streams, and probes beside them.
    Tcp(BulkRun),
}

impl Measurement {
    /// The measurement that a run of requests was.
    #[must_use]
    pub fn http(spec: &LoadSpec, run: LoadRun) -> Self {
        let clients = match spec.aim {
            Aim::Same => each_client(&run),
            Aim::WarmAndCold { .. } => by_verdict(&run),
        };
        Self {
            test: Test::Http,
            target: spec.url.to_string(),
            started_at: run.started_at,
            conditions: conditions(spec, &run),
            clients,
            straight: None,
            flow: Some(Flow::Http(run)),
        }
    }

    /// Whether what stands for clients are kinds of answers that one client got.
    #[must_use]
    pub fn is_by_verdict(&self) -> bool {
        match &self.flow {
            Some(Flow::Http(run)) => run.clients.iter().flatten().any(|it| it.is_cold),
            _ => false,
        }
    }

    /// Whether round trips a minute are what was asked for.
    #[must_use]
    pub fn is_of_responsiveness(&self) -> bool {
        matches!(&self.flow, Some(Flow::Tcp(run)) if run.confidence.is_some())
    }

    /// What came of requests that failed, such as `status 404 × 3, timed out × 1`; `None` where none did.
    #[must_use]
    pub fn failures(&self) -> Option<String> {
        match &self.flow {
            Some(Flow::Http(run)) => Some(failures(run)).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// The figures of streams; `None` where the measurement is none of these.
    #[must_use]
    pub fn bulk_figures(&self) -> Option<BulkFigures> {
        match &self.flow {
            Some(Flow::Tcp(run)) => Some(BulkFigures::of(run)),
            _ => None,
        }
    }

    /// The figures of requests; `None` where the measurement is none of these.
    #[must_use]
    pub fn load_figures(&self) -> Option<LoadFigures> {
        match &self.flow {
            Some(Flow::Http(run)) => Some(LoadFigures::of(run)),
            _ => None,
        }
    }
}

fn each_client(run: &LoadRun) -> Vec<Series> {
    let series = |(number, exchanges): (u32, &Vec<Exchange>)| Series {
        client: number.to_string(),
        samples: exchanges.iter().map(Exchange::sample).collect(),
    };
    (1..).zip(&run.clients).map(series).collect()
}

/// The requests of each thing that the cache did; where nothing says what it did, of what it may have and
/// of what it cannot.
fn verdicts(run: &LoadRun) -> BTreeMap<(Verdict, bool), Vec<&Exchange>> {
    let mut verdicts: BTreeMap<_, Vec<&Exchange>> = BTreeMap::new();
    for exchange in run.clients.iter().flatten() {
        let is_cold = exchange.is_cold && exchange.verdict == Verdict::None;
        verdicts.entry((exchange.verdict, is_cold)).or_default().push(exchange);
    }
    verdicts
}

/// The time that rates of a series of `measurement` are of, which samples do not tell: they know no end of what
/// failed.
pub(super) fn times(run: &LoadRun, is_by_verdict: bool) -> Vec<Option<Duration>> {
    if is_by_verdict {
        return verdicts(run).values().map(|it| total_time(it.iter().copied())).collect();
    }
    run.clients.iter().map(|it| total_time(it.iter())).collect()
}

/// A series for each of [`verdicts`].
fn by_verdict(run: &LoadRun) -> Vec<Series> {
    let sample = |exchanges: Vec<&Exchange>| exchanges.into_iter().map(Exchange::sample).collect();
    let name = |verdict: Verdict, is_cold: bool| match verdict {
        Verdict::None if is_cold => "cold".to_owned(),
        Verdict::None => "warm".to_owned(),
        verdict => verdict.as_str().to_lowercase(),
    };
    let series = |((verdict, is_cold), exchanges)| Series {
        client: name(verdict, is_cold),
        samples: sample(exchanges),
    };
    verdicts(run).into_iter().map(series).collect()
}

fn conditions(spec: &LoadSpec, run: &LoadRun) -> Vec<Condition> {
    let all = || run.clients.iter().flatten();
    let (sent, cached) = (all().count(), all().filter(|it| it.verdict.is_from_cache()).count());
    let mut conditions = vec![
        Condition::new("clients", run.clients.len()),
        Condition::new("pattern", pattern(spec)),
        Condition::new("connections", connections(spec)),
        Condition::new("timeout", format!("{:?} for each request", spec.timeout)),
        Condition::new("latency", "from when a request was due to its last byte"),
        Condition::new("answers from the cache", format!("{cached} of {sent}")),
    ];
    let failures = failures(run);
    if !failures.is_empty() {
        conditions.push(Condition::new(FAILURES, failures));
    }
    if run.dropped > 0 {
        let dropped = format!("{}: no connection was free for {:?}", run.dropped, spec.timeout);
        conditions.push(Condition::new("requests never sent", dropped));
    }
    if run.unfinished > 0 {
        conditions.push(Condition::new("requests cut off at the end", run.unfinished));
    }
    if run.processor_share > PROCESSOR_SHARE_MAX {
        let share = format!(
            "this program took {:.0} % of a processor: it may be what was measured",
            run.processor_share * 100.0
        );
        conditions.push(Condition::new("warning", share));
    }
    if run.is_cancelled {
        conditions.push(Condition::new("ended", "cancelled"));
    }
    conditions
}

fn pattern(spec: &LoadSpec) -> String {
    let times = match spec.mode {
        Mode::Rate(schedule) => {
            format!("open loop: {} requests, {}", schedule.count(), schedule.describe())
        }
        Mode::RateEach(schedule) => {
            format!("open loop: {} requests each, {}", schedule.count(), schedule.describe())
        }
        Mode::Closed { count: Some(count) } => {
            format!("closed loop: {count} requests, the next when one is answered")
        }
        Mode::Closed { count: None } => "closed loop: the next when one is answered".to_owned(),
    };
    let until = spec.until.map_or(String::new(), |until| format!(", for {until:?}"));
    format!("{times}{until}")
}

fn connections(spec: &LoadSpec) -> String {
    let kept = if spec.keep_alive { "kept" } else { "a new one for each request" };
    let protocol = spec.dialer.protocol().name();
    let streams = match spec.streams.get() {
        1 => String::new(),
        streams => format!(", {streams} requests at once on each"),
    };
    format!("{}, {kept}; {protocol}{streams}", spec.connections)
}

/// `status 404 × 3, timed out × 1`; empty where nothing failed.
fn failures(run: &LoadRun) -> String {
    let mut counts = BTreeMap::new();
    for exchange in run.clients.iter().flatten().filter(|it| !it.is_good()) {
        *counts.entry(exchange.outcome).or_insert(0_u64) += 1;
    }
    let each = counts.iter().map(|(outcome, count)| format!("{outcome} × {count}"));
    each.collect::<Vec<_>>().join(", ")
}
