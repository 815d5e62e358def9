//! Origins: where what is not in the cache comes from.
//!
//! [`address`] says where, [`pool`] keeps connections for all threads, [`fetch`] sends a request and
//! gives the head of the response with a [`body::OriginBody`] that gives the connection back.

pub(crate) mod address;
pub(crate) mod body;
pub(crate) mod fetch;
pub(crate) mod pool;

use std::time::Duration;

use selat_core::cache::policy::OriginFailure;

pub(crate) use self::{address::OriginAddr, body::OriginBody, fetch::Origins};

/// How long an origin may take, and how many connections are kept for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginLimits {
    /// Time to connect, names and all.
    pub(crate) connect_timeout: Duration,
    /// Time for the head of a response to arrive, from when its request was sent, content and all.
    pub(crate) head_timeout: Duration,
    /// Time between two pieces of content, of a request or a response.
    pub(crate) body_timeout: Duration,
    /// Connections in use at once to one origin.
    pub(crate) connections_max: usize,
    /// Connections kept for the next request to one origin.
    pub(crate) idle_max: usize,
    /// Time for which one is kept.
    pub(crate) idle_timeout: Duration,
}

impl Default for OriginLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            connections_max: 4096,
            idle_max: 64,
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// Why an origin gave no response. Each is counted under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OriginError {
    /// No connection.
    Unreachable,
    /// No connection, or no head of a response, in time.
    Timeout,
    /// The connection ended before the head of a response, or what came is no response.
    Broken,
    /// The client ended its request before it was whole.
    Request,
    /// The client sent nothing more of its request for too long.
    Stalled,
}

impl OriginError {
    pub(crate) const ALL: [Self; 5] =
        [Self::Unreachable, Self::Timeout, Self::Broken, Self::Request, Self::Stalled];

    /// Its name for counters and `Cache-Status`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "origin_unreachable",
            Self::Timeout => "origin_timeout",
            Self::Broken => "origin_broken",
            Self::Request => "request_cut_off",
            Self::Stalled => "request_stalled",
        }
    }

    /// What it means for what is stored.
    pub(crate) const fn failure(self) -> OriginFailure {
        match self {
            Self::Timeout => OriginFailure::Timeout,
            Self::Unreachable | Self::Broken | Self::Request | Self::Stalled => {
                OriginFailure::Unreachable
            }
        }
    }

    /// Its place in [`Self::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}
