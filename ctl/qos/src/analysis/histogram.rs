//! Latencies by HDR buckets: as exact as two digits, in a size that does not grow with the run, and
//! the same buckets wherever they are counted, so that those of several clients or hosts add up.

use std::time::Duration;

use hdrhistogram::Histogram as Hdr;

use super::Distribution;

/// Decimal digits that a bucket keeps: it is at most 1 % wide.
const DIGITS: u8 = 2;
/// Longest latency that is told from longer ones, ns: an hour.
const LATENCY_MAX_NS: u64 = 3_600 * 1_000_000_000;

/// How many latencies fell into which bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    counts: Hdr<u64>,
}

impl Histogram {
    /// The histogram of `latencies`.
    #[must_use]
    pub fn of(latencies: &Distribution) -> Self {
        let mut histogram = Self::default();
        for latency in latencies.sorted() {
            let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
            histogram.counts.saturating_record(nanos);
        }
        histogram
    }

    /// Adds what another histogram counted.
    pub fn add(&mut self, other: &Self) {
        // All have the same bounds and digits, so that nothing can be out of range.
        let _ = self.counts.add(&other.counts);
    }

    /// Latencies counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.len()
    }

    /// Every bucket that holds something: the longest latency of it, and how many.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let highest = |value| Duration::from_nanos(self.counts.highest_equivalent(value));
        let recorded = self.counts.iter_recorded();
        recorded.map(move |it| (highest(it.value_iterated_to()), it.count_at_value()))
    }

    /// The latency that `percent` of all do not exceed, to the width of a bucket.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let has_any = !self.counts.is_empty();
        has_any.then(|| Duration::from_nanos(self.counts.value_at_percentile(percent)))
    }
}

impl Default for Histogram {
    #[expect(clippy::expect_used, reason = "the bounds are constants that hdrhistogram allows")]
    fn default() -> Self {
        let counts = Hdr::new_with_bounds(1, LATENCY_MAX_NS, DIGITS).expect("sound bounds");
        Self { counts }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn distribution(nanos: &[u64]) -> Distribution {
        Distribution::new(nanos.iter().copied().map(Duration::from_nanos).collect())
    }

    #[test]
    fn nothing_measured_has_no_buckets() {
        let nothing = Histogram::default();
        assert_eq!((nothing.buckets().count(), nothing.percentile(50.0)), (0, None));
    }

    proptest! {
        #[test]
        fn buckets_keep_every_latency_to_one_percent(
            nanos in prop::collection::vec(1..LATENCY_MAX_NS, 1..200), percent in 0.0..100.0,
        ) {
            let exact = distribution(&nanos);
            let histogram = Histogram::of(&exact);
            prop_assert_eq!(histogram.buckets().map(|(_, count)| count).sum::<u64>(), nanos.len() as u64);
            let (exact, bucket) =
                (exact.percentile(percent).unwrap(), histogram.percentile(percent).unwrap());
            prop_assert!(bucket >= exact && bucket.as_secs_f64() <= exact.as_secs_f64() * 1.01);
        }

        #[test]
        fn histograms_of_parts_add_up_to_that_of_all(
            one in prop::collection::vec(1..LATENCY_MAX_NS, 0..100),
            other in prop::collection::vec(1..LATENCY_MAX_NS, 0..100),
        ) {
            let mut sum = Histogram::of(&distribution(&one));
            sum.add(&Histogram::of(&distribution(&other)));
            prop_assert_eq!(sum, Histogram::of(&distribution(&[one, other].concat())));
        }
    }
}
