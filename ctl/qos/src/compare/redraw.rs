//! Runs drawn again in blocks, and what that makes of the difference between two.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::{Change, Interval, Measure};
use crate::analysis::rank;

/// Redrawn runs, if there are few samples.
const REDRAWS_MAX: usize = 1_000;
/// Redrawn runs, however many samples there are.
const REDRAWS_MIN: usize = 100;
/// Samples drawn in all before the number of redrawn runs is cut.
const DRAWS_MAX: usize = 20_000_000;
/// Fewest samples of which a run can be redrawn.
const SAMPLES_MIN: usize = 2;
/// The same runs always give the same interval.
const SEED: u64 = 0x5e1a7;
/// The share of redrawn runs beyond each end of an interval.
const TAIL: f64 = 0.025;

/// What some measures of a run are taken from.
pub(super) trait Redraw: Sized {
    /// How many samples there are.
    fn count(&self) -> usize;
    /// As many again, in blocks from anywhere in the run.
    fn redraw(&self, draws: &mut Pcg64) -> Self;
    /// Each measure with its value.
    fn figures(&self) -> Vec<(Measure, Option<f64>)>;
}

/// What changed from one run to the other, by measure.
pub(super) fn differences<R: Redraw>(before: &R, after: &R) -> Vec<Change> {
    let largest = before.count().max(after.count()).max(1);
    let redraws = (DRAWS_MAX / largest).clamp(REDRAWS_MIN, REDRAWS_MAX);
    let mut draws = Pcg64::seed_from_u64(SEED);
    let can_redraw = before.count().min(after.count()) >= SAMPLES_MIN;
    let redrawn: Vec<Vec<Option<f64>>> = (0..redraws)
        .filter(|_| can_redraw)
        .map(|_| {
            let (before, after) = (before.redraw(&mut draws), after.redraw(&mut draws));
            let pairs = before.figures().into_iter().zip(after.figures());
            pairs.map(|((_, before), (_, after))| Some(after? - before?)).collect()
        })
        .collect();
    let pairs = before.figures().into_iter().zip(after.figures()).enumerate();
    let change = |(index, ((measure, before), (_, after))): (usize, (_, (_, Option<f64>)))| {
        let (before, after): (Option<f64>, Option<f64>) = (before, after);
        let difference = before.zip(after).map(|(before, after)| after - before);
        let drawn = redrawn.iter().filter_map(|differences| differences[index]).collect();
        let interval = difference.and_then(|_| interval(drawn));
        Change { measure, before, after, difference, interval }
    };
    pairs.map(change).collect()
}

/// As many of `list`, in blocks from anywhere in it; its end is followed by its start.
pub(super) fn in_blocks<T: Clone>(list: &[T], draws: &mut Pcg64) -> Vec<T> {
    let count = list.len();
    // Long enough to hold a burst, short enough to draw many: the usual root of the length.
    let block = count.isqrt().max(1);
    let mut redrawn = Vec::with_capacity(count + block);
    while redrawn.len() < count {
        let from = draws.random_range(0..count);
        redrawn.extend((from..from + block).map(|index| list[index % count].clone()));
    }
    redrawn.truncate(count);
    redrawn
}

/// As [`crate::analysis::Distribution::percentile`] has it, without sorting everything.
pub(super) fn percentile(values: &mut [f64], percent: f64) -> Option<f64> {
    let rank = rank(values.len(), percent)?;
    let (_, value, _) = values.select_nth_unstable_by(rank, f64::total_cmp);
    Some(*value)
}

fn interval(mut drawn: Vec<f64>) -> Option<Interval> {
    let low = percentile(&mut drawn, TAIL * 100.0)?;
    let high = percentile(&mut drawn, (1.0 - TAIL) * 100.0)?;
    Some(Interval { low, high })
}
