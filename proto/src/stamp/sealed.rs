//! The authenticated packets (RFC 8762 §4.2.2 and §4.3.2): 112 bytes, of which the last 16 are the
//! HMAC-SHA-256 of the others, cut to 128 bits (§4.4).

use super::keys::DIGEST_LEN;
use super::{Key, ReflectorPacket, SEALED_LEN, SenderPacket, TooShort, at, layout, put};

/// Where the digest begins, and what it is of ends.
const DIGEST_AT: usize = SEALED_LEN - DIGEST_LEN;

/// Writes a probe into the first [`SEALED_LEN`] bytes of `out`, MBZ bytes and digest included.
///
/// # Errors
/// [`TooShort`] when `out` does not hold it; nothing is written then.
pub fn encode_probe(probe: &SenderPacket, out: &mut [u8], key: &Key) -> Result<(), TooShort> {
    let base = base_mut(out)?;
    layout::write_probe(probe, base);
    seal(base, key);
    Ok(())
}

/// Writes an answer into the first [`SEALED_LEN`] bytes of `out`, MBZ bytes and digest included.
///
/// # Errors
/// [`TooShort`] when `out` does not hold it; nothing is written then.
pub fn encode_answer(answer: &ReflectorPacket, out: &mut [u8], key: &Key) -> Result<(), TooShort> {
    let base = base_mut(out)?;
    layout::write_answer(answer, base);
    seal(base, key);
    Ok(())
}

/// The answer that `datagram` begins with; `None` where it is too short or its digest is wrong.
#[must_use]
pub fn decode_answer(datagram: &[u8], key: &Key) -> Option<ReflectorPacket> {
    let base = datagram.first_chunk::<SEALED_LEN>().filter(|_| is_genuine(datagram, key))?;
    Some(layout::read_answer(base))
}

/// Whether the base packet that `datagram` begins with has the digest that `key` gives it. Takes the
/// same time wherever a digest is wrong.
#[must_use]
pub fn is_genuine(datagram: &[u8], key: &Key) -> bool {
    let Some(base) = datagram.first_chunk::<SEALED_LEN>() else { return false };
    key.verifies(&[&base[..DIGEST_AT]], &at(base, DIGEST_AT))
}

fn seal(base: &mut [u8; SEALED_LEN], key: &Key) {
    let digest = key.digest(&[&base[..DIGEST_AT]]);
    put(base, DIGEST_AT, &digest);
}

fn base_mut(out: &mut [u8]) -> Result<&mut [u8; SEALED_LEN], TooShort> {
    let len = out.len();
    out.first_chunk_mut().ok_or(TooShort { len, needed: SEALED_LEN })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::{ErrorEstimate, Timestamp};

    const PROBE: SenderPacket = SenderPacket {
        seq: 0x0102_0304,
        sent: Timestamp(0x1112_1314_1516_1718),
        error: ErrorEstimate(0x2122),
        ssid: 0x3132,
    };

    /// By another implementation of HMAC-SHA-256, as that of [`answer`].
    const PROBE_DIGEST: [u8; DIGEST_LEN] = [
        0xb0, 0x4d, 0xcd, 0x6d, 0xca, 0x3a, 0xb3, 0xe7, 0x47, 0x85, 0x56, 0xce, 0x6b, 0x14, 0xc6,
        0x89,
    ];
    const ANSWER_DIGEST: [u8; DIGEST_LEN] = [
        0xe9, 0xe1, 0xd6, 0x05, 0xcd, 0x18, 0x3d, 0x02, 0x2f, 0xbc, 0x50, 0x4b, 0xac, 0x70, 0xcd,
        0xe6,
    ];

    fn key() -> Key {
        Key::new(&(0..32).collect::<Vec<u8>>()).unwrap()
    }

    fn answer() -> ReflectorPacket {
        let (t2, t3) = (Timestamp(0x4142_4344_4546_4748), Timestamp(0x5152_5354_5556_5758));
        ReflectorPacket::answering(&PROBE, 9, t2, t3, 63)
    }

    /// `fields` at their offsets among zeros, and `digest` after them.
    fn packet(fields: &[(usize, &[u8])], digest: [u8; DIGEST_LEN]) -> [u8; SEALED_LEN] {
        let mut bytes = [0; SEALED_LEN];
        fields.iter().for_each(|(offset, field)| put(&mut bytes, *offset, field));
        put(&mut bytes, DIGEST_AT, &digest);
        bytes
    }

    #[test]
    fn a_probe_is_that_of_rfc_8762_figure_4_under_its_digest() {
        let mut bytes = [0xff; SEALED_LEN];
        encode_probe(&PROBE, &mut bytes, &key()).unwrap();
        let fields: [(usize, &[u8]); 3] = [
            (0, &[1, 2, 3, 4]),
            (16, &[0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]),
            (24, &[0x21, 0x22, 0x31, 0x32]),
        ];
        assert_eq!(bytes, packet(&fields, PROBE_DIGEST));
        assert!(is_genuine(&bytes, &key()));
        assert_eq!(layout::read_probe(&bytes), PROBE);
    }

    #[test]
    fn an_answer_is_that_of_rfc_8762_figure_7_under_its_digest() {
        let mut bytes = [0xff; SEALED_LEN];
        encode_answer(&answer(), &mut bytes, &key()).unwrap();
        let fields: [(usize, &[u8]); 7] = [
            (0, &[0, 0, 0, 9]),
            (16, &[0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58]),
            (24, &[0x20, 1, 0x31, 0x32]),
            (32, &[0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48]),
            (48, &[1, 2, 3, 4]),
            (64, &[0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x21, 0x22]),
            (80, &[63]),
        ];
        assert_eq!(bytes, packet(&fields, ANSWER_DIGEST));
        assert_eq!(decode_answer(&bytes, &key()), Some(answer()));
    }

    #[test]
    fn one_bit_anywhere_or_another_key_is_noticed() {
        let mut bytes = [0; SEALED_LEN];
        encode_answer(&answer(), &mut bytes, &key()).unwrap();
        for bit in 0..SEALED_LEN * 8 {
            let mut forged = bytes;
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_answer(&forged, &key()), None, "bit {bit}");
        }
        assert!(!is_genuine(&bytes, &Key::new(&[1; 32]).unwrap()));
        assert!(!is_genuine(&bytes[..SEALED_LEN - 1], &key()));
    }
}
