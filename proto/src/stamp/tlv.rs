//! What follows the base packet: type-length-value extensions (RFC 8972 §4), as a sender writes them
//! and as a reflector marks them.
//!
//! A sender asks for Follow-Up Telemetry, which only a reflector that counts what reaches it can
//! fill in: that tells a count from a copy of the sender's own number. In an authenticated session
//! an HMAC TLV guards it (§4.8). The rest is padding.

use super::keys::DIGEST_LEN;
use super::{Key, Timestamp, at, put};

/// Bytes of a TLV header: flags, type, length (RFC 8972 §4).
const HEADER_LEN: usize = 4;
/// Unrecognised: a sender sets it, a reflector clears it in what it understands (RFC 8972 §4).
const UNRECOGNISED: u8 = 0x80;
/// Malformed: set by a reflector (RFC 8972 §4).
const MALFORMED: u8 = 0x40;
/// Integrity: set by a reflector in every TLV where their HMAC is wrong (RFC 8972 §4 and §4.8).
const TAMPERED: u8 = 0x20;
/// Never a type of a TLV: without a flag, what is left is padding that has no header, as TWAMP-Light's
/// senders have it.
const RESERVED: u8 = 0;
/// Type of Extra Padding (RFC 8972 §4.1).
const EXTRA_PADDING: u8 = 1;
/// Type of Timestamp Information (RFC 8972 §4.3).
const TIMESTAMP_INFORMATION: u8 = 3;
/// Type of Follow-Up Telemetry (RFC 8972 §4.7).
const FOLLOW_UP: u8 = 7;
/// Type of the HMAC of all TLVs before it (RFC 8972 §4.8).
const HMAC: u8 = 8;
/// Bytes of the value of Follow-Up Telemetry: number, timestamp, timestamping method, three reserved.
const FOLLOW_UP_LEN: usize = 16;
/// Bytes of its number and timestamp.
const FOLLOW_UP_FIELDS_LEN: usize = 12;
/// Synchronisation source "local, free-running" (RFC 8972 §4.3).
const FREE_RUNNING: u8 = 5;
/// Timestamping method "software, local" (RFC 8972 §4.3).
const SOFTWARE: u8 = 2;
/// The value of Timestamp Information: source and method of T2, then those of T3.
const HOW_STAMPED: [u8; 4] = [FREE_RUNNING, SOFTWARE, FREE_RUNNING, SOFTWARE];

/// What a stateful reflector says of its answer before this one (RFC 8972 §4.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowUp {
    /// The reflector's number of that answer.
    pub seq: u32,
    /// When it was sent; zero where there is none before this one.
    pub sent: Timestamp,
}

/// Fills what follows a sender's open base packet: an empty Follow-Up Telemetry where it fits, then
/// one Extra Padding. Fewer bytes than a header are left zero. Returns the padding, which is zero.
pub fn request(after_base: &mut [u8]) -> &mut [u8] {
    request_all(after_base, &[(FOLLOW_UP, FOLLOW_UP_LEN)])
}

/// The same behind an authenticated base packet: Follow-Up Telemetry, the HMAC that it needs, which
/// [`seal`] fills in for each packet, and padding, which needs none where it is alone.
pub fn request_sealed(after_base: &mut [u8]) -> &mut [u8] {
    request_all(after_base, &[(FOLLOW_UP, FOLLOW_UP_LEN), (HMAC, DIGEST_LEN)])
}

/// Writes the digest of the sequence number and of all TLVs before it into the HMAC TLV, if there is
/// one.
pub fn seal(seq: u32, after_base: &mut [u8], key: &Key) {
    let mut from = 0;
    while let Some(tlv) = Tlv::read(after_base, from).filter(|tlv| tlv.is_whole) {
        if tlv.kind == HMAC && tlv.len() == DIGEST_LEN {
            let digest = key.digest(&[&seq.to_be_bytes(), &after_base[..tlv.at]]);
            put(after_base, tlv.at + HEADER_LEN, &digest);
            return;
        }
        from = tlv.end;
    }
}

