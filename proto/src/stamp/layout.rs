//! Where the fields of the base packets stand: the same fields in both directions, packed in the open packet and
//! padded to blocks of 16 bytes in the authenticated one.

use super::{
    ErrorEstimate, OPEN_LEN, ReflectorPacket, SEALED_LEN, SenderPacket, Timestamp, at, put,
};

/// Offsets of the fields, bytes. A sender's packet ends with `ssid`.
pub(super) struct Layout {
    seq: usize,
    sent: usize,
    error: usize,
    ssid: usize,
    received: usize,
    sender_seq: usize,
    sender_sent: usize,
    sender_error: usize,
    sender_ttl: usize,
}

/// A base packet of a known layout.
pub(super) trait Base: AsRef<[u8]> + AsMut<[u8]> {
    /// Where its fields stand.
    const LAYOUT: Layout;
}

/// Without authentication: RFC 8762 §4.2.1, figure 2, and §4.3.1, figure 5.
impl Base for [u8; OPEN_LEN] {
    const LAYOUT: Layout = Layout {
        seq: 0,
        sent: 4,
        error: 12,
        ssid: 14,
        received: 16,
        sender_seq: 24,
        sender_sent: 28,
        sender_error: 36,
        sender_ttl: 40,
    };
}

/// With authentication: RFC 8762 §4.2.2, figure 4, and §4.3.2, figure 7.
impl Base for [u8; SEALED_LEN] {
    const LAYOUT: Layout = Layout {
        seq: 0,
        sent: 16,
        error: 24,
        ssid: 26,
        received: 32,
        sender_seq: 48,
        sender_sent: 64,
        sender_error: 72,
        sender_ttl: 80,
    };
}

/// Writes a probe, and zero into every other byte.
pub(super) fn write_probe<B: Base>(probe: &SenderPacket, base: &mut B) {
    let (layout, base) = (B::LAYOUT, base.as_mut());
    base.fill(0);
    put(base, layout.seq, &probe.seq.to_be_bytes());
    put(base, layout.sent, &probe.sent.0.to_be_bytes());
    put(base, layout.error, &probe.error.0.to_be_bytes());
    put(base, layout.ssid, &probe.ssid.to_be_bytes());
}

/// Writes an answer, and zero into every other byte.
pub(super) fn write_answer<B: Base>(answer: &ReflectorPacket, base: &mut B) {
    let &ReflectorPacket { seq, sent, error, ssid, .. } = answer;
    write_probe(&SenderPacket { seq, sent, error, ssid }, base);
    let (layout, base) = (B::LAYOUT, base.as_mut());
    put(base, layout.received, &answer.received.0.to_be_bytes());
    put(base, layout.sender_seq, &answer.sender_seq.to_be_bytes());
    put(base, layout.sender_sent, &answer.sender_sent.0.to_be_bytes());
    put(base, layout.sender_error, &answer.sender_error.0.to_be_bytes());
    put(base, layout.sender_ttl, &[answer.sender_ttl]);
}

/// What [`write_probe`] wrote.
pub(super) fn read_probe<B: Base>(base: &B) -> SenderPacket {
    let (layout, base) = (B::LAYOUT, base.as_ref());
    SenderPacket {
        seq: u32::from_be_bytes(at(base, layout.seq)),
        sent: Timestamp(u64::from_be_bytes(at(base, layout.sent))),
        error: ErrorEstimate(u16::from_be_bytes(at(base, layout.error))),
        ssid: u16::from_be_bytes(at(base, layout.ssid)),
    }
}

/// What [`write_answer`] wrote.
pub(super) fn read_answer<B: Base>(base: &B) -> ReflectorPacket {
    let SenderPacket { seq, sent, error, ssid } = read_probe(base);
    let (layout, base) = (B::LAYOUT, base.as_ref());
    let [sender_ttl] = at(base, layout.sender_ttl);
    ReflectorPacket {
        seq,
        sent,
        error,
        ssid,
        received: Timestamp(u64::from_be_bytes(at(base, layout.received))),
        sender_seq: u32::from_be_bytes(at(base, layout.sender_seq)),
        sender_sent: Timestamp(u64::from_be_bytes(at(base, layout.sender_sent))),
        sender_error: ErrorEstimate(u16::from_be_bytes(at(base, layout.sender_error))),
        sender_ttl,
    }
}
