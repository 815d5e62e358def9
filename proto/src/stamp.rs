//! The UDP probe datagram: STAMP's unauthenticated packets (RFC 8762 §4.2.1 and §4.3.1) with the
//! session id of RFC 8972 §3, encoded and decoded, for the sender and for the reflector.
//!
//! No clock and no socket: times come in as [`Timestamp`]s. All fields are big-endian.
//! Bytes past the base packet are the caller's, or those of [`tlv`].

pub mod tlv;

use std::time::Duration;

/// Bytes of the base packet of either direction without authentication.
pub const OPEN_LEN: usize = 44;

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970), RFC 5905 figure 4.
const NTP_UNIX_OFFSET_S: u64 = 2_208_988_800;
const NANOS_PER_S: u64 = 1_000_000_000;
/// A datagram or buffer is shorter than [`OPEN_LEN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes do not hold a STAMP packet, which takes {OPEN_LEN}")]
pub struct TooShort {
    /// Bytes there were.
    pub len: usize,
}

/// How the 64 bits of a [`Timestamp`] are to be read: the Z flag of the error estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Seconds since 1900 and a binary fraction of 32 bits (RFC 5905 §6).
    Ntp,
    /// Truncated PTPv2: seconds since 1970 and nanoseconds, 32 bits each (RFC 8186 §2.1).
    Ptp,
}

/// 64 bits of time on the wire, in the format that the packet's [`ErrorEstimate`] names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The NTP form of a time since the Unix epoch; eras wrap as RFC 5905 §6 has it.
    #[must_use]
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs().wrapping_add(NTP_UNIX_OFFSET_S) & 0xffff_ffff;
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / NANOS_PER_S;
        Self((seconds << 32) | fraction)
    }

    /// The time from `earlier` to `self`, both in `format`; `None` when it would be negative.
    /// Differences of more than 68 years read as negative.
    #[must_use]
    pub fn since(self, earlier: Self, format: TimestampFormat) -> Option<Duration> {
        match format {
            TimestampFormat::Ntp => {
                let delta = self.0.wrapping_sub(earlier.0);
                (delta >> 63 == 0).then(|| ntp_duration(delta))
            }
            TimestampFormat::Ptp => self.ptp().checked_sub(earlier.ptp()),
        }
    }

    /// Nanoseconds from the moment `since_epoch` of Unix time to `self`, in `format`; negative when
    /// `self` is earlier. Right as long as the two are within 68 years of each other.
    #[must_use]
    pub fn nanos_since(self, since_epoch: Duration, format: TimestampFormat) -> i64 {
        match format {
            TimestampFormat::Ntp => {
                let delta = self.0.wrapping_sub(Self::from_unix(since_epoch).0) as i64;
                (delta >> 32) * NANOS_PER_S as i64 + fraction_nanos(delta as u64) as i64
            }
            TimestampFormat::Ptp => nanos(self.ptp()).wrapping_sub(nanos(since_epoch)),
        }
    }

    fn ptp(self) -> Duration {
        Duration::from_secs(self.0 >> 32) + Duration::from_nanos(self.0 & 0xffff_ffff)
    }
}

fn ntp_duration(bits: u64) -> Duration {
    Duration::from_secs(bits >> 32) + Duration::from_nanos(fraction_nanos(bits))
}

/// The lower 32 bits as nanoseconds, rounded, so that whole nanoseconds survive the way there and
/// back.
fn fraction_nanos(bits: u64) -> u64 {
    ((bits & 0xffff_ffff) * NANOS_PER_S + (1 << 31)) >> 32
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// What the stamping host knows of its clock (RFC 4656 §4.1.2, RFC 8186 §2.1):
/// S (synchronised), Z (format), scale, multiplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorEstimate(pub u16);

impl ErrorEstimate {
    /// NTP format, not synchronised, within one second: what a host says that has not asked.
    pub const UNSYNCHRONISED: Self = Self((32 << 8) | 1);

    /// The format of the timestamps beside this estimate.
    #[must_use]
    pub fn format(self) -> TimestampFormat {
        if self.0 & 0x4000 == 0 { TimestampFormat::Ntp } else { TimestampFormat::Ptp }
    }

    /// Whether this can be an estimate: a multiplier of zero marks a corrupt packet (RFC 4656 §4.1.2).
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.0 & 0x00ff != 0
    }

    /// Whether the host says that its clock follows UTC from an outside source.
    #[must_use]
    pub fn is_synchronised(self) -> bool {
        self.0 & 0x8000 != 0
    }
}

