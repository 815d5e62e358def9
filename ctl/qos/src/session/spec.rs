//! What a UDP run is asked to do, checked once.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use selat_proto::stamp::{self, Keys};

use super::StampSource;
use crate::schedule::{Schedule, Times};

/// Smallest datagram that carries a probe, payload bytes.
pub const SIZE_MIN: usize = stamp::OPEN_LEN;
/// Largest UDP payload over IPv4: 65,535 less 20 of IP and 8 of UDP header (RFC 768, RFC 791).
pub const SIZE_MAX: usize = 65_507;
/// Most clients of one run.
pub const CLIENTS_MAX: u32 = 10_000;
/// Most probes of one run, all clients together; bounds its memory to about 400 MB.
pub const PROBES_MAX: u64 = 4_000_000;
/// Longest wait for the last replies.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// Something that was asked and cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The datagram would not hold a probe, or no UDP datagram is that large.
    #[error("probes of {size} bytes: the size must be {SIZE_MIN} (a STAMP packet) to {SIZE_MAX}")]
    Size {
        /// What was asked, payload bytes.
        size: usize,
    },
    /// The datagram would not hold a probe with its HMAC.
    #[error(
        "probes of {size} bytes: with authentication a STAMP packet takes {}",
        stamp::SEALED_LEN
    )]
    SealedSize {
        /// What was asked, payload bytes.
        size: usize,
    },
    /// A wait of nothing, or of more than [`TIMEOUT_MAX`].
    #[error("a timeout of {timeout:?}: it must be above zero and at most {TIMEOUT_MAX:?}")]
    Timeout {
        /// What was asked.
        timeout: Duration,
    },
    /// More clients than [`CLIENTS_MAX`].
    #[error("{clients} clients: at most {CLIENTS_MAX} run at once")]
    Clients {
        /// What was asked.
        clients: u32,
    },
    /// More probes than a run may keep in memory.
    #[error("{probes} probes in all: a run keeps at most {PROBES_MAX}; ask for fewer a client")]
    Probes {
        /// Clients × count.
        probes: u64,
    },
}

/// How a sender waits for the time when a probe is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Sleeps to the deadline: about 50 µs late at the median, little CPU.
    #[default]
    Eco,
    /// Sleeps to shortly before the deadline and spins the rest: within 1 µs at the median,
    /// for up to [`Pace::SPIN`] of CPU a probe.
    Precise,
    /// As [`Pace::Eco`], but probes of a client that are due leave in bundles, with one call for up
    /// to [`Pace::BUNDLE`]: the highest rate, at the price of small bursts and of one send time for
    /// all of a bundle.
    Flood,
}

impl Pace {
    /// How long [`Pace::Precise`] spins at most before each probe.
    pub const SPIN: Duration = Duration::from_micros(60);
    /// Most probes of one bundle (the kernel's `UDP_MAX_SEGMENTS` where it was lowest).
    pub const BUNDLE: usize = 64;
}

/// What a run sends, and whose answers it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// STAMP; the answers of a reflector of STAMP or TWAMP-Light, and of an echo server.
    #[default]
    Auto,
    /// STAMP; a reflector's answers.
    Stamp,
    /// TWAMP-Test packets without a session id or TLVs (RFC 5357 §4.1.2); a reflector's answers.
    TwampLight,
    /// Packets that no reflector takes for probes; an echo server's answers.
    Echo,
}

/// What fills probes up to their size, the same in all of a run (RFC 8972 §4.1, RFC 5357 §4.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Pseudorandom numbers, which no link can compress.
    #[default]
    Random,
    /// Zeros.
    Zeros,
}

/// A UDP run that can be done.
#[derive(Clone, Debug)]
pub struct UdpSpec {
    target: SocketAddr,
    schedule: Schedule,
    size: usize,
    timeout: Duration,
    pace: Pace,
    stamps: StampSource,
    clients: NonZeroU32,
    straight: Option<SocketAddr>,
    mode: Mode,
    padding: Padding,
    keys: Option<Arc<Keys>>,
}

impl UdpSpec {
    /// One client that sends probes of `size` payload bytes to `target` and waits up to `timeout`
    /// for replies after the last of them.
    ///
    /// # Errors
    /// A size or a timeout out of bounds.
    pub fn new(
        target: SocketAddr,
        schedule: Schedule,
        size: usize,
        timeout: Duration,
    ) -> Result<Self, SpecError> {
        if !(SIZE_MIN..=SIZE_MAX).contains(&size) {
            return Err(SpecError::Size { size });
        }
        if timeout.is_zero() || timeout > TIMEOUT_MAX {
            return Err(SpecError::Timeout { timeout });
        }
        let clients = NonZeroU32::MIN;
        let (pace, stamps) = (Pace::default(), StampSource::Kernel);
        let (straight, mode, padding, keys) = (None, Mode::default(), Padding::default(), None);
        Ok(Self {
            target,
            schedule,
            size,
            timeout,
            pace,
            stamps,
            clients,
            straight,
            mode,
            padding,
            keys,
        })
    }

