//! How much latency changes from one answer to the next, by two definitions that are often mixed up.

use super::{in_arrival_order, ms};
use crate::sample::Sample;

/// Weight of a new difference in the running jitter (RFC 3550 §6.4.1).
const RFC_3550_GAIN: f64 = 1.0 / 16.0;

/// The jitter of one client or of several; all fields in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Jitter {
    /// Mean of |latency(i) − latency(i−1)| over consecutive answered probes in send order; lost
    /// probes are passed over. Of several clients, the mean over the pairs of all.
    pub mean_ms: Option<f64>,
    /// Pairs behind `mean_ms`.
    pub pairs: u64,
    /// The running jitter of RFC 3550. Of several clients, the mean of theirs; the largest of the
    /// maxima.
    pub rfc3550: Option<EwmaJitter>,
}

/// The interarrival jitter of RFC 3550 §6.4.1 and §A.8, taken of round trips: in order of arrival,
/// J += (|D| − J) / 16, from J = 0. It forgets: about 50 packets hold 95 % of its weight.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EwmaJitter {
    /// J after the last answer: what an RTCP report would say at the end.
    pub last_ms: f64,
    /// Mean of J over all answers but the first.
    pub mean_ms: f64,
    /// Largest J.
    pub max_ms: f64,
}

impl Jitter {
    pub(super) fn of(clients: &[&[Sample]]) -> Self {
        let steps: Vec<f64> = clients
            .iter()
            .flat_map(|samples| differences(samples.iter().filter_map(Sample::latency).map(ms)))
            .collect();
        let each: Vec<_> = clients.iter().filter_map(|samples| EwmaJitter::of(samples)).collect();
        Self {
            mean_ms: mean(&steps),
            pairs: steps.len() as u64,
            rfc3550: EwmaJitter::merged(&each),
        }
    }
}

impl EwmaJitter {
    fn of(samples: &[Sample]) -> Option<Self> {
        let arrivals = in_arrival_order(samples);
        // D(i−1,i) = (R_i − S_i) − (R_i−1 − S_i−1): the difference of two transit times.
        let transits = arrivals.into_iter().filter_map(Sample::latency).map(ms);
        let running: Vec<f64> = differences(transits)
            .scan(0.0, |jitter, difference| {
                *jitter += (difference - *jitter) * RFC_3550_GAIN;
                Some(*jitter)
            })
            .collect();
        Some(Self {
            last_ms: *running.last()?,
            mean_ms: mean(&running)?,
            max_ms: running.iter().copied().fold(0.0, f64::max),
        })
    }

    fn merged(clients: &[Self]) -> Option<Self> {
        let of = |field: fn(&Self) -> f64| clients.iter().map(field).collect::<Vec<_>>();
        Some(Self {
            last_ms: mean(&of(|jitter| jitter.last_ms))?,
            mean_ms: mean(&of(|jitter| jitter.mean_ms))?,
            max_ms: of(|jitter| jitter.max_ms).into_iter().fold(0.0, f64::max),
        })
    }
}

fn differences(values: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
    let mut previous = None;
    values.filter_map(move |value| Some((value - previous.replace(value)?).abs()))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