/// A Session-Sender test packet (RFC 8762 §4.2.1, figure 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderPacket {
    /// Number of the probe, from 0.
    pub seq: u32,
    /// T1: when the sender sent it.
    pub sent: Timestamp,
    /// The sender's clock.
    pub error: ErrorEstimate,
    /// Session id (RFC 8972 §3); 0 when the sender has none.
    pub ssid: u16,
}

impl SenderPacket {
    /// Writes the base packet into the first [`OPEN_LEN`] bytes of `out`, MBZ bytes included.
    ///
    /// # Errors
    /// [`TooShort`] when `out` does not hold it; nothing is written then.
    pub fn encode(&self, out: &mut [u8]) -> Result<(), TooShort> {
        let base = base_mut(out)?;
        base.fill(0);
        put(base, 0, self.seq.to_be_bytes());
        put(base, 4, self.sent.0.to_be_bytes());
        put(base, 12, self.error.0.to_be_bytes());
        put(base, 14, self.ssid.to_be_bytes());
        Ok(())
    }

    fn read(base: &[u8; OPEN_LEN]) -> Self {
        Self {
            seq: u32::from_be_bytes(at(base, 0)),
            sent: Timestamp(u64::from_be_bytes(at(base, 4))),
            error: ErrorEstimate(u16::from_be_bytes(at(base, 12))),
            ssid: u16::from_be_bytes(at(base, 14)),
        }
    }
}

/// A Session-Reflector test packet (RFC 8762 §4.3.1, figure 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReflectorPacket {
    /// The sender's number again (stateless) or the reflector's own count (stateful).
    pub seq: u32,
    /// T3: when the reflector sent it.
    pub sent: Timestamp,
    /// The reflector's clock, for T2 and T3.
    pub error: ErrorEstimate,
    /// Session id, copied from the sender; 0 from a reflector older than RFC 8972.
    pub ssid: u16,
    /// T2: when the probe reached the reflector.
    pub received: Timestamp,
    /// Number of the probe that this answers.
    pub sender_seq: u32,
    /// T1, copied from the probe.
    pub sender_sent: Timestamp,
    /// The sender's clock, copied from the probe.
    pub sender_error: ErrorEstimate,
    /// IP TTL or hop limit that the probe arrived with; 255 when the reflector cannot see it.
    pub sender_ttl: u8,
}

impl ReflectorPacket {
    /// The answer to `probe`, received at `received` and sent at `sent`, both in NTP format.
    /// `seq` is `probe.seq` for a stateless reflector, the session's own count for a stateful one.
    #[must_use]
    pub fn answering(
        probe: &SenderPacket,
        seq: u32,
        received: Timestamp,
        sent: Timestamp,
        sender_ttl: u8,
    ) -> Self {
        Self {
            seq,
            sent,
            error: ErrorEstimate::UNSYNCHRONISED,
            ssid: probe.ssid,
            received,
            sender_seq: probe.seq,
            sender_sent: probe.sent,
            sender_error: probe.error,
            sender_ttl,
        }
    }

    /// Writes the base packet into the first [`OPEN_LEN`] bytes of `out`, MBZ bytes included.
    ///
    /// # Errors
    /// [`TooShort`] when `out` does not hold it; nothing is written then.
    pub fn encode(&self, out: &mut [u8]) -> Result<(), TooShort> {
        let base = base_mut(out)?;
        base.fill(0);
        put(base, 0, self.seq.to_be_bytes());
        put(base, 4, self.sent.0.to_be_bytes());
        put(base, 12, self.error.0.to_be_bytes());
        put(base, 14, self.ssid.to_be_bytes());
        put(base, 16, self.received.0.to_be_bytes());
        put(base, 24, self.sender_seq.to_be_bytes());
        put(base, 28, self.sender_sent.0.to_be_bytes());
        put(base, 36, self.sender_error.0.to_be_bytes());
        base[40] = self.sender_ttl;
        Ok(())
    }

    /// How long the reflector held the probe (T3 − T2); `None` when its clock went backwards.
    #[must_use]
    pub fn residence(&self) -> Option<Duration> {
        self.sent.since(self.received, self.error.format())
    }

    fn read(base: &[u8; OPEN_LEN]) -> Self {
        Self {
            seq: u32::from_be_bytes(at(base, 0)),
            sent: Timestamp(u64::from_be_bytes(at(base, 4))),
            error: ErrorEstimate(u16::from_be_bytes(at(base, 12))),
            ssid: u16::from_be_bytes(at(base, 14)),
            received: Timestamp(u64::from_be_bytes(at(base, 16))),
            sender_seq: u32::from_be_bytes(at(base, 24)),
            sender_sent: Timestamp(u64::from_be_bytes(at(base, 28))),
            sender_error: ErrorEstimate(u16::from_be_bytes(at(base, 36))),
            sender_ttl: base[40],
        }
    }
}