    /// The same run by `clients` at once, each with its own socket and its own probes.
    ///
    /// # Errors
    /// Too many clients, or too many probes in all.
    pub fn with_clients(self, clients: NonZeroU32) -> Result<Self, SpecError> {
        if clients.get() > CLIENTS_MAX {
            return Err(SpecError::Clients { clients: clients.get() });
        }
        let probes = u64::from(clients.get()) * u64::from(self.schedule.count());
        if probes > PROBES_MAX {
            return Err(SpecError::Probes { probes });
        }
        Ok(Self { clients, ..self })
    }

    /// The same run, one client, that sends in turns to the target and to `straight`, the other end
    /// of the relay that the target is: the two kinds of probes meet the same moments of the host
    /// and of the network.
    ///
    /// # Errors
    /// Too many probes in all: there are twice as many.
    pub fn with_straight(self, straight: SocketAddr) -> Result<Self, SpecError> {
        let both = self.with_clients(NonZeroU32::MIN.saturating_add(1))?;
        Ok(Self { straight: Some(straight), ..both })
    }

    /// The same run with other packets.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The same run with other padding.
    #[must_use]
    pub fn with_padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// The same run with authentication (RFC 8762 §4.4): every session takes an id that `keys` have a
    /// key of, and only answers with the right HMAC count.
    ///
    /// # Errors
    /// A size that holds no authenticated packet.
    pub fn with_keys(self, keys: Arc<Keys>) -> Result<Self, SpecError> {
        if self.size < stamp::SEALED_LEN {
            return Err(SpecError::SealedSize { size: self.size });
        }
        Ok(Self { keys: Some(keys), ..self })
    }

    /// The same run at another pace.
    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// The same run with receive times from elsewhere than the kernel, which is the default. Where
    /// the kernel gives none, they are taken in user space whatever is asked.
    #[must_use]
    pub fn with_stamps(self, stamps: StampSource) -> Self {
        Self { stamps, ..self }
    }

    /// Where the probes go.
    #[must_use]
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// Where every second client sends, if the way through a relay is compared with the straight one.
    #[must_use]
    pub fn straight(&self) -> Option<SocketAddr> {
        self.straight
    }

    /// Where the probes of `client` go.
    pub(crate) fn target_of(&self, client: u32) -> SocketAddr {
        self.straight.filter(|_| client % 2 == 1).unwrap_or(self.target)
    }

    /// What is sent, and whose answers are taken.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What fills probes up to their size.
    #[must_use]
    pub fn padding(&self) -> Padding {
        self.padding
    }

    /// The keys of an authenticated run.
    #[must_use]
    pub fn keys(&self) -> Option<&Keys> {
        self.keys.as_deref()
    }

    /// When each probe is due.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Payload bytes of a probe.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Longest wait after the last probe.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How deadlines are kept.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Where receive times are to come from.
    #[must_use]
    pub fn stamps(&self) -> StampSource {
        self.stamps
    }

    /// Clients at once.
    #[must_use]
    pub fn clients(&self) -> u32 {
        self.clients.get()
    }

    /// Probes of all clients.
    #[must_use]
    pub fn probes(&self) -> u64 {
        u64::from(self.clients()) * u64::from(self.schedule.count())
    }

    /// When the probes of `client` are due, from the start of sending.
    pub(crate) fn times(&self, client: u32) -> Times {
        self.schedule.times(client, self.clients())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(size: usize, timeout: Duration) -> Result<UdpSpec, SpecError> {
        let schedule = Schedule::burst(1_000).unwrap();
        UdpSpec::new("127.0.0.1:9000".parse().unwrap(), schedule, size, timeout)
    }

    #[test]
    fn sizes_that_hold_no_probe_or_fit_no_datagram_are_refused() {
        for size in [0, 43, 65_508] {
            assert_eq!(spec(size, TIMEOUT_MAX).unwrap_err(), SpecError::Size { size });
        }
        assert!(spec(44, TIMEOUT_MAX).is_ok() && spec(65_507, TIMEOUT_MAX).is_ok());
    }

    #[test]
    fn an_authenticated_probe_needs_room_for_its_hmac() {
        let sealed = |size| spec(size, TIMEOUT_MAX).unwrap().with_keys(Arc::default());
        assert_eq!(sealed(111).unwrap_err(), SpecError::SealedSize { size: 111 });
        assert!(sealed(112).is_ok());
    }

    #[test]
    fn timeouts_have_bounds() {
        for timeout in [Duration::ZERO, TIMEOUT_MAX + Duration::from_nanos(1)] {
            assert_eq!(spec(44, timeout).unwrap_err(), SpecError::Timeout { timeout });
        }
    }

    #[test]
    fn clients_and_their_probes_in_all_have_bounds() {
        let clients = |clients| {
            spec(44, TIMEOUT_MAX).unwrap().with_clients(NonZeroU32::new(clients).unwrap())
        };
        assert_eq!(clients(1_000).unwrap().probes(), 1_000_000);
        assert_eq!(clients(4_001).unwrap_err(), SpecError::Probes { probes: 4_001_000 });
        assert_eq!(clients(10_001).unwrap_err(), SpecError::Clients { clients: 10_001 });
    }
}
