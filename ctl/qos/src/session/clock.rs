//! The clock of a run: monotonic time since its start, and the wall time that goes into probes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};
use selat_proto::stamp::Timestamp;

use super::spec::Pace;

/// Longest sleep in one piece: how late a cancelled sender may notice.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// CLOCK_MONOTONIC counted from one origin, tied once to the wall clock. A wall clock that steps
/// during a run moves nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Duration,
    origin_since_epoch: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let origin_since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { origin: monotonic(), origin_since_epoch }
    }

    /// Time since the origin.
    pub(crate) fn now(&self) -> Duration {
        monotonic().saturating_sub(self.origin)
    }

    /// The same of a moment of before.
    pub(crate) fn at(&self, moment: Instant) -> Duration {
        self.now().saturating_sub(moment.elapsed())
    }

    /// The origin, since the Unix epoch.
    pub(crate) fn origin_since_epoch(&self) -> Duration {
        self.origin_since_epoch
    }

    /// T1 of a probe that is sent `at`: a function of `at`, so that a reply can be checked
    /// against the send log to the last bit.
    pub(crate) fn stamp(&self, at: Duration) -> Timestamp {
        Timestamp::from_unix(self.origin_since_epoch + at)
    }

    /// Waits until `deadline`; returns early, and false, when `is_over` says so.
    pub(crate) fn wait_until(
        &self,
        deadline: Duration,
        pace: Pace,
        is_over: impl Fn() -> bool,
    ) -> bool {
        let wake_at = match pace {
            Pace::Eco | Pace::Flood => deadline,
            Pace::Precise => deadline.saturating_sub(Pace::SPIN),
        };
        loop {
            if is_over() {
                return false;
            }
            let now = self.now();
            if now >= wake_at {
                break;
            }
            self.sleep_until(wake_at.min(now + SLEEP_MAX));
        }
        while self.now() < deadline {
            std::hint::spin_loop();
        }
        true
    }

    fn sleep_until(&self, wake_at: Duration) {
        let Ok(request) = Timespec::try_from(self.origin + wake_at) else { return };
        // An interrupted sleep is one that the caller's loop takes up again.
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &request);
    }
}

fn monotonic() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}
