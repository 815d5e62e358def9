//! Pure: from samples to figures, each under the formula that it is computed by. What was not
//! measured is `None`, never zero.

mod distribution;
mod jitter;
mod loss;
mod pacing;

use std::time::Duration;

pub use self::distribution::Distribution;
pub use self::jitter::{EwmaJitter, Jitter};
pub use self::loss::{GMIN, LossRuns};
pub use self::pacing::Pacing;
use crate::sample::Sample;

/// The figures of one client, or of several together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// Probes that left.
    pub sent: u64,
    /// Probes with an answer, duplicates not counted.
    pub received: u64,
    /// `sent` − `received`.
    pub lost: u64,
    /// `lost` / `sent` × 100; `None` when nothing was sent.
    pub loss_pct: Option<f64>,
    /// Answers after the first to the same probe.
    pub duplicates: u64,
    /// Answers that came after one with a higher number (RFC 4737 §3.3, Type-P-Reordered).
    pub reordered: u64,
    /// Payload bytes of the first answers.
    pub bytes: u64,
    /// Total time: from the first send to the last answer or send, whichever is later.
    pub duration: Option<Duration>,
    /// `bytes` × 8 / `duration`, bit/s.
    pub throughput_bps: Option<f64>,
    /// Round-trip times without the time that the other end says it held them.
    pub latency: Distribution,
    /// The variation of latency from one answer to the next.
    pub jitter: Jitter,
    /// How losses follow each other.
    pub loss_runs: LossRuns,
    /// How well the sender kept its schedule; `None` when nothing was sent.
    pub pacing: Option<Pacing>,
}

impl Analysis {
    /// The figures of one client, from its samples in send order.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Self {
        Self::of_all(&[samples])
    }

    /// The figures of several clients that share a clock, taken as one: sums of what is counted,
    /// one distribution of all latencies, one total time. What compares a probe with the one
    /// before it (jitter, reordering, loss runs) never compares across clients.
    #[must_use]
    pub fn of_all(clients: &[&[Sample]]) -> Self {
        let all = || clients.iter().copied().flatten();
        let sent = all().count() as u64;
        let received = all().filter(|sample| !sample.is_lost()).count() as u64;
        let bytes = all().map(|sample| sample.bytes).sum();
        let duration = total_time(all());
        Self {
            sent,
            received,
            lost: sent - received,
            loss_pct: ratio((sent - received) * 100, sent),
            duplicates: all().map(|sample| u64::from(sample.duplicates)).sum(),
            reordered: clients.iter().map(|samples| reordered(samples)).sum(),
            bytes,
            duration,
            throughput_bps: duration.map(|duration| bytes as f64 * 8.0 / duration.as_secs_f64()),
            latency: Distribution::new(all().filter_map(Sample::latency).collect()),
            jitter: Jitter::of(clients),
            loss_runs: clients.iter().map(|samples| LossRuns::of(samples)).sum(),
            pacing: Pacing::of(clients),
        }
    }
}

/// A duration in milliseconds, the unit of every report.
#[must_use]
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// `part` / `whole`; `None` of nothing.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The samples that were answered, in the order in which the answers came.
pub(crate) fn in_arrival_order(samples: &[Sample]) -> Vec<&Sample> {
    let mut answered: Vec<_> = samples.iter().filter(|sample| !sample.is_lost()).collect();
    answered.sort_by_key(|sample| sample.received_at);
    answered
}

fn total_time<'a>(samples: impl Iterator<Item = &'a Sample> + Clone) -> Option<Duration> {
    let first = samples.clone().map(|sample| sample.sent_at).min()?;
    let last =
        samples.map(|sample| sample.received_at.unwrap_or(sample.sent_at).max(sample.sent_at));
    let total = last.max()?.saturating_sub(first);
    (!total.is_zero()).then_some(total)
}

/// RFC 4737 §3.3: with NextExp the highest number so far plus one, an answer is reordered if its
/// number is below NextExp.
fn reordered(samples: &[Sample]) -> u64 {
    let mut next_expected = 0;
    let mut reordered = 0;
    for sample in in_arrival_order(samples) {
        if sample.seq < next_expected {
            reordered += 1;
        } else {
            next_expected = sample.seq + 1;
        }
    }
    reordered
}
