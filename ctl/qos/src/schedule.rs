//! When each probe of a run is due: pure, absolute from the start of the run, so that a late
//! probe never moves the ones after it.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Most probes that one client may be asked to send; bounds the memory that a run takes.
pub const COUNT_MAX: u32 = 4_000_000;
/// Highest rate that may be asked, probes a second for each client.
pub const RATE_MAX_PER_S: f64 = 1_000_000.0;
/// Lowest rate that may be asked, probes a second for each client: one a day.
pub const RATE_MIN_PER_S: f64 = 1.0 / 86_400.0;

/// Longest time over which clients may begin one after the other.
pub const RAMP_UP_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How a burst is described.
pub(crate) const AT_ONCE: &str = "all at once";

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
    /// Longer than [`RAMP_UP_MAX`].
    #[error("a ramp-up of {ramp_up:?}: it must be at most {RAMP_UP_MAX:?}")]
    RampUp {
        /// What was asked.
        ramp_up: Duration,
    },
}

/// How a client's probes are spread over time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pattern {
    Isochronous { interval_ns: f64 },
    Poisson { mean_ns: f64, seed: u64 },
    Burst,
}

/// The due times of one client's probes, from the start of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    pattern: Pattern,
    count: u32,
    ramp_up: Duration,
}

impl Schedule {
    /// `count` probes evenly spaced at `per_s` a second; the first is due at once.
    ///
    /// # Errors
    /// A count or a rate out of bounds.
    pub fn isochronous(count: u32, per_s: f64) -> Result<Self, ScheduleError> {
        Self::new(Pattern::Isochronous { interval_ns: interval_ns(per_s)? }, count)
    }

    /// `count` probes at `per_s` a second on average, the times between them drawn from the
    /// exponential distribution (RFC 2330 §11.1.1): a sample that no periodic event on the path can
    /// fall in step with. The same `seed` draws the same times; each client draws its own.
    ///
    /// # Errors
    /// A count or a rate out of bounds.
    pub fn poisson(count: u32, per_s: f64, seed: u64) -> Result<Self, ScheduleError> {
        Self::new(Pattern::Poisson { mean_ns: interval_ns(per_s)?, seed }, count)
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
            Ok(Self { pattern, count, ramp_up: Duration::ZERO })
        } else {
            Err(ScheduleError::Count { count })
        }
    }

    /// The same schedule with clients that begin one after the other, evenly over `ramp_up`.
    ///
    /// # Errors
    /// A time out of bounds.
    pub fn with_ramp_up(self, ramp_up: Duration) -> Result<Self, ScheduleError> {
        if ramp_up > RAMP_UP_MAX {
            return Err(ScheduleError::RampUp { ramp_up });
        }
        Ok(Self { ramp_up, ..self })
    }

    /// Time over which clients begin; zero where they begin together.
    #[must_use]
    pub fn ramp_up(&self) -> Duration {
        self.ramp_up
    }

    /// Probes of one client.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether all probes are due at once, so that none can be late.
    #[must_use]
    pub fn is_burst(&self) -> bool {
        self.pattern == Pattern::Burst
    }

    /// Time between two probes; `None` where there is no fixed one.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        match self.pattern {
            Pattern::Isochronous { interval_ns } => Some(nanos(interval_ns)),
            Pattern::Poisson { .. } | Pattern::Burst => None,
        }
    }

    /// About how long it takes until the last probe of the last client is due: exact where probes
    /// are evenly spaced, the mean where they are drawn.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        let interval_ns = match self.pattern {
            Pattern::Isochronous { interval_ns } => interval_ns,
            Pattern::Poisson { mean_ns, .. } => mean_ns,
            Pattern::Burst => 0.0,
        };
        self.ramp_up + nanos(interval_ns * f64::from(self.count - 1))
    }

    /// How the probes of a client follow each other, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let pattern = match self.pattern {
            Pattern::Isochronous { interval_ns } => format!("one every {:?}", nanos(interval_ns)),
            Pattern::Poisson { mean_ns, .. } => {
                format!("Poisson, one every {:?} on average", nanos(mean_ns))
            }
            Pattern::Burst => AT_ONCE.to_owned(),
        };
        match self.ramp_up {
            Duration::ZERO => pattern,
            ramp_up => format!("{pattern}, clients begin within {ramp_up:?}"),
        }
    }

    /// When the probes of client `client` out of `clients` are due, in order, from the start of the
    /// run. The clients of an isochronous run are spread evenly over one interval, so that they do
    /// not all send in the same instant.
    pub fn times(&self, client: u32, clients: u32) -> Times {
        let share = f64::from(client) / f64::from(clients.max(1));
        let gaps = match self.pattern {
            Pattern::Isochronous { interval_ns } => Gaps::Even { interval_ns, phase: share },
            Pattern::Poisson { mean_ns, seed } => Gaps::Drawn {
                mean_ns,
                // Clients differ by their stream: their draws have nothing in common.
                draws: Pcg64::seed_from_u64(seed ^ u64::from(client).rotate_right(16)),
                at_ns: 0.0,
            },
            Pattern::Burst => Gaps::None,
        };
        Times { begins: self.ramp_up.mul_f64(share), gaps, seq: 0, count: self.count }
    }
}

/// The due times of one client, in order.
#[derive(Clone, Debug)]
pub struct Times {
    begins: Duration,
    gaps: Gaps,
    seq: u32,
    count: u32,
}

