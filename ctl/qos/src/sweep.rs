//! Pure: how much a path takes. Runs at rising rates, and the knee: the last rate that it carried as
//! it carried the first, before two in a row that it did not.

use std::time::Duration;

use crate::analysis::Analysis;
use crate::schedule::{RATE_MAX_PER_S, RATE_MIN_PER_S};

/// Most runs of a sweep.
pub const STEPS_MAX: u32 = 100;
/// Loss above that of the first run from which a path does not carry a rate, percent: what G.711
/// users begin to hear (ITU-T G.113 appendix I).
const LOSS_MORE_PCT: f64 = 1.0;
/// A 95th percentile of latency so many times that of the first run is a queue that fills…
const LATENCY_FACTOR: f64 = 3.0;
/// …unless it is less than this: the scheduler's noise.
const LATENCY_MORE: Duration = Duration::from_millis(1);
/// How far the sender may be behind its schedule in the middle of a run, as a share of the run:
/// beyond, it sent less than nine tenths of the rate.
const BEHIND_MAX: f64 = 0.05;

/// Rates that make no sweep.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SweepError {
    /// From more to less, or out of bounds.
    #[error(
        "rates from {from} to {to} a second: they must rise, within {RATE_MIN_PER_S:.6} to {RATE_MAX_PER_S}"
    )]
    Rates {
        /// The first.
        from: f64,
        /// The last.
        to: f64,
    },
    /// Fewer than two runs, or more than [`STEPS_MAX`].
    #[error("a sweep of {steps} runs: it must be 2 to {STEPS_MAX}")]
    Steps {
        /// What was asked.
        steps: u32,
    },
}

/// The rates of a sweep, probes a second: `steps` of them from `from` to `to`, each the same factor
/// above the one before.
///
/// # Errors
/// Rates or a number of runs out of bounds.
pub fn rates(from: f64, to: f64, steps: u32) -> Result<Vec<f64>, SweepError> {
    let bounds = RATE_MIN_PER_S..=RATE_MAX_PER_S;
    // Not a number is in no range.
    if !(bounds.contains(&from) && bounds.contains(&to) && from < to) {
        return Err(SweepError::Rates { from, to });
    }
    if !(2..=STEPS_MAX).contains(&steps) {
        return Err(SweepError::Steps { steps });
    }
    let factor = (to / from).powf(1.0 / f64::from(steps - 1));
    // The last one is what was asked, whatever powers round to.
    let below = (0..steps - 1).map(|step| from * factor.powi(step as i32));
    Ok(below.chain([to]).collect())
}

/// What a path did at a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// As at the first rate.
    Well,
    /// It lost more than at the first.
    Lossy,
    /// It took much longer than at the first.
    Queueing,
    /// Not known: this machine did not send that fast.
    NotSent,
}

/// What the path did in `step`, beside the `first` run of the sweep.
#[must_use]
pub fn carried(first: &Analysis, step: &Analysis) -> Carried {
    let behind = step.pacing.as_ref().and_then(|pacing| pacing.error.percentile(50.0));
    let is_behind = behind
        .zip(step.duration)
        .is_some_and(|(behind, duration)| behind > duration.mul_f64(BEHIND_MAX));
    // Bursts of what is late are no even rate: what they lose, the path need not lose.
    let is_uneven = step.pacing.as_ref().is_some_and(|pacing| pacing.fell_behind().is_some());
    let loss = |run: &Analysis| run.loss_pct.unwrap_or(100.0);
    let p95 = |run: &Analysis| run.latency.percentile(95.0);
    let is_queueing = p95(first).zip(p95(step)).is_some_and(|(first, step)| {
        step > first.mul_f64(LATENCY_FACTOR) && step > first + LATENCY_MORE
    });
    let is_lossy = loss(step) > loss(first) + LOSS_MORE_PCT;
    match (is_lossy, is_queueing) {
        (false, false) if is_behind => Carried::NotSent,
        (false, false) => Carried::Well,
        _ if is_behind || is_uneven => Carried::NotSent,
        (true, _) => Carried::Lossy,
        (false, true) => Carried::Queueing,
    }
}

/// What a sweep found; places are those of runs in order of their rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The highest rate was carried.
    All,
    /// The last run that was carried before the path gave way.
    Knee(usize),
    /// This machine could not send as fast as this run was to: of the path nothing is known.
    Sender(usize),
    /// The last run alone was not carried, and none tells whether that was chance.
    Unsure(usize),
}

