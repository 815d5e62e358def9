//! What a run sends in each mode, and whose answers it takes: against peers of every kind.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use selat_proto::stamp::recognise::{Datagram, recognise};
use selat_proto::stamp::{
    Key, Keys, OPEN_LEN, ReflectorPacket, SEALED_LEN, SenderPacket, Timestamp, sealed, tlv,
};
use selat_qos::analysis::Analysis;
use selat_qos::report::Measurement;
use selat_qos::schedule::Schedule;
use selat_qos::session::{Cancel, Mode, Padding, Peer, Progress, Run, UdpSpec, run};

/// How long a run waits for replies that never come.
const SHORT: Duration = Duration::from_millis(500);
const PROBES: u32 = 20;

/// What a peer makes of a datagram, and of what it is.
type Answer = fn(Option<Datagram>, &[u8]) -> Option<Vec<u8>>;

struct Answering {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Answering {
    fn new(answer: impl Fn(Option<Datagram>, &[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (addr, stop) = (socket.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut datagram = vec![0; 65_536];
            while !stopped.load(Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut datagram) else { continue };
                let datagram = &datagram[..len];
                if let Some(reply) = answer(recognise(datagram, now()), datagram) {
                    socket.send_to(&reply, from).unwrap();
                }
            }
        });
        Self { addr, stop, thread: Some(thread) }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || thread::panicking(), "the peer failed");
        }
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn answering(probe: &SenderPacket) -> ReflectorPacket {
    let now = Timestamp::from_unix(now());
    ReflectorPacket::answering(probe, probe.seq, now, now, 64)
}

fn echo(_: Option<Datagram>, datagram: &[u8]) -> Option<Vec<u8>> {
    Some(datagram.to_vec())
}

fn stamp(probe: Option<Datagram>, datagram: &[u8]) -> Option<Vec<u8>> {
    let Some(Datagram::Open(probe)) = probe else { return None };
    let mut reply = datagram.to_vec();
    answering(&probe).encode(&mut reply).unwrap();
    Some(reply)
}

/// A TWAMP-Light reflector with `len` bytes in its answers, or as many as `len` gives more than come.
fn light(probe: Option<Datagram>, len: usize) -> Option<Vec<u8>> {
    let (Datagram::Open(probe) | Datagram::Light(probe)) = probe? else { return None };
    let mut reply = vec![0; len.max(OPEN_LEN)];
    answering(&SenderPacket { ssid: 0, ..probe }).encode(&mut reply).unwrap();
    reply.truncate(len);
    Some(reply)
}

fn spec(peer: &Answering) -> UdpSpec {
    let schedule = Schedule::isochronous(PROBES, 1_000.0).unwrap();
    UdpSpec::new(peer.addr, schedule, 172, SHORT).unwrap()
}

fn measure(spec: &UdpSpec) -> Run {
    run(spec, &Progress::default(), &Cancel::default()).unwrap()
}

#[test]
fn padding_is_random_unless_zeros_are_asked_for() {
    for mode in [Mode::Stamp, Mode::TwampLight, Mode::Echo] {
        for padding in [Padding::Random, Padding::Zeros] {
            let (seen, sent) = mpsc::channel();
            let peer = Answering::new(move |_, datagram| {
                seen.send(datagram.to_vec()).unwrap();
                None
            });
            let run = measure(&spec(&peer).with_mode(mode).with_padding(padding));
            assert_eq!(run.clients[0].samples.len(), PROBES as usize);
            let probe = sent.recv().unwrap();
            // What is before are TLVs, telemetry and the header of the padding, where there are any.
            let zeros = probe[OPEN_LEN + 24..].iter().filter(|byte| **byte == 0).count();
            let all = 172 - OPEN_LEN - 24;
            let is_right = if padding == Padding::Zeros { zeros == all } else { zeros < all / 4 };
            assert!(is_right, "{mode:?}, {padding:?}: {zeros} zeros of {all}");
        }
    }
}

#[test]
fn each_mode_takes_the_answers_that_it_is_named_after() {
    let peers: [(Peer, Answer); 5] = [
        (Peer::Echo, echo),
        (Peer::Reflector, stamp),
        // As short as answers are, as long as the question, and untruncated.
        (Peer::TwampLight, |probe, _| light(probe, 38)),
        (Peer::TwampLight, |probe, datagram| light(probe, datagram.len())),
        (Peer::TwampLight, |probe, datagram| light(probe, datagram.len() + 27)),
    ];
    for (kind, answer) in peers {
        let peer = Answering::new(answer);
        for mode in [Mode::Auto, Mode::Stamp, Mode::TwampLight, Mode::Echo] {
            let run = measure(&spec(&peer).with_mode(mode));
            let figures = Analysis::of(&run.clients[0].samples);
            // A STAMP reflector cannot tell a sender without a session id from one of TWAMP-Light.
            let expected = match (mode, kind) {
                (Mode::Auto, _) => Some(kind),
                (Mode::TwampLight, Peer::Reflector | Peer::TwampLight) => Some(Peer::TwampLight),
                (Mode::Stamp, Peer::Reflector | Peer::TwampLight) => Some(kind),
                (Mode::Echo, Peer::Echo) => Some(kind),
                _ => None,
            };
            let received = if expected.is_some() { u64::from(PROBES) } else { 0 };
            assert_eq!(
                (run.clients[0].peer, figures.received),
                (expected, received),
                "{mode:?} {kind:?}"
            );
            let residence = run.clients[0].samples[0].residence.is_some();
            assert_eq!(residence, expected.is_some_and(|peer| peer != Peer::Echo), "{mode:?}");
        }
    }
}

#[test]
fn an_answer_that_is_longer_than_any_reflectors_is_none() {
    let peer = Answering::new(|probe, datagram| light(probe, datagram.len() + 28));
    let run = measure(&spec(&peer));
    assert_eq!((run.clients[0].peer, run.clients[0].foreign), (None, u64::from(PROBES)));
}

/// What is done to an answer on its way.
type Change = fn(&mut Vec<u8>);

/// A reflector that has `key`, and answers with what `change` makes of the right answer.
fn keyed(key: &Key, change: Change) -> Answering {
    let key = key.clone();
    Answering::new(move |probe, datagram| {
        let Some(Datagram::Sealed(probe)) = probe else { return None };
        if !sealed::is_genuine(datagram, &key) {
            return None;
        }
        let mut reply = datagram.to_vec();
        sealed::encode_answer(&answering(&probe), &mut reply, &key).unwrap();
        let previous = tlv::FollowUp { seq: 1, sent: Timestamp::from_unix(now()) };
        tlv::reflect_sealed(&mut reply[SEALED_LEN..], previous, (probe.seq, probe.seq), &key);
        change(&mut reply);
        Some(reply)
    })
}

#[test]
fn an_authenticated_run_believes_only_who_has_the_key() {
    let keys = Arc::new(Keys::parse(&format!("300 = {}", "5a".repeat(32))).unwrap());
    let [ours, other] = [0x5a, 0x5b].map(|byte| Key::new(&[byte; 32]).unwrap());
    let cases: [(&Key, Change, bool); 4] = [
        (&ours, |_| {}, true),
        (&ours, |reply| reply[30] ^= 1, false),
        (&ours, |reply| reply.truncate(111), false),
        (&other, |_| {}, false),
    ];
    for (key, change, is_believed) in cases {
        let peer = keyed(key, change);
        let spec = spec(&peer).with_keys(Arc::clone(&keys)).unwrap();
        let run = measure(&spec);
        let figures = Analysis::of(&run.clients[0].samples);
        let expected = if is_believed { (Some(Peer::Authenticated), PROBES) } else { (None, 0) };
        assert_eq!((run.clients[0].peer, figures.received), (expected.0, u64::from(expected.1)));
        // The telemetry under its HMAC shows that it counts.
        assert_eq!(figures.loss_direction.is_some(), is_believed);
        let shown = Measurement::udp(&spec, run).conditions;
        let answers = shown.iter().find(|condition| condition.name == "answers").unwrap();
        assert_eq!(answers.value.starts_with("STAMP reflector, authenticated"), is_believed);
    }
}

#[test]
fn telemetry_that_was_tampered_with_is_not_believed() {
    let key = Key::new(&[0x5a; 32]).unwrap();
    let peer = keyed(&key, |reply| reply[SEALED_LEN + 7] ^= 1);
    let keys = Arc::new(Keys::single(key));
    let run = measure(&spec(&peer).with_keys(keys).unwrap());
    let figures = Analysis::of(&run.clients[0].samples);
    assert_eq!((figures.received, figures.loss_direction), (u64::from(PROBES), None));
}

#[test]
fn an_echo_of_an_authenticated_probe_is_no_answer() {
    let peer = Answering::new(echo);
    let keys = Arc::new(Keys::single(Key::new(&[1; 16]).unwrap()));
    let run = measure(&spec(&peer).with_keys(keys).unwrap());
    assert_eq!((run.clients[0].peer, run.clients[0].foreign), (None, u64::from(PROBES)));
}
