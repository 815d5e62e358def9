//! What a run of streams is asked to do.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::http::{Dialer, HttpUrl};

/// Most streams in one direction.
pub const STREAMS_MAX: u32 = 256;
/// Longest time that a run may take.
pub const DURATION_MAX: Duration = Duration::from_secs(3_600);
/// Shortest interval that goodput is told for.
pub const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// A run of streams that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BulkSpecError {
    /// More than [`STREAMS_MAX`].
    #[error("{streams} streams in each direction: at most {STREAMS_MAX} are")]
    Streams {
        /// What was asked.
        streams: u32,
    },
    /// Longer than [`DURATION_MAX`], or no longer than its own warm-up.
    #[error(
        "a run of {duration:?}: it must be longer than its warm-up of {warm_up:?}, and at most {DURATION_MAX:?}"
    )]
    Duration {
        /// What was asked.
        duration: Duration,
        /// What is left out of it.
        warm_up: Duration,
    },
    /// Shorter than [`INTERVAL_MIN`], or longer than the run.
    #[error(
        "an interval of {interval:?}: it must be at least {INTERVAL_MIN:?} and no longer than the run"
    )]
    Interval {
        /// What was asked.
        interval: Duration,
    },
}

/// Which way the load goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the server.
    Down,
    /// To the server.
    Up,
}

/// How a run goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plan {
    /// The streams that there are, for the whole time; goodput counts after the warm-up.
    Steady {
        /// What is left out at the start.
        warm_up: Duration,
        /// Probes a second beside the streams.
        probes_per_s: f64,
    },
    /// One more stream each interval until goodput and then responsiveness are stable
    /// ([`crate::responsiveness`]), or the time is over.
    Responsiveness,
}

/// A run of streams.
#[derive(Clone, Debug)]
pub struct BulkSpec {
    /// The path that websrvd measures below.
    pub base: HttpUrl,
    /// How to reach it.
    pub dialer: Dialer,
    /// Which ways, at once.
    pub ways: Vec<Way>,
    /// Streams to begin with, each way.
    pub streams: NonZeroU32,
    /// How it goes on.
    pub plan: Plan,
    /// How long the path is probed before there is load.
    pub idle: Duration,
    /// The longest that there is load.
    pub duration: Duration,
    /// What goodput is told for.
    pub interval: Duration,
    /// How long a probe may take.
    pub timeout: Duration,
}

impl BulkSpec {
    /// Checks the bounds.
    ///
    /// # Errors
    /// A number or a time out of bounds.
    pub fn check(&self) -> Result<(), BulkSpecError> {
        let (streams, duration, interval) = (self.streams.get(), self.duration, self.interval);
        let warm_up = self.warm_up();
        if streams > STREAMS_MAX {
            return Err(BulkSpecError::Streams { streams });
        }
        if duration > DURATION_MAX || duration <= warm_up {
            return Err(BulkSpecError::Duration { duration, warm_up });
        }
        if interval < INTERVAL_MIN || interval > duration {
            return Err(BulkSpecError::Interval { interval });
        }
        Ok(())
    }

    /// What is left out at the start.
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        match self.plan {
            Plan::Steady { warm_up, .. } => warm_up,
            Plan::Responsiveness => Duration::ZERO,
        }
    }
}
