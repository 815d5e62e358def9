//! An exact empirical distribution of times.

use std::time::Duration;

/// All values of a measure, sorted. Every figure is `None` when there are no values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    sorted: Vec<Duration>,
}

impl Distribution {
    /// The distribution of `values`.
    #[must_use]
    pub fn new(mut values: Vec<Duration>) -> Self {
        values.sort_unstable();
        Self { sorted: values }
    }

    /// The values, smallest first.
    #[must_use]
    pub fn sorted(&self) -> &[Duration] {
        &self.sorted
    }

    /// The smallest value.
    #[must_use]
    pub fn min(&self) -> Option<Duration> {
        self.sorted.first().copied()
    }

    /// The largest value.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        self.sorted.last().copied()
    }

    /// The arithmetic mean.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let count = u128::try_from(self.sorted.len()).ok().filter(|count| *count > 0)?;
        let total: u128 = self.sorted.iter().map(Duration::as_nanos).sum();
        u64::try_from(total / count).ok().map(Duration::from_nanos)
    }

    /// The smallest value that at least `percent` of all values do not exceed: the percentile of
    /// the empirical distribution function (RFC 2330 §11.3). `percent` is clamped to 0 to 100.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        self.sorted.get(super::rank(self.sorted.len(), percent)?).copied()
    }

    /// Packet delay variation (RFC 5481 §4.2): the percentile less the smallest value.
    #[must_use]
    pub fn delay_variation(&self, percent: f64) -> Option<Duration> {
        Some(self.percentile(percent)?.saturating_sub(self.min()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn distribution(ms: impl IntoIterator<Item = u64>) -> Distribution {
        Distribution::new(ms.into_iter().map(Duration::from_millis).collect())
    }

    #[test]
    fn the_share_of_a_whole_number_of_values_is_whole() {
        for thousands in [1, 2, 5, 10, 100] {
            let values = distribution(1..=thousands * 1_000);
            let expected = Duration::from_millis(thousands * 999);
            assert_eq!(values.percentile(99.9), Some(expected), "{thousands},000 values");
        }
    }

    #[test]
    fn percentiles_are_those_of_rfc_2330s_example() {
        // RFC 2330 §11.3: {-2, 7, 7, 4, 18, -5}, here moved up by 5 to be durations.
        let example = distribution([3, 12, 12, 9, 23, 0]);
        let percentile = |percent| example.percentile(percent).unwrap().as_millis();
        assert_eq!([0.0, 25.0, 50.0, 75.0, 100.0].map(percentile), [0, 3, 9, 12, 23]);
        assert_eq!(example.delay_variation(50.0), Some(Duration::from_millis(9)));
    }

    #[test]
    fn nothing_measured_has_no_figures() {
        let nothing = Distribution::default();
        assert_eq!((nothing.min(), nothing.mean(), nothing.percentile(50.0)), (None, None, None));
    }

    proptest! {
        #[test]
        fn percentiles_are_monotone_and_within_the_bounds(
            values in prop::collection::vec(0..10_000_u64, 1..200), low in -5.0..105.0, step in 0.0..50.0,
        ) {
            let distribution = distribution(values);
            let (below, above) = (distribution.percentile(low), distribution.percentile(low + step));
            prop_assert!(distribution.min() <= below && below <= above && above <= distribution.max());
        }
    }
}