/// Makes a sender's TLVs a stateful reflector's: each is kept with its length, marked as understood
/// or not; `previous` is the answer before this one. What is past a malformed TLV, be it only of a
/// length that its type cannot have, is left as it is (RFC 8972 §4).
pub fn reflect(after_base: &mut [u8], previous: FollowUp) {
    mark(after_base, previous, false);
}

/// The same in an authenticated session, of the probe `probe_seq` that is answered as `seq`. Where the
/// TLVs are not what their HMAC says, they come back as they were, marked as tampered with.
pub fn reflect_sealed(
    after_base: &mut [u8],
    previous: FollowUp,
    (probe_seq, seq): (u32, u32),
    key: &Key,
) {
    if is_intact(probe_seq, after_base, key) {
        mark(after_base, previous, true);
        seal(seq, after_base, key);
        return;
    }
    let mut from = 0;
    while let Some(tlv) = Tlv::read(after_base, from) {
        let malformed = if tlv.is_whole { 0 } else { MALFORMED };
        let is_known = matches!(tlv.kind, EXTRA_PADDING | TIMESTAMP_INFORMATION | FOLLOW_UP | HMAC);
        let unrecognised = if is_known { 0 } else { UNRECOGNISED };
        after_base[tlv.at] = TAMPERED | malformed | unrecognised;
        from = tlv.end;
    }
}

/// Whether the TLVs of packet `seq` are what their HMAC says (RFC 8972 §4.8): it follows all but
/// padding, and only a padding that is alone needs none. A padding that is malformed is not the HMAC's
/// business.
#[must_use]
pub fn is_intact(seq: u32, after_base: &[u8], key: &Key) -> bool {
    let (mut from, mut count, mut others) = (0, 0, 0);
    let mut verified = None;
    while let Some(tlv) = Tlv::read(after_base, from) {
        count += 1;
        others += usize::from(tlv.kind != EXTRA_PADDING);
        if verified.is_some() && tlv.kind != EXTRA_PADDING {
            return false;
        }
        if tlv.kind == HMAC && tlv.is_whole {
            let digest = after_base[tlv.at + HEADER_LEN..tlv.end].first_chunk();
            let is_right =
                |digest| key.verifies(&[&seq.to_be_bytes(), &after_base[..tlv.at]], digest);
            verified = Some(tlv.len() == DIGEST_LEN && digest.is_some_and(is_right));
        }
        from = tlv.end;
    }
    verified.unwrap_or(others == 0 && count <= 1)
}

/// The Follow-Up Telemetry of an answer; `None` where the reflector did not fill one in. What it did
/// not understand is passed over; what it found malformed ends the list, and what it found tampered
/// with voids it (RFC 8972 §4).
#[must_use]
pub fn follow_up(after_base: &[u8]) -> Option<FollowUp> {
    let (mut from, mut found) = (0, None);
    while let Some(tlv) = Tlv::read(after_base, from).filter(|tlv| tlv.is_whole) {
        let flags = after_base[tlv.at];
        if flags & TAMPERED != 0 {
            return None;
        }
        if flags & MALFORMED != 0 {
            break;
        }
        if tlv.kind == FOLLOW_UP && tlv.len() == FOLLOW_UP_LEN && flags & UNRECOGNISED == 0 {
            let value = &after_base[tlv.at + HEADER_LEN..tlv.end];
            let seq = u32::from_be_bytes(at(value, 0));
            let sent = Timestamp(u64::from_be_bytes(at(value, 4)));
            found = found.or(Some(FollowUp { seq, sent }));
        }
        from = tlv.end;
    }
    found
}

/// Where a TLV lies.
#[derive(Clone, Copy)]
struct Tlv {
    at: usize,
    kind: u8,
    /// Where it ends; past the datagram if that is too short for it.
    end: usize,
    is_whole: bool,
}

