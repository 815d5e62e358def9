//! What the relay allows: how many sessions, for how long, how fast.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Bounds of one session table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A session that carried nothing for this long, either way, ends.
    pub idle_timeout: Duration,
    /// Sessions in the table. Memory and descriptors are bounded by it.
    pub sessions_max: u32,
    /// Sessions of one client network: an IPv4 address or an IPv6 /64.
    pub sessions_per_client_max: u32,
    /// At the cap, the session that was idle longest makes room for a new one, if it was idle at
    /// least this long. A flood of forged sources can therefore push out quiet sessions only.
    pub shed_idle_min: Duration,
    /// New sessions, whoever asks: opening one costs far more than forwarding.
    pub open_rate: Rate,
    /// Datagrams from the client of one session; `None` for no limit.
    pub session_rate: Option<Rate>,
}

impl Limits {
    /// Default of [`Limits::idle_timeout`].
    pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
    /// Default of [`Limits::sessions_max`].
    pub const SESSIONS_MAX: u32 = 10_000;
    /// Default of [`Limits::sessions_per_client_max`]: no single address fills the table.
    pub const SESSIONS_PER_CLIENT_MAX: u32 = 2_500;
    /// Default of [`Limits::shed_idle_min`].
    pub const SHED_IDLE_MIN: Duration = Duration::from_secs(5);
    /// Default of [`Limits::open_rate`]: a full table of clients may come back within a second.
    pub const OPEN_RATE: Rate = match NonZeroU32::new(Self::SESSIONS_MAX) {
        Some(full) => Rate::new(full, full),
        None => Rate::new(NonZeroU32::MIN, NonZeroU32::MIN),
    };
}

impl Limits {
    /// The part of these limits that one of `shares` tables has, where the clients of a listener are
    /// spread over several. Rounded up: together they may allow a little more, never less.
    #[must_use]
    pub fn share(self, shares: u32) -> Self {
        let shares = shares.max(1);
        Self {
            sessions_max: self.sessions_max.div_ceil(shares),
            sessions_per_client_max: self.sessions_per_client_max.div_ceil(shares),
            open_rate: self.open_rate.share(shares),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle_timeout: Self::IDLE_TIMEOUT,
            sessions_max: Self::SESSIONS_MAX,
            sessions_per_client_max: Self::SESSIONS_PER_CLIENT_MAX,
            shed_idle_min: Self::SHED_IDLE_MIN,
            open_rate: Self::OPEN_RATE,
            session_rate: None,
        }
    }
}

/// A sustained rate and the burst that may exceed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: NonZeroU32,
    burst: NonZeroU32,
}

impl Rate {
    /// `per_second` units sustained, up to `burst` units at once.
    pub const fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        Self { per_second, burst }
    }

    fn share(self, shares: u32) -> Self {
        let part = |whole: NonZeroU32| {
            NonZeroU32::new(whole.get().div_ceil(shares)).unwrap_or(NonZeroU32::MIN)
        };
        Self { per_second: part(self.per_second), burst: part(self.burst) }
    }

    fn time_of(self, units: u32) -> Duration {
        Duration::from_nanos(u64::from(units) * 1_000_000_000 / u64::from(self.per_second.get()))
    }
}

/// A token bucket, kept as the single time at which it will be full again: the virtual scheduling
/// form of the generic cell rate algorithm (ITU-T I.371 Annex A).
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    rate: Rate,
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub const fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, full_at: now }
    }

    /// Takes `units` if the bucket holds them; takes nothing otherwise.
    pub fn admit(&mut self, units: u32, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.rate.time_of(units);
        let admitted = full_at - now <= self.rate.time_of(self.rate.burst.get());
        if admitted {
            self.full_at = full_at;
        }
        admitted
    }
}
