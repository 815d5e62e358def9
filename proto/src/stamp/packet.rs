//! What both ends say of a probe, and the base packet that says it without authentication.

use std::time::Duration;

use super::{ANSWER_LEN_MIN, ErrorEstimate, OPEN_LEN, Timestamp, layout};

/// A datagram or buffer is shorter than the packet that it should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes do not hold a STAMP packet, which takes {needed}")]
pub struct TooShort {
    /// Bytes there were.
    pub len: usize,
    /// Bytes that the packet takes.
    pub needed: usize,
}

/// What a Session-Sender says (RFC 8762 §4.2.1, figure 2).
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
        layout::write_probe(self, base_mut(out)?);
        Ok(())
    }
}

/// What a Session-Reflector says (RFC 8762 §4.3.1, figure 5).
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
        layout::write_answer(self, base_mut(out)?);
        Ok(())
    }

    /// How long the reflector held the probe (T3 − T2); `None` when its clock went backwards.
    #[must_use]
    pub fn residence(&self) -> Option<Duration> {
        self.sent.since(self.received, self.error.format())
    }
}

/// A datagram read as STAMP without authentication.
///
/// The two directions carry no mark; they differ in bytes 16–43, which a sender must leave zero and
/// a reflector fills. By that a sender tells a reflector from a plain echo server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A probe, or a probe that an echo server sent back as it was.
    Sender(SenderPacket),
    /// A reflector's answer.
    Reflector(ReflectorPacket),
}

impl Packet {
    /// Reads the first [`OPEN_LEN`] bytes; what is missing past [`ANSWER_LEN_MIN`] is zero, as
    /// TWAMP-Light's reflectors leave it out. Any such bytes are a packet: whether it is one of the
    /// caller's own is for the caller to check (session id, number, T1).
    ///
    /// # Errors
    /// [`TooShort`] when there are fewer than [`ANSWER_LEN_MIN`].
    pub fn decode(datagram: &[u8]) -> Result<Self, TooShort> {
        let len = datagram.len();
        if len < ANSWER_LEN_MIN {
            return Err(TooShort { len, needed: ANSWER_LEN_MIN });
        }
        let mut base = [0; OPEN_LEN];
        let there = len.min(OPEN_LEN);
        base[..there].copy_from_slice(&datagram[..there]);
        if base[16..].iter().all(|byte| *byte == 0) {
            Ok(Self::Sender(layout::read_probe(&base)))
        } else {
            Ok(Self::Reflector(layout::read_answer(&base)))
        }
    }
}

fn base_mut(out: &mut [u8]) -> Result<&mut [u8; OPEN_LEN], TooShort> {
    let len = out.len();
    out.first_chunk_mut().ok_or(TooShort { len, needed: OPEN_LEN })
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
    fn a_twamp_light_reflectors_answer_lacks_what_rfc_8762_added() {
        let answer = ReflectorPacket::answering(&PROBE, 7, PROBE.sent, PROBE.sent, 0);
        let mut bytes = [0; OPEN_LEN];
        answer.encode(&mut bytes).unwrap();
        for len in ANSWER_LEN_MIN..=OPEN_LEN {
            assert_eq!(Packet::decode(&bytes[..len]), Ok(Packet::Reflector(answer)));
        }
    }

    proptest! {
        #[test]
        fn any_datagram_decodes_or_is_too_short(datagram in prop::collection::vec(any::<u8>(), 0..96)) {
            let decoded = Packet::decode(&datagram);
            prop_assert_eq!(decoded.is_err(), datagram.len() < ANSWER_LEN_MIN);
        }
    }
}