impl Tlv {
    /// The TLV that begins at `from`; `None` where nothing but padding does.
    fn read(bytes: &[u8], from: usize) -> Option<Self> {
        let header: [u8; HEADER_LEN] = *bytes.get(from..)?.first_chunk()?;
        let [flags, kind, ..] = header;
        let end = from + HEADER_LEN + usize::from(u16::from_be_bytes(at(&header, 2)));
        let is_whole = end <= bytes.len();
        let is_padding = kind == RESERVED && flags == 0;
        (!is_padding).then_some(Self { at: from, kind, end, is_whole })
    }

    /// Bytes of its value.
    fn len(&self) -> usize {
        self.end - self.at - HEADER_LEN
    }
}

/// Writes empty TLVs of these types and lengths if all of them fit, then one Extra Padding; returns its value.
fn request_all<'b>(after_base: &'b mut [u8], asked: &[(u8, usize)]) -> &'b mut [u8] {
    after_base.fill(0);
    let needed: usize = asked.iter().map(|(_, len)| HEADER_LEN + len).sum();
    let mut from = 0;
    if needed <= after_base.len() {
        for (kind, len) in asked {
            from = write_header(after_base, from, *kind, *len) + len;
        }
    }
    match (after_base.len() - from).checked_sub(HEADER_LEN) {
        Some(len) => {
            let value_at = write_header(after_base, from, EXTRA_PADDING, len);
            &mut after_base[value_at..]
        }
        None => &mut [],
    }
}

