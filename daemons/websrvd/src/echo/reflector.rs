//! The STAMP Session-Reflector (RFC 8762 §4.3), stateful: each session's answers are numbered by a
//! count of their own, so that a sender can tell on which way a probe was lost. A session that has a
//! key is answered with authentication, and only to who has the key.
//!
//! Sessions are a client's address and session id (RFC 8972 §3). Their number is bounded: those that
//! were silent the longest are forgotten first, and begin anew at 0.

use std::collections::HashMap;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use selat_proto::stamp::{
    Key, OPEN_LEN, ReflectorPacket, SEALED_LEN, SenderPacket, Timestamp, sealed, tlv,
};

/// Most sessions that one socket keeps.
pub(super) const SESSIONS_MAX: usize = 8192;
/// How long a silent session is remembered: REFWAIT of TWAMP (RFC 5357 §4.2).
const SILENCE_MAX: Duration = Duration::from_secs(900);
/// The TTL of an answer to a probe whose own is not known (RFC 8762 §4.3.1).
const TTL_UNKNOWN: u8 = 255;

/// Who sends, and under which session id.
pub(super) type SessionKey = (SocketAddr, u16);

/// When a probe came in and is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// T2, since the Unix epoch.
    pub(super) received: Duration,
    /// T3, since the Unix epoch.
    pub(super) sent: Duration,
    /// TTL that the probe came with.
    pub(super) ttl: Option<u8>,
    /// Now, by a clock that is never set.
    pub(super) now: Instant,
}

/// How a probe is written, and so its answer.
#[derive(Clone, Copy)]
pub(super) enum Form<'k> {
    /// Without authentication; what follows the base packet are TLVs.
    Open,
    /// As a TWAMP-Light sender has it: what follows is padding, which is sent back.
    Light,
    /// Authenticated with this key; what follows are TLVs.
    Sealed(&'k Key),
}

/// What became of a probe's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// It was known.
    Continued,
    /// It is new.
    Opened,
}

/// A session: how many probes reached us, and the last answer.
#[derive(Clone, Copy, Debug)]
struct Count {
    received: u32,
    last: tlv::FollowUp,
    heard: Instant,
}

/// The sessions of one socket.
#[derive(Debug)]
pub(super) struct Reflector {
    /// Heard of since `older` was put aside.
    recent: HashMap<SessionKey, Count>,
    /// Not heard of since; forgotten when `recent` is full.
    older: HashMap<SessionKey, Count>,
    half_max: usize,
}

impl Reflector {
    /// A reflector that knows nobody and remembers up to `sessions_max`.
    pub(super) fn new(sessions_max: usize) -> Self {
        let half_max = (sessions_max / 2).max(1);
        Self { recent: HashMap::new(), older: HashMap::new(), half_max }
    }

    /// Makes `datagram`, the `probe` that came from `client`, the answer to it: of the same length.
    pub(super) fn reflect(
        &mut self,
        client: SocketAddr,
        probe: &SenderPacket,
        form: Form<'_>,
        at: Moment,
        datagram: &mut [u8],
    ) -> Session {
        let (session, count) = self.count((client, probe.ssid), at.now);
        let (seq, previous) = (count.received, count.last);
        let (received, sent) = (Timestamp::from_unix(at.received), Timestamp::from_unix(at.sent));
        count.received = seq.wrapping_add(1);
        count.last = tlv::FollowUp { seq, sent };
        let ttl = at.ttl.unwrap_or(TTL_UNKNOWN);
        let answer = ReflectorPacket::answering(probe, seq, received, sent, ttl);
        // A probe was read from these bytes, so that its answer fits.
        match form {
            Form::Open => {
                if answer.encode(datagram).is_ok() {
                    tlv::reflect(&mut datagram[OPEN_LEN..], previous);
                }
            }
            Form::Light => drop(answer.encode(datagram)),
            Form::Sealed(key) => {
                if sealed::encode_answer(&answer, datagram, key).is_ok() {
                    let extensions = &mut datagram[SEALED_LEN..];
                    tlv::reflect_sealed(extensions, previous, (probe.seq, seq), key);
                }
            }
        }
        session
    }

