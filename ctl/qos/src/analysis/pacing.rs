//! How well the sender kept its own schedule: the floor under every other figure.

use std::time::Duration;

use super::{Distribution, ratio};
use crate::sample::Sample;

/// Send time − due time over all probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// How late probes left.
    pub error: Distribution,
    /// Probes that left when the next of the same client was due already.
    pub late: u64,
}

/// Share of late probes from which the sender, not the path, set the rate.
const LATE_SHARE_MAX: f64 = 0.01;

impl Pacing {
    /// The share of late probes, 0 to 1, where it is so large that the sender and not the path set
    /// the rate.
    #[must_use]
    pub fn fell_behind(&self) -> Option<f64> {
        let share = ratio(self.late, self.error.sorted().len() as u64)?;
        (share > LATE_SHARE_MAX).then_some(share)
    }

    pub(super) fn of(clients: &[&[Sample]]) -> Option<Self> {
        let errors: Vec<Duration> = clients
            .iter()
            .copied()
            .flatten()
            .map(|sample| sample.sent_at.saturating_sub(sample.due_at))
            .collect();
        let late = clients.iter().map(|samples| late(samples)).sum();
        (!errors.is_empty()).then(|| Self { error: Distribution::new(errors), late })
    }
}

fn late(samples: &[Sample]) -> u64 {
    let is_late = |pair: &&[Sample]| matches!(pair, [probe, next] if next.due_at > probe.due_at && probe.sent_at > next.due_at);
    samples.windows(2).filter(is_late).count() as u64
}
