//! Pure: from samples to figures, each under the formula that it is computed by. What was not
//! measured is `None`, never zero.

mod direction;
mod distribution;
mod histogram;
mod jitter;
mod loss;
mod one_way;
mod pacing;
mod reordering;
mod variation;

use std::time::Duration;

pub use self::direction::LossDirection;
pub use self::distribution::Distribution;
pub use self::histogram::Histogram;
pub use self::jitter::{EwmaJitter, Jitter};
pub use self::loss::{GMIN, LossRuns};
pub use self::one_way::OneWay;
pub use self::pacing::Pacing;
pub use self::reordering::Reordering;
pub use self::variation::DelayVariation;
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
    /// Answers after the first to the same probe; `None` where none came, and over connections, where each
    /// comes once.
    pub duplicates: Option<u64>,
    /// On which way they were lost; `None` where no reflector counts. Of several clients, the sum of
    /// those whose reflector does; the losses of the others are unknown.
    pub loss_direction: Option<LossDirection>,
    /// Answers that came after one with a higher number (RFC 4737 §3.3, Type-P-Reordered); `None` where none
    /// came, and over connections, among which answers have no order to lose.
    pub reordered: Option<u64>,
    /// How far these came late.
    pub reordering: Reordering,
    /// Payload bytes of the first answers; `None` of streams that ended before their bytes counted.
    pub bytes: Option<u64>,
    /// Total time: from the first send to the last answer or send, whichever is later.
    pub duration: Option<Duration>,
    /// `bytes` × 8 / `duration`, bit/s.
    pub throughput_bps: Option<f64>,
    /// Payload of the probes that are known to have reached the reflector × 8 / `duration`, bit/s;
    /// `None` where no reflector counts.
    pub throughput_up_bps: Option<f64>,
    /// Round-trip times without the time that the other end says it held them.
    pub latency: Distribution,
    /// Delays on each way; `None` where no reflector tells its times.
    pub one_way: Option<OneWay>,
    /// The variation of latency from one answer to the next.
    pub jitter: Jitter,
    /// The same, signed, of probes that are adjacent in sequence.
    pub delay_variation: DelayVariation,
    /// How losses follow each other.
    pub loss_runs: LossRuns,
    /// How well the sender kept its schedule; `None` when nothing was sent, and over connections.
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
        let counted = |count: u64| (sent > 0).then_some(count);
        let answered = |count: u64| (received > 0).then_some(count);
        let duration = total_time(all());
        let bps = |bytes: f64| duration.map(|duration| bytes * 8.0 / duration.as_secs_f64());
        let loss_direction = loss_direction(clients, sent - received);
        let reached = loss_direction.map(|lost| received + lost.down);
        let reordering = Reordering::merged(clients.iter().map(|it| Reordering::of(it)));
        let mean_bytes = ratio(bytes, received);
        Self {
            sent,
            received,
            lost: sent - received,
            loss_pct: ratio((sent - received) * 100, sent),
            duplicates: answered(all().map(|sample| u64::from(sample.duplicates)).sum()),
            loss_direction,
            reordered: answered(reordering.reordered()),
            reordering,
            bytes: counted(bytes),
            duration,
            throughput_bps: bps(bytes as f64),
            throughput_up_bps: reached
                .zip(mean_bytes)
                .and_then(|(probes, each)| bps(probes as f64 * each)),
            latency: Distribution::new(all().filter_map(Sample::latency).collect()),
            one_way: OneWay::of(clients),
            jitter: Jitter::of(clients),
            delay_variation: DelayVariation::of(clients),
            loss_runs: clients.iter().map(|samples| LossRuns::of(samples)).sum(),
            pacing: Pacing::of(clients),
        }
    }
}

impl Analysis {
    /// Takes `time` for the total time, and makes rates of it.
    pub(crate) fn take_total_time(&mut self, time: Option<Duration>) {
        let bps = |bytes: u64| Some(bytes as f64 * 8.0 / time?.as_secs_f64());
        (self.duration, self.throughput_bps) = (time, self.bytes.and_then(bps));
    }
}

/// A duration in milliseconds, the unit of every report.
#[must_use]
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The rank, from 0, of the smallest of `count` values in order that at least `percent` of all do not exceed: the
/// percentile of the empirical distribution function (RFC 2330 §11.3). `percent` is clamped to 0 to 100; `None` of
/// nothing.
pub(crate) fn rank(count: usize, percent: f64) -> Option<usize> {
    let last = count.checked_sub(1)?;
    // The share of a whole number of values is whole, however it is rounded: 99.9 % of 1,000 is 999.
    let rank = (percent / 100.0 * count as f64 * (1.0 - 1e-12)).ceil();
    // `as` saturates: a percent below zero or not a number is the smallest.
    Some((rank as usize).saturating_sub(1).min(last))
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

/// The directions of all `lost`; those of clients whose reflector does not count are unknown.
fn loss_direction(clients: &[&[Sample]], lost: u64) -> Option<LossDirection> {
    let counted: Vec<_> = clients.iter().filter_map(|samples| LossDirection::of(samples)).collect();
    let sum: LossDirection = counted.iter().copied().sum();
    let unknown = lost - sum.up - sum.down;
    (!counted.is_empty()).then_some(LossDirection { unknown, ..sum })
}
