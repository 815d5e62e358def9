//! Why a datagram was not relayed.

/// Why a datagram from a client or from an upstream was dropped. Each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// No reply could reach the source: port 0, or an address of no single host.
    Unanswerable,
    /// The source port is a service that answers whatever comes: it would never stop.
    ReservedPort,
    /// It claims to come from the very socket that received it.
    OwnAddress,
    /// The client's network has as many sessions as one may have.
    ClientCap,
    /// The table is full and every session in it was used lately.
    TableFull,
    /// New sessions are being opened faster than allowed.
    OpenRate,
    /// The session sends faster than it may.
    SessionRate,
    /// It was longer than the receive buffer.
    Truncated,
    /// No socket to the upstream could be had (descriptors, route).
    UpstreamUnavailable,
    /// Nothing listens on the upstream's port.
    UpstreamRefused,
    /// A send failed for another cause: too long for the path, no buffers.
    SendFailed,
    /// A reply came for a session that had just ended.
    SessionEnded,
}

impl DropReason {
    /// Every reason, in the order of [`DropReason::index`].
    pub const ALL: [Self; 12] = [
        Self::Unanswerable,
        Self::ReservedPort,
        Self::OwnAddress,
        Self::ClientCap,
        Self::TableFull,
        Self::OpenRate,
        Self::SessionRate,
        Self::Truncated,
        Self::UpstreamUnavailable,
        Self::UpstreamRefused,
        Self::SendFailed,
        Self::SessionEnded,
    ];

    /// Place of this reason in an array of counters, `0..ALL.len()`.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Name in counters, logs and the API: snake_case, stable.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unanswerable => "unanswerable",
            Self::ReservedPort => "reserved_port",
            Self::OwnAddress => "own_address",
            Self::ClientCap => "client_cap",
            Self::TableFull => "table_full",
            Self::OpenRate => "open_rate",
            Self::SessionRate => "session_rate",
            Self::Truncated => "truncated",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamRefused => "upstream_refused",
            Self::SendFailed => "send_failed",
            Self::SessionEnded => "session_ended",
        }
    }
}
