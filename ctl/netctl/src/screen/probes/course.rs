//! Pure: what was measured so far in slices of equal time, never more than [`SLICES_MAX`]: where the
//! run outgrows them, each two become one.

use std::ops::AddAssign;
use std::time::Duration;

/// Slices that are kept: more than a screen has columns.
const SLICES_MAX: usize = 512;

/// A run in slices.
#[derive(Clone, Debug)]
pub(super) struct Course<T> {
    slice: Duration,
    slices: Vec<T>,
}

impl<T: Copy + Default + AddAssign> Course<T> {
    /// Nothing so far, in slices of this time for a start.
    pub(super) fn new(slice: Duration) -> Self {
        Self { slice, slices: Vec::new() }
    }

    /// Adds what happened at a time of the run.
    pub(super) fn add(&mut self, at: Duration, what: T) {
        while self.index(at) >= SLICES_MAX {
            self.halve();
        }
        let index = self.index(at);
        if self.slices.len() <= index {
            self.slices.resize(index + 1, T::default());
        }
        self.slices[index] += what;
    }

    /// What happened in the slices that begin within a span, or in the one that it is a part of.
    pub(super) fn within(&self, from: Duration, to: Duration) -> T {
        let slice = self.slice.as_nanos().max(1);
        let begins = |at: Duration| usize::try_from(at.as_nanos().div_ceil(slice));
        let (first, end) = (begins(from).unwrap_or(usize::MAX), begins(to).unwrap_or(usize::MAX));
        let slices = if first < end { first..end } else { self.index(from)..self.index(from) + 1 };
        let mut sum = T::default();
        let kept = slices.start.min(self.slices.len())..slices.end.min(self.slices.len());
        self.slices[kept].iter().for_each(|slice| sum += *slice);
        sum
    }

    /// What happened in each of `columns` equal parts of the time from zero to `until`.
    pub(super) fn columns(&self, columns: u16, until: Duration) -> impl Iterator<Item = T> + '_ {
        let edge = move |column: u16| until * u32::from(column) / u32::from(columns.max(1));
        (0..columns).map(move |column| self.within(edge(column), edge(column + 1)))
    }

    fn index(&self, at: Duration) -> usize {
        usize::try_from(at.as_nanos() / self.slice.as_nanos().max(1)).unwrap_or(usize::MAX)
    }

    fn halve(&mut self) {
        self.slice *= 2;
        let merged = self.slices.chunks(2).map(|pair| {
            let mut sum = T::default();
            pair.iter().for_each(|slice| sum += *slice);
            sum
        });
        self.slices = merged.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_long_run_is_kept_whole_in_few_slices() {
        let mut course = Course::new(10 * MS);
        (0..100_000_u32).for_each(|index| course.add(index * 10 * MS, 1_u64));
        assert!(course.slices.len() <= SLICES_MAX, "{}", course.slices.len());
        assert_eq!(course.slices.iter().sum::<u64>(), 100_000);
        assert_eq!(course.columns(80, 1_000_000 * MS).sum::<u64>(), 100_000);
    }

    #[test]
    fn a_column_has_what_happened_then() {
        let mut course = Course::new(MS);
        [0, 1, 1, 7, 9].into_iter().for_each(|at| course.add(at * MS, 1_u64));
        assert_eq!(course.columns(5, 10 * MS).collect::<Vec<_>>(), [3, 0, 0, 1, 1]);
        assert_eq!(course.columns(2, 100 * MS).collect::<Vec<_>>(), [5, 0]);
    }

    #[test]
    fn columns_narrower_than_a_slice_repeat_it() {
        let mut course = Course::new(10 * MS);
        course.add(MS, 4_u64);
        assert_eq!(course.columns(4, 20 * MS).collect::<Vec<_>>(), [4, 4, 0, 0]);
    }
}
