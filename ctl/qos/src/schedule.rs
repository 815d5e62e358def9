//! When each probe of a run is due: pure, absolute from the start of the run, so that a late
//! probe never moves the ones after it.

use std::time::Duration;

/// Most probes that one client may be asked to send; bounds the memory that a run takes.
pub const COUNT_MAX: u32 = 4_000_000;
/// Highest rate that may be asked, probes a second for each client.
pub const RATE_MAX_PER_S: f64 = 1_000_000.0;
/// Lowest rate that may be asked, probes a second for each client: one a day.
pub const RATE_MIN_PER_S: f64 = 1.0 / 86_400.0;

const NANOS_PER_S: f64 = 1e9;

/// A count or rate that no run can keep.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// No probe at all, or more than [`COUNT_MAX`].
    #[error("a run of {count} probes: the count must be 1 to {COUNT_MAX}")]
    Count {
        /// What was asked.
        count: u32,
    },
    /// Not a number, or out of [`RATE_MIN_PER_S`] to [`RATE_MAX_PER_S`].
    #[error(
        "a rate of {per_s} probes a second: the rate must be {RATE_MIN_PER_S:.6} to {RATE_MAX_PER_S}"
    )]
    Rate {
        /// What was asked, probes a second.
        per_s: f64,
    },
}

/// How a client's probes are spread over time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pattern {
    Isochronous { interval_ns: f64 },
    Burst,
}

/// The due times of one client's probes, from the start of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    pattern: Pattern,
    count: u32,
}

impl Schedule {
    /// `count` probes evenly spaced at `per_s` a second; the first is due at once.
    ///
    /// # Errors
    /// A count or a rate out of bounds.
    pub fn isochronous(count: u32, per_s: f64) -> Result<Self, ScheduleError> {
        if !(RATE_MIN_PER_S..=RATE_MAX_PER_S).contains(&per_s) {
            return Err(ScheduleError::Rate { per_s });
        }
        Self::new(Pattern::Isochronous { interval_ns: NANOS_PER_S / per_s }, count)
    }

    /// `count` probes, all due at once: each is sent as soon as the one before it has left.
    ///
    /// # Errors
    /// A count out of bounds.
    pub fn burst(count: u32) -> Result<Self, ScheduleError> {
        Self::new(Pattern::Burst, count)
    }

    fn new(pattern: Pattern, count: u32) -> Result<Self, ScheduleError> {
        if (1..=COUNT_MAX).contains(&count) {
            Ok(Self { pattern, count })
        } else {
            Err(ScheduleError::Count { count })
        }
    }

    /// Probes of one client.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Time between two probes; `None` where there is no fixed one.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        match self.pattern {
            Pattern::Isochronous { interval_ns } => Some(nanos(interval_ns)),
            Pattern::Burst => None,
        }
    }

    /// When probe `seq` of client `client` out of `clients` is due, from the start of the run.
    /// The clients of an isochronous run are spread evenly over one interval, so that they do not
    /// all send in the same instant.
    #[must_use]
    pub fn due(&self, seq: u32, client: u32, clients: u32) -> Duration {
        match self.pattern {
            Pattern::Isochronous { interval_ns } => {
                let phase = f64::from(client) / f64::from(clients.max(1));
                // A product, not a sum of intervals: rounding does not pile up.
                nanos(interval_ns * (f64::from(seq) + phase))
            }
            Pattern::Burst => Duration::ZERO,
        }
    }
}

fn nanos(nanos: f64) -> Duration {
    Duration::from_secs_f64(nanos / NANOS_PER_S)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn probes_are_due_at_multiples_of_the_interval() {
        let schedule = Schedule::isochronous(1_000, 50.0).unwrap();
        assert_eq!(schedule.interval(), Some(Duration::from_millis(20)));
        assert_eq!(schedule.due(0, 0, 1), Duration::ZERO);
        assert_eq!(schedule.due(999, 0, 1), Duration::from_millis(19_980));
    }

    #[test]
    fn clients_are_spread_over_one_interval() {
        let schedule = Schedule::isochronous(2, 10.0).unwrap();
        let due: Vec<_> = (0..4).map(|client| schedule.due(1, client, 4).as_millis()).collect();
        assert_eq!(due, [100, 125, 150, 175]);
    }

    #[test]
    fn a_burst_is_due_at_once() {
        let schedule = Schedule::burst(3).unwrap();
        assert_eq!(schedule.due(2, 0, 1), Duration::ZERO);
        assert_eq!(schedule.interval(), None);
    }

    #[test]
    fn counts_and_rates_that_cannot_be_kept_are_refused() {
        assert_eq!(Schedule::burst(0), Err(ScheduleError::Count { count: 0 }));
        assert!(Schedule::burst(COUNT_MAX + 1).is_err());
        for per_s in [0.0, -1.0, f64::NAN, f64::INFINITY, RATE_MAX_PER_S * 1.1] {
            assert!(Schedule::isochronous(1, per_s).is_err(), "{per_s}");
        }
    }

    proptest! {
        #[test]
        fn due_times_never_go_back(
            per_s in 0.01..1e6, seq in 0..COUNT_MAX, client in 0..1_000_u32,
        ) {
            let schedule = Schedule::isochronous(COUNT_MAX, per_s).unwrap();
            let due = schedule.due(seq, client, 1_000);
            prop_assert!(due <= schedule.due(seq, client + 1, 1_000));
            prop_assert!(due <= schedule.due(seq + 1, client, 1_000));
        }
    }
}
