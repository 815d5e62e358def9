//! Pure: what changed from one run to another, and whether it is more than noise.
//!
//! The interval of each difference is that of a circular block bootstrap (Politis and Romano 1992):
//! both runs are drawn again in blocks of consecutive probes, so that losses that come in bursts and
//! queues that last stay together, and the middle 95 % of the differences of the redrawn runs are
//! what chance alone could have made of these.

use std::fmt;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::analysis::ms;
use crate::report::Measurement;
use crate::sample::Sample;

/// Redrawn runs, if there are few samples.
const REDRAWS_MAX: usize = 1_000;
/// Redrawn runs, however many samples there are.
const REDRAWS_MIN: usize = 100;
/// Samples drawn in all before the number of redrawn runs is cut.
const DRAWS_MAX: usize = 20_000_000;
/// Fewest samples of which a run can be redrawn.
const SAMPLES_MIN: usize = 2;
/// The same runs always give the same interval.
const SEED: u64 = 0x5e1a7;
/// The share of redrawn runs beyond each end of an interval.
const TAIL: f64 = 0.025;

/// What two runs are compared by. More is worse in every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Losses / probes × 100.
    Loss,
    /// Mean latency.
    Mean,
    /// Median latency.
    P50,
    /// 95th percentile of latency.
    P95,
    /// 99th percentile of latency.
    P99,
    /// Mean |latency(i) − latency(i−1)| over consecutive answers.
    Jitter,
}

impl Measure {
    /// Every measure, in the order to show.
    pub const ALL: [Self; 6] =
        [Self::Loss, Self::Mean, Self::P50, Self::P95, Self::P99, Self::Jitter];

    /// The name on the command line and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Jitter => "jitter",
        }
    }

    /// `%` or `ms`.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Loss => "%",
            _ => "ms",
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A measure of both runs, in its unit; `None` for what was not measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Which.
    pub measure: Measure,
    /// Of the first run.
    pub before: Option<f64>,
    /// Of the second.
    pub after: Option<f64>,
    /// `after` − `before`, where both were measured.
    pub difference: Option<Difference>,
}

/// A difference, with the interval that 95 of 100 such pairs of runs would give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// As it was measured.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What a change is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The interval is below zero.
    Better,
    /// The interval holds zero: the same path may give both.
    Noise,
    /// The interval is above zero.
    Worse,
}

impl Difference {
    /// What it is worth.
    #[must_use]
    pub fn finding(&self) -> Finding {
        match (self.low, self.high) {
            (low, _) if low > 0.0 => Finding::Worse,
            (_, high) if high < 0.0 => Finding::Better,
            _ => Finding::Noise,
        }
    }
}

/// Every measure of two runs, all clients together.
#[must_use]
pub fn compare(before: &Measurement, after: &Measurement) -> Vec<Change> {
    let (before, after) = (Outcomes::of(before), Outcomes::of(after));
    let largest = before.list.len().max(after.list.len()).max(1);
    let redraws = (DRAWS_MAX / largest).clamp(REDRAWS_MIN, REDRAWS_MAX);
    let mut draws = Pcg64::seed_from_u64(SEED);
    let can_redraw = before.list.len().min(after.list.len()) >= SAMPLES_MIN;
    let redrawn: Vec<[Option<f64>; Measure::ALL.len()]> = (0..redraws)
        .filter(|_| can_redraw)
        .map(|_| {
            let (before, after) = (before.redraw(&mut draws), after.redraw(&mut draws));
            let (before, after) = (figures(&before), figures(&after));
            std::array::from_fn(|index| Some(after[index]? - before[index]?))
        })
        .collect();
    let (before, after) = (figures(&before.list), figures(&after.list));
    let change = |(index, measure): (usize, Measure)| {
        let (before, after) = (before[index], after[index]);
        let drawn = redrawn.iter().filter_map(|differences| differences[index]).collect();
        let difference = before.zip(after).and_then(|(before, after)| {
            let (low, high) = interval(drawn)?;
            Some(Difference { value: after - before, low, high })
        });
        Change { measure, before, after, difference }
    };
    Measure::ALL.into_iter().enumerate().map(change).collect()
}

/// What became of a probe, ms.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    latency: Option<f64>,
    /// |latency(i) − latency(i−1)| from the answer before it.
    step: Option<f64>,
}

/// The probes of all clients, one client after the other.
struct Outcomes {
    list: Vec<Outcome>,
}

impl Outcomes {
    fn of(measurement: &Measurement) -> Self {
        let clients = measurement.clients.iter().map(|series| series.samples.as_slice());
        Self { list: clients.flat_map(outcomes).collect() }
    }

    /// As many probes, in blocks from anywhere in the run; the run's end is followed by its start.
    fn redraw(&self, draws: &mut Pcg64) -> Vec<Outcome> {
        let count = self.list.len();
        // Long enough to hold a burst, short enough to draw many: the usual root of the length.
        let block = count.isqrt().max(1);
        let mut redrawn = Vec::with_capacity(count + block);
        while redrawn.len() < count {
            let from = draws.random_range(0..count);
            redrawn.extend((from..from + block).map(|index| self.list[index % count]));
        }
        redrawn.truncate(count);
        redrawn
    }
}

fn outcomes(samples: &[Sample]) -> impl Iterator<Item = Outcome> {
    let mut last = None;
    samples.iter().map(move |sample| {
        let latency = sample.latency().map(ms);
        let step = latency.zip(last).map(|(latency, last): (f64, f64)| (latency - last).abs());
        last = latency.or(last);
        Outcome { latency, step }
    })
}

/// The measures in the order of [`Measure::ALL`].
fn figures(outcomes: &[Outcome]) -> [Option<f64>; Measure::ALL.len()] {
    let mut latencies: Vec<f64> = outcomes.iter().filter_map(|it| it.latency).collect();
    let lost = outcomes.len() - latencies.len();
    let loss = (!outcomes.is_empty()).then(|| lost as f64 * 100.0 / outcomes.len() as f64);
    let steps: Vec<f64> = outcomes.iter().filter_map(|it| it.step).collect();
    let mean_latency = mean(&latencies);
    let [p50, p95, p99] = [50.0, 95.0, 99.0].map(|percent| percentile(&mut latencies, percent));
    [loss, mean_latency, p50, p95, p99, mean(&steps)]
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// As [`crate::analysis::Distribution::percentile`] has it, without sorting everything.
fn percentile(values: &mut [f64], percent: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    let (_, value, _) =
        values.select_nth_unstable_by(rank.saturating_sub(1).min(last), f64::total_cmp);
    Some(*value)
}

fn interval(mut drawn: Vec<f64>) -> Option<(f64, f64)> {
    let low = percentile(&mut drawn, TAIL * 100.0)?;
    let high = percentile(&mut drawn, (1.0 - TAIL) * 100.0)?;
    Some((low, high))
}