#[derive(Clone, Debug)]
enum Gaps {
    Even { interval_ns: f64, phase: f64 },
    Drawn { mean_ns: f64, draws: Pcg64, at_ns: f64 },
    None,
}

impl Iterator for Times {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.seq == self.count {
            return None;
        }
        let due = match &mut self.gaps {
            // A product, not a sum of intervals: rounding does not pile up.
            Gaps::Even { interval_ns, phase } => {
                nanos(*interval_ns * (f64::from(self.seq) + *phase))
            }
            Gaps::Drawn { mean_ns, draws, at_ns } => {
                *at_ns += *mean_ns * exponential(draws.random());
                nanos(*at_ns)
            }
            Gaps::None => Duration::ZERO,
        };
        self.seq += 1;
        Some(self.begins + due)
    }
}

/// A value of the exponential distribution of mean 1 from a uniform one of 0 to less than 1.
fn exponential(uniform: f64) -> f64 {
    -(1.0 - uniform).ln()
}

fn interval_ns(per_s: f64) -> Result<f64, ScheduleError> {
    if (RATE_MIN_PER_S..=RATE_MAX_PER_S).contains(&per_s) {
        Ok(NANOS_PER_S / per_s)
    } else {
        Err(ScheduleError::Rate { per_s })
    }
}

fn nanos(nanos: f64) -> Duration {
    Duration::from_secs_f64(nanos / NANOS_PER_S)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn due(schedule: Schedule, client: u32, clients: u32) -> Vec<Duration> {
        schedule.times(client, clients).collect()
    }

    #[test]
    fn probes_are_due_at_multiples_of_the_interval() {
        let schedule = Schedule::isochronous(1_000, 50.0).unwrap();
        assert_eq!(schedule.interval(), Some(Duration::from_millis(20)));
        let due = due(schedule, 0, 1);
        assert_eq!(
            (due.len(), due[0], due[999]),
            (1_000, Duration::ZERO, Duration::from_millis(19_980))
        );
    }

    #[test]
    fn clients_are_spread_over_one_interval() {
        let schedule = Schedule::isochronous(2, 10.0).unwrap();
        let due: Vec<_> = (0..4).map(|client| due(schedule, client, 4)[1].as_millis()).collect();
        assert_eq!(due, [100, 125, 150, 175]);
    }

    #[test]
    fn a_burst_is_due_at_once() {
        let schedule = Schedule::burst(3).unwrap();
        assert_eq!(due(schedule, 0, 1), [Duration::ZERO; 3]);
        assert_eq!(schedule.interval(), None);
    }

    #[test]
    fn clients_begin_one_after_the_other_where_that_is_asked() {
        let burst = Schedule::burst(1).unwrap();
        let schedule = burst.with_ramp_up(Duration::from_secs(8)).unwrap();
        let begins: Vec<_> = (0..4).map(|client| due(schedule, client, 4)[0].as_secs()).collect();
        assert_eq!(begins, [0, 2, 4, 6]);
        assert!(burst.with_ramp_up(RAMP_UP_MAX + Duration::from_nanos(1)).is_err());
    }

    #[test]
    fn a_seed_draws_the_same_times_again_and_others_for_each_client() {
        let of = |seed, client| due(Schedule::poisson(100, 50.0, seed).unwrap(), client, 4);
        assert_eq!(of(1, 0), of(1, 0));
        assert_ne!(of(1, 0), of(1, 1));
        assert_ne!(of(1, 0), of(2, 0));
    }

    #[test]
    fn the_times_between_poisson_probes_are_exponential() {
        const COUNT: u32 = 100_000;
        let due = due(Schedule::poisson(COUNT, 1_000.0, 7).unwrap(), 0, 1);
        let gaps_ms: Vec<f64> =
            due.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1e3).collect();
        let mean = gaps_ms.iter().sum::<f64>() / gaps_ms.len() as f64;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        // The share above t is exp(−t): Kolmogorov's distance at a few points.
        for t in [0.1, 0.5, 1.0, 2.0, 4.0] {
            let above =
                gaps_ms.iter().filter(|gap| **gap > t).count() as f64 / gaps_ms.len() as f64;
            assert!((above - f64::exp(-t)).abs() < 0.01, "{above} at {t}");
        }
    }

    #[test]
    fn counts_and_rates_that_cannot_be_kept_are_refused() {
        assert_eq!(Schedule::burst(0), Err(ScheduleError::Count { count: 0 }));
        assert!(Schedule::burst(COUNT_MAX + 1).is_err());
        for per_s in [0.0, -1.0, f64::NAN, f64::INFINITY, RATE_MAX_PER_S * 1.1] {
            assert!(Schedule::isochronous(1, per_s).is_err(), "{per_s}");
            assert!(Schedule::poisson(1, per_s, 0).is_err(), "{per_s}");
        }
    }

    proptest! {
        #[test]
        fn due_times_never_go_back(per_s in 0.01..1e6, client in 0..1_000_u32, seed: u64) {
            for schedule in [Schedule::isochronous(200, per_s), Schedule::poisson(200, per_s, seed)] {
                let due = due(schedule.unwrap(), client, 1_000);
                prop_assert_eq!(due.len(), 200);
                prop_assert!(due.is_sorted());
            }
        }
    }
}