impl Found {
    /// As JSON has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all_carried",
            Self::Knee(_) => "knee",
            Self::Sender(_) => "sender_limit",
            Self::Unsure(_) => "unsure",
        }
    }
}

/// What `runs` come to: a single one that was not carried may be chance, two in a row are not.
#[must_use]
pub fn found(runs: &[Carried]) -> Found {
    let failed = |run: &Carried| *run != Carried::Well;
    let twice = runs.windows(2).position(|pair| pair.iter().all(failed));
    let last = runs.len().saturating_sub(1);
    let from = match twice {
        Some(first) => first,
        None if runs.last().is_some_and(failed) => last,
        None => return Found::All,
    };
    let unsent = |run: &Carried| *run == Carried::NotSent;
    match (runs[from..].iter().position(unsent), twice, from.checked_sub(1)) {
        (Some(after), ..) => Found::Sender(from + after),
        (None, Some(_), Some(before)) => Found::Knee(before),
        (None, ..) => Found::Unsure(from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    /// A run of probes 10 ms apart.
    fn run(latency_us: impl Fn(u32) -> Option<u64>, late: Duration) -> Analysis {
        let sample = |seq: u32| {
            let due_at = Duration::from_millis(u64::from(seq) * 10);
            let sent_at = due_at + late;
            let received_at = latency_us(seq).map(|us| sent_at + Duration::from_micros(us));
            Sample { received_at, ..Sample::sent(seq, due_at, sent_at) }
        };
        Analysis::of(&(0..100).map(sample).collect::<Vec<_>>())
    }

    #[test]
    fn rates_rise_by_one_factor_from_the_first_to_the_last() {
        assert_eq!(rates(100.0, 800.0, 4), Ok(vec![100.0, 200.0, 400.0, 800.0]));
        let many = rates(1.0, 1e6, STEPS_MAX).unwrap();
        assert_eq!((many.len(), many.last()), (100, Some(&1e6)));
        assert!(many.is_sorted());
    }

    #[test]
    fn rates_that_make_no_sweep_are_refused() {
        for (from, to) in [(10.0, 10.0), (10.0, 5.0), (0.0, 5.0), (1.0, 2e6), (f64::NAN, 5.0)] {
            assert!(matches!(rates(from, to, 5), Err(SweepError::Rates { .. })), "{from} {to}");
        }
        for steps in [0, 1, STEPS_MAX + 1] {
            assert_eq!(rates(1.0, 2.0, steps), Err(SweepError::Steps { steps }));
        }
    }

    #[test]
    fn a_run_is_judged_beside_the_first() {
        let on_time = Duration::ZERO;
        let first = run(|_| Some(500), on_time);
        let cases = [
            (run(|_| Some(700), on_time), Carried::Well),
            (run(|_| Some(1_450), on_time), Carried::Well),
            (run(|_| Some(5_000), on_time), Carried::Queueing),
            (run(|seq| (seq != 5).then_some(500), on_time), Carried::Well),
            (run(|seq| (seq % 20 != 5).then_some(500), on_time), Carried::Lossy),
            (run(|_| None, on_time), Carried::Lossy),
            (run(|_| Some(500), Duration::from_millis(15)), Carried::Well),
            (run(|_| Some(500), Duration::from_millis(60)), Carried::NotSent),
            // What this machine sent in bursts tells nothing of the path.
            (run(|_| None, Duration::from_millis(15)), Carried::NotSent),
            (run(|_| Some(5_000), Duration::from_millis(15)), Carried::NotSent),
        ];
        for (step, expected) in cases {
            assert_eq!(carried(&first, &step), expected);
        }
    }

    #[test]
    fn the_knee_is_before_two_in_a_row_that_the_path_did_not_carry() {
        use Carried::{Lossy, NotSent, Queueing, Well};
        let cases: [(&[Carried], Found); 9] = [
            (&[], Found::All),
            (&[Well, Well], Found::All),
            (&[Well, Lossy, Well], Found::All),
            (&[Well, Well, Lossy, Queueing], Found::Knee(1)),
            (&[Well, Queueing, Well, Lossy, Lossy], Found::Knee(2)),
            (&[Well, Well, Lossy], Found::Unsure(2)),
            (&[Well, Well, NotSent], Found::Sender(2)),
            (&[Well, Lossy, NotSent], Found::Sender(2)),
            (&[NotSent, NotSent], Found::Sender(0)),
        ];
        for (runs, expected) in cases {
            assert_eq!(found(runs), expected, "{runs:?}");
        }
    }
}
