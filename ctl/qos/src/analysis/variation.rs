//! The signed variation of delay from one probe to the next.

use super::ms;
use crate::sample::Sample;

/// Inter-packet delay variation (RFC 5481 §4.1): latency(i) − latency(i−1) of probes that are
/// adjacent in sequence and both answered, ms; negative where a probe was faster than the one before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DelayVariation {
    sorted_ms: Vec<f64>,
}

impl DelayVariation {
    pub(super) fn of(clients: &[&[Sample]]) -> Self {
        let steps = clients.iter().flat_map(|samples| samples.windows(2)).filter_map(step);
        let mut sorted_ms: Vec<f64> = steps.collect();
        sorted_ms.sort_by(f64::total_cmp);
        Self { sorted_ms }
    }

    /// Pairs of probes behind it.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.sorted_ms.len()
    }

    /// The smallest step that at least `percent` of all do not exceed, ms; `None` where there is none.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        self.sorted_ms.get(super::rank(self.sorted_ms.len(), percent)?).copied()
    }
}

fn step(pair: &[Sample]) -> Option<f64> {
    let [before, sample] = pair else { return None };
    let is_adjacent = before.seq.checked_add(1) == Some(sample.seq);
    let step = ms(sample.latency()?) - ms(before.latency()?);
    is_adjacent.then_some(step)
}
