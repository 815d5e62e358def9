//! What follows the base packet: type-length-value extensions (RFC 8972 §4), as a sender writes them
//! and as a reflector marks them.
//!
//! A sender asks for Follow-Up Telemetry, which only a reflector that counts what reaches it can
//! fill in: that tells a count from a copy of the sender's own number. The rest is padding.

use super::{Timestamp, at, put};

/// Bytes of a TLV header: flags, type, length (RFC 8972 §4).
const HEADER_LEN: usize = 4;
/// Unrecognised: a sender sets it, a reflector clears it in what it understands (RFC 8972 §4).
const UNRECOGNISED: u8 = 0x80;
/// Malformed: set by a reflector (RFC 8972 §4).
const MALFORMED: u8 = 0x40;
/// Never a type of a TLV: what is left is padding without a header, as TWAMP-Light's senders have it.
const RESERVED: u8 = 0;
/// Type of Extra Padding (RFC 8972 §4.1).
const EXTRA_PADDING: u8 = 1;
/// Type of Follow-Up Telemetry (RFC 8972 §4.7).
const FOLLOW_UP: u8 = 7;
/// Bytes of the value of Follow-Up Telemetry: number, timestamp, timestamping method, three reserved.
const FOLLOW_UP_LEN: usize = 16;
/// Timestamping method "software, local" (RFC 8972 §4.3).
const SOFTWARE: u8 = 2;

/// What a stateful reflector says of its answer before this one (RFC 8972 §4.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowUp {
    /// The reflector's number of that answer.
    pub seq: u32,
    /// When it was sent; zero where there is none before this one.
    pub sent: Timestamp,
}

/// Fills what follows a sender's base packet: an empty Follow-Up Telemetry where it fits, then one
/// Extra Padding. Fewer bytes than a header are left zero, as is what is past the longest value.
pub fn request(after_base: &mut [u8]) {
    after_base.fill(0);
    let padding = match after_base.split_at_mut_checked(HEADER_LEN + FOLLOW_UP_LEN) {
        Some((follow_up, padding)) => {
            follow_up[0] = UNRECOGNISED;
            follow_up[1] = FOLLOW_UP;
            put(follow_up, 2, (FOLLOW_UP_LEN as u16).to_be_bytes());
            padding
        }
        None => after_base,
    };
    let Some(value_len) = padding.len().checked_sub(HEADER_LEN) else { return };
    padding[0] = UNRECOGNISED;
    padding[1] = EXTRA_PADDING;
    put(padding, 2, u16::try_from(value_len).unwrap_or(u16::MAX).to_be_bytes());
}

/// Makes a sender's TLVs a stateful reflector's: each is kept with its length, marked as understood
/// or not; `previous` is the answer before this one. What is past a malformed TLV is left as it is.
pub fn reflect(after_base: &mut [u8], previous: FollowUp) {
    let mut rest = after_base;
    while let Some((header, values)) = rest.split_at_mut_checked(HEADER_LEN) {
        let (kind, len) = (header[1], usize::from(u16::from_be_bytes(at(header, 2))));
        if kind == RESERVED {
            return;
        }
        let Some((value, following)) = values.split_at_mut_checked(len) else {
            header[0] = header[0] & !UNRECOGNISED | MALFORMED;
            return;
        };
        header[0] = match (kind, len) {
            (EXTRA_PADDING, _) => header[0] & !UNRECOGNISED,
            (FOLLOW_UP, FOLLOW_UP_LEN) => {
                fill(value, previous);
                header[0] & !UNRECOGNISED
            }
            (FOLLOW_UP, _) => header[0] & !UNRECOGNISED | MALFORMED,
            _ => header[0] | UNRECOGNISED,
        };
        rest = following;
    }
}

/// The Follow-Up Telemetry of an answer; `None` where the reflector did not fill one in.
#[must_use]
pub fn follow_up(after_base: &[u8]) -> Option<FollowUp> {
    let mut rest = after_base;
    loop {
        let (header, values) = rest.split_at_checked(HEADER_LEN)?;
        let len = usize::from(u16::from_be_bytes(at(header, 2)));
        let (value, following) = values.split_at_checked(len)?;
        match (header[1], len) {
            (RESERVED, _) => return None,
            (FOLLOW_UP, FOLLOW_UP_LEN) => {
                let is_filled = header[0] & (UNRECOGNISED | MALFORMED) == 0;
                let seq = u32::from_be_bytes(at(value, 0));
                let sent = Timestamp(u64::from_be_bytes(at(value, 4)));
                return is_filled.then_some(FollowUp { seq, sent });
            }
            _ => rest = following,
        }
    }
}

fn fill(value: &mut [u8], previous: FollowUp) {
    value.fill(0);
    put(value, 0, previous.seq.to_be_bytes());
    put(value, 4, previous.sent.0.to_be_bytes());
    value[12] = if previous.sent == Timestamp::default() { 0 } else { SOFTWARE };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PREVIOUS: FollowUp = FollowUp { seq: 0x0102_0304, sent: Timestamp(0x11 << 56 | 0x18) };

    fn requested(len: usize) -> Vec<u8> {
        let mut bytes = vec![0xff; len];
        request(&mut bytes);
        bytes
    }

    fn reflected(mut bytes: Vec<u8>) -> Vec<u8> {
        reflect(&mut bytes, PREVIOUS);
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
        let cases: [(&[u8], &[u8]); 6] = [
            // Unknown, and one after it.
            (&[0, 9, 0, 1, 5, 0x80, 1, 0, 0], &[0x80, 9, 0, 1, 5, 0, 1, 0, 0]),
            // Longer than the datagram.
            (&[0x80, 9, 0, 2, 5], &[0x40, 9, 0, 2, 5]),
            (&[0x80, 1, 0xff, 0xff], &[0x40, 1, 0xff, 0xff]),
            // A length that its type cannot have.
            (&[0x80, 7, 0, 1, 5], &[0x40, 7, 0, 1, 5]),
            // No TLVs at all: padding.
            (&[0, 0, 0, 9, 5], &[0, 0, 0, 9, 5]),
            (&[0x80, 1, 0], &[0x80, 1, 0]),
        ];
        for (sent, expected) in cases {
            assert_eq!(reflected(sent.to_vec()), expected, "{sent:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_follows_the_packet_keeps_its_length(
            bytes in prop::collection::vec(prop_oneof![Just(0), Just(1), Just(7), any::<u8>()], 0..64),
        ) {
            let answer = reflected(bytes.clone());
            prop_assert_eq!(answer.len(), bytes.len());
            prop_assert!(follow_up(&answer).is_none_or(|told| told == PREVIOUS));
        }
    }
}
