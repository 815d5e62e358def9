//! On which way probes were lost, by the numbers that a counting reflector gives those it gets.

use std::iter::Sum;
use std::ops::Add;

use crate::sample::{Reflection, Sample};

/// Losses by the way on which they happened. The three sum to all losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossDirection {
    /// Probes that never reached the reflector.
    pub up: u64,
    /// Probes whose answer did not come back.
    pub down: u64,
    /// Probes after the last answer, or of a reflector whose count makes no sense.
    pub unknown: u64,
}

/// What the answers of one client say of the reflector's count.
struct Counted {
    /// Numbers seen, copies included.
    seen: u64,
    /// Numbers given from the first that is known to the last that was seen.
    given: u64,
    /// Sequence numbers of the probes that this is about: losses outside are unknown.
    from_seq: u32,
    to_seq: u32,
}

impl LossDirection {
    /// `None` where no answer carries a count.
    pub(super) fn of(samples: &[Sample]) -> Option<Self> {
        let counted = Counted::of(samples)?;
        let lost = samples.iter().filter(|sample| sample.is_lost());
        let is_known = |sample: &&Sample| (counted.from_seq..counted.to_seq).contains(&sample.seq);
        let (all, known) = (lost.clone().count() as u64, lost.filter(is_known).count() as u64);
        // A number that was given and not seen is an answer that was lost, of a probe or of a copy.
        Some(match counted.given.checked_sub(counted.seen) {
            Some(unseen) => {
                let down = unseen.min(known);
                Self { up: known - down, down, unknown: all - known }
            }
            None => Self { up: 0, down: 0, unknown: all },
        })
    }
}

impl Add for LossDirection {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            up: self.up + other.up,
            down: self.down + other.down,
            unknown: self.unknown + other.unknown,
        }
    }
}

impl Sum for LossDirection {
    fn sum<I: Iterator<Item = Self>>(clients: I) -> Self {
        clients.fold(Self::default(), Add::add)
    }
}

impl Counted {
    fn of(samples: &[Sample]) -> Option<Self> {
        let numbered = || samples.iter().filter_map(|sample| Some((sample.seq, number(sample)?)));
        let (first_seq, first) = numbered().min_by_key(|(_, number)| *number)?;
        let (_, last) = numbered().max_by_key(|(_, number)| *number)?;
        let (to_seq, _) = numbered().max_by_key(|(seq, _)| *seq)?;
        let copies = |sample: &Sample| sample.reflection.map_or(0, |it| u64::from(it.copies));
        // A count that begins with this run is never ahead of the probes; another one begins with
        // the first number that is seen.
        let (from, from_seq) = if first <= first_seq { (0, 0) } else { (first, first_seq) };
        Some(Self {
            seen: numbered().count() as u64 + samples.iter().map(copies).sum::<u64>(),
            given: u64::from(last - from) + 1,
            from_seq,
            to_seq,
        })
    }
}

fn number(sample: &Sample) -> Option<u32> {
    let Reflection { number, .. } = sample.reflection?;
    number
}
