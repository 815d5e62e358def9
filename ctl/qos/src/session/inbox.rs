//! What came back to one client: replies sorted to their probes, duplicates and strangers counted.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use selat_proto::stamp::{OPEN_LEN, Packet, ReflectorPacket, Timestamp, tlv};

use super::client::Client;
use super::kernel;
use super::live::Live;
use super::sender::LEAD_IN;
use super::spec::UdpSpec;
use super::{ClientRun, StampSource};
use crate::sample::{Reflection, Sample};

/// What the other end of a UDP run does with a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Sends it back as it is: the latency includes the time that it was held.
    Echo,
    /// Answers as a STAMP Session-Reflector (RFC 8762 §4.3), with the time that it was held.
    Reflector,
}

/// The replies of one client.
#[derive(Debug)]
pub(crate) struct Inbox {
    samples: Vec<Sample>,
    /// The number after the highest that was answered.
    next: u32,
    newest: Duration,
    foreign: u64,
    user_stamped: u64,
    peer: Option<Peer>,
    /// Whether the reflector is known to count, not to copy the sender's number.
    counts: bool,
}

/// When a datagram came in, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) at: Duration,
    pub(crate) stamps: StampSource,
}

/// A datagram that answers one of our probes.
struct Reply {
    seq: u32,
    peer: Peer,
    sent_at: Duration,
    residence: Option<Duration>,
    reflection: Option<Reflection>,
    counts: bool,
}

impl Inbox {
    pub(crate) fn new(spec: &UdpSpec, client: u32) -> Self {
        let unanswered = |(seq, due)| Sample::sent(seq, LEAD_IN + due, Duration::ZERO);
        Self {
            samples: (0..).zip(spec.times(client)).map(unanswered).collect(),
            next: 0,
            newest: Duration::ZERO,
            foreign: 0,
            user_stamped: 0,
            peer: None,
            counts: false,
        }
    }

    /// Takes a datagram; returns the latency if it is the first answer to a
    /// probe of `client`.
    pub(crate) fn take(
        &mut self,
        live: &Live<'_>,
        client: &Client,
        datagram: &[u8],
        came: Came,
    ) -> Option<Duration> {
        let Some(reply) = identify(live, client, datagram) else {
            self.foreign += 1;
            return None;
        };
        // Two stamps that tie would hide which of the replies came first.
        self.newest = came.at.max(self.newest + Duration::from_nanos(1));
        self.counts |= reply.counts;
        let sample = self.samples.get_mut(reply.seq as usize)?;
        if sample.received_at.is_some() {
            take_duplicate(sample, &reply);
            return None;
        }
        sample.sent_at = reply.sent_at;
        sample.received_at = Some(self.newest);
        sample.residence = reply.residence;
        sample.reflection = reply.reflection;
        sample.bytes = datagram.len() as u64;
        let latency = sample.latency()?;
        self.user_stamped += u64::from(came.stamps == StampSource::User);
        self.peer.get_or_insert(reply.peer);
        live.count_answered(client, sample, latency);
        self.count_overtaken(live, reply.seq);
        Some(latency)
    }

    /// What `client` measured: the samples of the probes that left.
    pub(crate) fn close(mut self, client: &Client) -> ClientRun {
        self.samples.retain_mut(|sample| match client.sent_at(sample.seq) {
            Some(sent_at) => {
                sample.sent_at = sent_at;
                true
            }
            None => false,
        });
        if !self.counts {
            let reflections = self.samples.iter_mut().filter_map(|it| it.reflection.as_mut());
            reflections.for_each(|reflection| reflection.number = None);
        }
        ClientRun {
            client: client.id + 1,
            samples: self.samples,
            peer: self.peer,
            unsent: client.unsent.load(Relaxed),
            refused: client.refused.load(Relaxed),
            unreachable: client.unreachable.load(Relaxed),
            foreign: self.foreign,
            user_stamped: self.user_stamped,
            overruns: kernel::overruns(&client.socket),
        }
    }

    fn count_overtaken(&mut self, live: &Live<'_>, seq: u32) {
        match seq.checked_sub(self.next) {
            Some(overtaken) => {
                live.progress.probes_overtaken(overtaken);
                self.next = seq + 1;
            }
            None => live.progress.overtaken_probe_answered(),
        }
    }
}

/// Matches a datagram with the send log: right length, right session, a probe that was sent, and
/// its T1 to the last bit, which a blind forger would have to guess.
fn identify(live: &Live<'_>, client: &Client, datagram: &[u8]) -> Option<Reply> {
    if datagram.len() > live.spec.size() {
        return None;
    }
    match Packet::decode(datagram).ok()? {
        Packet::Sender(probe) => {
            let is_ours = probe.ssid == client.ssid && datagram.len() == live.spec.size();
            let sent_at = sent_at(live, client, probe.seq, probe.sent).filter(|_| is_ours)?;
            Some(Reply {
                seq: probe.seq,
                peer: Peer::Echo,
                sent_at,
                residence: None,
                reflection: None,
                counts: false,
            })
        }
        Packet::Reflector(answer) => {
            // A reflector older than RFC 8972 leaves the session id zero.
            let is_ours = [0, client.ssid].contains(&answer.ssid);
            let seq = answer.sender_seq;
            let sent_at = sent_at(live, client, seq, answer.sender_sent).filter(|_| is_ours)?;
            Some(Reply {
                seq,
                peer: Peer::Reflector,
                sent_at,
                residence: answer.residence(),
                reflection: Some(reflection(live, &answer)),
                counts: counts(&answer, datagram),
            })
        }
    }
}

fn reflection(live: &Live<'_>, answer: &ReflectorPacket) -> Reflection {
    let (from, format) = (live.clock.origin_since_epoch(), answer.error.format());
    Reflection {
        number: Some(answer.seq),
        copies: 0,
        received_ns: answer.received.nanos_since(from, format),
        sent_ns: answer.sent.nanos_since(from, format),
    }
}

/// Whether an answer shows that the reflector counts: its number is not the probe's, or it tells of
/// the answer before this one, which only a stateful reflector can (RFC 8972 §4.7).
fn counts(answer: &ReflectorPacket, datagram: &[u8]) -> bool {
    let told = datagram.get(OPEN_LEN..).and_then(tlv::follow_up).unwrap_or_default();
    answer.seq != answer.sender_seq || told.sent != Timestamp::default()
}

fn take_duplicate(sample: &mut Sample, reply: &Reply) {
    sample.duplicates += 1;
    let number = |reflection: Option<Reflection>| reflection.and_then(|it| it.number);
    let is_copy = number(sample.reflection) != number(reply.reflection);
    if let Some(reflection) = sample.reflection.as_mut().filter(|_| is_copy) {
        reflection.copies += 1;
    }
}

fn sent_at(live: &Live<'_>, client: &Client, seq: u32, t1: Timestamp) -> Option<Duration> {
    client.sent_at(seq).filter(|sent_at| live.clock.stamp(*sent_at) == t1)
}
