//! Why a TCP connection did not run to its own end.

/// Why a client's connection was closed before or while it was relayed. Each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefuseReason {
    /// The listener has as many connections as it may.
    ConnectionCap,
    /// The client's network has as many connections as one may have.
    ClientCap,
    /// The upstream did not accept in time.
    UpstreamTimeout,
    /// Nothing listens on the upstream's port.
    UpstreamRefused,
    /// The upstream could not be reached for another cause.
    UpstreamUnreachable,
    /// The client reset its connection or vanished.
    ClientFailed,
    /// The upstream reset its connection or vanished.
    UpstreamFailed,
    /// It was still open when draining ended.
    Drained,
}

impl RefuseReason {
    /// Every reason, in the order of [`RefuseReason::index`].
    pub(crate) const ALL: [Self; 8] = [
        Self::ConnectionCap,
        Self::ClientCap,
        Self::UpstreamTimeout,
        Self::UpstreamRefused,
        Self::UpstreamUnreachable,
        Self::ClientFailed,
        Self::UpstreamFailed,
        Self::Drained,
    ];

    /// Place of this reason in an array of counters.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Name in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionCap => "connection_cap",
            Self::ClientCap => "client_cap",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::ClientFailed => "client_failed",
            Self::UpstreamFailed => "upstream_failed",
            Self::Drained => "drained",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RefuseReason;

    #[test]
    fn every_reason_has_a_place_and_a_name_of_its_own() {
        let mut names: Vec<_> = RefuseReason::ALL.iter().map(|reason| reason.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RefuseReason::ALL.len());
        for (place, reason) in RefuseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), place);
        }
    }
}
