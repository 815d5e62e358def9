//! What a run measures: one [`Sample`] for each probe or request that was sent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::report::RawSample;

/// One probe or request, and what came back. Times are from the start of the run, on one
/// monotonic clock that all clients of the run share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "RawSample", from = "RawSample")]
pub struct Sample {
    /// Number in send order, from 0.
    pub seq: u32,
    /// When it was to be sent.
    pub due_at: Duration,
    /// When it was sent. Latency counts from here, so an open-loop test that must not hide a
    /// stalled sender puts the intended time here.
    pub sent_at: Duration,
    /// When the first answer came; `None` when none did in time.
    pub received_at: Option<Duration>,
    /// How long the other end held it, where that end says so.
    pub residence: Option<Duration>,
    /// What a reflector that stamps says of it.
    pub reflection: Option<Reflection>,
    /// Payload bytes of the first answer.
    pub bytes: u64,
    /// Further answers to the same probe.
    pub duplicates: u32,
}

/// A STAMP reflector's account of a probe (RFC 8762 §4.3). Its times are by its own clock, which may
/// be far from this host's: nanoseconds from the moment at which this host's clock read the wall time
/// of the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reflection {
    /// How many probes of this session it got before this one; `None` where it does not count.
    pub number: Option<u32>,
    /// Answers to copies of this probe that were made on the way there: each has another number.
    pub copies: u32,
    /// T2: when it got the probe.
    pub received_ns: i64,
    /// T3: when it answered.
    pub sent_ns: i64,
}

impl Sample {
    /// A probe that was sent at `sent_at` and has no answer.
    #[must_use]
    pub fn sent(seq: u32, due_at: Duration, sent_at: Duration) -> Self {
        Self {
            seq,
            due_at,
            sent_at,
            received_at: None,
            residence: None,
            reflection: None,
            bytes: 0,
            duplicates: 0,
        }
    }

    /// Round-trip time without the other end's residence time. A residence longer than the round
    /// trip is a broken clock's and is not subtracted.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        let round_trip = self.received_at?.saturating_sub(self.sent_at);
        let held = self.residence.unwrap_or(Duration::ZERO);
        Some(round_trip.checked_sub(held).unwrap_or(round_trip))
    }

    /// Whether nothing came back in time.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.received_at.is_none()
    }
}
