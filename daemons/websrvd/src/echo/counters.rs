//! What an echo counts, and the reasons for which it does not answer.

use selat_runtime::counters::{Counter, Named, Tally};
use selat_runtime::udp::{Received, Sent};

/// Why a datagram was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// Its source port is a service that would answer back.
    ReservedPort,
    /// It claims to come from the very socket that received it.
    OwnAddress,
    /// It is a STAMP reflector's answer: two reflectors would answer each other for ever.
    ReflectorAnswer,
    /// It is a probe without authentication of a session that has a key.
    Unauthenticated,
    /// It is an authenticated probe whose HMAC is not that of its session's key.
    WrongHmac,
    /// It is an authenticated probe of a session that has no key.
    NoKey,
    /// It was longer than the receive buffer.
    Truncated,
    /// The kernel did not take the answer.
    SendFailed,
}

impl DropReason {
    /// Every reason, in the order of [`DropReason::index`].
    pub(crate) const ALL: [Self; 8] = [
        Self::ReservedPort,
        Self::OwnAddress,
        Self::ReflectorAnswer,
        Self::Unauthenticated,
        Self::WrongHmac,
        Self::NoKey,
        Self::Truncated,
        Self::SendFailed,
    ];

    /// Place of this reason in an array of counters.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Name in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ReservedPort => "reserved_port",
            Self::OwnAddress => "own_address",
            Self::ReflectorAnswer => "reflector_answer",
            Self::Unauthenticated => "unauthenticated",
            Self::WrongHmac => "wrong_hmac",
            Self::NoKey => "no_key",
            Self::Truncated => "truncated",
            Self::SendFailed => "send_failed",
        }
    }
}

/// What one thread's echoes did. Named and explained in `echo.proto`.
#[derive(Debug, Default)]
pub(crate) struct EchoCounters {
    /// Datagrams received.
    pub(crate) received: Counter,
    /// Their payload bytes.
    pub(crate) received_bytes: Counter,
    /// Datagrams answered.
    pub(crate) answered: Counter,
    /// Their payload bytes.
    pub(crate) answered_bytes: Counter,
    /// STAMP probes answered as a reflector.
    pub(crate) reflected: Counter,
    /// Sessions that these began.
    pub(crate) sessions: Counter,
    /// Datagrams not answered, by [`DropReason::index`].
    pub(crate) dropped: Tally<{ DropReason::ALL.len() }>,
}

impl Named for EchoCounters {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Counter)) {
        visit("echo.received", &self.received);
        visit("echo.received_bytes", &self.received_bytes);
        visit("echo.answered", &self.answered);
        visit("echo.answered_bytes", &self.answered_bytes);
        visit("echo.reflected", &self.reflected);
        visit("echo.sessions", &self.sessions);
        self.dropped.visit("echo.dropped.", DropReason::ALL.map(DropReason::as_str), visit);
    }
}

impl EchoCounters {
    pub(super) fn count_received(&self, received: Received) {
        self.received.add(received.datagrams + received.truncated);
        self.received_bytes.add(received.bytes);
        self.dropped.add(DropReason::Truncated.index(), received.truncated);
    }

    pub(super) fn count_sent(&self, sent: Sent) {
        self.answered.add(sent.datagrams);
        self.answered_bytes.add(sent.bytes);
        self.dropped.add(DropReason::SendFailed.index(), sent.failed);
    }
}