/// A datagram read as STAMP.
///
/// The two directions carry no mark; they differ in bytes 16–43, which a sender must leave zero and
/// a reflector fills. A reflector that answers only [`Packet::Sender`] therefore never answers
/// another reflector, and a sender can tell a reflector from a plain echo server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A probe, or a probe that an echo server sent back as it was.
    Sender(SenderPacket),
    /// A reflector's answer.
    Reflector(ReflectorPacket),
}

impl Packet {
    /// Reads the first [`OPEN_LEN`] bytes. Any such bytes are a packet: whether it is one of the
    /// caller's own is for the caller to check (session id, number, T1).
    ///
    /// # Errors
    /// [`TooShort`] when there are fewer.
    pub fn decode(datagram: &[u8]) -> Result<Self, TooShort> {
        let base = datagram.first_chunk().ok_or(TooShort { len: datagram.len() })?;
        if base[16..].iter().all(|byte| *byte == 0) {
            Ok(Self::Sender(SenderPacket::read(base)))
        } else {
            Ok(Self::Reflector(ReflectorPacket::read(base)))
        }
    }

    /// Reads a datagram that may as well be something else, as a server must that also echoes what
    /// is no probe: `None` unless every byte that must be zero is, every error estimate is valid and
    /// no answer was sent before its probe came.
    #[must_use]
    pub fn recognise(datagram: &[u8]) -> Option<Self> {
        let packet = Self::decode(datagram).ok()?;
        let is_sound = match &packet {
            Self::Sender(probe) => probe.error.is_valid(),
            Self::Reflector(answer) => {
                let ssid = answer.ssid.to_be_bytes();
                let is_padded = datagram[41..OPEN_LEN] == [0; 3]
                    && [[0; 2], ssid].contains(&[datagram[38], datagram[39]]);
                let is_dated = answer.residence().is_some();
                is_padded && is_dated && answer.error.is_valid() && answer.sender_error.is_valid()
            }
        };
        is_sound.then_some(packet)
    }
}

fn base_mut(out: &mut [u8]) -> Result<&mut [u8; OPEN_LEN], TooShort> {
    let len = out.len();
    out.first_chunk_mut().ok_or(TooShort { len })
}

fn put<const N: usize>(base: &mut [u8], offset: usize, bytes: [u8; N]) {
    base[offset..offset + N].copy_from_slice(&bytes);
}

