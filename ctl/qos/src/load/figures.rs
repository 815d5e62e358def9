//! Pure: what the exchanges of a run come to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::exchange::{Exchange, Outcome};
use super::run::LoadRun;
use crate::analysis::Distribution;
use crate::http::Verdict;
use crate::two_sample::{Shift, shift};

/// The figures of a run. Times are those of requests that were answered, whatever the status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadFigures {
    /// Requests that were answered, per second from when the first was due to the end of the last.
    pub answered_per_s: Option<f64>,
    /// From when a request was due to the last byte: what a user waits.
    pub response: Distribution,
    /// From when a connection took it up to the last byte: what the server takes.
    pub service: Distribution,
    /// How long requests waited for a free connection; nothing of a closed loop, which waits for none.
    pub queued: Distribution,
    /// TCP handshakes, before the run and during it.
    pub connect: Distribution,
    /// TLS handshakes.
    pub tls: Distribution,
    /// From when it could be sent to the first byte.
    pub first_byte: Distribution,
    /// From the first byte to the last.
    pub body: Distribution,
    /// How many requests came to what.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// What the nearest cache did, and how long that took, in the order of [`Verdict`].
    pub verdicts: Vec<VerdictFigures>,
    /// Requests that waited longer than [`LATE`] for a free connection; `None` of a closed loop.
    pub late: Option<u64>,
    /// Hits against misses; `None` where there are not [`crate::two_sample::SAMPLES_MIN`] of each.
    pub comparison: Option<Comparison>,
}

/// Requests of one verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct VerdictFigures {
    /// Which.
    pub verdict: Verdict,
    /// From when a connection took the request up to the last byte.
    pub service: Distribution,
    /// Content bytes.
    pub bytes: u64,
}

/// What a hit saves.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Whether `Cache-Status` told hits from misses. Where nothing does, what was asked for before
    /// counts as a hit and what nobody can have asked for as a miss.
    pub is_labelled: bool,
    /// Service times of hits.
    pub hits: Distribution,
    /// Service times of misses.
    pub misses: Distribution,
    /// How much longer misses take, ms.
    pub shift: Shift,
}

/// A request that waited longer than this for a free connection was held up, not just scheduled.
pub const LATE: Duration = Duration::from_millis(1);

impl LoadFigures {
    /// The figures of all clients of `run` together.
    #[must_use]
    pub fn of(run: &LoadRun) -> Self {
        let all = || run.clients.iter().flatten();
        let answered: Vec<&Exchange> = all().filter(|it| it.is_answered()).collect();
        let times = |time: fn(&Exchange) -> Duration| {
            Distribution::new(answered.iter().map(|it| time(it)).collect())
        };
        let phase = |time: fn(&Exchange) -> Option<Duration>| {
            Distribution::new(answered.iter().filter_map(|it| time(it)).collect())
        };
        let queued = || all().filter(|_| !run.is_closed).map(Exchange::queued);
        let opened = || run.opened.iter().copied().chain(all().filter_map(|it| it.opened));
        let mut outcomes = BTreeMap::new();
        all().for_each(|it| *outcomes.entry(it.outcome).or_default() += 1);
        Self {
            answered_per_s: total_time(all())
                .map(|time| answered.len() as f64 / time.as_secs_f64()),
            response: times(Exchange::response_time),
            service: times(Exchange::service_time),
            queued: Distribution::new(queued().collect()),
            connect: Distribution::new(opened().map(|it| it.connect).collect()),
            tls: Distribution::new(opened().filter_map(|it| it.tls).collect()),
            first_byte: phase(Exchange::first_byte),
            body: phase(Exchange::body),
            outcomes,
            verdicts: verdicts(&answered),
            late: (!run.is_closed).then(|| queued().filter(|it| *it > LATE).count() as u64),
            comparison: Comparison::of(&answered),
        }
    }
}

impl Comparison {
    fn of(answered: &[&Exchange]) -> Option<Self> {
        if !answered.iter().any(|it| it.is_cold) {
            return None;
        }
        let is_labelled = answered.iter().any(|it| it.verdict != Verdict::None);
        let is_hit = |it: &Exchange| match it.verdict {
            Verdict::None => !is_labelled && !it.is_cold,
            verdict => verdict.is_from_cache(),
        };
        let is_miss = |it: &Exchange| match it.verdict {
            Verdict::None => !is_labelled && it.is_cold,
            verdict => !verdict.is_from_cache(),
        };
        let good = || answered.iter().filter(|it| it.is_good());
        let hits: Vec<_> = good().filter(|it| is_hit(it)).map(|it| it.service_time()).collect();
        let misses: Vec<_> = good().filter(|it| is_miss(it)).map(|it| it.service_time()).collect();
        let shift = shift(&hits, &misses)?;
        let (hits, misses) = (Distribution::new(hits), Distribution::new(misses));
        Some(Self { is_labelled, hits, misses, shift })
    }
}

/// The time that every rate of these requests is of: from when the first was due until the last ended, answered
/// or failed.
pub(crate) fn total_time<'a>(
    exchanges: impl Iterator<Item = &'a Exchange> + Clone,
) -> Option<Duration> {
    let first = exchanges.clone().map(|it| it.due_at).min()?;
    let last = exchanges.map(|it| it.ended_at).max()?;
    Some(last.saturating_sub(first)).filter(|time| !time.is_zero())
}

fn verdicts(answered: &[&Exchange]) -> Vec<VerdictFigures> {
    let mut by_verdict: BTreeMap<Verdict, (Vec<Duration>, u64)> = BTreeMap::new();
    for exchange in answered {
        let (times, bytes) = by_verdict.entry(exchange.verdict).or_default();
        times.push(exchange.service_time());
        *bytes += exchange.bytes;
    }
    by_verdict
        .into_iter()
        .map(|(verdict, (times, bytes))| VerdictFigures {
            verdict,
            service: Distribution::new(times),
            bytes,
        })
        .collect()
}
