//! The datagrams of a run in each [`Mode`]: how a probe is written, and which answers are its own.

use std::time::Duration;

use selat_proto::stamp::{
    ANSWER_LEN_MIN, ErrorEstimate, Key, OPEN_LEN, Packet, ReflectorPacket, SEALED_LEN,
    SenderPacket, Timestamp, TooShort, sealed, tlv,
};

use super::client::Client;
use super::inbox::Peer;
use super::live::Live;
use super::spec::{Mode, Padding, UdpSpec};
use crate::sample::Reflection;

/// By how much a TWAMP reflector's packet is longer than a sender's: one that does not leave out as
/// much of the padding answers with so many bytes more (RFC 5357 §4.2.1).
pub(super) const ANSWER_EXCESS_MAX: usize = 27;
/// What no reflector takes for a probe: a multiplier of zero is corrupt (RFC 4656 §4.1.2).
const NO_PROBE: ErrorEstimate = ErrorEstimate(0);

/// The session id of a client's probes.
pub(super) fn session_id(spec: &UdpSpec, client: u32) -> u16 {
    let with_key = spec.keys().and_then(|keys| keys.session_of(client));
    match spec.mode() {
        Mode::TwampLight => 0,
        _ => with_key.unwrap_or_else(|| rand::random_range(1..=u16::MAX)),
    }
}

/// What is the same in every probe of a run: what follows the base packet.
pub(super) fn blank(spec: &UdpSpec) -> Vec<u8> {
    let mut datagram = vec![0; spec.size()];
    let padding = match (spec.keys(), spec.mode()) {
        (Some(_), _) => tlv::request_sealed(&mut datagram[SEALED_LEN..]),
        (None, Mode::Auto | Mode::Stamp) => tlv::request(&mut datagram[OPEN_LEN..]),
        (None, Mode::TwampLight | Mode::Echo) => &mut datagram[OPEN_LEN..],
    };
    if spec.padding() == Padding::Random {
        rand::fill(padding);
    }
    datagram
}

/// Writes probe `seq`, which is sent `at`, into its datagram.
///
/// # Errors
/// Never: the smallest size of a spec holds the packet.
pub(super) fn encode(
    live: &Live<'_>,
    client: &Client,
    seq: u32,
    at: Duration,
    datagram: &mut [u8],
) -> Result<(), TooShort> {
    let error = match live.spec.mode() {
        Mode::Echo => NO_PROBE,
        _ => ErrorEstimate::UNSYNCHRONISED,
    };
    let probe = SenderPacket { seq, sent: live.clock.stamp(at), error, ssid: client.ssid };
    match key(live, client) {
        Some(key) => {
            sealed::encode_probe(&probe, datagram, key)?;
            tlv::seal(seq, &mut datagram[SEALED_LEN..], key);
            Ok(())
        }
        None => probe.encode(datagram),
    }
}

/// A datagram that answers one of our probes.
pub(super) struct Reply {
    pub(super) seq: u32,
    pub(super) peer: Peer,
    pub(super) sent_at: Duration,
    pub(super) residence: Option<Duration>,
    pub(super) reflection: Option<Reflection>,
    /// Whether it shows that the reflector counts.
    pub(super) counts: bool,
}

/// Matches a datagram with the send log: a length, a form and a session that an answer has, a probe
/// that was sent, and its T1 to the last bit, which a blind forger would have to guess.
pub(super) fn identify(live: &Live<'_>, client: &Client, datagram: &[u8]) -> Option<Reply> {
    if datagram.len() > answer_len_max(live.spec) {
        return None;
    }
    if let Some(key) = key(live, client) {
        let answer = sealed::decode_answer(datagram, key)?;
        let extensions = &datagram[SEALED_LEN..];
        let told = tlv::is_intact(answer.seq, extensions, key).then(|| tlv::follow_up(extensions));
        return reflected(live, client, &answer, Peer::Authenticated, told.flatten());
    }
    match Packet::decode(datagram).ok()? {
        Packet::Sender(probe) => echoed(live, client, &probe, datagram.len()),
        Packet::Reflector(answer) if live.spec.mode() != Mode::Echo => {
            // A reflector older than RFC 8972 leaves the session id zero, as TWAMP-Light's do.
            let peer = if answer.ssid == 0 { Peer::TwampLight } else { Peer::Reflector };
            let told = datagram.get(OPEN_LEN..).and_then(tlv::follow_up);
            reflected(live, client, &answer, peer, told)
        }
        Packet::Reflector(_) => None,
    }
}

/// Bytes of the longest answer.
pub(super) fn answer_len_max(spec: &UdpSpec) -> usize {
    spec.size().max(ANSWER_LEN_MIN) + ANSWER_EXCESS_MAX
}

fn key<'a>(live: &'a Live<'_>, client: &Client) -> Option<&'a Key> {
    live.spec.keys()?.of(client.ssid)
}

fn echoed(live: &Live<'_>, client: &Client, probe: &SenderPacket, len: usize) -> Option<Reply> {
    let takes_echoes = matches!(live.spec.mode(), Mode::Auto | Mode::Echo);
    let is_ours = takes_echoes && probe.ssid == client.ssid && len == live.spec.size();
    let sent_at = sent_at(live, client, probe.seq, probe.sent).filter(|_| is_ours)?;
    let (residence, reflection) = (None, None);
    Some(Reply { seq: probe.seq, peer: Peer::Echo, sent_at, residence, reflection, counts: false })
}

fn reflected(
    live: &Live<'_>,
    client: &Client,
    answer: &ReflectorPacket,
    peer: Peer,
    told: Option<tlv::FollowUp>,
) -> Option<Reply> {
    let is_ours = [0, client.ssid].contains(&answer.ssid);
    let seq = answer.sender_seq;
    let sent_at = sent_at(live, client, seq, answer.sender_sent).filter(|_| is_ours)?;
    let (from, format) = (live.clock.origin_since_epoch(), answer.error.format());
    let reflection = Reflection {
        number: Some(answer.seq),
        copies: 0,
        received_ns: answer.received.nanos_since(from, format),
        sent_ns: answer.sent.nanos_since(from, format),
    };
    // Its number is not the probe's, or it tells of the answer before this one, which only a stateful
    // reflector can (RFC 8972 §4.7).
    let tells = told.is_some_and(|told| told.sent != Timestamp::default());
    Some(Reply {
        seq,
        peer,
        sent_at,
        residence: answer.residence(),
        reflection: Some(reflection),
        counts: tells || answer.seq != seq,
    })
}

fn sent_at(live: &Live<'_>, client: &Client, seq: u32, t1: Timestamp) -> Option<Duration> {
    client.sent_at(seq).filter(|sent_at| live.clock.stamp(*sent_at) == t1)
}
