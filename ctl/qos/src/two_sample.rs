//! Pure: whether two sets of times differ, and by how much.
//!
//! The difference is that of the medians, with the interval that a bootstrap gives it (Efron 1979,
//! percentile method, both sets redrawn); whether there is any is asked by the Mann-Whitney U test
//! (1947), which supposes nothing of how times are spread.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::analysis::ms;

/// Fewest times of each set.
pub const SAMPLES_MIN: usize = 5;
/// Redrawn pairs of sets, if there are few times.
const REDRAWS_MAX: usize = 2_000;
/// Redrawn pairs, however many times there are.
const REDRAWS_MIN: usize = 200;
/// Times drawn in all before the number of redrawn pairs is cut.
const DRAWS_MAX: usize = 20_000_000;
/// The same sets always give the same interval.
const SEED: u64 = 0x5e1a7;
/// The share of redrawn pairs beyond each end of the interval.
const TAIL: f64 = 0.025;

/// How the second set differs from the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// Median of the second less that of the first, ms.
    pub median_ms: f64,
    /// Lower end of its 95 % interval.
    pub low_ms: f64,
    /// Upper end.
    pub high_ms: f64,
    /// How often a time of the second is longer than one of the first, 0 to 1; ties count half. 0.5 is no
    /// difference.
    pub longer: f64,
    /// How probable ranks as uneven as these are where both sets are of one kind: two-sided, by the normal
    /// approximation with correction for ties and continuity.
    pub p_value: f64,
}

/// Compares `second` with `first`; `None` of fewer than [`SAMPLES_MIN`] times in one of them.
#[must_use]
pub fn shift(first: &[Duration], second: &[Duration]) -> Option<Shift> {
    if first.len().min(second.len()) < SAMPLES_MIN {
        return None;
    }
    let times = |times: &[Duration]| times.iter().copied().map(ms).collect::<Vec<f64>>();
    let (mut first, mut second) = (times(first), times(second));
    let (longer, p_value) = mann_whitney(&first, &second);
    let (low_ms, high_ms) = interval(&first, &second);
    let median_ms = median(&mut second) - median(&mut first);
    Some(Shift { median_ms, low_ms, high_ms, longer, p_value })
}

/// The middle of all; the mean of the two in the middle where their number is even. Reorders them.
fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp);
    match lower {
        Some(lower) if is_even => f64::midpoint(lower, *upper),
        _ => *upper,
    }
}

fn interval(first: &[f64], second: &[f64]) -> (f64, f64) {
    let largest = first.len().max(second.len());
    let redraws = (DRAWS_MAX / largest).clamp(REDRAWS_MIN, REDRAWS_MAX);
    let mut draws = Pcg64::seed_from_u64(SEED);
    let mut redrawn = |values: &[f64]| {
        let mut drawn: Vec<f64> =
            values.iter().map(|_| values[draws.random_range(0..values.len())]).collect();
        median(&mut drawn)
    };
    let mut differences: Vec<f64> =
        (0..redraws).map(|_| redrawn(second) - redrawn(first)).collect();
    differences.sort_unstable_by(f64::total_cmp);
    let cut = (TAIL * redraws as f64) as usize;
    (differences[cut], differences[redraws - 1 - cut])
}

/// The share of pairs of which the second is longer, and the p-value.
fn mann_whitney(first: &[f64], second: &[f64]) -> (f64, f64) {
    let mut ranked: Vec<(f64, bool)> = first.iter().map(|value| (*value, false)).collect();
    ranked.extend(second.iter().map(|value| (*value, true)));
    ranked.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut ties, mut below) = (0.0, 0.0, 0.0);
    for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
        let count = tied.len() as f64;
        // All of a tie have the mean of the ranks that they take up.
        let rank = below + (count + 1.0) / 2.0;
        ranks += rank * tied.iter().filter(|(_, is_second)| *is_second).count() as f64;
        ties += count * (count * count - 1.0);
        below += count;
    }
    let (n1, n2) = (first.len() as f64, second.len() as f64);
    let n = n1 + n2;
    let u = ranks - n2 * (n2 + 1.0) / 2.0;
    let spread = (n1 * n2 / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))).sqrt();
    let z = ((u - n1 * n2 / 2.0).abs() - 0.5).max(0.0) / spread;
    // Where every time is the same there is no spread, and no difference.
    let p_value = if spread > 0.0 { libm::erfc(z / std::f64::consts::SQRT_2) } else { 1.0 };
    (u / (n1 * n2), p_value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times(values: &[u64]) -> Vec<Duration> {
        values.iter().map(|value| Duration::from_millis(*value)).collect()
    }

    #[test]
    fn the_test_gives_the_published_values() {
        // The example of scipy.stats.mannwhitneyu, asymptotic: U of the first is 17, p 0.111347.
        let (males, females) = ([19.0, 22.0, 16.0, 29.0, 24.0], [20.0, 11.0, 17.0, 12.0]);
        let (longer, p_value) = mann_whitney(&males, &females);
        assert!((longer - 3.0 / 20.0).abs() < 1e-12, "{longer}");
        assert!((p_value - 0.111_346_886_533).abs() < 1e-9, "{p_value}");
    }

    #[test]
    fn a_difference_is_found_with_its_size() {
        let hits: Vec<_> = (0..200).map(|i| Duration::from_micros(900 + i)).collect();
        let misses: Vec<_> = (0..200).map(|i| Duration::from_micros(5_900 + i)).collect();
        let shift = shift(&hits, &misses).unwrap();
        assert!((shift.median_ms - 5.0).abs() < 1e-9, "{shift:?}");
        assert!(shift.low_ms > 4.9 && shift.high_ms < 5.1, "{shift:?}");
        assert!((shift.longer - 1.0).abs() < 1e-12 && shift.p_value < 1e-60, "{shift:?}");
    }

    #[test]
    fn too_few_are_not_compared_and_equal_ones_do_not_differ() {
        assert_eq!(shift(&times(&[1; 4]), &times(&[2; 50])), None);
        let same = shift(&times(&[3; 50]), &times(&[3; 50])).unwrap();
        assert_eq!((same.median_ms, same.p_value, same.longer), (0.0, 1.0, 0.5));
    }

    proptest! {
        // Each draws thousands of sets.
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn to_swap_the_sets_turns_the_difference_around(
            first in prop::collection::vec(0..1_000_u64, 5..60),
            second in prop::collection::vec(0..1_000_u64, 5..60),
        ) {
            let (first, second) = (times(&first), times(&second));
            let (there, back) = (shift(&first, &second).unwrap(), shift(&second, &first).unwrap());
            prop_assert!((there.median_ms + back.median_ms).abs() < 1e-9);
            prop_assert!((there.longer + back.longer - 1.0).abs() < 1e-9);
            prop_assert!((there.p_value - back.p_value).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&there.p_value) && there.low_ms <= there.high_ms);
        }
    }
}