/// Returns where the value begins.
fn write_header(bytes: &mut [u8], from: usize, kind: u8, len: usize) -> usize {
    bytes[from] = UNRECOGNISED;
    bytes[from + 1] = kind;
    put(bytes, from + 2, &u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    from + HEADER_LEN
}

fn mark(after_base: &mut [u8], previous: FollowUp, is_sealed: bool) {
    let mut from = 0;
    while let Some(tlv) = Tlv::read(after_base, from) {
        let end = tlv.end.min(after_base.len());
        let value = &mut after_base[tlv.at + HEADER_LEN..end];
        let flags = answer(value, tlv, previous, is_sealed);
        after_base[tlv.at] = flags;
        if flags == MALFORMED {
            return;
        }
        from = tlv.end;
    }
}

/// Fills in the value of a TLV, or what there is of it; returns its flags.
fn answer(value: &mut [u8], tlv: Tlv, previous: FollowUp, is_sealed: bool) -> u8 {
    match (tlv.kind, tlv.is_whole.then_some(value.len())) {
        (EXTRA_PADDING, Some(_)) => 0,
        (FOLLOW_UP, Some(FOLLOW_UP_LEN)) => {
            fill(value, previous);
            0
        }
        (TIMESTAMP_INFORMATION, Some(len)) if len == HOW_STAMPED.len() => {
            value.copy_from_slice(&HOW_STAMPED);
            0
        }
        (HMAC, Some(DIGEST_LEN)) if is_sealed => 0,
        (FOLLOW_UP, _) => {
            // RFC 8972 §4.7: number and timestamp are zero where the length is not valid.
            value.iter_mut().take(FOLLOW_UP_FIELDS_LEN).for_each(|byte| *byte = 0);
            MALFORMED
        }
        (TIMESTAMP_INFORMATION, _) | (_, None) => MALFORMED,
        _ => UNRECOGNISED,
    }
}

fn fill(value: &mut [u8], previous: FollowUp) {
    value.fill(0);
    put(value, 0, &previous.seq.to_be_bytes());
    put(value, 4, &previous.sent.0.to_be_bytes());
    value[12] = if previous.sent == Timestamp::default() { 0 } else { SOFTWARE };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PREVIOUS: FollowUp = FollowUp { seq: 0x0102_0304, sent: Timestamp(0x11 << 56 | 0x18) };

    fn key() -> Key {
        Key::new(&[9; 32]).unwrap()
    }

    fn requested(len: usize) -> Vec<u8> {
        let mut bytes = vec![0xff; len];
        request(&mut bytes);
        bytes
    }

    /// What follows the authenticated probe 5.
    fn sealed(len: usize) -> Vec<u8> {
        let mut bytes = vec![0xff; len];
        request_sealed(&mut bytes);
        seal(5, &mut bytes, &key());
        bytes
    }

    fn reflected(mut bytes: Vec<u8>) -> Vec<u8> {
        reflect(&mut bytes, PREVIOUS);
        bytes
    }

    fn reflected_sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        reflect_sealed(&mut bytes, PREVIOUS, (5, 3), &key());
        bytes
    }

    #[test]
    fn a_request_is_telemetry_then_padding_as_far_as_there_is_room() {
        assert_eq!(requested(3), [0, 0, 0]);
        assert_eq!(requested(6), [0x80, 1, 0, 2, 0, 0]);
        let mut expected = vec![0x80, 7, 0, 16];
        expected.extend([0; 16]);
        assert_eq!(requested(20), expected);
        expected.extend([0x80, 1, 0, 1, 0]);
        assert_eq!(requested(25), expected);
    }

    #[test]
    fn a_reflector_clears_the_flag_of_what_it_understands_and_tells_of_its_last_answer() {
        let mut expected = vec![0, 7, 0, 16, 1, 2, 3, 4, 0x11, 0, 0, 0, 0, 0, 0, 0x18, 2, 0, 0, 0];
        expected.extend([0, 1, 0, 1, 0]);
        assert_eq!(reflected(requested(25)), expected);
        assert_eq!(follow_up(&expected), Some(PREVIOUS));
        assert_eq!(follow_up(&requested(25)), None, "an echo understood nothing");
    }

    #[test]
    fn tlvs_that_are_not_understood_come_back_marked() {
        let cases: [(&[u8], &[u8]); 12] = [
            // Unknown, and one after it.
            (&[0, 9, 0, 1, 5, 0x80, 1, 0, 0], &[0x80, 9, 0, 1, 5, 0, 1, 0, 0]),
            // Longer than the datagram.
            (&[0x80, 9, 0, 2, 5], &[0x40, 9, 0, 2, 5]),
            (&[0x80, 1, 0xff, 0xff], &[0x40, 1, 0xff, 0xff]),
            // A length that its type cannot have: what follows comes back as it was.
            (&[0x80, 7, 0, 1, 5, 0x80, 1, 0, 0], &[0x40, 7, 0, 1, 0, 0x80, 1, 0, 0]),
            (&[0x80, 7, 0, 16, 5, 5], &[0x40, 7, 0, 16, 0, 0]),
            (&[0x80, 3, 0, 1, 5, 0x80, 9, 0, 0], &[0x40, 3, 0, 1, 5, 0x80, 9, 0, 0]),
            // No HMAC counts without authentication.
            (&[0x80, 8, 0, 1, 5, 0x80, 1, 0, 0], &[0x80, 8, 0, 1, 5, 0, 1, 0, 0]),
            // A type that is none, and one after it.
            (&[0x80, 0, 0, 1, 5, 0x80, 1, 0, 0], &[0x80, 0, 0, 1, 5, 0, 1, 0, 0]),
            // What only a reflector or nobody may set is cleared.
            (&[0xff, 1, 0, 1, 5], &[0, 1, 0, 1, 5]),
            (&[0x80, 3, 0, 4, 0, 0, 0, 0], &[0, 3, 0, 4, 5, 2, 5, 2]),
            // No TLVs at all: padding.
            (&[0, 0, 0, 9, 5], &[0, 0, 0, 9, 5]),
            (&[0x80, 1, 0], &[0x80, 1, 0]),
        ];
        for (sent, expected) in cases {
            assert_eq!(reflected(sent.to_vec()), expected, "{sent:?}");
        }
    }

    #[test]
    fn a_sender_passes_over_what_was_not_understood_and_believes_nothing_that_was_tampered_with() {
        let told = reflected(requested(25));
        let after = |flags: u8| [&[flags, 9, 0, 1, 5][..], &told].concat();
        assert_eq!(follow_up(&after(UNRECOGNISED)), Some(PREVIOUS));
        assert_eq!(follow_up(&after(MALFORMED)), None);
        let before = |flags: u8| [&told[..], &[flags, 9, 0, 1, 5]].concat();
        assert_eq!(follow_up(&before(MALFORMED)), Some(PREVIOUS));
        assert_eq!(follow_up(&before(TAMPERED)), None);
    }

    #[test]
    fn an_hmac_stands_after_the_telemetry_and_is_of_both_ends_numbers() {
        let probe = sealed(60);
        assert_eq!(probe[20..24], [0x80, 8, 0, 16]);
        assert_eq!(probe[40..44], [0x80, 1, 0, 16]);
        assert!(is_intact(5, &probe, &key()) && !is_intact(6, &probe, &key()));
        let answer = reflected_sealed(probe);
        assert!(is_intact(3, &answer, &key()) && !is_intact(5, &answer, &key()));
        assert_eq!([answer[0], answer[20], answer[40]], [0; 3]);
        assert_eq!(follow_up(&answer), Some(PREVIOUS));
        // Where both do not fit there is padding alone, which needs no HMAC.
        assert_eq!(sealed(39)[..4], [0x80, 1, 0, 35]);
        assert!(is_intact(5, &sealed(39), &key()) && is_intact(5, &[], &key()));
    }

    #[test]
    fn tlvs_that_were_changed_or_moved_come_back_as_they_were_with_the_mark_on_each() {
        let probe = sealed(60);
        let padding = [0x80, 1, 0, 0];
        let changed = |index: usize| {
            let mut bytes = probe.clone();
            bytes[index] ^= 1;
            bytes
        };
        let moved = [&probe[20..40], &probe[..20], &probe[40..]].concat();
        let without = [&probe[..20], &probe[40..]].concat();
        let twice = [padding, padding].concat();
        for bytes in [changed(7), changed(39), moved, without, twice] {
            let answer = reflected_sealed(bytes.clone());
            let mut from = 0;
            while let Some(tlv) = Tlv::read(&answer, from) {
                assert_eq!(answer[tlv.at], TAMPERED, "{bytes:?}");
                assert_eq!(answer[tlv.at + 1..tlv.end], bytes[tlv.at + 1..tlv.end]);
                from = tlv.end;
            }
            assert_eq!(follow_up(&answer), None);
        }
        // Padding may come after the HMAC, and is not under it.
        assert!(is_intact(5, &changed(50), &key()));
        let unknown = [&[0x80, 9, 0, 0][..], &probe].concat();
        assert_eq!(reflected_sealed(unknown)[0], TAMPERED | UNRECOGNISED);
    }

    #[test]
    fn padding_that_is_cut_off_is_malformed_and_no_sign_of_tampering() {
        let mut probe = sealed(60);
        probe[43] = 17;
        let answer = reflected_sealed(probe);
        assert_eq!([answer[0], answer[20], answer[40]], [0, 0, MALFORMED]);
        assert!(is_intact(3, &answer, &key()));
        assert_eq!(follow_up(&answer), Some(PREVIOUS));
        assert_eq!(reflected_sealed(vec![0x80, 1, 0, 9]), [MALFORMED, 1, 0, 9]);
        // Of what needs an HMAC and has none that is whole, nothing is believed.
        let mut probe = sealed(40);
        probe[23] = 17;
        assert_eq!(reflected_sealed(probe)[20], TAMPERED | MALFORMED);
    }

    proptest! {
        #[test]
        fn whatever_follows_the_packet_keeps_its_length(
            bytes in prop::collection::vec(
                prop_oneof![Just(0), Just(1), Just(7), Just(8), any::<u8>()], 0..64,
            ),
        ) {
            let answer = reflected(bytes.clone());
            prop_assert_eq!(answer.len(), bytes.len());
            prop_assert!(follow_up(&answer).is_none_or(|told| told == PREVIOUS));
            prop_assert_eq!(reflected_sealed(bytes.clone()).len(), bytes.len());
        }
    }
}
