//! Kernel stamps are wall time, a run counts monotonic time: this ties the two, and notices when
//! somebody sets the wall clock.
//!
//! Linux steers CLOCK_REALTIME and CLOCK_MONOTONIC alike, so that their difference is constant but
//! for steps (settimeofday(2), a leap second). A step makes the stamps of what is queued doubtful:
//! those are refused, and the caller takes its own time instead.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::clock::Clock;

/// Readings of both clocks of which the closest pair ties them.
const READINGS: usize = 16;
/// How far the two clocks may seem apart before that is a step.
const TOLERANCE: Duration = Duration::from_micros(2);

/// The tie between wall time and the time of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallTie {
    /// Wall time of the run's origin.
    origin: Duration,
    /// Stamps that read as before this are from before a step.
    trusted_from: Duration,
    steps: u64,
}

/// The wall time of the run's origin lies between these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    earliest: Duration,
    latest: Duration,
}

impl WallTie {
    /// Ties wall time to `clock` as they are now.
    pub(crate) fn new(clock: &Clock) -> Self {
        Self { origin: closest(clock).middle(), trusted_from: Duration::ZERO, steps: 0 }
    }

    /// Looks whether the wall clock was set; to be called before stamps are read.
    pub(crate) fn refresh(&mut self, clock: &Clock) {
        let bounds = Bounds::read(clock);
        if !bounds.allow(self.origin) {
            self.step(closest(clock), clock.now());
        }
    }

    /// The time of the run at which a datagram came in that the kernel `stamped` and that was read
    /// at `now`; `None` when the wall clock was set in between.
    pub(crate) fn since_start(&self, stamped: Duration, now: Duration) -> Option<Duration> {
        let at = stamped.checked_sub(self.origin)?;
        let is_sound = at >= self.trusted_from && at <= now + TOLERANCE;
        is_sound.then(|| at.min(now))
    }

    /// How often the wall clock was set so far.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    fn step(&mut self, bounds: Bounds, now: Duration) {
        (self.origin, self.trusted_from) = (bounds.middle(), now);
        self.steps += 1;
    }
}

impl Bounds {
    fn read(clock: &Clock) -> Self {
        let before = clock.now();
        let wall = Duration::try_from(clock_gettime(ClockId::Realtime)).unwrap_or_default();
        let after = clock.now();
        Self { earliest: wall.saturating_sub(after), latest: wall.saturating_sub(before) }
    }

    fn width(self) -> Duration {
        self.latest.saturating_sub(self.earliest)
    }

    fn middle(self) -> Duration {
        self.earliest + self.width() / 2
    }

    fn allow(self, origin: Duration) -> bool {
        origin + TOLERANCE >= self.earliest && origin <= self.latest + TOLERANCE
    }
}

fn closest(clock: &Clock) -> Bounds {
    let first = Bounds::read(clock);
    (1..READINGS)
        .map(|_| Bounds::read(clock))
        .fold(first, |closest, next| if next.width() < closest.width() { next } else { closest })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Duration = Duration::from_secs(1_800_000_000);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn tie() -> WallTie {
        WallTie { origin: EPOCH, trusted_from: Duration::ZERO, steps: 0 }
    }

    fn exactly(origin: Duration) -> Bounds {
        Bounds { earliest: origin, latest: origin }
    }

    #[test]
    fn stamps_read_as_time_of_the_run() {
        assert_eq!(tie().since_start(EPOCH + at(7), at(9)), Some(at(7)));
    }

    #[test]
    fn a_stamp_from_the_future_or_from_before_the_run_is_refused() {
        assert_eq!(tie().since_start(EPOCH + at(9), at(7)), None);
        assert_eq!(tie().since_start(EPOCH - at(1), at(7)), None);
    }

    #[test]
    fn a_clock_set_back_or_forth_spoils_only_what_came_before_it_was_seen() {
        for origin in [EPOCH - at(3_600_000), EPOCH + at(3_600_000), EPOCH - at(1)] {
            let mut tie = tie();
            assert!(!exactly(origin).allow(tie.origin), "{origin:?}");
            tie.step(exactly(origin), at(50));
            assert_eq!(tie.steps(), 1);
            assert_eq!(tie.since_start(EPOCH + at(40), at(50)), None, "stamped before {origin:?}");
            assert_eq!(tie.since_start(origin + at(60), at(61)), Some(at(60)));
        }
    }

    #[test]
    fn clocks_that_nobody_sets_stay_tied() {
        let clock = Clock::start();
        let mut tie = WallTie::new(&clock);
        (0..1_000).for_each(|_| tie.refresh(&clock));
        assert_eq!(tie.steps(), 0);
    }

    #[test]
    fn a_slow_reading_is_no_step() {
        let bounds = Bounds { earliest: EPOCH - at(30), latest: EPOCH + at(1) };
        assert!(bounds.allow(EPOCH));
    }
}
