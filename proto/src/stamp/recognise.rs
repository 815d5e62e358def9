//! What a datagram is, to a server that answers probes and echoes everything else.
//!
//! Nothing marks a probe. In this order, a datagram is:
//!
//! 1. an authenticated probe ([`Datagram::Sealed`]): 112 bytes or more, every byte that must be zero
//!    is (RFC 8762 §4.2.2), and it has a time;
//! 2. an answer: by what must be zero in one of either form, its error estimates, and a time of
//!    sending that is not before that of receipt;
//! 3. a probe ([`Datagram::Open`]): 44 bytes or more, every byte that must be zero is (§4.2.1);
//! 4. a probe of a TWAMP-Light sender ([`Datagram::Light`]): 14 bytes or more that are not text, whatever
//!    follows them, with a time that is within a day of the server's own (§4.6);
//! 5. something else.
//!
//! An answer is never answered, not even echoed: two servers would do so for ever.

use std::time::Duration;

use super::{
    ANSWER_LEN_MIN, ErrorEstimate, LIGHT_LEN, OPEN_LEN, SEALED_LEN, SenderPacket, Timestamp, at,
    layout,
};

/// How far the clock of a TWAMP-Light sender may be from the server's own. Any other payload reads
/// as such a time once in 25,000.
pub const LIGHT_CLOCK_MAX: Duration = Duration::from_secs(86_400);
/// Longest time that an answer may have been held for it to be taken for one though what should be
/// zero is padding (RFC 5357 §4.2.1).
const RESIDENCE_MAX: Duration = Duration::from_secs(86_400);

/// A datagram that belongs to a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram {
    /// A STAMP probe without authentication.
    Open(SenderPacket),
    /// A STAMP probe with authentication, which nobody has verified yet.
    Sealed(SenderPacket),
    /// A TWAMP-Light sender's probe; it has no session id.
    Light(SenderPacket),
    /// A reflector's answer.
    Answer,
}

