//! What each listener of the relay may do. Valid by construction of the daemon's configuration.

use std::time::Duration;

use selat_core::relay::{Limits, UpstreamAddr};

/// A UDP listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UdpConfig {
    /// Where datagrams go.
    pub(crate) upstream: UpstreamAddr,
    /// Bounds of the listener, all its sockets together.
    pub(crate) limits: Limits,
}

/// A TCP listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpConfig {
    /// Where connections go.
    pub(crate) upstream: UpstreamAddr,
    /// Time in which the upstream must accept.
    pub(crate) connect_timeout: Duration,
    /// A connection on which nothing moves for this long, either way, is cut.
    pub(crate) idle_timeout: Duration,
    /// Connections at once.
    pub(crate) connections_max: u32,
    /// Connections at once of one client network: an IPv4 address or an IPv6 /64.
    pub(crate) connections_per_client_max: u32,
}

impl TcpConfig {
    /// Default of [`TcpConfig::connect_timeout`].
    pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// Default of [`TcpConfig::idle_timeout`].
    pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
    /// Default of [`TcpConfig::connections_max`].
    pub(crate) const CONNECTIONS_MAX: u32 = 10_000;
    /// Default of [`TcpConfig::connections_per_client_max`].
    pub(crate) const CONNECTIONS_PER_CLIENT_MAX: u32 = 2_500;

    /// A listener with the default limits.
    pub(crate) const fn new(upstream: UpstreamAddr) -> Self {
        Self {
            upstream,
            connect_timeout: Self::CONNECT_TIMEOUT,
            idle_timeout: Self::IDLE_TIMEOUT,
            connections_max: Self::CONNECTIONS_MAX,
            connections_per_client_max: Self::CONNECTIONS_PER_CLIENT_MAX,
        }
    }
}
