//! One request and what became of it, as it is kept.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::http::{HttpError, Opened, Verdict};
use crate::sample::Sample;

/// One request. Times are from the start of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Kept", from = "Kept")]
pub struct Exchange {
    /// Number in the order in which they were due, from 0.
    pub seq: u32,
    /// When it was to be sent.
    pub due_at: Duration,
    /// When a connection took it up.
    pub started_at: Duration,
    /// The connection that it had to wait for, if it opened one.
    pub opened: Option<Opened>,
    /// When the first byte of the answer came (HTTP/1.1), or its head (HTTP/2).
    pub first_byte_at: Option<Duration>,
    /// When the last byte came, or it was given up.
    pub ended_at: Duration,
    /// Content bytes of the answer.
    pub bytes: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// What the nearest cache says of it.
    pub verdict: Verdict,
    /// Whether it asked for what no cache can have.
    pub is_cold: bool,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An answer that came whole, with this status.
    Status(u16),
    /// None.
    Failed(Failure),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The host has no address.
    Lookup,
    /// Nobody takes the connection.
    Connect,
    /// No TLS session came about.
    Tls,
    /// No connection was free for it in time.
    NotBegun,
    /// It did not come in time.
    TimedOut,
    /// It is no HTTP, or the connection ended before its head had come.
    Response,
    /// The connection ended in the middle of it.
    Incomplete,
}

impl Exchange {
    /// Whether it was answered with a status below 400.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self.outcome, Outcome::Status(..400))
    }

    /// Whether any answer came, whatever its status.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        matches!(self.outcome, Outcome::Status(_))
    }

    /// From when it was due to the last byte: what a user waits.
    #[must_use]
    pub fn response_time(&self) -> Duration {
        self.ended_at.saturating_sub(self.due_at)
    }

    /// From when a connection took it up to the last byte: what the server takes.
    #[must_use]
    pub fn service_time(&self) -> Duration {
        self.ended_at.saturating_sub(self.started_at)
    }

    /// How long it waited until a connection was free.
    #[must_use]
    pub fn queued(&self) -> Duration {
        self.started_at.saturating_sub(self.due_at)
    }

    /// From when it could be sent to the first byte.
    #[must_use]
    pub fn first_byte(&self) -> Option<Duration> {
        let opening = self.opened.map_or(Duration::ZERO, |opened| opened.total());
        Some(self.first_byte_at?.saturating_sub(self.started_at + opening))
    }

    /// From the first byte to the last.
    #[must_use]
    pub fn body(&self) -> Option<Duration> {
        let first_byte_at = self.first_byte_at.filter(|_| self.is_answered())?;
        Some(self.ended_at.saturating_sub(first_byte_at))
    }

    /// The same as a sample: latency counts from when it was due, and what has no good answer is lost.
    #[must_use]
    pub fn sample(&self) -> Sample {
        Sample {
            received_at: self.is_good().then_some(self.ended_at),
            bytes: if self.is_good() { self.bytes } else { 0 },
            ..Sample::sent(self.seq, self.due_at, self.due_at)
        }
    }
}

impl From<&HttpError> for Failure {
    fn from(error: &HttpError) -> Self {
        match error {
            HttpError::Lookup { .. } => Self::Lookup,
            HttpError::Connect { .. } => Self::Connect,
            HttpError::Tls { .. } => Self::Tls,
            HttpError::Slow { .. } => Self::TimedOut,
            HttpError::Response { .. } => Self::Response,
            HttpError::Incomplete { .. } => Self::Incomplete,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Lookup => "host not found",
            Self::Connect => "cannot connect",
            Self::Tls => "no TLS session",
            Self::NotBegun => "no connection was free",
            Self::TimedOut => "timed out",
            Self::Response => "no valid response",
            Self::Incomplete => "incomplete response",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(out, "status {status}"),
            Self::Failed(failure) => failure.fmt(out),
        }
    }
}

/// An exchange as a file keeps it: times in nanoseconds.
#[derive(Serialize, Deserialize)]
struct Kept(
    u32,
    u64,
    u64,
    Option<(u64, Option<u64>)>,
    Option<u64>,
    u64,
    u64,
    Outcome,
    Verdict,
    bool,
);

impl From<Exchange> for Kept {
    fn from(it: Exchange) -> Self {
        let opened = it.opened.map(|opened| (nanos(opened.connect), opened.tls.map(nanos)));
        Self(
            it.seq,
            nanos(it.due_at),
            nanos(it.started_at),
            opened,
            it.first_byte_at.map(nanos),
            nanos(it.ended_at),
            it.bytes,
            it.outcome,
            it.verdict,
            it.is_cold,
        )
    }
}

impl From<Kept> for Exchange {
    fn from(kept: Kept) -> Self {
        let Kept(seq, due, started, opened, first, ended, bytes, outcome, verdict, is_cold) = kept;
        let time = Duration::from_nanos;
        Self {
            seq,
            due_at: time(due),
            started_at: time(started),
            opened: opened
                .map(|(connect, tls)| Opened { connect: time(connect), tls: tls.map(time) }),
            first_byte_at: first.map(time),
            ended_at: time(ended),
            bytes,
            outcome,
            verdict,
            is_cold,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