fn at<const N: usize>(base: &[u8], offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&base[offset..offset + N]);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROBE: SenderPacket = SenderPacket {
        seq: 0x0102_0304,
        sent: Timestamp(0x1112_1314_1516_1718),
        error: ErrorEstimate(0x2122),
        ssid: 0x3132,
    };

    #[test]
    fn sender_fields_stand_where_rfc_8762_figure_2_has_them() {
        let mut bytes = [0xff; OPEN_LEN];
        PROBE.encode(&mut bytes).unwrap();
        let mut expected = vec![1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18];
        expected.extend([0x21, 0x22, 0x31, 0x32]);
        expected.extend([0; 28]);
        assert_eq!(bytes[..], expected[..]);
    }

    #[test]
    fn reflector_fields_stand_where_rfc_8762_figure_5_has_them() {
        let (t2, t3) = (Timestamp(0x41 << 56 | 0x48), Timestamp(0x51 << 56 | 0x58));
        let mut bytes = [0xff; OPEN_LEN];
        ReflectorPacket::answering(&PROBE, 9, t2, t3, 63).encode(&mut bytes).unwrap();
        let mut expected = vec![0, 0, 0, 9, 0x51, 0, 0, 0, 0, 0, 0, 0x58, 0x20, 1, 0x31, 0x32];
        expected.extend([0x41, 0, 0, 0, 0, 0, 0, 0x48]);
        expected.extend([1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x21, 0x22]);
        expected.extend([0, 0, 63, 0, 0, 0]);
        assert_eq!(bytes[..], expected[..]);
    }

    #[test]
    fn an_echoed_probe_is_told_from_a_reflected_one() {
        let mut bytes = [0; OPEN_LEN];
        PROBE.encode(&mut bytes).unwrap();
        assert_eq!(Packet::decode(&bytes), Ok(Packet::Sender(PROBE)));
        let answer = ReflectorPacket::answering(&PROBE, 1, PROBE.sent, PROBE.sent, 255);
        answer.encode(&mut bytes).unwrap();
        assert_eq!(Packet::decode(&bytes), Ok(Packet::Reflector(answer)));
    }

    #[test]
    fn residence_reads_both_timestamp_formats_and_refuses_a_clock_gone_back() {
        let answer = |error, received, sent| ReflectorPacket {
            error,
            ..ReflectorPacket::answering(&PROBE, 0, received, sent, 1)
        };
        let ntp = |nanos| Timestamp::from_unix(Duration::from_nanos(nanos));
        let ptp = |seconds: u64, nanos: u64| Timestamp(seconds << 32 | nanos);
        let cases = [
            (ErrorEstimate(1), ntp(5), ntp(1_250), Some(1_245)),
            (ErrorEstimate(1), ntp(1_250), ntp(5), None),
            (ErrorEstimate(0x4001), ptp(7, 999_999_999), ptp(8, 1), Some(2)),
            (ErrorEstimate(0x4001), ptp(8, 1), ptp(7, 999_999_999), None),
        ];
        for (error, received, sent, nanos) in cases {
            let expected = nanos.map(Duration::from_nanos);
            assert_eq!(answer(error, received, sent).residence(), expected);
        }
    }

    #[test]
    fn ntp_differences_cross_the_era_of_2036() {
        let before = Duration::from_secs(2_085_978_495);
        let after = before + Duration::from_millis(1_500);
        let (before, after) = (Timestamp::from_unix(before), Timestamp::from_unix(after));
        assert!(after.0 < before.0);
        assert_eq!(after.since(before, TimestampFormat::Ntp), Some(Duration::from_millis(1_500)));
    }

    #[test]
    fn only_what_can_be_a_packet_is_recognised() {
        let mut probe = [0; OPEN_LEN];
        PROBE.encode(&mut probe).unwrap();
        let mut answer = [0; OPEN_LEN];
        let reflector = ReflectorPacket::answering(&PROBE, 1, PROBE.sent, PROBE.sent, 255);
        reflector.encode(&mut answer).unwrap();
        let changed = |mut bytes: [u8; OPEN_LEN], index: usize, byte| {
            bytes[index] = byte;
            bytes
        };
        assert_eq!(Packet::recognise(&probe), Some(Packet::Sender(PROBE)));
        assert_eq!(Packet::recognise(&answer), Some(Packet::Reflector(reflector)));
        // Reflectors in the field put the session id where zeros should be.
        let copied_ssid = changed(changed(answer, 38, 0x31), 39, 0x32);
        assert!(matches!(Packet::recognise(&copied_ssid), Some(Packet::Reflector(_))));
        let neither = [
            [0; OPEN_LEN],
            [b'a'; OPEN_LEN],
            changed(probe, 13, 0),
            changed(answer, 13, 0),
            changed(answer, 37, 0),
            changed(answer, 38, 1),
            changed(answer, 43, 1),
            // Sent before it was received.
            changed(answer, 4, 0),
        ];
        for bytes in neither {
            assert_eq!(Packet::recognise(&bytes), None, "{bytes:?}");
        }
        assert_eq!(Packet::recognise(&probe[1..]), None);
    }

    #[test]
    fn a_timestamp_reads_as_time_from_a_moment_in_either_format() {
        let from = Duration::from_secs(1_800_000_000);
        let later = Timestamp::from_unix(from + Duration::from_nanos(1_500));
        let ptp = |seconds: u64, nanos: u64| Timestamp(seconds << 32 | nanos);
        let cases = [
            (later, TimestampFormat::Ntp, 1_500),
            (Timestamp::from_unix(from - Duration::from_micros(3)), TimestampFormat::Ntp, -3_000),
            (ptp(1_800_000_001, 5), TimestampFormat::Ptp, 1_000_000_005),
            (ptp(1_799_999_999, 0), TimestampFormat::Ptp, -1_000_000_000),
        ];
        for (stamp, format, expected) in cases {
            assert_eq!(stamp.nanos_since(from, format), expected);
        }
    }

    proptest! {
        #[test]
        fn any_datagram_decodes_or_is_too_short(datagram in prop::collection::vec(any::<u8>(), 0..96)) {
            let decoded = Packet::decode(&datagram);
            prop_assert_eq!(decoded.is_err(), datagram.len() < OPEN_LEN);
        }

        #[test]
        fn whole_nanoseconds_survive_the_wire(start_ns in 0..u64::MAX / 4, delta_ns in 0..1_u64 << 60) {
            let start = Duration::from_nanos(start_ns);
            let delta = Duration::from_nanos(delta_ns);
            let (t2, t3) = (Timestamp::from_unix(start), Timestamp::from_unix(start + delta));
            let error_ns = t3.since(t2, TimestampFormat::Ntp).unwrap().abs_diff(delta).as_nanos();
            prop_assert!(error_ns <= 1);
        }
    }
}
