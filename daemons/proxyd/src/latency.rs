//! How long things take: histograms with eight buckets for each doubling, so that any quantile is known to
//! within an eighth, each data-plane thread for itself.

use std::time::Duration;

use selat_runtime::counters::{Counter, Tally};

/// Buckets for each doubling, as a power of two.
const SPLIT_BITS: u32 = 3;

/// Longest time that has a bucket of its own, as a power of two of nanoseconds: 69 s.
const LONGEST_BITS: u32 = 36;

/// Buckets of a histogram.
pub(crate) const BUCKETS: usize = ((LONGEST_BITS - SPLIT_BITS + 1) << SPLIT_BITS) as usize;

/// Times that one thread measured.
#[derive(Debug, Default)]
pub(crate) struct Latency(Tally<BUCKETS>);

impl Latency {
    /// Counts one time.
    pub(crate) fn record(&self, elapsed: Duration) {
        self.0.increment(bucket(elapsed));
    }

    /// Shows the counter of every bucket, by `prefix` and its index.
    pub(crate) fn visit(&self, prefix: &str, visit: &mut dyn FnMut(&str, &Counter)) {
        self.0.visit(prefix, 0..BUCKETS, visit);
    }

    /// Times counted in the bucket at `index`.
    pub(crate) fn count(&self, index: usize) -> u64 {
        self.0.value(index)
    }
}

/// The bucket that a time belongs to.
fn bucket(elapsed: Duration) -> usize {
    let longest = (1 << LONGEST_BITS) - 1;
    let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(longest).min(longest);
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(SPLIT_BITS + 1);
    // The first doublings have no more than one nanosecond a bucket; both terms are small.
    ((u64::from(shift) << SPLIT_BITS) + (nanos >> shift)) as usize
}

/// Longest time that belongs to the bucket at `index`.
pub(crate) fn upper(index: usize) -> Duration {
    let shift = (index >> SPLIT_BITS).saturating_sub(1);
    let first = (index - (shift << SPLIT_BITS)) as u64;
    Duration::from_nanos(((first + 1) << shift) - 1)
}

/// The time that a share of all measured times does not exceed, given the counts of all buckets; `None`
/// where nothing was measured.
pub(crate) fn quantile(counts: &[u64], share: f64) -> Option<Duration> {
    let total: u64 = counts.iter().sum();
    // At least one of them, at most all.
    let rank = ((total as f64 * share).ceil() as u64).clamp(1, total.max(1));
    let mut seen = 0;
    let at = counts.iter().position(|count| {
        seen += count;
        seen >= rank
    });
    at.map(upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_lies_in_a_bucket_that_ends_within_an_eighth_of_it() {
        let mut checked = 0;
        for bits in 0..LONGEST_BITS {
            for nanos in [1 << bits, (1 << bits) + (1 << bits) / 3, (1_u64 << (bits + 1)) - 1] {
                let index = bucket(Duration::from_nanos(nanos));
                let end = upper(index).as_nanos() as u64;
                assert!(end >= nanos && end - nanos <= nanos / 8, "{nanos} ends at {end}");
                assert!(index == 0 || upper(index - 1) < Duration::from_nanos(nanos), "{nanos}");
                checked += 1;
            }
        }
        assert!(checked > 100);
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_of_what_was_measured() {
        let latency = Latency::default();
        let counts = || -> Vec<u64> { (0..BUCKETS).map(|index| latency.count(index)).collect() };
        assert_eq!(quantile(&counts(), 0.5), None);
        (1..=1000).for_each(|us| latency.record(Duration::from_micros(us)));
        for (share, us) in [(0.5, 500), (0.99, 990), (1.0, 1000)] {
            let found = quantile(&counts(), share).unwrap().as_micros();
            assert!(found >= us && found <= us + us / 8, "{share}: {found}");
        }
    }
}
