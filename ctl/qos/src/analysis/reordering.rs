//! How far answers came after later ones.

use std::time::Duration;

use super::in_arrival_order;
use crate::sample::Sample;

/// Reordered answers of one client, or the worst of several (RFC 4737).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reordering {
    reordered: u64,
    /// Largest extent (§4.2.2): answers that came between the first with a higher number and the
    /// late one, plus one. `None` where nothing was reordered.
    pub extent_max: Option<u64>,
    /// Sum of the extents, for [`Self::extent_mean`].
    extents: u64,
    /// Longest time that one came after the first with a higher number (§4.3, late time).
    pub late_max: Option<Duration>,
}

impl Reordering {
    pub(super) fn of(samples: &[Sample]) -> Self {
        let arrivals = in_arrival_order(samples);
        // The answers that raised the highest number so far, in order: the first with a higher
        // number than a late one is always among them.
        let mut records: Vec<(usize, &Sample)> = Vec::new();
        let mut found = Self::default();
        for (place, sample) in arrivals.into_iter().enumerate() {
            if records.last().is_none_or(|(_, highest)| highest.seq < sample.seq) {
                records.push((place, sample));
                continue;
            }
            let first_higher = records.partition_point(|(_, record)| record.seq < sample.seq);
            if let Some((earlier, record)) = records.get(first_higher) {
                found.take((place - earlier) as u64, late(record, sample));
            }
        }
        found
    }

    /// Answers that came after one with a higher number (§3.3, Type-P-Reordered).
    #[must_use]
    pub fn reordered(&self) -> u64 {
        self.reordered
    }

    /// The mean extent of what was reordered.
    #[must_use]
    pub fn extent_mean(&self) -> Option<f64> {
        super::ratio(self.extents, self.reordered)
    }

    pub(super) fn merged(clients: impl Iterator<Item = Self>) -> Self {
        clients.fold(Self::default(), |all, one| Self {
            reordered: all.reordered + one.reordered,
            extent_max: all.extent_max.max(one.extent_max),
            extents: all.extents + one.extents,
            late_max: all.late_max.max(one.late_max),
        })
    }

    fn take(&mut self, extent: u64, late: Option<Duration>) {
        self.reordered += 1;
        self.extents += extent;
        self.extent_max = self.extent_max.max(Some(extent));
        self.late_max = self.late_max.max(late);
    }
}

fn late(record: &Sample, sample: &Sample) -> Option<Duration> {
    Some(sample.received_at?.saturating_sub(record.received_at?))
}