    fn count(&mut self, key: SessionKey, now: Instant) -> (Session, &mut Count) {
        let known = self.recent.remove(&key).or_else(|| self.older.remove(&key));
        let known = known.filter(|count| now.duration_since(count.heard) <= SILENCE_MAX);
        let session = if known.is_some() { Session::Continued } else { Session::Opened };
        if self.recent.len() >= self.half_max {
            self.older = mem::take(&mut self.recent);
        }
        let fresh = || Count { received: 0, last: tlv::FollowUp::default(), heard: now };
        let count = self.recent.entry(key).or_insert_with(|| known.unwrap_or_else(fresh));
        count.heard = now;
        (session, count)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.recent.len() + self.older.len()
    }
}

#[cfg(test)]
mod tests {
    use selat_proto::stamp::{ErrorEstimate, Packet};

    use super::*;

    const EPOCH: Duration = Duration::from_secs(1_800_000_000);

    fn moment(now: Instant) -> Moment {
        let sent = EPOCH + Duration::from_micros(7);
        Moment { received: EPOCH, sent, ttl: Some(63), now }
    }

    fn client(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn probe(seq: u32, ssid: u16) -> SenderPacket {
        let sent = Timestamp::from_unix(EPOCH - Duration::from_millis(1));
        SenderPacket { seq, sent, error: ErrorEstimate::UNSYNCHRONISED, ssid }
    }

    /// The answer's base packet and what follows it.
    fn answer(
        reflector: &mut Reflector,
        from: SocketAddr,
        probe: SenderPacket,
        at: Moment,
    ) -> (ReflectorPacket, Vec<u8>) {
        let mut datagram = vec![0; 80];
        probe.encode(&mut datagram).unwrap();
        tlv::request(&mut datagram[OPEN_LEN..]);
        reflector.reflect(from, &probe, Form::Open, at, &mut datagram);
        match Packet::decode(&datagram) {
            Ok(Packet::Reflector(answer)) => (answer, datagram[OPEN_LEN..].to_vec()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_holds_the_probe_both_times_and_the_ttl() {
        let mut reflector = Reflector::new(8);
        let now = Instant::now();
        let (answer, _) = answer(&mut reflector, client(1), probe(41, 5), moment(now));
        let (t2, t3) = (Timestamp::from_unix(EPOCH), answer.sent);
        let expected = ReflectorPacket::answering(&probe(41, 5), 0, t2, t3, 63);
        assert_eq!(answer, expected);
        assert_eq!(answer.residence(), Some(Duration::from_micros(7)));
    }

    #[test]
    fn every_session_is_counted_by_itself() {
        let mut reflector = Reflector::new(8);
        let now = Instant::now();
        let mut seq = |port, ssid, seq| {
            answer(&mut reflector, client(port), probe(seq, ssid), moment(now)).0.seq
        };
        // The second probe of the first session was lost on its way here.
        assert_eq!([seq(1, 5, 0), seq(1, 5, 2), seq(1, 6, 0), seq(2, 5, 0)], [0, 1, 0, 0]);
        assert_eq!([seq(1, 5, 3), seq(2, 5, 9)], [2, 1]);
    }

    #[test]
    fn an_answer_tells_of_the_one_before_it() {
        let mut reflector = Reflector::new(8);
        let now = Instant::now();
        let (first, tlvs) = answer(&mut reflector, client(1), probe(0, 5), moment(now));
        assert_eq!(tlv::follow_up(&tlvs), Some(tlv::FollowUp::default()));
        let (_, tlvs) = answer(&mut reflector, client(1), probe(1, 5), moment(now));
        assert_eq!(tlv::follow_up(&tlvs), Some(tlv::FollowUp { seq: 0, sent: first.sent }));
    }

    #[test]
    fn a_session_that_was_silent_too_long_begins_anew() {
        let mut reflector = Reflector::new(8);
        let start = Instant::now();
        let mut seq = |now| answer(&mut reflector, client(1), probe(0, 5), moment(now)).0.seq;
        let (patient, late) = (start + SILENCE_MAX, start + SILENCE_MAX * 3);
        assert_eq!([seq(start), seq(patient), seq(late)], [0, 1, 0]);
    }

    #[test]
    fn strangers_without_number_take_no_more_memory_and_spare_who_is_heard() {
        const MAX: usize = 64;
        let mut reflector = Reflector::new(MAX);
        let now = Instant::now();
        for round in 0..1_000 {
            let known = answer(&mut reflector, client(1), probe(round, 5), moment(now)).0;
            assert_eq!(known.seq, round);
            for stranger in 0..10 {
                let port = 1_000 + (round * 10 + stranger) as u16;
                answer(&mut reflector, client(port), probe(0, 0), moment(now));
            }
            assert!(reflector.len() <= MAX);
        }
    }
}
