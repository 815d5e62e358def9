//! What a run of requests is asked to do.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::http::{Dialer, HttpUrl};
use crate::schedule::Schedule;
use crate::session::PROBES_MAX;

/// Most requests that may wait for their answers at once, over all connections.
pub const CONCURRENCY_MAX: u64 = 10_000;
/// Longest time that a run without a count may take.
pub const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A run of requests that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// More at once than [`CONCURRENCY_MAX`].
    #[error("{concurrency} requests at once: at most {CONCURRENCY_MAX} are")]
    Concurrency {
        /// Connections × requests at once on each.
        concurrency: u64,
    },
    /// More in all than a run keeps.
    #[error("{requests} requests in all: a run keeps at most {PROBES_MAX}")]
    Requests {
        /// What was asked.
        requests: u64,
    },
    /// Nothing ends it, or only after more than [`DURATION_MAX`].
    #[error("a run of requests must end after a count, or a time of at most {DURATION_MAX:?}")]
    Endless,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Open loop: when they are due, by whichever connection is free first. What is due while none
    /// is waits, and its latency counts from when it was due.
    Rate(Schedule),
    /// Open loop: each connection by a schedule of its own, as independent clients do.
    RateEach(Schedule),
    /// Closed loop: the next as soon as the one before it is answered, on each connection.
    Closed {
        /// How many in all; `None` as many as the time allows.
        count: Option<u32>,
    },
}

/// Which resources are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// The URL as it is.
    Same,
    /// In turns the URL as it is, which a cache has after the first time, and the URL with a query
    /// that nobody asked for before, which it cannot have.
    WarmAndCold {
        /// Part of each such query, another for each run.
        salt: u64,
    },
}

/// A run of requests.
#[derive(Clone, Debug)]
pub struct LoadSpec {
    /// What to ask for.
    pub url: HttpUrl,
    /// How to reach the server.
    pub dialer: Dialer,
    /// How.
    pub method: Method,
    /// Header fields of every request.
    pub headers: HeaderMap,
    /// Content of every request.
    pub content: Bytes,
    /// Which resources.
    pub aim: Aim,
    /// When.
    pub mode: Mode,
    /// No request is begun after this time.
    pub until: Option<Duration>,
    /// Connections at once.
    pub connections: NonZeroU32,
    /// Requests at once on each; more than one takes HTTP/2.
    pub streams: NonZeroU32,
    /// Whether a connection serves more than one request.
    pub keep_alive: bool,
    /// How long one request may take in all.
    pub timeout: Duration,
}

impl LoadSpec {
    /// Checks the bounds.
    ///
    /// # Errors
    /// Too many at once, too many in all, or no end.
    pub fn check(&self) -> Result<(), LoadError> {
        let concurrency = u64::from(self.connections.get()) * u64::from(self.streams.get());
        if concurrency > CONCURRENCY_MAX {
            return Err(LoadError::Concurrency { concurrency });
        }
        match self.planned() {
            Some(requests) if requests > PROBES_MAX => Err(LoadError::Requests { requests }),
            None if self.until.is_none_or(|until| until > DURATION_MAX) => Err(LoadError::Endless),
            _ => Ok(()),
        }
    }

    /// Requests in all, where that is known before.
    #[must_use]
    pub fn planned(&self) -> Option<u64> {
        match self.mode {
            Mode::Rate(schedule) => Some(schedule.count().into()),
            Mode::RateEach(schedule) => {
                Some(u64::from(schedule.count()) * u64::from(self.connections.get()))
            }
            Mode::Closed { count } => count.map(u64::from),
        }
    }

    /// About how long it takes until the last request is due; nothing where that cannot be known.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        let due = match self.mode {
            Mode::Rate(schedule) | Mode::RateEach(schedule) => Some(schedule.lasts()),
            Mode::Closed { .. } => None,
        };
        due.into_iter().chain(self.until).min().unwrap_or_default()
    }

    /// Requests at once in all.
    #[must_use]
    pub fn workers(&self) -> u32 {
        self.connections.get().saturating_mul(self.streams.get())
    }
}