/// What `datagram` is to a server whose clock reads `now` since the Unix epoch; `None` where it is
/// no part of a measurement.
#[must_use]
pub fn recognise(datagram: &[u8], now: Duration) -> Option<Datagram> {
    if let Some(probe) = sealed_probe(datagram) {
        return Some(Datagram::Sealed(probe));
    }
    if is_sealed_answer(datagram) || is_open_answer(datagram) {
        return Some(Datagram::Answer);
    }
    open_probe(datagram)
        .map(Datagram::Open)
        .or_else(|| light_probe(datagram, now).map(Datagram::Light))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn open_probe(datagram: &[u8]) -> Option<SenderPacket> {
    let base: &[u8; OPEN_LEN] = datagram.first_chunk()?;
    let probe = layout::read_probe(base);
    (probe.error.is_valid() && is_zero(&base[16..])).then_some(probe)
}

fn light_probe(datagram: &[u8], now: Duration) -> Option<SenderPacket> {
    let head: &[u8; LIGHT_LEN] = datagram.first_chunk()?;
    let mut base = [0; OPEN_LEN];
    base[..LIGHT_LEN].copy_from_slice(head);
    let probe = layout::read_probe(&base);
    let off_ns = probe.sent.nanos_since(now, probe.error.format()).unsigned_abs();
    let is_near = u128::from(off_ns) <= LIGHT_CLOCK_MAX.as_nanos();
    // In the format of PTP, some letters are a time of our days; no number of a probe is made of letters.
    let is_text = head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    (probe.error.is_valid() && is_near && !is_text).then_some(probe)
}

fn is_open_answer(datagram: &[u8]) -> bool {
    let len = datagram.len();
    if len < ANSWER_LEN_MIN {
        return false;
    }
    let mut base = [0; OPEN_LEN];
    let there = len.min(OPEN_LEN);
    base[..there].copy_from_slice(&datagram[..there]);
    let answer = layout::read_answer(&base);
    let ssid = answer.ssid.to_be_bytes();
    // Reflectors in the field put the session id where zeros should be.
    let is_stamp =
        len >= OPEN_LEN && is_zero(&base[41..]) && [[0; 2], ssid].contains(&at(&base, 38));
    // TWAMP-Light's have no session id, and padding from byte 41 on (RFC 5357 §4.2.1).
    let is_light = answer.ssid == 0 && is_zero(&base[38..40]);
    let has_times = !is_zero(&base[16..]);
    let is_dated = answer
        .residence()
        .is_some_and(|residence| is_stamp || (is_light && residence <= RESIDENCE_MAX));
    has_times && is_dated && answer.error.is_valid() && answer.sender_error.is_valid()
}

fn sealed_probe(datagram: &[u8]) -> Option<SenderPacket> {
    let base: &[u8; SEALED_LEN] = datagram.first_chunk()?;
    let probe = layout::read_probe(base);
    let is_blank = is_zero(&base[4..16]) && is_zero(&base[28..96]);
    let is_dated = probe.sent != Timestamp::default() && probe.error.is_valid();
    (is_blank && is_dated).then_some(probe)
}

fn is_sealed_answer(datagram: &[u8]) -> bool {
    let Some(base) = datagram.first_chunk::<SEALED_LEN>() else { return false };
    let answer = layout::read_answer(base);
    let ssid = answer.ssid.to_be_bytes();
    let blanks = [4..16, 28..32, 40..48, 52..64, 76..80, 81..96];
    let is_blank = blanks.into_iter().all(|range| is_zero(&base[range]))
        && [[0; 2], ssid].contains(&at(base, 74));
    let estimates: [ErrorEstimate; 2] = [answer.error, answer.sender_error];
    is_blank
        && answer.received != Timestamp::default()
        && answer.residence().is_some()
        && estimates.into_iter().all(ErrorEstimate::is_valid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stamp::{Key, ReflectorPacket, sealed};

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn probe(sent: Duration) -> SenderPacket {
        let error = ErrorEstimate::UNSYNCHRONISED;
        SenderPacket { seq: 7, sent: Timestamp::from_unix(sent), error, ssid: 0x3132 }
    }

    fn open(sent: Duration) -> [u8; OPEN_LEN] {
        let mut bytes = [0; OPEN_LEN];
        probe(sent).encode(&mut bytes).unwrap();
        bytes
    }

    fn answer(ssid: u16) -> ReflectorPacket {
        let (t2, t3) = (NOW, NOW + Duration::from_micros(9));
        let probe = SenderPacket { ssid, ..probe(NOW) };
        ReflectorPacket::answering(&probe, 3, Timestamp::from_unix(t2), Timestamp::from_unix(t3), 9)
    }

    fn changed<const N: usize>(mut bytes: [u8; N], index: usize, byte: u8) -> [u8; N] {
        bytes[index] = byte;
        bytes
    }

    #[test]
    fn a_probe_is_what_has_zeros_where_they_must_be_whenever_it_was_sent() {
        let long_ago = Duration::from_secs(9);
        let sent = open(long_ago);
        assert_eq!(recognise(&sent, NOW), Some(Datagram::Open(probe(long_ago))));
        for bytes in [changed(sent, 13, 0), changed(sent, 43, 1), [0; OPEN_LEN], [b'a'; OPEN_LEN]] {
            assert_eq!(recognise(&bytes, NOW), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_twamp_light_probe_is_known_by_its_time_alone() {
        let light = |sent| SenderPacket { ssid: 0, ..probe(sent) };
        for (offset, is_near) in [(0, true), (86_399, true), (86_402, false)] {
            for sent in [NOW + Duration::from_secs(offset), NOW - Duration::from_secs(offset)] {
                let expected = is_near.then_some(Datagram::Light(light(sent)));
                assert_eq!(recognise(&open(sent)[..LIGHT_LEN], NOW), expected);
                // Padding may be anything.
                assert_eq!(recognise(&changed(open(sent), 30, 0x5a), NOW), expected);
            }
        }
        assert_eq!(recognise(&open(NOW)[..LIGHT_LEN - 1], NOW), None);
        assert_eq!(recognise(&changed(open(NOW), 13, 0)[..LIGHT_LEN], NOW), None);
    }

    #[test]
    fn an_answer_of_any_maker_is_one() {
        let mut bytes = [0; OPEN_LEN];
        answer(0).encode(&mut bytes).unwrap();
        for len in [ANSWER_LEN_MIN, 41, OPEN_LEN] {
            assert_eq!(recognise(&bytes[..len], NOW), Some(Datagram::Answer), "{len}");
        }
        answer(0x3132).encode(&mut bytes).unwrap();
        assert_eq!(recognise(&bytes, NOW), Some(Datagram::Answer));
        let copied_ssid = changed(changed(bytes, 38, 0x31), 39, 0x32);
        assert_eq!(recognise(&copied_ssid, NOW), Some(Datagram::Answer));
        // Padding of a TWAMP-Light sender that was sent back.
        answer(0).encode(&mut bytes).unwrap();
        let padded = changed(bytes, 43, 0x77);
        assert_eq!(recognise(&padded, NOW), Some(Datagram::Answer));
        // By the clock of a reflector that is years off.
        assert_eq!(recognise(&padded, Duration::from_secs(5)), Some(Datagram::Answer));
    }

    #[test]
    fn what_could_be_an_answer_but_for_a_field_is_none() {
        let later = NOW + LIGHT_CLOCK_MAX * 3;
        let mut bytes = [0; OPEN_LEN];
        answer(0x3132).encode(&mut bytes).unwrap();
        let neither = [
            changed(bytes, 13, 0),
            changed(bytes, 37, 0),
            changed(bytes, 38, 1),
            // Sent before it was received.
            changed(bytes, 5, 0),
        ];
        for bytes in neither {
            assert_eq!(recognise(&bytes, later), None, "{bytes:?}");
        }
    }

    #[test]
    fn authenticated_packets_are_told_from_all_others() {
        let key = Key::new(&[7; 32]).unwrap();
        let mut sent = [0; SEALED_LEN];
        sealed::encode_probe(&probe(NOW), &mut sent, &key).unwrap();
        assert_eq!(recognise(&sent, NOW), Some(Datagram::Sealed(probe(NOW))));
        let mut answered = [0; SEALED_LEN];
        sealed::encode_answer(&answer(0x3132), &mut answered, &key).unwrap();
        assert_eq!(recognise(&answered, NOW), Some(Datagram::Answer));
        for index in [4, 27 + 1, 95] {
            assert_eq!(recognise(&changed(sent, index, 1), NOW), None, "{index}");
        }
        assert_eq!(recognise(&sent[..SEALED_LEN - 1], NOW), None);
    }

    #[test]
    fn text_that_reads_as_a_time_of_ptp_is_echoed() {
        assert_eq!(recognise(b"\rAA\rkIa\r0\rAAA\t", NOW), None);
    }

    proptest! {
        #[test]
        fn text_is_echoed_whatever_it_says(text in "[ -~\r\n\t]{0,200}") {
            prop_assert_eq!(recognise(text.as_bytes(), NOW), None);
        }

        #[test]
        fn whatever_answers_a_probe_is_never_answered(
            padding in prop::collection::vec(any::<u8>(), 0..80), ssid in any::<u16>(), held_ns in 0..9_u64,
        ) {
            let mut reply = vec![0; OPEN_LEN + padding.len()];
            let sent = Timestamp::from_unix(NOW + Duration::from_nanos(held_ns));
            let answer = ReflectorPacket { sent, received: Timestamp::from_unix(NOW), ..answer(ssid) };
            answer.encode(&mut reply).unwrap();
            reply[OPEN_LEN..].copy_from_slice(&padding);
            prop_assert_eq!(recognise(&reply, NOW), Some(Datagram::Answer));
        }
    }
}
